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

/* The same for blocks of 17 to 272 bytes, and the sizes of those classes: they are 16 bytes apart. */
#define WANE__CLASS_OF_16(block_bytes) ((unsigned)(((block_bytes) + 15) / 16) - 2)
#define WANE__CLASS_16_SIZE(cls) (((size_t)(cls) + 2) * 16)
#define WANE__CLASS_16_MAX ((size_t)272)

/* The size of the blocks of a class. */
size_t wane__heap_class_size(unsigned cls);

#endif
