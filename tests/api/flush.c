// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Waiting for what was deferred: what flush promises about other threads' work, what it refuses,
// its timeouts; poll, which never waits.

#include "api.h"

static wane_slot place;

static struct gate done = GATE_CLOSED;
static _Atomic(size_t) ready;

static void *clear_and_sleep(void *slot) {
    wane_slot_clear(slot);
    atomic_fetch_add(&ready, 1);
    gate_wait(&done);
    return NULL;
}

// Threads that deferred and then sleep: the flush of another applies it all.
TEST(flush_covers_every_thread) {
    enum { THREADS = 6 };
    static wane_slot places[THREADS];
    pthread_t threads[THREADS];
    size_t dead = atomic_load(&nodes_dead);
    for (size_t i = 0; i < THREADS; i++) {
        struct node *n = node_new(i);
        wane_slot_give(&n->left, node_new(i));
        wane_slot_give(&places[i], n);
        threads[i] = api_thread(clear_and_sleep, &places[i]);
    }
    api_wait_count(&ready, THREADS);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + (size_t)2 * THREADS);
    gate_set(&done, true);
    for (size_t i = 0; i < THREADS; i++) {
        api_join(threads[i]);
    }
}

static void *release_and_sleep(void *o) {
    wane_release(o);
    atomic_fetch_add(&ready, 1);
    gate_wait(&done);
    return NULL;
}

TEST(flush_settles_foreign_releases) {
    enum { THREADS = 4 };
    gate_set(&done, false);
    atomic_store(&ready, 0);
    pthread_t threads[THREADS];
    size_t dead = atomic_load(&nodes_dead);
    struct node *n = node_new(1);
    for (size_t i = 0; i + 1 < THREADS; i++) {
        wane_retain(n);
    }
    for (size_t i = 0; i < THREADS; i++) {
        threads[i] = api_thread(release_and_sleep, n);
    }
    api_wait_count(&ready, THREADS);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
    gate_set(&done, true);
    for (size_t i = 0; i < THREADS; i++) {
        api_join(threads[i]);
    }
}

// Destruction that takes long, on whichever thread: flush returns after it.

static _Atomic(size_t) slow_destroyed;
static void slow_destroy(void *self) {
    (void)self;
    test_sleep_ns(50 * API_MS);
    atomic_fetch_add(&slow_destroyed, 1);
}
static wane_type slow_type = {.name = "slow", .size = 8, .destroy = slow_destroy};

TEST(flush_waits_for_destroy) {
    for (size_t i = 1; i <= 4; i++) {
        wane_slot_give(&place, wane_new(&slow_type));
        wane_slot_clear(&place);
        if (i % 2 == 0) {
            // Most likely the collector thread is in the middle of it.
            test_sleep_ns(10 * API_MS);
        }
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(atomic_load(&slow_destroyed), i);
    }
}

// What destroy wrote is visible after the flush without any other synchronization: TSan watches.

static uint64_t written_by_destroy;
static void write_in_destroy(void *self) { written_by_destroy += *(uint64_t *)self; }

TEST(flush_synchronizes_with_deaths) {
    static wane_type type = {.name = "writer", .size = 8, .destroy = write_in_destroy};
    uint64_t sum = 0;
    for (uint64_t i = 1; i <= 50; i++) {
        uint64_t *o = wane_new(&type);
        *o = i;
        sum += i;
        wane_slot_give(&place, o);
        wane_slot_clear(&place);
        if (i % 5 == 0) {
            test_sleep_ns(2 * API_MS);
        }
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(written_by_destroy, sum);
    }
}

static void *flush_often(void *unused) {
    for (int i = 0; i < 200; i++) {
        wane_release(wane_slot_swap(&place, node_new(1)));
        CHECK_EQ_INT(wane_flush(), 0);
    }
    return unused;
}

TEST(several_threads_flush) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        threads[i] = api_thread(flush_often, NULL);
    }
    for (int i = 0; i < 4; i++) {
        api_join(threads[i]);
    }
    wane_slot_clear(&place);
}

// Beside threads that defer, release, poll and collect without end: a flush returns, and what was
// there before it is gone, though it hangs together link by link and collections hold some of it.

struct link {
    wane_slot slot;
    struct link *plain;
};
static _Atomic(size_t) links_dead;
static void link_destroy(void *self) {
    wane_release(((struct link *)self)->plain);
    atomic_fetch_add(&links_dead, 1);
}
static wane_type link_type = {.name = "link",
                              .size = sizeof(struct link),
                              .slots = WANE_SLOTS(struct link, slot),
                              .destroy = link_destroy};

static _Atomic(bool) enough;
static wane_slot passing[2];

static void *go_on_deferring(void *unused) {
    while (!atomic_load(&enough)) {
        for (int i = 0; i < 100; i++) {
            wane_slot_give(&passing[0], node_new(1));
            wane_release(wane_slot_swap(&passing[1], wane_slot_load(&passing[0])));
        }
        wane_poll();
        test_sleep_ns(API_MS / 10);  // else a flush has millions of new units to work off
    }
    return unused;
}

static void *go_on_collecting(void *unused) {
    while (!atomic_load(&enough)) {
        wane_gc_collect(0);
    }
    return unused;
}

static void *release_chain(void *first) {
    wane_release(first);
    return NULL;
}

TEST(flush_follows_a_chain_beside_others) {
    enum { LINKS = TEST_TSAN || TEST_ASAN ? 500 : 4000, CHAINS = 20 };
    uint64_t end = test_now_ns() + 4000 * API_MS; // slow builds make fewer chains
    pthread_t others[3];
    atomic_store(&enough, false);
    for (int i = 0; i < 3; i++) {
        others[i] = api_thread(i < 2 ? go_on_deferring : go_on_collecting, NULL);
    }
    for (size_t chain = 1; chain <= CHAINS && test_now_ns() < end; chain++) {
        struct link *first = NULL;
        for (size_t i = 0; i < LINKS; i++) {
            struct link *l = wane_new(&link_type);
            CHECK(l != NULL);
            l->plain = first;
            first = l;
        }
        api_join(api_thread(release_chain, first));
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(atomic_load(&links_dead), chain * LINKS);
    }
    atomic_store(&enough, true);
    for (int i = 0; i < 3; i++) {
        api_join(others[i]);
    }
    wane_slot_clear(&passing[0]);
    wane_slot_clear(&passing[1]);
}

// Beside threads that never pause: it does not wait for what they make meanwhile. What waits is bounded: else it is what
// the flush has to work off that takes the time, where threads that lose their processors hold up grace periods.

static void *make_garbage(void *unused) {
    static wane_slot slots[4];
    static _Atomic(unsigned) threads;
    wane_slot *mine = &slots[atomic_fetch_add(&threads, 1) % 4];
    while (!atomic_load(&enough)) {
        wane_slot_give(mine, node_new(1));
        wane_release(node_new(2));
    }
    wane_slot_clear(mine);
    return unused;
}

TEST(flush_beside_threads_that_never_pause) {
    pthread_t others[4];
    int64_t bound;
    CHECK_EQ_INT(wane_option_get("deferred_bytes", &bound), 0);
    CHECK_EQ_INT(wane_option_set("deferred_bytes", 65536), 0);
    atomic_store(&enough, false);
    for (int i = 0; i < 4; i++) {
        others[i] = api_thread(make_garbage, NULL);
    }
    for (int i = 0; i < 5; i++) {
        size_t later = atomic_load(&slow_destroyed);
        wane_slot_give(&place, wane_new(&slow_type));
        wane_slot_clear(&place);
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(atomic_load(&slow_destroyed), later + 1);
        wane_gc_collect(0); // flushes as well
    }
    atomic_store(&enough, true);
    for (int i = 0; i < 4; i++) {
        api_join(others[i]);
    }
    CHECK_EQ_INT(wane_option_set("deferred_bytes", bound), 0);
}

// A chain whose links take long to destroy, held by plain pointers and owned by a thread that sleeps, while another thread
// steps: each link becomes a unit that somebody keeps, and none is left behind.

static void slow_link_destroy(void *self) {
    wane_release(((struct link *)self)->plain);
    test_sleep_ns(20 * API_MS);
    atomic_fetch_add(&links_dead, 1);
}
static wane_type slow_link_type = {
    .name = "slow_link", .size = sizeof(struct link), .destroy = slow_link_destroy};

static struct link *slow_chain;
static void *make_slow_chain(void *unused) {
    for (int i = 0; i < 15; i++) {
        struct link *l = wane_new(&slow_link_type);
        CHECK(l != NULL);
        l->plain = slow_chain;
        slow_chain = l;
    }
    atomic_fetch_add(&ready, 1);
    gate_wait(&done);
    return unused;
}

static void *step_on(void *unused) {
    while (!atomic_load(&enough)) {
        CHECK(wane_gc_step(100000) >= 0);
    }
    return unused;
}

TEST(flush_waits_for_slow_links_in_other_hands) {
    gate_set(&done, false);
    atomic_store(&ready, 0);
    atomic_store(&enough, false);
    pthread_t owner = api_thread(make_slow_chain, NULL), stepper = api_thread(step_on, NULL);
    api_wait_count(&ready, 1);
    size_t before = atomic_load(&links_dead);
    wane_release(slow_chain);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&links_dead), before + 15);
    atomic_store(&enough, true);
    gate_set(&done, true);
    api_join(owner);
    api_join(stepper);
}

// A collection that another thread began in steps, and does not go on with, holds what dies meanwhile: the flush ends it.

TEST(flush_ends_a_collection_in_steps) {
    enum { HELD = 2000 };
    static struct node *held[HELD];
    for (size_t round = 0; round < 20; round++) {
        for (size_t i = 0; i < HELD; i++) {
            held[i] = node_new(i);
            wane_slot_store(&held[i]->left, held[i / 2]);
        }
        size_t before = atomic_load(&nodes_dead);
        for (size_t steps = 0; steps < round && wane_gc_step(0) > 0; steps++) {
        }
        for (size_t i = 0; i < HELD; i++) {
            wane_slot_clear(&held[i]->left);
        }
        for (size_t i = 0; i < HELD; i++) {
            wane_release(held[i]);
        }
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(atomic_load(&nodes_dead), before + HELD);
    }
}

static void flush_in_guard(void *unused) {
    (void)unused;
    wane_guard_enter();
    wane_flush();
}
static void flush_for_in_guard(void *unused) {
    (void)unused;
    wane_guard_enter();
    wane_flush_for(1000);
}

TEST(flush_in_a_guard_aborts) {
    api_dies_with(flush_in_guard, NULL, "wane_flush", "guard", NULL);
    api_dies_with(flush_for_in_guard, NULL, "wane_flush", "guard", NULL);
}

static int from_destroy, from_finalize, from_defer;
static void flush_destroy(void *self) {
    (void)self;
    from_destroy = wane_flush();
}
static void flush_finalize(void *self) {
    (void)self;
    from_finalize = wane_flush_for(0);
}
static void flush_deferred(void *unused) {
    (void)unused;
    from_defer = wane_flush();
    CHECK_EQ_UINT(wane_poll(), 0);
}

TEST(flush_in_a_callback_is_refused) {
    static wane_type type = {
        .name = "flusher", .size = 8, .finalize = flush_finalize, .destroy = flush_destroy};
    for (int by_slot = 0; by_slot < 2; by_slot++) {
        from_destroy = from_finalize = from_defer = 0;
        wane_slot_give(&place, wane_new(&type));
        void *o = by_slot ? NULL : wane_slot_take(&place);
        wane_slot_clear(&place);
        wane_release(o);
        CHECK_EQ_INT(wane_defer(flush_deferred, NULL), 0);
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_INT(from_destroy, -EDEADLK);
        CHECK_EQ_INT(from_finalize, -EDEADLK);
        CHECK_EQ_INT(from_defer, -EDEADLK);
    }
}

// A callback in a guard: of whoever released there, and refused all the same.
TEST(flush_in_a_callback_in_a_guard_is_refused) {
    static wane_type type = {.name = "guarded", .size = 8, .destroy = flush_destroy};
    from_destroy = 0;
    void *o = wane_new(&type);
    wane_guard_enter();
    wane_release(o);
    wane_guard_leave();
    CHECK_EQ_INT(from_destroy, -EDEADLK);
}

// Timeouts.

TEST(flush_for_ends_in_time) {
    CHECK_EQ_INT(wane_flush_for(-1), -EINVAL);
    CHECK_EQ_INT(wane_flush_for(INT64_MIN), -EINVAL);
    CHECK_EQ_INT(wane_flush_for(INT64_MAX), 0);
    CHECK_EQ_INT(wane_flush_for(0), 0); // nothing is pending
    struct api_holder holder;
    api_hold_guard(&holder);
    size_t dead = atomic_load(&nodes_dead);
    wane_slot_give(&place, node_new(1));
    wane_slot_clear(&place);
    static const int64_t timeouts[] = {0, 1000, 20000000, 200000000};
    for (size_t i = 0; i < 4; i++) {
        uint64_t start = test_now_ns();
        CHECK_EQ_INT(wane_flush_for(timeouts[i]), -ETIMEDOUT);
        uint64_t took = test_now_ns() - start;
        CHECK(took >= (uint64_t)timeouts[i]);
        CHECK_MSG(took < (uint64_t)timeouts[i] + 5 * API_SECOND, "took %" PRIu64 " ns", took);
        CHECK_EQ_UINT(atomic_load(&nodes_dead), dead);
        CHECK(api_stats().deferred_pending >= 1);
    }
    gate_set(&holder.may_leave, true);
    CHECK_EQ_INT(wane_flush_for((int64_t)API_PATIENCE), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
    api_join(holder.thread);
}

// One try is enough where nothing is pending, though others try as well. A thread that lost its processor in the middle of
// a look is none that waits for it.

static _Atomic(size_t) in_time;
static void *try_often(void *unused) {
    for (int i = 0; i < 1000; i++) {
        int result = wane_flush_for(0);
        CHECK(result == 0 || result == -ETIMEDOUT);
        atomic_fetch_add(&in_time, result == 0);
    }
    return unused;
}

TEST(one_try_beside_others) {
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    CHECK_EQ_INT(wane_flush(), 0);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = api_thread(try_often, NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        api_join(threads[i]);
    }
    CHECK_MSG(atomic_load(&in_time) > THREADS * 1000 * 9 / 10, "%zu in time", atomic_load(&in_time));
}

TEST(flush_waits_for_the_guards_of_others) {
    struct api_holder holder;
    api_hold_guard(&holder);
    size_t dead = atomic_load(&nodes_dead);
    atomic_store(&ready, 0);
    gate_set(&done, true);
    wane_slot_give(&place, node_new(1));
    wane_slot_clear(&place);
    pthread_t flusher = api_thread(flush_often, NULL);
    test_sleep_ns(30 * API_MS);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead);
    gate_set(&holder.may_leave, true);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK(atomic_load(&nodes_dead) >= dead + 1);
    api_join(flusher);
    api_join(holder.thread);
    wane_slot_clear(&place);
}

// poll: an event loop that never flushes and whose library has no thread comes to an end by
// polling.

static bool poll_until_dead(void *want) {
    wane_poll();
    return atomic_load(&nodes_dead) == *(size_t *)want;
}

static void poll_alone(void *unused) {
    (void)unused;
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    CHECK_EQ_UINT(wane_poll(), 0);
    size_t want = atomic_load(&nodes_dead) + 1000;
    for (int i = 0; i < 1000; i++) {
        wane_slot_give(&place, node_new(1));
    }
    wane_slot_clear(&place);
    CHECK(test_wait_until(poll_until_dead, &want, API_PATIENCE));
    CHECK_EQ_UINT(wane_poll(), 0);
    test_teardown();
}

// A thread whose only call is poll does what others left.

static void *poll_only(void *unused) {
    size_t want = atomic_load(&nodes_dead) + 1;
    CHECK(test_wait_until(poll_until_dead, &want, API_PATIENCE));
    return unused;
}

static void poll_for_others(void *unused) {
    (void)unused;
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    wane_release_later(node_new(1));
    api_elsewhere(poll_only, NULL);
    test_teardown();
}

TEST(poll_attaches) { check_in_child(poll_for_others, NULL); }

TEST(poll_applies_what_is_safe) { check_in_child(poll_alone, NULL); }

TEST(poll_never_waits) {
    struct api_holder holder;
    api_hold_guard(&holder);
    size_t dead = atomic_load(&nodes_dead);
    wane_slot_give(&place, node_new(1));
    wane_slot_clear(&place);
    for (int i = 0; i < 1000; i++) {
        wane_poll();
        wane_guard_enter();
        wane_poll();
        wane_guard_leave();
    }
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead);
    api_leave_guard(&holder);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
}
