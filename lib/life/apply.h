/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/apply.h: applying what waits in the queues, and keeping it bounded.
 */
#ifndef WANE_LIFE_APPLY_H
#define WANE_LIFE_APPLY_H

#include "life/death.h"
#include "life/left.h"

/*
 * Applies one batch of units of `from` that are safe, below position `limit`; destroys what dies, within a limit (NULL:
 * all of it). Returns how many.
 */
size_t wane__apply_deferred(struct wane__record *r, struct wane__record *from, uint64_t limit, bool may_call,
                            struct wane__limit *within);

/*
 * Settles one batch of units of q, which is `kept` or `handed` of `from`, below position `limit`, by revocation. Where the owner is in the
 * middle of counting, may_wait waits for it (a few instructions, or its time slice); without, the unit is kept again.
 */
size_t wane__settle(struct wane__record *r, struct wane__record *from, struct wane__queue *q, uint64_t limit, bool may_call,
                    bool may_wait, struct wane__limit *within);

/* All that q holds now, batch by batch, as far as nobody else takes it. Returns how many. */
size_t wane__settle_all(struct wane__record *r, struct wane__record *from, struct wane__queue *q, bool may_call,
                        bool may_wait);

/*
 * Runs deferred functions that are due now, within a limit (NULL: all). Returns how many, or 1 when all of the time went into
 * putting them in order. May call.
 */
size_t wane__run_due(struct wane__record *r, struct wane__limit *limit);
/* Frees blocks of `from` that are due, within a limit (NULL: all of them), but some in any case. Returns whether there were any. */
bool wane__free_due(struct wane__record *r, struct wane__record *from, struct wane__limit *limit);

/* After a slot of r's thread lost a unit of h: defers it, and now and then helps. Never waits inside a guard. */
void wane__defer(struct wane__record *r, struct wane__header *h);

/* Tracked bytes that a thread makes until it looks whether it is to be held back. */
#define WANE__HOLD_EVERY ((uint64_t)64 << 10)

void wane__hold_birth_slow(struct wane__record *r);

/*
 * At a birth in the slow path, of a tracked type: slows the thread down while garbage is far ahead of the collector, and
 * that gets on with it.
 */
static inline void wane__hold_birth(struct wane__record *r) {
    if (unlikely(load_relaxed(&r->births[1].xbytes) - r->held_births >= WANE__HOLD_EVERY))
        wane__hold_birth_slow(r);
}

/* After a death or a unit was left to the collector thread: holds the thread to its byte bound. */
void wane__left(struct wane__record *r);

/* r's thread has waited since then (wane__now) for something that it did not ask for: counted as a stall. */
void wane__stalled(struct wane__record *r, uint64_t since);

/* After a unit was kept: settles a full batch; holds the thread to its byte bound. */
void wane__kept(struct wane__record *r, bool may_call);

#endif
