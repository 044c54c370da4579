/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/work.c: one round of the collector thread's work, and the same in slices.
 *
 * A record's units are left to its thread while it keeps up: only those that were there, and safe, in the round before
 * and still are, are applied here. Owners count without read-modify-write, so their own hands are the cheaper ones.
 */
#include "cycle/background.h"
#include "cycle/collect.h"
#include "life/apply.h"
#include "life/queued.h"
#include "os/clock.h"
#include "thread/grace.h"
#include "thread/wake.h"

/* So long in a round for each of what may take long: its own units, dead objects with callbacks, functions. */
#define SPAN_NS 2000000

static bool attached(struct wane__record *from) {
    return load_acquire(&from->xstate) != WANE__RECORD_FREE;
}

/*
 * Position up to which the units of a queue may be taken by another thread. Only the collector thread, the only one
 * to care for silence, remembers what it saw.
 */
static uint64_t silent_limit(uint64_t *seen, uint64_t limit, bool alive) {
    uint64_t before = *seen;
    *seen = limit;
    return alive ? before : limit;
}

/*
 * What r itself kept while it destroyed, and what that leads to: a structure of another thread's whose parts are not in
 * slots dies part by part. All of it, but for the sake of the other records' units not for long.
 */
static bool settle_own(struct wane__record *r) {
    bool did = false;
    uint64_t begin = wane__now();
    for (unsigned i = 1; wane__settle_all(r, r, &r->kept, true, true) > 0; i++) {
        did = true;
        if (i % 16 == 0 && wane__now() - begin > SPAN_NS)
            break;
    }
    return did;
}

bool wane__work_left(const struct wane__record *r) { return wane__queue_length(&r->kept) > 0 && wane__fences_known(); }

/* may_settle: revocations would end; while there is a thread that does not know of fences they do not. */
static bool work_for(struct wane__record *r, struct wane__record *from, bool may_settle) {
    bool alive = attached(from) && from != r, did = false;
    uint64_t safe = load_acquire(&from->deferred.xsafe);
    uint64_t limit = silent_limit(&from->seen_deferred, safe, alive);
    while (load_relaxed(&from->deferred.xhead) < limit && wane__apply_deferred(r, from, limit, true, NULL) > 0)
        did = true;
    if (!may_settle)
        return did;
    if (wane__settle_all(r, from, &from->handed, true, true) > 0)
        did = true;
    if (from == r)
        return settle_own(r) || did;
    uint64_t tail = load_acquire(&from->kept.xtail);
    limit = silent_limit(&from->seen_kept, tail, alive);
    while (load_relaxed(&from->kept.xhead) < limit && wane__settle(r, from, &from->kept, limit, true, true, NULL) > 0)
        did = true;
    return did;
}

static bool reap_left(struct wane__record *r, struct wane__record *from, struct wane__limit *limit) {
    bool did = wane__reap_left(r, from, 0, true, limit) > 0;
    return wane__reap_left(r, from, 1, true, limit) > 0 || did;
}

/* What waits for whoever may run user code: each record in its turn, and functions, for a span each. */
static bool run_waiting(struct wane__record *r) {
    bool did = false;
    WANE__EACH_RECORD(from) {
        struct wane__limit limit = wane__until(r, wane__now() + SPAN_NS);
        did |= load_relaxed(&from->xleft_n) > 0 && reap_left(r, from, &limit);
        did |= wane__free_due(r, from, &limit);
    }
    struct wane__limit limit = wane__until(r, wane__now() + SPAN_NS);
    did |= wane__run_due(r, &limit) > 0;
    did |= wane__tell_queued(r);
    wane__record_send_gathered(r);
    return did;
}

bool wane__work(struct wane__record *r) {
    bool did = wane__unpark(r) > 0;
    if (wane__grace_step() == WANE__GRACE_WAITING)
        did = true;
    bool may_settle = wane__fences_known();
    WANE__EACH_RECORD(from) {
        if (work_for(r, from, may_settle))
            did = true;
    }
    if (run_waiting(r))
        did = true;
    return wane__shrink_quarantine(r) || did;
}

/* At most one batch of a queue. */
static bool batch_of(struct wane__record *r, struct wane__record *from, struct wane__queue *q, struct wane__limit *limit) {
    uint64_t tail = load_acquire(&q->xtail);
    return load_relaxed(&q->xhead) < tail && wane__settle(r, from, q, tail, true, false, limit) > 0;
}

/* A little of each kind of what waits in a record. */
static bool some_for(struct wane__record *r, struct wane__record *from, bool may_settle, struct wane__limit *limit) {
    bool did = wane__deferred_ready(from) > 0 && wane__apply_deferred(r, from, UINT64_MAX, true, limit) > 0;
    if (may_settle && !wane__is_over(r, limit))
        did |= batch_of(r, from, &from->handed, limit);
    if (may_settle && !wane__is_over(r, limit))
        did |= batch_of(r, from, &from->kept, limit);
    if (load_relaxed(&from->xleft_n) > 0 && !wane__is_over(r, limit))
        did |= reap_left(r, from, limit);
    did |= wane__free_due(r, from, limit);
    return did;
}

/*
 * One round over the records, which goes on where the one before was out of time: so that each has its turn. Something is
 * done in any case, if there is something: the time may be over already, and then it would be so each time.
 */
static bool slice_of_records(struct wane__record *r, struct wane__limit *limit) {
    static uint32_t xnext;
    bool did = false, may_settle = wane__fences_known();
    uint32_t n = load_seq_cst(&wane__record_end), first = load_relaxed(&xnext);
    for (uint32_t i = 0; i < n && !(did && wane__passed(r, limit)); i++) {
        struct wane__record *from = wane__record_at((first + i) % n);
        if (from != NULL && some_for(r, from, may_settle, limit)) {
            did = true;
            store_relaxed(&xnext, (first + i + 1) % n);
        }
    }
    return did;
}

bool wane__work_slice(struct wane__record *r, uint64_t deadline) {
    bool did, any = false, queued = r->may_run_queued;
    r->may_run_queued = true; /* who does the collector thread's work does all of it */
    wane__unpark(r);
    wane__grace_step();
    do {
        struct wane__limit limit = wane__until(r, deadline), calls = limit;
        did = slice_of_records(r, &limit);
        did |= wane__run_due(r, &calls) > 0;
        did |= wane__shrink_quarantine(r);
        did |= wane__tell_queued(r);
        wane__record_send_gathered(r);
        any |= did;
    } while (did && wane__now() < deadline);
    r->may_run_queued = queued;
    wane__grace_step(); /* for what the last of it deferred */
    return any;
}
