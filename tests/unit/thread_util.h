/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * thread_util.h: what the tests of lib/thread and lib/count share: threads that do what they are
 * told, step by step, so that each order of the steps is certain; objects; and what must be so
 * after each test.
 *
 * The collector thread is never started here: nothing happens but what a test does.
 */
#ifndef WANE_TESTS_THREAD_UTIL_H
#define WANE_TESTS_THREAD_UTIL_H

#include <wane.h>

#include <pthread.h>

#include "harness.h"
#include "thread/mode.h"
#include "thread/record.h"

__attribute__((constructor)) static void without_the_librarys_thread(void) {
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
}

void test_teardown(void) {
    wane_stats s = {.struct_size = sizeof s};
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_INT(wane_stats_get(&s), 0);
    CHECK_EQ_UINT(s.live_objects, 0);
    CHECK_EQ_UINT(s.deferred_pending, 0);
    CHECK_EQ_UINT(s.deferred_bytes, 0);
    CHECK_EQ_UINT(s.threads, 1); /* the main one */
}

struct node {
    wane_slot next;
    uint64_t number;
};
__attribute__((unused)) static wane_type node_type = {
    .name = "node", .size = sizeof(struct node), .slots = WANE_SLOTS(struct node, next)};

/* Of a type without slots: never a candidate. */
struct leaf {
    uint64_t number;
    uint64_t room;
};
__attribute__((unused)) static wane_type leaf_type = {.name = "leaf", .size = sizeof(struct leaf)};

static inline struct wane__header *object_new(wane_type *t) {
    void *obj = wane_new(t);
    CHECK(obj != NULL);
    return wane__header_of(obj);
}

static inline struct wane__record *self(void) { return wane__record_need("a test"); }

/* A thread that runs one function after another, while the test waits for each. */
struct worker {
    pthread_t thread;
    pthread_barrier_t begin, done;
    void (*fn)(void *arg);
    void *arg;
    struct wane__record *record;
};

static inline void *worker_main(void *arg) {
    struct worker *w = arg;
    w->record = self();
    pthread_barrier_wait(&w->done);
    for (;;) {
        pthread_barrier_wait(&w->begin);
        if (w->fn == NULL)
            return NULL;
        w->fn(w->arg);
        pthread_barrier_wait(&w->done);
    }
}

static inline void worker_start(struct worker *w) {
    (void)self();
    CHECK_EQ_INT(pthread_barrier_init(&w->begin, NULL, 2), 0);
    CHECK_EQ_INT(pthread_barrier_init(&w->done, NULL, 2), 0);
    CHECK_EQ_INT(pthread_create(&w->thread, NULL, worker_main, w), 0);
    pthread_barrier_wait(&w->done);
}

/* To be followed by worker_wait. */
static inline void worker_begin(struct worker *w, void (*fn)(void *arg), void *arg) {
    w->fn = fn;
    w->arg = arg;
    pthread_barrier_wait(&w->begin);
}

static inline void worker_wait(struct worker *w) { pthread_barrier_wait(&w->done); }

static inline void worker_run(struct worker *w, void (*fn)(void *arg), void *arg) {
    worker_begin(w, fn, arg);
    worker_wait(w);
}

/* Ends the thread, whatever it is inside of. */
static inline void worker_stop(struct worker *w) {
    worker_begin(w, NULL, NULL);
    CHECK_EQ_INT(pthread_join(w->thread, NULL), 0);
    pthread_barrier_destroy(&w->begin);
    pthread_barrier_destroy(&w->done);
}

/* The record of a thread that has ended: the test may play that thread as long as it makes no
 * other. */
static inline struct wane__record *other_record(void) {
    struct worker w;
    worker_start(&w);
    worker_stop(&w);
    CHECK(w.record != self());
    return w.record;
}

/* For workers. */
static inline void guard_enter(void *unused) {
    (void)unused;
    wane_guard_enter();
}
static inline void guard_leave(void *unused) {
    (void)unused;
    wane_guard_leave();
}
static inline void bracket_enter(void *unused) {
    (void)unused;
    wane__mark(&self()->head);
}
static inline void bracket_leave(void *unused) {
    (void)unused;
    wane__unmark(&self()->head);
}

/* n threads that begin fn(arg) together; returns when all have ended. fn may learn its number from
 * `arg`. */
struct crowd {
    pthread_barrier_t begin;
    void (*fn)(void *arg, unsigned number);
    void *arg;
    unsigned next;
};

static inline void *crowd_main(void *arg) {
    struct crowd *c = arg;
    unsigned number = add_relaxed(&c->next, 1u);
    (void)self();
    pthread_barrier_wait(&c->begin);
    c->fn(c->arg, number);
    return NULL;
}

static inline void crowd_run(unsigned n, void (*fn)(void *arg, unsigned number), void *arg) {
    enum { MOST = 8 };
    pthread_t threads[MOST];
    struct crowd c = {.fn = fn, .arg = arg};
    CHECK(n <= MOST);
    CHECK_EQ_INT(pthread_barrier_init(&c.begin, NULL, n), 0);
    for (unsigned i = 0; i < n; i++)
        CHECK_EQ_INT(pthread_create(&threads[i], NULL, crowd_main, &c), 0);
    for (unsigned i = 0; i < n; i++)
        CHECK_EQ_INT(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&c.begin);
}

#endif
