// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// A trickle of foreign releases: a thread sleeps, another gives up units of its objects, some hundred a second. The
// collector thread has to settle them, and must not cost more for it than they are worth: few rounds, each for
// several units, and all is freed soon after the last one. Prints wake-ups a second, CPU time in per cent of a core,
// and how long after the last release all was freed.
//
//     trickle --seconds 10

#include "support/stress.h"

#include <sys/syscall.h>

enum { A_SECOND = 190 };

static struct gate {
    pthread_barrier_t made, freed;
} gate;
static void **objects;
static size_t objects_n;

struct item {
    uint64_t number;
};
static wane_type item_type = {.name = "item", .size = sizeof(struct item)};

static void *own(void *unused) {
    for (size_t i = 0; i < objects_n; i++) {
        CHECK((objects[i] = wane_new(&item_type)) != NULL);
    }
    pthread_barrier_wait(&gate.made);
    pthread_barrier_wait(&gate.freed);
    return unused;
}

static bool all_freed(void *unused) { return unused == NULL && stress_stats().live_objects == 0; }

TEST(trickle) {
    uint64_t duration = stress_duration(2000);
    objects_n = (size_t)(duration * A_SECOND / 1000000000u);
    objects = calloc(objects_n, sizeof *objects);
    CHECK(objects != NULL);
    CHECK(pthread_barrier_init(&gate.made, NULL, 2) == 0 && pthread_barrier_init(&gate.freed, NULL, 2) == 0);
    pthread_t owner = stress_thread(own, NULL);
    pthread_barrier_wait(&gate.made);
    wane_release(objects[0]); // the collector thread is there
    test_sleep_ns(300 * STRESS_MS);
    uint64_t cpu = stress_stats().collector_cpu_ns, start = test_now_ns();
    for (size_t i = 1; i < objects_n; i++) {
        wane_release(objects[i]);
        test_sleep_ns(1000000000u / A_SECOND);
    }
    uint64_t took = test_now_ns() - start;
    cpu = stress_stats().collector_cpu_ns - cpu;
    uint64_t last = test_now_ns();
    CHECK(test_wait_until(all_freed, NULL, STRESS_PATIENCE));
    double percent = 100.0 * (double)cpu / (double)took;
    printf("%.0f releases a second: %.2f%% of a core, all freed %.1f ms after the last\n",
           (double)objects_n * 1e9 / (double)took, percent, (double)(test_now_ns() - last) / 1e6);
    if (!STRESS_SANITIZED) {
        CHECK_MSG(percent < 2, "%.2f%% of a core for a trickle", percent);
    }
    pthread_barrier_wait(&gate.freed);
    stress_join(owner);
    free(objects);
    stress_check_empty();
}
