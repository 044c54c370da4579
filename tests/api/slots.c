// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Each slot call: what it returns, what it leaves, and that units balance. wane_refcount counts the
// units that wait for their decrement, so it is exact after a flush.

#include "api.h"

static wane_slot global_place;

static size_t settled_count(void *o) {
    CHECK_EQ_INT(wane_flush(), 0);
    return wane_refcount(o);
}

TEST(a_zeroed_slot_is_empty) {
    wane_slot s = WANE_SLOT_EMPTY;
    wane_slot *t = calloc(1, sizeof *t);
    CHECK_EQ_PTR(wane_slot_load(&s), NULL);
    CHECK_EQ_PTR(wane_slot_load(t), NULL);
    CHECK_EQ_PTR(wane_slot_take(t), NULL);
    CHECK_EQ_PTR(wane_slot_swap(t, NULL), NULL);
    wane_slot_clear(t);
    wane_guard_enter();
    CHECK_EQ_PTR(wane_slot_peek(t), NULL);
    wane_guard_leave();
    CHECK(wane_slot_cas(t, NULL, NULL));
    free(t);
}

TEST(init_consumes) {
    struct node *n = node_new(1);
    wane_slot s = WANE_SLOT_EMPTY;
    wane_slot_init(&s, wane_retain(n));
    CHECK_EQ_UINT(settled_count(n), 2);
    wane_slot_clear(&s);
    CHECK_EQ_UINT(settled_count(n), 1);
    wane_slot_init(&s, NULL);
    CHECK_EQ_PTR(wane_slot_load(&s), NULL);
    wane_release(n);
}

TEST(load_returns_a_unit) {
    struct node *n = node_new(1);
    wane_slot_store(&global_place, n);
    for (size_t i = 3; i < 20; i++) {
        CHECK_EQ_PTR(wane_slot_load(&global_place), n);
        CHECK_EQ_UINT(wane_refcount(n), i);
    }
    for (size_t i = 3; i < 20; i++) {
        wane_release(n);
    }
    wane_slot_clear(&global_place);
    CHECK_EQ_UINT(settled_count(n), 1);
    wane_release(n);
}

TEST(peek_borrows) {
    struct node *n = node_new(1);
    wane_slot_store(&global_place, n);
    wane_guard_enter();
    CHECK_EQ_PTR(wane_slot_peek(&global_place), n);
    CHECK_EQ_UINT(wane_refcount(n), 2);
    wane_guard_leave();
    wane_slot_clear(&global_place);
    CHECK_EQ_UINT(settled_count(n), 1);
    wane_release(n);
}

TEST(store_borrows) {
    struct node *a = node_new(1);
    struct node *b = node_new(2);
    wane_slot_store(&global_place, a);
    CHECK_EQ_UINT(settled_count(a), 2);
    wane_slot_store(&global_place, a);
    CHECK_EQ_UINT(settled_count(a), 2);
    wane_slot_store(&global_place, b);
    CHECK_EQ_UINT(settled_count(a), 1);
    CHECK_EQ_UINT(settled_count(b), 2);
    wane_slot_store(&global_place, NULL);
    CHECK_EQ_UINT(settled_count(b), 1);
    CHECK_EQ_PTR(wane_slot_load(&global_place), NULL);
    wane_release(a);
    wane_release(b);
}

TEST(give_consumes) {
    struct node *a = node_new(1);
    struct node *b = node_new(2);
    wane_slot_give(&global_place, wane_retain(a));
    CHECK_EQ_UINT(settled_count(a), 2);
    wane_slot_give(&global_place, b);
    CHECK_EQ_UINT(settled_count(a), 1);
    CHECK_EQ_UINT(settled_count(b), 1);
    size_t dead = atomic_load(&nodes_dead);
    wane_slot_give(&global_place, NULL);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
    wane_release(a);
}

TEST(swap_consumes_and_returns_a_unit) {
    struct node *a = node_new(1);
    struct node *b = node_new(2);
    CHECK_EQ_PTR(wane_slot_swap(&global_place, a), NULL);
    CHECK_EQ_PTR(wane_slot_swap(&global_place, b), a);
    CHECK_EQ_UINT(settled_count(a), 1);
    CHECK_EQ_PTR(wane_slot_swap(&global_place, NULL), b);
    CHECK_EQ_UINT(settled_count(b), 1);
    wane_release(a);
    wane_release(b);
}

TEST(take_returns_a_unit) {
    struct node *a = node_new(1);
    wane_slot_give(&global_place, a);
    CHECK_EQ_PTR(wane_slot_take(&global_place), a);
    CHECK_EQ_PTR(wane_slot_take(&global_place), NULL);
    CHECK_EQ_UINT(settled_count(a), 1);
    size_t dead = atomic_load(&nodes_dead);
    wane_release(a);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
}

TEST(cas_both_ways) {
    struct node *a = node_new(1);
    struct node *b = node_new(2);
    CHECK(wane_slot_cas(&global_place, NULL, a));
    CHECK_EQ_UINT(settled_count(a), 2);
    CHECK(!wane_slot_cas(&global_place, NULL, b));
    CHECK(!wane_slot_cas(&global_place, b, NULL));
    CHECK(!wane_slot_cas(&global_place, b, b));
    CHECK(!wane_slot_cas(&global_place, b, a));
    CHECK_EQ_UINT(settled_count(a), 2);
    CHECK_EQ_UINT(settled_count(b), 1);
    CHECK(wane_slot_cas(&global_place, a, a));
    CHECK_EQ_UINT(settled_count(a), 2);
    CHECK(wane_slot_cas(&global_place, a, b));
    CHECK_EQ_UINT(settled_count(a), 1);
    CHECK_EQ_UINT(settled_count(b), 2);
    CHECK(wane_slot_cas(&global_place, b, NULL));
    CHECK_EQ_UINT(settled_count(b), 1);
    CHECK_EQ_PTR(wane_slot_load(&global_place), NULL);
    wane_release(a);
    wane_release(b);
}

TEST(slot_calls_leave_errno_alone) {
    errno = 79;
    struct node *a = node_new(1);
    for (int i = 0; i < 5000; i++) {
        wane_slot_store(&global_place, a);
        wane_release(wane_slot_load(&global_place));
        wane_release(wane_slot_swap(&global_place, wane_retain(a)));
        wane_slot_cas(&global_place, a, NULL);
        wane_slot_give(&global_place, wane_retain(a));
        wane_release(wane_slot_take(&global_place));
    }
    wane_slot_clear(&global_place);
    CHECK_EQ_INT(errno, 79);
    wane_release(a);
}

TEST(a_unit_that_leaves_a_slot_waits) {
    struct node *n = node_new(1);
    size_t dead = atomic_load(&nodes_dead);
    wane_slot_give(&global_place, n);
    size_t pending = api_stats().deferred_pending;
    wane_guard_enter();
    wane_slot_clear(&global_place);
    CHECK_EQ_UINT(api_stats().deferred_pending, pending + 1);
    CHECK(api_stats().deferred_bytes >= sizeof *n);
    // The guard was open before: n is whole.
    test_sleep_ns(20 * API_MS);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead);
    CHECK_EQ_UINT(n->canary, NODE_CANARY);
    wane_guard_leave();
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
}

// A cleared slot is reclaimed without any further call of the thread that cleared it.
TEST(reclamation_needs_no_call) {
    size_t dead = atomic_load(&nodes_dead);
    wane_slot_give(&global_place, node_new(1));
    wane_slot_clear(&global_place);
    api_wait_count(&nodes_dead, dead + 1);
}

TEST(slots_of_objects_and_in_malloced_memory) {
    struct node *n = node_new(1);
    size_t dead = atomic_load(&nodes_dead);
    wane_slot_give(&n->left, node_new(2));
    wane_slot *m = calloc(4, sizeof *m);
    for (int i = 0; i < 4; i++) {
        wane_slot_store(&m[i], n);
    }
    wane_release(n);
    CHECK_EQ_UINT(settled_count(n), 4);
    for (int i = 0; i < 4; i++) {
        wane_slot_clear(&m[i]);
    }
    free(m);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 2);
}

// Publication: what was written before the store is seen by whoever loads. TSan watches.

enum { PUBLISHED = 20000 };

static void *publish(void *unused) {
    (void)unused;
    for (uint64_t i = 1; i <= PUBLISHED; i++) {
        wane_slot_give(&global_place, node_new(i));
    }
    return NULL;
}

TEST(a_store_publishes) {
    size_t dead = atomic_load(&nodes_dead);
    pthread_t writer = api_thread(publish, NULL);
    uint64_t last = 0;
    while (last < PUBLISHED) {
        struct node *n = wane_slot_load(&global_place);
        if (n != NULL) {
            CHECK_EQ_UINT(n->canary, NODE_CANARY);
            CHECK(n->number >= last);
            last = n->number;
            wane_release(n);
        }
    }
    api_join(writer);
    wane_slot_clear(&global_place);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + PUBLISHED);
}

// A stack made of cas on one slot: every node that is pushed is popped once.

enum { STACK_THREADS = 4, STACK_OPS = 5000 };
static wane_slot top;
static _Atomic(uint64_t) pushed_sum, popped_sum;

static void push(struct node *n) {
    for (;;) {
        struct node *old = wane_slot_load(&top);
        wane_slot_store(&n->left, old);
        bool done = wane_slot_cas(&top, old, n);
        wane_release(old);
        if (done) {
            return;
        }
    }
}

static struct node *pop(void) {
    for (;;) {
        struct node *old = wane_slot_load(&top);
        if (old == NULL) {
            return NULL;
        }
        struct node *next = wane_slot_load(&old->left);
        bool done = wane_slot_cas(&top, old, next);
        wane_release(next);
        if (done) {
            return old;
        }
        wane_release(old);
    }
}

static void *push_and_pop(void *index) {
    uint64_t first = (uint64_t)(uintptr_t)index * STACK_OPS;
    for (uint64_t i = 1; i <= STACK_OPS; i++) {
        struct node *n = node_new(first + i);
        atomic_fetch_add(&pushed_sum, n->number);
        push(n);
        wane_release(n);
        struct node *m = i % 3 != 0 ? pop() : NULL;
        if (m != NULL) {
            CHECK_EQ_UINT(m->canary, NODE_CANARY);
            atomic_fetch_add(&popped_sum, m->number);
            wane_release(m);
        }
    }
    return NULL;
}

TEST(cas_among_threads) {
    pthread_t threads[STACK_THREADS];
    size_t dead = atomic_load(&nodes_dead);
    for (size_t i = 0; i < STACK_THREADS; i++) {
        threads[i] = api_thread(push_and_pop, (void *)(uintptr_t)i);
    }
    for (size_t i = 0; i < STACK_THREADS; i++) {
        api_join(threads[i]);
    }
    for (struct node *m = pop(); m != NULL; m = pop()) {
        atomic_fetch_add(&popped_sum, m->number);
        wane_release(m);
    }
    CHECK_EQ_UINT(atomic_load(&popped_sum), atomic_load(&pushed_sum));
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + (size_t)STACK_THREADS * STACK_OPS);
}

// An object that goes round by swap: exactly one thread has it at a time.

static wane_slot baton_place;

static void *run_with_baton(void *unused) {
    (void)unused;
    for (int got = 0; got < 2000;) {
        struct node *baton = wane_slot_take(&baton_place);
        if (baton == NULL) {
            sched_yield();
            continue;
        }
        baton->number++;
        wane_slot_give(&baton_place, baton);
        got++;
    }
    return NULL;
}

TEST(take_hands_over) {
    wane_slot_give(&baton_place, node_new(0));
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++) {
        threads[i] = api_thread(run_with_baton, NULL);
    }
    for (size_t i = 0; i < 3; i++) {
        api_join(threads[i]);
    }
    struct node *baton = wane_slot_take(&baton_place);
    CHECK_EQ_UINT(baton->number, 6000);
    CHECK_EQ_UINT(settled_count(baton), 1);
    wane_release(baton);
}

// A slot call that applies what is safe destroys some of what dies of it, and leaves the rest to others.

struct cell {
    wane_slot next;
};
static wane_type cell_type = {.name = "cell",
                              .size = sizeof(struct cell),
                              .slots = WANE_SLOTS(struct cell, next),
                              .flags = WANE_TYPE_ACYCLIC};

static void clear_lists(void *unused) {
    (void)unused;
    enum { LISTS = 200, LENGTH = 5000, BUDGET = 10000 };
    static wane_slot lists[LISTS];
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0); // it would destroy them
    for (int i = 0; i < LISTS; i++) {
        struct cell *first = NULL;
        for (int n = 0; n < LENGTH; n++) {
            struct cell *c = wane_new(&cell_type);
            CHECK(c != NULL);
            wane_slot_init(&c->next, first);
            first = c;
        }
        wane_slot_init(&lists[i], first);
    }
    size_t most = 0;
    wane_slot other = {0};
    for (int i = 0; i < LISTS + 20000; i++) {
        uint64_t before = api_stats().deaths;
        if (i < LISTS) {
            wane_slot_clear(&lists[i]);
        } else {
            wane_slot_give(&other, leaf_new(1));
        }
        size_t died = api_stats().deaths - before;
        most = died > most ? died : most;
    }
    CHECK_MSG(most > 0 && most <= BUDGET, "%zu deaths in one call", most);
    wane_slot_clear(&other);
    test_teardown();
}

TEST(a_slot_call_destroys_so_much_and_no_more) { check_in_child(clear_lists, NULL); }
