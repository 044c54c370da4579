/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/fork.c: the heap in the child of a fork.
 *
 * The parent holds the locks over the fork, so nobody is caught inside them; but owners may be caught anywhere else.
 * Of an owner's stores the child has those up to some point in program order, and the order is chosen so that at each
 * point a page's free list is whole and holds no block that is in use or to be carved. So no operation needs
 * a mark: `used` and the lists of pages are made anew from what the pages say. A block that was between two places is
 * lost to the child, no more.
 */
#include "heap/arena.h"
#include "heap/large.h"
#include "heap/orphan.h"
#include "heap/quarantine.h"
#include "heap/remote.h"
#include "heap/silent.h"
#include "heap/tend.h"

void wane__heap_fork_prepare(void) {
    wane__silent_fork_prepare();
    wane__orphan_fork_prepare();
    wane__large_fork_prepare();
    wane__arena_fork_prepare();
    wane__quarantine_fork_prepare();
}

void wane__heap_fork_parent(void) {
    wane__quarantine_fork_release();
    wane__arena_fork_parent();
    wane__large_fork_release();
    wane__orphan_fork_parent();
    wane__silent_fork_parent();
}

void wane__heap_fork_child(struct wane__heap *heap) {
    for (unsigned bin = 0; bin < WANE__BINS; bin++) {
        heap->xfast[bin] = heap->current[bin] = &wane__page_none;
        heap->avail[bin] = (struct wane__page_list){NULL, NULL};
        heap->spare[bin] = 0;
    }
    heap->full = (struct wane__page_list){NULL, NULL};
    heap->gathered.n = 0;
    heap->news = false;
    store_relaxed(&heap->xspares, 0u);
    store_relaxed(&heap->xclaim, load_relaxed(&heap->xclaim) & ~1u);
    store_relaxed(&heap->xdead, 1u);
}

static void count_used(struct wane__page *page) {
    uint32_t n = 0;
    for (const struct wane__header *h = wane__page_free(page); h != NULL; h = wane__page_next(page, h))
        n++;
    page->used = page->carved - n;
}

/* A page of a vanished thread, or one that the collector thread had in hand. */
static void adopt(struct wane__page *page) {
    count_used(page);
    wane__orphan_put_locked(page);
}

static bool settle_small(struct wane__page *page, void *arg) {
    struct wane__heap *own = arg, *heap = wane__page_heap(page);
    uint32_t word = load_relaxed(&page->xremote) & ~WANE__REMOTE_NOTIFIED;
    bool tell = heap == own && word != 0;
    store_relaxed(&page->xremote, tell ? word | WANE__REMOTE_NOTIFIED : word);
    if (tell)
        wane__stack_push(&own->xnotify, &page->notify);
    else if (heap != own && (heap != &wane__orphans || page->place == WANE__AT_NOWHERE))
        adopt(page);
    else if (heap == &wane__orphans && word != 0)
        wane__orphan_put_again_locked(page);
    return true;
}

static bool settle(struct wane__page *page, void *arg) {
    if (page->cls != WANE__CLASS_LARGE)
        return settle_small(page, arg);
    if (page->used == 0 && page->place != WANE__AT_EMPTY)
        wane__large_put_locked(page);
    return true;
}

void wane__heap_fork_child_done(struct wane__heap *own) {
    wane__quarantine_fork_release();
    wane__quarantine_fork_child();
    for (struct wane__heap *heap = wane__heap_first(); heap != NULL; heap = wane__heap_next(heap))
        store_relaxed(&heap->xnotify.xtop, (struct wane__link *)NULL);
    store_relaxed(&wane__orphans.xnotify.xtop, (struct wane__link *)NULL);
    wane__tend_fork_child();
    wane__large_fork_child();
    wane__heap_walk_pages(settle, own);
    wane__arena_fork_child();
    wane__large_fork_release();
    wane__orphan_fork_child();
    wane__silent_fork_child();
    wane__heap_untold(); /* what is there waits for the next news: most children only exec */
}
