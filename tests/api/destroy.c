// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Destruction: empty slots, units in plain fields, no recursion, no callback inside another.

#include "api.h"

struct box {
    wane_slot slots[3];
    struct box *plain;  // a unit that the library does not know
    void *buffer;
    uint64_t number;
};

static _Thread_local int depth;
static _Thread_local size_t died_here;
static _Atomic(size_t) boxes_dead;

static void box_destroy(void *self) {
    CHECK_EQ_INT(depth++, 0);
    struct box *b = self;
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_PTR(b->slots[i].wane__target, NULL);
    }
    free(b->buffer);
    wane_release(b->plain);
    atomic_fetch_add(&boxes_dead, 1);
    died_here++;
    depth--;
}

static const size_t box_slots[] = {0, 8, 16, WANE_SLOTS_END};
static wane_type box_type = {
    .name = "box",
    .size = sizeof(struct box),
    .slots = box_slots,
    .destroy = box_destroy,
};

static struct box *box_new(uint64_t number) {
    struct box *b = wane_new(&box_type);
    CHECK(b != NULL);
    b->number = number;
    b->buffer = malloc(10);
    return b;
}

TEST(slots_are_empty) {
    size_t dead = atomic_load(&boxes_dead);
    struct box *b = box_new(1);
    for (int i = 0; i < 3; i++) {
        wane_slot_give(&b->slots[i], box_new(2));
    }
    wane_release(b);
    CHECK_EQ_UINT(atomic_load(&boxes_dead), dead + 4);
}

// The object outlives what it held: destroy of the holder may not use it, but others may hold it.
TEST(others_keep_what_it_referred_to) {
    size_t dead = atomic_load(&boxes_dead);
    struct box *inner = box_new(2);
    struct box *b = box_new(1);
    wane_slot_store(&b->slots[1], inner);
    b->plain = wane_retain(inner);
    wane_release(b);
    CHECK_EQ_UINT(atomic_load(&boxes_dead), dead + 1);
    CHECK_EQ_UINT(wane_refcount(inner), 1);
    wane_release(inner);
}

// Lists long enough to end any stack that were used for recursion, here one of 64 KiB.

enum { LENGTH = 300000 };

static struct box *list_through_slots(void) {
    struct box *first = NULL;
    for (uint64_t i = 0; i < LENGTH; i++) {
        struct box *b = box_new(i);
        wane_slot_init(&b->slots[i % 3], first);
        first = b;
    }
    return first;
}

static struct box *list_through_fields(void) {
    struct box *first = NULL;
    for (uint64_t i = 0; i < LENGTH; i++) {
        struct box *b = box_new(i);
        b->plain = first;
        first = b;
    }
    return first;
}

static void on_small_stack(void *(*fn)(void *), void *arg) {
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    size_t size = TEST_ASAN || TEST_TSAN ? 512 << 10 : 64 << 10;
    CHECK_EQ_INT(pthread_attr_setstacksize(&attr, size), 0);
    pthread_t t;
    CHECK_EQ_INT(pthread_create(&t, &attr, fn, arg), 0);
    pthread_attr_destroy(&attr);
    api_join(t);
}

static void *make_and_release(void *make) {
    struct box *(*make_list)(void) = *(struct box * (**)(void)) make;
    wane_release(make_list());
    return NULL;
}

static void check_lists(struct box *(*make)(void)) {
    size_t dead = atomic_load(&boxes_dead);
    // By the owner.
    on_small_stack(make_and_release, &make);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&boxes_dead), dead + LENGTH);
    // By another thread.
    on_small_stack(api_release_it, make());
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&boxes_dead), dead + (size_t)2 * LENGTH);
    // Out of a slot.
    wane_slot place = WANE_SLOT_EMPTY;
    wane_slot_give(&place, make());
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&boxes_dead), dead + (size_t)3 * LENGTH);
}

TEST(long_lists_through_slots) { check_lists(list_through_slots); }
TEST(long_lists_through_plain_fields) { check_lists(list_through_fields); }

// A callback is never called inside another one's release, whatever it does.

static wane_slot nursery;

static void parent_destroy(void *self) {
    CHECK_EQ_INT(depth++, 0);
    (void)self;
    struct box *child = box_new(1);
    struct box *other = box_new(2);
    wane_slot_give(&nursery, other);
    wane_slot_clear(&nursery);
    wane_slot_give(&child->slots[0], box_new(3));
    size_t dead = died_here;
    wane_release(child);
    CHECK_EQ_UINT(wane_poll(), 0);
    CHECK_EQ_INT(wane_flush(), -EDEADLK);
    CHECK_EQ_INT(wane_flush_for(1000), -EDEADLK);
    // Nothing died inside this callback.
    CHECK_EQ_UINT(died_here, dead);
    depth--;
}

TEST(callbacks_do_not_nest) {
    static wane_type type = {.name = "parent", .size = 8, .destroy = parent_destroy};
    size_t dead = atomic_load(&boxes_dead);
    void *o = wane_new(&type);
    wane_release(o);
    // What the callback released on its own has died by the time that the release returns.
    CHECK(atomic_load(&boxes_dead) >= dead + 2);
    CHECK(test_wait_until(api_is_quiet, NULL, API_PATIENCE));
    CHECK_EQ_UINT(atomic_load(&boxes_dead), dead + 3);
}

// User code runs only where the table says.

static _Thread_local bool callbacks_allowed;
static _Atomic(size_t) seen_elsewhere;
static pthread_t main_thread;

static void where_destroy(void *self) {
    (void)self;
    if (pthread_equal(pthread_self(), main_thread)) {
        CHECK_MSG(callbacks_allowed, "a callback ran inside a call that runs none");
    }
    atomic_fetch_add(&seen_elsewhere, 1);
}

TEST(user_code_runs_in_no_other_call) {
    static wane_type type = {.name = "where", .size = 32, .destroy = where_destroy};
    main_thread = pthread_self();
    callbacks_allowed = false;
    size_t seen = atomic_load(&seen_elsewhere);
    static wane_slot place;
    size_t made = 0;
    void *first = wane_new(&type);
    wane_weak *w = wane_weak_new(first, NULL, NULL);
    wane_slot_give(&place, first);
    for (; made < 20000; made++) {
        wane_slot_give(&place, wane_new(&type));
        callbacks_allowed = true;
        wane_release(wane_slot_load(&place));
        callbacks_allowed = false;
        void *o = wane_new(&type);
        wane_slot_store(&place, o);
        wane_slot_cas(&place, o, NULL);
        wane_slot_give(&place, o);
        wane_guard_enter();
        wane_slot_peek(&place);
        wane_guard_leave();
        wane_slot_clear(&place);
        void *v = wane_weak_get(w);
        if (v != NULL) {
            callbacks_allowed = true;
            wane_release(v);
            callbacks_allowed = false;
        }
    }
    callbacks_allowed = true;
    wane_release(w);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&seen_elsewhere), seen + 2 * made + 1);
}

// Each object is destroyed once, also when the last two units are given up at the same moment.

enum { ROUNDS = 5000 };
static pthread_barrier_t both;
static struct node *shared_node;

static void *release_in_step(void *unused) {
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&both);
        wane_release(shared_node);
        pthread_barrier_wait(&both);
    }
    return unused;
}

TEST(two_last_units_at_once) {
    pthread_barrier_init(&both, NULL, 2);
    pthread_t other = api_thread(release_in_step, NULL);
    size_t dead = atomic_load(&nodes_dead);
    for (int i = 0; i < ROUNDS; i++) {
        shared_node = node_new((uint64_t)i);
        wane_retain(shared_node);
        if (i % 2 == 0) {
            wane_share(shared_node);
        }
        struct node *mine = shared_node;
        pthread_barrier_wait(&both);
        wane_release(mine);
        pthread_barrier_wait(&both);
    }
    api_join(other);
    pthread_barrier_destroy(&both);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + ROUNDS);
}
