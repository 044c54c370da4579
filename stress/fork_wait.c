// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// How long a fork waits for the library beside full collections, and while their memory goes back to the system: its handler
// before the fork alone, without what the system does, which copies page tables for long. One thread makes cycles, drops them,
// collects and trims; another runs the library's handlers before and after a fork in the parent, again and again, without a
// fork. Prints the longest, the 99th percentile and the median.
//
//     fork_wait --size 4000000        objects in each collection; --seconds 10

#include "support/stress.h"

enum { RING = 10, MOST = 1 << 20 };

static void (*before_fork)(void), (*after_fork)(void);

// Instead of the C library's: pthread_atfork ends up here. The first who calls is the library, before main. Not with a sanitizer, whose
// runtime calls it before it is set up.
#if !STRESS_SANITIZED
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso);
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso) {
    (void)child;
    (void)dso;
    if (before_fork == NULL) {
        before_fork = prepare;
        after_fork = parent;
    }
    return 0;
}
#endif

struct node {
    wane_slot next, other;
};
static wane_type node_type = {.name = "node", .size = sizeof(struct node), .slots = WANE_SLOTS(struct node, next, other)};

static size_t objects_n;
static uint64_t duration;
static _Atomic(bool) collecting, over;
static _Atomic(size_t) collections;

static void make_rings(void) {
    for (size_t i = 0; i < objects_n / RING; i++) {
        struct node *ring[RING];
        for (size_t j = 0; j < RING; j++) {
            CHECK((ring[j] = wane_new(&node_type)) != NULL);
        }
        for (size_t j = 0; j < RING; j++) {
            wane_slot_store(&ring[j]->next, ring[(j + 1) % RING]);
            wane_slot_store(&ring[j]->other, ring[0]);
        }
        for (size_t j = 0; j < RING; j++) {
            wane_release(ring[j]);
        }
    }
    CHECK_EQ_INT(wane_flush(), 0);
}

static void *collect(void *unused) {
    for (uint64_t end = test_now_ns() + duration; test_now_ns() < end || atomic_load(&collections) == 0;) {
        make_rings();
        atomic_store(&collecting, true);
        CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), objects_n / RING * RING);
        wane_trim();
        atomic_store(&collecting, false);
        atomic_fetch_add(&collections, 1);
    }
    atomic_store(&over, true);
    return unused;
}

static int by_length(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

TEST(fork_wait) {
    static uint64_t took[MOST];
    size_t n = 0;
    objects_n = stress_size(test_scale() > 1 ? 4000000 : 200000);
    duration = stress_duration(1000);
    if (before_fork == NULL || STRESS_SANITIZED) {
        SKIP("another runtime is told of forks");
    }
    wane_gc_disable();
    pthread_t collector = stress_thread(collect, NULL);
    while (!atomic_load(&over)) {
        bool counts = atomic_load(&collecting) && n < MOST;
        uint64_t start = test_now_ns();
        before_fork();
        uint64_t ns = test_now_ns() - start;
        after_fork();
        if (counts) {
            took[n++] = ns;
        }
        test_sleep_ns(100000);
    }
    stress_join(collector);
    qsort(took, n, sizeof *took, by_length);
    if (n > 0) {
        printf("%zu forks beside %zu collections of %zu objects: longest %.3f ms, 99.9%% below %.3f, 99%% %.3f, median %.4f\n", n,
               atomic_load(&collections), objects_n, (double)took[n - 1] / 1e6, (double)took[n - 1 - n / 1000] / 1e6,
               (double)took[n - 1 - n / 100] / 1e6, (double)took[n / 2] / 1e6);
    }
    stress_check_empty();
}
