/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * api/loop.c: for programs with an event loop: steps, how long there is nothing to do, and a descriptor that tells.
 *
 * Work is told from waiting. Ready is what a step could do now: units that are safe or kept, dead objects, functions that
 * are due, a collection. What waits for another thread's guard, for its callback or for its collection is not ready, however
 * long it takes: a step returns 0 then, and wane_gc_wait_ns a pause that grows with the time that it lasts. What looks
 * ready and is not, since another thread has it in its hands, is found out by the step that did nothing.
 */
#include <errno.h>
#include <wane/gc.h>

#include "api/api.h"
#include "cycle/background.h"
#include "cycle/generations.h"
#include "life/apply.h"
#include "life/queued.h"
#include "os/clock.h"
#include "thread/event.h"
#include "thread/grace.h"
#include "thread/mode.h"

/* What no piece of a slice stays below: else a tiny budget would never get anywhere. */
#define LEAST_BUDGET_NS 20000
/* While others have to be waited for: half of the time that it has lasted, in these limits. */
#define PAUSE_LEAST_NS 1000000
#define PAUSE_MOST_NS 64000000

enum readiness { NOTHING, WAITING, READY };

/* Since when there has been nothing but waiting, 0: there is none; and whether the last step did nothing though something looked ready. */
static uint64_t xwaiting_since;
static bool xstuck;
/* Somebody sleeps as long as it is told to: steps leave candidates alone for a while after a look in vain. */
static bool xpaced;

static enum readiness units_of(struct wane__record *from) {
    if (wane__deferred_ready(from) > 0)
        return READY;
    bool kept = wane__queue_length(&from->kept) + wane__queue_length(&from->handed) > 0;
    if (kept && wane__fences_known())
        return READY;
    return wane__units_waiting(from) > 0 ? WAITING : NOTHING;
}

static enum readiness work_readiness(void) {
    enum readiness all = NOTHING;
    for (int i = 0; i < 2 && wane__grace_step() == WANE__GRACE_WAITING; i++) {
        /* what was deferred while a period was under way waits for the next */
    }
    WANE__EACH_RECORD(from) {
        enum readiness one = units_of(from);
        if (one > all)
            all = one;
    }
    if (wane__dead_waiting() > 0 || wane__calls_due() || wane__queued_untold())
        return READY;
    return all == NOTHING && (wane__calls_waiting() > 0 || wane__blocks_bytes() > 0) ? WAITING : all;
}

struct outlook {
    enum readiness work;
    bool collection_waits;
    int64_t collection; /* ns until there is one to be done; negative: none is known of */
};

static struct outlook look(void) {
    struct outlook o = {.work = work_readiness()};
    o.collection = wane__step_delay(&o.collection_waits);
    return o;
}

/* Collections are left to the collector thread if there is one, but for one that is open. */
static void leave_to_thread(struct outlook *o) {
    if (!wane__background_running() || wane__collection_unfinished())
        return;
    o->collection = -1;
    o->collection_waits = false;
}

static bool ready(const struct outlook *o) { return o->work == READY || o->collection == 0; }
static bool waits(const struct outlook *o) { return o->work != NOTHING || o->collection_waits; }

/* After a look: the descriptor says whether there is work. */
static void settle(struct outlook *o) {
    leave_to_thread(o);
    if (ready(o) && !load_relaxed(&xstuck))
        wane__event_raise();
    else if (ready(o) || waits(o))
        wane__event_disarm(); /* the next look comes after a pause */
}

void wane__loop_settle(void) {
    if (!wane__event_exists())
        return;
    struct outlook o = look();
    settle(&o);
}

/* Candidates that are not due are looked at by a step that has nothing else to do. */
static int step(struct wane__record *r, uint64_t deadline) {
    bool worked = wane__work_slice(r, deadline);
    int collected = wane__collect_slice(r, deadline, worked ? WANE__DUE_ONLY : load_relaxed(&xpaced) ? WANE__PACED : WANE__EAGER);
    struct outlook o = look();
    bool did = worked || (collected != 0 && !o.collection_waits);
    store_relaxed(&xstuck, !did && ready(&o));
    if (did)
        store_relaxed(&xwaiting_since, (uint64_t)0);
    bool skipped = worked && collected == 0 && o.collection >= 0;
    bool more = did && (ready(&o) || skipped);
    settle(&o);
    return collected < 0 ? collected : more;
}

int wane_gc_step(int64_t budget_ns) {
    if (budget_ns < 0)
        return -EINVAL;
    int error = 0, saved = errno;
    struct wane__record *r = wane__record_attach(&error);
    if (r == NULL)
        return error;
    if (r->callbacks > 0)
        return -EDEADLK;
    if (r->head.nest > 0)
        wane__fatal("wane_gc_step inside a guard: it would wait for itself");
    uint64_t budget = budget_ns > LEAST_BUDGET_NS ? (uint64_t)budget_ns : LEAST_BUDGET_NS;
    wane__event_clear();
    int more = step(r, wane__now() + budget);
    errno = saved;
    return more;
}

static int64_t pause_now(void) {
    uint64_t now = wane__now(), since = load_relaxed(&xwaiting_since);
    if (since == 0)
        store_relaxed(&xwaiting_since, since = now);
    int64_t pause = (int64_t)((now - since) / 2);
    return pause < PAUSE_LEAST_NS ? PAUSE_LEAST_NS : pause < PAUSE_MOST_NS ? pause : PAUSE_MOST_NS;
}

int64_t wane_gc_wait_ns(void) {
    int error = 0;
    struct wane__record *r = wane__record_attach(&error);
    if (r == NULL)
        return PAUSE_LEAST_NS;
    store_relaxed(&xpaced, true);
    struct outlook o = look();
    leave_to_thread(&o);
    bool stuck = load_relaxed(&xstuck);
    if (ready(&o) && !stuck)
        return 0;
    if (!waits(&o) && !ready(&o)) {
        store_relaxed(&xwaiting_since, (uint64_t)0);
        return o.collection;
    }
    int64_t pause = pause_now();
    return o.collection > 0 && o.collection < pause ? o.collection : pause;
}

int wane_event_fd(void) {
    int error = 0, saved = errno;
    struct wane__record *r = wane__record_attach(&error);
    if (r == NULL)
        return error;
    store_relaxed(&xpaced, true);
    bool existed = wane__event_exists();
    int fd = wane__event_fd();
    if (fd >= 0 && !existed) {
        wane__event_clear();
        wane__loop_settle();
    }
    errno = saved;
    return fd;
}
