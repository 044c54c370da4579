/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * record.c: the registry of threads: whose record is whose, ids that come back, and too many
 * threads.
 */
#include "thread/record.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/option.h"
#include "thread_util.h"

static struct wane__record *attach_now(void) {
    int error = 0;
    struct wane__record *r = wane__record_attach(&error);
    CHECK_EQ_INT(error, 0);
    CHECK(r != NULL);
    return r;
}

TEST(attached_once) {
    struct wane__record *r = attach_now();
    size_t n = wane__record_count();
    CHECK_EQ_PTR(attach_now(), r);
    CHECK_EQ_PTR(wane__record_need("a test"), r);
    CHECK_EQ_PTR(wane__record_self(), r);
    CHECK_EQ_PTR(wane__self, &r->head);
    CHECK_EQ_UINT(wane__record_count(), n);
    CHECK_EQ_UINT(load_relaxed(&r->xstate), WANE__RECORD_ATTACHED);
    CHECK(r->id > WANE__ID_COLLECTOR);
    CHECK_EQ_PTR(wane__record_at(r->id), r);
    CHECK_EQ_UINT(r->head.match, wane__fences_on() || WANE__OUT_OF_LINE ? WANE__MATCH_NOBODY : r->id);
}

static void be_detached(void *ret) {
    struct wane__record *r = attach_now();
    errno = 77;
    wane__record_detach(r);
    CHECK_EQ_INT(errno, 77);
    CHECK_EQ_PTR(wane__record_self(), NULL);
    CHECK_EQ_PTR(wane__self, &wane__nobody);
    CHECK_EQ_UINT(load_relaxed(&r->xstate), WANE__RECORD_FREE);
    *(size_t *)ret = wane__record_count();
    CHECK_EQ_PTR(attach_now(), r); /* its id is the next that is free */
    CHECK_EQ_INT(errno, 77);
}

TEST(detach_and_attach) {
    struct worker w;
    worker_start(&w);
    size_t n = wane__record_count(), without = 0;
    worker_run(&w, be_detached, &without);
    CHECK_EQ_UINT(without, n - 1);
    CHECK_EQ_UINT(wane__record_count(), n);
    worker_stop(&w);
    CHECK_EQ_UINT(wane__record_count(), n - 1);
}

/* The next thread with an id gets its record, so ids stay few, and no two threads have the same at
 * a time. */
TEST(ids_are_recycled) {
    enum { AT_ONCE = 5, TIMES = 50 };
    struct worker w[AT_ONCE];
    struct wane__record *first[AT_ONCE];
    uint32_t end = 0;
    size_t n = wane__record_count();
    for (unsigned t = 0; t < TIMES; t++) {
        for (unsigned i = 0; i < AT_ONCE; i++) {
            worker_start(&w[i]);
            CHECK(w[i].record != self());
            for (unsigned j = 0; j < i; j++)
                CHECK(w[j].record != w[i].record && w[j].record->id != w[i].record->id);
            bool known = t == 0;
            for (unsigned j = 0; j < AT_ONCE && t > 0; j++)
                known |= w[i].record == first[j];
            CHECK(known);
        }
        CHECK_EQ_UINT(wane__record_count(), n + AT_ONCE);
        for (unsigned i = 0; i < AT_ONCE; i++) {
            if (t == 0)
                first[i] = w[i].record;
            worker_stop(&w[i]);
        }
        CHECK_EQ_UINT(wane__record_count(), n);
        if (t == 0)
            end = load_relaxed(&wane__record_end);
        CHECK_EQ_UINT(load_relaxed(&wane__record_end), end);
    }
}

/* A thread that ends gives back its record, and closes what it was inside of: nobody shall wait for
 * it. */
TEST(the_end_of_a_thread) {
    struct worker w;
    worker_start(&w);
    struct wane__record *r = w.record;
    worker_run(&w, guard_enter, NULL);
    worker_run(&w, guard_enter, NULL);
    worker_run(&w, bracket_enter, NULL);
    r->allowance = 5;
    CHECK(load_relaxed(&r->head.guard) != 0);
    CHECK(load_relaxed(&r->head.bracket) != 0);
    worker_stop(&w);
    CHECK_EQ_UINT(load_relaxed(&r->xstate), WANE__RECORD_FREE);
    CHECK_EQ_UINT(r->head.guard, 0);
    CHECK_EQ_UINT(r->head.bracket, 0);
    CHECK_EQ_UINT(r->head.nest, 0);
    CHECK_EQ_UINT(r->allowance, 0);
    CHECK_EQ_PTR(wane__record_at(r->id), r);
    worker_start(&w);
    CHECK_EQ_PTR(w.record, r);
    CHECK_EQ_UINT(r->exit_rounds, 0);
    worker_stop(&w);
}

/* Threads of which each says what attaching gave. */
static void try_to_attach(void *ret) {
    struct wane__record *r = wane__record_self();
    if (r != NULL)
        wane__record_detach(r);
    int error = 0;
    errno = 77;
    r = wane__record_attach(&error);
    CHECK_EQ_INT(errno, 77);
    CHECK(r == wane__record_self());
    CHECK((r == NULL) == (error != 0));
    *(int *)ret = error;
}

static void need_a_record(void *unused) {
    (void)unused;
    wane__record_need("need_a_record");
}

static void need_in_vain(void *unused) {
    (void)unused;
    wane__record_detach(self());
    CHECK_EQ_INT(wane_option_set("max_threads", 1), 0);
    struct worker w; /* takes the only place, and then the main thread has none */
    CHECK_EQ_INT(pthread_barrier_init(&w.begin, NULL, 2), 0);
    CHECK_EQ_INT(pthread_barrier_init(&w.done, NULL, 2), 0);
    CHECK_EQ_INT(pthread_create(&w.thread, NULL, worker_main, &w), 0);
    pthread_barrier_wait(&w.done);
    need_a_record(NULL);
}

TEST(too_many_threads) {
    enum { PLACES = 3 };
    struct worker w[PLACES + 1];
    for (unsigned i = 0; i < PLACES + 1; i++)
        worker_start(&w[i]);
    size_t n = wane__record_count();
    uint32_t end = load_relaxed(&wane__record_end);
    CHECK_EQ_INT(wane_option_set("max_threads", (int64_t)n - 1), 0);
    int error = 0;
    for (int again = 0; again < 3;
         again++) { /* it gives its place up, and so there is none too many */
        worker_run(&w[PLACES], try_to_attach, &error);
        CHECK_EQ_INT(error, -EAGAIN);
        CHECK_EQ_UINT(wane__record_count(), n - 1);
    }
    worker_run(&w[0], try_to_attach, &error); /* into its own place */
    CHECK_EQ_INT(error, 0);
    worker_stop(&w[0]);
    worker_run(&w[PLACES], try_to_attach, &error); /* into that of the one that ended */
    CHECK_EQ_INT(error, 0);
    CHECK_EQ_UINT(wane__record_count(), n - 1);
    CHECK_EQ_UINT(load_relaxed(&wane__record_end), end);
    CHECK_EQ_INT(wane_option_set("max_threads", 65000), 0);
    /* The list of free ids is whole: the refusals neither lost an id nor gave one twice. */
    struct worker more[2];
    worker_start(&more[0]);
    CHECK_EQ_UINT(load_relaxed(&wane__record_end), end);
    worker_start(&more[1]);
    CHECK(more[0].record != more[1].record);
    CHECK_EQ_UINT(wane__record_count(), n + 1);
    for (unsigned i = 0; i < 2; i++)
        worker_stop(&more[i]);
    for (unsigned i = 1; i < PLACES + 1; i++)
        worker_stop(&w[i]);
    CHECK_EQ_UINT(wane__record_count(), n - PLACES - 1);
}

TEST(who_needs_a_record_in_vain_aborts) {
    (void)self();
    check_aborts(need_in_vain, NULL, "need_a_record: this thread cannot be attached: max_threads");
}

/* The collector thread has an id of its own, which counts for nothing and is nobody else's. */
static void adopt(void *unused) {
    (void)unused;
    struct wane__record *own = self();
    wane__record_detach(own);
    size_t n = wane__record_count();
    struct wane__record *r = wane__record_adopt_collector();
    CHECK_EQ_UINT(r->id, WANE__ID_COLLECTOR);
    CHECK_EQ_PTR(wane__record_self(), r);
    CHECK_EQ_PTR(wane__record_at(WANE__ID_COLLECTOR), r);
    CHECK_EQ_UINT(wane__record_count(), n);
    wane__record_detach(r);
    CHECK_EQ_UINT(wane__record_count(), n);
    CHECK_EQ_PTR(attach_now(), own);
    CHECK_EQ_UINT(wane__record_count(), n + 1);
}

TEST(the_collectors_record) {
    struct worker w;
    worker_start(&w);
    worker_run(&w, adopt, NULL);
    worker_run(&w, adopt, NULL);
    worker_stop(&w);
}

/*
 * A thread whose first call comes after the library's own destructor has run for the last time is
 * not told of its end any more. Its record is taken back when the system no longer knows the
 * thread.
 */
static pthread_key_t late_key;
static struct wane__record *late_record;

static void attach_late(void *rounds) {
    uintptr_t left = (uintptr_t)rounds - 1;
    if (left > 0)
        pthread_setspecific(late_key, (void *)left);
    else
        late_record = attach_now();
}

static void *end_late(void *unused) {
    pthread_setspecific(
        late_key, (void *)(uintptr_t)4); /* rounds of destructors: PTHREAD_DESTRUCTOR_ITERATIONS */
    (void)self();
    return unused;
}

static bool reaped(void *arg) {
    struct wane__record *r = arg;
    wane__record_reap();
    return load_acquire(&r->xstate) == WANE__RECORD_FREE;
}

TEST(attached_too_late) {
    if (TEST_TSAN)
        SKIP("its own state of the thread is gone in the last round");
    (void)self();
    size_t n = wane__record_count();
    pthread_t thread;
    CHECK_EQ_INT(pthread_key_create(&late_key, attach_late), 0);
    CHECK_EQ_INT(pthread_create(&thread, NULL, end_late, NULL), 0);
    CHECK_EQ_INT(pthread_join(thread, NULL), 0);
    CHECK(late_record != NULL);
    CHECK_EQ_UINT(load_relaxed(&late_record->xstate), WANE__RECORD_ATTACHED);
    CHECK_EQ_UINT(wane__record_count(), n + 1);
    CHECK(test_wait_until(reaped, late_record, 20000000000u));
    CHECK_EQ_UINT(wane__record_count(), n);
    pthread_key_delete(late_key);
}

/* Threads that attach and detach all the time: an id is one thread's at a time. */
enum { THREADS = 4, LAPS = TEST_TSAN ? 300 : 2000 };
static unsigned holders[WANE__ID_LIMIT];

static void come_and_go(void *unused, unsigned number) {
    (void)unused;
    for (unsigned i = 0; i < LAPS; i++) {
        struct wane__record *r = attach_now();
        CHECK_EQ_UINT(add_relaxed(&holders[r->id], 1u), 0);
        CHECK_EQ_PTR(wane__record_at(r->id), r);
        if ((i + number) % 8 == 0)
            sched_yield();
        CHECK_EQ_UINT(sub_acq_rel(&holders[r->id], 1u), 1);
        wane__record_detach(r);
    }
}

TEST(many_come_and_go) {
    (void)self();
    size_t n = wane__record_count();
    crowd_run(THREADS, come_and_go, NULL);
    CHECK_EQ_UINT(wane__record_count(), n);
}
