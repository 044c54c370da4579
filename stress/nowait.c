// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Mutators that wait for nobody. Threads make graphs with cycles, put them into shared slots, replace
// and drop what others made, and read in between, while the collector thread collects; below every
// bound. Their names say when they are at it ("mutator"), so that a trace of system calls can tell what
// they did in that span: stress/nowait.sh.
//
// --threads, --ms or --seconds; --period-us N: one graph by each thread in so many microseconds; --strict: no stalls.

#include "support/stress.h"

#include <sys/resource.h>

enum { FAN = 3, PLACES = 64, MOST = 8, READS = 32 };

struct vertex {
    wane_slot to[FAN];
    uint64_t value;
};

static wane_type vertex_type = {
    .name = "vertex",
    .size = sizeof(struct vertex),
    .slots = WANE_SLOTS(struct vertex, to[0], to[1], to[2]),
};

static wane_slot places[PLACES];
static _Atomic(size_t) ready;
static _Atomic(bool) go;
static uint64_t span_end, period;
static struct {
    uint64_t graphs, reads;
    long switches;
} did[STRESS_MAX_THREADS];

static struct vertex *vertex_new(void) {
    struct vertex *v = wane_new(&vertex_type);
    CHECK(v != NULL);
    v->value = 1;
    return v;
}

// Two to eight vertices, one strongly connected part, which also refers to somebody else's graph.
static struct vertex *graph_new(test_rng *rng) {
    struct vertex *v[MOST];
    size_t n = 2 + test_below(rng, MOST - 1);
    for (size_t i = 0; i < n; i++) {
        v[i] = vertex_new();
    }
    for (size_t i = 0; i < n; i++) {
        wane_slot_store(&v[i]->to[0], v[(i + 1) % n]);
        wane_slot_store(&v[i]->to[1], v[test_below(rng, n)]);
    }
    struct vertex *other = wane_slot_load(&places[test_below(rng, PLACES)]);
    if (other != NULL) {
        // Of those that refer to no further one: otherwise all ancestors of a graph would live.
        if (wane_slot_peek(&other->to[2]) == NULL) {
            wane_slot_store(&v[0]->to[2], other);
        }
        wane_release(other);
    }
    for (size_t i = 1; i < n; i++) {
        wane_release(v[i]);
    }
    return v[0];
}

static uint64_t read_some(test_rng *rng) {
    uint64_t sum = 0;
    wane_guard_enter();
    struct vertex *v = wane_slot_peek(&places[test_below(rng, PLACES)]);
    for (int i = 0; i < READS && v != NULL; i++) {
        sum += v->value;
        v = wane_slot_peek(&v->to[i % 2]);
    }
    wane_guard_leave();
    struct vertex *mine = wane_slot_load(&places[test_below(rng, PLACES)]);
    if (mine != NULL) {
        sum += mine->value;
        wane_release(mine);
    }
    return sum;
}

static long voluntary_switches(void) {
    struct rusage u;
    CHECK_EQ_INT(getrusage(RUSAGE_THREAD, &u), 0);
    return u.ru_nvcsw;
}

static void *mutate(void *index) {
    size_t me = (size_t)(uintptr_t)index;
    test_rng rng = test_rng_make(me);
    CHECK_EQ_INT(wane_thread_attach(), 0);
    wane_slot_give(&places[me], graph_new(&rng));
    atomic_fetch_add(&ready, 1);
    while (!atomic_load(&go)) {
    }
    uint64_t graphs = 0, reads = 0, due = 0, now;
    long switches = voluntary_switches();
    pthread_setname_np(pthread_self(), "mutator");
    while ((now = test_now_ns()) < span_end) {
        if (now < due) {
            reads += read_some(&rng);
            continue;
        }
        due = now + period;
        graphs++;
        struct vertex *v = graph_new(&rng);
        if (test_below(&rng, 2) == 0) {
            wane_slot_give(&places[test_below(&rng, PLACES)], v);
        } else {
            wane_release(v);
        }
    }
    pthread_setname_np(pthread_self(), "mutator-done");
    did[me].graphs = graphs;
    did[me].reads = reads;
    did[me].switches = voluntary_switches() - switches;
    return NULL;
}

TEST(nowait) {
    size_t count = stress_threads(8);
    CHECK_EQ_INT(wane_option_set("threshold0", 1000), 0); // collections all the time
    period = test_option("period-us", 100) * 1000;
    pthread_t threads[STRESS_MAX_THREADS];
    for (size_t i = 0; i < count; i++) {
        threads[i] = stress_thread(mutate, (void *)(uintptr_t)i);
    }
    while (atomic_load(&ready) < count) {
        test_sleep_ns(STRESS_MS);
    }
    span_end = test_now_ns() + stress_duration(1000);
    atomic_store(&go, true);
    uint64_t graphs = 0;
    long switches = 0;
    for (size_t i = 0; i < count; i++) {
        stress_join(threads[i]);
        graphs += did[i].graphs;
        switches += did[i].switches;
    }
    wane_stats s = stress_stats();
    printf("%zu mutators made %" PRIu64 " graphs; %" PRIu64 " objects collected meanwhile, %" PRIu64
           " stalls; they gave up a processor %ld times\n",
           count, graphs, s.cycles_collected, s.stalls, switches);
    CHECK(graphs > 0);
    if (test_option("strict", 0) != 0) {
        CHECK_EQ_UINT(s.stalls, 0);
        CHECK(s.cycles_collected > 0);
    }
    for (int i = 0; i < PLACES; i++) {
        wane_slot_clear(&places[i]);
    }
    wane_gc_collect(2);
    stress_check_empty();
}
