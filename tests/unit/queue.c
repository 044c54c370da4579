/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * queue.c: a queue of words against a plain counter: the word at each position follows from the
 * position.
 */
#include "base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include "memory_util.h"

enum { SEGMENT = WANE__SEGMENT_WORDS, MAX = 4 * SEGMENT, LONG = 8 * SEGMENT };

static struct wane__queue q;
static uint64_t pushed, taken; /* the oracle */

static uintptr_t word_at(uint64_t position) {
    return (uintptr_t)((position + 1) * 0x9E3779B97F4A7C15u);
}

static void setup(void) {
    memset(&q, 0, sizeof q);
    pushed = taken = 0;
    CHECK(wane__queue_init(&q));
}

/* From the head's segment on: those before it are gone. */
static size_t segments(void) {
    size_t n = 0;
    for (struct wane__segment *s = q.head_segment; s != NULL; s = load_relaxed(&s->xnext))
        n++;
    return n;
}

void test_teardown(void) {
    struct wane__segment *s = q.head_segment;
    while (s != NULL) {
        struct wane__segment *next = load_relaxed(&s->xnext);
        free(s);
        s = next;
    }
    free(q.xspare);
    memset(&q, 0, sizeof q);
}

static void push(uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        CHECK(wane__queue_push(&q, word_at(pushed++)));
    CHECK_EQ_UINT(wane__queue_length(&q), pushed - taken);
}

/* Copies and compares with the oracle; what is behind the copied words must stay as it was. */
static size_t copy(uint64_t limit, size_t max) {
    static uintptr_t got[LONG + 1];
    CHECK(max <= LONG);
    size_t want = limit < pushed ? (limit > taken ? limit - taken : 0) : pushed - taken;
    if (want > max)
        want = max;
    got[want] = 42;
    CHECK_EQ_UINT(wane__queue_copy(&q, limit, got, max), want);
    for (size_t i = 0; i < want; i++)
        CHECK_MSG(got[i] == word_at(taken + i), "wrong word at %zu of %zu, head %zu", i, want,
                  (size_t)taken);
    CHECK_EQ_UINT(got[want], 42);
    CHECK_EQ_UINT(load_relaxed(&q.xhead), taken);
    if (want > 0)
        CHECK(taken - q.head_segment->base < SEGMENT);
    return want;
}

static void skip(size_t n) {
    wane__queue_skip(&q, n);
    taken += n;
    CHECK_EQ_UINT(wane__queue_length(&q), pushed - taken);
}

static void copy_all(void) {
    while (taken < pushed)
        skip(copy(UINT64_MAX, LONG));
    CHECK_EQ_UINT(copy(UINT64_MAX, 1), 0);
}

/* Most threads never need their queue: until the first use it is all zero, and consumers look at it
 * all the same. */
TEST(made_at_first_use) {
    memset(&q, 0, sizeof q);
    pushed = taken = 0;
    CHECK_EQ_UINT(wane__queue_length(&q), 0);
    CHECK_EQ_UINT(copy(UINT64_MAX, 10), 0);
    CHECK(wane__queue_ready(&q));
    struct wane__segment *first = q.tail_segment, *spare = q.xspare;
    CHECK(first != NULL && spare != NULL && first != spare);
    CHECK_EQ_UINT(copy(UINT64_MAX, 10), 0);
    push(3);
    CHECK(wane__queue_ready(&q));
    CHECK_EQ_PTR(q.tail_segment, first);
    CHECK_EQ_PTR(q.xspare, spare);
    copy_all();
}

TEST(trylock) {
    setup();
    CHECK(wane__queue_trylock(&q));
    CHECK(!wane__queue_trylock(&q));
    wane__queue_unlock(&q);
    CHECK(wane__queue_trylock(&q));
    wane__queue_unlock(&q);
}

/* Each length and each place of the head that is near an end of a segment. */
TEST(ends_of_segments) {
    static const unsigned near[] = {
        0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT - 1, 2 * SEGMENT};
    enum { NEAR = sizeof near / sizeof near[0] };
    for (unsigned i = 0; i < NEAR; i++) {
        for (unsigned j = 0; j < NEAR; j++) {
            setup();
            push(near[i]);
            copy_all();
            push(near[j]);
            CHECK_EQ_UINT(copy(UINT64_MAX, LONG), near[j]);
            for (unsigned k = 0; k < NEAR; k++)
                (void)copy(taken + near[k], MAX);
            copy_all();
            test_teardown();
        }
    }
}

TEST(limits) {
    setup();
    push(2 * SEGMENT + 5);
    skip(copy(SEGMENT + 3, LONG));
    CHECK_EQ_UINT(taken, SEGMENT + 3);
    CHECK_EQ_UINT(copy(0, 10), 0);
    CHECK_EQ_UINT(copy(taken - 1, 10), 0);
    CHECK_EQ_UINT(copy(taken, 10), 0);
    CHECK_EQ_UINT(copy(taken + 1, 10), 1);
    CHECK_EQ_UINT(copy(taken + 10, 10), 10);
    CHECK_EQ_UINT(copy(pushed - 1, LONG), SEGMENT + 1);
    CHECK_EQ_UINT(copy(pushed + 1, LONG), SEGMENT + 2);
    copy_all();
}

/* What was copied and not taken is copied again. */
TEST(skip_of_less) {
    setup();
    push(5 * SEGMENT);
    CHECK_EQ_UINT(copy(UINT64_MAX, MAX), MAX);
    CHECK_EQ_UINT(segments(), 5);
    skip(0);
    CHECK_EQ_UINT(copy(UINT64_MAX, MAX), MAX);
    skip(SEGMENT - 1);
    CHECK_EQ_UINT(copy(UINT64_MAX, 2), 2);
    CHECK_EQ_UINT(segments(), 5);
    skip(1);
    CHECK_EQ_UINT(copy(UINT64_MAX, 2), 2);
    CHECK_EQ_UINT(segments(), 4);
    skip(2 * SEGMENT + 1 -
         2); /* of 2 that were copied last: a position is all that a skip changes */
    CHECK_EQ_UINT(copy(UINT64_MAX, 1), 1);
    CHECK_EQ_UINT(segments(), 3);
    copy_all();
}

static uint64_t random_limit(test_rng *r) {
    switch (test_below(r, 4)) {
    case 0:
        return UINT64_MAX;
    case 1:
        return test_below(r, pushed + 2);
    case 2:
        return pushed - test_below(r, pushed - taken + 1);
    default:
        return taken + test_below(r, 3);
    }
}

TEST(random_steps) {
    test_rng r = test_rng_make(0);
    setup();
    for (unsigned i = 0; i < 4000 * test_scale(); i++) {
        uint64_t n = test_below(&r, test_below(&r, 4) == 0 ? 3 * SEGMENT : 60);
        if (pushed - taken + n < LONG)
            push(n);
        n = copy(random_limit(&r), test_below(&r, test_below(&r, 2) == 0 ? MAX + 1 : 100));
        skip(test_below(&r, 2) == 0 ? n : test_below(&r, n + 1));
    }
    CHECK(pushed > 100 * SEGMENT);
    copy_all();
}

/* A copy frees the segments before the one that the head is in. */
TEST(memory_of_segments) {
    if (!memory_is_counted())
        SKIP("malloc tells nothing");
    enum { MANY = 40 };
    const size_t segment = sizeof(struct wane__segment);
    size_t before = memory_in_use();
    setup();
    push((uint64_t)MANY * SEGMENT);
    CHECK_EQ_UINT(segments(), MANY);
    CHECK(memory_in_use() >= before + MANY * segment);
    for (unsigned left = MANY; left > 1; left--) {
        CHECK_EQ_UINT(copy(UINT64_MAX, SEGMENT), SEGMENT);
        skip(SEGMENT);
        (void)copy(UINT64_MAX, 1);
        CHECK_EQ_UINT(segments(), left - 1);
    }
    CHECK(memory_in_use() < before + 4 * segment);
    copy_all();
    for (unsigned i = 0; i < MANY * SEGMENT; i++) {
        push(1);
        skip(copy(UINT64_MAX, 1));
    }
    CHECK(memory_in_use() < before + 5 * segment);
    test_teardown();
    CHECK(memory_in_use() < before + segment);
}

/* Room is in the last segment or in a spare one, which is made when there is neither. */
TEST(room) {
    setup();
    free(q.xspare);
    q.xspare = NULL;
    CHECK(wane__queue_room(&q));
    CHECK_EQ_PTR(q.xspare, NULL);
    push(SEGMENT - 1);
    CHECK(wane__queue_room(&q));
    CHECK_EQ_PTR(q.xspare, NULL);
    push(1);
    CHECK(wane__queue_room(&q));
    CHECK(q.xspare != NULL);
    struct wane__segment *spare = q.xspare;
    CHECK(wane__queue_room(&q));
    CHECK_EQ_PTR(q.xspare, spare);
    free(q.xspare);
    q.xspare = NULL;
    push(1); /* needs a new segment, and sees that a spare one is there the next time */
    CHECK(q.xspare != NULL);
    copy_all();
}

struct hoard {
    struct hoard *next;
    char rest[sizeof(struct wane__segment) - sizeof(struct hoard *)];
};

/* Until malloc fails for a segment; NULL when it does not. */
static struct hoard *hoard_all(void) {
    struct rlimit bound = {1 << 20, 1 << 20};
    CHECK_EQ_INT(setrlimit(RLIMIT_AS, &bound), 0);
    struct hoard *all = NULL;
    for (unsigned i = 0; i < 100000; i++) {
        struct hoard *h = malloc(sizeof *h);
        if (h == NULL)
            return all;
        h->next = all;
        all = h;
    }
    return NULL;
}

static void without_memory(void *unused) {
    (void)unused;
    setup();
    push(SEGMENT - 10);
    struct hoard *all = hoard_all();
    if (all == NULL)
        return;
    errno = 77;
    push(10);
    CHECK(wane__queue_room(&q));
    push(SEGMENT); /* by the spare */
    CHECK_EQ_PTR(q.xspare, NULL);
    CHECK(!wane__queue_room(&q));
    CHECK(!wane__queue_push(&q, 1));
    CHECK(!wane__queue_push(&q, 2));
    static struct wane__queue other;
    CHECK(!wane__queue_ready(&other));
    CHECK(other.tail_segment == NULL && other.head_segment == NULL && other.xspare == NULL);
    CHECK_EQ_INT(errno, 77);
    CHECK_EQ_UINT(wane__queue_length(&q), pushed);
    struct hoard *next = all->next;
    free(all);
    CHECK(wane__queue_room(&q));
    push(SEGMENT);
    CHECK(!wane__queue_room(&q));
    free(next);
    copy_all();
    push(SEGMENT);
    copy_all();
    push(2 * SEGMENT); /* the segments that the copies freed */
    copy_all();
}

/* A push fails only when there is no memory and no spare; it changes nothing then. */
TEST(out_of_memory) {
    if (TEST_TSAN || TEST_ASAN)
        SKIP("a sanitizer's malloc does not fail");
    check_in_child(without_memory, NULL);
}

/* However long malloc fails: what is taken makes room again, and a segment of words always fits. */
static void long_without_memory(void *unused) {
    (void)unused;
    setup();
    struct hoard *all = hoard_all();
    if (all == NULL)
        return;
    test_rng r = test_rng_make(0);
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t before = pushed;
        while (wane__queue_push(&q, word_at(pushed)))
            pushed++;
        if (pushed - taken < least)
            least = pushed - taken;
        CHECK(pushed > before || taken < before);
        (void)copy(UINT64_MAX, MAX);
        skip(copy(UINT64_MAX, 1 + test_below(&r, 2 * SEGMENT)));
        if (test_below(&r, 4) == 0)
            copy_all();
    }
    CHECK(least >= SEGMENT);
    copy_all();
    CHECK(wane__queue_room(&q));
}

TEST(room_comes_back) {
    if (TEST_TSAN || TEST_ASAN)
        SKIP("a sanitizer's malloc does not fail");
    check_in_child(long_without_memory, NULL);
}

enum { CONSUMERS = 2 };

static uint64_t xpushed_all; /* how many there will be */
static unsigned last_taker;  /* under the try-lock, as `taken` */
static uint64_t turns;

static void *producer(void *unused) {
    test_rng r = test_rng_make(1);
    uint64_t n = load_relaxed(&xpushed_all);
    for (uint64_t i = 0; i < n; i++) {
        /* Often the consumers look for the first word of a segment while it is pushed. */
        while (i % SEGMENT == 0 && i % 8 != 0 && load_acquire(&q.xhead) < i)
            sched_yield();
        CHECK(wane__queue_push(&q, word_at(i)));
        if (test_below(&r, 300) == 0)
            sched_yield();
    }
    return unused;
}

/* Under the try-lock. Limits and lengths are those of the moment. */
static void take_some(test_rng *r) {
    static uintptr_t got[MAX + 1];
    size_t max = test_below(r, 3) == 0 ? test_below(r, MAX + 1) : test_below(r, 100);
    uint64_t limit = test_below(r, 2) == 0 ? UINT64_MAX : taken + test_below(r, MAX);
    got[max] = 42;
    size_t n = wane__queue_copy(&q, limit, got, max);
    CHECK(n <= max && taken + n <= (limit > taken ? limit : taken) && got[max] == 42);
    for (size_t i = 0; i < n; i++)
        CHECK_MSG(got[i] == word_at(taken + i), "wrong word at %zu of %zu", i, n);
    if (test_below(r, 3) == 0)
        n = test_below(r, n + 1);
    wane__queue_skip(&q, n);
    taken += n;
}

/* Gives way to the other most of the time, so that each goes on where the other was in a segment.
 */
static void *consumer(void *arg) {
    unsigned me = (unsigned)(uintptr_t)arg;
    test_rng r = test_rng_make(me + 10);
    uint64_t n = load_relaxed(&xpushed_all);
    while (load_acquire(&q.xhead) < n) {
        if (wane__queue_trylock(&q)) {
            if (last_taker != me || test_below(&r, 8) == 0) {
                turns += last_taker != me;
                last_taker = me;
                take_some(&r);
            }
            wane__queue_unlock(&q);
        }
        if (test_below(&r, 4) == 0)
            sched_yield();
    }
    return NULL;
}

TEST(consumers_take_turns) {
    const size_t segment = sizeof(struct wane__segment);
    bool counted = memory_is_counted();
    setup();
    turns = last_taker = 0;
    store_relaxed(&xpushed_all, (uint64_t)(TEST_TSAN ? 400 : 3000) * SEGMENT * test_scale());
    size_t before = memory_in_use();
    pthread_t threads[1 + CONSUMERS];
    CHECK_EQ_INT(pthread_create(&threads[0], NULL, producer, NULL), 0);
    for (uintptr_t i = 1; i <= CONSUMERS; i++)
        CHECK_EQ_INT(pthread_create(&threads[i], NULL, consumer, (void *)i), 0);
    for (unsigned i = 0; i <= CONSUMERS; i++)
        CHECK_EQ_INT(pthread_join(threads[i], NULL), 0);
    pushed = load_relaxed(&xpushed_all);
    CHECK_EQ_UINT(taken, pushed);
    CHECK_EQ_UINT(load_relaxed(&q.xhead), pushed);
    CHECK_EQ_UINT(wane__queue_length(&q), 0);
    CHECK(turns >= CONSUMERS);
    /* The last skips left at most what a copy spans, and threads' own blocks are small. */
    CHECK(segments() <= MAX / SEGMENT + 2);
    if (counted)
        CHECK(memory_in_use() < before + (segments() + 20) * segment);
}
