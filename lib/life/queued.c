/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/queued.c: finalizers that wait for wane_run_finalizers.
 *
 * Who is told, and when. xtold says that whatever waits was told of, or is about to be. Who pushes a unit then exchanges it for true, and
 * if it was false tells: sets xuntold and wakes the collector thread. wane__run_queued exchanges it for false and then reads where the
 * queues end. The two exchanges are ordered: if the pusher's is the earlier one, it released the push to the other, and the unit is below
 * that end and runs; if it is the later one, it finds false, and tells anew. So no unit waits untold (tests/model/queued.pml).
 *
 * Units are popped one by one under the queue's try-lock, which nobody holds while user code runs: several threads may run finalizers at
 * once. The child of a fork loses the unit in hand, and never has two.
 *
 * The last unit of an object may stop being the last while it waits: a weak reference was upgraded. Then taking it out of the queue is
 * an ordinary release, and the object comes back when it dies again. A unit of garbage says nothing about that, since the garbage itself refers to the
 * object: it carries a tag, and its finalizer runs in any case.
 */
#include "life/queued.h"

#include <sched.h>

#include "base/lock.h"
#include "life/death.h"

#define FOUND ((uintptr_t)1) /* in garbage */

bool wane__xqueued_on_call;

static bool xtold;
static bool xuntold;

/* Leaf lock: guards what follows. */
static struct wane__mutex lock = WANE__MUTEX(WANE__RANK_FINALIZERS);
static struct notify {
    void (*fn)(void *arg);
    void *arg;
} notify;
static uint32_t runner; /* id of the thread that calls it; 0: none does */

static bool push(struct wane__record *r, uintptr_t word) {
    if (!wane__queue_ready(&r->queued) || !wane__queue_push(&r->queued, word))
        return false;
    if (!swap_acq_rel(&xtold, true)) { /* [order:told] */
        store_release(&xuntold, true); /* [order:untold] */
        wane__wake();
    }
    return true;
}

/* Merged and one unit; a unit of the owner's is merged first, so that any thread may drop it. */
static bool is_last(struct wane__record *r, struct wane__header *h) {
    uint64_t w = load_acquire(&h->shared); /* [order:count] */
    bool own = !wane__word_has(w, WANE__MERGED) && load_relaxed(&h->owner) == r->id;
    if (own && load_relaxed(&h->local) == 1 && wane__word_count(w) == 0 && wane__revoke_now(r, h))
        w = load_acquire(&h->shared); /* [order:count] */
    return wane__word_has(w, WANE__MERGED) && wane__word_count(w) == 1;
}

bool wane__queue_final(struct wane__record *r, struct wane__header *h) {
    uint64_t w = load_relaxed(&h->shared);
    if (!wane__queued_on_call() || !wane__word_has(w, WANE__FINAL_DUE) || !wane__finalized_elsewhere(r, w))
        return false;
    return is_last(r, h) && push(r, (uintptr_t)h);
}

bool wane__queue_final_found(struct wane__record *r, struct wane__header *h) { return push(r, (uintptr_t)h | FOUND); }

/* Of q, up to its end when somebody began to look. 0: there is none. Whoever has the lock has it for a few instructions. */
static uintptr_t pop(struct wane__queue *q, uint64_t end) {
    uintptr_t word = 0;
    while (word == 0 && load_acquire(&q->xhead) < end) {
        if (!wane__queue_trylock(q)) {
            sched_yield();
            continue;
        }
        if (load_relaxed(&q->xhead) >= end || wane__queue_copy(q, end, &word, 1) == 0)
            word = 0;
        else
            wane__queue_skip(q, 1);
        wane__queue_unlock(q);
    }
    return word;
}

static void finalize_found(struct wane__record *r, struct wane__header *h) {
    if (!wane__word_has(and_acq_rel(&h->shared, ~WANE__FINAL_DUE), WANE__FINAL_DUE)) /* [order:count] */
        return;
    wane__tsan_acquire(&h->shared);
    wane__finalize(r, h);
}

static void run_from(struct wane__record *r, struct wane__queue *q) {
    uint64_t end = load_acquire(&q->xtail);
    for (uintptr_t word; (word = pop(q, end)) != 0;) {
        struct wane__header *h = (struct wane__header *)(word & ~FOUND);
        if ((word & FOUND) != 0)
            finalize_found(r, h);
        wane__let_go(r, h, true, "wane_run_finalizers");
        wane__reap(r, true);
    }
}

size_t wane__run_queued(struct wane__record *r) {
    bool before = r->runs_queued, may_before = r->may_run_queued;
    size_t ran = r->queued_ran;
    (void)swap_acq_rel(&xtold, false); /* [order:told] */
    r->runs_queued = r->may_run_queued = true;
    WANE__EACH_RECORD(from) run_from(r, &from->queued);
    r->runs_queued = before;
    r->may_run_queued = may_before;
    return r->queued_ran - ran;
}

static bool any_waits(void) {
    WANE__EACH_RECORD(r) {
        if (wane__queue_length(&r->queued) > 0)
            return true;
    }
    return false;
}

bool wane__queued_untold(void) { return load_relaxed(&xuntold); }

/* What was to be told of has run meanwhile: then the next push tells. As in wane__run_queued, with a look in place of the ends. */
static bool nothing_waits(void) {
    if (any_waits())
        return false;
    (void)swap_acq_rel(&xtold, false); /* [order:told] */
    return !any_waits();
}

/* While another thread is in it, it is told again by that one when it has returned. */
static bool begin_call(const struct wane__record *r, struct notify *ret) {
    wane__mutex_lock(&lock);
    *ret = notify;
    bool free_to_call = runner == 0;
    if (free_to_call)
        runner = r->id;
    else
        store_relaxed(&xuntold, true);
    wane__mutex_unlock(&lock);
    return free_to_call;
}

static void end_call(void) {
    wane__mutex_lock(&lock);
    runner = 0;
    wane__mutex_unlock(&lock);
}

static void call_notify(void *arg) {
    const struct notify *n = arg;
    n->fn(n->arg);
}

bool wane__tell_queued(struct wane__record *r) {
    struct notify n;
    bool did = false;
    while (load_relaxed(&xuntold) && swap_acq_rel(&xuntold, false)) { /* [order:untold] */
        if (nothing_waits())
            continue;
        if (!begin_call(r, &n))
            break;
        if (n.fn != NULL)
            wane__call(r, call_notify, &n);
        end_call();
        if (n.fn == NULL)
            wane__run_queued(r);
        wane__reap(r, true);
        did = true;
    }
    return did;
}

void wane__queued_set_notify(const struct wane__record *r, void (*fn)(void *arg), void *arg) {
    wane__mutex_lock(&lock);
    notify = (struct notify){fn, arg};
    store_relaxed(&wane__xqueued_on_call, fn != NULL);
    while (runner != 0 && runner != r->id) {
        wane__mutex_unlock(&lock);
        wane__pause_briefly();
        wane__mutex_lock(&lock);
    }
    wane__mutex_unlock(&lock);
    store_relaxed(&xuntold, true); /* what waits now was told to another, if to anybody */
    wane__wake();
}

void wane__queued_fork_prepare(void) { wane__mutex_lock(&lock); }
void wane__queued_fork_parent(void) { wane__mutex_unlock(&lock); }

/* A thread that vanished may have been between its push and its telling, or in the call. The child is told of what it has. */
void wane__queued_fork_child(const struct wane__record *self) {
    if (self == NULL || runner != self->id)
        runner = 0;
    wane__mutex_unlock(&lock);
    WANE__EACH_RECORD(r) store_relaxed(&r->queued.xlock, 0u);
    store_relaxed(&xuntold, any_waits());
    store_relaxed(&xtold, load_relaxed(&xuntold));
}
