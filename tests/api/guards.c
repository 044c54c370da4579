// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Guards: nesting, borrowed pointers beside a writer, what is wrong with them, how their age shows.

#include "api.h"

static wane_slot place;

TEST(guards_nest) {
    size_t dead = atomic_load(&nodes_dead);
    wane_slot_give(&place, node_new(1));
    for (int i = 0; i < 1000; i++) {
        wane_guard_enter();
    }
    struct node *n = wane_slot_peek(&place);
    wane_slot_clear(&place);
    for (int i = 0; i < 999; i++) {
        wane_guard_leave();
    }
    test_sleep_ns(20 * API_MS);
    CHECK_EQ_UINT(n->canary, NODE_CANARY);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead);
    wane_guard_leave();
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
}

TEST(the_functions_are_exported_too) {
    void (*volatile enter)(void) = wane_guard_enter;
    void (*volatile leave)(void) = wane_guard_leave;
    enter();
    wane_guard_enter();
    leave();
    wane_guard_leave();
}

static _Atomic(bool) stop;

static void *replace_flat_out(void *unused) {
    (void)unused;
    for (uint64_t i = 1; !atomic_load(&stop); i++) {
        struct node *n = node_new(i);
        wane_slot_give(&n->left, node_new(i));
        wane_slot_give(&place, n);
    }
    return NULL;
}

// The borrowed object and what it refers to stay whole, however often the writer replaces them.
static void read_in_guard(void) {
    wane_guard_enter();
    struct node *n = wane_slot_peek(&place);
    if (n != NULL) {
        struct node *inner = wane_slot_peek(&n->left);
        uint64_t number = n->number;
        for (int look = 0; look < 20; look++) {
            CHECK_EQ_UINT(n->canary, NODE_CANARY);
            CHECK_EQ_UINT(inner->canary, NODE_CANARY);
            CHECK_EQ_UINT(n->number, number);
            CHECK_EQ_UINT(inner->number, number);
        }
    }
    wane_guard_leave();
}

// A borrowed pointer may be made into a unit by a plain retain, which outlasts the guard.
static void retain_in_guard(void) {
    wane_guard_enter();
    struct node *n = wane_retain(wane_slot_peek(&place));
    wane_guard_leave();
    if (n != NULL) {
        struct node *inner = wane_slot_load(&n->left);
        CHECK_EQ_UINT(n->canary, NODE_CANARY);
        CHECK_EQ_UINT(inner->number, n->number);
        wane_release(inner);
        wane_release(n);
    }
}

TEST(a_borrow_outlasts_its_slot) {
    pthread_t writers[2];
    atomic_store(&stop, false);
    for (int i = 0; i < 2; i++) {
        writers[i] = api_thread(replace_flat_out, NULL);
    }
    uint64_t end = test_now_ns() + 400 * API_MS;
    while (test_now_ns() < end) {
        for (int i = 0; i < 100; i++) {
            read_in_guard();
            retain_in_guard();
        }
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) {
        api_join(writers[i]);
    }
    wane_slot_clear(&place);
}

static void leave_alone(void *unused) {
    (void)unused;
    wane_guard_leave();
}

static void leave_twice(void *unused) {
    (void)unused;
    wane_release(node_new(1));
    wane_guard_enter();
    wane_guard_leave();
    wane_guard_leave();
}

static void *leave_here(void *unused) {
    wane_guard_leave();
    return unused;
}

static void leave_the_guard_of_another(void *unused) {
    wane_guard_enter();
    api_elsewhere(leave_here, unused);
}

TEST(leaving_without_having_entered_aborts) {
    api_dies_with(leave_alone, NULL, "guard", NULL, NULL);
    api_dies_with(leave_twice, NULL, "guard", NULL, NULL);
    api_dies_with(leave_the_guard_of_another, NULL, "guard", NULL, NULL);
}

static void *exit_inside(void *unused) {
    wane_guard_enter();
    wane_guard_enter();
    CHECK(wane_slot_peek(&place) != NULL);
    return unused;
}

TEST(a_thread_that_exits_inside_leaves) {
    size_t dead = atomic_load(&nodes_dead);
    wane_slot_give(&place, node_new(1));
    api_elsewhere(exit_inside, NULL);
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
}

static bool guard_is_seen(void *ns) { return api_stats().oldest_guard_ns >= *(uint64_t *)ns; }

static bool no_guard_is_seen(void *unused) {
    (void)unused;
    return api_stats().oldest_guard_ns == 0;
}

static _Atomic(size_t) warnings;

static void count_warnings(int level, const char *line, void *arg) {
    CHECK_EQ_PTR(arg, &warnings);
    if (level == WANE_LOG_WARNING && strstr(line, "guard") != NULL) {
        atomic_fetch_add(&warnings, 1);
    }
}

static bool was_warned(void *unused) {
    (void)unused;
    return atomic_load(&warnings) > 0;
}

// A long guard of another thread: what is cleared waits and nothing else does; it is seen.
TEST(a_long_guard_is_seen) {
    int64_t warn = 0;
    CHECK_EQ_INT(wane_option_get("guard_warn_ms", &warn), 0);
    CHECK_EQ_INT(wane_option_set("guard_warn_ms", 30), 0);
    wane_set_log(count_warnings, &warnings);
    size_t dead = atomic_load(&nodes_dead);
    wane_slot_give(&place, node_new(1));
    struct api_holder holder;
    api_hold_guard(&holder);
    wane_slot_clear(&place);
    uint64_t age = 100 * API_MS;
    CHECK(test_wait_until(guard_is_seen, &age, API_PATIENCE));
    CHECK(test_wait_until(was_warned, NULL, API_PATIENCE));
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead);
    // Objects that need no grace period live and die meanwhile.
    wane_release(node_new(2));
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
    CHECK_EQ_INT(wane_flush_for(0), -ETIMEDOUT);
    api_leave_guard(&holder);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 2);
    wane_set_log(NULL, NULL);
    CHECK_EQ_INT(wane_option_set("guard_warn_ms", warn), 0);
    CHECK(test_wait_until(no_guard_is_seen, NULL, API_PATIENCE));
}

// Two guards that overlap for ever: a grace period waits for those open at its start, not for all.
static struct gate turn[2] = {GATE_CLOSED, GATE_CLOSED};
static _Atomic(bool) relay_stops;

static void *relay(void *index) {
    size_t me = (size_t)(uintptr_t)index;
    while (!atomic_load(&relay_stops)) {
        gate_wait(&turn[me]);
        gate_set(&turn[me], false);
        wane_guard_enter();
        gate_set(&turn[1 - me], true);
        if (!atomic_load(&relay_stops)) {
            gate_wait(&turn[me]);
        }
        wane_guard_leave();
    }
    gate_set(&turn[1 - me], true);
    return NULL;
}

TEST(overlapping_guards_do_not_add_up) {
    pthread_t runners[2];
    for (size_t i = 0; i < 2; i++) {
        runners[i] = api_thread(relay, (void *)(uintptr_t)i);
    }
    gate_set(&turn[0], true);
    size_t dead = atomic_load(&nodes_dead);
    for (size_t i = 0; i < 10; i++) {
        wane_slot_give(&place, node_new(1));
        wane_slot_clear(&place);
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + i + 1);
    }
    atomic_store(&relay_stops, true);
    gate_set(&turn[0], true);
    gate_set(&turn[1], true);
    for (size_t i = 0; i < 2; i++) {
        api_join(runners[i]);
    }
}
