// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Deferred functions: their order, what they wait for, both forms, from threads that are gone.

#include "api.h"

enum { CALLS = 5000 };
static size_t order[CALLS];
static _Atomic(size_t) ran;

static void note(void *arg) {
    size_t at = atomic_fetch_add(&ran, 1);
    CHECK(at < CALLS);
    order[at] = (size_t)(uintptr_t)arg;
}

TEST(calls_of_one_thread_run_in_order) {
    atomic_store(&ran, 0);
    for (size_t i = 0; i < CALLS; i++) {
        CHECK_EQ_INT(wane_defer(note, (void *)(uintptr_t)i), 0);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&ran), CALLS);
    for (size_t i = 0; i < CALLS; i++) {
        CHECK_EQ_UINT(order[i], i);
    }
}

// One that takes long is still running when the next are due, and others want to run them.
static void note_slowly(void *arg) {
    test_sleep_ns(2 * API_MS);
    note(arg);
}

static _Atomic(bool) order_is_known;

static void *flush_beside(void *unused) {
    while (!atomic_load(&order_is_known)) {
        CHECK_EQ_INT(wane_flush(), 0);
        wane_poll();
    }
    return unused;
}

TEST(slow_calls_keep_their_order) {
    pthread_t flushers[2];
    atomic_store(&ran, 0);
    for (int i = 0; i < 2; i++) {
        flushers[i] = api_thread(flush_beside, NULL);
    }
    for (size_t i = 0; i < 300; i++) {
        CHECK_EQ_INT(wane_defer(i % 10 == 0 ? note_slowly : note, (void *)(uintptr_t)i), 0);
        if (i % 10 == 5) {
            test_sleep_ns(API_MS / 2);
        }
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&ran), 300);
    atomic_store(&order_is_known, true);
    for (int i = 0; i < 2; i++) {
        api_join(flushers[i]);
    }
    for (size_t i = 0; i < 300; i++) {
        CHECK_EQ_UINT(order[i], i);
    }
}

static wane_defer_node nodes[CALLS];

TEST(both_forms_share_one_order) {
    atomic_store(&ran, 0);
    for (size_t i = 0; i < CALLS; i++) {
        if (i % 3 == 0) {
            CHECK_EQ_INT(wane_defer(note, (void *)(uintptr_t)i), 0);
        } else {
            wane_defer_node_add(&nodes[i], note, (void *)(uintptr_t)i);
        }
        if (i % 100 == 0) {
            wane_poll();
        }
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&ran), CALLS);
    for (size_t i = 0; i < CALLS; i++) {
        CHECK_EQ_UINT(order[i], i);
    }
}

struct own {
    uint64_t canary;
    wane_defer_node node;
};

static void free_own(void *arg) {
    struct own *o = arg;
    CHECK_EQ_UINT(o->canary, NODE_CANARY);
    free(o);
    atomic_fetch_add(&ran, 1);
}

TEST(the_node_may_be_freed_by_its_function) {
    atomic_store(&ran, 0);
    for (size_t i = 0; i < 1000; i++) {
        struct own *o = malloc(sizeof *o);
        o->canary = NODE_CANARY;
        wane_defer_node_add(&o->node, free_own, o);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&ran), 1000);
}

static wane_defer_node again;
static void add_again(void *left) {
    atomic_fetch_add(&ran, 1);
    size_t n = (size_t)(uintptr_t)left;
    if (n > 0) {
        wane_defer_node_add(&again, add_again, (void *)(uintptr_t)(n - 1));
    }
}

TEST(a_function_may_defer_itself) {
    atomic_store(&ran, 0);
    wane_defer_node_add(&again, add_again, (void *)(uintptr_t)20);
    api_wait_count(&ran, 21);
}

TEST(a_function_runs_without_further_calls) {
    atomic_store(&ran, 0);
    CHECK_EQ_INT(wane_defer(note, NULL), 0);
    api_wait_count(&ran, 1);
}

TEST(null_is_refused) {
    CHECK_EQ_INT(wane_defer(NULL, NULL), -EINVAL);
    CHECK_EQ_UINT(api_stats().deferred_pending, 0);
}

TEST(guards_of_others_are_waited_for) {
    atomic_store(&ran, 0);
    struct api_holder holder;
    api_hold_guard(&holder);
    CHECK_EQ_INT(wane_defer(note, NULL), 0);
    wane_poll();
    CHECK_EQ_INT(wane_flush_for(50 * (int64_t)API_MS), -ETIMEDOUT);
    wane_poll();
    CHECK_EQ_UINT(atomic_load(&ran), 0);
    gate_set(&holder.may_leave, true);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&ran), 1);
    api_join(holder.thread);
}

TEST(ones_own_guard_is_waited_for) {
    atomic_store(&ran, 0);
    wane_guard_enter();
    CHECK_EQ_INT(wane_defer(note, NULL), 0);
    test_sleep_ns(30 * API_MS);
    CHECK_EQ_UINT(atomic_load(&ran), 0);
    wane_guard_leave();
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&ran), 1);
}

static void *defer_and_exit(void *unused) {
    for (size_t i = 0; i < 100; i++) {
        CHECK_EQ_INT(wane_defer(note, (void *)(uintptr_t)i), 0);
    }
    return unused;
}

TEST(what_an_exited_thread_left_is_run) {
    atomic_store(&ran, 0);
    for (int i = 0; i < 10; i++) {
        api_elsewhere(defer_and_exit, NULL);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&ran), 1000);
    size_t next[1] = {0};
    for (size_t i = 0; i < 1000; i++) {
        // Those of one thread are in order, whoever ran them; several threads may interleave.
        next[0] += order[i];
    }
    CHECK_EQ_UINT(next[0], 10 * 99 * 100 / 2);
}

// Storage that readers see is replaced, the old one freed by a deferred function: RCU by hand.

struct table {
    uint64_t a, b;
};
static struct table *_Atomic current;
static _Atomic(bool) stop;

static void free_table(void *arg) {
    struct table *t = arg;
    t->a = 1;
    t->b = 2;
    free(t);
}

static void *read_tables(void *unused) {
    while (!atomic_load(&stop)) {
        wane_guard_enter();
        struct table *t = atomic_load_explicit(&current, memory_order_acquire);
        for (int i = 0; i < 10; i++) {
            CHECK_EQ_UINT(t->a, ~t->b);
        }
        wane_guard_leave();
    }
    return unused;
}

static struct table *table_new(uint64_t number) {
    struct table *t = malloc(sizeof *t);
    CHECK(t != NULL);
    *t = (struct table){number, ~number};
    return t;
}

TEST(readers_never_see_freed_memory) {
    pthread_t readers[3];
    atomic_store(&current, table_new(0));
    for (int i = 0; i < 3; i++) {
        readers[i] = api_thread(read_tables, NULL);
    }
    for (uint64_t i = 1; i < 20000; i++) {
        struct table *old = atomic_exchange(&current, table_new(i));
        CHECK_EQ_INT(wane_defer(free_table, old), 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) {
        api_join(readers[i]);
    }
    CHECK_EQ_INT(wane_defer(free_table, atomic_load(&current)), 0);
}

// Functions that add themselves again: a call runs what was due when it began, though they become due again meanwhile.

static _Atomic(bool) polled_enough;
static void *poll_on(void *unused) {
    while (!atomic_load(&polled_enough)) {
        wane_poll();
    }
    return unused;
}

static wane_slot again_slot;
static bool two_epochs_later(void *then) {
    wane_slot_give(&again_slot, leaf_new(1)); // something waits for a grace period
    return api_stats().epochs >= *(uint64_t *)then + 2;
}

enum { AGAIN_MOST = 60 };
static _Atomic(size_t) again_runs;
static wane_defer_node again_node;
static pthread_t again_by[AGAIN_MOST];
static uint64_t again_call[AGAIN_MOST]; // of that thread
static __thread uint64_t calls_made;

static void run_itself_again(void *unused) {
    size_t n = atomic_load(&again_runs);
    again_by[n] = pthread_self();
    again_call[n] = calls_made;
    atomic_store(&again_runs, n + 1);
    if (n + 1 == AGAIN_MOST) {
        return;
    }
    wane_defer_node_add(&again_node, run_itself_again, unused);
    uint64_t then = api_stats().epochs;
    CHECK(test_wait_until(two_epochs_later, &then, API_PATIENCE)); // it is due now
}

static void poll_once(void) { wane_poll(); }
static void step_once(void) { CHECK(wane_gc_step(1) >= 0); }
static void flush_once(void) { (void)wane_flush_for(1); }

static void run_again(void (*once)(void)) {
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    atomic_store(&polled_enough, false);
    atomic_store(&again_runs, 0);
    pthread_t other = api_thread(poll_on, NULL);
    wane_defer_node_add(&again_node, run_itself_again, NULL);
    while (atomic_load(&again_runs) < AGAIN_MOST) {
        calls_made++;
        once();
    }
    atomic_store(&polled_enough, true);
    api_join(other);
    size_t mine = 0;
    for (size_t n = 0; n < AGAIN_MOST; n++) {
        if (!pthread_equal(again_by[n], pthread_self())) {
            continue;
        }
        mine++;
        for (size_t before = 0; before < n; before++) {
            CHECK(!pthread_equal(again_by[before], pthread_self()) ||
                  again_call[before] != again_call[n]);
        }
    }
    printf("# %zu of %d runs by the thread that counts its calls\n", mine, AGAIN_MOST);
    wane_slot_clear(&again_slot);
    test_teardown();
}

static void run_again_by_poll(void *unused) { (void)unused; run_again(poll_once); }
static void run_again_by_step(void *unused) { (void)unused; run_again(step_once); }
static void run_again_by_flush(void *unused) { (void)unused; run_again(flush_once); }

// Children, because the collector thread must never have run.
TEST(poll_runs_a_function_once_a_call) { check_in_child(run_again_by_poll, NULL); }
TEST(step_runs_a_function_once_a_call) { check_in_child(run_again_by_step, NULL); }
TEST(flush_with_a_limit_runs_a_function_once) { check_in_child(run_again_by_flush, NULL); }

// A step whose time is over leaves the rest of what is due for the next one.

static _Atomic(size_t) slow_runs;
static void run_slowly(void *unused) {
    (void)unused;
    test_sleep_ns(API_MS);
    atomic_fetch_add(&slow_runs, 1);
}

static void run_in_steps(void *unused) {
    (void)unused;
    enum { FUNCTIONS = 50 };
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    for (int i = 0; i < FUNCTIONS; i++) {
        CHECK_EQ_INT(wane_defer(run_slowly, NULL), 0);
    }
    for (size_t before = 0; before < FUNCTIONS; before = atomic_load(&slow_runs)) {
        CHECK(wane_gc_step(1000) >= 0);
        CHECK(atomic_load(&slow_runs) <= before + 1);
    }
    CHECK_EQ_INT(wane_flush(), 0);
}

TEST(step_ends_after_the_function_that_used_up_its_time) { check_in_child(run_in_steps, NULL); }
