// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// What user code sees of dead cycles: finalizers run once, with the graph whole; what they bring back lives with all that
// it reaches; weak references never yield the dead nor deny the living; `destroy` finds its slots empty. Types that
// are kept.

#include "api.h"

enum { MEMBERS = 6 };

// A member of a ring; each knows what its finalizer shall do.
struct member {
    wane_slot next;
    wane_slot other;
    uint64_t number;
    uint64_t ring;  // how many follow each other
    bool saves_itself, saves_next, cuts;
    unsigned finalized, destroyed;
};

static wane_slot refuge[2 * MEMBERS];
static _Atomic(size_t) finalized, destroyed;

static void member_finalize(void *self) {
    struct member *m = self;
    CHECK_EQ_UINT(++m->finalized, 1);
    CHECK_EQ_UINT(m->destroyed, 0);
    // The whole ring is there.
    struct member *at = wane_retain(m);
    for (uint64_t i = 0; i < m->ring; i++) {
        struct member *next = wane_slot_load(&at->next);
        CHECK(next != NULL);
        CHECK_EQ_UINT(next->destroyed, 0);
        wane_release(at);
        at = next;
    }
    CHECK_EQ_PTR(at, m);
    wane_release(at);
    if (m->saves_itself) {
        wane_slot_store(&refuge[m->number], m);
    }
    if (m->saves_next) {
        struct member *next = wane_slot_load(&m->next);
        wane_slot_give(&refuge[next->number], next);
    }
    if (m->cuts) {
        wane_slot_clear(&m->other);
    }
    CHECK_EQ_UINT(wane_gc_collect(2), 0);
    CHECK_EQ_INT(wane_gc_run(2, NULL), -EDEADLK);
    atomic_fetch_add(&finalized, 1);
}

static void member_destroy(void *self) {
    struct member *m = self;
    CHECK_EQ_PTR(wane_slot_peek(&m->next), NULL);
    CHECK_EQ_PTR(wane_slot_peek(&m->other), NULL);
    CHECK_EQ_UINT(m->finalized, wane_typeof(m)->finalize != NULL);
    CHECK_EQ_UINT(++m->destroyed, 1);
    CHECK_EQ_UINT(wane_gc_collect(2), 0);
    atomic_fetch_add(&destroyed, 1);
}

static wane_type final_type = {
    .name = "final member",
    .size = sizeof(struct member),
    .slots = WANE_SLOTS(struct member, next, other),
    .finalize = member_finalize,
    .destroy = member_destroy,
};
static wane_type plain_type = {
    .name = "member",
    .size = sizeof(struct member),
    .slots = WANE_SLOTS(struct member, next, other),
    .destroy = member_destroy,
};

// A ring of `n` members in all[]; those in the mask `final` have finalizers. The caller holds each.
static void ring_new(struct member **all, size_t n, unsigned final) {
    wane_gc_disable();
    for (size_t i = 0; i < n; i++) {
        all[i] = wane_new((final >> i & 1) != 0 ? &final_type : &plain_type);
        all[i]->number = i;
        all[i]->ring = n;
    }
    for (size_t i = 0; i < n; i++) {
        wane_slot_store(&all[i]->next, all[(i + 1) % n]);
    }
    atomic_store(&finalized, 0);
    atomic_store(&destroyed, 0);
}

static void drop(struct member **all, size_t n) {
    for (size_t i = 0; i < n; i++) {
        wane_clear(&all[i]);
    }
}

static void clear_refuge(void) {
    for (size_t i = 0; i < 2 * MEMBERS; i++) {
        wane_slot_clear(&refuge[i]);
    }
}

TEST(finalizers_run_once_and_all_die) {
    struct member *all[MEMBERS];
    ring_new(all, MEMBERS, 0x3f);
    CHECK_EQ_UINT(wane_gc_collect(2), 0);
    CHECK(!wane_gc_is_finalized(all[0]));
    drop(all, MEMBERS);
    CHECK_EQ_UINT(wane_gc_collect(2), MEMBERS);
    CHECK_EQ_UINT(atomic_load(&finalized), MEMBERS);
    CHECK_EQ_UINT(atomic_load(&destroyed), MEMBERS);
}

// The proof is made twice, and a large part of the graph turns out to live in the first: the second one looks at the edges of
// what is still in doubt, and at no other's.
TEST(finalizers_beside_a_large_living_ring) {
    enum { LIVING = 50000 };
    struct member *all[MEMBERS];
    struct node *first = node_new(0), *last = first;
    for (uint64_t i = 1; i < LIVING; i++) {
        struct node *n = node_new(i);
        wane_slot_store(&n->left, last);
        wane_slot_store(&n->right, last);
        if (last != first) {
            wane_release(last);
        }
        last = n;
    }
    wane_slot_give(&first->left, last);
    ring_new(all, MEMBERS, 1);
    drop(all, MEMBERS);
    CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), MEMBERS);
    CHECK_EQ_UINT(atomic_load(&destroyed), MEMBERS);
    wane_release(first);
    CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), LIVING);
}

TEST(some_with_finalizers) {
    for (unsigned mask = 1; mask < 0x40; mask += 7) {
        struct member *all[MEMBERS];
        ring_new(all, MEMBERS, mask);
        drop(all, MEMBERS);
        CHECK_EQ_UINT(wane_gc_collect(2), MEMBERS);
        CHECK_EQ_UINT(atomic_load(&finalized), __builtin_popcount(mask));
        CHECK_EQ_UINT(atomic_load(&destroyed), MEMBERS);
    }
}

// One member saves itself or its neighbour: a ring lives as a whole, and dies later without a second call.
static void resurrect(bool itself) {
    struct member *all[MEMBERS];
    wane_weak *weak[MEMBERS];
    ring_new(all, MEMBERS, 0x3f);
    all[2]->saves_itself = itself;
    all[2]->saves_next = !itself;
    for (size_t i = 0; i < MEMBERS; i++) {
        weak[i] = wane_weak_new(all[i], NULL, NULL);
    }
    drop(all, MEMBERS);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_UINT(wane_gc_collect(2), 0);
        CHECK_EQ_UINT(atomic_load(&finalized), MEMBERS);
        CHECK_EQ_UINT(atomic_load(&destroyed), 0);
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        struct member *m = wane_weak_get(weak[i]);
        CHECK(m != NULL);
        CHECK_EQ_UINT(m->number, i);
        CHECK(wane_gc_is_finalized(m));
        wane_release(m);
    }
    clear_refuge();
    CHECK_EQ_UINT(wane_gc_collect(2), MEMBERS);
    CHECK_EQ_UINT(atomic_load(&finalized), MEMBERS);
    CHECK_EQ_UINT(atomic_load(&destroyed), MEMBERS);
    for (size_t i = 0; i < MEMBERS; i++) {
        CHECK_EQ_PTR(wane_weak_get(weak[i]), NULL);
        wane_release(weak[i]);
    }
}

TEST(resurrection_of_a_ring_by_itself) { resurrect(true); }
TEST(resurrection_of_a_neighbour) { resurrect(false); }

// Two rings, the first refers to the second. What saves one of the second lets the first die.
TEST(resurrection_of_a_part) {
    struct member *first[MEMBERS], *second[MEMBERS];
    ring_new(first, MEMBERS, 0x3f);
    ring_new(second, MEMBERS, 0x3f);
    second[4]->saves_itself = true;
    wane_slot_store(&first[1]->other, second[0]);
    drop(first, MEMBERS);
    drop(second, MEMBERS);
    CHECK_EQ_UINT(wane_gc_collect(2), MEMBERS);
    CHECK_EQ_UINT(atomic_load(&finalized), 2 * MEMBERS);
    CHECK_EQ_UINT(atomic_load(&destroyed), MEMBERS);
    clear_refuge();
    CHECK_EQ_UINT(wane_gc_collect(2), MEMBERS);
    CHECK_EQ_UINT(atomic_load(&destroyed), 2 * MEMBERS);
}

TEST(all_save_themselves) {
    struct member *all[MEMBERS];
    ring_new(all, MEMBERS, 0x3f);
    for (size_t i = 0; i < MEMBERS; i++) {
        all[i]->saves_itself = true;
    }
    drop(all, MEMBERS);
    CHECK_EQ_UINT(wane_gc_collect(2), 0);
    clear_refuge();
    CHECK_EQ_UINT(wane_gc_collect(0) + wane_gc_collect(2), MEMBERS);
    CHECK_EQ_UINT(atomic_load(&finalized), MEMBERS);
    CHECK_EQ_UINT(atomic_load(&destroyed), MEMBERS);
}

// A finalizer that drops a reference to another member: it is deferred, and everything is gone when the call returns.
TEST(finalizers_that_cut) {
    struct member *all[MEMBERS];
    ring_new(all, MEMBERS, 0x3f);
    for (size_t i = 0; i < MEMBERS; i++) {
        all[i]->cuts = true;
        wane_slot_store(&all[i]->other, all[(i + 3) % MEMBERS]);
    }
    drop(all, MEMBERS);
    wane_gc_collect(2);
    CHECK_EQ_UINT(atomic_load(&finalized), MEMBERS);
    CHECK_EQ_UINT(atomic_load(&destroyed), MEMBERS);
}

// An object that the collector does not track hangs on garbage: its finalizer runs as well.
static _Atomic(size_t) tails;
static void tail_finalize(void *self) {
    CHECK_EQ_UINT(*(uint64_t *)self, 7);
    atomic_fetch_add(&tails, 1);
}
static wane_type tail_type = {.name = "tail", .size = 8, .finalize = tail_finalize};

TEST(finalizers_of_what_hangs_on_garbage) {
    struct member *all[MEMBERS];
    ring_new(all, MEMBERS, 0);
    for (size_t i = 0; i < MEMBERS; i++) {
        uint64_t *tail = wane_new(&tail_type);
        *tail = 7;
        wane_slot_give(&all[i]->other, tail);
    }
    drop(all, MEMBERS);
    CHECK_EQ_UINT(wane_gc_collect(2), MEMBERS);
    CHECK_EQ_UINT(atomic_load(&tails), MEMBERS);
}

// Weak references.

TEST(weak_references_to_a_living_ring) {
    struct member *all[MEMBERS];
    ring_new(all, MEMBERS, 0x15);
    wane_weak *w = wane_weak_new(all[3], NULL, NULL);
    struct member *held = wane_retain(all[0]);
    drop(all, MEMBERS);
    for (int generation = 0; generation <= WANE_GC_FULL; generation++) {
        CHECK_EQ_UINT(wane_gc_collect(generation), 0);
        struct member *m = wane_weak_get(w);
        CHECK(m != NULL);
        wane_release(m);
    }
    // A unit out of the weak reference holds the ring.
    struct member *m = wane_weak_get(w);
    wane_release(held);
    CHECK_EQ_UINT(wane_gc_collect(2), 0);
    wane_release(m);
    CHECK_EQ_UINT(wane_gc_collect(2), MEMBERS);
    CHECK_EQ_PTR(wane_weak_get(w), NULL);
    wane_release(w);
}

// A member's own slot holds the weak reference to another member.
TEST(weak_references_inside_garbage) {
    struct member *all[MEMBERS];
    ring_new(all, MEMBERS, 0);
    for (size_t i = 0; i < MEMBERS; i++) {
        wane_slot_give(&all[i]->other, wane_weak_new(all[(i + 1) % MEMBERS], NULL, NULL));
    }
    drop(all, MEMBERS);
    CHECK_EQ_UINT(wane_gc_collect(2), MEMBERS);
}

// Threads upgrade while the ring dies: whoever gets it has it whole, and NULL is for good.

static wane_weak *watched[MEMBERS];
static _Atomic(bool) stop;

static void *upgrade(void *index) {
    test_rng r = test_rng_make((uint64_t)(uintptr_t)index);
    size_t got = 0;
    while (!atomic_load(&stop)) {
        size_t i = test_below(&r, MEMBERS);
        struct member *m = wane_weak_get(watched[i]);
        if (m == NULL) {
            CHECK_EQ_PTR(wane_weak_get(watched[i]), NULL);
            break;
        }
        got++;
        for (size_t k = 0; k < MEMBERS; k++) {
            struct member *next = wane_slot_load(&m->next);
            CHECK(next != NULL);
            CHECK_EQ_UINT(next->destroyed, 0);
            CHECK_EQ_UINT(next->number, (m->number + 1) % MEMBERS);
            wane_release(m);
            m = next;
        }
        wane_release(m);
        if (test_below(&r, 8) == 0) {
            test_sleep_ns(test_below(&r, 20000));
        }
    }
    return NULL;
}

TEST(upgrades_beside_the_verdict) {
    int rounds = TEST_TSAN || TEST_ASAN ? 100 : 300;
    for (int i = 0; i < rounds; i++) {
        struct member *all[MEMBERS];
        pthread_t threads[2];
        ring_new(all, MEMBERS, i % 2 == 0 ? 0 : 0x21);
        atomic_store(&stop, false);
        for (size_t k = 0; k < MEMBERS; k++) {
            watched[k] = wane_weak_new(all[k], NULL, NULL);
        }
        for (size_t t = 0; t < 2; t++) {
            threads[t] = api_thread(upgrade, (void *)t);
        }
        drop(all, MEMBERS);
        for (int k = 0; k < 20 && atomic_load(&destroyed) == 0; k++) {
            wane_gc_collect(k % 3);
        }
        atomic_store(&stop, true);
        for (size_t t = 0; t < 2; t++) {
            api_join(threads[t]);
        }
        wane_gc_collect(2);
        CHECK_EQ_UINT(atomic_load(&destroyed), MEMBERS);
        for (size_t k = 0; k < MEMBERS; k++) {
            CHECK_EQ_PTR(wane_weak_get(watched[k]), NULL);
            wane_release(watched[k]);
        }
    }
}

// Types that are left alone.

static wane_type acyclic_type = {
    .name = "acyclic",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, left, right),
    .flags = WANE_TYPE_ACYCLIC,
};
static wane_type uncollectable_type = {
    .name = "uncollectable",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, left, right),
    .flags = WANE_TYPE_UNCOLLECTABLE,
};

TEST(acyclic_types_are_left_alone) {
    struct node *n = wane_new(&acyclic_type);
    CHECK(!wane_gc_is_tracked(n));
    wane_slot_store(&n->left, n);
    struct node *borrowed = n;
    wane_release(n);
    CHECK_EQ_UINT(wane_gc_collect(2), 0);
    CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), 0);
    CHECK_EQ_UINT(wane_refcount(borrowed), 1);
    wane_slot_clear(&borrowed->left);
    CHECK_EQ_INT(wane_flush(), 0);
}

TEST(uncollectable_types_are_kept) {
    wane_gc_disable();
    size_t before = atomic_load(&nodes_dead);
    wane_gc_stats then[3], now[3];
    wane_gc_get_stats(then);
    struct node *n = wane_new(&uncollectable_type), *a = node_new(1), *b = node_new(2);
    wane_slot_store(&n->left, n);
    // Kept with all that it reaches; what reaches it is not.
    wane_slot_give(&n->right, node_new(3));
    wane_slot_store(&a->left, n);
    wane_slot_store(&a->right, b);
    wane_slot_give(&b->right, a);
    struct node *borrowed = n;
    wane_release(b);
    wane_release(n);
    wane_gc_event e;
    CHECK_EQ_INT(wane_gc_run(2, &e), 0);
    CHECK_EQ_UINT(e.collected, 2);
    CHECK_EQ_UINT(e.uncollectable, 2);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), before + 2);
    wane_gc_get_stats(now);
    CHECK_EQ_UINT(now[2].uncollectable, then[2].uncollectable + 2);
    CHECK_EQ_UINT(api_stats().live_objects, 2);
    // Reported once.
    CHECK_EQ_UINT(wane_gc_collect(2), 0);
    CHECK_EQ_INT(wane_gc_run(WANE_GC_FULL, &e), 0);
    CHECK_EQ_UINT(e.collected + e.uncollectable, 0);
    void *kept[2] = {NULL};
    CHECK_EQ_UINT(wane_gc_get_unreachable(kept, 2), 1);
    CHECK_EQ_PTR(kept[0], borrowed);
    wane_slot_clear(&borrowed->left);
    wane_release(kept[0]);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), before + 3);
}
