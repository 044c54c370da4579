/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * count/defer.h: units that wait in a thread's queues.
 *
 *   deferred   units that were in slots: safe to decrement after a grace period
 *   kept       units whose release could not be done where it happened: the object is biased to another thread
 *              (settled by revocation), or its finalizer may not run there
 *   handed     the same of wane_release_later, and of finalizers that its thread does not run: settled by the collector
 *              thread, or a flush, never by its own thread
 *   finals     units whose finalizers run on this thread as soon as the callback or guard that it is in is left
 *   queued     units whose finalizers wait for the program (life/queued.h)
 *
 * All keep their object alive. The first two are emptied by their own thread, in slow paths, or by the collector thread.
 *
 *   parked     units that no queue had room for, since memory is out: a flag in the object's header (count/park.c)
 */
#ifndef WANE_COUNT_DEFER_H
#define WANE_COUNT_DEFER_H

#include "count/count.h"
#include "count/wave.h"
#include "thread/wake.h"

/* Adds a word for h to q, whose producer is the calling thread. */
static inline bool wane__queue_unit(struct wane__queue *q, struct wane__header *h, uintptr_t tag) {
    uint64_t size = wane__heap_block_size(h); /* once pushed, the object may die */
    if (unlikely(!wane__queue_push(q, (uintptr_t)h | tag)))
        return false;
    wane__tally(q->xbytes, size);
    return true;
}

/* The same where that takes no call. False: nothing happened. */
static inline bool wane__queue_unit_quick(struct wane__queue *q, struct wane__header *h, uintptr_t tag) {
    uint64_t size = wane__heap_block_size(h);
    if (unlikely(!wane__queue_push_quick(q, (uintptr_t)h | tag)))
        return false;
    wane__tally(q->xbytes, size);
    return true;
}

/*
 * Adds a unit to r's queue; r is the calling thread's. False: memory is out, nothing changed. Outside brackets.
 * Wakes the collector thread.
 *
 * What leaves a slot is new, in a callback too: a flush does not follow what callbacks defer, or it might not end.
 */
static inline bool wane__defer_unit(struct wane__record *r, struct wane__header *h) {
    bool pushed = wane__queue_unit(&r->deferred, h, 0);
    if (likely(pushed))
        wane__wake();
    return pushed;
}
bool wane__keep_unit(struct wane__record *r, struct wane__header *h);
bool wane__hand_unit(struct wane__record *r, struct wane__header *h);
/* As the first, for a unit of that wave's parity. */
bool wane__defer_unit_of(struct wane__record *r, struct wane__header *h, unsigned parity);

/* In the child of a fork, for the record of a vanished thread: keeps a unit, and wakes nobody. Most children only exec. */
void wane__keep_silently(struct wane__record *gone, struct wane__header *h);

/*
 * For a unit that no queue has room for: parks it, or drops it when another of the object's is parked. Needs no memory and
 * does not fail. Outside brackets; may wait for brackets, never for guards. Wakes nobody.
 */
void wane__park(struct wane__record *r, struct wane__header *h);
/* The same for a unit that was in a slot until now: it is new, whatever r has in hand. */
void wane__park_new(struct wane__record *r, struct wane__header *h);

/* Units that are parked: all, or those of a wave's parity; and their objects' bytes. */
uint64_t wane__parked(void);
uint64_t wane__parked_of(unsigned parity);
extern uint64_t wane__xparked_bytes;
static inline uint64_t wane__parked_bytes(void) { return load_relaxed(&wane__xparked_bytes); }

/*
 * Moves what is parked to r's own queue `deferred`, as far as that has room. r is the calling thread's, outside brackets.
 * Returns how many; 0 also while somebody else walks the heap.
 */
size_t wane__unpark(struct wane__record *r);

/* In the child of a fork: threads that vanished may have been between a flag and its mark, or its number. */
void wane__park_fork_child(void);

static inline uint64_t wane__queue_bytes(const struct wane__queue *q) {
    uint64_t done = load_acquire(&q->xbytes_done), all = load_relaxed(&q->xbytes);
    return all > done ? all - done : 0; /* a word may be taken before its bytes are added */
}

/* Bytes of what waits in r's queues. */
static inline uint64_t wane__bytes_waiting(const struct wane__record *r) {
    return wane__queue_bytes(&r->deferred) + wane__queue_bytes(&r->kept) + wane__queue_bytes(&r->handed);
}

/* Units that wait there. */
static inline uint64_t wane__units_waiting(const struct wane__record *r) {
    return wane__queue_length(&r->deferred) + wane__queue_length(&r->kept) + wane__queue_length(&r->handed);
}

/* Units that may be taken from `from` now. */
static inline uint64_t wane__deferred_ready(struct wane__record *from) {
    return load_acquire(&from->deferred.xsafe) - load_relaxed(&from->deferred.xhead); /* [order:safe] */
}

/*
 * Takes units that are safe and below position `limit`, or those below it of a queue `kept` or `handed`, into r's own batch,
 * and begins frames for their waves (count/wave.h). Returns how many; 0 also when somebody else is taking, or r's batch is in
 * use. If it is not 0, wane__batch_end follows when each unit was taken out of the batch, and what died of it is
 * destroyed or left to others.
 */
size_t wane__batch_deferred(struct wane__record *r, struct wane__record *from, uint64_t limit);
size_t wane__batch_kept(struct wane__record *r, struct wane__queue *q, uint64_t limit);
void wane__batch_end(struct wane__record *r);

/* The i-th unit of r's batch, which is no longer the batch's afterwards; NULL when it was taken out before. */
static inline struct wane__header *wane__batch_unit(struct wane__record *r, size_t i) {
    struct wane__header *h = (struct wane__header *)load_relaxed(&r->xbatch[i]);
    store_relaxed(&r->xbatch[i], (uintptr_t)0);
    compiler_barrier(); /* a fork after this loses the unit; one before it would double it */
    return h;
}

/* In the child of a fork: units in the batches of vanished threads become units that their records keep. */
void wane__defer_fork_child(const struct wane__record *self);

#endif
