/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * api/flush.c: waiting until what was deferred is applied.
 *
 * A flush does the collector's work itself, beside it: no hand-over, and it works without the thread. First a grace
 * period that begins after the call must end; then passes over all queues, each up to where it was when the pass
 * began, until nothing is left: a death may keep units of what it referred to, which the next pass settles. Units that
 * others have taken are theirs to apply: a pass ends by waiting until each thread that was applying has finished.
 *
 * Passes that only follow what was there before are not limited in number; see passes().
 */
#include <errno.h>
#include <wane/control.h>
#include <wane/thread.h>

#include "api/api.h"
#include "base/option.h"
#include "cycle/background.h"
#include "cycle/generations.h"
#include "life/apply.h"
#include "life/flushing.h"
#include "os/clock.h"
#include "os/doze.h"
#include "thread/event.h"
#include "thread/grace.h"
#include "thread/mode.h"

/*
 * While others go on deferring, passes do not end by themselves: after so many with news of others, no more of them.
 * Each finds what came during the one before, which may be more than that one found: hence few.
 */
#define PASSES_MAX 3
/* Most flushes end before so many passes; others, and those with news, keep collections from beginning until they end. */
#define PASSES_FREE 3
#define NAP_NS 20000
#define NAPS_A_ROUND 64
#define SLICE_NS 1000000 /* of a collection */
/* Beside others that go on, no longer in one pass after what callbacks leave for later. */
#define FOLLOW_NS 1000000000

struct flush {
    struct wane__record *r;
    uint64_t deadline; /* UINT64_MAX: none */
    bool claims;       /* others leave the work to it */
    uint64_t calls;    /* deferred functions that were added before it */
    uint64_t unparked; /* units taken out of their parking places when the grace period began that it waited for last */
};

/* Asked at each batch and each look, and so the others see that it goes on. */
static bool late(const struct flush *f) {
    if (f->claims)
        wane__flushing_goes_on();
    return f->deadline != UINT64_MAX && wane__now() >= f->deadline;
}

static void nap(void) { wane__doze(NAP_NS); }

static bool wait_for_grace(const struct flush *f) {
    wane__heavy(); /* this thread's last push is noted by any period that begins after the next line */
    uint64_t begun = wane__grace_begun();
    for (;;) {
        enum wane__grace state = wane__grace_step();
        if (wane__grace_ended() > begun || state == WANE__GRACE_IDLE)
            return true;
        if (late(f))
            return false;
        if (!wane__work(f->r, false))
            nap();
        else if (wane__grace_ended() <= begun)
            nap();
    }
}

/*
 * What had to be parked for want of memory is deferred anew when it is taken out, by whomever, and safe after another grace
 * period. While others go on parking this would not end by itself: hence no more units than were there when it began.
 */
static bool take_in_parked(struct flush *f) {
    uint64_t enough = wane__unparked() + wane__parked();
    while ((wane__parked() > 0 || wane__unparked() != f->unparked) && f->unparked < enough) {
        wane__unpark(f->r);
        f->unparked = wane__unparked();
        if (!wait_for_grace(f))
            return false;
        while (wane__deferred_ready(f->r) > 0 && wane__apply_deferred(f->r, f->r, true) > 0) {
        }
    }
    return true;
}

static bool settle(const struct flush *f, struct wane__queue *q, uint64_t limit) {
    while (load_acquire(&q->xhead) < limit) {
        if (wane__settle(f->r, q, limit, true, true) == 0)
            nap();
        if (late(f))
            return false;
    }
    return true;
}

/* Applies all of a record's units that are there now, or sees that others have taken them. */
static bool drain(const struct flush *f, struct wane__record *from) {
    uint64_t safe = load_acquire(&from->deferred.xsafe);
    uint64_t kept = load_acquire(&from->kept.xtail), handed = load_acquire(&from->handed.xtail);
    while (load_acquire(&from->deferred.xhead) < safe) {
        if (wane__apply_deferred(f->r, from, true) == 0)
            nap();
        if (late(f))
            return false;
    }
    return settle(f, &from->kept, kept) && settle(f, &from->handed, handed);
}

/*
 * Others may be in callbacks that take long. While a flush has the claim nobody else does the work that comes up
 * meanwhile; so it does.
 */
static void nap_or_work(const struct flush *f, unsigned naps) {
    if (naps % NAPS_A_ROUND != NAPS_A_ROUND - 1 || !wane__work(f->r, false))
        nap();
}

static bool wait_for_appliers(const struct flush *f) {
    WANE__EACH_RECORD(r) {
        uint32_t turn = load_acquire(&r->xapplying); /* [order:applying] */
        for (unsigned n = 0; (turn & 1) != 0 && r != f->r && load_acquire(&r->xapplying) == turn; n++) {
            if (late(f))
                return false;
            nap_or_work(f, n);
        }
        wane__tsan_acquire(&r->xapplying);
    }
    return true;
}

/* What died while a collection held it is destroyed by that collection. */
static bool wait_for_collection(const struct flush *f) {
    /* One that is done in slices waits for this thread, perhaps. */
    for (unsigned n = 0; !wane__collect_rest(f->r, wane__now() + SLICE_NS); n++) {
        if (late(f))
            return false;
        nap_or_work(f, n);
    }
    uint32_t turn = wane__collection_turn();
    for (unsigned n = 0; (turn & 1) != 0 && wane__collection_turn() == turn; n++) {
        if (late(f))
            return false;
        nap_or_work(f, n);
    }
    return true;
}

/* Who sees that the last word was taken sees, in what it loads next, that its taker is applying, or has done it. */
static bool taken(const struct wane__queue *q, uint64_t limit) {
    return load_acquire(&q->xhead) >= limit; /* [order:queue] */
}

static bool anything_left(const struct flush *f) {
    if (wane__parked() > 0 || wane__unparked() != f->unparked)
        return true;
    WANE__EACH_RECORD(r) {
        if (!taken(&r->kept, load_acquire(&r->kept.xtail)) || !taken(&r->handed, load_acquire(&r->handed.xtail)) ||
            !taken(&r->deferred, load_acquire(&r->deferred.xsafe)))
            return true;
    }
    return wane__dead_waiting() > 0 || wane__calls_due();
}

/* A number that changes when anybody begins to apply or to collect. False: somebody is at it. */
static bool idle(uint64_t *ret_turns) {
    uint64_t turns = 0;
    bool all_even = true;
    WANE__EACH_RECORD(r) {
        uint32_t turn = load_acquire(&r->xapplying); /* [order:applying] */
        wane__tsan_acquire(&r->xapplying);
        all_even &= (turn & 1) == 0;
        turns += turn;
    }
    uint32_t turn = wane__collection_turn();
    all_even &= (turn & 1) == 0 && !wane__collection_unfinished();
    turns += turn;
    *ret_turns = turns;
    return all_even;
}

/*
 * Each number only grows. If they add up to the same before and after the look at the queues, there was a moment between
 * the two sums at which nobody had anything in hand, and nobody took or moved anything since: what the queues do not hold
 * is done.
 */
static bool finished(const struct flush *f) {
    uint64_t before, after;
    return idle(&before) && !anything_left(f) && idle(&after) && before == after;
}

/*
 * Grows with all that is not a consequence of what was there: what is deferred, by anybody, and what threads other than
 * this one and the library's keep, leave to others or apply. Those two only pass on what they find. Deferred units are
 * news from these two as well: a `destroy` that defers what will defer again would keep a flush for ever. But not
 * those that had been parked.
 */
static uint64_t news(const struct flush *f) {
    uint64_t n = -wane__unparked();
    WANE__EACH_RECORD(r) {
        n += load_relaxed(&r->deferred.xtail);
        if (r != f->r && r->id != WANE__ID_COLLECTOR)
            n += load_relaxed(&r->kept.xtail) + load_relaxed(&r->handed.xtail) + load_relaxed(&r->xleft) +
                 load_relaxed(&r->xapplying);
    }
    return n;
}

/*
 * What this thread made itself by what it destroyed, to the end: part by part, when a structure's parts are not in slots.
 * What its callbacks left for later waits among what others left, and they may add to it without end.
 */
static bool drain_own(const struct flush *f) {
    uint64_t begin = wane__now(), before = news(f), left;
    do {
        left = load_relaxed(&f->r->xleft);
        wane__reap_waiting(f->r);
        while (wane__queue_length(&f->r->kept) > 0 || wane__queue_length(&f->r->handed) > 0) {
            if (!drain(f, f->r))
                return false;
        }
        if (late(f))
            return false;
    } while (load_relaxed(&f->r->xleft) != left && (wane__now() - begin < FOLLOW_NS || news(f) == before));
    return true;
}

/* Those that were added before the flush. Another thread may have the turn, and leave some. */
static bool run_calls(const struct flush *f) {
    wane__run_due(f->r, f->deadline);
    for (unsigned n = 0; !wane__calls_ran(f->calls); n++) {
        if (late(f))
            return false;
        if (wane__run_due(f->r, f->deadline) == 0)
            nap_or_work(f, n);
    }
    return true;
}

static bool pass(struct flush *f) {
    if (!take_in_parked(f))
        return false;
    WANE__EACH_RECORD(from) {
        if (!drain(f, from))
            return false;
    }
    wane__reap(f->r, true);
    if (!run_calls(f))
        return false;
    wane__free_due(f->r);
    return drain_own(f) && wait_for_appliers(f) && wait_for_collection(f);
}

/* One flush at a time; false: too late. */
static bool wait_for_turn(struct flush *f) {
    for (unsigned n = 0; !(f->claims = wane__flushing_begin(f->r)); n++) {
        if (late(f))
            return false;
        nap_or_work(f, n);
    }
    wane__heavy(); /* who is seen not applying from now on sees the claim before it takes more */
    return true;
}

/*
 * It ends: a pass ends, since it takes what was there when it began and what that leads to, which is finite; and a pass
 * either has news, of which there may be PASSES_MAX, or everybody but this thread and the library's is still. Those two
 * then work off a finite number of units and deaths: each pass that is not the last finds some.
 *
 * It is complete when the others are still: then passes end by finished() alone. Beside others a chain that is handed on
 * a link at a time could outlast the passes; so the others leave the chain to this thread (life/flushing.h), and
 * collections, which would take what dies out of its hands, wait.
 */
static bool passes(struct flush *f) {
    bool done = true;
    for (int i = 0, counted = 0; done && counted < PASSES_MAX; i++) {
        if (i > PASSES_FREE || counted > 0) {
            wane__flushing_hold_collections();
            done = wait_for_collection(f);
        }
        uint64_t before = news(f);
        bool calls = wane__calls_due();
        done = done && pass(f);
        if (done && finished(f))
            break;
        if (calls || news(f) != before)
            counted++;
    }
    done = done && drain_own(f); /* what it took on while it waited */
    wane__reap(f->r, true);
    return done;
}

static int flush(struct wane__record *r, int64_t timeout_ns) {
    struct flush f = {.r = r, .calls = wane__calls_added()};
    f.deadline = timeout_ns < 0 ? UINT64_MAX : wane__now() + (uint64_t)timeout_ns;
    int saved = errno;
    bool queued = r->may_run_queued;
    r->may_run_queued = true;
    wane__record_send_gathered(r);
    f.unparked = wane__unparked();
    bool done = wait_for_grace(&f) && wait_for_turn(&f);
    if (done) {
        done = passes(&f);
        wane__flushing_end();
        f.claims = false;
    }
    r->may_run_queued = queued;
    errno = saved;
    return done ? 0 : -ETIMEDOUT;
}

static int begin(int64_t timeout_ns, const char *operation) {
    int error = 0;
    struct wane__record *r = wane__record_attach(&error);
    if (r == NULL)
        return error;
    if (r->callbacks > 0) /* in a guard too: of whoever made the call that runs the callback, perhaps */
        return -EDEADLK;
    if (r->head.nest > 0)
        wane__fatal("%s inside a guard: it would wait for itself", operation);
    return flush(r, timeout_ns);
}

int wane_flush(void) { return begin(-1, "wane_flush"); }

int wane_flush_for(int64_t timeout_ns) {
    return timeout_ns < 0 ? -EINVAL : begin(timeout_ns, "wane_flush_for");
}

/* What is left to the collector thread, by any thread, when there is none: finalizers too. */
static size_t poll_for_collector(struct wane__record *r) {
    size_t n = 0;
    bool queued = r->may_run_queued;
    r->may_run_queued = true;
    WANE__EACH_RECORD(from) n += wane__settle_all(r, &from->handed, true, false);
    wane__reap_waiting(r);
    r->may_run_queued = queued;
    return n;
}

/* What is safe now, and not what becomes so meanwhile. */
static size_t poll_deferred(struct wane__record *r) {
    uint64_t limit = load_acquire(&r->deferred.xsafe);
    size_t n = 0, batch;
    while (load_relaxed(&r->deferred.xhead) < limit && (batch = wane__apply_deferred(r, r, true)) > 0)
        n += batch;
    return n;
}

size_t wane_poll(void) {
    int error = 0;
    struct wane__record *r = wane__record_attach(&error);
    if (r == NULL || r->callbacks > 0)
        return 0;
    int saved = errno;
    wane__event_clear();
    wane__grace_step();
    size_t n = poll_deferred(r);
    if (!wane__flushing_other(r)) { /* else the flush does it, and what comes of it */
        n += wane__settle_all(r, &r->kept, true, false);
        if (!wane__background_running()) /* nobody else will */
            n += poll_for_collector(r);
    }
    wane__reap(r, true);
    n += wane__run_due(r, UINT64_MAX);
    wane__free_due(r);
    wane__loop_settle(r);
    errno = saved;
    return n;
}

void wane_shutdown(void) {
    int error = 0;
    struct wane__record *r = wane__record_attach(&error);
    if (r == NULL)
        wane__fatal("wane_shutdown: this thread cannot be attached");
    if (r->callbacks > 0)
        return;
    if (r->head.nest > 0)
        wane__fatal("wane_shutdown inside a guard: it would wait for itself");
    flush(r, -1);
    wane_gc_event unused;
    wane__collect_now(r, WANE_GC_FULL, &unused);
    wane__background_stop(-1);
    flush(r, -1);
    wane__report_leaks();
}

size_t wane_trim(void) {
    int error = 0;
    bool more;
    struct wane__record *r = wane__record_attach(&error);
    if (r == NULL)
        return 0;
    wane__record_send_gathered(r);
    wane__heap_shed(&r->heap);
    return wane__give_back(true, &more);
}
