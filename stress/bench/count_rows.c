/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/count_rows.c: a pair of retain and release: by the owner, by another thread, by two threads at once.
 *
 * bench_touch stands before each operation, so that no pair is cancelled and each loads and stores the count, for us
 * and for the peers. The pointer stays in one register, as in a program's loop: moving it to another one and back hides
 * from the processor that it loads what it just stored, and then the store's latency is measured, not the work.
 */
#include "peers.h"
#include "threads.h"

#include <wane.h>

#define BATCH 200000
#define QUICK 200
#define MANY 256

struct payload {
    long value[6];
};

static wane_type payload_type = {.name = "bench payload", .size = sizeof(struct payload)};

static void *object_new(void) {
    void *o = wane_new(&payload_type);
    if (o == NULL)
        bench_fail("wane_new failed");
    return o;
}

static inline __attribute__((always_inline)) void pairs(void *o, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        bench_touch(o);
        wane_retain(o);
        bench_touch(o);
        wane_release(o);
    }
}

static inline __attribute__((always_inline)) void atomic_pairs(struct atomic_object *o, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        bench_touch(o);
        atomic_retain(o);
        bench_touch(o);
        atomic_release(o);
    }
}

/* The owner. */

static void owner(bench_run *r) {
    void *o = object_new();
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH, QUICK);
        pairs(o, n);
        r->ops += n;
    }
    wane_release(o);
}

static void owner_plain(bench_run *r) {
    struct plain_object *o = malloc(sizeof(*o));
    if (o == NULL)
        bench_fail("out of memory");
    o->count = 1;
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH, QUICK);
        for (uint64_t i = 0; i < n; i++) {
            bench_touch(o);
            plain_retain(o);
            bench_touch(o);
            plain_release(o);
        }
        r->ops += n;
    }
    plain_release(o);
}

static void owner_atomic(bench_run *r) {
    struct atomic_object *o = atomic_new();
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH, QUICK);
        atomic_pairs(o, n);
        r->ops += n;
    }
    atomic_release(o);
}

/* The owner, of many objects in turn: no operation waits for the store of the one before it. */

static void owner_many(bench_run *r) {
    void *o[MANY];
    for (int i = 0; i < MANY; i++)
        o[i] = object_new();
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH / MANY, 2);
        for (uint64_t i = 0; i < n; i++)
            for (int j = 0; j < MANY; j++)
                pairs(o[j], 1);
        r->ops += n * MANY;
    }
    for (int i = 0; i < MANY; i++)
        wane_release(o[i]);
}

static void owner_many_plain(bench_run *r) {
    struct plain_object *o[MANY];
    for (int i = 0; i < MANY; i++) {
        o[i] = malloc(sizeof(*o[i]));
        if (o[i] == NULL)
            bench_fail("out of memory");
        o[i]->count = 1;
    }
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH / MANY, 2);
        for (uint64_t i = 0; i < n; i++)
            for (int j = 0; j < MANY; j++) {
                struct plain_object *p = o[j];
                bench_touch(p);
                plain_retain(p);
                bench_touch(p);
                plain_release(p);
            }
        r->ops += n * MANY;
    }
    for (int i = 0; i < MANY; i++)
        plain_release(o[i]);
}

static void owner_many_atomic(bench_run *r) {
    struct atomic_object *o[MANY];
    for (int i = 0; i < MANY; i++)
        o[i] = atomic_new();
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH / MANY, 2);
        for (uint64_t i = 0; i < n; i++)
            for (int j = 0; j < MANY; j++)
                atomic_pairs(o[j], 1);
        r->ops += n * MANY;
    }
    for (int i = 0; i < MANY; i++)
        atomic_release(o[i]);
}

/* Another thread than the owner; the maker lives and sleeps. */

static void maker(bench_thread *t) {
    t->arg = object_new();
    bench_thread_ready(t);
    bench_thread_wait(t);
}

static void maker_atomic(bench_thread *t) {
    t->arg = atomic_new();
    bench_thread_ready(t);
    bench_thread_wait(t);
}

static void other(bench_run *r, bool share) {
    bench_thread t;
    bench_thread_start(&t, maker, NULL);
    void *o = t.arg;
    if (share)
        wane_share(o);
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH, QUICK);
        pairs(o, n);
        r->ops += n;
    }
    wane_release(o);
    bench_thread_stop(&t);
}

static void other_biased(bench_run *r) { other(r, false); }
static void other_merged(bench_run *r) { other(r, true); }

static void other_atomic(bench_run *r) {
    bench_thread t;
    bench_thread_start(&t, maker_atomic, NULL);
    struct atomic_object *o = t.arg;
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH, QUICK);
        atomic_pairs(o, n);
        r->ops += n;
    }
    atomic_release(o);
    bench_thread_stop(&t);
}

/* Two threads at once: this one is measured, t counts the same object all the time. */

static void rival(bench_thread *t) {
    bench_thread_ready(t);
    while (!bench_thread_stopping(t))
        pairs(t->arg, 100);
}

static void rival_maker(bench_thread *t) {
    t->arg = object_new();
    rival(t);
}

static void rival_atomic(bench_thread *t) {
    bench_thread_ready(t);
    while (!bench_thread_stopping(t))
        atomic_pairs(t->arg, 100);
}

static void both(bench_run *r, void (*run)(bench_thread *t), bool share) {
    bench_thread t;
    void *o = run == rival_maker ? NULL : object_new();
    if (share)
        wane_share(o);
    bench_thread_start(&t, run, o);
    o = t.arg;
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH / 8, QUICK);
        pairs(o, n);
        r->ops += n;
    }
    bench_thread_stop(&t);
    wane_release(o);
}

static void both_merged(bench_run *r) { both(r, rival, true); }
static void both_owner(bench_run *r) { both(r, rival, false); }
static void both_other(bench_run *r) { both(r, rival_maker, false); }

static void both_atomic(bench_run *r) {
    bench_thread t;
    struct atomic_object *o = atomic_new();
    bench_thread_start(&t, rival_atomic, o);
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH / 8, QUICK);
        atomic_pairs(o, n);
        r->ops += n;
    }
    bench_thread_stop(&t);
    atomic_release(o);
}

#define NS "ns a pair"
/* "Level" leaves 5% for noise. */
#define LEVEL 1.05

const bench_row bench_count_rows[] = {
    {"owner", "retain and release by the owner", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", owner, NULL, 0, 0},
      {"plain", owner_plain, NULL, 3.0, 1.14 / 0.55},
      {"atomic", owner_atomic, NULL, 1 / 2.3, 0},
      BENCH_SHARED_PTR(bench_shared_ptr_pair)}},
    {"owner-many", "the same, 256 objects in turn", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", owner_many, NULL, 0, 0},
      {"plain", owner_many_plain, NULL, 0, 0},
      {"atomic", owner_many_atomic, NULL, 0, 0}}},
    {"other", "by another thread, object biased to its maker", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", other_biased, NULL, 0, 0}, {"atomic", other_atomic, NULL, 1.2, LEVEL}}},
    {"other-merged", "by another thread, object merged", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", other_merged, NULL, 0, 0}, {"atomic", other_atomic, NULL, 1.2, LEVEL}}},
    {"both-merged", "two threads on one object, merged: one of them", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", both_merged, NULL, 0, 0}, {"atomic", both_atomic, NULL, LEVEL, 0}}},
    {"both-owner", "two threads on one object, biased: the owner", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", both_owner, NULL, 0, 0}, {"atomic", both_atomic, NULL, LEVEL, 0}}},
    {"both-other", "two threads on one object, biased: the other one", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", both_other, NULL, 0, 0}, {"atomic", both_atomic, NULL, LEVEL, 0}}},
    BENCH_ROWS_END,
};
