/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/bound.c: what a thread does for its own queues while it fills them.
 *
 * Every so many units it applies what is safe and pushes the grace period on. Over the byte bound it first helps
 * harder, then waits, at most stall_limit_us, then goes on and counts an overrun; after one it may defer another
 * eighth of the bound before it waits again. Nobody waits inside a guard, a bracket or a callback.
 *
 * A thread that makes tracked objects much faster than the collector can find out which are garbage is slowed in the
 * same way.
 */
#include "life/apply.h"

#include <errno.h>

#include "base/option.h"
#include "life/left.h"
#include "os/clock.h"
#include "os/doze.h"
#include "thread/grace.h"
#include "thread/wake.h"

#define APPLY_EVERY 64   /* units */
#define GRACE_EVERY 2048 /* units */
#define DEATHS_A_CALL 2048 /* a call that asks for something else destroys no more: the rest is left to others */
#define SETTLE_FROM 960  /* units kept: a barrier interrupts every running thread, and costs as much as 200 deaths */
#define SETTLE_BYTES ((uint64_t)1 << 20) /* or so many bytes that they keep */
#define NAP_NS 50000

/* What this thread deferred, what it left to others, and what it ended but may not be handed out. What is parked is everybody's. */
static uint64_t charged(const struct wane__record *r) {
    return wane__bytes_waiting(r) + load_relaxed(&r->xleft_bytes) + load_relaxed(&r->blocks.xbytes) +
           wane__parked_bytes();
}

/*
 * An allowance ends when the bound is met again, not only when it is used up. A unit that is deferred alone needs no look
 * before as many bytes were deferred as there is room for now: what else is charged is looked at where it is added.
 */
static bool over_bound(struct wane__record *r) {
    uint64_t waits = charged(r), bound = (uint64_t)wane__option(deferred_bytes);
    if (waits > bound)
        bound = r->allowance;
    else
        r->allowance = 0;
    bool over = waits > bound;
    r->bound_next = load_relaxed(&r->deferred.xbytes) + (over ? 0 : bound - waits);
    return over;
}

/*
 * What r left itself, where there is no thread for it. Where user code may not run, what has a callback comes back: a few are tried,
 * and it is no progress.
 */
static bool reap_own(struct wane__record *r, bool may_call, struct wane__limit *limit) {
    uint64_t before = load_relaxed(&r->xleft_n);
    if (likely(before == 0) || load_relaxed(&wane__xasleep) != WANE__UNSTARTED)
        return false;
    struct wane__limit few = wane__at_most(APPLY_EVERY);
    for (unsigned parity = 0; parity < 2; parity++)
        wane__reap_left(r, r, parity, may_call, may_call ? limit : &few);
    return load_relaxed(&r->xleft_n) < before;
}

/* A step of help: no more than a batch of each kind. False: there was nothing to do. */
static bool help(struct wane__record *r, bool may_call, uint64_t deadline) {
    struct wane__limit limit = wane__until(r, deadline);
    limit.deaths = DEATHS_A_CALL;
    wane__grace_step();
    bool did = wane__deferred_ready(r) > 0 && wane__apply_deferred(r, r, UINT64_MAX, may_call, &limit) > 0;
    uint64_t tail = load_relaxed(&r->kept.xtail);
    did |= load_relaxed(&r->kept.xhead) < tail && wane__settle(r, r, &r->kept, tail, may_call, false, &limit) > 0;
    did |= reap_own(r, may_call, &limit);
    did |= wane__free_due(r, r, &limit);
    return did;
}

static void count_stall(struct wane__record *r, uint64_t ns) {
    wane__tally(r->xstalls, 1);
    wane__tally(r->xstall_ns_total, ns);
    if (ns > load_relaxed(&r->xstall_ns_max))
        store_relaxed(&r->xstall_ns_max, ns);
    unsigned bucket = ns < 2 ? 0 : 63 - (unsigned)__builtin_clzll(ns);
    wane__tally(r->xstall_histogram[bucket < 32 ? bucket : 31], 1);
}

static void nap(void) { wane__doze(NAP_NS); }

/* Helping is imposed as well as waiting: both end when the patience does, and both are counted. */
static void hold_to_bound(struct wane__record *r, bool may_call) {
    int saved = errno;
    bool may_wait = r->head.nest == 0 && r->callbacks == 0;
    uint64_t begin = wane__now(), now = begin;
    uint64_t patience = (uint64_t)wane__option(stall_limit_us) * 1000;
    bool imposed = false;
    do {
        if (!help(r, may_call, begin + patience)) {
            if (!may_wait)
                break;
            wane__hurry();
            nap();
        }
        imposed = true;
        now = wane__now();
    } while (over_bound(r) && now - begin < patience);
    if (imposed)
        count_stall(r, now - begin);
    if (over_bound(r)) {
        wane__tally(r->xoverruns, 1);
        r->allowance = charged(r) + (uint64_t)wane__option(deferred_bytes) / 8;
    } else {
        r->allowance = 0;
    }
    errno = saved;
}

/* No segment for the queue: what is safe may make room. Else the unit is parked, and goes to the collector thread. */
static void defer_at_last(struct wane__record *r, struct wane__header *h) {
    int saved = errno;
    help(r, false, UINT64_MAX);
    if (!wane__defer_unit(r, h)) {
        wane__park_new(r, h);
        wane__wave_note_follower(r);
        wane__wake();
    }
    errno = saved;
}

/* Now and then. Where there is no thread that does it, what is parked comes back by those that defer. */
static void push_on(struct wane__record *r) {
    wane__grace_step();
    if (unlikely(wane__parked() > 0) && load_relaxed(&wane__xasleep) == WANE__UNSTARTED)
        wane__unpark(r);
}

static void settle_full(struct wane__record *r, bool may_call) {
    uint64_t tail = load_relaxed(&r->kept.xtail);
    if (likely(tail < r->settle_next))
        return;
    bool full = tail - load_relaxed(&r->kept.xhead) >= SETTLE_FROM || wane__queue_bytes(&r->kept) >= SETTLE_BYTES;
    if (full) {
        struct wane__limit limit = wane__at_most(DEATHS_A_CALL);
        wane__settle(r, r, &r->kept, tail, may_call, false, &limit);
    }
    /* What could not be settled is kept again, and moved the tail. Each try costs a barrier: others settle it too. */
    bool failed = wane__queue_length(&r->kept) >= SETTLE_FROM;
    r->settle_next = load_relaxed(&r->kept.xtail) + (failed ? SETTLE_FROM : APPLY_EVERY);
}

static void apply_some(struct wane__record *r) {
    struct wane__limit limit = wane__at_most(DEATHS_A_CALL);
    if (wane__apply_deferred(r, r, UINT64_MAX, false, &limit) > 0)
        settle_full(r, false);
}

/* What is not to be done for each unit. The bound may have changed meanwhile, and what is parked counts for everybody. */
static __attribute__((noinline)) void deferred_some(struct wane__record *r) {
    wane__wake();
    uint64_t tail = load_relaxed(&r->deferred.xtail);
    if (tail % GRACE_EVERY == 0)
        push_on(r);
    if (tail % APPLY_EVERY == 0 && wane__deferred_ready(r) >= APPLY_EVERY)
        apply_some(r);
    if (unlikely(over_bound(r)))
        hold_to_bound(r, false);
}

static __attribute__((noinline)) void defer_slow(struct wane__record *r, struct wane__header *h) {
    if (unlikely(!wane__defer_unit(r, h)))
        defer_at_last(r, h);
    deferred_some(r);
}

/* As wane__wake, the last condition is looked at after the push; where that takes a fence, by the slow path. */
void wane__defer(struct wane__record *r, struct wane__header *h) {
    struct wane__queue *q = &r->deferred;
    if (load_relaxed(&h->owner) == WANE__OWNER_IMMORTAL)
        return;
    if (unlikely(wane__fences_on() || !wane__queue_unit_quick(q, h, 0))) {
        defer_slow(r, h);
        return;
    }
    compiler_barrier();
    if (unlikely(load_relaxed(&q->xtail) % APPLY_EVERY == 0 || load_relaxed(&q->xbytes) > r->bound_next ||
                 load_relaxed(&wane__xasleep) != WANE__AWAKE))
        deferred_some(r);
}

/*
 * Who is at a collection, or else the collector thread, which begins them, is in the library and waits for nobody: a birth
 * that waits now makes the collector come to the garbage with less of it ahead.
 */
static bool collector_gets_on(void) {
    uint32_t id = load_relaxed(&wane__xcollects);
    const struct wane__record *r = wane__record_at(id != 0 ? id : WANE__ID_COLLECTOR);
    return r != NULL && !load_relaxed(&r->xaway);
}

static bool waiting_helps(void) {
    int64_t limit = load_relaxed(&wane__xtracked_limit);
    return limit != INT64_MAX && collector_gets_on() && wane__tracked_lately() > limit;
}

/*
 * How long a birth is held at most: a quarter of stall_limit_us at the limit, and three quarters from twice the limit on. A collector
 * that has to share its processor would stay behind otherwise: each collection finds more than the one before.
 */
static uint64_t hold_patience(void) {
    uint64_t quarter = (uint64_t)wane__option(stall_limit_us) * 1000 / 4;
    int64_t limit = load_relaxed(&wane__xtracked_limit), excess = wane__tracked_lately() - limit;
    if (excess <= 0 || limit <= 0)
        return quarter;
    return excess >= limit ? 3 * quarter : quarter + (uint64_t)(2 * (double)quarter * (double)excess / (double)limit);
}

void wane__hold_birth_slow(struct wane__record *r) {
    r->held_births = load_relaxed(&r->births[1].xbytes);
    if (r->head.nest > 0 || r->callbacks > 0 || !waiting_helps())
        return;
    int saved = errno;
    uint64_t begin = wane__now(), now = begin;
    uint64_t patience = hold_patience();
    while (waiting_helps() && now - begin < patience) {
        help(r, false, begin + patience); /* this thread's share of the garbage's way */
        wane__hurry(); /* the collector thread may nap: it was calm a moment ago */
        nap();
        now = wane__now();
    }
    count_stall(r, now - begin);
    errno = saved;
}

void wane__left(struct wane__record *r) {
    if (unlikely(over_bound(r)))
        hold_to_bound(r, false);
}

void wane__kept(struct wane__record *r, bool may_call) {
    settle_full(r, may_call);
    if (unlikely(over_bound(r)))
        hold_to_bound(r, may_call);
}

void wane__stalled(struct wane__record *r, uint64_t since) { count_stall(r, wane__now() - since); }
