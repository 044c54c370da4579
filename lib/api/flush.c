/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * api/flush.c: waiting until what was deferred is applied; polls, trim, shutdown.
 *
 * A flush waits for a wave (count/wave.h): all that was there when it was called, and what comes of that. It helps with
 * what is of the wave, and with nothing else; so what others make meanwhile does not keep it, and it needs nobody: not the
 * collector thread, and not another flush. Several at once help each other, and what is over is over for all.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <wane/control.h>
#include <wane/thread.h>

#include "api/api.h"
#include "base/check.h"
#include "base/option.h"
#include "count/wave.h"
#include "cycle/background.h"
#include "cycle/generations.h"
#include "life/apply.h"
#include "life/queued.h"
#include "os/clock.h"
#include "thread/event.h"
#include "thread/give.h"
#include "thread/grace.h"
#include "thread/mode.h"
#include "thread/wake.h"
#include "trace/leaks.h"

#define SLICE_NS 1000000 /* of a collection */
#define LEAST_SLICE_NS 20000 /* where the time is over: else a collection that only flushes look at would never get on */

/* What callbacks of a wave deferred is of the next one. So many are followed, and not more: it may go on for ever. */
#define WAVES_MAX 4

#define LAST_LOOKS 100

static uint64_t sooner(uint64_t a, uint64_t b) { return a < b ? a : b; }

static bool help_with_queue(struct wane__record *r, struct wane__record *from, struct wane__queue *q, uint64_t wave,
                            struct wane__limit *limit) {
    bool did = false;
    uint64_t end = wane__wave_limit(q, wave);
    while (load_acquire(&q->xhead) < end && wane__settle(r, from, q, end, true, true, limit) > 0) {
        did = true;
        if (wane__passed(r, limit))
            break;
    }
    return did;
}

static bool help_with_deferred(struct wane__record *r, struct wane__record *from, uint64_t wave, struct wane__limit *limit) {
    bool did = false;
    uint64_t end = wane__wave_limit(&from->deferred, wave);
    while (load_relaxed(&from->deferred.xhead) < end && wane__apply_deferred(r, from, end, true, limit) > 0) {
        did = true;
        if (wane__passed(r, limit))
            break;
    }
    return did;
}

static bool help_with_left(struct wane__record *r, struct wane__record *from, uint64_t wave, struct wane__limit *limit) {
    return load_relaxed(&from->xleft_n) > 0 && wane__reap_left(r, from, wave & 1, true, limit) > 0;
}

/* What is parked comes back by r's queue, as far as that has room: what fills it need not be of the wave. */
static bool help_with_parked(struct wane__record *r, uint64_t wave, struct wane__limit *limit) {
    return wane__parked_of(wave & 1) > 0 &&
           (wane__unpark(r) > 0 || wane__apply_deferred(r, r, UINT64_MAX, true, limit) > 0);
}

/*
 * Some of what the wave waits for, until the time is over. Returns whether anything was done. A collection that was
 * begun in slices waits for this thread, perhaps.
 */
static bool help(struct wane__record *r, uint64_t deadline) {
    uint64_t wave = wane__wave_oldest();
    struct wane__limit limit = wane__until(r, deadline);
    bool did = help_with_parked(r, wave, &limit);
    wane__grace_step();
    WANE__EACH_RECORD(from) {
        if (did && wane__passed(r, &limit))
            return true;
        did |= help_with_deferred(r, from, wave, &limit);
        did |= help_with_queue(r, from, &from->kept, wave, &limit);
        did |= help_with_queue(r, from, &from->handed, wave, &limit);
        did |= help_with_left(r, from, wave, &limit);
        wane__free_due(r, from, &limit);
    }
    if (wane__wave_in_calls(wave))
        did |= wane__run_due(r, &limit) > 0;
    wane__record_send_gathered(r);
    if (!did && wane__wave_in_collection(wave)) {
        uint64_t now = wane__now(), until = sooner(deadline, now + SLICE_NS);
        did = !wane__collect_rest(r, until > now + LEAST_SLICE_NS ? until : now + LEAST_SLICE_NS);
    }
    return did;
}

static bool late(uint64_t deadline) { return deadline != UINT64_MAX && wane__now() >= deadline; }

/* Nothing may be pending, though others who look, or take, stand in the way of seeing it for a moment. */
static bool last_look(uint64_t wave) {
    enum wane__look look;
    for (unsigned n = 0; (look = wane__wave_look(wave)) == WANE__LOOK_BUSY && n < LAST_LOOKS; n++)
        sched_yield();
    return look == WANE__LOOK_OVER;
}

/* Callbacks that hold a wave up for long: one of them may be waiting for this thread, which nobody can know. */
static void warn_of_callbacks(uint64_t wave, int64_t ms) {
    WANE__EACH_RECORD(q) {
        if (load_relaxed(&q->xaway) && wane__wave_in_hand(q, wave))
            wane__log(WANE__LOG_WARNING, "wane_flush has waited %lld ms for thread %d, which is running a callback or waiting for guards",
                      (long long)ms, (int)q->tid);
    }
}

/* False: too late. */
static bool wait_for_wave(struct wane__record *r, uint64_t wave, uint64_t deadline) {
    uint64_t begin = 0; /* of a wait with nothing to do */
    while (!wane__wave_over(wave)) {
        bool did = help(r, deadline);
        if (late(deadline))
            return last_look(wave);
        if (wane__wave_over(wave))
            return true;
        if (did)
            continue;
        wane__pause_briefly();
        int64_t limit = wane__option(guard_warn_ms);
        if (begin == 0)
            begin = wane__now();
        if (limit > 0 && begin != UINT64_MAX && wane__now() - begin >= (uint64_t)limit * 1000000u) {
            warn_of_callbacks(wane__wave_oldest(), limit);
            begin = UINT64_MAX; /* once */
        }
    }
    return true;
}

static int flush(struct wane__record *r, int64_t timeout_ns) {
    uint64_t deadline = timeout_ns < 0 ? UINT64_MAX : wane__now() + (uint64_t)timeout_ns;
    int saved = errno;
    bool queued = r->may_run_queued, done = false, more = true;
    r->may_run_queued = true;
    wane__record_send_gathered(r);
    for (unsigned n = 0; more && n < WAVES_MAX; n++) {
        uint64_t before[2], after[2];
        wane__wave_followers(before);
        uint64_t wave = wane__wave_now();
        done = wait_for_wave(r, wave, deadline);
        wane__wave_followers(after);
        more = done && after[wave & 1] != before[wave & 1];
    }
    if (!wane__background_running()) /* nobody else will */
        wane__tell_queued(r);
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
    WANE__EACH_RECORD(from) {
        n += wane__settle_all(r, from, &from->handed, true, false);
        wane__reap_left(r, from, 0, true, NULL);
        wane__reap_left(r, from, 1, true, NULL);
    }
    wane__tell_queued(r);
    r->may_run_queued = queued;
    return n;
}

/* What is safe now, and not what becomes so meanwhile. */
static size_t poll_deferred(struct wane__record *r) {
    uint64_t limit = load_acquire(&r->deferred.xsafe);
    size_t n = 0, batch;
    while (load_relaxed(&r->deferred.xhead) < limit && (batch = wane__apply_deferred(r, r, limit, true, NULL)) > 0)
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
    n += wane__settle_all(r, r, &r->kept, true, false);
    if (!wane__background_running()) /* nobody else will */
        n += poll_for_collector(r);
    wane__reap(r, true);
    n += wane__run_due(r, NULL);
    WANE__EACH_RECORD(from) wane__free_due(r, from, NULL);
    wane__record_send_gathered(r);
    wane__loop_settle();
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
    wane__end_quarantine(r);
    int64_t report = wane__option(leak_report);
    if (report > 0 && wane__report_leaks(r, NULL) > 0 && report > 1)
        exit(EXIT_FAILURE);
}

size_t wane_trim(void) {
    int error = 0;
    bool more;
    struct wane__record *r = wane__record_attach(&error);
    if (r == NULL)
        return 0;
    wane__end_quarantine(r);
    wane__record_send_gathered(r);
    wane__heap_shed(&r->heap);
    return wane__give_back(true, &more);
}
