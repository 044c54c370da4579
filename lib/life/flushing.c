/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/flushing.c: see flushing.h.
 */
#include "life/flushing.h"

#include "os/clock.h"

/* As long as a flush that says nothing is believed to be at work. */
#define SILENCE_NS 50000000
/* No longer, since births are held back when no collection can find their garbage. */
#define HOLD_NS 1000000000

static uint32_t xclaim;       /* id of the thread that flushes */
static uint64_t xseen;        /* when it was seen at work */
static uint64_t xhold_until;  /* no collection by others until then */

bool wane__flushing_begin(const struct wane__record *r) {
    uint32_t nobody = 0;
    if (load_relaxed(&xclaim) != 0 || !cas_acq_rel(&xclaim, &nobody, r->id)) /* [order:consumer] */
        return false;
    wane__flushing_goes_on();
    return true;
}

void wane__flushing_goes_on(void) { store_relaxed(&xseen, wane__now()); }

void wane__flushing_hold_collections(void) { store_relaxed(&xhold_until, wane__now() + HOLD_NS); }

void wane__flushing_end(void) {
    store_relaxed(&xhold_until, (uint64_t)0);
    store_release(&xclaim, 0u); /* [order:consumer] */
}

bool wane__flushing_other(const struct wane__record *r) {
    uint32_t id = load_seq_cst(&xclaim); /* [order:applying] */
    return id != 0 && id != r->id && wane__now() < load_relaxed(&xseen) + SILENCE_NS;
}

bool wane__flushing_holds(const struct wane__record *r) {
    uint64_t until = load_relaxed(&xhold_until);
    return until != 0 && wane__flushing_other(r) && wane__now() < until;
}

void wane__flushing_fork_child(const struct wane__record *self) {
    if (self != NULL && xclaim == self->id)
        return;
    xclaim = 0;
    xhold_until = 0;
}
