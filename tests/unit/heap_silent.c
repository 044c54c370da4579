/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap_silent.c: pages taken from owners that do not call, step by step, and the owner's ways while the claim is
 * another's. heap_threads.c does it all at once.
 */
#include "heap/remote.h"
#include "heap_util.h"

void test_teardown(void) { heap_must_be_empty(); }

enum { BLOCK = 1040, MANY = 400, DELAY = 1000 };

static struct wane__header *h[MANY];
static struct wane__heap *owner, *other;
static unsigned per_page;
static uint64_t now;

static void setup(void) {
    owner = heap_enter();
    other = heap_enter();
    for (unsigned i = 0; i < MANY; i++)
        h[i] = block_new(owner, BLOCK, true);
    per_page = wane__page_of(h[0])->capacity;
    now = test_now_ns() + 10000000000u;
}

static void free_range(struct wane__heap *heap, unsigned begin, unsigned end) {
    for (unsigned i = begin; i < end; i++)
        block_free(heap, h[i], BLOCK);
    heap_send(heap);
}

static void leave(void) {
    heap_leave(owner);
    heap_leave(other);
}

static bool tend_later(void) {
    now += 2 * DELAY;
    return heap_tend(bracket_wait, now, DELAY);
}

static size_t pages_now(void) { return wane__heap_bytes() / WANE__PAGE_SIZE; }

static bool notified(unsigned i) {
    return (load_relaxed(&wane__page_of(h[i])->xremote) & WANE__REMOTE_NOTIFIED) != 0;
}

/* All pages go back while their owner does nothing; then there is no reason to come again. */
TEST(pages_of_a_silent_owner) {
    setup();
    size_t before = pages_now();
    CHECK(before > 4);
    free_range(other, 0, MANY);
    CHECK(tend_later());
    CHECK_EQ_UINT(pages_now(), before);
    bool again = true;
    for (int i = 0; i < 10 && again; i++)
        again = tend_later();
    CHECK(!again);
    CHECK_EQ_UINT(pages_now(), 0);
    CHECK(wane__heap_check(owner));
    struct wane__header *b = block_new(owner, BLOCK, true);
    block_free(owner, b, BLOCK);
    leave();
}

/* A page that is not empty becomes an orphan; its owner frees the rest as any thread does. */
TEST(a_page_with_living_blocks) {
    setup();
    size_t before = pages_now();
    struct wane__page *page = wane__page_of(h[0]);
    free_range(other, 0, 3);
    (void)tend_later();
    CHECK(wane__page_heap(page) == owner);
    (void)tend_later();
    CHECK(wane__page_heap(page) != owner);
    CHECK(!notified(0));
    CHECK_EQ_UINT(page->used, per_page - 3);
    static struct wane__header *more[MANY];
    unsigned n = 0; /* the current page, which has room too, was taken with it */
    do
        more[n] = block_new(other, BLOCK, true);
    while (wane__page_of(more[n++]) != page && n < per_page);
    CHECK(wane__page_of(more[n - 1]) == page);
    CHECK_EQ_UINT(pages_now(), before);
    while (n > 0)
        block_free(other, more[--n], BLOCK);
    CHECK(wane__heap_check(owner));
    free_range(owner, 3, MANY);
    leave();
}

/* The owner's slow paths say that it is awake. */
TEST(an_owner_that_works) {
    setup();
    struct wane__page *page = wane__page_of(h[0]);
    for (unsigned i = 0; i < 20; i++) {
        free_range(other, i, i + 1);
        (void)tend_later();
        wane__heap_collect_remote(owner);
    }
    CHECK(wane__page_heap(page) == owner);
    free_range(owner, 20, MANY);
    leave();
}

static bool fails_to_wait(void *arg) { return arg != NULL; }

/* A bracket wait that gives up: the pages wait, and what is freed meanwhile is not lost. */
TEST(a_wait_that_gives_up) {
    setup();
    free_range(other, 0, per_page + 5);
    now += DELAY;
    (void)heap_tend(fails_to_wait, now, DELAY);
    now += 2 * DELAY;
    CHECK(heap_tend(fails_to_wait, now, DELAY));
    CHECK(wane__page_heap(wane__page_of(h[0])) != owner);
    free_range(owner, per_page + 5, per_page + 10);
    free_range(other, per_page + 10, 2 * per_page);
    CHECK(tend_later());
    CHECK(!notified(0) && !notified(per_page));
    CHECK_EQ_UINT(wane__page_of(h[per_page])->used, 0);
    free_range(other, 2 * per_page, MANY);
    CHECK(wane__heap_check(owner));
    leave();
}

/* While somebody else has the claim: alarms become tokens, and blocks are found in the orphan heap. */
TEST(without_the_claim) {
    setup();
    CHECK(wane__heap_claim(owner));
    free_range(owner, 0, per_page);
    CHECK(notified(0));
    static struct wane__header *more[MANY];
    for (unsigned i = 0; i < MANY; i++)
        more[i] = block_new(owner, BLOCK, true);
    CHECK(wane__page_heap(wane__page_of(more[MANY - 1])) != owner);
    wane__heap_collect_remote(owner);
    CHECK(notified(0));
    for (unsigned i = 0; i < MANY; i += 2)
        block_free(owner, more[i], BLOCK);
    wane__heap_unclaim(owner);
    CHECK(wane__heap_check(owner));
    wane__heap_collect_remote(owner);
    CHECK(!notified(0));
    CHECK_EQ_UINT(wane__page_of(h[0])->place, WANE__AT_EMPTY);
    for (unsigned i = 1; i < MANY; i += 2)
        block_free(owner, more[i], BLOCK);
    heap_send(owner);
    wane__heap_shed(owner);
    CHECK(wane__heap_check(owner));
    free_range(owner, per_page, MANY);
    leave();
}

/* One block after the other while somebody else has the claim: they share the pages that there are. */
TEST(blocks_of_the_orphan_heap) {
    owner = heap_enter();
    CHECK(wane__heap_claim(owner));
    for (unsigned i = 0; i < MANY; i++)
        h[i] = block_new(owner, BLOCK, true);
    per_page = wane__page_of(h[0])->capacity;
    CHECK_EQ_UINT(pages_now(), (MANY + per_page - 1) / per_page);
    for (unsigned i = 0; i < MANY; i++)
        block_free(owner, h[i], BLOCK);
    heap_send(owner);
    for (unsigned i = 0; i < MANY; i++)
        h[i] = block_new(owner, BLOCK, true); /* what was freed is found at once */
    CHECK_EQ_UINT(pages_now(), (MANY + per_page - 1) / per_page);
    wane__heap_unclaim(owner);
    free_range(owner, 0, MANY);
    heap_leave(owner);
}

enum { CROWD = 200 };
static bool looks_clear;
static void barrier(void) {}
static bool clear(const struct wane__heap *heap) { return heap != NULL && looks_clear; }
static const struct wane__bracket_looks looks = {barrier, clear};

/* Each of many heaps makes a block of the same size and does no more. */
static size_t crowd_pages(void) {
    static struct wane__heap *heaps[CROWD];
    wane__heap_looks = &looks;
    for (unsigned i = 0; i < CROWD; i++) {
        heaps[i] = heap_enter();
        h[i] = block_new(heaps[i], 64, false);
    }
    size_t pages = pages_now();
    for (unsigned i = 0; i < CROWD; i++)
        CHECK(wane__heap_check(heaps[i]));
    (void)heap_tend(bracket_wait, test_now_ns(), 1000000000);
    for (unsigned i = 0; i < CROWD; i++) {
        block_free(heaps[i], h[i], 64);
        heap_send(heaps[i]);
    }
    for (unsigned i = 0; i < CROWD; i++)
        heap_leave(heaps[i]);
    wane__heap_looks = NULL;
    return pages;
}

/* Idle threads share pages: who would take a fresh one takes theirs. */
TEST(idle_heaps_share_pages) {
    looks_clear = true;
    size_t pages = crowd_pages();
    CHECK_MSG(pages <= CROWD / 2, "%zu pages for %d blocks", pages, CROWD);
}

/* Somebody is in a bracket each time: the collector thread makes use of the pages later. */
TEST(idle_heaps_in_a_bracket) {
    looks_clear = false;
    CHECK_EQ_UINT(crowd_pages(), CROWD);
}

/* The owner of a current page that was taken goes on: its births find another, its frees are those of any thread. */
TEST(births_after_the_current_page_was_taken) {
    owner = heap_enter();
    other = heap_enter();
    memset(h, 0, sizeof h);
    h[0] = block_new(owner, 64, true);
    struct wane__page *page = wane__page_of(h[0]);
    looks_clear = true;
    wane__heap_looks = &looks;
    for (unsigned i = 1; i < MANY && wane__page_heap(page) == owner; i++)
        h[i] = block_new(other, WANE__BLOCK_MAX, false); /* two a page; a look goes on where the last one ended */
    wane__heap_looks = NULL;
    CHECK(wane__page_heap(page) != owner);
    CHECK(wane__heap_pop(owner, WANE__BIN(wane__heap_class(64), true)) == NULL);
    struct wane__header *b = block_new(owner, 64, true); /* the only page of the class, as it happens */
    CHECK(wane__page_of(b) == page && wane__page_heap(page) == owner);
    block_free(owner, b, 64);
    block_free(owner, h[0], 64);
    for (unsigned i = 1; i < MANY && h[i] != NULL; i++)
        block_free(other, h[i], WANE__BLOCK_MAX);
    heap_send(other);
    CHECK(wane__heap_check(owner));
    leave();
}

/* An empty page that a class keeps is taken too. */
TEST(spares) {
    setup();
    free_range(owner, 0, MANY);
    wane__heap_shed(other);
    CHECK(load_relaxed(&owner->xspares) == 1);
    (void)tend_later();
    (void)tend_later();
    CHECK(load_relaxed(&owner->xspares) == 0);
    CHECK_EQ_UINT(pages_now(), 0);
    CHECK(wane__heap_check(owner));
    leave();
}
