/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "thread/wake.h"

#include <errno.h>

#include "base/lock.h"
#include "heap/large.h"
#include "os/futex.h"
#include "thread/event.h"

uint32_t wane__xasleep = WANE__UNSTARTED;
void (*wane__collector_start)(void);

/* What the collector thread waits on: raised by whoever wants it to look. */
static uint32_t xbell;

void wane__hurry(void) {
    add_acq_rel(&xbell, 1u);
    wane__futex_wake(&xbell, 1);
}

void wane__wake_thread_slow(void) {
    int saved = errno;
    uint32_t state = load_relaxed(&wane__xasleep);
    if (state == WANE__UNSTARTED || state == WANE__ENDED) {
        void (*start)(void) = load_acquire(&wane__collector_start);
        if (start != NULL)
            start();
    } else if (state == WANE__ASLEEP && cas_acq_rel(&wane__xasleep, &state, (uint32_t)WANE__AWAKE)) {
        wane__hurry();
    }
    errno = saved;
}

void wane__wake_slow(void) {
    wane__wake_thread_slow();
    wane__event_raise();
}

void wane__after_frees_slow(struct wane__record *r) {
    r->heap.news = false;
    wane__large_settle();
    wane__wake_thread();
}

bool wane__xidle;

void wane__wake_idle(void) {
    int saved = errno;
    uint32_t state = WANE__ASLEEP;
    /* One wakes it. The exchange comes before the swap: else it could wipe out the next sleep's announcement. */
    if (swap_seq_cst(&wane__xidle, false) && cas_acq_rel(&wane__xasleep, &state, (uint32_t)WANE__AWAKE))
        wane__hurry();
    errno = saved;
}

void wane__wake_for_end(void) {
    fence_seq_cst(); /* the number of those attached, then this; there: the announcement, a heavy barrier, the number */
    if (load_relaxed(&wane__xidle))
        wane__wake_idle();
    else if (wane__record_count() == 0 && load_relaxed(&wane__xasleep) == WANE__ASLEEP)
        wane__wake_slow();
}

void wane__nap(int64_t limit_ns) { wane__futex_wait(&xbell, load_acquire(&xbell), limit_ns); }

/*
 * If the barrier fails now, a thread that read xfences before may add work, see no sleeper and have its store unseen
 * here. It knows of the fences when it calls again; until all do, the sleep has a limit, and so does the loss.
 */
#define UNSURE_NS 10000000

bool wane__sleep(bool (*anything_to_do)(void), int64_t limit_ns, bool idle) {
    store_seq_cst(&wane__xasleep, (uint32_t)WANE__ASLEEP);
    store_relaxed(&wane__xidle, idle);
    wane__heavy();
    if (!wane__fences_known() && (limit_ns < 0 || limit_ns > UNSURE_NS))
        limit_ns = UNSURE_NS;
    for (;;) {
        uint32_t bell = load_acquire(&xbell);
        if (anything_to_do() || load_acquire(&wane__xasleep) != WANE__ASLEEP)
            break;
        wane__futex_wait(&xbell, bell, limit_ns);
        if (limit_ns >= 0)
            break;
    }
    store_relaxed(&wane__xidle, false);
    return swap_seq_cst(&wane__xasleep, (uint32_t)WANE__AWAKE) != WANE__ASLEEP;
}

static struct wane__mutex collector = WANE__MUTEX(WANE__RANK_COLLECTOR);

static uint32_t xcollector_wanted; /* by so many, who wait */

bool wane__collector_trylock(void) { return wane__mutex_trylock(&collector); }

void wane__collector_lock(void) {
    if (wane__collector_trylock())
        return;
    add_relaxed(&xcollector_wanted, 1u);
    wane__mutex_lock(&collector);
    sub_relaxed(&xcollector_wanted, 1u);
}

void wane__collector_unlock(void) { wane__mutex_unlock(&collector); }

/* The lock is taken by who is awake, and those who wait are not. */
void wane__collector_yield(void) { wane__give_way(&xcollector_wanted); }

void wane__collector_fork_child(void) { store_relaxed(&xcollector_wanted, 0u); }
