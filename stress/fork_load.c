// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// fork again and again while threads are in the middle of everything. Each child uses the library:
// releases what it inherited, allocates, starts threads of its own, flushes, and exits with a
// status. An alarm ends a child that hangs, which fails the test.

#include "support/stress.h"

#include "support/ledger.h"

#include <sys/wait.h>

enum { PLACES = 32, CHILD_SECONDS = 60 };

struct item {
    struct mark mark;
    wane_slot next;
};

static wane_slot places[PLACES], weak_places[PLACES];
static _Atomic(bool) stop;

static void item_destroy(void *self) { ledger_death(self); }
static void item_finalize(void *self) { ledger_final(self); }
static wane_type item_types[] = {
    {.name = "item",
     .size = sizeof(struct item),
     .slots = WANE_SLOTS(struct item, next),
     .destroy = item_destroy},
    {.name = "final item",
     .size = sizeof(struct item),
     .slots = WANE_SLOTS(struct item, next),
     .finalize = item_finalize,
     .destroy = item_destroy},
};

static void step(test_rng *r) {
    struct item *item = wane_new(&item_types[test_below(r, 2)]);
    CHECK_MSG(item != NULL, "wane_new: %s", strerror(errno));
    ledger_birth(&item->mark);
    struct item *other = wane_slot_load(&places[test_below(r, PLACES)]);
    if (other != NULL) {
        mark_check(&other->mark);
        struct item *last = wane_slot_swap(&other->next, NULL);
        wane_release(last);
    }
    wane_slot_init(&item->next, other);
    if (test_below(r, 4) == 0) {
        wane_slot_give(&weak_places[test_below(r, PLACES)], wane_weak_new(item, NULL, NULL));
    }
    wane_slot_give(&places[test_below(r, PLACES)], item);
    wane_weak *w = wane_slot_load(&weak_places[test_below(r, PLACES)]);
    struct item *target = wane_weak_get(w);
    if (target != NULL) {
        mark_check(&target->mark);
    }
    wane_release(target);
    wane_release(w);
    wane_guard_enter();
    item = wane_slot_peek(&places[test_below(r, PLACES)]);
    if (item != NULL) {
        mark_check(&item->mark);
    }
    wane_guard_leave();
    wane_slot_clear(&places[test_below(r, PLACES)]);
    // Large ones, too: their memory is mapped and unmapped.
    static wane_type big_type = {.name = "big", .size = 100000};
    if (test_below(r, 50) == 0) {
        wane_release(wane_new(&big_type));
    }
}

static void *work(void *index) {
    test_rng r = test_rng_make((uint64_t)(uintptr_t)index);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        step(&r);
    }
    return NULL;
}

static void clear_places(void) {
    for (int i = 0; i < PLACES; i++) {
        wane_slot_clear(&places[i]);
        wane_slot_clear(&weak_places[i]);
    }
}

static void *work_in_child(void *index) {
    test_rng r = test_rng_make(1000 + (uint64_t)(uintptr_t)index);
    for (int i = 0; i < 300; i++) {
        step(&r);
    }
    return NULL;
}

static void live_as_child(size_t threads, test_rng *r) {
    alarm(CHILD_SECONDS);
    for (int i = 0; i < 200; i++) {
        step(r);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    stress_run(2, work_in_child);
    clear_places();
    CHECK_EQ_INT(wane_flush(), 0);
    wane_stats s = stress_stats();
    CHECK_EQ_UINT(s.deferred_pending, 0);
    // What other threads of the parent held on their stacks is lost: the chains of what each held,
    // of which a step holds three at most, and next fields make longer.
    CHECK_MSG(s.live_objects <= threads * 5000, "%zu objects stay alive", s.live_objects);
    wane_trim();
    fflush(NULL);
    _exit(42);
}

TEST(fork_load) {
    if (TEST_ASAN || TEST_TSAN) {
        SKIP("the sanitizer's allocator may be locked by a thread that the child lacks");
    }
    size_t threads = stress_threads(4);
    uint64_t end = test_now_ns() + stress_duration(2000);
    pthread_t workers[STRESS_MAX_THREADS];
    for (size_t i = 0; i < threads; i++) {
        workers[i] = stress_thread(work, (void *)(uintptr_t)i);
    }
    test_rng r = test_rng_make(99);
    size_t children = 0;
    for (; test_now_ns() < end; children++) {
        test_sleep_ns(test_below(&r, 5 * STRESS_MS));
        fflush(NULL);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            live_as_child(threads, &r);
        }
        int status = 0;
        CHECK_EQ_INT(waitpid(child, &status, 0), child);
        CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 42, "child %zu: status %#x", children,
                  (unsigned)status);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < threads; i++) {
        stress_join(workers[i]);
    }
    clear_places();
    stress_check_empty();
    printf("%zu children\n", children);
    ledger_close();
}
