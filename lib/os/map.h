/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * os/map.h: address space from the system, and what is done with it.
 *
 * All sizes and addresses are multiples of the system's page. Any thread; every call is a system call or several.
 */
#ifndef WANE_OS_MAP_H
#define WANE_OS_MAP_H

#include <stdbool.h>
#include <stddef.h>

/* Readable, writable, zero, without memory behind it yet; `align` is a power of two. NULL when there is none. */
void *wane__map_reserve(size_t size, size_t align);

void wane__map_release(void *p, size_t size);

/* The mapping with another size, perhaps elsewhere, without a copy. NULL: there is no room, nothing changed. */
void *wane__map_resize(void *p, size_t from, size_t to);

/*
 * Zeroes the range, which is any and of our mappings, where it has memory; parts without it get none. Its bytes may be
 * nobody else's meanwhile.
 */
void wane__map_zero(void *p, size_t size);

/* The range stays mapped, is zero again, and its memory belongs to the system. False: nothing changed. */
bool wane__map_discard(void *p, size_t size);

#endif
