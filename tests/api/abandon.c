// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// wane_abandon: objects that were not completed end without callbacks, and let go of what their slots refer to.

#include "api.h"

static _Atomic(size_t) called;

static void count_call(void *self) {
    (void)self;
    atomic_fetch_add(&called, 1);
}

static void trace_links(void *self, wane_visitor *v) {
    (void)v;
    count_call(self);
}
static void trace_nothing(void *self, wane_visitor *v) {
    (void)self;
    (void)v;
}

#define SLOTS WANE_SLOTS(struct node, left, right)
static wane_type plain = {.name = "plain", .size = 40};
static wane_type calling = {.name = "calling", .size = sizeof(struct node), .slots = SLOTS, .finalize = count_call, .destroy = count_call};
static wane_type bare = {.name = "calling, bare", .size = sizeof(struct node), .slots = SLOTS};
static wane_type tracing = {.name = "tracing", .size = 64, .trace = trace_links, .finalize = count_call, .destroy = count_call};
static wane_type traceless = {.name = "tracing, bare", .size = 64, .trace = trace_nothing};
static wane_type simple = {.name = "simple", .size = 100, .finalize = count_call};
static wane_type simple_bare = {.name = "simple, bare", .size = 100};

static void abandon_calling(void) {
    size_t dead = atomic_load(&nodes_dead);
    struct node *n = wane_new(&calling);
    CHECK(n != NULL);
    wane_slot_init(&n->left, node_new(1));
    wane_slot_give(&n->right, node_new(2));
    wane_abandon(n, &bare);
    CHECK_EQ_UINT(atomic_load(&called), 0);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 2);
}

TEST(no_callback_is_called) {
    wane_abandon(NULL, &bare);
    for (int i = 0; i < 100; i++) {
        abandon_calling();
        wane_abandon(wane_new(&tracing), &traceless);
        wane_abandon(wane_new(&simple), &simple_bare);
        wane_abandon(wane_new(&plain), &plain);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&called), 0);
    // The type itself is as it was.
    wane_release(wane_new(&calling));
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_exchange(&called, 0), 2);
    CHECK_EQ_INT(wane_type_forget(&bare), 0);
    CHECK_EQ_INT(wane_type_forget(&calling), 0);
}

// While another reference lives, for instance one that its maker put somewhere, it is an object of the other type.
TEST(a_reference_that_is_left) {
    struct node *n = wane_new(&calling);
    wane_slot place = WANE_SLOT_EMPTY;
    wane_slot_store(&place, n);
    wane_weak *w = wane_weak_new(n, NULL, NULL);
    wane_abandon(n, &bare);
    CHECK_EQ_PTR(wane_typeof(n), &bare);
    WANE_AUTO struct node *again = wane_weak_get(w);
    CHECK_EQ_PTR(again, n);
    wane_clear(&again);
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_PTR(wane_weak_get(w), NULL);
    wane_release(w);
    CHECK_EQ_UINT(atomic_load(&called), 0);
}

static void *abandon_many(void *unused) {
    for (int i = 0; i < 20000; i++) {
        struct node *n = wane_new(&calling);
        wane_slot_init(&n->left, node_new(1));
        if (i % 2 != 0) {
            wane_slot_store(&n->right, n);  // a cycle: the collector has to find it
        }
        wane_abandon(n, &bare);
    }
    return unused;
}

// Beside collections, which look at both types.
TEST(beside_the_collector) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        threads[i] = api_thread(abandon_many, NULL);
    }
    for (int i = 0; i < 10; i++) {
        wane_gc_collect(i % 3);
    }
    for (int i = 0; i < 2; i++) {
        api_join(threads[i]);
    }
    wane_gc_collect(2);
    CHECK_EQ_UINT(atomic_load(&called), 0);
}

// Types that differ in more than callbacks.
static void abandon_as(void *type) { wane_abandon(wane_new(&calling), type); }
static void abandon_twice(void *type) {
    struct node *n = wane_new(&calling);
    wane_abandon(n, type);
    wane_abandon(n, type);
}

TEST(misuse) {
    wane_type larger = bare, with_end = bare, flagged = bare, traced = bare, other_slots = bare;
    const size_t offsets[] = {0, 16, WANE_SLOTS_END};
    larger.size++;
    with_end.destroy = count_call;
    flagged.flags = WANE_TYPE_ACYCLIC;
    traced.trace = trace_nothing;
    other_slots.slots = offsets;
    wane_type *wrong[] = {&larger, &with_end, &flagged, &traced, &other_slots};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        memset(wrong[i]->wane__private, 0, sizeof wrong[i]->wane__private);
        check_aborts(abandon_as, wrong[i], "is not \"calling\" without callbacks");
    }
    check_aborts(abandon_twice, &bare, "wane_abandon: object");
}
