/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "life/growth.h"

#include <wane/gc.h>

#include "base/option.h"
#include "count/defer.h"
#include "life/left.h"
#include "thread/wake.h"

/* Growth that never starts a collection, however little lives. */
#define GROWTH_LEAST ((int64_t)32 << 20)

bool wane__xgc_disabled;
int wane__xgc_paused;

static int64_t xbase;   /* bytes that lived when growth was measured last */
static uint32_t xlooks; /* raised by each look: of two threads whose sums together are too much the second sees both */

static int64_t add_saturated(int64_t a, int64_t b) {
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return b > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

static int64_t sub_saturated(int64_t a, int64_t b) {
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference))
        return b > 0 ? INT64_MIN : INT64_MAX;
    return difference;
}

/* One thread's sum may be negative: it gave back what others noted. */
uint64_t wane__bytes_external(void) {
    int64_t n = 0;
    WANE__EACH_RECORD(r) n = add_saturated(n, load_relaxed(&r->xexternal));
    return n > 0 ? (uint64_t)n : 0;
}

int64_t wane__bytes_alive(void) {
    int64_t n = -(int64_t)wane__dead_bytes();
    WANE__EACH_RECORD(r) {
        n -= (int64_t)wane__bytes_waiting(r);
        for (int i = 0; i < 2; i++)
            n += (int64_t)(load_relaxed(&r->births[i].xbytes) - load_relaxed(&r->deaths[i].xbytes));
    }
    n = add_saturated(n, (int64_t)wane__bytes_external());
    return n > 0 ? n : 0;
}

bool wane__growth_due(void) {
    int64_t percent = wane__option(heap_growth_percent), base = load_relaxed(&xbase);
    if (percent == 0 || !wane__gc_automatic())
        return false;
    load_acquire(&xlooks); /* [order:growth] */
    int64_t room;
    if (__builtin_mul_overflow(base, percent, &room))
        room = INT64_MAX;
    room /= 100;
    return wane__bytes_alive() > add_saturated(base, room > GROWTH_LEAST ? room : GROWTH_LEAST);
}

int64_t wane__bytes_ended(const struct wane__record *r) {
    int64_t ended = (int64_t)(load_relaxed(&r->deaths[0].xbytes) + load_relaxed(&r->deaths[1].xbytes) +
                              wane__queue_bytes(&r->kept));
    return sub_saturated(ended, load_relaxed(&r->xexternal));
}

void wane__growth_restart(int64_t alive, int64_t freed) {
    int64_t base = freed > 0 ? sub_saturated(alive, freed) : alive;
    store_relaxed(&xbase, base > 0 ? base : 0);
    wane__growth_lower();
}

void wane__growth_lower(void) {
    int64_t alive = wane__bytes_alive(), base = load_relaxed(&xbase);
    while (alive < base && !cas_relaxed(&xbase, &base, alive)) {
    }
}

/*
 * This thread's sums are written, then xlooks, then all sums are read, then whether the collector thread sleeps. That
 * one announces its sleep, makes a heavy barrier, and reads the sums: it sees these or is seen asleep.
 */
void wane__grew_slow(struct wane__record *r) {
    r->grown = 0;
    add_acq_rel(&xlooks, 1u); /* [order:growth] */
    if (load_relaxed(&wane__xasleep) != WANE__AWAKE && wane__growth_due())
        wane__wake();
}

void wane_note_external(void *obj, ptrdiff_t bytes) {
    if (obj == NULL)
        return;
    struct wane__record *r = wane__record_need("wane_note_external");
    struct wane__header *h = wane__header_of(obj);
    wane__need_ours(h, "wane_note_external");
    if (wane__word_has(load_relaxed(&h->shared), WANE__FREED))
        wane__fatal_dead(h, "wane_note_external");
    store_relaxed(&r->xexternal, add_saturated(load_relaxed(&r->xexternal), bytes));
    if (bytes > 0)
        wane__grew(r, (uint64_t)bytes);
}
