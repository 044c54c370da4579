/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap_util.h: what the heap's tests share: blocks that say whose they are, and a thread's heap.
 *
 * A test's object is a block with LIVE set in its header and its payload filled with a pattern made of its address.
 * A bracket wait has nothing to wait for but a lock that freeing threads hold for reading where a test needs it.
 */
#ifndef WANE_TESTS_HEAP_UTIL_H
#define WANE_TESTS_HEAP_UTIL_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "heap/large.h"
#include "heap/tend.h"

/* Heaps are never freed: each comes from here, and goes back for the next thread. */
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wane__heap *pool[256];
static unsigned pooled;

static inline struct wane__heap *heap_enter(void) {
    pthread_mutex_lock(&pool_lock);
    struct wane__heap *heap = pooled > 0 ? pool[--pooled] : aligned_alloc(64, sizeof(struct wane__heap));
    pthread_mutex_unlock(&pool_lock);
    static struct wane__heap *all[4096]; /* keeps them reachable, and tells which were zeroed */
    pthread_mutex_lock(&pool_lock);
    unsigned i = 0;
    while (all[i] != NULL && all[i] != heap)
        i++;
    if (all[i] == NULL) {
        memset(heap, 0, sizeof *heap);
        all[i] = heap;
    }
    pthread_mutex_unlock(&pool_lock);
    wane__heap_init(heap);
    return heap;
}

/* "Brackets": freeing threads hold it for reading around each free, and a bracket wait takes it for writing. */
static pthread_rwlock_t brackets = PTHREAD_RWLOCK_INITIALIZER;

static inline void heap_send(struct wane__heap *heap) {
    pthread_rwlock_rdlock(&brackets);
    wane__heap_send(heap);
    pthread_rwlock_unlock(&brackets);
}

static inline void heap_leave(struct wane__heap *heap) {
    CHECK(wane__heap_check(heap));
    heap_send(heap);
    wane__heap_abandon(heap);
    pthread_mutex_lock(&pool_lock);
    pool[pooled++] = heap;
    pthread_mutex_unlock(&pool_lock);
}

static inline uint64_t canary(const void *p, size_t i) { return ((uintptr_t)p * 0x9E3779B97F4A7C15u) ^ i; }

/* Checks that the block is clean, and makes it a living object. Payload words beyond the first 64 are spot-checked. */
static inline void block_born(struct wane__header *h, size_t payload) {
    uint64_t *p = (uint64_t *)(void *)(h + 1);
    size_t n = payload / 8, step = n > 64 ? n / 64 : 1;
    CHECK((uintptr_t)h % 16 == 0);
    CHECK((load_relaxed(&h->shared) & WANE__LIVE) == 0);
    CHECK(wane__heap_block_size(h) >= payload + sizeof *h);
    for (size_t i = 0; i < n; i++)
        CHECK_MSG(p[i] == 0, "payload word %zu of %p is not zero", i, (void *)h);
    for (size_t i = 0; i < n; i += step)
        p[i] = canary(h, i);
    store_release(&h->shared, WANE__LIVE | WANE__COUNT_ONE);
}

/* Checks that nobody else wrote to it, and makes it a dead one. */
static inline void block_dead(struct wane__header *h, size_t payload) {
    uint64_t *p = (uint64_t *)(void *)(h + 1);
    size_t n = payload / 8, step = n > 64 ? n / 64 : 1;
    for (size_t i = 0; i < n; i += step)
        CHECK_MSG(p[i] == canary(h, i), "payload word %zu of %p was overwritten", i, (void *)h);
    uint64_t was = and_acq_rel(&h->shared, ~WANE__LIVE);
    CHECK_EQ_UINT(was & WANE__LIVE, WANE__LIVE);
}

/* A block with a zero payload, as life/birth.c gets it. */
static inline struct wane__header *block_alloc(struct wane__heap *heap, unsigned cls, bool tracked) {
    unsigned bin = WANE__BIN(cls, tracked);
    pthread_rwlock_rdlock(&brackets);
    struct wane__header *h = wane__heap_pop(heap, bin);
    pthread_rwlock_unlock(&brackets);
    if (h == NULL)
        return wane__heap_alloc_slow(heap, bin);
    wane__heap_zero(h, wane__heap_class_size(cls) - sizeof *h);
    return h;
}

static inline struct wane__header *block_new(struct wane__heap *heap, size_t block, bool tracked) {
    unsigned cls = wane__heap_class(block);
    struct wane__header *h = cls == WANE__CLASS_LARGE ? wane__heap_alloc_large(heap, block, tracked)
                                                      : block_alloc(heap, cls, tracked);
    if (h != NULL)
        block_born(h, block - sizeof *h);
    return h;
}

/* What a thread does after its bracket. */
static inline void after_frees(struct wane__heap *heap) {
    if (heap->news)
        wane__large_settle();
    heap->news = false;
}

static inline void block_free(struct wane__heap *heap, struct wane__header *h, size_t block) {
    block_dead(h, block - sizeof *h);
    wane__heap_free(heap, h);
    after_frees(heap);
}

static inline bool bracket_wait(void *arg) {
    (void)arg;
    pthread_rwlock_wrlock(&brackets);
    pthread_rwlock_unlock(&brackets);
    return true;
}

/* A round to its end. True: something is left for later. */
static inline bool heap_tend(wane__bracket_waiter *waiter, uint64_t now, uint64_t delay) {
    struct wane__tend t = {.now_ns = now, .delay_ns = delay, .waiter = waiter};
    wane__heap_tend_begin(&t);
    while (wane__heap_tend_some(&t)) {
    }
    return t.left;
}

/* Returns bytes that went back. */
static inline size_t heap_trim(wane__bracket_waiter *waiter) {
    struct wane__tend t = {.all = true, .waiter = waiter};
    wane__heap_tend_begin(&t);
    while (wane__heap_tend_some(&t)) {
    }
    return t.returned;
}

static inline bool count_live_page(struct wane__page *page, void *arg) {
    size_t *n = arg;
    for (unsigned i = 0; i < wane__page_capacity(page); i++)
        *n += load_acquire(&wane__page_block(page, i)->shared) & WANE__LIVE;
    return true;
}

static inline size_t count_live(void) {
    size_t n = 0;
    wane__heap_walk_pages(count_live_page, &n);
    return n;
}

/* After a test: nothing is alive, and all memory goes back. */
static inline void heap_must_be_empty(void) {
    CHECK_EQ_UINT(count_live(), 0);
    for (int i = 0; i < 3; i++)
        (void)heap_trim(bracket_wait);
    CHECK_EQ_UINT(wane__heap_bytes(), 0);
}

#endif
