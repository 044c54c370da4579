// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// A long guard. Reclamation waits for it, and nothing else does: what was cleared after it began is
// not destroyed, while other threads go on making, counting, reading, replacing, and while objects
// whose units never were in a slot die at once. What waits is bounded by `deferred_bytes` a thread;
// whatever went beyond it was counted as an overrun.

#include "support/stress.h"

#include "support/ledger.h"

enum { BOUND = 1 << 20, PLACES = 16, KINDS = 5 };

struct item {
    struct mark mark;
    wane_slot next;
    bool probe;
};

static wane_slot places[PLACES], probe_place;
static _Atomic(size_t) probes_dead;
static _Atomic(bool) in_guard, leave, stop;
static _Atomic(uint64_t) operations[KINDS];

static void item_destroy(void *self) {
    struct item *i = self;
    if (i->probe) {
        atomic_fetch_add(&probes_dead, 1);
    }
    ledger_death(&i->mark);
}
static wane_type item_type = {
    .name = "item",
    .size = sizeof(struct item),
    .slots = WANE_SLOTS(struct item, next),
    .destroy = item_destroy,
};

static struct item *item_new(void) {
    struct item *i = wane_new(&item_type);
    CHECK(i != NULL);
    ledger_birth(&i->mark);
    return i;
}

static void *hold(void *unused) {
    wane_guard_enter();
    struct item *probe = wane_slot_peek(&probe_place);
    atomic_store(&in_guard, true);
    while (!atomic_load(&leave)) {
        test_sleep_ns(STRESS_MS);
        mark_check(&probe->mark);
    }
    CHECK_EQ_UINT(atomic_load(&probes_dead), 0);
    wane_guard_leave();
    return unused;
}

static void step(test_rng *r, uint64_t kind) {
    struct item *i;
    switch (kind) {
    case 0:  // dies at once
        i = wane_retain(item_new());
        wane_release(i);
        wane_release(i);
        break;
    case 1:  // waits for the guard
        wane_slot_give(&places[test_below(r, PLACES)], item_new());
        break;
    case 2:
        i = wane_slot_load(&places[test_below(r, PLACES)]);
        wane_release(i);
        break;
    case 3:
        wane_guard_enter();
        i = wane_slot_peek(&places[test_below(r, PLACES)]);
        if (i != NULL) {
            mark_check(&i->mark);
        }
        wane_guard_leave();
        break;
    default:
        wane_poll();
    }
}

static void *work(void *index) {
    test_rng r = test_rng_make((uint64_t)(uintptr_t)index);
    while (!atomic_load_explicit(&stop, memory_order_relaxed) && ledger_has_room()) {
        uint64_t kind = test_below(&r, KINDS);
        step(&r, kind);
        atomic_fetch_add_explicit(&operations[kind], 1, memory_order_relaxed);
    }
    return NULL;
}

static void snapshot(uint64_t ret_counts[KINDS]) {
    for (int k = 0; k < KINDS; k++) {
        ret_counts[k] = atomic_load(&operations[k]);
    }
}

static bool guard_is_open(void *unused) {
    (void)unused;
    return atomic_load(&in_guard);
}
static bool probe_is_dead(void *unused) {
    (void)unused;
    return atomic_load(&probes_dead) == 1;
}

// Watches while the guard is open; returns what waited at most.
static size_t watch(uint64_t duration) {
    size_t most = 0;
    uint64_t end = test_now_ns() + duration;
    while (test_now_ns() < end) {
        test_sleep_ns(5 * STRESS_MS);
        wane_stats s = stress_stats();
        most = s.deferred_bytes > most ? s.deferred_bytes : most;
        CHECK_EQ_UINT(atomic_load(&probes_dead), 0);
    }
    return most;
}

TEST(long_guard) {
    CHECK_EQ_INT(wane_option_set("deferred_bytes", BOUND), 0);
    CHECK_EQ_INT(wane_option_set("guard_warn_ms", 0), 0);
    size_t threads = stress_threads(3);
    uint64_t duration = stress_duration(2000);
    struct item *probe = item_new();
    probe->probe = true;
    wane_slot_give(&probe_place, probe);
    pthread_t holder = stress_thread(hold, NULL);
    CHECK(test_wait_until(guard_is_open, NULL, STRESS_PATIENCE));
    wane_slot_clear(&probe_place);
    pthread_t workers[STRESS_MAX_THREADS];
    for (size_t i = 0; i < threads; i++) {
        workers[i] = stress_thread(work, (void *)(uintptr_t)i);
    }
    size_t most = watch(duration / 2);
    uint64_t middle[KINDS], last[KINDS];
    snapshot(middle);
    size_t later = watch(duration / 2);
    most = later > most ? later : most;
    snapshot(last);
    wane_stats s = stress_stats();
    printf("deferred %zu kB at most, %" PRIu64 " stalls, longest %" PRIu64 " us, %" PRIu64
           " overruns, guard seen for %" PRIu64 " ms\n",
           most / 1000, s.stalls, s.stall_ns_max / 1000, s.overruns, s.oldest_guard_ns / 1000000);
    for (int k = 0; k < KINDS; k++) {
        printf("kind %d: %" PRIu64 " operations, %" PRIu64 " of them late\n", k, last[k],
               last[k] - middle[k]);
        // Also in the second half, when everything that could fill up has filled up.
        CHECK_MSG(last[k] > middle[k], "no operation of kind %d while the guard was open", k);
    }
    CHECK_EQ_INT(wane_flush_for(0), -ETIMEDOUT);
    CHECK(s.oldest_guard_ns > 0);
    // A unit more than the bound a thread, and what each adds before it notices.
    CHECK_MSG(most <= (threads + 1) * 2 * BOUND || s.overruns > 0,
              "%zu bytes were deferred without an overrun", most);
    atomic_store(&leave, true);
    CHECK(test_wait_until(probe_is_dead, NULL, STRESS_PATIENCE));
    atomic_store(&stop, true);
    stress_join(holder);
    for (size_t i = 0; i < threads; i++) {
        stress_join(workers[i]);
    }
    for (int i = 0; i < PLACES; i++) {
        wane_slot_clear(&places[i]);
    }
    stress_check_empty();
    ledger_close();
}
