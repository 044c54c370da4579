/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/ring.h: the storage of lists and deques: a ring of slots, as an object.
 *
 * An element has a position, a number that it keeps while others come and go at the ends; position p is in cell p modulo
 * the number of cells. The elements are those from position xhead up to, and without, xtail. All other cells are NULL, but during a change.
 */
#ifndef WANE_VALUE_RING_H
#define WANE_VALUE_RING_H

#include <stdatomic.h>
#include <wane.h>

struct wane__ring {
    _Atomic(size_t) xcells;       /* immutable once the ring is in a container; a power of two */
    _Atomic(uint64_t) xhead;      /* written under the container's lock */
    _Atomic(uint64_t) xtail;      /* the same */
    _Atomic(uint64_t) xchanges;   /* the same; that have ended */
    _Atomic(uint32_t) xmoved;     /* the same; 1: the elements are another ring's now, `trace` visits nothing */
    _Atomic(uint64_t) xiterators; /* that have not come to their end: counted up under the lock, down by whoever ends one */
    wane_slot at[];               /* the cells, and a spare slot for what a change in the middle brings in or takes out */
};

/* An empty ring for at least n elements, or NULL with errno as wane_new. */
struct wane__ring *wane__ring_new(size_t n);

static inline size_t wane__ring_cells(const struct wane__ring *r) {
    return atomic_load_explicit(&r->xcells, memory_order_relaxed);
}

static inline wane_slot *wane__ring_cell(struct wane__ring *r, uint64_t position) {
    return &r->at[position & (wane__ring_cells(r) - 1)];
}

/* For whoever has the lock. */
static inline uint64_t wane__ring_head(const struct wane__ring *r) {
    return atomic_load_explicit(&r->xhead, memory_order_relaxed);
}

static inline uint64_t wane__ring_tail(const struct wane__ring *r) {
    return atomic_load_explicit(&r->xtail, memory_order_relaxed);
}

/*
 * For readers in a guard: how many elements there are; the n-th from the head, borrowed, or NULL; the first at *position or behind, but before
 * `end`, borrowed, and the position behind it, or NULL. Lock-free: each turn of the loops inside is a change that a writer has ended, or
 * a store that it has made.
 */
size_t wane__ring_len(const struct wane__ring *r);
void *wane__ring_peek(struct wane__ring *r, size_t n);
void *wane__ring_next(struct wane__ring *r, uint64_t *position, uint64_t end);

/* Fills a ring that is nobody's yet, has room, and is empty. Consumes the units; the array stays the caller's. */
void wane__ring_fill(struct wane__ring *r, void *const *units, size_t n);

/*
 * Fills `to`, which is empty, has room and is nobody's yet, with the elements of `from`, at the same positions. `from` is not the
 * container's any more after it. Move: the units go over. Copy: both have units. Under the container's lock.
 */
void wane__ring_move(struct wane__ring *to, struct wane__ring *from);
void wane__ring_copy(struct wane__ring *to, struct wane__ring *from);

/*
 * An element goes in before the n-th (consumed; there is room), or the n-th comes out, into a slot of the ring's that the caller
 * empties at once. Those behind it move. Under the lock; in between, at neither end, only in a ring that no iterator stands on.
 */
void wane__ring_insert(struct wane__ring *r, size_t n, void *obj);
wane_slot *wane__ring_remove(struct wane__ring *r, size_t n);

/* The last n become the first, or, for n below 0, the first the last. Under the lock, where no iterator stands on r. */
void wane__ring_rotate(struct wane__ring *r, ptrdiff_t n);

#endif
