/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap_remote.c: remote frees step by step: one thread plays the owner and the others, so that each order of their
 * steps is certain.
 */
#include "heap/remote.h"
#include "heap_util.h"

void test_teardown(void) { heap_must_be_empty(); }

enum { BLOCK = 1040, MANY = 400, GATHERED = (WANE__GATHERED_BYTES + BLOCK - 1) / BLOCK };

static struct wane__header *h[MANY];
static struct wane__heap *owner, *other;
static unsigned per_page;

static void setup(void) {
    owner = heap_enter();
    other = heap_enter();
    for (unsigned i = 0; i < MANY; i++)
        h[i] = block_new(owner, BLOCK, true);
    per_page = wane__page_of(h[0])->capacity;
    CHECK(wane__page_of(h[0]) == wane__page_of(h[per_page - 1]) && wane__page_of(h[0]) != wane__page_of(h[per_page]));
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

static bool notified(const struct wane__page *page) {
    return (load_relaxed(&page->xremote) & WANE__REMOTE_NOTIFIED) != 0;
}

static size_t tended(void) {
    (void)heap_tend(bracket_wait, test_now_ns() + 1000000000, 0);
    return wane__heap_bytes() / WANE__PAGE_SIZE;
}

/* Blocks of one page go back there together: enough of them, or when one of another page comes, or when told to. */
TEST(frees_are_gathered) {
    setup();
    struct wane__page *page = wane__page_of(h[0]), *next = wane__page_of(h[per_page]);
    CHECK(page != next && per_page > WANE__GATHERED_MAX + 3 && GATHERED < WANE__GATHERED_MAX);
    unsigned n = 0;
    while (n < GATHERED - 1)
        block_free(other, h[n++], BLOCK);
    CHECK(!notified(page));
    block_free(other, h[n++], BLOCK);
    CHECK_EQ_UINT(wane__remote_count(load_relaxed(&page->xremote)), n);
    for (unsigned i = 0; i < 3; i++)
        block_free(other, h[n++], BLOCK);
    CHECK_EQ_UINT(wane__remote_count(load_relaxed(&page->xremote)), n - 3);
    block_free(other, h[per_page], BLOCK);
    CHECK_EQ_UINT(wane__remote_count(load_relaxed(&page->xremote)), n);
    CHECK(!notified(next));
    wane__heap_send(other);
    CHECK(notified(next));
    wane__heap_collect_remote(owner);
    CHECK_EQ_UINT(page->used, per_page - n);
    CHECK_EQ_UINT(next->used, per_page - 1);
    CHECK(wane__heap_check(owner));
    free_range(owner, n, per_page);
    free_range(owner, per_page + 1, MANY);
    leave();
}

/* Small ones are gathered by number. */
TEST(small_frees_are_gathered) {
    setup();
    struct wane__header *small[WANE__GATHERED_MAX];
    for (unsigned i = 0; i < WANE__GATHERED_MAX; i++)
        small[i] = block_new(owner, 32, false);
    for (unsigned i = 0; i < WANE__GATHERED_MAX; i++) {
        CHECK(!notified(wane__page_of(small[0])));
        block_free(other, small[i], 32);
    }
    CHECK_EQ_UINT(wane__remote_count(load_relaxed(&wane__page_of(small[0])->xremote)), WANE__GATHERED_MAX);
    free_range(owner, 0, MANY);
    leave();
}

/* A page with free blocks of its own leaves remote ones where they are, and still learns that it is empty. */
TEST(last_free_is_local) {
    setup();
    struct wane__page *page = wane__page_of(h[0]);
    free_range(owner, 0, 5);
    free_range(other, 5, 30);
    CHECK(notified(page));
    wane__heap_collect_remote(owner);
    CHECK(!notified(page));
    CHECK_EQ_UINT(wane__remote_count(load_relaxed(&page->xremote)), 25);
    CHECK(wane__heap_check(owner));
    free_range(owner, 30, per_page);
    CHECK_EQ_UINT(page->used, 0);
    CHECK_EQ_UINT(page->place, WANE__AT_EMPTY);
    free_range(owner, per_page, MANY);
    leave();
}

TEST(last_free_is_remote) {
    setup();
    struct wane__page *page = wane__page_of(h[0]);
    free_range(other, 0, 3);
    wane__heap_collect_remote(owner);
    CHECK_EQ_UINT(page->used, per_page - 3);
    free_range(owner, 3, 10);
    free_range(other, 10, per_page);
    wane__heap_collect_remote(owner);
    CHECK_EQ_UINT(page->place, WANE__AT_EMPTY);
    CHECK(wane__heap_check(owner));
    free_range(other, per_page, MANY);
    wane__heap_collect_remote(owner);
    CHECK(wane__heap_check(owner));
    leave();
}

/* A page may become empty while its token is out. It is not given back before that came home. */
TEST(token_out_while_empty) {
    setup();
    size_t all = wane__heap_bytes() / WANE__PAGE_SIZE;
    free_range(owner, 0, per_page); /* the spare */
    struct wane__page *page = wane__page_of(h[per_page]);
    free_range(other, per_page, per_page + 1);
    free_range(owner, per_page + 1, 2 * per_page);
    CHECK(wane__page_heap(page) != owner);
    CHECK(notified(page));
    CHECK_EQ_UINT(tended(), all);
    wane__heap_collect_remote(owner);
    CHECK(!notified(page));
    CHECK_EQ_UINT(tended(), all - 1);
    free_range(other, 2 * per_page, MANY);
    wane__heap_collect_remote(owner);
    leave();
}

/* A spare page that hears of frees from before it was empty stays the spare. */
TEST(token_of_the_spare) {
    setup();
    free_range(other, 0, 1);
    free_range(owner, 1, per_page);
    CHECK(notified(wane__page_of(h[0])));
    wane__heap_collect_remote(owner);
    CHECK(wane__heap_check(owner));
    wane__heap_shed(owner);
    CHECK(wane__heap_check(owner));
    free_range(owner, per_page, MANY);
    leave();
}

/* A token that reaches a heap after its page has left it goes to the page's heap of then. */
TEST(token_follows_its_page) {
    setup();
    struct wane__page *page = wane__page_of(h[0]);
    free_range(other, 0, 1);
    CHECK(notified(page));
    wane__heap_abandon(owner); /* passes it on, and the page has room now */
    CHECK(wane__page_heap(page) != owner);
    struct wane__header *b = block_new(other, BLOCK, true); /* adopts a page */
    CHECK(wane__page_heap(wane__page_of(b)) == other);
    wane__heap_init(owner);
    CHECK(owner->xnotify.xtop == NULL);
    free_range(owner, 1, MANY);
    block_free(other, b, BLOCK);
    wane__heap_collect_remote(other);
    CHECK(wane__heap_check(other));
    (void)tended();
    CHECK_EQ_UINT(count_live(), 0);
    leave();
}

/* Pushed to a heap whose thread ended between the load of xheap and the push: the collector thread passes it on. */
TEST(token_for_a_dead_heap) {
    setup();
    struct wane__page *page = wane__page_of(h[0]);
    wane__heap_abandon(owner);
    (void)tended();
    uint32_t word = load_relaxed(&page->xremote);
    CHECK((word & WANE__REMOTE_NOTIFIED) == 0);
    block_dead(h[0], BLOCK - sizeof *h[0]);
    if (load_relaxed(&wane__xheap_annotated))
        wane__annotate_free(page, h[0]);
    wane__link_set(h[0], 0);
    uint32_t offset = (uint32_t)((uintptr_t)h[0] & (WANE__PAGE_SIZE - 1));
    store_relaxed(&page->xremote, offset | WANE__REMOTE_COUNT_ONE | WANE__REMOTE_NOTIFIED);
    wane__stack_push(&owner->xnotify, &page->notify);
    (void)tended();
    CHECK(!notified(page));
    CHECK_EQ_UINT(page->used, per_page - 1);
    wane__heap_init(owner);
    free_range(other, 1, MANY);
    leave();
}
