// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Immortal objects: made so, or by a count above 2^30, by whichever way it came about. Each test
// leaves its immortals alive and says so to the teardown.

#include "api.h"

static void check_immortal(void *o) {
    CHECK(wane_is_immortal(o));
    CHECK_EQ_UINT(wane_refcount(o), WANE_REFCOUNT_IMMORTAL);
    CHECK(!wane_is_unique(o));
    for (int i = 0; i < 10; i++) {
        wane_release(o);
    }
    CHECK_EQ_PTR(wane_retain(o), o);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK(wane_is_immortal(o));
    CHECK_EQ_PTR(wane_share(o), o);
    wane_immortalize(o);
    CHECK(wane_is_immortal(o));
}

TEST(immortalize_by_the_owner) {
    struct node *n = node_new(1);
    CHECK(!wane_is_immortal(n));
    wane_immortalize(n);
    atomic_fetch_add(&api_kept, 1);
    size_t dead = atomic_load(&nodes_dead);
    check_immortal(n);
    CHECK_EQ_UINT(n->canary, NODE_CANARY);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead);
}

static void *immortalize_it(void *o) {
    wane_immortalize(o);
    return NULL;
}

TEST(immortalize_by_another_thread) {
    struct node *n = node_new(1);
    wane_retain(n);
    api_elsewhere(immortalize_it, n);
    CHECK_EQ_INT(wane_flush(), 0);
    atomic_fetch_add(&api_kept, 1);
    check_immortal(n);
}

TEST(immortalize_a_shared_object) {
    struct node *n = wane_share(node_new(1));
    wane_immortalize(n);
    atomic_fetch_add(&api_kept, 1);
    check_immortal(n);
}

static void *release_it_and_wait(void *o) {
    wane_release(o);
    CHECK_EQ_INT(wane_flush(), 0);
    return NULL;
}

TEST(what_an_immortal_refers_to_lives) {
    struct node *n = node_new(1);
    wane_slot_give(&n->left, node_new(2));
    wane_immortalize(n);
    atomic_fetch_add(&api_kept, 2);
    size_t dead = atomic_load(&nodes_dead);
    wane_release(n);
    api_elsewhere(release_it_and_wait, n);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead);
    struct node *left = wane_slot_load(&n->left);
    CHECK_EQ_UINT(left->number, 2);
    CHECK_EQ_UINT(wane_refcount(left), 2);
    wane_release(left);
    // What leaves it may die.
    wane_slot_clear(&n->left);
    CHECK_EQ_INT(wane_flush(), 0);
    atomic_fetch_sub(&api_kept, 1);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
}

TEST(immortals_in_slots) {
    struct node *n = node_new(1);
    wane_immortalize(n);
    atomic_fetch_add(&api_kept, 1);
    wane_slot place = WANE_SLOT_EMPTY;
    for (int i = 0; i < 100; i++) {
        wane_slot_store(&place, n);
        CHECK_EQ_PTR(wane_slot_load(&place), n);
        CHECK(wane_slot_cas(&place, n, n));
        CHECK_EQ_PTR(wane_slot_swap(&place, n), n);
        CHECK_EQ_PTR(wane_slot_take(&place), n);
    }
    check_immortal(n);
}

TEST(weak_references_to_immortals) {
    struct node *n = node_new(1);
    wane_weak *w = wane_weak_new(n, NULL, NULL);
    wane_immortalize(n);
    atomic_fetch_add(&api_kept, 1);
    wane_release(n);
    CHECK_EQ_PTR(wane_weak_get(w), n);
    wane_weak *v = wane_weak_new(n, NULL, NULL);
    CHECK_EQ_PTR(wane_weak_get(v), n);
    wane_release(v);
    wane_release(w);
    check_immortal(n);
}

// Saturation. To count to 2^30 takes seconds, so what runs by default starts from a count that is
// written into the private header; the honest way is behind WANE_TEST_LONG.

static void start_near(void *o, uint32_t count) {
    struct wane__header *h = wane__header_of(o);
    wane_gc_disable();
    wane_gc_collect(0);  // after one that runs: no collection looks at the header meanwhile
    if (h->owner != WANE__OWNER_NONE) {
        h->local = count;
    } else {
        h->shared = (h->shared & ~WANE__COUNT_MASK) | (uint64_t)count << WANE__COUNT_SHIFT;
    }
    CHECK_EQ_UINT(wane_refcount(o), count);
}

TEST(the_owner_counts_to_2_to_the_31) {
    struct node *n = node_new(1);
    start_near(n, 0x7ffffff0u);
    atomic_fetch_add(&api_kept, 1);
    for (int i = 0; i < 40; i++) {
        wane_retain(n);
    }
    check_immortal(n);
}

static void *retain_40(void *o) {
    for (int i = 0; i < 40; i++) {
        wane_retain(o);
    }
    return NULL;
}

TEST(an_atomic_count_passes_2_to_the_30) {
    struct node *n = wane_share(node_new(1));
    start_near(n, 0x3ffffff0u);
    atomic_fetch_add(&api_kept, 1);
    api_elsewhere(retain_40, n);
    check_immortal(n);
}

TEST(a_merge_passes_2_to_the_30) {
    struct node *n = node_new(1);
    start_near(n, 0x3ffffff0u);
    atomic_fetch_add(&api_kept, 1);
    api_elsewhere(retain_40, n);
    wane_share(n);
    check_immortal(n);
}

TEST(a_revocation_passes_2_to_the_30) {
    struct node *n = node_new(1);
    start_near(n, 0x3ffffff0u);
    atomic_fetch_add(&api_kept, 1);
    api_elsewhere(retain_40, n);
    api_elsewhere(release_it_and_wait, n);
    api_elsewhere(retain_40, n);
    wane_share(n);
    check_immortal(n);
}

TEST(just_below_the_bound_is_mortal) {
    struct node *n = node_new(1);
    start_near(n, 0x3ffffff0u);
    wane_share(n);
    CHECK(!wane_is_immortal(n));
    CHECK_EQ_UINT(wane_refcount(n), 0x3ffffff0u);
    start_near(n, 1);
    size_t dead = atomic_load(&nodes_dead);
    wane_release(n);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
}

TEST(slots_saturate_as_well) {
    struct node *n = wane_share(node_new(1));
    start_near(n, 0x3ffffff0u);
    atomic_fetch_add(&api_kept, 1);
    static wane_slot places[40];
    for (int i = 0; i < 40; i++) {
        wane_slot_store(&places[i], n);
    }
    for (int i = 0; i < 40; i++) {
        wane_slot_clear(&places[i]);
    }
    check_immortal(n);
}

static void *retain_to_the_bound(void *o) {
    for (uint64_t i = 0; i < (UINT64_C(1) << 30) + 10; i++) {
        wane_retain(o);
    }
    return NULL;
}

TEST(counting_all_the_way_by_the_owner) {
    if (!api_long()) {
        SKIP("2^31 retains: set WANE_TEST_LONG");
    }
    struct node *n = node_new(1);
    atomic_fetch_add(&api_kept, 1);
    retain_to_the_bound(n);
    retain_to_the_bound(n);
    check_immortal(n);
}

TEST(counting_all_the_way_by_another_thread) {
    if (!api_long()) {
        SKIP("2^30 retains: set WANE_TEST_LONG");
    }
    struct node *n = node_new(1);
    atomic_fetch_add(&api_kept, 1);
    api_elsewhere(retain_to_the_bound, n);
    check_immortal(n);
}
