/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap_large.c: large objects: what is dead is used again, by any thread, and holds little memory until somebody comes
 * and gives it back.
 */
#include "heap_util.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
/* What dead objects may keep, beside an eighth of the heap: see heap/large.c. */
#define KEPT (32 * MIB)

void test_teardown(void) { heap_must_be_empty(); }

static struct wane__header *new_full(struct wane__heap *heap, size_t block) {
    struct wane__header *h = block_new(heap, block, false);
    CHECK(h != NULL);
    memset(h + 1, 0x5A, block - sizeof *h);
    return h;
}

static void drop(struct wane__heap *heap, struct wane__header *h) {
    store_release(&h->shared, 0u);
    wane__heap_free(heap, h);
    after_frees(heap);
}

/* Many at once, then none: without a collector thread. */
static void dead_memory(size_t block, unsigned n) {
    struct wane__heap *heap = heap_enter();
    struct wane__header *h[512];
    for (unsigned i = 0; i < n; i++)
        h[i] = new_full(heap, block);
    CHECK(wane__heap_bytes() >= n * block);
    CHECK(wane__heap_bytes() <= n * (block + 16 * KIB));
    for (unsigned i = 0; i < n; i++)
        drop(heap, h[i]);
    CHECK_MSG(wane__heap_bytes() <= KEPT + n * (block + 16 * KIB) / 8 + n * 4 * KIB, "%zu", wane__heap_bytes());
    heap_leave(heap);
}

TEST(dead_memory_is_bounded_64k) { dead_memory(60 * KIB, 512); }
TEST(dead_memory_is_bounded_2000k) { dead_memory(2000 * KIB, 40); }
TEST(dead_memory_is_bounded_8m) { dead_memory(8 * MIB, 10); }

/* One after the other: each is where the last one was, and clean. */
TEST(used_again) {
    struct wane__heap *heap = heap_enter();
    static const size_t sizes[] = {40 * KIB, 1000 * KIB, 2000 * KIB, 8200 * KIB, 16400 * KIB, 41000 * KIB};
    for (unsigned i = 0; i < 6; i++) {
        struct wane__header *h = new_full(heap, sizes[i]), *first = h;
        size_t bytes = wane__heap_bytes();
        for (unsigned k = 0; k < 6; k++) {
            drop(heap, h);
            h = new_full(heap, sizes[i] - k * 16); /* checks that it is zero */
            CHECK_EQ_PTR(h, first);
            CHECK(wane__heap_bytes() <= bytes && wane__heap_bytes() + 4 * KIB >= bytes);
        }
        drop(heap, h);
    }
    heap_leave(heap);
}

/* Without memory a dead run is good for shorter ones, down to half its length. */
TEST(used_again_for_other_sizes) {
    struct wane__heap *heap = heap_enter();
    struct wane__header *h = new_full(heap, 60 * MIB), *first = h;
    drop(heap, h);
    for (size_t block = 60 * MIB; block >= 40 * MIB; block -= 3 * MIB) {
        h = block_new(heap, block, false);
        CHECK_EQ_PTR(h, first);
        memset(h + 1, 0x5A, 1000);
        memset((char *)h + block - 1000, 0x5A, 1000);
        drop(heap, h);
        CHECK(wane__heap_bytes() <= 16 * KIB);
    }
    h = block_new(heap, 10 * MIB, false);
    CHECK(h != first);
    drop(heap, h);
    h = block_new(heap, 60 * MIB, true); /* tracked ones are other runs */
    CHECK(h != first);
    drop(heap, h);
    heap_leave(heap);
}

/* Sizes that were never there before, each dropped before the next: none keeps more than a header's page. */
TEST(sizes_that_grow) {
    struct wane__heap *heap = heap_enter();
    for (size_t block = 40 * KIB; block < 12 * MIB; block += block / 9 / 16 * 16) {
        struct wane__header *h = new_full(heap, block);
        drop(heap, h);
        CHECK(wane__heap_bytes() <= KEPT + KEPT / 7 + 2 * MIB);
    }
    heap_leave(heap);
}

/* The collector looks at an entry again though its object is gone: the mapping stays, and goes at the next round. */
TEST(noted_mapping_stays) {
    struct wane__heap *heap = heap_enter();
    struct wane__header *h = new_full(heap, 5 * MIB);
    struct wane__page *page = wane__page_of(h);
    wane__page_note(page);
    drop(heap, h);
    (void)heap_trim(bracket_wait);
    CHECK(wane__heap_bytes() > 5 * MIB);
    CHECK_EQ_UINT(wane__page_capacity(page), 1);
    wane__page_forget(page);
    (void)heap_trim(bracket_wait);
    CHECK_EQ_UINT(wane__heap_bytes(), 0);
    heap_leave(heap);
}

/* Dead runs change hands between threads, beside a walk and beside the giving back. */
enum { SLOTS = 12, MUTATORS = 3 };
static struct wane__header *xslots[SLOTS];
static uint32_t xstop;

static void free_any(struct wane__heap *heap, struct wane__header *h) {
    size_t payload = wane__heap_block_size(h) - sizeof *h;
    block_dead(h, payload);
    pthread_rwlock_rdlock(&brackets);
    wane__heap_free(heap, h);
    pthread_rwlock_unlock(&brackets);
    after_frees(heap);
}

static size_t random_size(test_rng *r) {
    size_t steps = test_below(r, 8); /* 32 KiB to 8 MiB */
    return (((size_t)33 * KIB << steps) + 16 * test_below(r, (uint64_t)2000 << steps)) & ~(size_t)15;
}

static void *mutator(void *arg) {
    test_rng r = test_rng_make((uintptr_t)arg);
    struct wane__heap *heap = heap_enter();
    for (unsigned i = 0; i < 150 * test_scale(); i++) {
        struct wane__header *h = block_new(heap, random_size(&r), test_below(&r, 2));
        CHECK(h != NULL);
        h = swap_acq_rel(&xslots[test_below(&r, SLOTS)], h);
        if (h != NULL)
            free_any(heap, h);
    }
    heap_leave(heap);
    return NULL;
}

/* As the collector does: pins what is LIVE, and what was not pins nothing. */
static bool walk_page(struct wane__page *page, void *arg) {
    (void)arg;
    for (unsigned i = 0; i < wane__page_capacity(page); i++) {
        struct wane__header *h = wane__page_block(page, i);
        uint64_t w = load_acquire(&h->shared);
        CHECK_MSG((w & ~(WANE__LIVE | WANE__COUNT_ONE | WANE__PINNED)) == 0, "a word that no birth wrote: %lx",
                  (unsigned long)w);
        if ((w & WANE__LIVE) != 0 && (or_acq_rel(&h->shared, WANE__PINNED) & WANE__LIVE) != 0)
            and_acq_rel(&h->shared, ~WANE__PINNED);
    }
    return true;
}

static void *background(void *arg) {
    test_rng r = test_rng_make((uintptr_t)arg);
    while (!load_acquire(&xstop)) {
        wane__heap_walk_pages(walk_page, NULL);
        if (test_below(&r, 4) == 0)
            (void)heap_trim(bracket_wait);
        else
            (void)heap_tend(bracket_wait, test_now_ns(), test_below(&r, 8000000));
    }
    return NULL;
}

TEST(many_threads) {
    pthread_t collector, t[MUTATORS];
    store_release(&xstop, 0u);
    CHECK(pthread_create(&collector, NULL, background, (void *)(uintptr_t)1000) == 0);
    for (unsigned i = 0; i < MUTATORS; i++)
        CHECK(pthread_create(&t[i], NULL, mutator, (void *)(uintptr_t)i) == 0);
    for (unsigned i = 0; i < MUTATORS; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
    store_release(&xstop, 1u);
    CHECK(pthread_join(collector, NULL) == 0);
    struct wane__heap *heap = heap_enter();
    for (unsigned i = 0; i < SLOTS; i++) {
        if (xslots[i] != NULL)
            free_any(heap, xslots[i]);
        xslots[i] = NULL;
    }
    heap_leave(heap);
}
