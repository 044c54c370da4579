// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// wane_release_later: the death, and all that hangs on it, is the collector thread's work; or a
// flush's, or a poll's where there is no such thread.

#include "api.h"

static _Thread_local bool must_not_destroy;
static _Atomic(size_t) parts_dead, parts_finalized;

struct part {
    wane_slot next;
    wane_slot other;
    struct part *plain;
};

static void part_destroy(void *self) {
    CHECK(!must_not_destroy);
    wane_release(((struct part *)self)->plain);
    atomic_fetch_add(&parts_dead, 1);
}

static void part_finalize(void *self) {
    (void)self;
    CHECK(!must_not_destroy);
    atomic_fetch_add(&parts_finalized, 1);
}

static wane_type part_type = {
    .name = "part",
    .size = sizeof(struct part),
    .slots = WANE_SLOTS(struct part, next, other),
    .destroy = part_destroy,
};
static wane_type final_type = {
    .name = "part with a finalizer",
    .size = sizeof(struct part),
    .slots = WANE_SLOTS(struct part, next, other),
    .finalize = part_finalize,
    .destroy = part_destroy,
};
// Nothing of the user's code runs at its death, so nothing forces that on the collector thread.
static wane_type plain_type = {
    .name = "plain part",
    .size = sizeof(struct part),
    .slots = WANE_SLOTS(struct part, next, other),
};

static struct part *part_new(wane_type *type) {
    struct part *p = wane_new(type);
    CHECK(p != NULL);
    return p;
}

static struct part *list_new(size_t length, wane_type *type) {
    struct part *first = NULL;
    for (size_t i = 0; i < length; i++) {
        struct part *p = part_new(type);
        if (i % 3 == 2 && type->destroy != NULL) {
            p->plain = first;
        } else {
            wane_slot_init(&p->next, first);
        }
        first = p;
    }
    return first;
}

enum { LENGTH = TEST_TSAN || TEST_ASAN ? 5000 : 50000 };

TEST(null_is_nothing) { wane_release_later(NULL); }

TEST(one_of_several_units) {
    struct node *n = node_new(1);
    wane_retain(n);
    wane_release_later(n);
    CHECK_EQ_UINT(wane_refcount(n), 1);
    wane_release(n);
}

TEST(a_structure_dies_elsewhere) {
    wane_type *types[] = {&part_type, &final_type};
    for (size_t i = 0; i < 2; i++) {
        size_t dead = atomic_load(&parts_dead);
        struct part *p = list_new(LENGTH, types[i]);
        must_not_destroy = true;
        wane_release_later(p);
        api_wait_count(&parts_dead, dead + LENGTH);
        must_not_destroy = false;
        CHECK_EQ_INT(wane_flush(), 0);
    }
    CHECK_EQ_UINT(atomic_load(&parts_finalized), LENGTH);
}

// Nobody's callback tells: the calling thread's own time does not grow with the structure.
TEST(a_plain_structure_dies_elsewhere) {
    struct part *p = list_new(1000, &plain_type);
    size_t alive = api_stats().live_objects;
    CHECK(alive >= 1000);
    wane_release_later(p);
    uint64_t begin = test_now_ns();
    while (api_stats().live_objects > alive - 1000) {
        CHECK(test_now_ns() - begin < API_PATIENCE);
        test_sleep_ns(API_MS);
    }
}

static void *list_of_my_own(void *type) { return list_new(LENGTH, type); }

// The maker has gone, or sleeps: then the unit itself waits.
TEST(of_another_thread) {
    wane_type *types[] = {&part_type, &final_type};
    for (size_t i = 0; i < 2; i++) {
        size_t dead = atomic_load(&parts_dead);
        void *p = NULL;
        CHECK_EQ_INT(pthread_join(api_thread(list_of_my_own, types[i]), &p), 0);
        must_not_destroy = true;
        wane_release_later(p);
        api_wait_count(&parts_dead, dead + LENGTH);
        must_not_destroy = false;
    }
}

TEST(dead_at_once_for_weak_references) {
    struct node *n = node_new(1);
    wane_weak *w = wane_weak_new(n, NULL, NULL);
    wane_release_later(n);
    CHECK_EQ_PTR(wane_weak_get(w), NULL);
    wane_release(w);
}

TEST(flush_waits_for_it) {
    for (int i = 0; i < 200; i++) {
        size_t dead = atomic_load(&parts_dead);
        wane_release_later(list_new(100, i % 2 == 0 ? &part_type : &final_type));
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(atomic_load(&parts_dead), dead + 100);
    }
}

// In a guard and in a callback.

static struct part *released_inside;
static void release_inside(void *self) {
    (void)self;
    size_t dead = atomic_load(&parts_dead);
    must_not_destroy = true;
    wane_release_later(released_inside);
    wane_release_later(list_new(10, &final_type));
    must_not_destroy = false;
    CHECK(atomic_load(&parts_dead) >= dead);
}

TEST(in_a_guard_and_in_a_callback) {
    static wane_type type = {.name = "releases later", .size = 8, .destroy = release_inside};
    size_t dead = atomic_load(&parts_dead);
    wane_slot place = WANE_SLOT_EMPTY;
    wane_slot_give(&place, list_new(1, &part_type));
    must_not_destroy = true;
    wane_guard_enter();
    struct part *seen = wane_slot_peek(&place);
    wane_release_later(wane_retain(seen));
    wane_release_later(list_new(10, &part_type));
    wane_guard_leave();
    must_not_destroy = false;
    api_wait_count(&parts_dead, dead + 10);
    wane_slot_clear(&place);
    released_inside = list_new(10, &part_type);
    wane_release(wane_new(&type));
    api_wait_count(&parts_dead, dead + 31);
}

// What waits counts: a thread over the bound is held up, but not in a guard.

static struct gate door = GATE_CLOSED;
static _Atomic(size_t) at_door;
static void wait_at_door(void *self) {
    (void)self;
    if (must_not_destroy) {
        return;
    }
    atomic_fetch_add(&at_door, 1);
    gate_wait(&door);
}
static wane_type waiting_type = {.name = "waits", .size = 8, .destroy = wait_at_door};

static void block_collector(void) {
    gate_set(&door, false);
    atomic_store(&at_door, 0);
    wane_release_later(wane_new(&waiting_type));
    api_wait_count(&at_door, 1);
}

// It counts for the thread that left it, and holds up no other.

static void *leave_much(void *large) {
    wane_guard_enter(); // it is not held up itself
    for (int i = 0; i < 20; i++) {
        wane_release_later(wane_new(large));
    }
    wane_guard_leave();
    return NULL;
}

static wane_slot spot;
TEST(what_waits_holds_up_no_other_thread) {
    static wane_type large = {.name = "large", .size = 10000};
    int64_t before;
    CHECK_EQ_INT(wane_option_get("deferred_bytes", &before), 0);
    CHECK_EQ_INT(wane_option_set("deferred_bytes", 65536), 0);
    block_collector();
    api_elsewhere(leave_much, &large);
    CHECK(api_stats().deferred_bytes > 65536);
    uint64_t stalls = api_stats().stalls;
    for (int i = 0; i < 100; i++) {
        wane_slot_give(&spot, leaf_new(1));
    }
    CHECK_EQ_UINT(api_stats().stalls, stalls);
    wane_slot_clear(&spot);
    gate_set(&door, true);
    CHECK_EQ_INT(wane_option_set("deferred_bytes", before), 0);
    CHECK_EQ_INT(wane_flush(), 0);
}

TEST(what_waits_is_bounded) {
    static wane_type large = {.name = "large", .size = 10000};
    int64_t before;
    CHECK_EQ_INT(wane_option_get("deferred_bytes", &before), 0);
    CHECK_EQ_INT(wane_option_set("deferred_bytes", 65536), 0);
    block_collector();
    uint64_t stalls = api_stats().stalls;
    wane_guard_enter();
    for (int i = 0; i < 20; i++) {
        wane_release_later(wane_new(&large));
    }
    CHECK_EQ_UINT(api_stats().stalls, stalls);
    CHECK(api_stats().deferred_bytes > 65536);
    wane_guard_leave();
    for (int i = 0; i < 20; i++) {
        wane_release_later(wane_new(&large));
    }
    CHECK(api_stats().stalls > stalls);
    CHECK(api_stats().live_objects >= 40);
    gate_set(&door, true);
    CHECK_EQ_INT(wane_option_set("deferred_bytes", before), 0);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(api_stats().deferred_bytes, 0);
}

// Without the collector thread.

static void *poll_once(void *unused) {
    CHECK_EQ_INT(wane_thread_attach(), 0);
    wane_poll();
    return unused;
}

static void without_thread(void *unused) {
    (void)unused;
    must_not_destroy = false;
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    wane_type *types[] = {&part_type, &final_type};
    for (size_t i = 0; i < 2; i++) {
        size_t dead = atomic_load(&parts_dead);
        wane_release_later(part_new(types[i]));
        test_sleep_ns(5 * API_MS);
        CHECK_EQ_UINT(atomic_load(&parts_dead), dead);
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(atomic_load(&parts_dead), dead + 1);
        wane_release_later(part_new(types[i]));
        wane_poll();
        CHECK_EQ_UINT(atomic_load(&parts_dead), dead + 2);
        wane_release_later(part_new(types[i]));
        wane_gc_collect(0);
        CHECK_EQ_UINT(atomic_load(&parts_dead), dead + 3);
        wane_release_later(part_new(types[i]));
        api_elsewhere(poll_once, NULL);
        if (api_faults()) {  // without memory it may be left to this thread
            wane_poll();
        }
        CHECK_EQ_UINT(atomic_load(&parts_dead), dead + 4);
    }
}

TEST(without_the_thread) { check_in_child(without_thread, NULL); }

static void after_shutdown(void *unused) {
    (void)unused;
    wane_release_later(part_new(&part_type));
    wane_shutdown();
    size_t dead = atomic_load(&parts_dead);
    wane_release_later(part_new(&part_type));
    wane_release_later(part_new(&final_type));
    wane_poll();
    CHECK_EQ_UINT(atomic_load(&parts_dead), dead + 2);
}

TEST(after_the_thread) { check_in_child(after_shutdown, NULL); }

// A child has what its parent left to the parent's thread.

static size_t dead_before_fork;
static void child_finishes(void *unused) {
    (void)unused;
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&parts_dead), dead_before_fork + 30);
    CHECK_EQ_UINT(api_stats().deferred_pending, 0);
}

static void *leave_and_exit(void *unused) {
    wane_release_later(list_new(10, &final_type));
    return unused;
}

TEST(fork_with_units_that_wait) {
    if (TEST_TSAN || TEST_ASAN) {
        SKIP("a fork beside a busy thread");
    }
    block_collector();
    dead_before_fork = atomic_load(&parts_dead);
    wane_release_later(list_new(10, &part_type));
    wane_release_later(list_new(10, &final_type));
    api_elsewhere(leave_and_exit, NULL);
    CHECK_EQ_UINT(atomic_load(&parts_dead), dead_before_fork);
    check_in_child(child_finishes, NULL);
    gate_set(&door, true);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&parts_dead), dead_before_fork + 30);
}

// Many threads, shared structures, owners that release beside.

enum { WORKERS = 4, ROUNDS = TEST_TSAN || TEST_ASAN ? 300 : 1500 };
static wane_slot shared_place;

static void *work(void *seed) {
    test_rng r = test_rng_make((uint64_t)(uintptr_t)seed);
    must_not_destroy = true;
    for (int i = 0; i < ROUNDS; i++) {
        wane_type *type = test_below(&r, 2) == 0 ? &part_type : &final_type;
        struct part *p = list_new(1 + test_below(&r, 8), type);
        switch (test_below(&r, 4)) {
        case 0: {
            struct part *old = wane_slot_swap(&shared_place, p);
            wane_release_later(old);
            break;
        }
        case 1:
            wane_slot_store(&shared_place, p);
            wane_release_later(p);
            break;
        case 2:
            wane_guard_enter();
            wane_release_later(wane_retain(wane_slot_peek(&shared_place)));
            wane_guard_leave();
            wane_release_later(p);
            break;
        default:
            wane_release_later(p);
            wane_release_later(wane_slot_load(&shared_place));
        }
    }
    must_not_destroy = false;
    return NULL;
}

TEST(many_threads) {
    pthread_t threads[WORKERS];
    for (uintptr_t i = 0; i < WORKERS; i++) {
        threads[i] = api_thread(work, (void *)(i + 1));
    }
    for (int i = 0; i < 20; i++) {
        CHECK_EQ_INT(wane_flush(), 0);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        api_join(threads[i]);
    }
    wane_slot_clear(&shared_place);
}

// What a thread has left to others, and could not destroy where it is, is no help towards its byte bound: it does not turn
// it over for as long as it may be held up.

static void clear_in_guards(void *unused) {
    (void)unused;
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    CHECK_EQ_INT(wane_option_set("deferred_bytes", 65536), 0);
    for (int i = 0; i < 5000; i++) {
        wane_release_later(list_new(1, &part_type));
    }
    uint64_t stalls = api_stats().stalls;
    size_t dead = atomic_load(&parts_dead);
    wane_guard_enter();
    for (int i = 0; i < 5000; i++) {
        wane_slot_give(&shared_place, list_new(1, &part_type));
    }
    CHECK_EQ_UINT(api_stats().stalls, stalls);
    CHECK_EQ_UINT(atomic_load(&parts_dead), dead);
    wane_guard_leave();
    wane_slot_clear(&shared_place);
    test_teardown();
}

TEST(what_may_not_die_here_is_no_help) { check_in_child(clear_in_guards, NULL); }
