// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Ends of a process: exit() while threads and the library's own are busy, return from main with
// work queued, exit handlers and destructors of globals that use the library, quick ends. A child
// must end with the status that it chose.

#include "api.h"

static wane_slot places[4];

static void *churn_for_ever(void *index) {
    test_rng r = test_rng_make((uint64_t)(uintptr_t)index);
    for (;;) {
        struct node *n = node_new(1);
        wane_slot_give(&n->left, node_new(2));
        wane_slot_give(&places[test_below(&r, 4)], n);
        wane_guard_enter();
        wane_slot_peek(&places[test_below(&r, 4)]);
        wane_guard_leave();
        wane_release(wane_slot_load(&places[test_below(&r, 4)]));
    }
    return NULL;
}

static void start_threads(int count) {
    for (int i = 0; i < count; i++) {
        pthread_detach(api_thread(churn_for_ever, (void *)(intptr_t)i));
    }
}

static void check_ends_with(void (*fn)(void *), void *arg, int want) {
    // Not on the heap: a child whose first stack is gone would be said to have lost it.
    static struct test_end end;
    test_run_child(fn, arg, &end);
    CHECK_MSG(WIFEXITED(end.status) && WEXITSTATUS(end.status) == want, "status %#x, it said: %s",
              (unsigned)end.status, end.said);
}

static void exit_with_busy_threads(void *ms) {
    start_threads(3);
    test_sleep_ns((uint64_t)(uintptr_t)ms * API_MS);
    exit(7);
}

TEST(exit_with_busy_threads_running) {
    for (uintptr_t ms = 0; ms < 20; ms++) {
        check_ends_with(exit_with_busy_threads, (void *)ms, 7);
    }
}

static void quick_exit_with_busy_threads(void *ms) {
    start_threads(2);
    test_sleep_ns((uint64_t)(uintptr_t)ms * API_MS);
    quick_exit(8);
}

TEST(quick_exit_with_busy_threads_running) {
    for (uintptr_t ms = 0; ms < 5; ms++) {
        check_ends_with(quick_exit_with_busy_threads, (void *)ms, 8);
    }
}

// The collector thread is in the middle of long destructions.

static void slow_destroy(void *self) {
    (void)self;
    test_sleep_ns(API_MS);
}
static wane_type slow_type = {.name = "slow", .size = 8, .destroy = slow_destroy};

static void exit_with_full_queues(void *unused) {
    (void)unused;
    for (int i = 0; i < 5000; i++) {
        wane_slot_give(&places[i % 4], i % 10 == 0 ? wane_new(&slow_type) : (void *)node_new(1));
    }
    exit(9);
}

TEST(exit_with_the_collector_busy) {
    for (int i = 0; i < 5; i++) {
        uint64_t start = test_now_ns();
        check_ends_with(exit_with_full_queues, NULL, 9);
        // Parked, not waited for until all is done: 500 slow ones would take longer.
        CHECK(test_now_ns() - start < API_PATIENCE);
    }
}

// Exit handlers and destructors run after the library's own, or before: both must work.

static void use_at_exit(void) {
    size_t dead = atomic_load(&nodes_dead);
    struct node *n = node_new(1);
    wane_slot_give(&n->left, node_new(2));
    wane_slot_give(&places[0], n);
    wane_guard_enter();
    if (((struct node *)wane_slot_peek(&places[0]))->canary != NODE_CANARY) {
        _exit(1);
    }
    wane_guard_leave();
    wane_release(wane_slot_take(&places[0]));
    for (int i = 0; i < 4; i++) {
        wane_slot_clear(&places[i]);
    }
    if (wane_flush() != 0 || atomic_load(&nodes_dead) < dead + 2) {
        _exit(2);
    }
}

static bool use_late;
__attribute__((destructor(101))) static void use_last(void) {
    if (use_late) {
        use_at_exit();
    }
}
__attribute__((destructor)) static void use_in_destructor(void) {
    if (use_late) {
        use_at_exit();
    }
}

static void exit_with_handlers(void *threads) {
    use_late = true;
    atexit(use_at_exit);
    wane_release(node_new(1));
    atexit(use_at_exit);
    start_threads((int)(intptr_t)threads);
    wane_slot_give(&places[1], node_new(2));
    exit(10);
}

TEST(exit_handlers_use_the_library) {
    for (int i = 0; i < 5; i++) {
        check_ends_with(exit_with_handlers, (void *)0, 10);
    }
}

static void exit_after_shutdown(void *unused) {
    (void)unused;
    use_late = true;
    atexit(use_at_exit);
    wane_slot_give(&places[1], node_new(2));
    wane_shutdown();
    use_at_exit();
    exit(11);
}

TEST(exit_after_a_shutdown) { check_ends_with(exit_after_shutdown, NULL, 11); }

static void *exit_from_here(void *unused) {
    (void)unused;
    wane_slot_give(&places[2], node_new(3));
    exit(12);
    return NULL;
}

static void exit_from_a_thread(void *unused) {
    wane_guard_enter();
    start_threads(1);
    pthread_join(api_thread(exit_from_here, unused), NULL);
}

TEST(exit_from_another_thread_and_inside_a_guard) { check_ends_with(exit_from_a_thread, NULL, 12); }

static void exit_in_destroy(void *self) {
    (void)self;
    exit(13);
}
static wane_type exit_type = {.name = "exiter", .size = 8, .destroy = exit_in_destroy};

static void exit_in_callback(void *by_slot) {
    void *o = wane_new(&exit_type);
    if (by_slot == NULL) {
        wane_release(o);
    }
    wane_slot_give(&places[0], o);
    wane_slot_clear(&places[0]);
    // Possibly on the collector thread, while this one waits for it.
    wane_flush();
    test_sleep_ns(API_PATIENCE);
}

TEST(exit_in_a_callback) {
    check_ends_with(exit_in_callback, NULL, 13);
    check_ends_with(exit_in_callback, &places, 13);
}

// The main thread goes, the others stay.

static void *end_later(void *unused) {
    test_sleep_ns(30 * API_MS);
    wane_slot_give(&places[0], node_new(1));
    wane_slot_clear(&places[0]);
    CHECK_EQ_INT(wane_flush(), 0);
    exit(14);
    return unused;
}

static void end_the_first_thread(void *unused) {
    wane_slot_give(&places[3], node_new(1));
    pthread_detach(api_thread(end_later, unused));
    pthread_exit(NULL);
}

TEST(the_first_thread_ends_first) { check_ends_with(end_the_first_thread, NULL, 14); }
