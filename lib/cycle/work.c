/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/work.c: one round of the collector thread's work; wane_flush does the same rounds.
 *
 * A record's units are left to its thread while it keeps up: only those that were there, and safe, in the round before
 * and still are, are applied here. Owners count without read-modify-write, so their own hands are the cheaper ones.
 */
#include "base/option.h"
#include "cycle/background.h"
#include "cycle/collect.h"
#include "life/apply.h"
#include "life/flushing.h"
#include "os/clock.h"
#include "thread/grace.h"
#include "thread/wake.h"

/* The collector thread's own units are settled for so long in a round. */
#define OWN_SPAN_NS 2000000
/* With so many of its own left to a flush, it takes no more of others. */
#define OWN_MAX 4096

static bool attached(struct wane__record *from) {
    return load_acquire(&from->xstate) != WANE__RECORD_FREE;
}

/*
 * Position up to which the units of a queue may be taken by another thread. Only the collector thread, the only one
 * to care for silence, remembers what it saw.
 */
static uint64_t silent_limit(uint64_t *seen, uint64_t limit, bool alive, bool silent_only) {
    if (!silent_only)
        return limit;
    uint64_t before = *seen;
    *seen = limit;
    return alive ? before : limit;
}

/*
 * What r itself kept while it destroyed, and what that leads to: a structure of another thread's whose parts are not in
 * slots dies part by part. All of it, but for the sake of the other records' units not for long.
 *
 * r is applying for all of the span, and looks for a claim inside: whoever has claimed, made a heavy barrier, and then
 * finds r not applying, has r's units to itself.
 */
static bool settle_own(struct wane__record *r) {
    bool did = false, outermost = wane__applying_begin(r);
    uint64_t begin = wane__now();
    for (unsigned i = 1;; i++) {
        if (wane__flushing_other(r))
            break;
        if (wane__settle_all(r, &r->kept, true, true) == 0)
            break;
        did = true;
        if (i % 16 == 0 && wane__now() - begin > OWN_SPAN_NS)
            break;
    }
    if (outermost)
        wane__applying_end(r);
    return did;
}

bool wane__work_left(const struct wane__record *r) {
    return wane__queue_length(&r->kept) > 0 && !wane__flushing_other(r) && wane__fences_known();
}

/*
 * What is applied for others becomes, in part, units of one's own, which are left to a flush. Without a bound others could
 * defer faster than it settles them, and it would never catch up.
 */
static bool has_room(const struct wane__record *r) {
    return wane__queue_length(&r->kept) <= OWN_MAX || !wane__flushing_other(r);
}

/* may_settle: revocations would end; while there is a thread that does not know of fences they do not. */
static bool work_for(struct wane__record *r, struct wane__record *from, bool silent_only, bool may_settle) {
    bool alive = attached(from) && from != r, did = false;
    uint64_t safe = load_acquire(&from->deferred.xsafe);
    uint64_t limit = silent_limit(&from->seen_deferred, safe, alive, silent_only);
    while (load_relaxed(&from->deferred.xhead) < limit && has_room(r) && wane__apply_deferred(r, from, true) > 0)
        did = true;
    if (!may_settle || wane__flushing_other(r))
        return did;
    if (wane__settle_all(r, &from->handed, true, true) > 0)
        did = true;
    if (from == r)
        return settle_own(r) || did;
    uint64_t tail = load_acquire(&from->kept.xtail);
    limit = silent_limit(&from->seen_kept, tail, alive, silent_only);
    while (load_relaxed(&from->kept.xhead) < limit && wane__settle(r, &from->kept, limit, true, true) > 0)
        did = true;
    return did;
}

/* Dead objects that wait are a flush's too, which may be following a chain of them, unless they become many. */
static bool may_reap(const struct wane__record *r) {
    return !wane__flushing_other(r) ||
           (has_room(r) && wane__dead_bytes() > (uint64_t)wane__option(deferred_bytes) / 8);
}

/* What waits for whoever may run user code. */
static bool run_waiting(struct wane__record *r, uint64_t deadline) {
    bool did = may_reap(r) && wane__reap_waiting(r) > 0;
    if (wane__run_due(r, deadline) > 0)
        did = true;
    wane__free_due(r);
    return did;
}

bool wane__work(struct wane__record *r, bool silent_only) {
    bool did = wane__unpark(r) > 0;
    if (wane__grace_step() == WANE__GRACE_WAITING)
        did = true;
    bool may_settle = wane__fences_known();
    WANE__EACH_RECORD(from) {
        if (work_for(r, from, silent_only, may_settle))
            did = true;
    }
    if (run_waiting(r, UINT64_MAX))
        did = true;
    return did;
}

/* At most one batch of a queue. */
static bool batch_of(struct wane__record *r, struct wane__queue *q) {
    uint64_t tail = load_acquire(&q->xtail);
    return load_relaxed(&q->xhead) < tail && wane__settle(r, q, tail, true, false) > 0;
}

bool wane__work_slice(struct wane__record *r, uint64_t deadline) {
    bool did, any = false, may_settle = wane__fences_known(), queued = r->may_run_queued;
    r->may_run_queued = true; /* who does the collector thread's work does all of it */
    wane__unpark(r);
    wane__grace_step();
    do { /* once at least: the time may be over, and then it would be so each time */
        did = false;
        WANE__EACH_RECORD(from) {
            did |= wane__deferred_ready(from) > 0 && wane__apply_deferred(r, from, true) > 0;
            if (!may_settle || wane__flushing_other(r))
                continue;
            did |= batch_of(r, &from->handed);
            did |= batch_of(r, &from->kept);
        }
        did |= run_waiting(r, deadline);
        any |= did;
    } while (did && wane__now() < deadline);
    r->may_run_queued = queued;
    wane__grace_step(); /* for what the last of it deferred */
    return any;
}

static bool wait_for_brackets(void *arg) {
    (void)arg;
    return wane__bracket_wait();
}

size_t wane__give_back(bool all, bool *ret_more) {
    size_t bytes = 0;
    *ret_more = true;
    if (!wane__fences_known()) /* nothing could be given back, and a fork would wait for the lock */
        return 0;
    wane__collector_lock();
    if (all)
        bytes = wane__heap_trim(wait_for_brackets, NULL);
    else
        *ret_more = wane__heap_tend(wait_for_brackets, NULL, wane__now(),
                                    (uint64_t)wane__option(trim_delay_ms) * 1000000u);
    wane__collector_unlock();
    return bytes;
}
