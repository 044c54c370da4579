/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/size.h: size classes. Sizes are of whole blocks, the object's header included.
 */
#ifndef WANE_HEAP_SIZE_H
#define WANE_HEAP_SIZE_H

#include <stddef.h>

#define WANE__CLASSES 54u
#define WANE__CLASS_LARGE WANE__CLASSES /* no class: pages of its own */
#define WANE__BLOCK_MIN ((size_t)32)
#define WANE__BLOCK_MAX ((size_t)32736) /* of the largest class */

/* The smallest class that holds a block of that size, or WANE__CLASS_LARGE. Any thread; wait-free. */
unsigned wane__heap_class(size_t block_bytes);

/* The size of the blocks of a class. */
size_t wane__heap_class_size(unsigned cls);

#endif
