// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Lists and deques: each call, their ends and errors, against a plain array that does the same; readers, writers and
// iterators beside each other; cycles.

#include "api.h"

#include <wane/values.h>

static uint64_t number_of(void *obj) {
    struct node *n = obj;
    CHECK_EQ_UINT(n->canary, NODE_CANARY);
    return n->number;
}

static void append_new(wane_list *l, uint64_t number) {
    WANE_AUTO struct node *n = node_new(number);
    CHECK_EQ_INT(wane_list_append(l, n), 0);
}

static wane_list *list_of(size_t n) {
    wane_list *l = wane_list_new(0);
    CHECK(l != NULL);
    for (size_t i = 0; i < n; i++) {
        append_new(l, i);
    }
    return l;
}

static void check_list(wane_list *l, const uint64_t *want, size_t n) {
    CHECK_EQ_UINT(wane_list_len(l), n);
    for (size_t i = 0; i < n; i++) {
        WANE_AUTO struct node *got = wane_list_get(l, i);
        CHECK_EQ_UINT(number_of(got), want[i]);
        wane_guard_enter();
        CHECK_EQ_PTR(wane_list_peek(l, i), got);
        wane_guard_leave();
    }
    size_t at = 0;
    WANE_FOR(struct node, item, wane_list_iter(l)) { CHECK_EQ_UINT(item->number, want[at++]); }
    CHECK_EQ_INT(errno, 0);
    CHECK_EQ_UINT(at, n);
    errno = 0;
    CHECK_EQ_PTR(wane_list_get(l, n), NULL);
    CHECK_EQ_INT(errno, ERANGE);
}

TEST(list_ends_and_errors) {
    WANE_AUTO wane_list *l = wane_list_new(3);
    WANE_AUTO struct node *n = node_new(1);
    check_list(l, NULL, 0);
    CHECK_EQ_INT(wane_list_append(l, NULL), -EINVAL);
    CHECK_EQ_INT(wane_list_append(NULL, n), -EINVAL);
    CHECK_EQ_INT(wane_list_insert(l, 1, n), -ERANGE);
    CHECK_EQ_INT(wane_list_insert(l, SIZE_MAX, n), -ERANGE);
    CHECK_EQ_INT(wane_list_set(l, 0, n), -ERANGE);
    CHECK_EQ_PTR(wane_list_pop(l, 0), NULL);
    CHECK_EQ_INT(errno, ERANGE);
    errno = 0;
    CHECK_EQ_PTR(wane_list_pop(l, SIZE_MAX), NULL);
    CHECK_EQ_INT(errno, ERANGE);
    CHECK_EQ_UINT(wane_list_len(NULL), 0);
    CHECK_EQ_PTR(wane_list_get(NULL, 0), NULL);
    CHECK_EQ_INT(errno, EINVAL);
    CHECK_EQ_PTR(wane_list_iter(NULL), NULL);
    CHECK_EQ_INT(wane_list_sort(l, NULL, NULL), -EINVAL);
    CHECK_EQ_INT(wane_list_extend(l, NULL), -EINVAL);
    CHECK_EQ_PTR(wane_list_new(SIZE_MAX), NULL);
    CHECK_EQ_INT(errno, EOVERFLOW);
    CHECK_EQ_PTR(wane_typeof(l), &wane_list_type);
}

// The same operations on a list and on a plain array, with iterators left open now and then.
TEST(list_does_what_an_array_does) {
    enum { MOST = 60, STEPS = 20000 };
    test_rng rng = test_rng_make(0);
    uint64_t model[MOST + 1];
    size_t n = 0;
    WANE_AUTO wane_list *l = wane_list_new(0);
    WANE_AUTO wane_iter *open = NULL;
    for (uint64_t step = 1; step <= STEPS; step++) {
        size_t at = (size_t)test_below(&rng, n + 1);
        uint64_t what = test_below(&rng, 20);
        if (what == 0) {
            wane_clear(&open);
            open = wane_list_iter(l);
            wane_release(wane_iter_next(open));
        }
        if (what < 9 && n < MOST) {
            WANE_AUTO struct node *x = node_new(step);
            CHECK_EQ_INT(wane_list_insert(l, at, x), 0);
            memmove(&model[at + 1], &model[at], (n - at) * sizeof model[0]);
            model[at] = step;
            n++;
        } else if (what < 17 && at < n) {
            WANE_AUTO struct node *x = wane_list_pop(l, at);
            CHECK_EQ_UINT(number_of(x), model[at]);
            memmove(&model[at], &model[at + 1], (n - at - 1) * sizeof model[0]);
            n--;
        } else if (what == 18 && at < n) {
            WANE_AUTO struct node *x = node_new(step);
            CHECK_EQ_INT(wane_list_set(l, at, x), 0);
            model[at] = step;
        } else if (what == 19 && step % 50 == 0) {
            wane_list_clear(l);
            n = 0;
        }
        if (step % 16 == 0) {
            check_list(l, model, n);
        }
    }
}

static int by_hundreds(const void *a, const void *b, void *arg) {
    ++*(size_t *)arg;
    uint64_t x = ((const struct node *)a)->number / 100, y = ((const struct node *)b)->number / 100;
    return (x > y) - (x < y);
}

TEST(sort_is_stable) {
    test_rng rng = test_rng_make(1);
    for (size_t n = 0; n < 70; n++) {
        size_t compared = 0;
        WANE_AUTO wane_list *l = wane_list_new(0);
        for (size_t i = 0; i < n; i++) {
            append_new(l, test_below(&rng, 10) * 100 + i); // hundreds sort, the rest is the order of arrival
        }
        CHECK_EQ_INT(wane_list_sort(l, by_hundreds, &compared), 0);
        CHECK_EQ_UINT(wane_list_len(l), n);
        for (size_t i = 1; i < n; i++) {
            WANE_AUTO struct node *a = wane_list_get(l, i - 1);
            WANE_AUTO struct node *b = wane_list_get(l, i);
            CHECK(a->number < b->number); // hundreds first, then arrival
        }
    }
}

static wane_list *sorted;
static int changes_the_list(const void *a, const void *b, void *arg) {
    if (*(int *)arg > 0) {
        --*(int *)arg;
        append_new(sorted, 99);
    }
    return by_hundreds(a, b, &(size_t){0});
}

TEST(sort_of_a_list_that_is_changed_meanwhile) {
    int once = 1;
    sorted = list_of(3);
    CHECK_EQ_INT(wane_list_sort(sorted, changes_the_list, &once), -EBUSY);
    check_list(sorted, (uint64_t[]){0, 1, 2, 99}, 4);
    wane_clear(&sorted);
}

TEST(extend_with_itself_and_others) {
    WANE_AUTO wane_list *l = list_of(3);
    CHECK_EQ_INT(wane_list_extend(l, wane_list_iter(l)), 0);
    check_list(l, (uint64_t[]){0, 1, 2, 0, 1, 2}, 6);
    CHECK_EQ_INT(wane_list_extend(NULL, wane_list_iter(l)), -EINVAL);
}

// What stays is seen once, whatever else is done to the list on the way.
TEST(an_iterator_over_a_list_that_changes) {
    test_rng rng = test_rng_make(2);
    for (int round = 0; round < 300; round++) {
        enum { N = 40 };
        uint64_t seen[N] = {0}, stays[N];
        WANE_AUTO wane_list *l = list_of(N);
        for (size_t i = 0; i < N; i++) {
            stays[i] = 1;
        }
        WANE_FOR(struct node, x, wane_list_iter(l)) {
            if (x->number < N) {
                seen[x->number]++;
            }
            size_t at = (size_t)test_below(&rng, wane_list_len(l) + 1);
            WANE_AUTO struct node *gone = NULL;
            size_t compared = 0;
            switch (test_below(&rng, 5)) {
            case 0: gone = wane_list_pop(l, at); break;
            case 1: CHECK_EQ_INT(wane_list_sort(l, by_hundreds, &compared), 0); break;
            case 2: gone = wane_list_pop(l, 0); break;
            default: {
                WANE_AUTO struct node *more = node_new(1000);
                CHECK_EQ_INT(wane_list_insert(l, at, more), 0);
            }
            }
            if (gone != NULL && gone->number < N) {
                stays[gone->number] = 0;
            }
        }
        for (size_t i = 0; i < N; i++) {
            CHECK(seen[i] <= 1 && (!stays[i] || seen[i] == 1));
        }
    }
}

TEST(a_list_that_holds_itself) {
    size_t dead = atomic_load(&nodes_dead);
    wane_list *l = list_of(5);
    CHECK_EQ_INT(wane_list_append(l, l), 0);
    wane_iter *it = wane_list_iter(l);
    CHECK_EQ_INT(wane_list_append(l, it), 0);
    wane_release(it);
    wane_release(l);
    CHECK_EQ_INT(wane_flush(), 0);
    wane_gc_collect(WANE_GC_FULL);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 5);
}

// Threads: each element is popped as often as it was pushed; readers find whole elements; the collector runs.

static wane_list *shared_list;
static wane_deque *shared_deque;
static _Atomic(uint64_t) sum_in, sum_out;
static _Atomic(bool) stop_reading;
enum { WRITERS = 4, PUSHES = 1000 };

static void *change_list(void *index) {
    test_rng rng = test_rng_make(10 + (uint64_t)(uintptr_t)index);
    for (uint64_t i = 1; i <= PUSHES; i++) {
        WANE_AUTO struct node *n = node_new(i);
        size_t at = (size_t)test_below(&rng, 12);
        if (wane_list_insert(shared_list, at, n) == 0 || wane_list_append(shared_list, n) == 0) {
            atomic_fetch_add(&sum_in, i);
        }
        // A cycle by way of the list, which is only found when it is let go.
        if (i % 16 == 0) {
            wane_slot_store(&n->left, shared_list);
        }
        if (wane_list_len(shared_list) > 20) {
            WANE_AUTO struct node *out = wane_list_pop(shared_list, (size_t)test_below(&rng, 12));
            atomic_fetch_add(&sum_out, out != NULL ? number_of(out) : 0);
        }
        if (i % 500 == 0) {
            wane_gc_collect(0);
        }
    }
    return NULL;
}

static void *read_list(void *unused) {
    test_rng rng = test_rng_make(30);
    while (!atomic_load(&stop_reading)) {
        wane_guard_enter();
        void *seen = wane_list_peek(shared_list, (size_t)test_below(&rng, 24));
        if (seen != NULL) {
            number_of(seen);
        }
        wane_guard_leave();
        size_t turns = 0, most = test_below(&rng, 40);
        WANE_FOR(struct node, n, wane_list_iter(shared_list)) {
            number_of(n);
            if (turns++ == most) {
                break;
            }
        }
    }
    return unused;
}

static void run_threads(void *(*change)(void *), void *(*look)(void *)) {
    pthread_t writers[WRITERS], reader;
    atomic_store(&sum_in, 0);
    atomic_store(&sum_out, 0);
    atomic_store(&stop_reading, false);
    reader = api_thread(look, NULL);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = api_thread(change, (void *)(uintptr_t)i);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        api_join(writers[i]);
    }
    atomic_store(&stop_reading, true);
    api_join(reader);
}

TEST(list_conservation) {
    shared_list = wane_list_new(0);
    run_threads(change_list, read_list);
    for (;;) {
        WANE_AUTO struct node *out = wane_list_pop(shared_list, 0);
        if (out == NULL) {
            break;
        }
        wane_slot_clear(&out->left);
        atomic_fetch_add(&sum_out, number_of(out));
    }
    CHECK_EQ_UINT(atomic_load(&sum_out), atomic_load(&sum_in));
    wane_clear(&shared_list);
    CHECK_EQ_INT(wane_flush(), 0);
    wane_gc_collect(WANE_GC_FULL);
}

// A thread changes the front, where positions go. What was there at the start is seen once by each iterator, in its order,
// and an index yields one of the two elements that may be there.

enum { STAYING = 30, STAYS = 5000, ROUNDS = 1000 };

static void *change_front(void *unused) {
    for (uint64_t i = 0; !atomic_load(&stop_reading); i++) {
        WANE_AUTO struct node *n = node_new(i % STAYS);
        CHECK_EQ_INT(wane_list_insert(shared_list, 0, n), 0);
        WANE_AUTO struct node *out = wane_list_pop(shared_list, 0);
        CHECK_EQ_PTR(out, n);
    }
    return unused;
}

TEST(what_stays_is_seen_once_beside_threads) {
    shared_list = list_of(0);
    for (uint64_t i = 0; i < STAYING; i++) {
        append_new(shared_list, STAYS + i);
    }
    atomic_store(&stop_reading, false);
    pthread_t front = api_thread(change_front, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t next = STAYS;
        WANE_FOR(struct node, n, wane_list_iter(shared_list)) {
            if (number_of(n) >= STAYS) {
                CHECK_EQ_UINT(n->number, next);
                next++;
            }
        }
        CHECK_EQ_UINT(next, STAYS + STAYING);
        WANE_AUTO struct node *last = wane_list_get(shared_list, STAYING - 1); // with one in front: the last but one
        CHECK(last->number == STAYS + STAYING - 1 || last->number == STAYS + STAYING - 2);
    }
    atomic_store(&stop_reading, true);
    api_join(front);
    wane_clear(&shared_list);
}

static void *change_deque(void *index) {
    test_rng rng = test_rng_make(40 + (uint64_t)(uintptr_t)index);
    for (uint64_t i = 1; i <= PUSHES; i++) {
        WANE_AUTO struct node *n = node_new(i);
        bool back = test_below(&rng, 2) == 0;
        CHECK_EQ_INT(back ? wane_deque_push_back(shared_deque, n) : wane_deque_push_front(shared_deque, n), 0);
        atomic_fetch_add(&sum_in, i);
        WANE_AUTO struct node *out = NULL;
        switch (test_below(&rng, 4)) {
        case 0: out = wane_deque_pop_back(shared_deque); break;
        case 1: out = wane_deque_pop_front(shared_deque); break;
        case 2: wane_deque_rotate(shared_deque, (ptrdiff_t)test_below(&rng, 9) - 4); break;
        default: break;
        }
        atomic_fetch_add(&sum_out, out != NULL ? number_of(out) : 0);
    }
    return NULL;
}

static void *read_deque(void *unused) {
    test_rng rng = test_rng_make(50);
    while (!atomic_load(&stop_reading)) {
        WANE_AUTO struct node *n = wane_deque_get(shared_deque, (size_t)test_below(&rng, 24));
        if (n != NULL) {
            number_of(n);
        }
        WANE_FOR(struct node, x, wane_iter_take(wane_deque_iter(shared_deque), 10)) { number_of(x); }
    }
    return unused;
}

TEST(deque_conservation) {
    shared_deque = wane_deque_new(0);
    run_threads(change_deque, read_deque);
    for (;;) {
        WANE_AUTO struct node *out = wane_deque_pop_front(shared_deque);
        if (out == NULL) {
            break;
        }
        atomic_fetch_add(&sum_out, number_of(out));
    }
    CHECK_EQ_UINT(atomic_load(&sum_out), atomic_load(&sum_in));
    wane_clear(&shared_deque);
}

static void check_deque(wane_deque *d, const uint64_t *want, size_t n) {
    CHECK_EQ_UINT(wane_deque_len(d), n);
    for (size_t i = 0; i < n; i++) {
        WANE_AUTO struct node *got = wane_deque_get(d, i);
        CHECK_EQ_UINT(number_of(got), want[i]);
    }
    size_t at = 0;
    WANE_FOR(struct node, x, wane_deque_iter(d)) { CHECK_EQ_UINT(x->number, want[at++]); }
    CHECK_EQ_UINT(at, n);
}

TEST(deque_limit) {
    WANE_AUTO wane_deque *d = wane_deque_new(3);
    for (uint64_t i = 0; i < 5; i++) {
        WANE_AUTO struct node *n = node_new(i);
        CHECK_EQ_INT(wane_deque_push_back(d, n), 0);
    }
    check_deque(d, (uint64_t[]){2, 3, 4}, 3);
    WANE_AUTO struct node *n = node_new(9);
    CHECK_EQ_INT(wane_deque_push_front(d, n), 0);
    check_deque(d, (uint64_t[]){9, 2, 3}, 3);
    errno = 79;
    wane_deque_clear(d);
    CHECK_EQ_PTR(wane_deque_pop_back(d), NULL);
    CHECK_EQ_PTR(wane_deque_pop_front(d), NULL);
    CHECK_EQ_INT(errno, 79);
    CHECK_EQ_PTR(wane_deque_get(d, 0), NULL);
    CHECK_EQ_INT(errno, ERANGE);
    WANE_AUTO wane_deque *one = wane_deque_new(1);
    for (uint64_t i = 0; i < 9; i++) {
        WANE_AUTO struct node *x = node_new(i);
        CHECK_EQ_INT(i % 3 == 0 ? wane_deque_push_front(one, x) : wane_deque_push_back(one, x), 0);
        check_deque(one, &i, 1);
    }
}

// Every length up to beyond two sizes of storage, every distance, with and without an iterator that is left open.
TEST(deque_rotations) {
    for (size_t n = 0; n <= 17; n++) {
        for (ptrdiff_t by = -20; by <= 20; by++) {
            for (int iterated = 0; iterated < 2; iterated++) {
                uint64_t want[20];
                WANE_AUTO wane_deque *d = wane_deque_new(0);
                for (size_t i = 0; i < n; i++) {
                    WANE_AUTO struct node *x = node_new(i);
                    CHECK_EQ_INT(wane_deque_push_back(d, x), 0);
                    want[((ptrdiff_t)i + by % (ptrdiff_t)n + (ptrdiff_t)n) % (ptrdiff_t)n] = i;
                }
                WANE_AUTO wane_iter *open = iterated ? wane_deque_iter(d) : NULL;
                wane_deque_rotate(d, by);
                check_deque(d, want, n);
                size_t left = 0;
                WANE_FOR(struct node, x, wane_retain(open)) { CHECK_EQ_UINT(x->number, left++); }
                CHECK_EQ_UINT(left, iterated ? n : 0);
            }
        }
    }
}
