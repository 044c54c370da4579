/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/ahead.h: revoking what will be released next.
 *
 * When a structure of another thread's dies, each death gives up units of further objects of that thread, which can be
 * dropped only after a revocation of their own: a list would need a barrier for each node. So a small batch also
 * revokes what hangs on those of its objects that are about to die, up to a number: one barrier for many.
 */
#ifndef WANE_LIFE_AHEAD_H
#define WANE_LIFE_AHEAD_H

#include "life/type.h"

#define WANE__AHEAD_MAX 512

struct wane__ahead {
    struct wane__record *r;
    size_t n, batch_n;
    void (*begun)(void *arg, uint32_t owner); /* for each owner that lost an object */
    void *arg;
    struct wane__header *objects[WANE__AHEAD_MAX];
};

/*
 * Step 1 of revocation for what r's batch of n units leads to. Inside a guard of the caller's, which lasts until
 * wane__ahead_end: an object found in a slot there outlives the guard.
 */
void wane__ahead_begin(struct wane__ahead *a, size_t n);

/*
 * Step 3, after the bracket wait, and before the batch gives its units up: whoever destroys one of its objects empties
 * its slots at once, in whatever thread, and then no guard keeps what was in them.
 */
void wane__ahead_end(struct wane__ahead *a);

#endif
