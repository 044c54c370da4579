/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/dead.h: lists of dead objects whose blocks are not free yet.
 *
 * They are linked through their first header words, as free blocks are (heap/page.h) and for the same reason: what a
 * program writes to an object after its release goes to the payload, and is in no link. Here a link may lead to another
 * page, and is an address. It is stored shifted, so that it can be taken neither for an owner, whose place is zero, nor
 * for a candidate, whose bit is zero: whatever a program does to such an object goes on to look at LIVE, and is found out.
 * An address of 51 bits fits; the systems that this runs on hand out no longer ones unless they are asked for.
 *
 * Lists of one thread's are plain pointers to the first; a stack is for any thread that pushes, and one that takes all.
 */
#ifndef WANE_HEAP_DEAD_H
#define WANE_HEAP_DEAD_H

#include <wane/layout.h>

#include "base/atomic.h"

#define WANE__DEAD_SHIFT 13

static inline struct wane__header *wane__dead_next(const struct wane__header *h) {
    return (struct wane__header *)(uintptr_t)(load_relaxed((const uint64_t *)(const void *)h) >> WANE__DEAD_SHIFT);
}

static inline void wane__dead_link(struct wane__header *h, const struct wane__header *next) {
    store_relaxed((uint64_t *)(void *)h, (uint64_t)(uintptr_t)next << WANE__DEAD_SHIFT);
}

/* The list's thread. A child of fork() finds a list that ends. */
static inline void wane__dead_put(struct wane__header **list, struct wane__header *h) {
    wane__dead_link(h, load_relaxed(list));
    compiler_barrier();
    store_relaxed(list, h);
}

/* Anything that is not NULL. */
static inline void wane__dead_skip(struct wane__header **list) { store_relaxed(list, wane__dead_next(load_relaxed(list))); }

struct wane__dead_stack {
    struct wane__header *xtop;
};

/* Nothing is ever popped singly: as with wane__stack there is no ABA problem. */
static inline void wane__dead_push(struct wane__dead_stack *s, struct wane__header *h) {
    struct wane__header *top = load_relaxed(&s->xtop);
    do {
        wane__dead_link(h, top);
    } while (!__atomic_compare_exchange_n(&s->xtop, &top, h, 1, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)); /* [order:stack] */
}

/* Takes everything, last pushed first. */
static inline struct wane__header *wane__dead_take(struct wane__dead_stack *s) {
    if (load_seq_cst(&s->xtop) == NULL) /* no write to a line that nobody pushed to */
        return NULL;
    return swap_seq_cst(&s->xtop, (struct wane__header *)NULL); /* [order:stack] */
}

#endif
