// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// The collector's work in slices (wane_gc_step) and on a thread that the program lends
// (wane_collector_run). No collector thread runs here.

#include "api.h"

#include <sys/resource.h>
#include <sys/wait.h>

static void no_thread(void) {
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    wane_gc_disable();
    wane_gc_collect(2);
}

static void drop_pairs(size_t n) {
    for (size_t i = 0; i < n; i++) {
        wane_release(node_pair());
    }
}

static void drop_ring(size_t n) {
    struct node *first = node_new(0), *last = first;
    for (size_t i = 1; i < n; i++) {
        struct node *next = node_new(i);
        wane_slot_init(&last->left, next);
        last = next;
    }
    wane_slot_give(&last->left, first);
}

// Returns what it does. After a fault that was injected a collection is tried again later: as if there were more to do.
static int step(int64_t budget_ns) {
    int more = wane_gc_step(budget_ns);
    CHECK(more == 0 || more == 1);
    if (more == 0 && getenv("INJECT_FIRST") != NULL && wane_gc_wait_ns() > 0) {
        test_sleep_ns((uint64_t)wane_gc_wait_ns());
        more = 1;
    }
    return more;
}

// Steps until there is nothing to do; returns how many.
static size_t step_to_the_end(int64_t budget_ns) {
    uint64_t end = test_now_ns() + API_PATIENCE;
    size_t steps = 1;
    for (; step(budget_ns) > 0; steps++) {
        CHECK(test_now_ns() < end);
    }
    return steps;
}

TEST(steps_find_cycles) {
    no_thread();
    static const int64_t budgets[] = {0, 50000, API_MS, API_SECOND};
    for (size_t i = 0; i < 4; i++) {
        size_t before = atomic_load(&nodes_dead);
        drop_pairs(3000);
        step_to_the_end(budgets[i]);
        CHECK_EQ_UINT(atomic_load(&nodes_dead), before + 6000);
    }
    CHECK_EQ_INT(wane_gc_step(API_MS), 0);
}

TEST(a_large_ring_takes_many_steps) {
    no_thread();
    size_t before = atomic_load(&nodes_dead);
    drop_ring(200000);
    CHECK(step_to_the_end(0) > 20);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), before + 200000);
    CHECK_EQ_UINT(api_stats().cycles_collected >= 200000, true);
}

TEST(steps_apply_what_was_deferred) {
    no_thread();
    size_t before = atomic_load(&nodes_dead);
    wane_slot s = {0};
    for (uint64_t i = 0; i < 5000; i++) {
        wane_slot_give(&s, node_new(i));
    }
    wane_slot_clear(&s);
    uint64_t end = test_now_ns() + API_PATIENCE;
    while (atomic_load(&nodes_dead) < before + 5000) {
        CHECK(wane_gc_step(API_MS) >= 0);
        CHECK(test_now_ns() < end);
    }
}

static struct gate guard_entered = GATE_CLOSED, guard_leave = GATE_CLOSED;

static void *sit_in_a_guard(void *unused) {
    wane_guard_enter();
    gate_set(&guard_entered, true);
    gate_wait(&guard_leave);
    wane_guard_leave();
    return unused;
}

static pthread_t guard_begin(void) {
    gate_set(&guard_entered, false);
    gate_set(&guard_leave, false);
    pthread_t t = api_thread(sit_in_a_guard, NULL);
    gate_wait(&guard_entered);
    return t;
}

static void guard_end(pthread_t t) {
    gate_set(&guard_leave, true);
    api_join(t);
}

// No unit of theirs was ever in a slot that changed: a reader in a guard cannot have borrowed them.
// Blocks that weak references may have looked at are freed within the time of a step, too: 50,000 of them are more than one
// step frees on any machine.
TEST(blocks_of_the_weakly_referenced_take_many_steps) {
    enum { N = 50000 };
    static wane_weak *weak[N];
    no_thread();
    step_to_the_end(0);
    uint64_t before = api_stats().deferred_bytes;
    for (size_t i = 0; i < N; i++) {
        struct node *n = node_new(i);
        weak[i] = wane_weak_new(n, NULL, NULL);
        wane_release(n);
        CHECK(wane_weak_get(weak[i]) == NULL);
    }
    uint64_t left = api_stats().deferred_bytes - before;
    CHECK(left >= N * sizeof(struct node));
    CHECK(wane_gc_step(0) > 0 || api_stats().deferred_bytes > before);
    CHECK(api_stats().deferred_bytes > before + left / 4);
    while (wane_gc_step(0) > 0 || api_stats().deferred_bytes > before) {
        continue;
    }
    for (size_t i = 0; i < N; i++) {
        wane_release(weak[i]);
    }
}

TEST(a_verdict_does_not_wait_for_guards) {
    no_thread();
    size_t before = atomic_load(&nodes_dead);
    pthread_t t = guard_begin();
    drop_pairs(1000);
    step_to_the_end(API_MS);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), before + 2000);
    guard_end(t);
}

// What a guard may have borrowed is garbage only when it has ended: its unit is pending.
TEST(what_a_guard_may_see_stays) {
    no_thread();
    static wane_slot place;
    size_t before = atomic_load(&nodes_dead);
    wane_slot_give(&place, node_pair());
    pthread_t t = guard_begin();
    wane_slot_clear(&place);
    for (int i = 0; i < 200; i++) {
        CHECK(wane_gc_step(API_MS) >= 0);
    }
    CHECK_EQ_UINT(atomic_load(&nodes_dead), before);
    guard_end(t);
    uint64_t end = test_now_ns() + API_PATIENCE;
    while (atomic_load(&nodes_dead) < before + 2) {
        CHECK(wane_gc_step(API_MS) >= 0);
        CHECK(test_now_ns() < end);
    }
}

// Finalizers that empty slots: what they removed waits for the guard, and acquits meanwhile. All else is found beside it.
struct mortal {
    wane_slot self, other;
};
static _Atomic(size_t) mortals_finalized, mortals_dead;
static void mortal_finalize(void *self) {
    struct mortal *m = self;
    wane_slot_clear(&m->other);
    atomic_fetch_add(&mortals_finalized, 1);
}
static void mortal_destroy(void *self) {
    (void)self;
    atomic_fetch_add(&mortals_dead, 1);
}
static wane_type mortal_type = {
    .name = "mortal",
    .size = sizeof(struct mortal),
    .slots = WANE_SLOTS(struct mortal, self, other),
    .finalize = mortal_finalize,
    .destroy = mortal_destroy,
};

TEST(a_guard_beside_finalizers) {
    no_thread();
    atomic_store(&mortals_finalized, 0);
    atomic_store(&mortals_dead, 0);
    for (int i = 0; i < 100; i++) {
        struct mortal *m = wane_new(&mortal_type);
        CHECK(m != NULL);
        wane_slot_store(&m->other, m);
        wane_slot_give(&m->self, m);
    }
    size_t before = atomic_load(&nodes_dead);
    pthread_t t = guard_begin();
    uint64_t end = test_now_ns() + API_PATIENCE;
    while (atomic_load(&mortals_finalized) < 100) {
        CHECK(wane_gc_step(API_MS) >= 0);
        CHECK(test_now_ns() < end);
    }
    drop_pairs(1000);
    while (atomic_load(&nodes_dead) < before + 2000) {
        CHECK(wane_gc_step(API_MS) >= 0);
        CHECK(test_now_ns() < end);
    }
    CHECK_EQ_UINT(atomic_load(&mortals_dead), 0);
    guard_end(t);
    while (atomic_load(&mortals_dead) < 100) {
        CHECK(wane_gc_step(API_MS) >= 0);
        CHECK(test_now_ns() < end);
    }
    CHECK_EQ_UINT(atomic_load(&mortals_finalized), 100);
}

// While a step has left off in the middle of the roots, no memory could be given back: those who need it have the roots left.
TEST(memory_comes_back_beside_a_step_that_left_off) {
    no_thread();
    enum { LIVING = 20000, LARGE = 200 };
    static struct node *living[LIVING];
    static struct leaf *large[LARGE];
    for (size_t round = 0; round < 3; round++) {
        size_t before = atomic_load(&nodes_dead);
        for (size_t i = 0; i < LIVING; i++) {
            living[i] = node_new(i);
        }
        for (size_t i = 0; i < LARGE; i++) {
            large[i] = wane_new_extra(&leaf_type, 20000);
            CHECK(large[i] != NULL);
        }
        drop_ring(3000);
        for (size_t i = 0; i < LARGE; i++) {
            wane_release(large[i]);
        }
        uint64_t end = test_now_ns() + API_PATIENCE;
        while (wane_gc_step(0) == 0) {  // announces; after a look in vain perhaps not at once
            test_sleep_ns(API_MS);
            CHECK(test_now_ns() < end);
        }
        CHECK_EQ_INT(wane_gc_step(0), 1);  // some pages
        CHECK(wane_trim() >= 1000000);
        step_to_the_end(round == 0 ? 0 : API_MS);
        CHECK_EQ_UINT(atomic_load(&nodes_dead), before + 3000);
        for (size_t i = 0; i < LIVING; i++) {
            wane_release(living[i]);
        }
    }
}

// Slots count, and not objects alone.
static wane_type shelf_type = {.name = "shelf", .flags = WANE_TYPE_EXTRA_SLOTS};

TEST(objects_of_many_slots_take_many_steps) {
    no_thread();
    enum { SHELVES = 100, SLOTS = 4000 };
    struct leaf *leaf = leaf_new(0);
    wane_slot *shelves[SHELVES];
    for (size_t i = 0; i < SHELVES; i++) {
        shelves[i] = wane_new_extra(&shelf_type, SLOTS * sizeof(wane_slot));
        CHECK(shelves[i] != NULL);
        for (size_t k = 1; k < SLOTS; k++) {
            wane_slot_store(&shelves[i][k], leaf);
        }
    }
    wane_release(leaf);
    for (size_t i = 0; i < SHELVES; i++) {
        wane_slot_store(&shelves[i][0], (void *)shelves[(i + 1) % SHELVES]);
    }
    for (size_t i = 0; i < SHELVES; i++) {
        wane_release((void *)shelves[i]);
    }
    size_t live = api_stats().live_objects;
    size_t steps = step_to_the_end(0);
    CHECK_MSG(steps > SHELVES / 2, "%zu steps", steps);  // by objects it would be some twenty
    CHECK_EQ_UINT(api_stats().live_objects, live - SHELVES - 1);
}

// Dead structures of several shapes with weak references, some of which are upgraded between two steps: what is
// upgraded lives with all that it reaches, all else dies, and no weak reference denies the living or yields the dead.
enum { PARTS = 40, MEMBERS = 12, MOST = PARTS * MEMBERS };
static struct node *members[MOST];
static wane_weak *weak[MOST];

static void make_parts(test_rng *rng) {
    for (size_t i = 0; i < MOST; i++) {
        members[i] = node_new(i);
        weak[i] = test_below(rng, 3) == 0 ? wane_weak_new(members[i], NULL, NULL) : NULL;
    }
    for (size_t i = 0; i < MOST; i++) {
        size_t part = i / MEMBERS * MEMBERS;
        wane_slot_store(&members[i]->left, members[part + (i + 1) % MEMBERS]);
        if (test_below(rng, 2) == 0) {  // into another part too, now and then
            size_t other = test_below(rng, 8) == 0 ? test_below(rng, MOST) : part + test_below(rng, MEMBERS);
            wane_slot_store(&members[i]->right, members[other]);
        }
    }
    for (size_t i = 0; i < MOST; i++) {
        wane_release(members[i]);
    }
}

static size_t reach_of(const bool *held, bool *reached) {
    size_t n = 0;
    memcpy(reached, held, MOST * sizeof *held);
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < MOST; i++) {
            if (!reached[i]) {
                continue;
            }
            wane_slot *slots[] = {&members[i]->left, &members[i]->right};
            for (size_t k = 0; k < 2; k++) {
                struct node *to = wane_slot_load(slots[k]);
                if (to != NULL && !reached[to->number]) {
                    more = reached[to->number] = true;
                }
                wane_release(to);
            }
        }
    }
    for (size_t i = 0; i < MOST; i++) {
        n += reached[i] ? 1 : 0;
    }
    return n;
}

TEST(upgrades_between_steps) {
    no_thread();
    test_rng rng = test_rng_make(1);
    for (size_t round = 0; round < 200; round++) {
        bool held[MOST] = {false}, reached[MOST];
        size_t before = atomic_load(&nodes_dead);
        make_parts(&rng);
        size_t pause = test_below(&rng, 60);
        int more = 1;
        for (size_t step = 0; more == 1 && step < pause; step++) {
            more = wane_gc_step(0);
        }
        size_t tries = test_below(&rng, 4);
        for (size_t try = 0; try < tries; try++) {
            size_t i = test_below(&rng, MOST);
            if (weak[i] == NULL || held[i]) {
                continue;
            }
            void *obj = wane_weak_get(weak[i]);
            if (obj != NULL) {
                CHECK_EQ_PTR(obj, members[i]);
                held[i] = true;
            }
            more = wane_gc_step(0);
        }
        step_to_the_end(test_below(&rng, 2) * API_MS);
        wane_gc_collect(2);
        size_t living = reach_of(held, reached);
        CHECK_EQ_UINT(atomic_load(&nodes_dead), before + MOST - living);
        for (size_t i = 0; i < MOST; i++) {
            if (weak[i] != NULL) {
                void *obj = wane_weak_get(weak[i]);
                CHECK_EQ_PTR(obj, reached[i] ? members[i] : NULL);
                wane_release(obj);
                wane_release(weak[i]);
            }
        }
        for (size_t i = 0; i < MOST; i++) {
            if (held[i]) {
                wane_release(members[i]);
            }
        }
        wane_gc_collect(2);
        CHECK_EQ_UINT(atomic_load(&nodes_dead), before + MOST);
    }
}

// Whoever wants a result finishes what steps left open.

static void *collect_elsewhere(void *unused) {
    wane_gc_collect(2);
    return unused;
}

static void *flush_elsewhere(void *unused) {
    CHECK_EQ_INT(wane_flush(), 0);
    return unused;
}

static void leave_open(size_t ring) {
    drop_ring(ring);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_INT(step(0), 1);
    }
}

TEST(others_finish_an_open_collection) {
    no_thread();
    for (int i = 1; i < 20; i++) {
        size_t before = atomic_load(&nodes_dead);
        leave_open(2000 * (size_t)i);
        api_elsewhere(i % 2 == 0 ? collect_elsewhere : flush_elsewhere, NULL);
        wane_gc_collect(2);
        CHECK_EQ_UINT(atomic_load(&nodes_dead), before + 2000 * (size_t)i);
    }
    CHECK_EQ_INT(wane_flush(), 0);
}

// It may end the collection, which waits for no guard, or leave it open.
TEST(a_flush_with_a_limit_beside_an_open_one) {
    no_thread();
    size_t before = atomic_load(&nodes_dead);
    drop_ring(20000);
    while (api_stats().deferred_pending > 0) {
        CHECK_EQ_INT(step(0), 1);
    }
    CHECK_EQ_INT(step(0), 1);
    pthread_t t = guard_begin();
    int flushed = wane_flush_for(20 * API_MS);
    CHECK(flushed == 0 || flushed == -ETIMEDOUT);
    guard_end(t);
    CHECK_EQ_INT(wane_flush(), 0);
    step_to_the_end(API_SECOND);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), before + 20000);
}

// Memory may be given back while a collection is open.
// Nobody steps any more: each try of a flush gets on with what is open.
TEST(flushes_without_time_end_an_open_collection) {
    uint64_t end = test_now_ns() + API_PATIENCE;
    no_thread();
    drop_ring(TEST_TSAN || TEST_ASAN ? 10000 : 100000);
    for (int i = 0; i < 60; i++) {
        wane_gc_step(0);
    }
    for (int result; (result = wane_flush_for(0)) != 0;) {
        CHECK_EQ_INT(result, -ETIMEDOUT);
        CHECK(test_now_ns() < end);
    }
    wane_gc_collect(2); // without memory it was given up
}

TEST(trims_beside_an_open_collection) {
    no_thread();
    for (int i = 0; i < 50; i++) {
        leave_open(5000);
        drop_pairs(2000);
        wane_trim();
        CHECK(wane_gc_step(0) >= 0);
        wane_trim();
        // No room for this: what is empty is given back and it is tried again.
        CHECK_EQ_PTR(wane_new_extra(&node_type, (size_t)1 << 50), NULL);
    }
    step_to_the_end(API_SECOND);
    wane_trim();
}

static _Atomic(bool) stop;
static wane_slot shared[8];

static void *rewire(void *number) {
    test_rng r = test_rng_make((uint64_t)(uintptr_t)number);
    while (!atomic_load(&stop)) {
        struct node *a = node_pair();
        wane_slot_store(&a->right, NULL);
        struct node *other = wane_slot_load(&shared[test_below(&r, 8)]);
        if (other != NULL) {
            CHECK_EQ_UINT(other->canary, NODE_CANARY);
            wane_slot_store(&a->right, other);
            wane_slot_store(&other->right, a);
            wane_release(other);
        }
        wane_slot_give(&shared[test_below(&r, 8)], a);
        if (test_below(&r, 16) == 0) {
            wane_slot_clear(&shared[test_below(&r, 8)]);
        }
        while (api_stats().live_objects > 20000 && !atomic_load(&stop)) {
            test_sleep_ns(API_MS);
        }
    }
    return NULL;
}

static void *step_all_the_time(void *unused) {
    while (!atomic_load(&stop)) {
        CHECK(wane_gc_step(100000) >= 0);
    }
    return unused;
}

TEST(steps_of_several_threads_beside_mutators) {
    no_thread();
    pthread_t threads[4];
    atomic_store(&stop, false);
    for (size_t i = 0; i < 4; i++) {
        threads[i] = api_thread(i < 2 ? rewire : step_all_the_time, (void *)(i + 1));
    }
    uint64_t end = test_now_ns() + 300 * API_MS;
    for (int i = 0; test_now_ns() < end; i++) {
        wane_gc_step(200000);
        if (i % 64 == 0) {
            wane_gc_collect(i / 64 % 4);
        }
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 4; i++) {
        api_join(threads[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        wane_slot_clear(&shared[i]);
    }
    wane_gc_collect(2);
}

// Errors.

static void step_in_a_callback(void *unused) {
    (void)unused;
    CHECK_EQ_INT(wane_gc_step(API_MS), -EDEADLK);
    CHECK_EQ_INT(wane_collector_run(), -EDEADLK);
}

static wane_type calling_type = {.name = "calls", .size = 8, .destroy = step_in_a_callback};

static void step_in_a_guard(void *unused) {
    (void)unused;
    wane_guard_enter();
    wane_gc_step(1);
}

static void run_in_a_guard(void *unused) {
    (void)unused;
    wane_guard_enter();
    wane_collector_run();
}

TEST(where_it_cannot_be) {
    no_thread();
    CHECK_EQ_INT(wane_gc_step(-1), -EINVAL);
    wane_release(wane_new(&calling_type));
    api_dies_with(step_in_a_guard, NULL, "wane_gc_step", "guard", NULL);
    api_dies_with(run_in_a_guard, NULL, "wane_collector_run", "guard", NULL);
}

// In a child: a fork beside an open collection, and the end of a lent thread.

static void step_in_child(void *unused) {
    (void)unused;
    size_t before = atomic_load(&nodes_dead);
    drop_pairs(100);
    step_to_the_end(API_MS);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), before + 30000 + 200);
}

static void check_child(void (*fn)(void *), void *arg) {
    static struct test_end end;
    test_run_child(fn, arg, &end);
    CHECK_MSG(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0, "child: %#x, %s",
              (unsigned)end.status, end.said);
}

TEST(the_child_of_a_fork_goes_on) {
    if (TEST_TSAN) {
        SKIP("ThreadSanitizer does not follow a thread into the child");
    }
    no_thread();
    size_t before = atomic_load(&nodes_dead);
    drop_ring(30000);
    // A new child after each few steps, at all stages of one collection.
    int more = 1;
    while (more == 1 && atomic_load(&nodes_dead) == before) {
        check_child(step_in_child, NULL);
        for (int i = 0; i < 10 && more == 1 && atomic_load(&nodes_dead) == before; i++) {
            more = wane_gc_step(0);
        }
    }
    step_to_the_end(API_MS);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), before + 30000);
}

static void *lend(void *result) {
    *(int *)result = wane_collector_run();
    return NULL;
}

static bool all_died(void *want) { return atomic_load(&nodes_dead) == *(size_t *)want; }

static void run_and_shut_down(void *unused) {
    (void)unused;
    int result = 1;
    wane_gc_enable();
    CHECK_EQ_INT(wane_gc_set_threshold(100, 2, 2), 0);
    CHECK_EQ_INT(wane_option_set("candidate_age_ms", 20), 0);
    pthread_t t = api_thread(lend, &result);
    size_t want = atomic_load(&nodes_dead) + 10000;
    drop_pairs(5000);
    CHECK(test_wait_until(all_died, &want, API_PATIENCE));
    CHECK_EQ_INT(wane_collector_run(), -EBUSY);
    wane_stats s = api_stats();
    CHECK(s.collector_cpu_ns > 0);
    wane_shutdown();
    api_join(t);
    CHECK_EQ_INT(result, 0);
    CHECK_EQ_INT(wane_collector_run(), 0);
    // Everything goes on without it.
    drop_pairs(10);
    wane_gc_collect(2);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), want + 20);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

TEST(a_lent_thread_collects) {
    if (TEST_TSAN) {
        SKIP("ThreadSanitizer does not follow a thread into the child");
    }
    no_thread();
    check_child(run_and_shut_down, NULL);
}

// Finalizers that are left to the collector thread run in the steps of a program without one.

static int queued_ran;
static void queued_finalize(void *self) {
    (void)self;
    queued_ran++;
}
static wane_type queued_type = {.name = "queued",
                                .size = 8,
                                .flags = WANE_TYPE_FINALIZE_QUEUED,
                                .finalize = queued_finalize};

TEST(steps_run_queued_finalizers) {
    no_thread();
    wane_release(wane_new(&queued_type));
    CHECK_EQ_INT(queued_ran, 0);
    step_to_the_end(API_MS);
    CHECK_EQ_INT(queued_ran, 1);
}

TEST(polls_run_queued_finalizers) {
    no_thread();
    int want = queued_ran + 1;
    wane_release(wane_new(&queued_type));
    CHECK_EQ_INT(queued_ran, want - 1);
    for (int i = 0; i < 1000 && queued_ran < want; i++)
        wane_poll();
    CHECK_EQ_INT(queued_ran, want);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}
