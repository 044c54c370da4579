// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Frozen objects: no collection looks at them, they die by counting as ever, and are found after unfreeze.

#include "api.h"

static void begin(void) {
    wane_gc_disable();
    wane_gc_unfreeze();
    wane_gc_collect(2);
    CHECK_EQ_UINT(wane_gc_get_freeze_count(), 0);
}

TEST(counts) {
    begin();
    struct node *n[10];
    for (uint64_t i = 0; i < 10; i++) {
        n[i] = node_new(i);
    }
    struct leaf *l = leaf_new(1);
    wane_gc_freeze();
    CHECK_EQ_UINT(wane_gc_get_freeze_count(), 10);
    struct node *later = node_new(11);
    CHECK_EQ_UINT(wane_gc_get_freeze_count(), 10);
    size_t dead = atomic_load(&nodes_dead);
    for (size_t i = 0; i < 4; i++) {
        wane_release(n[i]);
    }
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 4);
    CHECK_EQ_UINT(wane_gc_get_freeze_count(), 6);
    wane_gc_freeze();
    CHECK_EQ_UINT(wane_gc_get_freeze_count(), 7);
    wane_gc_unfreeze();
    CHECK_EQ_UINT(wane_gc_get_freeze_count(), 0);
    wane_gc_unfreeze();
    for (size_t i = 4; i < 10; i++) {
        wane_release(n[i]);
    }
    wane_release(later);
    wane_release(l);
}

// Whoever gives it up: its owner, another thread, a slot.
TEST(deaths_of_frozen_objects) {
    begin();
    size_t dead = atomic_load(&nodes_dead);
    static wane_slot place;
    struct node *a = node_new(1), *b = node_new(2), *c = node_new(3);
    wane_slot_give(&a->left, node_new(4));
    wane_slot_give(&place, c);
    wane_weak *w = wane_weak_new(b, NULL, NULL);
    wane_gc_freeze();
    wane_release(a);
    api_elsewhere(api_release_it, b);
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 4);
    CHECK_EQ_PTR(wane_weak_get(w), NULL);
    wane_release(w);
    CHECK_EQ_UINT(wane_gc_get_freeze_count(), 0);
    wane_gc_unfreeze();
}

TEST(cycles_that_are_frozen) {
    begin();
    size_t dead = atomic_load(&nodes_dead);
    wane_release(node_pair());           // dead before
    struct node *alive = node_pair();    // dies while it is frozen
    struct node *holds = node_pair();    // lives on
    wane_gc_freeze();
    CHECK_EQ_UINT(wane_gc_get_freeze_count(), 6);
    wane_release(alive);
    struct node *young = node_pair();
    wane_slot_store(&holds->right, young);  // held by a frozen one
    wane_slot_store(&young->right, holds);
    wane_release(young);
    struct node *refers = node_pair();  // refers to a frozen one, and dies
    wane_slot_store(&refers->right, holds);
    wane_release(refers);
    for (int generation = 0; generation <= WANE_GC_FULL; generation++) {
        CHECK_EQ_UINT(wane_gc_collect(generation), generation == 0 ? 2 : 0);
    }
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 2);
    CHECK_EQ_UINT(young->canary, NODE_CANARY);
    wane_gc_unfreeze();
    CHECK_EQ_UINT(wane_gc_collect(2), 4);
    wane_release(holds);
    CHECK_EQ_UINT(wane_gc_collect(2), 4);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 10);
}

// The last unit of a cycle through a frozen object is given up by one that is not frozen, and whose mark as a candidate is
// discharged: unfreezing finds the cycle all the same, without a full collection.
TEST(a_cycle_that_is_half_frozen) {
    begin();
    struct node *old = node_new(1);
    wane_gc_collect(2);
    wane_gc_collect(2);
    wane_gc_freeze();
    struct node *young = node_new(2);
    wane_slot_store(&young->left, old);
    wane_slot_store(&old->left, young);
    wane_release(old);
    wane_gc_collect(2);
    wane_release(young);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_UINT(wane_gc_collect(2), 0);
    }
    wane_gc_unfreeze();
    CHECK_EQ_UINT(wane_gc_collect(2), 2);
}

// Nothing is due by the age of candidates that are frozen.
TEST(frozen_candidates_have_no_age) {
    begin();
    int64_t age = 0, thread = 0;
    CHECK_EQ_INT(wane_option_get("candidate_age_ms", &age), 0);
    CHECK_EQ_INT(wane_option_get("collector_thread", &thread), 0);
    CHECK_EQ_INT(wane_option_set("candidate_age_ms", 1), 0);
    for (int i = 0; i < 100; i++) {
        wane_release(node_pair());
    }
    wane_gc_freeze();
    wane_gc_stats then[3], now[3];
    wane_gc_get_stats(then);
    wane_gc_enable();
    test_sleep_ns(50 * API_MS);
    wane_gc_disable();
    wane_gc_get_stats(now);
    for (int g = 0; g < 3; g++) {
        CHECK_EQ_UINT(now[g].candidates, then[g].candidates);
    }
    CHECK_EQ_INT(wane_option_set("candidate_age_ms", age), 0);
    wane_gc_unfreeze();
    CHECK_EQ_UINT(wane_gc_collect(0), 200);
}

// Beside threads that make, drop and collect: each death is counted once, and no cycle is lost.
static _Atomic(bool) stop;
static _Atomic(size_t) dropped;

static void *make_and_drop(void *unused) {
    struct node *held[16] = {NULL};
    test_rng rng = test_rng_make((uint64_t)(uintptr_t)&held);
    for (size_t i = 0; !atomic_load(&stop) && i < 100000; i++) {
        size_t at = (size_t)test_below(&rng, 16);
        if (held[at] != NULL) {
            wane_release(held[at]);
            atomic_fetch_add(&dropped, 2);
        }
        held[at] = node_pair();
    }
    for (size_t i = 0; i < 16; i++) {
        if (held[i] != NULL) {
            wane_release(held[i]);
            atomic_fetch_add(&dropped, 2);
        }
    }
    return unused;
}

static void *collect_often(void *unused) {
    for (int i = 0; !atomic_load(&stop); i++) {
        wane_gc_collect(i % 4);
    }
    return unused;
}

TEST(freezing_beside_other_threads) {
    begin();
    size_t dead = atomic_load(&nodes_dead);
    atomic_store(&stop, false);
    atomic_store(&dropped, 0);
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++) {
        threads[i] = api_thread(i < 2 ? make_and_drop : collect_often, NULL);
    }
    uint64_t end = test_now_ns() + 300 * API_MS;
    while (test_now_ns() < end) {
        wane_gc_freeze();
        wane_gc_get_freeze_count();
        test_sleep_ns(2 * API_MS);
        wane_gc_unfreeze();
        test_sleep_ns(2 * API_MS);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 3; i++) {
        api_join(threads[i]);
    }
    wane_gc_unfreeze();
    wane_gc_collect(2);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + atomic_load(&dropped));
}

static void freeze_in_guard(void *unused) {
    (void)unused;
    wane_guard_enter();
    wane_gc_freeze();
}

static unsigned inside_calls;
static void freeze_inside(void *self) {
    (void)self;
    wane_gc_freeze();
    CHECK(wane_gc_get_freeze_count() > 0);
    wane_gc_unfreeze();
    inside_calls++;
}
static wane_type freezing_type = {
    .name = "freezing",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, left),
    .finalize = freeze_inside,
};

// In finalizers that a collection runs, and those that a release runs.
TEST(in_callbacks_and_guards) {
    begin();
    check_aborts(freeze_in_guard, NULL, "guard");
    struct node *held = node_new(1);
    inside_calls = 0;
    wane_release(wane_new(&freezing_type));
    struct node *n = wane_new(&freezing_type);
    wane_slot_give(&n->left, n);
    wane_gc_collect(2);
    wane_gc_collect(2);
    CHECK_EQ_UINT(inside_calls, 2);
    wane_release(held);
    wane_gc_collect(2);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

// In the child of a fork, and in one that is made while another thread freezes.
static void in_child(void *pair) {
    size_t n = wane_gc_get_freeze_count();
    wane_release(node_pair());
    wane_gc_collect(WANE_GC_FULL);
    CHECK_EQ_UINT(wane_gc_get_freeze_count(), n);
    wane_release(pair);
    wane_gc_unfreeze();
    CHECK(wane_gc_collect(2) >= 2);
    CHECK_EQ_UINT(wane_gc_get_freeze_count(), 0);
}

static void *freeze_often(void *unused) {
    while (!atomic_load(&stop)) {
        wane_gc_freeze();
        wane_gc_unfreeze();
    }
    return unused;
}

TEST(forks) {
    if (TEST_ASAN || TEST_TSAN) {
        SKIP("the sanitizer's allocator may be locked by a thread that the child lacks");
    }
    begin();
    struct node *pair = node_pair();
    wane_gc_freeze();
    check_in_child(in_child, pair);
    atomic_store(&stop, false);
    pthread_t thread = api_thread(freeze_often, NULL);
    struct node *more[2000];
    for (uint64_t i = 0; i < 2000; i++) {
        more[i] = node_new(i);
    }
    for (int i = 0; i < 20; i++) {
        test_sleep_ns(API_MS);
        check_in_child(in_child, pair);
    }
    atomic_store(&stop, true);
    api_join(thread);
    for (uint64_t i = 0; i < 2000; i++) {
        wane_release(more[i]);
    }
    wane_release(pair);
    wane_gc_unfreeze();
    CHECK_EQ_UINT(wane_gc_collect(2), 2);
}
