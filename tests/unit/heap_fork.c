/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap_fork.c: fork while other threads allocate and free, and what the child can do then.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"
#include "heap_util.h"

enum { THREADS = 2, SLOTS = 512 };

static struct wane__header *xslots[SLOTS];
static struct wane__heap *heaps[THREADS];
static uint32_t xready, xstop;

static size_t size_of(uint64_t random) { return random % 400 == 0 ? 16 * (random % 20000) + 32 : 32 + 16 * (random % 40); }

static void replace(struct wane__heap *heap, test_rng *r) {
    size_t block = size_of(test_random(r));
    struct wane__header *h = block_new(heap, block, block & 16);
    CHECK(h != NULL);
    h->local = (uint32_t)block;
    h = swap_acq_rel(&xslots[test_below(r, SLOTS)], h);
    if (h == NULL)
        return;
    block_dead(h, h->local - sizeof *h);
    pthread_rwlock_rdlock(&brackets);
    wane__heap_free(heap, h);
    pthread_rwlock_unlock(&brackets);
}

static void *mutator(void *arg) {
    unsigned i = (unsigned)(uintptr_t)arg;
    test_rng r = test_rng_make(i);
    struct wane__heap *heap = heaps[i] = heap_enter();
    add_acq_rel(&xready, 1u);
    while (!load_acquire(&xstop)) {
        for (unsigned k = 0; k < 50; k++)
            replace(heap, &r);
        wane__heap_collect_remote(heap);
    }
    heap_leave(heap);
    return NULL;
}

static void *tender(void *arg) {
    (void)arg;
    while (!load_acquire(&xstop))
        (void)heap_tend(bracket_wait, test_now_ns(), 100000);
    return NULL;
}

/* What is on a free list is dead, once, and in its page. */
static bool check_lists(struct wane__page *page, void *arg) {
    (void)arg;
    unsigned n = 0;
    for (struct wane__header *h = wane__page_free(page); h != NULL; h = wane__page_next(page, h)) {
        CHECK(wane__page_of(h) == page);
        CHECK((load_relaxed(&h->shared) & WANE__LIVE) == 0);
        CHECK(++n <= page->capacity);
    }
    CHECK(page->cls == WANE__CLASS_LARGE || page->used + n == page->carved);
    return true;
}

static bool no_wait(void *arg) { return arg == NULL; }

/* A block is in one slot at most: whoever was replacing one had it in hand, not in the slot. */
static void child(struct wane__heap *own) {
    brackets = (pthread_rwlock_t)PTHREAD_RWLOCK_INITIALIZER; /* whoever had it is gone */
    for (unsigned i = 0; i < THREADS; i++)
        wane__heap_fork_child(heaps[i]);
    wane__heap_fork_child_done(own);
    wane__heap_walk_pages(check_lists, NULL);
    CHECK(wane__heap_check(own));
    test_rng r = test_rng_make(99);
    for (unsigned i = 0; i < 3000; i++)
        replace(own, &r);
    wane__heap_collect_remote(own);
    CHECK(wane__heap_check(own));
    (void)heap_tend(no_wait, test_now_ns(), 0);
    wane__heap_init(heaps[0]); /* a thread inherits it */
    for (unsigned i = 0; i < 3000; i++)
        replace(heaps[0], &r);
    for (unsigned i = 0; i < SLOTS; i++) {
        if (xslots[i] != NULL) {
            block_dead(xslots[i], xslots[i]->local - sizeof *xslots[i]);
            wane__heap_free(own, xslots[i]);
        }
    }
    wane__heap_send(own);
    wane__heap_send(heaps[0]);
    wane__heap_collect_remote(heaps[0]);
    CHECK(wane__heap_check(heaps[0]));
    wane__heap_abandon(heaps[0]);
    wane__heap_shed(own);
    CHECK(wane__heap_check(own));
    (void)heap_trim(no_wait);
    wane__heap_walk_pages(check_lists, NULL);
    /* What the vanished threads had in hand is lost, some pages at most. */
    CHECK_MSG(count_live() <= 2 * THREADS, "%zu", count_live());
    CHECK_MSG(wane__heap_bytes() < (size_t)64 * WANE__PAGE_SIZE, "%zu", wane__heap_bytes());
    _exit(0);
}

static void barrier(void) { (void)bracket_wait(NULL); }
static bool clear(const struct wane__heap *heap) { return heap != NULL; }
static const struct wane__bracket_looks looks = {barrier, clear};

TEST(fork_while_others_allocate) {
    wane__heap_looks = &looks;
    pthread_t t[THREADS], background;
    struct wane__heap *own = heap_enter();
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_create(&t[i], NULL, mutator, (void *)(uintptr_t)i) == 0);
    CHECK(pthread_create(&background, NULL, tender, NULL) == 0);
    while (load_acquire(&xready) < THREADS)
        test_sleep_ns(100000);
    test_rng r = test_rng_make(50);
    for (unsigned i = 0; i < 10 * test_scale(); i++) {
        for (unsigned k = 0; k < 200; k++)
            replace(own, &r);
        test_sleep_ns(test_below(&r, 300000));
        wane__heap_fork_prepare();
        wane__locks_unordered(true); /* the library's own handler takes its locks too, below those of the heap */
        pid_t pid = fork();
        wane__locks_unordered(false);
        if (pid == 0)
            child(own);
        wane__heap_fork_parent();
        CHECK(pid > 0);
        int status;
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %x", (unsigned)status);
    }
    store_release(&xstop, 1u);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    pthread_join(background, NULL);
    for (unsigned i = 0; i < SLOTS; i++) {
        struct wane__header *h = xslots[i];
        if (h != NULL) {
            block_dead(h, h->local - sizeof *h);
            wane__heap_free(own, h);
        }
    }
    heap_leave(own);
    heap_must_be_empty();
}
