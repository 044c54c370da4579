/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * stack.c: an intrusive stack that is taken whole: order, the answer of a push, threads that push
 * and take.
 */
#include "base/stack.h"

#include <pthread.h>
#include <sched.h>

#include "harness.h"

enum { PUSHERS = 3, ROUNDS = 40000, CIRCULATING = 500, MOST = 5 };

struct node {
    struct wane__link link; /* first */
    unsigned pusher;
    uint64_t number; /* of its pusher; in order */
    uint64_t visits;
};

static struct wane__stack stack;
static struct node nodes[PUSHERS][ROUNDS];

static struct node *node_of(struct wane__link *l) { return (struct node *)(void *)l; }

static size_t list_length(const struct wane__link *l) {
    size_t n = 0;
    for (; l != NULL; l = l->next)
        n++;
    return n;
}

void test_teardown(void) { CHECK(wane__stack_take(&stack) == NULL); }

TEST(last_pushed_first) {
    struct wane__link a, b, c;
    a.next = b.next = c.next = &a; /* what was there does not matter */
    CHECK(wane__stack_take(&stack) == NULL);
    CHECK(wane__stack_push(&stack, &a));
    CHECK(!wane__stack_push(&stack, &b));
    CHECK(!wane__stack_push(&stack, &c));
    struct wane__link *got = wane__stack_take(&stack);
    CHECK(got == &c && c.next == &b && b.next == &a && a.next == NULL);
    CHECK(wane__stack_take(&stack) == NULL);
    CHECK(wane__stack_push(&stack, &b));
    got = wane__stack_take(&stack);
    CHECK(got == &b && b.next == NULL);
}

TEST(chains) {
    struct wane__link l[6];
    for (unsigned i = 0; i < 6; i++)
        l[i].next = &l[(i + 1) % 6];
    CHECK(wane__stack_push_chain(&stack, &l[0], &l[2]));
    CHECK(!wane__stack_push_chain(&stack, &l[3], &l[3]));
    CHECK(!wane__stack_push_chain(&stack, &l[4], &l[5]));
    static const unsigned order[6] = {4, 5, 3, 0, 1, 2};
    struct wane__link *got = wane__stack_take(&stack);
    for (unsigned i = 0; i < 6; i++) {
        CHECK_EQ_PTR(got, &l[order[i]]);
        got = got->next;
    }
    CHECK(got == NULL);
}

TEST(reverse) {
    struct wane__link l[5];
    CHECK(wane__stack_reverse(NULL) == NULL);
    for (unsigned n = 1; n <= 5; n++) {
        for (unsigned i = 0; i < n; i++)
            (void)wane__stack_push(&stack, &l[i]);
        struct wane__link *got = wane__stack_reverse(wane__stack_take(&stack));
        CHECK_EQ_UINT(list_length(got), n);
        for (unsigned i = 0; i < n; i++, got = got->next)
            CHECK_EQ_PTR(got, &l[i]);
    }
}

static uint64_t xfound_empty, xpushers_done;
static uint32_t xhere;

/* Without it the first thread is done before the last one begins. */
static void begin_together(unsigned threads) {
    add_acq_rel(&xhere, 1u);
    while (load_acquire(&xhere) < threads)
        sched_yield();
}

/* Chains of random length, linked so that a chain too has its last number first. */
static void *pusher(void *arg) {
    unsigned me = (unsigned)(uintptr_t)arg;
    test_rng r = test_rng_make(me);
    uint64_t empty = 0;
    begin_together(PUSHERS);
    for (unsigned i = 0; i < ROUNDS;) {
        unsigned end = i + 1 + (unsigned)test_below(&r, MOST);
        if (end > ROUNDS)
            end = ROUNDS;
        struct node *last = &nodes[me][i], *first = last;
        for (; i < end; i++) {
            struct node *n = &nodes[me][i];
            *n = (struct node){.pusher = me, .number = i};
            if (n != first)
                n->link.next = &first->link;
            first = n;
        }
        empty += wane__stack_push_chain(&stack, &first->link, &last->link);
        if (test_below(&r, 50) == 0)
            sched_yield();
    }
    add_relaxed(&xfound_empty, empty);
    add_acq_rel(&xpushers_done, 1);
    return NULL;
}

static uint64_t next_number[PUSHERS];

static void check_taken(struct wane__link *l) {
    for (l = wane__stack_reverse(l); l != NULL; l = l->next) {
        const struct node *n = node_of(l);
        CHECK(n->pusher < PUSHERS);
        CHECK_EQ_UINT(n->number, next_number[n->pusher]++);
    }
}

/* Who found the stack empty wakes who takes: each take that got something answers to one such push.
 */
TEST(pushers_and_a_taker) {
    for (unsigned i = 0; i < PUSHERS; i++)
        next_number[i] = 0;
    store_relaxed(&xfound_empty, 0);
    store_relaxed(&xpushers_done, 0);
    store_relaxed(&xhere, 0u);
    pthread_t threads[PUSHERS];
    for (uintptr_t i = 0; i < PUSHERS; i++)
        CHECK_EQ_INT(pthread_create(&threads[i], NULL, pusher, (void *)i), 0);
    uint64_t takes = 0;
    for (bool last = false; !last;) {
        last = load_acquire(&xpushers_done) == PUSHERS;
        struct wane__link *l = wane__stack_take(&stack);
        takes += l != NULL;
        check_taken(l);
        if (l == NULL)
            sched_yield();
    }
    for (unsigned i = 0; i < PUSHERS; i++) {
        CHECK_EQ_INT(pthread_join(threads[i], NULL), 0);
        CHECK_EQ_UINT(next_number[i], ROUNDS);
    }
    CHECK_EQ_UINT(load_relaxed(&xfound_empty), takes);
}

/* Pushes a list again, in chains of random length. */
static void push_again(test_rng *r, struct wane__link *l) {
    while (l != NULL) {
        struct wane__link *first = l, *last = l;
        for (uint64_t n = test_below(r, 2 * MOST); n > 0 && last->next != NULL; n--)
            last = last->next;
        l = last->next;
        (void)wane__stack_push_chain(&stack, first, last);
    }
}

static void *circulate(void *arg) {
    test_rng r = test_rng_make(100 + (uintptr_t)arg);
    uint64_t visits = 0;
    begin_together(PUSHERS);
    for (unsigned i = 0; i < ROUNDS / 10; i++) {
        struct wane__link *all = wane__stack_take(&stack);
        for (struct wane__link *l = all; l != NULL; l = l->next) {
            node_of(l)->visits++; /* plain: nobody else has it */
            visits++;
        }
        push_again(&r, all);
        if (test_below(&r, 20) == 0)
            sched_yield();
    }
    return (void *)(uintptr_t)visits;
}

/* The same nodes come back all the time, as the ABA problem needs it. */
TEST(takers_push_again) {
    for (unsigned i = 0; i < CIRCULATING; i++) {
        nodes[0][i] = (struct node){.number = i};
        (void)wane__stack_push(&stack, &nodes[0][i].link);
    }
    store_relaxed(&xhere, 0u);
    pthread_t threads[PUSHERS];
    for (uintptr_t i = 0; i < PUSHERS; i++)
        CHECK_EQ_INT(pthread_create(&threads[i], NULL, circulate, (void *)i), 0);
    uint64_t visits = 0, seen = 0;
    for (unsigned i = 0; i < PUSHERS; i++) {
        void *ret;
        CHECK_EQ_INT(pthread_join(threads[i], &ret), 0);
        visits += (uintptr_t)ret;
    }
    struct wane__link *all = wane__stack_take(&stack);
    CHECK_EQ_UINT(list_length(all), CIRCULATING);
    for (; all != NULL; all = all->next)
        seen += node_of(all)->visits;
    CHECK_EQ_UINT(seen, visits);
    CHECK(visits > 0);
}
