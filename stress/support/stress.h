// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// What the stress programs share: how long, how many, how big; threads; the state at the end.
//
//     rewire --seconds 60 --threads 8 --seed 7
//
// Without options a program runs its short form, made WANE_STRESS_SCALE times longer.
#ifndef WANE_STRESS_H
#define WANE_STRESS_H

#include <wane.h>

#include "harness.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STRESS_UNUSED __attribute__((unused))
#define STRESS_MS UINT64_C(1000000)
#define STRESS_SECOND UINT64_C(1000000000)
// Ends only what hangs.
#define STRESS_PATIENCE (30 * STRESS_SECOND)
#define STRESS_SANITIZED (TEST_ASAN || TEST_TSAN)

enum { STRESS_MAX_THREADS = 64 };

// Nanoseconds to run; `--ms N` is for runs shorter than a second, of which there are many.
STRESS_UNUSED static uint64_t stress_duration(uint64_t standard_ms) {
    uint64_t ms = test_option("ms", standard_ms * test_scale());
    return test_option("seconds", 0) != 0 ? test_option("seconds", 0) * STRESS_SECOND
                                          : ms * STRESS_MS;
}

STRESS_UNUSED static size_t stress_threads(size_t standard) {
    uint64_t n = test_option("threads", standard);
    return n < 1 ? 1 : n > STRESS_MAX_THREADS ? STRESS_MAX_THREADS : (size_t)n;
}

STRESS_UNUSED static size_t stress_size(size_t standard) {
    return (size_t)test_option("size", standard);
}

STRESS_UNUSED static wane_stats stress_stats(void) {
    wane_stats s = {.struct_size = sizeof s};
    CHECK_EQ_INT(wane_stats_get(&s), 0);
    return s;
}

STRESS_UNUSED static pthread_t stress_thread(void *(*fn)(void *), void *arg) {
    pthread_t t;
    int error = pthread_create(&t, NULL, fn, arg);
    CHECK_MSG(error == 0, "pthread_create: %s", strerror(error));
    return t;
}

STRESS_UNUSED static void stress_join(pthread_t t) { CHECK_EQ_INT(pthread_join(t, NULL), 0); }

// Runs fn(index) in `count` threads, for as long as they take.
STRESS_UNUSED static void stress_run(size_t count, void *(*fn)(void *)) {
    pthread_t threads[STRESS_MAX_THREADS];
    for (size_t i = 0; i < count; i++) {
        threads[i] = stress_thread(fn, (void *)(uintptr_t)i);
    }
    for (size_t i = 0; i < count; i++) {
        stress_join(threads[i]);
    }
}

static bool stress_is_quiet(void *unused) {
    (void)unused;
    CHECK_EQ_INT(wane_flush(), 0);
    wane_poll(); // where there is no collector thread: memory that waits for a grace period
    wane_stats s = stress_stats();
    return s.deferred_pending == 0 && s.deferred_bytes == 0;
}

// At the end: nothing is alive, deferred or queued. Destructors may defer while a flush runs.
STRESS_UNUSED static void stress_check_empty(void) {
    CHECK_MSG(test_wait_until(stress_is_quiet, NULL, STRESS_PATIENCE),
              "deferred_pending stays at %zu", stress_stats().deferred_pending);
    wane_stats s = stress_stats();
    CHECK_EQ_UINT(s.live_objects, 0);
    CHECK_EQ_UINT(s.live_bytes, 0);
    CHECK_EQ_UINT(s.deferred_bytes, 0);
}

// The deadline is looked at now and then: the clock costs more than what is tested.
struct stress_clock {
    uint64_t end;
    unsigned calls;
};

STRESS_UNUSED static bool stress_goes_on(struct stress_clock *c) {
    return ++c->calls % 64 != 0 || test_now_ns() < c->end;
}

#endif
