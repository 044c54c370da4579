/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap_threads.c: several threads: frees by others, walks and tending beside them, threads that come and go.
 */
#include "heap_util.h"

enum { SLOTS = 256, MUTATORS = 3 };

/* Living objects change hands here. The payload's size is written in the header's `local`. */
static struct wane__header *xslots[SLOTS];
static uint32_t xstop;

void test_teardown(void) { heap_must_be_empty(); }

static void free_any(struct wane__heap *heap, struct wane__header *h) {
    size_t block = h->local;
    block_dead(h, block - sizeof *h);
    pthread_rwlock_rdlock(&brackets);
    wane__heap_free(heap, h);
    pthread_rwlock_unlock(&brackets);
}

static struct wane__header *new_any(struct wane__heap *heap, test_rng *r) {
    size_t block = 32 + 16 * test_below(r, 30);
    if (test_below(r, 500) == 0)
        block = 16 * (1000 + test_below(r, 90000));
    else if (test_below(r, 20) == 0)
        block = 16 * (30 + test_below(r, 2100));
    struct wane__header *h = block_new(heap, block, test_below(r, 2));
    CHECK(h != NULL);
    h->local = (uint32_t)block;
    return h;
}

static void empty_slots(struct wane__heap *heap) {
    for (unsigned i = 0; i < SLOTS; i++) {
        struct wane__header *h = swap_acq_rel(&xslots[i], (struct wane__header *)NULL);
        if (h != NULL)
            free_any(heap, h);
    }
}

static void exchange_some(struct wane__heap *heap, test_rng *r, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        struct wane__header *h = new_any(heap, r);
        h = swap_acq_rel(&xslots[test_below(r, SLOTS)], h);
        if (h != NULL)
            free_any(heap, h);
        if (i % 512 == 0)
            wane__heap_collect_remote(heap);
    }
}

static void *exchanger(void *arg) {
    test_rng r = test_rng_make((uintptr_t)arg);
    struct wane__heap *heap = heap_enter();
    for (unsigned i = 0; i < 20 * test_scale(); i++) {
        exchange_some(heap, &r, 200);
        if (i % 8 == 7)
            wane__heap_shed(heap);
        if (i % 5 == 4)
            CHECK(wane__heap_check(heap));
    }
    heap_leave(heap);
    return NULL;
}

static bool plausible_words(struct wane__page *page, void *arg) {
    unsigned n = wane__page_capacity(page);
    for (unsigned i = 0; i < n; i++) {
        uint64_t w = load_acquire(&wane__page_block(page, i)->shared);
        CHECK_MSG((w & ~(WANE__LIVE | WANE__COUNT_ONE)) == 0, "a word that no birth wrote: %lx", (unsigned long)w);
        *(size_t *)arg += w & WANE__LIVE;
    }
    return true;
}

/* The collector's part: walks and tends without a pause, with a delay so short that pages come and go. */
static void *background(void *arg) {
    test_rng r = test_rng_make((uintptr_t)arg);
    while (!load_acquire(&xstop)) {
        size_t n = 0;
        wane__heap_walk_pages(plausible_words, &n);
        switch (test_below(&r, 3)) {
        case 0:
            (void)heap_tend(bracket_wait, test_now_ns(), test_below(&r, 8000000));
            break;
        case 1:
            (void)heap_tend(bracket_wait, test_now_ns() + 1000000000, 0);
            break;
        default:
            (void)heap_trim(bracket_wait);
        }
    }
    return NULL;
}

static void run_threads(void *(*fn)(void *), unsigned n, unsigned rounds) {
    pthread_t collector, t[MUTATORS];
    store_release(&xstop, 0u);
    CHECK(pthread_create(&collector, NULL, background, (void *)(uintptr_t)1000) == 0);
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < n; i++)
            CHECK(pthread_create(&t[i], NULL, fn, (void *)(uintptr_t)(round * n + i)) == 0);
        for (unsigned i = 0; i < n; i++)
            CHECK(pthread_join(t[i], NULL) == 0);
    }
    store_release(&xstop, 1u);
    CHECK(pthread_join(collector, NULL) == 0);
    struct wane__heap *heap = heap_enter();
    empty_slots(heap);
    heap_leave(heap);
}

TEST(exchange) { run_threads(exchanger, MUTATORS, 2); }

static void barrier(void) { (void)bracket_wait(NULL); }

/* Who is short of pages takes those of the others, who go on. Where a look fails they are left to the collector thread. */
static bool clear_sometimes(const struct wane__heap *heap) {
    static uint32_t xlooks;
    return heap != NULL && add_relaxed(&xlooks, 1u) % 3 != 0;
}

static const struct wane__bracket_looks looks = {barrier, clear_sometimes};

/* Heaps that do nothing, each with a few blocks: what a mutator finds when it is short. */
static void *crowd(void *arg) {
    test_rng r = test_rng_make((uintptr_t)arg);
    enum { HEAPS = 12 };
    struct wane__heap *heaps[HEAPS];
    for (unsigned i = 0; i < HEAPS; i++)
        heaps[i] = heap_enter();
    for (unsigned i = 0; i < 40 * test_scale(); i++)
        exchange_some(heaps[test_below(&r, HEAPS)], &r, 20);
    for (unsigned i = 0; i < HEAPS; i++)
        heap_leave(heaps[i]);
    return NULL;
}

TEST(exchange_while_pages_are_short) {
    wane__heap_looks = &looks;
    run_threads(exchanger, MUTATORS, 1);
    run_threads(crowd, MUTATORS, 1);
    wane__heap_looks = NULL;
}

static void *short_thread(void *arg) {
    test_rng r = test_rng_make((uintptr_t)arg);
    struct wane__heap *heap = heap_enter();
    exchange_some(heap, &r, 20);
    heap_leave(heap);
    return NULL;
}

TEST(short_threads) { run_threads(short_thread, MUTATORS, 60 * test_scale()); }

/* One size, one class: what comes from one thread is freed by another, in bulk. */
enum { BULK = 5000 };
static struct wane__header *bulk[2][BULK];
static pthread_barrier_t turn;

static void *bulk_maker(void *arg) {
    struct wane__heap *heap = heap_enter();
    for (unsigned round = 0; round < 4 * test_scale(); round++) {
        for (unsigned i = 0; i < BULK; i++) {
            bulk[round % 2][i] = block_new(heap, 64, true);
            CHECK(bulk[round % 2][i] != NULL);
            bulk[round % 2][i]->local = 64;
        }
        pthread_barrier_wait(&turn);
        if (round % 4 == 3)
            CHECK(wane__heap_check(heap));
    }
    heap_leave(heap);
    (void)arg;
    return NULL;
}

static void *bulk_dropper(void *arg) {
    struct wane__heap *heap = heap_enter();
    test_rng r = test_rng_make(77);
    for (unsigned round = 0; round < 4 * test_scale(); round++) {
        pthread_barrier_wait(&turn);
        unsigned step = test_below(&r, 2) ? 1 : 1237;
        for (unsigned i = 0; i < BULK; i++)
            free_any(heap, bulk[round % 2][i * step % BULK]);
    }
    heap_leave(heap);
    (void)arg;
    return NULL;
}

TEST(made_here_dropped_there) {
    pthread_t maker, dropper;
    pthread_barrier_init(&turn, NULL, 2);
    CHECK(pthread_create(&maker, NULL, bulk_maker, NULL) == 0);
    CHECK(pthread_create(&dropper, NULL, bulk_dropper, NULL) == 0);
    pthread_join(maker, NULL);
    pthread_join(dropper, NULL);
    pthread_barrier_destroy(&turn);
    /* Two rounds at a time are alive, and the maker may be one ahead; nothing more was ever needed. */
    CHECK(wane__heap_bytes() < (size_t)3 * BULK * 64 + 8 * WANE__PAGE_SIZE);
}

/* Threads that end and leave everything to others: memory must follow what is alive, not how many there were. */
static void *leaver(void *arg) {
    struct wane__heap *heap = heap_enter();
    struct wane__header **h = arg;
    for (unsigned i = 0; i < 40; i++) {
        h[i] = block_new(heap, 32 + 16 * (i % 8), false);
        CHECK(h[i] != NULL);
        h[i]->local = 32 + 16 * (i % 8);
    }
    wane__heap_abandon(heap);
    pthread_mutex_lock(&pool_lock);
    pool[pooled++] = heap;
    pthread_mutex_unlock(&pool_lock);
    return NULL;
}

TEST(memory_does_not_grow_with_threads) {
    enum { KEPT = 16 };
    static struct wane__header *h[KEPT][40];
    unsigned n = TEST_TSAN ? 300 : 1500;
    struct wane__heap *heap = heap_enter();
    size_t early = 0;
    for (unsigned i = 0; i < n; i++) {
        pthread_t t;
        CHECK(pthread_create(&t, NULL, leaver, h[i % KEPT]) == 0);
        pthread_join(t, NULL);
        struct wane__header **old = h[(i + 1) % KEPT];
        for (unsigned k = 0; k < 40 && old[k] != NULL; k++) {
            free_any(heap, old[k]);
            old[k] = NULL;
        }
        if (i == 100)
            early = wane__heap_bytes();
    }
    CHECK_MSG(wane__heap_bytes() <= early + WANE__PAGE_SIZE, "%zu, then %zu", early, wane__heap_bytes());
    for (unsigned i = 0; i < KEPT; i++) {
        for (unsigned k = 0; k < 40 && h[i][k] != NULL; k++) {
            free_any(heap, h[i][k]);
            h[i][k] = NULL;
        }
    }
    heap_leave(heap);
}

/* The last frees come when their pages' thread is long gone, and nobody allocates any more. */
TEST(remote_frees_after_the_end) {
    static struct wane__header *h[100][40];
    struct wane__heap *heap = heap_enter();
    for (unsigned i = 0; i < 100; i++) {
        pthread_t t;
        CHECK(pthread_create(&t, NULL, leaver, h[i]) == 0);
        pthread_join(t, NULL);
    }
    (void)heap_tend(bracket_wait, test_now_ns() + 1000000000, 0);
    for (unsigned i = 0; i < 100; i++)
        for (unsigned k = 0; k < 40; k++)
            free_any(heap, h[i][k]);
    heap_send(heap);
    CHECK(wane__heap_retired());
    (void)heap_tend(bracket_wait, test_now_ns() + 1000000000, 0);
    CHECK_EQ_UINT(wane__heap_bytes(), 0);
    heap_leave(heap);
}
