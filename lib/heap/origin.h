/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/origin.h: whether an object is of this copy of the library.
 *
 * Two copies in one process, one of them inside of a plugin for instance, number threads and types each on its own: an
 * object that crosses is counted by the wrong thread and destroyed as one of the wrong type. Every address of an arena has a
 * bit here, so the question is one load, and may be asked of any pointer. An arena also says what gives its objects' names: the
 * other copy's objects have types that only that copy knows.
 */
#ifndef WANE_HEAP_ORIGIN_H
#define WANE_HEAP_ORIGIN_H

#include "base/check.h"
#include "heap/page.h"

/* Of an arena that is about to be used, or is about to be unmapped. */
void wane__origin_set(struct wane__arena *arena);
void wane__origin_clear(const struct wane__arena *arena);

/* Any thread, any pointer; wait-free. */
bool wane__is_ours(const void *p);

/* Ends the program: operation on an object that is not of this copy of the library, or is none. */
_Noreturn void wane__fatal_foreign(const struct wane__header *h, const char *operation);

/* In builds with full checks, where any call is handed an object. */
static inline void wane__need_ours(const struct wane__header *h, const char *operation) {
    if (WANE_CHECKS >= 2 && unlikely(!wane__is_ours(h)))
        wane__fatal_foreign(h, operation);
}

#endif
