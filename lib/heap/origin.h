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

#include <wane/object.h>

#include "base/check.h"
#include "heap/page.h"

/* Of an arena that is about to be used, or is about to be unmapped. */
void wane__origin_set(struct wane__arena *arena);
void wane__origin_clear(const struct wane__arena *arena);

/* Addresses of programs have 47 bits, unless longer ones are asked for. */
#define WANE__ADDRESS_BITS 47
extern uint64_t wane__xours[((uintptr_t)1 << (WANE__ADDRESS_BITS - WANE__ARENA_SHIFT)) / 64]; /* touched where there are arenas */

/* Any thread, any pointer; wait-free. */
static inline bool wane__is_ours(const void *p) {
    uintptr_t arena = (uintptr_t)p >> WANE__ARENA_SHIFT;
    return unlikely((uintptr_t)p >> WANE__ADDRESS_BITS != 0) || (load_relaxed(&wane__xours[arena >> 6]) >> (arena & 63) & 1) != 0;
}

/*
 * Whether h stands in static storage, made by WANE_IMMORTAL_INIT: it is in no arena, so nobody asks for its page. A word that says
 * so: no type id, which all others have, and yet alive.
 */
static inline bool wane__word_is_static(uint64_t w) { return w >> WANE__TYPE_SHIFT == 0 && (w & WANE__LIVE) != 0; }

static inline struct wane__immortal *wane__immortal_of(const struct wane__header *h) {
    return (struct wane__immortal *)((uintptr_t)h - offsetof(struct wane__immortal, header));
}

/* Ends the program: operation on an object that is not of this copy of the library, or is none. */
_Noreturn void wane__fatal_foreign(const struct wane__header *h, const char *operation);

/* h is in no arena of this copy: ends the program, as above, unless h is static. */
void wane__need_static(const struct wane__header *h, const char *operation);

/* In builds with full checks, where any call is handed an object. */
static inline void wane__need_ours(const struct wane__header *h, const char *operation) {
    if (WANE_CHECKS >= 2 && unlikely(!wane__is_ours(h)))
        wane__need_static(h, operation);
}

#endif
