// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// What is found unreachable and kept: uncollectable types, WANE_GC_SAVEALL, the list that holds it.

#include "api.h"

static void begin(void) {
    wane_gc_disable();
    wane_gc_set_debug(0);
    wane_gc_collect(2);
    CHECK_EQ_UINT(wane_gc_get_unreachable(NULL, 0), 0);
}

static _Atomic(size_t) finalized;
static void count_final(void *self) {
    (void)self;
    atomic_fetch_add(&finalized, 1);
}

static wane_type odd_type = {
    .name = "odd",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, left, right),
    .finalize = count_final,
    .flags = WANE_TYPE_UNCOLLECTABLE,
};

static struct node *odd_new(uint64_t number) {
    struct node *n = wane_new(&odd_type);
    CHECK(n != NULL);
    n->number = number;
    return n;
}

// Two that refer to each other and are dropped.
static struct node *odd_pair(uint64_t number) {
    struct node *a = odd_new(number), *b = odd_new(number + 1);
    wane_slot_store(&a->left, b);
    wane_slot_give(&b->left, a);
    wane_release(b);
    return a;
}

static wane_gc_event run(int generation) {
    wane_gc_event e;
    CHECK_EQ_INT(wane_gc_run(generation, &e), 0);
    return e;
}

// Takes all that there is, breaks its cycles and lets it go. Returns how many.
static size_t take_all(void) {
    void *found[8];
    size_t n, all = 0, there = wane_gc_get_unreachable(NULL, 0);
    while ((n = wane_gc_get_unreachable(found, 8)) > 0) {
        for (size_t i = 0; i < n; i++) {
            struct node *it = found[i];
            wane_slot_clear(&it->left);
            wane_slot_clear(&it->right);
            wane_release(it);
        }
        all += n;
    }
    CHECK_EQ_UINT(all, there);
    CHECK_EQ_INT(wane_flush(), 0);
    return all;
}

TEST(cycles_of_an_uncollectable_type) {
    begin();
    for (int generation = 0; generation <= WANE_GC_FULL; generation++) {
        atomic_store(&finalized, 0);
        struct node *a = odd_pair(1);
        wane_gc_event e = run(generation);
        CHECK_EQ_UINT(e.collected, 0);
        CHECK_EQ_UINT(e.uncollectable, 2);
        CHECK_EQ_UINT(wane_gc_get_unreachable(NULL, 0), 2);
        CHECK_EQ_UINT(wane_gc_get_unreachable(NULL, 100), 2);
        CHECK_EQ_UINT(atomic_load(&finalized), 0);
        CHECK_EQ_UINT(wane_refcount(a), 2);  // the slot's and the list's
        void *one[2] = {NULL, NULL};
        CHECK_EQ_UINT(wane_gc_get_unreachable(one, 0), 0);
        CHECK_EQ_UINT(wane_gc_get_unreachable(one, 1), 1);
        CHECK_EQ_UINT(wane_gc_get_unreachable(one + 1, 5), 1);
        CHECK_EQ_UINT(wane_gc_get_unreachable(one, 1), 0);
        CHECK(one[0] != one[1] && wane_typeof(one[0]) == &odd_type && wane_typeof(one[1]) == &odd_type);
        // Held: not found again. Given up as it is: found and reported again.
        CHECK_EQ_UINT(run(2).uncollectable, 0);
        wane_release(one[0]);
        wane_release(one[1]);
        CHECK_EQ_UINT(run(2).uncollectable, 2);
        CHECK_EQ_UINT(take_all(), 2);
        CHECK_EQ_UINT(atomic_load(&finalized), 2);
        CHECK_EQ_UINT(api_stats().live_objects, 0);
    }
}

// A cycle through such an object is kept, with what hangs on it; what only refers to it is not, and such an
// object that is on no cycle dies.
TEST(what_is_kept_with_it) {
    begin();
    size_t dead = atomic_load(&nodes_dead);
    struct node *odd = odd_new(1), *partner = node_new(2), *hanging = node_new(3);
    wane_weak *weak = wane_weak_new(hanging, NULL, NULL), *other = wane_weak_new(odd, NULL, NULL);
    wane_slot_give(&partner->right, hanging);
    wane_slot_store(&odd->left, partner);
    struct node *before = node_pair();
    wane_slot_store(&before->right, odd);
    struct node *ends = node_pair();
    wane_slot_give(&ends->right, odd_new(4));
    wane_slot_give(&partner->left, odd);
    wane_release(partner);
    wane_release(before);
    wane_release(ends);
    wane_gc_event e = run(2);
    CHECK_EQ_UINT(e.collected, 5);
    CHECK_EQ_UINT(e.uncollectable, 3);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 4);
    CHECK_EQ_UINT(wane_gc_get_unreachable(NULL, 0), 1);
    void *got = wane_weak_get(weak), *got_odd = wane_weak_get(other);
    CHECK(got == hanging && got_odd == odd);
    wane_release(got);
    wane_release(got_odd);
    CHECK_EQ_UINT(take_all(), 1);
    CHECK_EQ_PTR(wane_weak_get(weak), NULL);
    CHECK_EQ_PTR(wane_weak_get(other), NULL);
    wane_release(weak);
    wane_release(other);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 6);
}

TEST(saving_all) {
    begin();
    size_t dead = atomic_load(&nodes_dead);
    wane_gc_set_debug(WANE_GC_SAVEALL);
    CHECK_EQ_UINT(wane_gc_get_debug(), WANE_GC_SAVEALL);
    struct node *a = node_pair();
    wane_weak *weak = wane_weak_new(a, NULL, NULL);
    wane_slot_give(&a->right, node_new(3));
    wane_release(a);
    wane_release(node_new(4));  // dies by counting all the same
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
    wane_gc_event e = run(2);
    CHECK_EQ_UINT(e.collected, 0);
    CHECK_EQ_UINT(e.uncollectable, 3);
    wane_gc_set_debug(0);
    CHECK_EQ_UINT(run(2).uncollectable, 0);
    void *got = wane_weak_get(weak);
    CHECK_EQ_PTR(got, a);
    wane_release(got);
    wane_release(weak);
    CHECK_EQ_UINT(take_all(), 3);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 4);
}

// The list empties while it fills; oldest first.
static _Atomic(bool) stop;
static _Atomic(size_t) taken;

static void *take_all_the_time(void *unused) {
    while (!atomic_load(&stop)) {
        void *found[3];
        size_t n = wane_gc_get_unreachable(found, 3);
        for (size_t i = 0; i < n; i++) {
            wane_slot_clear(&((struct node *)found[i])->left);
            wane_release(found[i]);
        }
        atomic_fetch_add(&taken, n);
    }
    return unused;
}

static void *make_and_collect(void *unused) {
    for (uint64_t i = 0; i < 60; i++) {
        odd_pair(2 * i);
        odd_pair(2 * i);
        wane_gc_collect((int)(i % 4));
    }
    return unused;
}

TEST(taken_beside_collections) {
    begin();
    atomic_store(&stop, false);
    atomic_store(&taken, 0);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        threads[i] = api_thread(i < 2 ? take_all_the_time : make_and_collect, NULL);
    }
    api_join(threads[2]);
    api_join(threads[3]);
    atomic_store(&stop, true);
    api_join(threads[0]);
    api_join(threads[1]);
    wane_gc_collect(2);
    CHECK(atomic_load(&taken) + take_all() >= 2);
    wane_gc_collect(2);
    take_all();
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

// In the child of a fork the list is there, with its units.
static void in_child(void *n) {
    CHECK_EQ_UINT(wane_gc_get_unreachable(NULL, 0), *(size_t *)n);
    CHECK_EQ_UINT(take_all(), *(size_t *)n);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

TEST(after_a_fork) {
    begin();
    for (uint64_t i = 0; i < 100; i++) {
        odd_pair(i);
    }
    CHECK_EQ_UINT(run(2).uncollectable, 200);
    size_t n = 200;
    if (!TEST_TSAN) {
        check_in_child(in_child, &n);
    }
    CHECK_EQ_UINT(take_all(), 200);
}

static void *fork_it(void *unused) {
    (void)unused;
    for (int i = 0; i < 10; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            wane_gc_collect(2);
            take_all();
            wane_gc_collect(2);
            take_all();
            _exit(0);
        }
        int status = 0;
        CHECK_EQ_INT(waitpid(child, &status, 0), child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    return NULL;
}

TEST(forks_beside_keeping) {
    if (TEST_ASAN || TEST_TSAN) {
        SKIP("the sanitizer's allocator may be locked by a thread that the child lacks");
    }
    begin();
    pthread_t forks = api_thread(fork_it, NULL);
    make_and_collect(NULL);
    api_join(forks);
    wane_gc_collect(2);
    take_all();
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

// The lines: types by count, and the slots that form the cycles.
static char logged[8192];
static void take_line(int level, const char *line, void *unused) {
    (void)level, (void)unused;
    size_t n = strlen(logged);
    snprintf(logged + n, sizeof logged - n, "%s\n", line);
}

static const size_t by_hand[] = {offsetof(struct node, right), WANE_SLOTS_END};
static wane_type hand_type = {
    .name = "hand", .size = sizeof(struct node), .slots = by_hand, .flags = WANE_TYPE_UNCOLLECTABLE};

TEST(lines_about_what_is_kept) {
    begin();
    wane_gc_set_debug(WANE_GC_DEBUG_UNCOLLECTABLE);
    wane_set_log(take_line, NULL);
    odd_pair(1);
    struct node *h = wane_new(&hand_type);
    wane_slot_give(&h->right, h);
    wane_release(node_pair());
    wane_gc_collect(2);
    wane_set_log(NULL, NULL);
    CHECK_MSG(strstr(logged, "uncollectable: 2 objects of type \"odd\"") != NULL, "%s", logged);
    CHECK_MSG(strstr(logged, "uncollectable: on cycles: 2 references from slot `left` of type \"odd\"") != NULL, "%s", logged);
    CHECK_MSG(strstr(logged, "1 references from slot `+8` of type \"hand\" to type \"hand\"") != NULL, "%s", logged);
    CHECK_MSG(strstr(logged, "\"node\"") == NULL, "%s", logged);
    wane_gc_set_debug(0);
    CHECK_EQ_UINT(take_all(), 3);
}
