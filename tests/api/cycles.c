// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Dead cycles of every shape are found by one collection, and living ones never. What finalizers and
// weak references see of them is in cycles_final.c, random graphs are in cycles_random.c.

#include "api.h"

// What the collection of generation 2 finds, when nothing collects by itself.
static void collect(size_t want) {
    wane_gc_disable();
    CHECK_EQ_UINT(wane_gc_collect(2), want);
}

static void check_all_died(size_t before, size_t count) {
    CHECK_EQ_UINT(atomic_load(&nodes_dead), before + count);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

// Closed in each way that a unit gets into a slot.
enum way { BY_STORE, BY_GIVE, BY_INIT, BY_SWAP, BY_CAS, WAYS };

static void refer(wane_slot *s, struct node *n, enum way way) {
    switch (way) {
    case BY_STORE:
        wane_slot_store(s, n);
        return;
    case BY_GIVE:
        wane_slot_give(s, wane_retain(n));
        return;
    case BY_INIT:
        wane_slot_init(s, wane_retain(n));
        return;
    case BY_SWAP:
        CHECK_EQ_PTR(wane_slot_swap(s, wane_retain(n)), NULL);
        return;
    default:
        CHECK(wane_slot_cas(s, NULL, n));
    }
}

// A ring of `size` nodes through `right`; returns the first, which the caller holds.
static struct node *ring_new(size_t size, enum way way) {
    struct node *first = node_new(0), *last = wane_retain(first);
    for (size_t i = 1; i < size; i++) {
        struct node *n = node_new(i);
        refer(&last->right, n, way);
        wane_release(last);
        last = n;
    }
    refer(&last->right, first, way);
    wane_release(last);
    return first;
}

// Objects whose end is only that of their memory: no `destroy`. By the thread that made them and by
// another; some also refer to what lives.

struct plain {
    wane_slot next, other;
};
static wane_type plain_type = {
    .name = "plain", .size = sizeof(struct plain), .slots = WANE_SLOTS(struct plain, next, other)};

static void *drop_plain_rings(void *living) {
    for (size_t i = 0; i < 3000; i++) {
        struct plain *first = wane_new(&plain_type), *last = first;
        for (size_t k = 0; k < i % 4; k++) {
            struct plain *p = wane_new(&plain_type);
            CHECK(p != NULL);
            wane_slot_init(&last->next, p);
            last = p;
        }
        if (i % 3 == 0) {
            wane_slot_store(&last->other, living);
        }
        wane_slot_give(&last->next, first);
    }
    return NULL;
}

TEST(rings_that_need_no_destroy) {
    for (int way = 0; way < 4; way++) {
        wane_gc_disable();
        struct plain *living = wane_new(&plain_type);
        wane_slot_store(&living->other, living);
        if (way % 2 == 0) {
            drop_plain_rings(living);
        } else {
            api_elsewhere(drop_plain_rings, living);
        }
        CHECK_EQ_UINT(wane_gc_collect(way < 2 ? 0 : 2), 7500);
        CHECK_EQ_UINT(wane_refcount(living), 2);
        wane_release(living);
        CHECK_EQ_UINT(wane_gc_collect(2), 1);
        CHECK_EQ_UINT(api_stats().live_objects, 0);
    }
}

TEST(rings) {
    static const size_t sizes[] = {1, 2, 3, 10, 1000, 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (enum way way = 0; way < WAYS; way++) {
            size_t before = atomic_load(&nodes_dead);
            struct node *n = ring_new(sizes[i], way);
            collect(0);
            wane_release(n);
            collect(sizes[i]);
            check_all_died(before, sizes[i]);
        }
    }
}

// The units move into the slots: no stack unit is ever released.
TEST(closed_by_moves_alone) {
    size_t before = atomic_load(&nodes_dead);
    struct node *a = node_new(1), *b = node_new(2);
    wane_slot_init(&a->left, b);
    wane_slot_give(&b->left, a);
    collect(2);
    a = node_new(3);
    wane_slot_give(&a->left, a);
    collect(1);
    a = node_new(4);
    wane_slot_init(&a->right, a);
    collect(1);
    check_all_died(before, 4);
}

TEST(a_doubly_linked_list) {
    enum { LENGTH = 3000 };
    size_t before = atomic_load(&nodes_dead);
    struct node *first = node_new(0), *last = wane_retain(first);
    for (uint64_t i = 1; i < LENGTH; i++) {
        struct node *n = node_new(i);
        wane_slot_store(&last->right, n);
        wane_slot_store(&n->left, last);
        wane_release(last);
        last = n;
    }
    wane_release(last);
    collect(0);
    wane_release(first);
    collect(LENGTH);
    check_all_died(before, LENGTH);
}

struct branch {
    wane_slot parent;
    wane_slot child[3];
    struct node *unused;
};
static wane_type branch_type = {
    .name = "branch",
    .size = sizeof(struct branch),
    .slots = (const size_t[]){0, 8, 16, 24, WANE_SLOTS_END},
};

static size_t grow(struct branch *b, int depth) {
    size_t n = 1;
    for (int i = 0; i < 3 && depth > 0; i++) {
        struct branch *c = wane_new(&branch_type);
        wane_slot_store(&c->parent, b);
        n += grow(c, depth - 1);
        wane_slot_give(&b->child[i], c);
    }
    return n;
}

TEST(a_tree_with_parents) {
    struct branch *root = wane_new(&branch_type);
    size_t n = grow(root, 6);
    struct branch *middle = wane_slot_load(&root->child[1]);
    wane_release(root);
    collect(0);
    // Any member holds the whole tree.
    root = wane_slot_load(&middle->parent);
    CHECK(root != NULL);
    wane_release(root);
    wane_release(middle);
    collect(n);
}

// Arrays of slots behind the payload, or found by `trace`.

static wane_type array_type = {
    .name = "array", .size = sizeof(uint64_t), .flags = WANE_TYPE_EXTRA_SLOTS};

static wane_slot *array_slots(void *array) { return (wane_slot *)((uint64_t *)array + 1); }

TEST(a_clique) {
    enum { SIZE = 40 };
    void *all[SIZE];
    for (size_t i = 0; i < SIZE; i++) {
        all[i] = wane_new_extra(&array_type, SIZE * sizeof(wane_slot));
    }
    for (size_t i = 0; i < SIZE; i++) {
        for (size_t j = 0; j < SIZE; j++) {
            wane_slot_store(&array_slots(all[i])[j], all[j]);
        }
    }
    for (size_t i = 1; i < SIZE; i++) {
        wane_release(all[i]);
    }
    collect(0);
    wane_release(all[0]);
    collect(SIZE);
}

TEST(a_large_array_of_its_own_elements) {
    enum { SIZE = 1000000 };
    size_t before = atomic_load(&nodes_dead);
    void *array = wane_new_extra(&array_type, SIZE * sizeof(wane_slot));
    for (size_t i = 0; i < 2000; i++) {
        struct node *n = node_new(i);
        wane_slot_store(&n->left, array);
        wane_slot_give(&array_slots(array)[i * (SIZE / 2000)], n);
    }
    wane_release(array);
    collect(2001);
    check_all_died(before, 2000);
}

struct vector {
    size_t n;
    wane_slot *slots;
};

static void vector_trace(void *self, wane_visitor *v) {
    struct vector *vec = self;
    wane_visit_n(v, vec->slots, vec->n);
}

static void vector_destroy(void *self) {
    struct vector *vec = self;
    for (size_t i = 0; i < vec->n; i++) {
        CHECK_EQ_PTR(wane_slot_peek(&vec->slots[i]), NULL);
    }
    free(vec->slots);
}

static wane_type vector_type = {
    .name = "vector",
    .size = sizeof(struct vector),
    .trace = vector_trace,
    .destroy = vector_destroy,
};

static struct vector *vector_new(size_t n) {
    struct vector *v = wane_new(&vector_type);
    v->slots = calloc(n, sizeof *v->slots);
    CHECK(v->slots != NULL);
    v->n = n;
    return v;
}

TEST(through_trace) {
    size_t before = atomic_load(&nodes_dead);
    struct vector *v = vector_new(100), *inner = vector_new(3);
    for (size_t i = 0; i < 99; i++) {
        struct node *n = node_new(i);
        wane_slot_store(&n->right, i % 2 == 0 ? (void *)v : inner);
        wane_slot_give(&v->slots[i], n);
    }
    wane_slot_store(&inner->slots[0], v);
    wane_slot_store(&inner->slots[1], inner);
    wane_slot_give(&v->slots[99], inner);
    collect(0);
    wane_release(v);
    collect(101);
    check_all_died(before, 99);
}

// An outside object that dies with the garbage, and what hangs on it: cycles, lists, leaves.

TEST(hanging_off_other_garbage) {
    size_t before = atomic_load(&nodes_dead);
    struct node *a = ring_new(3, BY_STORE);
    struct node *list = NULL;
    for (uint64_t i = 0; i < 100; i++) {
        struct node *n = node_new(i);
        wane_slot_init(&n->right, list);
        list = n;
    }
    struct node *b = ring_new(4, BY_STORE);
    wane_slot_give(&list->left, b);
    wane_slot_give(&a->left, list);
    wane_slot_give(&b->left, leaf_new(1));
    collect(0);
    wane_release(a);
    collect(107);
    check_all_died(before, 107);
}

static wane_type bridge_type = {
    .name = "bridge",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, left, right),
    .flags = WANE_TYPE_ACYCLIC,
};

// The collector does not look at the object between two rings: the first one's death frees it, and what it held must be
// found by the same call.
TEST(hanging_off_an_acyclic_object) {
    size_t before = atomic_load(&nodes_dead);
    struct node *a = ring_new(2, BY_STORE), *bridge = wane_new(&bridge_type);
    wane_slot_give(&bridge->left, ring_new(3, BY_STORE));
    wane_slot_give(&a->left, bridge);
    collect(0);
    wane_release(a);
    collect(5);
    check_all_died(before, 5);
}

// Threads.

struct part {
    struct gate go;
    _Atomic(size_t) ready;
    struct node *made[2];
};

static void *make_two(void *arg) {
    struct part *p = arg;
    p->made[0] = node_new(1);
    p->made[1] = node_new(2);
    atomic_store(&p->ready, 1);
    gate_wait(&p->go);
    return NULL;
}

// A ring of what four threads made, dropped by this one; they sleep meanwhile, or have gone.
static void ring_of_others(bool sleeping) {
    enum { THREADS = 4 };
    static struct part parts[THREADS];
    pthread_t threads[THREADS];
    struct node *all[2 * THREADS];
    size_t before = atomic_load(&nodes_dead);
    for (size_t i = 0; i < THREADS; i++) {
        parts[i] = (struct part){.go = GATE_CLOSED};
        threads[i] = api_thread(make_two, &parts[i]);
        api_wait_count(&parts[i].ready, 1);
        all[i] = parts[i].made[0];
        all[THREADS + i] = parts[i].made[1];
    }
    for (size_t i = 0; i < THREADS && !sleeping; i++) {
        gate_set(&parts[i].go, true);
        api_join(threads[i]);
    }
    for (size_t i = 0; i < 2 * THREADS; i++) {
        wane_slot_store(&all[i]->left, all[(i + 1) % (2 * THREADS)]);
    }
    collect(0);
    for (size_t i = 0; i < 2 * THREADS; i++) {
        wane_release(all[i]);
    }
    collect(2 * THREADS);
    check_all_died(before, 2 * THREADS);
    for (size_t i = 0; i < THREADS && sleeping; i++) {
        gate_set(&parts[i].go, true);
        api_join(threads[i]);
    }
}

TEST(made_by_several_threads_that_sleep) { ring_of_others(true); }
TEST(made_by_several_threads_that_are_gone) { ring_of_others(false); }

static void *make_and_drop(void *size) {
    wane_release(ring_new((size_t)(uintptr_t)size, BY_GIVE));
    return NULL;
}

TEST(left_by_an_exited_thread) {
    size_t before = atomic_load(&nodes_dead);
    wane_gc_disable();
    api_elsewhere(make_and_drop, (void *)10);
    api_elsewhere(make_and_drop, (void *)20);
    collect(30);
    check_all_died(before, 30);
}

// A unit on another thread's stack holds the whole.
static void *hold_first(void *arg) {
    struct part *p = arg;
    struct node *n = ring_new(5, BY_GIVE);
    p->made[0] = n;
    atomic_store(&p->ready, 1);
    gate_wait(&p->go);
    wane_release(n);
    return NULL;
}

TEST(held_by_another_thread) {
    static struct part p = {.go = GATE_CLOSED};
    size_t before = atomic_load(&nodes_dead);
    pthread_t t = api_thread(hold_first, &p);
    api_wait_count(&p.ready, 1);
    for (int generation = 0; generation <= WANE_GC_FULL; generation++) {
        CHECK_EQ_UINT(wane_gc_collect(generation), 0);
    }
    gate_set(&p.go, true);
    api_join(t);
    collect(5);
    check_all_died(before, 5);
}

// Generations.

TEST(reached_from_older_generations) {
    wane_gc_disable();
    size_t before = atomic_load(&nodes_dead);
    struct node *old = ring_new(3, BY_STORE);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_UINT(wane_gc_collect(1), 0);
    }
    wane_slot_give(&old->left, ring_new(4, BY_STORE));
    CHECK_EQ_UINT(wane_gc_collect(0), 0);
    // Young garbage that refers to the old, and is found among the young.
    struct node *young = ring_new(2, BY_STORE);
    wane_slot_store(&young->left, old);
    wane_release(young);
    CHECK_EQ_UINT(wane_gc_collect(0), 2);
    wane_release(old);
    // The younger ring hangs on the older one: nothing to be decided among the young.
    CHECK_EQ_UINT(wane_gc_collect(0), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), before + 2);
    collect(7);
    check_all_died(before, 9);
}

TEST(across_generations) {
    wane_gc_disable();
    size_t before = atomic_load(&nodes_dead);
    struct node *old = node_new(1);
    wane_release(wane_retain(old));  // only what was looked at grows older
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_UINT(wane_gc_collect(1), 0);
    }
    struct node *young = node_new(2);
    wane_slot_store(&old->left, young);
    wane_slot_store(&young->left, old);
    wane_release(old);
    wane_release(young);
    CHECK_EQ_UINT(wane_gc_collect(0), 0);
    CHECK_EQ_UINT(wane_gc_collect(0), 0);
    collect(2);
    check_all_died(before, 2);
}

// A candidate that a young collection leaves alone is not forgotten.
TEST(held_for_a_while) {
    wane_gc_disable();
    wane_slot place = WANE_SLOT_EMPTY;
    for (int generation = 0; generation <= 2; generation++) {
        size_t before = atomic_load(&nodes_dead);
        struct node *n = ring_new(6, BY_STORE);
        wane_slot_give(&place, n);
        for (int i = 0; i < 4; i++) {
            CHECK_EQ_UINT(wane_gc_collect(generation), 0);
        }
        wane_slot_clear(&place);
        collect(6);
        check_all_died(before, 6);
    }
}

// Big ones.

static void big_ring(size_t size) {
    struct node *n = ring_new(size, BY_GIVE);
    size_t before = atomic_load(&nodes_dead);
    wane_release(n);
    collect(size);
    check_all_died(before, size);
    test_teardown();
    wane_trim();
    CHECK_MSG(api_stats().heap_bytes < 4u << 20, "%zu bytes are kept", api_stats().heap_bytes);
}

// What the process has in memory, in KiB.
static size_t resident(void) {
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f != NULL);
    CHECK_EQ_INT(fscanf(f, "%*s %zu", &pages), 1);
    fclose(f);
    return pages * 4;
}

TEST(a_big_ring) {
    size_t size = api_long() ? 10000000 : TEST_TSAN || TEST_ASAN ? 100000 : 1000000;
    uint64_t begin = test_now_ns();
    big_ring(1000);
    if (test_now_ns() - begin > 20 * API_MS) {
        size = 20000;  // a build with pauses in it
    }
    size_t before = resident();
    big_ring(size);
    if (!TEST_TSAN && !TEST_ASAN) {
        // Objects and side tables are back at the system.
        size_t after = resident();
        CHECK_MSG(after < before + 16384, "%zu KiB before, %zu after", before, after);
    }
}

// Rings that are cut open, so that counts alone free them, while they are looked at; others are left to the collector.

static _Atomic(bool) stop;

static void *cut_rings(void *index) {
    test_rng r = test_rng_make((uint64_t)(uintptr_t)index);
    for (int i = 1; !atomic_load(&stop); i++) {
        // A build with pauses in it is no match for three threads.
        while (i % 32 == 0 && api_stats().live_objects > 5000 && !atomic_load(&stop)) {
            test_sleep_ns(API_MS);
        }
        struct node *n = ring_new(1 + test_below(&r, 6), (enum way)test_below(&r, WAYS));
        if (test_below(&r, 4) != 0) {
            wane_slot_clear(&n->right);
        }
        wane_release(n);
    }
    return NULL;
}

TEST(died_while_they_were_looked_at) {
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    atomic_store(&stop, false);
    for (size_t i = 0; i < THREADS; i++) {
        threads[i] = api_thread(cut_rings, (void *)i);
    }
    uint64_t end = test_now_ns() + 300 * API_MS;
    for (int i = 0; i < 4 || test_now_ns() < end; i++) {
        wane_gc_collect(i % 4);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < THREADS; i++) {
        api_join(threads[i]);
    }
    wane_gc_collect(2);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

// Deaths that need nobody but the owner, which are plain stores while nothing is pinned. The full collections pin
// everything, and begin and end all the time.

static void *drop_in_batches(void *unused) {
    enum { BATCH = 500 };
    struct node *made[BATCH];
    for (size_t n = 0; !atomic_load(&stop) || n == 0; n++) {
        for (uint64_t i = 0; i < BATCH; i++) {
            made[i] = node_new(i);
        }
        for (int i = 0; i < BATCH; i++) {
            wane_release(made[i]);
        }
    }
    return unused;
}

TEST(died_by_their_owner_beside_full_collections) {
    pthread_t threads[3];
    atomic_store(&stop, false);
    for (int i = 0; i < 3; i++) {
        threads[i] = api_thread(drop_in_batches, NULL);
    }
    uint64_t end = test_now_ns() + 300 * API_MS;
    for (int i = 0; i < 4 || test_now_ns() < end; i++) {
        wane_gc_collect(WANE_GC_FULL);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) {
        api_join(threads[i]);
    }
    wane_gc_collect(2);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}
