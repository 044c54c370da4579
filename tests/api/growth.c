// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Collections that growth in bytes starts: a few small objects in dead cycles that hold much, in
// buffers of untracked types or in memory that the program notes. Far below threshold0, and no
// other trigger is on.

#include "api.h"

#define MIB ((ptrdiff_t)1 << 20)

static _Atomic(size_t) holders_dead;

struct holder {
    wane_slot self;
    wane_slot buffer;
    ptrdiff_t noted;
};

static void holder_destroy(void *self) {
    struct holder *h = self;
    wane_note_external(h, -h->noted);
    atomic_fetch_add(&holders_dead, 1);
}

static wane_type holder_type = {
    .name = "holder",
    .size = sizeof(struct holder),
    .slots = WANE_SLOTS(struct holder, self, buffer),
    .destroy = holder_destroy,
};

static struct holder *holder_new(ptrdiff_t bytes) {
    struct holder *h = wane_new(&holder_type);
    CHECK(h != NULL);
    h->noted = bytes;
    wane_note_external(h, bytes);
    return h;
}

// The note may start a collection at once, for which this one is still alive.
static void drop_cycle(ptrdiff_t bytes) {
    struct holder *h = holder_new(bytes);
    wane_slot_give(&h->self, h);
}

static void drop_cycle_with_buffer(size_t bytes) {
    struct holder *h = holder_new(0);
    struct leaf *l = wane_new_extra(&leaf_type, bytes);
    CHECK(l != NULL);
    wane_slot_give(&h->buffer, l);
    wane_slot_give(&h->self, h);
}

// Nothing else starts a collection, what lived before is known, and the collector thread sleeps.
static void quiet(int percent) {
    CHECK_EQ_INT(wane_option_set("candidate_age_ms", 0), 0);
    CHECK_EQ_INT(wane_option_set("heap_growth_percent", percent), 0);
    wane_gc_enable();
    wane_gc_collect(2);
    atomic_store(&holders_dead, 0);
    test_sleep_ns(150 * API_MS);
}

static void sleep_a_little(void) { test_sleep_ns(150 * API_MS); }

static bool some_died(void *least) { return atomic_load(&holders_dead) >= *(size_t *)least; }
static void check_die(size_t least) {
    CHECK_MSG(test_wait_until(some_died, &least, API_PATIENCE), "%zu of %zu died",
              atomic_load(&holders_dead), least);
}

static void finish(size_t all) {
    wane_gc_collect(2);
    CHECK_EQ_UINT(atomic_load(&holders_dead), all);
    CHECK_EQ_UINT(api_stats().external_bytes, 0);
}

TEST(null_is_nothing) {
    wane_note_external(NULL, 100);
    CHECK_EQ_UINT(api_stats().external_bytes, 0);
}

TEST(noted_memory) {
    quiet(100);
    for (int i = 0; i < 20; i++) {
        drop_cycle(4 * MIB);
    }
    check_die(8);
    finish(20);
}

TEST(untracked_buffers) {
    quiet(100);
    for (int i = 0; i < 40; i++) {
        drop_cycle_with_buffer(2u << 20);
    }
    check_die(16);
    finish(40);
}

// Buffers that are no large objects, but many.
TEST(small_untracked_buffers) {
    quiet(100);
    struct holder *h = holder_new(0);
    struct leaf *last = NULL;
    static wane_type chunk_type = {.name = "chunk", .size = 1000};
    for (int i = 0; i < 40000; i++) {
        struct leaf *l = wane_new(&chunk_type);
        wane_release(last);
        last = l;
    }
    wane_release(last);
    wane_slot_give(&h->self, h);
    sleep_a_little();
    CHECK_EQ_UINT(atomic_load(&holders_dead), 0);  // they came and went: nothing has grown
    static wane_slot keep[40000];
    for (int i = 0; i < 40000; i++) {
        wane_slot_init(&keep[i], wane_new(&chunk_type));
    }
    check_die(1);
    for (int i = 0; i < 40000; i++) {
        wane_slot_clear(&keep[i]);
    }
    finish(1);
}

// One note is enough, whatever it is of.
TEST(a_note_wakes_the_sleeping_thread) {
    quiet(100);
    drop_cycle(1);
    sleep_a_little();
    struct node *n = node_new(1);
    CHECK_EQ_UINT(atomic_load(&holders_dead), 0);
    wane_guard_enter();
    wane_note_external(n, 33 * MIB);
    wane_guard_leave();
    check_die(1);
    wane_note_external(n, -33 * MIB);
    wane_release(n);
    finish(1);
}

TEST(many_notes_wake_it_too) {
    quiet(100);
    drop_cycle(1);
    sleep_a_little();
    struct node *n = node_new(1);
    for (int i = 0; i < 34 * 1024; i++) {
        wane_note_external(n, 1024);
    }
    check_die(1);
    wane_note_external(n, -34 * MIB);
    wane_release(n);
    finish(1);
}

TEST(turned_off) {
    quiet(0);
    for (int i = 0; i < 20; i++) {
        drop_cycle(16 * MIB);
        drop_cycle_with_buffer(1u << 20);
    }
    sleep_a_little();
    CHECK_EQ_UINT(atomic_load(&holders_dead), 0);
    // Back on while it sleeps.
    CHECK_EQ_INT(wane_option_set("heap_growth_percent", 100), 0);
    check_die(40);
    finish(40);
}

TEST(disabled_and_paused) {
    quiet(100);
    wane_gc_disable();
    for (int i = 0; i < 10; i++) {
        drop_cycle(16 * MIB);
    }
    sleep_a_little();
    CHECK_EQ_UINT(atomic_load(&holders_dead), 0);
    wane_gc_pause();
    wane_gc_enable();
    drop_cycle(16 * MIB);
    sleep_a_little();
    CHECK_EQ_UINT(atomic_load(&holders_dead), 0);
    wane_gc_resume();
    check_die(11);
    finish(11);
}

// What lives counts: twice that, or what the option says, but never less than 32 MiB more.
TEST(measured_from_what_lived) {
    quiet(100);
    struct node *n = node_new(1);
    wane_note_external(n, 100 * MIB);
    wane_gc_collect(2);
    drop_cycle(90 * MIB);
    sleep_a_little();
    CHECK_EQ_UINT(atomic_load(&holders_dead), 0);
    drop_cycle(20 * MIB);
    check_die(1);
    CHECK_EQ_INT(wane_option_set("heap_growth_percent", 1), 0);
    wane_gc_collect(2);
    CHECK_EQ_UINT(atomic_load(&holders_dead), 2);
    drop_cycle(30 * MIB);
    sleep_a_little();
    CHECK_EQ_UINT(atomic_load(&holders_dead), 2);
    drop_cycle(5 * MIB);
    check_die(3);
    wane_note_external(n, -100 * MIB);
    wane_release(n);
    finish(4);
}

static bool little_is_alive(void *unused) {
    (void)unused;
    wane_stats s = api_stats();
    return s.external_bytes + s.live_bytes < 200 * (size_t)MIB;
}

// The memory of dead cycles does not become what growth is measured from: else there would be more of it each time before
// it is collected.
TEST(steady_garbage_stays_bounded) {
    quiet(100);
    for (int i = 0; i < 300; i++) {
        drop_cycle(2 * MIB);
        drop_cycle_with_buffer(2u << 20);
        CHECK(test_wait_until(little_is_alive, NULL, API_PATIENCE));
    }
    finish(600);
}

static void *note_here(void *obj) {
    for (int i = 0; i < 10000; i++) {
        wane_note_external(obj, 3);
        wane_note_external(obj, -1);
    }
    return NULL;
}

TEST(sums_of_threads) {
    quiet(100);
    struct node *n = node_new(1);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        threads[i] = api_thread(note_here, n);
    }
    for (int i = 0; i < 4; i++) {
        api_join(threads[i]);
    }
    CHECK_EQ_UINT(api_stats().external_bytes, 80000);
    wane_note_external(n, -80000);
    CHECK_EQ_UINT(api_stats().external_bytes, 0);
    wane_release(n);
}

// In a child, since its sums are not exact afterwards.
static void overflow(void *unused) {
    (void)unused;
    quiet(0);
    struct node *n = node_new(1);
    wane_note_external(n, -100);
    CHECK_EQ_UINT(api_stats().external_bytes, 0);
    wane_note_external(n, 100);
    wane_note_external(n, PTRDIFF_MAX);
    wane_note_external(n, PTRDIFF_MAX);
    CHECK(api_stats().external_bytes > PTRDIFF_MAX / 2);
    CHECK_EQ_INT(wane_option_set("heap_growth_percent", 10000), 0);
    sleep_a_little();
    wane_gc_collect(2);
    wane_note_external(n, 1);
    CHECK_EQ_INT(wane_option_set("heap_growth_percent", 0), 0);
    wane_note_external(n, -PTRDIFF_MAX);
    CHECK_EQ_UINT(api_stats().external_bytes, 0);
    wane_note_external(n, PTRDIFF_MIN);
    wane_note_external(n, PTRDIFF_MIN);
    CHECK_EQ_UINT(api_stats().external_bytes, 0);
    wane_note_external(n, PTRDIFF_MAX);
    wane_note_external(n, 1);
    CHECK_EQ_UINT(api_stats().external_bytes, 0);
    wane_release(n);
    wane_gc_collect(2);
}

TEST(sums_that_do_not_fit) {
    if (TEST_TSAN) {
        SKIP("a fork beside a busy thread");
    }
    check_in_child(overflow, NULL);
}

static void *make_and_drop(void *unused) {
    for (int i = 0; i < 200; i++) {
        drop_cycle(MIB);
        drop_cycle_with_buffer((size_t)1 << 20);
    }
    return unused;
}

TEST(many_threads) {
    quiet(100);
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        threads[i] = api_thread(make_and_drop, NULL);
    }
    check_die(300);
    for (int i = 0; i < THREADS; i++) {
        api_join(threads[i]);
    }
    finish((size_t)THREADS * 400);
}

TEST(births_and_deaths) {
    wane_gc_disable();
    wane_stats before = api_stats();
    struct node *kept[10];
    for (size_t i = 0; i < 10; i++) {
        kept[i] = node_new(i);
        wane_release(node_new(i));
    }
    wane_stats after = api_stats();
    CHECK_EQ_UINT(after.births - before.births, 20);
    CHECK_EQ_UINT(after.deaths - before.deaths, 10);
    CHECK_EQ_UINT(after.live_objects, after.births - after.deaths);
    for (size_t i = 0; i < 10; i++) {
        wane_release(kept[i]);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(api_stats().deaths - before.deaths, 20);
}
