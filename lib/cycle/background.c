/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/background.c: the collector thread's life: started at the first need, napping between rounds while there is
 * work, asleep without limit when there is none, stopped at the end, started again in the child of a fork.
 *
 * It ends by itself when no thread is attached any more and nothing is left to do: a process ends with its last thread, and
 * this one must not be that. The next need starts another. What decides is xstate, written under `lock`: from RUNNING to
 * NONE by the thread that ends, to RUNNING by whoever starts one. The thread first gives its record back, announces its end
 * (xasleep is ENDED), makes a heavy barrier, takes the lock and looks at everything once more; who adds work stores
 * it, loads xasleep, and if that says so takes the lock, too. As before a sleep, either the thread sees the work, or the
 * adder sees the announcement; and then the adder comes to the lock before the decision, and the thread sees the work under
 * it, or after, and starts another thread. A thread that attaches counts as work, so there is a collector thread whenever
 * somebody is attached, once it was needed (tests/model/end.pml).
 */
#include "cycle/background.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/check.h"
#include "base/lock.h"
#include "base/option.h"
#include "cycle/collect.h"
#include "cycle/generations.h"
#include "heap/quarantine.h"
#include "life/apply.h"
#include "life/growth.h"
#include "life/queued.h"
#include "os/clock.h"
#include "os/futex.h"
#include "thread/give.h"
#include "thread/grace.h"
#include "thread/wake.h"

#define NAP_SHORT_NS 200000  /* a grace period is under way, units wait */
#define NAP_LONG_NS 1000000  /* busy program: one round a millisecond */
#define NAP_CALM_NS 20000000 /* little waits and little happens: what comes meanwhile is done together */
#define CALM_ROUNDS 4        /* between two calm naps: what waits at the first of them is settled in the others, grace period and all */
#define QUIET_NS 20000000    /* so long without work, and the thread sleeps */

enum { NONE, RUNNING, STOPPING, STOPPED };

/* Guards the change from NONE to RUNNING. The lowest rank: work comes up, and the thread is made, under any lock. */
static struct wane__mutex lock = WANE__MUTEX(WANE__RANK_THREAD_START);
static uint32_t xstate = NONE;
/* After a try that failed, for want of a thread or of memory, no other before: each costs a hundred deferrals. */
#define RETRY_LEAST_NS 10000000
#define RETRY_MOST_NS 1000000000
static uint64_t xretry_at, xretry_pause; /* in the coarse clock's time; pause: 0 since the thread began */
static uint64_t xcpu_before;   /* of threads that ended */
static clockid_t xcpu_clock;   /* of the one that runs, if xcpu_running */
static uint64_t xcpu_from;     /* and what it had used when it began to be the collector thread */
static bool xcpu_running;

/* Collector thread only. */
static bool lent;              /* it is a thread of the program's, and does not end by itself */
static bool more_to_give_back;
static int64_t quiet_ns;       /* for so long there was no work */
static unsigned rounds;        /* since it was asked whether a calm nap is due */
static bool looked_last;       /* at candidates, since nobody is attached; */
static uint32_t looked_ends;   /* when there had been so many detachments */
static uint32_t ends_seen;     /* detachments, at the last sleep */
static int64_t ends_pause;     /* 0: from the start */

static bool queues_hold_anything(void) {
    WANE__EACH_RECORD(r) {
        if (wane__units_waiting(r) > 0)
            return true;
    }
    return wane__dead_waiting() > 0 || wane__parked() > 0 || wane__calls_waiting() > 0 || wane__blocks_bytes() > 0 || wane__heap_retired() ||
           wane__quarantine_over() || wane__queued_untold();
}

static bool anything_to_do(void) {
    return load_acquire(&xstate) != RUNNING || queues_hold_anything() || wane__growth_calls();
}

/* Little: units and functions that wait, the bytes of what waits as a part of the bound, what is made, deferred and kept in a calm nap. */
#define CALM_UNITS 256
#define CALM_BYTES_PART 64
#define CALM_EVENTS 1000

/* What threads have made, deferred and kept in all. */
static uint64_t events(void) {
    uint64_t n = 0;
    WANE__EACH_RECORD(r) {
        n += load_relaxed(&r->births[0].xn) + load_relaxed(&r->births[1].xn);
        n += load_relaxed(&r->deferred.xtail) + load_relaxed(&r->kept.xtail);
    }
    return n;
}

static bool little_happens(void) {
    static uint64_t then, events_then; /* collector thread only */
    uint64_t now = wane__now(), n = events(), new_events = n - events_then, ns = now - then;
    then = now;
    events_then = n;
    return new_events < ns / (NAP_CALM_NS / CALM_EVENTS);
}

static bool little_waits(void) {
    uint64_t units = wane__dead_waiting() + wane__calls_waiting(), bytes = wane__dead_bytes() + wane__blocks_bytes();
    WANE__EACH_RECORD(r) {
        units += wane__units_waiting(r);
        bytes += wane__bytes_waiting(r);
    }
    return units <= CALM_UNITS && bytes <= (uint64_t)wane__option(deferred_bytes) / CALM_BYTES_PART &&
           wane__parked() == 0 && !wane__heap_retired() && !wane__growth_calls();
}

static bool nobody_left(void) { return !lent && wane__record_count() == 0; /* [order:ends] */ }

static bool anything_or_end(void) { return anything_to_do() || nobody_left(); }

/* What a sleep without limit has to be woken for. */
static bool anything_at_all(void) {
    return anything_or_end() || wane__record_ends() != ends_seen || wane__age_delay() >= 0;
}

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

/*
 * A thread that attached too late in its exit is not told of its end, and would keep this thread and so the process. The last
 * detachment that was told may have come before: after each, those that are left are looked after a few times.
 */
#define ENDS_FIRST_NS 10000000
#define ENDS_LAST_NS 10240000000

/* How long the thread may sleep for the sake of those; -1: without limit. */
static int64_t ends_delay(void) {
    uint32_t ends = wane__record_ends();
    if (ends != ends_seen)
        ends_pause = 0;
    ends_seen = ends;
    if (ends_pause >= ENDS_LAST_NS)
        return -1;
    ends_pause = ends_pause == 0 ? ENDS_FIRST_NS : ends_pause * 4;
    return ends_pause;
}

/* delay: -1: no limit. idle: there are no candidates, and the first wakes. */
static void sleep_for(int64_t delay, bool idle) {
    int64_t ends = ends_delay();
    bool for_ends = ends >= 0 && (delay < 0 || ends < delay);
    if (wane__sleep(idle ? anything_at_all : anything_or_end, for_ends ? ends : delay, idle))
        quiet_ns = 0;
    else if (for_ends)
        wane__record_reap();
}

/* Nobody is attached: candidates are looked at once, in the next round, and then memory is given back. Returns whether that is all. */
static bool last_things_done(void) {
    uint32_t ends = wane__record_ends();
    bool looked = looked_last && looked_ends == ends;
    looked_last = true;
    looked_ends = ends;
    if (!looked && wane__idle_now())
        return false;
    wane__give_back(true, &more_to_give_back);
    return true;
}

/*
 * How long to nap after a round. A round for each of a few hundred releases a second would cost as much as one for several of them. But
 * what was there at the end of a calm nap does not wait for the next one: its grace period begins and ends in the rounds between, if no
 * guard is long, and it is applied.
 */
static int64_t next_nap(bool did) {
    if (++rounds >= CALM_ROUNDS) {
        rounds = 0;
        if (little_happens() && little_waits())
            return NAP_CALM_NS;
    }
    return did ? NAP_SHORT_NS : NAP_LONG_NS;
}

/*
 * False: there is nothing left to do, and nobody attached who could bring more. A wake ends the quiet: a program that makes
 * tracked objects wakes us at each sleep, and for both that costs a system call.
 */
static bool rest(bool did) {
    if (did || queues_hold_anything() || wane__growth_calls()) {
        quiet_ns = 0;
        wane__nap(next_nap(did));
    } else if (quiet_ns < QUIET_NS) {
        int64_t nap = next_nap(false);
        quiet_ns += nap;
        wane__nap(nap);
    } else if (nobody_left()) {
        return !last_things_done();
    } else {
        int64_t candidates = candidates_delay(), delay = candidates, trim = wane__option(trim_delay_ms) * 1000000;
        if (more_to_give_back && (delay < 0 || trim < delay))
            delay = trim > NAP_LONG_NS ? trim : NAP_LONG_NS;
        if (candidates != 0)
            sleep_for(delay, candidates < 0);
    }
    return true;
}

static void ended_in_callback(void *unused) {
    (void)unused;
    wane__fatal("the collector thread ended inside a callback: by pthread_exit");
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

static void count_cpu(void) {
    clockid_t clock;
    if (pthread_getcpuclockid(pthread_self(), &clock) != 0)
        return;
    store_relaxed(&xcpu_clock, clock);
    store_relaxed(&xcpu_from, wane__clock(clock));
    store_release(&xcpu_running, true);
}

static void count_cpu_no_more(void) {
    if (!load_relaxed(&xcpu_running))
        return;
    store_release(&xcpu_running, false);
    add_relaxed(&xcpu_before, wane__clock(CLOCK_THREAD_CPUTIME_ID) - load_relaxed(&xcpu_from));
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
    quiet_ns = 0;
    looked_last = false;
    ends_pause = 0;
    count_cpu();
    return r;
}

/* Until the thread is stopped, or has nothing left to do. */
static void do_rounds(struct wane__record *r) {
    bool more = true;
    while (more && load_acquire(&xstate) == RUNNING) {
        bool did = wane__work(r);
        if (wane__collect_if_due(r))
            did = true;
        wane__give_back(false, &more_to_give_back);
        if (load_acquire(&xstate) == RUNNING && !(did && wane__work_left(r)))
            more = rest(did);
    }
}

/* Ends without the record. */
static void go_on(struct wane__record *r) {
    pthread_cleanup_push(ended_in_callback, NULL);
    do_rounds(r);
    pthread_cleanup_pop(0);
    store_relaxed(&wane__xtracked_limit, INT64_MAX);
    wane__record_detach(r);
    count_cpu_no_more();
}

/* Whether the thread, whose record is given back by now, ends: see the head. */
static bool is_over(void) {
    store_seq_cst(&wane__xasleep, (uint32_t)WANE__ENDED); /* [order:ends] */
    wane__heavy();
    wane__pause(); /* somebody finds the thread RUNNING, and no more of it than that */
    wane__mutex_lock(&lock);
    bool stopped = load_relaxed(&xstate) != RUNNING;
    bool over = stopped || (nobody_left() && wane__record_ends() == looked_ends && !anything_to_do());
    if (over)
        store_seq_cst(&xstate, (uint32_t)(stopped ? STOPPED : NONE));
    if (stopped || !over)
        store_seq_cst(&wane__xasleep, (uint32_t)WANE__AWAKE);
    wane__mutex_unlock(&lock);
    if (stopped)
        wane__futex_wake(&xstate, 1 << 30);
    return over;
}

static void *run(void *arg) {
    (void)arg;
    pthread_setname_np(pthread_self(), "wane-gc");
    struct wane__record *r;
    lent = false;
    do {
        r = begin();
        if (r == NULL)
            return NULL;
        go_on(r);
    } while (!is_over());
    return NULL;
}

/* Without a record of its own meanwhile, like a thread that has ended: one thread has one record. */
int wane__background_lend(void) {
    wane__mutex_lock(&lock);
    uint32_t state = load_relaxed(&xstate);
    if (state == NONE) {
        store_seq_cst(&xstate, (uint32_t)RUNNING);
        store_seq_cst(&wane__xasleep, (uint32_t)WANE__AWAKE);
    }
    wane__mutex_unlock(&lock);
    if (state == STOPPED)
        return 0;
    if (state != NONE)
        return -EBUSY;
    wane__record_detach(wane__record_self());
    struct wane__record *r = begin();
    if (r == NULL)
        return -ENOMEM;
    lent = true;
    go_on(r);
    (void)is_over();
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
    uint32_t state = load_relaxed(&xstate);
    if (wane__option(collector_thread) == 0 || state == STOPPING || state == STOPPED || is_put_off())
        return; /* but if it is RUNNING the thread may be about to end, and the lock tells */
    wane__mutex_lock(&lock);
    if (load_relaxed(&xstate) == NONE) {
        store_seq_cst(&xstate, (uint32_t)RUNNING);
        store_seq_cst(&wane__xasleep, (uint32_t)WANE__AWAKE);
        if (!create()) {
            store_seq_cst(&xstate, (uint32_t)NONE);
            put_off();
            wane__heap_untold();
        }
    }
    wane__mutex_unlock(&lock);
}

/* Perhaps inside a bracket, where a thread may be woken but not made: that is left to the end of the bracket. */
static void on_retired(void) {
    struct wane__record *r = wane__record_self();
    if (load_relaxed(&wane__xasleep) >= WANE__UNSTARTED && r != NULL && load_relaxed(&r->head.bracket) != 0)
        r->heap.news = true;
    else
        wane__wake();
}

void wane__background_init(void) {
    wane__heap_on_retired = on_retired;
    store_release(&wane__heap_on_noted, wane__collection_leave_roots);
    store_release(&wane__collector_start, start);
}

bool wane__background_running(void) { return load_acquire(&xstate) == RUNNING; }

void wane__background_stop(int64_t limit_ns) {
    wane__mutex_lock(&lock);
    uint32_t state = load_relaxed(&xstate);
    bool running = state == RUNNING || state == STOPPING;
    store_seq_cst(&xstate, (uint32_t)(running ? STOPPING : STOPPED));
    wane__mutex_unlock(&lock);
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
    if (!load_acquire(&xcpu_running))
        return cpu;
    uint64_t now = wane__clock(load_relaxed(&xcpu_clock)), from = load_relaxed(&xcpu_from);
    return now > from ? cpu + now - from : cpu; /* the clock of a thread that has ended reads 0 */
}

void wane__background_fork_prepare(void) {
    wane__mutex_lock(&lock);
}

void wane__background_fork_parent(void) {
    wane__mutex_unlock(&lock);
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
    wane__mutex_unlock(&lock);
}
