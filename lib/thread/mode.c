/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "thread/mode.h"

#include "base/check.h"
#include "os/barrier.h"
#include "thread/record.h"

uint32_t wane__xfences;
uint64_t wane__epoch = 1;

/* Set last: until then `xknows_fences` may still say 1 from before, and the barrier must be tried. */
static uint32_t xrelied;

void wane__mode_init(bool works) {
    if (works)
        return;
    store_seq_cst(&wane__xfences, 1u);
    or_acq_rel(&wane__epoch, WANE__EPOCH_FENCES);
    store_seq_cst(&xrelied, 1u);
}

/* The order is that of tests/model/fences.pml. */
static void turn_fences_on(void) {
    /* The epoch first: who sees xfences sees that guards take their slow path. */
    or_acq_rel(&wane__epoch, WANE__EPOCH_FENCES);
    if (swap_seq_cst(&wane__xfences, 1u) == 0)
        wane__log_owe(WANE__OWED_FENCES);
    WANE__EACH_RECORD(r) {
        swap_seq_cst(&r->xknows_fences, 0u); /* a thread that is attaching sets it, and then looks at xfences: [order:knows] */
        store_seq_cst(&r->head.match, WANE__MATCH_NOBODY);
    }
    store_seq_cst(&xrelied, 1u);
    wane__learn_fences(wane__self); /* else this thread, if it goes on to wait, waits for itself */
}

void wane__heavy(void) {
    bool works = load_seq_cst(&xrelied) == 0;
    if (!wane__barrier_heavy(works)) {
        turn_fences_on();
        fence_seq_cst();
    }
}

void wane__learn_fences(struct wane__thread *t) {
    if (t == &wane__nobody)
        return;
    struct wane__record *r = (struct wane__record *)(void *)t;
    store_relaxed(&t->match, WANE__MATCH_NOBODY);
    if (load_relaxed(&r->xknows_fences) == 0)
        store_seq_cst(&r->xknows_fences, 1u);
}

bool wane__fences_known(void) {
    if (!wane__fences_on())
        return true;
    wane__learn_fences(wane__self);
    WANE__EACH_RECORD(r) {
        if (load_acquire(&r->xstate) != WANE__RECORD_FREE && load_seq_cst(&r->xknows_fences) == 0)
            return false;
    }
    return true;
}
