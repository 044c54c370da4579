// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// What the guide says of locks of the program's: a slot that only changes under one is read under
// it without a guard, and a guard around the lock keeps the library from waiting under it.

#include "api.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static wane_slot place;
static _Atomic(bool) over;

static void *read_under_lock(void *unused) {
    while (!atomic_load(&over)) {
        pthread_mutex_lock(&lock);
        struct node *n = wane_slot_peek(&place);
        struct node *m = wane_slot_peek(&n->left);
        CHECK_EQ_UINT(n->canary, NODE_CANARY);
        CHECK_EQ_UINT(m->canary, NODE_CANARY);
        CHECK_EQ_UINT(m->number, n->number + 1);
        struct node *kept = n->number % 7 == 0 ? wane_retain(m) : NULL;
        pthread_mutex_unlock(&lock);
        if (kept != NULL) {
            CHECK_EQ_UINT(kept->canary, NODE_CANARY);
            wane_release(kept);
        }
    }
    return unused;
}

static void *write_under_lock(void *unused) {
    for (uint64_t i = 0; i < (TEST_TSAN || TEST_ASAN ? 3000 : 30000); i++) {
        struct node *n = node_pair_from(i); // behind the slot a borrowed pointer leads on
        pthread_mutex_lock(&lock);
        wane_slot_give(&place, n);
        CHECK_EQ_PTR(wane_slot_peek(&place), n);
        CHECK_EQ_UINT(n->canary, NODE_CANARY);
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

TEST(peek_without_a_guard) {
    CHECK_EQ_INT(wane_option_set("threshold0", 500), 0);
    wane_slot_give(&place, node_pair_from(0));
    pthread_t readers[2], writers[2];
    for (int i = 0; i < 2; i++) {
        readers[i] = api_thread(read_under_lock, NULL);
        writers[i] = api_thread(write_under_lock, NULL);
    }
    for (int i = 0; i < 2; i++) {
        api_join(writers[i]);
    }
    atomic_store(&over, true);
    for (int i = 0; i < 2; i++) {
        api_join(readers[i]);
    }
    wane_slot_clear(&place);
    wane_gc_collect(2);
}

static struct gate door = GATE_CLOSED;
static _Atomic(size_t) inside;
static void *hold_guard(void *unused) {
    wane_guard_enter();
    atomic_fetch_add(&inside, 1);
    gate_wait(&door);
    wane_guard_leave();
    return unused;
}

TEST(a_guard_around_the_lock) {
    int64_t before;
    CHECK_EQ_INT(wane_option_get("deferred_bytes", &before), 0);
    CHECK_EQ_INT(wane_option_set("deferred_bytes", 65536), 0);
    pthread_t holder = api_thread(hold_guard, NULL);
    api_wait_count(&inside, 1);
    uint64_t stalls = api_stats().stalls;
    for (int i = 0; i < 100; i++) {
        wane_guard_enter();
        pthread_mutex_lock(&lock);
        wane_slot_give(&place, wane_new_extra(&leaf_type, 10000));
        wane_release(wane_slot_take(&place));
        pthread_mutex_unlock(&lock);
        wane_guard_leave();
    }
    CHECK_EQ_UINT(api_stats().stalls, stalls);
    CHECK(api_stats().deferred_bytes > 65536);
    wane_slot_give(&place, wane_new_extra(&leaf_type, 10000));
    wane_slot_clear(&place);
    CHECK(api_stats().stalls > stalls);
    gate_set(&door, true);
    api_join(holder);
    CHECK_EQ_INT(wane_option_set("deferred_bytes", before), 0);
}

// A static type inside a function has its list written out.
TEST(a_type_inside_a_function) {
    static const size_t slots[] = {offsetof(struct node, left), offsetof(struct node, right),
                                   WANE_SLOTS_END};
    static wane_type type = {.name = "inside", .size = sizeof(struct node), .slots = slots};
    struct node *n = wane_new(&type);
    wane_slot_give(&n->left, node_new(1));
    size_t dead = atomic_load(&nodes_dead);
    wane_release(n);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
}
