// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// fork: the child of a program whose threads are in the middle of everything uses the library
// fully, with what it inherited and with threads of its own.

#include "api.h"

static wane_slot places[8];
static _Atomic(bool) stop;
static struct gate go_on = GATE_CLOSED;

static void *churn(void *index) {
    test_rng r = test_rng_make((uint64_t)(uintptr_t)index);
    for (int i = 0; !atomic_load(&stop); i++) {
        // Not flat out: each child must work off what waits.
        if (i % 64 == 63) {
            test_sleep_ns(50000);
        }
        wane_slot *p = &places[test_below(&r, 8)];
        struct node *n = node_new(1);
        wane_slot_store(&n->left, NULL);
        wane_slot_store(p, n);
        struct node *m = wane_slot_load(&places[test_below(&r, 8)]);
        if (m != NULL) {
            CHECK_EQ_UINT(m->canary, NODE_CANARY);
            wane_release(m);
        }
        wane_release(n);
    }
    return NULL;
}

// Works alone and with threads; ends with nothing of its own alive.
static void use_fully(void) {
    size_t live = api_stats().live_objects;
    for (int i = 0; i < 8; i++) {
        struct node *n = wane_slot_take(&places[i]);
        if (n != NULL) {
            CHECK_EQ_UINT(n->canary, NODE_CANARY);
            wane_release(n);
        }
    }
    for (uint64_t i = 0; i < 300; i++) {
        wane_slot_give(&places[i % 8], node_new(i));
        wane_guard_enter();
        struct node *n = wane_slot_peek(&places[i % 8]);
        CHECK_EQ_UINT(n->number, i);
        wane_guard_leave();
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK(api_stats().live_objects <= live + 8);
    atomic_store(&stop, false);
    pthread_t t = api_thread(churn, (void *)9);
    test_sleep_ns(2 * API_MS);
    atomic_store(&stop, true);
    api_join(t);
    for (int i = 0; i < 8; i++) {
        wane_slot_clear(&places[i]);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    wane_weak *w = wane_weak_new(node_new(1), NULL, NULL);
    struct node *n = wane_weak_get(w);
    wane_release(n);
    wane_release(n);
    CHECK_EQ_PTR(wane_weak_get(w), NULL);
    wane_release(w);
    wane_trim();
}

static void use_in_child(void *unused) {
    (void)unused;
    use_fully();
    // What the other four threads of the parent had in hand is lost: two units on the stack, and
    // what a call was in the middle of.
    CHECK_MSG(api_stats().live_objects <= 4 * 10, "%zu objects are lost", api_stats().live_objects);
    CHECK_EQ_UINT(api_stats().deferred_pending, 0);
}

TEST(child_of_busy_threads) {
    if (TEST_ASAN || TEST_TSAN) {
        SKIP("the sanitizer's allocator may be locked by a thread that the child lacks");
    }
    pthread_t threads[4];
    atomic_store(&stop, false);
    for (size_t i = 0; i < 4; i++) {
        threads[i] = api_thread(churn, (void *)(uintptr_t)i);
    }
    for (int i = 0; i < 10; i++) {
        test_sleep_ns(3 * API_MS);
        check_in_child(use_in_child, NULL);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 4; i++) {
        api_join(threads[i]);
    }
    for (int i = 0; i < 8; i++) {
        wane_slot_clear(&places[i]);
    }
}

// A single thread: everything that it knows survives, exactly.

static struct node *inherited[100];

static void check_inheritance(void *pending) {
    size_t dead = atomic_load(&nodes_dead);
    CHECK_EQ_UINT(api_stats().threads, 1);
    for (size_t i = 0; i < 100; i++) {
        CHECK_EQ_UINT(inherited[i]->number, i);
        CHECK_EQ_UINT(wane_refcount(inherited[i]), 1);
        wane_release(inherited[i]);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 100 + (size_t)(uintptr_t)pending);
    test_teardown();
}

TEST(what_was_there_is_there) {
    // The collector thread is running and asleep, or was never started.
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < 100; i++) {
            inherited[i] = node_new(i);
        }
        check_in_child(check_inheritance, NULL);
        for (uint64_t i = 0; i < 100; i++) {
            wane_release(inherited[i]);
        }
        CHECK_EQ_INT(wane_flush(), 0);
    }
}

// What the forking thread has deferred is applied in the child, too: a guard holds it until then.
static void leave_guard_and_check(void *pending) {
    wane_guard_leave();
    check_inheritance(pending);
}

TEST(what_was_deferred_dies_in_both) {
    for (uint64_t i = 0; i < 100; i++) {
        inherited[i] = node_new(i);
    }
    wane_guard_enter();
    for (int i = 0; i < 50; i++) {
        wane_slot_give(&places[0], node_new(1));
    }
    wane_slot_clear(&places[0]);
    size_t dead = atomic_load(&nodes_dead);
    check_in_child(leave_guard_and_check, (void *)50);
    wane_guard_leave();
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 50);
    for (uint64_t i = 0; i < 100; i++) {
        wane_release(inherited[i]);
    }
}

// Threads that the child does not have: their guards, queues and objects.

static _Atomic(size_t) ready;
static struct node *foreign[3];

static void *hold_and_sleep(void *index) {
    size_t i = (size_t)(uintptr_t)index;
    foreign[i] = node_new(i);
    wane_guard_enter();
    wane_slot_give(&places[i], node_new(100));
    wane_slot_clear(&places[i]);
    atomic_fetch_add(&ready, 1);
    gate_wait(&go_on);
    wane_guard_leave();
    return NULL;
}

static void check_without_them(void *unused) {
    (void)unused;
    size_t dead = atomic_load(&nodes_dead);
    // Their guards do not exist here; what they deferred is adopted.
    CHECK_EQ_INT(wane_flush_for((int64_t)API_PATIENCE), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ_UINT(foreign[i]->number, i);
        wane_retain(foreign[i]);
        wane_release(foreign[i]);
        wane_release(foreign[i]);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 6);
    CHECK_EQ_UINT(api_stats().threads, 1);
    use_fully();
    test_teardown();
}

TEST(threads_that_the_child_lacks) {
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++) {
        threads[i] = api_thread(hold_and_sleep, (void *)(uintptr_t)i);
    }
    api_wait_count(&ready, 3);
    check_in_child(check_without_them, NULL);
    gate_set(&go_on, true);
    for (size_t i = 0; i < 3; i++) {
        api_join(threads[i]);
        wane_release(foreign[i]);
    }
}

// Children of children, from threads other than the first, and in callbacks.

static void fork_again(void *depth) {
    use_fully();
    if ((intptr_t)depth > 0) {
        check_in_child(fork_again, (void *)((intptr_t)depth - 1));
    }
    use_fully();
}

static void *fork_here(void *unused) {
    wane_release(node_new(1));
    check_in_child(fork_again, (void *)2);
    return unused;
}

TEST(children_of_children) {
    check_in_child(fork_again, (void *)4);
    api_elsewhere(fork_here, NULL);
}

static void fork_in_destroy(void *self) {
    (void)self;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        // Still inside the callback, in the child as well.
        bool good = wane_flush() == -EDEADLK;
        wane_release(node_new(1));
        _exit(good ? 0 : 1);
    }
    int status = 1;
    CHECK_EQ_INT(waitpid(child, &status, 0), child);
    CHECK_EQ_INT(status, 0);
}

TEST(fork_in_a_callback) {
    static wane_type type = {.name = "forker", .size = 8, .destroy = fork_in_destroy};
    wane_release(wane_new(&type));
    wane_slot_give(&places[0], wane_new(&type));
    wane_slot_clear(&places[0]);
}
