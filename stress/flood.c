// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Threads that defer as fast as they can, over the bound in bytes. They are held up (stalls are
// counted, each no longer than `stall_limit_us` and what the scheduler adds), what waits stays near
// the bound, and the heap with it. Going on over the bound is allowed when the wait was not enough;
// then it is counted as an overrun.

#include "support/stress.h"

#include "support/ledger.h"

enum { BOUND = 256 << 10, PLACES = 8, FILLING = 4000 };

struct big {
    struct mark mark;
    char filling[FILLING];
};

static wane_slot places[PLACES];
static _Atomic(bool) stop;

static void big_destroy(void *self) { ledger_death(self); }
static wane_type big_type = {.name = "big", .size = sizeof(struct big), .destroy = big_destroy};
static wane_type bare_type = {.name = "bare", .size = FILLING};

static struct big *big_new(void) {
    struct big *b = wane_new(&big_type);
    CHECK(b != NULL);
    ledger_birth(&b->mark);
    return b;
}

static void *flood(void *index) {
    test_rng r = test_rng_make((uint64_t)(uintptr_t)index);
    while (!atomic_load_explicit(&stop, memory_order_relaxed) && ledger_has_room()) {
        wane_slot *s = &places[test_below(&r, PLACES)];
        switch (test_below(&r, 4)) {
        case 0:
            wane_slot_give(s, wane_new(&bare_type));
            break;
        case 1:
            // In a guard there is no waiting; a few at a time are let through.
            wane_guard_enter();
            wane_slot_give(s, big_new());
            wane_slot_clear(s);
            wane_guard_leave();
            break;
        case 2:
            // A unit that another thread's object loses here waits as well.
            wane_release(wane_slot_swap(s, big_new()));
            break;
        default:
            wane_slot_give(s, big_new());
        }
    }
    return NULL;
}

static uint64_t histogram_sum(const wane_stats *s) {
    uint64_t sum = 0;
    for (int i = 0; i < WANE_STALL_BUCKETS; i++) {
        sum += s->stall_histogram[i];
    }
    return sum;
}

TEST(flood) {
    int64_t limit_us = 0;
    CHECK_EQ_INT(wane_option_get("stall_limit_us", &limit_us), 0);
    CHECK_EQ_INT(wane_option_set("deferred_bytes", BOUND), 0);
    size_t threads = stress_threads(4);
    uint64_t end = test_now_ns() + stress_duration(2000);
    pthread_t workers[STRESS_MAX_THREADS];
    for (size_t i = 0; i < threads; i++) {
        workers[i] = stress_thread(flood, (void *)(uintptr_t)i);
    }
    size_t most = 0, heap = 0;
    while (test_now_ns() < end) {
        test_sleep_ns(STRESS_MS);
        wane_stats s = stress_stats();
        most = s.deferred_bytes > most ? s.deferred_bytes : most;
        heap = s.heap_bytes > heap ? s.heap_bytes : heap;
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < threads; i++) {
        stress_join(workers[i]);
    }
    wane_stats s = stress_stats();
    printf("deferred %zu kB at most, heap %zu kB at most, %" PRIu64 " stalls, %" PRIu64
           " overruns, longest %" PRIu64 " us, %" PRIu64 " epochs\n",
           most / 1000, heap / 1000, s.stalls, s.overruns, s.stall_ns_max / 1000, s.epochs);
    CHECK_EQ_UINT(histogram_sum(&s), s.stalls);
    CHECK(s.stall_ns_total >= s.stall_ns_max);
    CHECK_MSG(most <= (threads + 1) * 2 * BOUND || s.overruns > 0,
              "%zu bytes were deferred without an overrun", most);
    // Whatever the scheduler did: nothing like what a second of flooding without a bound takes.
    CHECK_MSG(heap <= ((size_t)512 << 20), "the heap grew to %zu bytes", heap);
    // A wait ends at its limit; a second is for a busy machine.
    CHECK_MSG(s.stall_ns_max <= (uint64_t)limit_us * 1000 + STRESS_SECOND, "%" PRIu64 " ns",
              s.stall_ns_max);
    for (int i = 0; i < PLACES; i++) {
        wane_slot_clear(&places[i]);
    }
    stress_check_empty();
    ledger_close();
}

// When nothing can be applied, because a guard stays open: the bound is passed, in waits that are
// counted.

static _Atomic(bool) opened, may_leave;

static void *hold_guard(void *unused) {
    wane_guard_enter();
    atomic_store(&opened, true);
    while (!atomic_load(&may_leave)) {
        test_sleep_ns(STRESS_MS);
    }
    wane_guard_leave();
    return unused;
}

static bool guard_is_open(void *unused) {
    (void)unused;
    return atomic_load(&opened);
}

TEST(overruns_are_counted) {
    CHECK_EQ_INT(wane_option_set("deferred_bytes", 65536), 0);
    wane_slot place = WANE_SLOT_EMPTY;
    wane_stats before = stress_stats();
    pthread_t holder = stress_thread(hold_guard, NULL);
    CHECK(test_wait_until(guard_is_open, NULL, STRESS_PATIENCE));
    // Nothing of this can be applied before the guard ends.
    for (int i = 0; i < 100; i++) {
        wane_slot_give(&place, wane_new(&bare_type));
    }
    wane_slot_clear(&place);
    wane_stats after = stress_stats();
    CHECK(after.stalls > before.stalls);
    CHECK(after.overruns > before.overruns);
    CHECK(after.deferred_bytes >= 65536);
    CHECK(after.stall_ns_total > before.stall_ns_total);
    atomic_store(&may_leave, true);
    stress_join(holder);
    stress_check_empty();
}
