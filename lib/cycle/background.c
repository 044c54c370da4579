/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/background.c: the collector thread's life: started at the first need, napping between rounds while there is
 * work, asleep without limit when there is none, stopped at the end, started again in the child of a fork.
 */
#include "cycle/background.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/check.h"
#include "base/option.h"
#include "cycle/generations.h"
#include "life/apply.h"
#include "life/growth.h"
#include "os/clock.h"
#include "os/futex.h"
#include "thread/grace.h"
#include "thread/wake.h"

#define NAP_SHORT_NS 200000  /* a grace period is under way, units wait */
#define NAP_LONG_NS 1000000  /* busy program: one round a millisecond */
#define QUIET_ROUNDS 20      /* rounds without work before the thread sleeps */

enum { NONE, RUNNING, STOPPING, STOPPED };

/* Guards the change from NONE to RUNNING. The lowest rank: work comes up, and the thread is made, under any lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t xstate = NONE;
/* After a try that failed, for want of a thread or of memory, no other before: each costs a hundred deferrals. */
#define RETRY_LEAST_NS 10000000
#define RETRY_MOST_NS 1000000000
static uint64_t xretry_at, xretry_pause; /* in the coarse clock's time; pause: 0 since the thread began */
static bool more_to_give_back; /* collector thread only */
static uint64_t xcpu_before;   /* of threads that ended */
static clockid_t xcpu_clock;   /* of the one that runs, if xcpu_running */
static bool xcpu_running;

static bool queues_hold_anything(void) {
    WANE__EACH_RECORD(r) {
        if (wane__units_waiting(r) > 0)
            return true;
    }
    return wane__dead_waiting() > 0 || wane__parked() > 0 || wane__calls_waiting() > 0 || wane__blocks_waiting() || wane__heap_retired();
}

static bool anything_to_do(void) {
    return load_acquire(&xstate) != RUNNING || queues_hold_anything() || wane__growth_due();
}

static bool anything_or_candidates(void) { return anything_to_do() || wane__age_delay() >= 0; }

/* An idle process uses less than a fiftieth of a processor, over so long. */
#define IDLE_SPAN_NS 100000000

/* Whether the process has done next to nothing since this was asked before. The collector thread. */
static bool process_is_idle(void) {
    static uint64_t then, cpu_then;
    uint64_t now = wane__now(), cpu = wane__clock(CLOCK_PROCESS_CPUTIME_ID);
    if (now - then < IDLE_SPAN_NS)
        return false;
    bool idle = (cpu - cpu_then) * 50 < now - then;
    then = now;
    cpu_then = cpu;
    return idle;
}

/* How long the thread may sleep for the sake of candidates; 0: not at all, since now is a good time to look at them. */
static int64_t candidates_delay(void) {
    if (process_is_idle())
        return wane__idle_delay();
    int64_t delay = wane__age_delay();
    return delay > IDLE_SPAN_NS ? IDLE_SPAN_NS : delay;
}

/* A wake ends the quiet: a program that makes tracked objects wakes us at each sleep, and for both that costs a system call. */
static void rest(bool did) {
    static unsigned quiet; /* collector thread only */
    int64_t delay = wane__option(trim_delay_ms) * 1000000;
    if (did || queues_hold_anything() || wane__growth_due()) {
        quiet = 0;
        wane__nap(did ? NAP_SHORT_NS : NAP_LONG_NS);
    } else if (quiet++ < QUIET_ROUNDS) {
        wane__nap(NAP_LONG_NS);
    } else if (more_to_give_back) {
        if (wane__sleep(anything_to_do, delay > NAP_LONG_NS ? delay : NAP_LONG_NS))
            quiet = 0;
    } else {
        delay = candidates_delay();
        if (delay == 0)
            return;
        if (wane__sleep(delay < 0 ? anything_or_candidates : anything_to_do, delay))
            quiet = 0;
    }
}

static void ended_in_callback(void *unused) {
    (void)unused;
    wane__fatal("the library's thread was ended inside a callback, by pthread_exit");
}

/* It is tried again at the first need after a while. */
static void put_off(void) {
    uint64_t pause = load_relaxed(&xretry_pause);
    if (pause == 0)
        wane__log_owe(WANE__OWED_THREAD);
    pause = pause == 0 ? RETRY_LEAST_NS : pause * 2 < RETRY_MOST_NS ? pause * 2 : RETRY_MOST_NS;
    store_relaxed(&xretry_pause, pause);
    store_relaxed(&xretry_at, wane__clock(CLOCK_MONOTONIC_COARSE) + pause);
    store_seq_cst(&wane__xasleep, (uint32_t)WANE__UNSTARTED);
}

static bool is_put_off(void) {
    return load_relaxed(&xretry_pause) != 0 && wane__clock(CLOCK_MONOTONIC_COARSE) < load_relaxed(&xretry_at);
}

/* The record of the collector for the calling thread; NULL: memory is out, to be tried again at the next need. */
static struct wane__record *begin(void) {
    struct wane__record *r = wane__record_adopt_collector();
    if (r == NULL) {
        put_off();
        uint32_t running = RUNNING;
        if (!cas_acq_rel(&xstate, &running, (uint32_t)NONE))
            store_seq_cst(&xstate, (uint32_t)STOPPED);
        wane__heap_untold();
        return NULL;
    }
    store_relaxed(&xretry_pause, (uint64_t)0);
    r->may_run_queued = true;
    clockid_t clock;
    if (pthread_getcpuclockid(pthread_self(), &clock) == 0) {
        store_relaxed(&xcpu_clock, clock);
        store_release(&xcpu_running, true);
    }
    return r;
}

static void go_on(struct wane__record *r) {
    pthread_cleanup_push(ended_in_callback, NULL);
    while (load_acquire(&xstate) == RUNNING) {
        bool did = wane__work(r, true);
        if (wane__collect_if_due(r))
            did = true;
        wane__give_back(false, &more_to_give_back);
        wane__record_reap_late();
        if (load_acquire(&xstate) == RUNNING && !(did && wane__work_left(r)))
            rest(did);
    }
    pthread_cleanup_pop(0);
    store_relaxed(&wane__xtracked_limit, INT64_MAX);
}

static void over(uint64_t cpu) {
    store_release(&xcpu_running, false);
    add_relaxed(&xcpu_before, cpu);
    store_seq_cst(&xstate, (uint32_t)STOPPED);
    wane__futex_wake(&xstate, 1 << 30);
}

static void *run(void *arg) {
    (void)arg;
    pthread_setname_np(pthread_self(), "wane-gc");
    struct wane__record *r = begin();
    if (r == NULL)
        return NULL;
    go_on(r);
    wane__record_detach(r);
    over(wane__clock(CLOCK_THREAD_CPUTIME_ID));
    return NULL;
}

/* Without a record of its own meanwhile, like a thread that has ended: one thread has one record. */
int wane__background_lend(void) {
    pthread_mutex_lock(&lock);
    uint32_t state = load_relaxed(&xstate);
    if (state == NONE) {
        store_seq_cst(&xstate, (uint32_t)RUNNING);
        store_seq_cst(&wane__xasleep, (uint32_t)WANE__AWAKE);
    }
    pthread_mutex_unlock(&lock);
    if (state == STOPPED)
        return 0;
    if (state != NONE)
        return -EBUSY;
    wane__record_detach(wane__record_self());
    uint64_t before = wane__clock(CLOCK_THREAD_CPUTIME_ID);
    struct wane__record *r = begin();
    if (r == NULL)
        return -ENOMEM;
    go_on(r);
    wane__record_detach(r);
    over(wane__clock(CLOCK_THREAD_CPUTIME_ID) - before);
    return 0;
}

static bool create(void) {
    sigset_t all, old;
    pthread_attr_t attr;
    pthread_t thread;
    sigfillset(&all);
    if (pthread_attr_init(&attr) != 0)
        return false;
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    bool created = pthread_create(&thread, &attr, run, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return created;
}

/* Called by whoever adds work while no thread runs. Never inside a bracket. */
static void start(void) {
    if (wane__option(collector_thread) == 0 || load_relaxed(&xstate) != NONE || is_put_off())
        return;
    pthread_mutex_lock(&lock);
    if (load_relaxed(&xstate) == NONE) {
        store_seq_cst(&xstate, (uint32_t)RUNNING);
        store_seq_cst(&wane__xasleep, (uint32_t)WANE__AWAKE);
        if (!create()) {
            store_seq_cst(&xstate, (uint32_t)NONE);
            put_off();
            wane__heap_untold();
        }
    }
    pthread_mutex_unlock(&lock);
}

/* Perhaps inside a bracket, where a thread may be woken but not made: that is left to the end of the bracket. */
static void on_retired(void) {
    struct wane__record *r = wane__record_self();
    if (load_relaxed(&wane__xasleep) == WANE__UNSTARTED && r != NULL && load_relaxed(&r->head.bracket) != 0)
        r->heap.news = true;
    else
        wane__wake();
}

void wane__background_init(void) {
    wane__heap_on_retired = on_retired;
    store_release(&wane__collector_start, start);
}

bool wane__background_running(void) { return load_acquire(&xstate) == RUNNING; }

void wane__background_stop(int64_t limit_ns) {
    pthread_mutex_lock(&lock);
    uint32_t state = load_relaxed(&xstate);
    bool running = state == RUNNING || state == STOPPING;
    store_seq_cst(&xstate, (uint32_t)(running ? STOPPING : STOPPED));
    pthread_mutex_unlock(&lock);
    struct wane__record *self = wane__record_self();
    if (!running || (self != NULL && self->id == WANE__ID_COLLECTOR))
        return;
    uint64_t begin = wane__now();
    uint32_t asleep = WANE__ASLEEP;
    cas_acq_rel(&wane__xasleep, &asleep, (uint32_t)WANE__AWAKE);
    while (load_acquire(&xstate) == STOPPING) {
        if (limit_ns >= 0 && wane__now() - begin >= (uint64_t)limit_ns)
            return;
        wane__hurry();
        wane__futex_wait(&xstate, STOPPING, NAP_LONG_NS);
    }
}

uint64_t wane__background_cpu(void) {
    uint64_t cpu = load_relaxed(&xcpu_before);
    return load_acquire(&xcpu_running) ? cpu + wane__clock(load_relaxed(&xcpu_clock)) : cpu;
}

void wane__background_fork_prepare(void) {
    pthread_mutex_lock(&lock);
}

void wane__background_fork_parent(void) {
    pthread_mutex_unlock(&lock);
}

void wane__background_fork_child(void) {
    struct wane__record *self = wane__record_self();
    if (self == NULL || self->id != WANE__ID_COLLECTOR) {
        uint32_t state = load_relaxed(&xstate);
        store_relaxed(&wane__xtracked_limit, INT64_MAX);
        if (state == RUNNING) {
            store_seq_cst(&xstate, (uint32_t)NONE);
            store_seq_cst(&wane__xasleep, (uint32_t)WANE__UNSTARTED);
            store_relaxed(&xretry_pause, (uint64_t)0);
        } else if (state == STOPPING) {
            store_seq_cst(&xstate, (uint32_t)STOPPED);
        }
        store_relaxed(&xcpu_running, false);
        store_relaxed(&xcpu_before, (uint64_t)0);
    }
    pthread_mutex_unlock(&lock);
}
