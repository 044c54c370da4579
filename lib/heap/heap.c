/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/heap.c: the owner's slow paths.
 *
 * A page of a heap is in one of three lists: current of its class (no alarm: it may become empty and full as often as
 * it likes), avail (has free blocks; the alarm rings when all are free; empty if they are), full (no list is looked at for it; the alarm
 * rings at the first free). A class keeps one empty page, any further one goes to the orphan heap at once: a thread
 * that builds and drops the same structure again and again finds its pages there.
 */
#include "heap/heap.h"

#include "base/check.h"
#include "heap/arena.h"
#include "heap/orphan.h"
#include "heap/remote.h"

#define ALARM_NEVER UINT32_MAX

struct wane__page wane__page_none = {.alarm = ALARM_NEVER};

static struct wane__stack xheaps; /* all that were ever made; only pushed to */

static struct wane__heap *heap_of_link(const struct wane__link *link) {
    return link == NULL ? NULL : (struct wane__heap *)((uintptr_t)link - offsetof(struct wane__heap, all));
}

struct wane__heap *wane__heap_first(void) { return heap_of_link(load_acquire(&xheaps.xtop)); }

struct wane__heap *wane__heap_next(const struct wane__heap *heap) { return heap_of_link(load_relaxed(&heap->all.next)); }

void wane__heap_init(struct wane__heap *heap) {
    store_seq_cst(&heap->xdead, 0u); /* [order:dead] */
    if (heap->linked)
        return;
    wane__annotate_init();
    for (unsigned bin = 0; bin < WANE__BINS; bin++)
        heap->fast[bin] = heap->current[bin] = &wane__page_none;
    heap->fast[WANE__BIN_NONE] = &wane__page_none;
    heap->linked = true;
    wane__stack_push(&xheaps, &heap->all);
}

static void set_current(struct wane__heap *heap, unsigned bin, struct wane__page *page) {
    heap->current[bin] = page;
    heap->fast[bin] = load_relaxed(&wane__xheap_annotated) ? &wane__page_none : page;
}

static unsigned bin_of(const struct wane__page *page) { return WANE__BIN(page->cls, page->tracked); }

/* The page has a block on its free list, or gets one there. */
static bool ready(struct wane__page *page) {
    return page->free != NULL || wane__remote_take(page) || wane__page_carve(page);
}

/* All blocks of a page of avail are free. */
static void became_empty(struct wane__heap *heap, struct wane__page *page) {
    unsigned bin = bin_of(page);
    wane__page_list_remove(&heap->avail[bin], page);
    wane__remote_clear(page);
    if (heap->spare[bin] != 0) {
        wane__orphan_put_empty(page);
        return;
    }
    heap->spare[bin] = 1;
    page->alarm = ALARM_NEVER;
    page->place = WANE__AT_EMPTY;
    wane__page_list_push_last(&heap->avail[bin], page);
}

/* `remote` of the page's used blocks are on its remote list, and no token tells of them. */
static void note_free(struct wane__heap *heap, struct wane__page *page, uint32_t remote) {
    if (page->place == WANE__AT_CURRENT || page->place == WANE__AT_EMPTY)
        return; /* a token may come home after its page became empty */
    if (page->place == WANE__AT_FULL) {
        wane__page_list_remove(&heap->full, page);
        wane__page_list_push_last(&heap->avail[bin_of(page)], page);
        page->place = WANE__AT_AVAIL;
    }
    page->alarm = remote;
    if (page->used == remote)
        became_empty(heap, page);
}

void wane__heap_free_alarm(struct wane__heap *heap, struct wane__page *page) {
    note_free(heap, page, wane__remote_count(load_relaxed(&page->xremote)));
}

void wane__heap_collect_remote(struct wane__heap *heap) {
    struct wane__link *link = wane__stack_take(&heap->xnotify);
    while (link != NULL) {
        struct wane__page *page = wane__page_of_notify(link);
        link = link->next; /* the next holder of the token writes it */
        if (wane__page_heap(page) != heap)
            wane__remote_pass(page);
        else
            note_free(heap, page, wane__remote_settle(page));
    }
}

static struct wane__page *next_page(struct wane__heap *heap, unsigned bin) {
    struct wane__page *page = heap->avail[bin].first;
    if (page != NULL) {
        wane__page_list_remove(&heap->avail[bin], page);
        if (page->place == WANE__AT_EMPTY)
            heap->spare[bin] = 0;
        return page;
    }
    page = wane__orphan_adopt(heap, bin);
    if (page != NULL)
        return page;
    page = wane__arena_take(1);
    if (page == NULL)
        return NULL;
    unsigned cls = bin % WANE__CLASSES;
    wane__page_init(page, cls, wane__heap_class_size(cls), bin >= WANE__CLASSES);
    store_relaxed(&page->xheap, wane__heap_key(heap));
    wane__arena_publish(page, WANE__PAGE_SMALL);
    return page;
}

/* A page with a block on its free list, made current; NULL when memory is out. */
static struct wane__page *refill(struct wane__heap *heap, unsigned bin) {
    struct wane__page *page = heap->current[bin];
    if (ready(page))
        return page;
    if (load_relaxed(&heap->xnotify.xtop) != NULL) {
        wane__heap_collect_remote(heap);
        if (ready(page))
            return page;
    }
    do {
        if (page != &wane__page_none) {
            page->place = WANE__AT_FULL;
            page->alarm = page->capacity - 1u;
            wane__page_list_push_last(&heap->full, page);
        }
        page = next_page(heap, bin);
        if (page == NULL) {
            set_current(heap, bin, &wane__page_none);
            return NULL;
        }
        page->place = WANE__AT_CURRENT;
        page->alarm = ALARM_NEVER;
        set_current(heap, bin, page);
    } while (!ready(page));
    return page;
}

struct wane__header *wane__heap_alloc_slow(struct wane__heap *heap, unsigned cls, bool tracked) {
    struct wane__page *page = refill(heap, WANE__BIN(cls, tracked));
    if (page == NULL)
        return NULL;
    struct wane__header *h = page->free;
    page->free = wane__link_get(h);
    page->used++;
    compiler_barrier();
    if (unlikely(load_relaxed(&wane__xheap_annotated)))
        wane__annotate_alloc(h, page->xblock_size);
    wane__heap_zero(h, page->zero);
    if (unlikely(load_relaxed(&wane__xheap_annotated)))
        wane__annotate_allocated(h, page->zero);
    return h;
}

void wane__heap_free_slow(struct wane__heap *heap, struct wane__header *h) {
    struct wane__page *page = wane__page_of(h);
    if (unlikely(load_relaxed(&wane__xheap_annotated)))
        wane__annotate_free(page, h);
    if (load_relaxed(&page->xheap) != wane__heap_key(heap)) {
        if (page->cls == WANE__CLASS_LARGE)
            wane__large_free(page);
        else
            wane__remote_free(page, h);
        return;
    }
    wane__link_set(h, page->free);
    compiler_barrier();
    page->free = h;
    if (--page->used == page->alarm)
        wane__heap_free_alarm(heap, page);
}

/* Owner: takes the next page off any list; NULL when the heap has none. */
static struct wane__page *detach_page(struct wane__heap *heap, unsigned *bin) {
    for (; *bin < WANE__BINS; ++*bin) {
        struct wane__page *page = heap->current[*bin];
        if (page != &wane__page_none) {
            set_current(heap, *bin, &wane__page_none);
            return page;
        }
        page = heap->avail[*bin].first;
        if (page != NULL) {
            wane__page_list_remove(&heap->avail[*bin], page);
            return page;
        }
        heap->spare[*bin] = 0;
    }
    struct wane__page *page = heap->full.first;
    if (page != NULL)
        wane__page_list_remove(&heap->full, page);
    return page;
}

/* Pages that are handed over between two rests of the orphan lock. */
enum { HAND_OVER = 64 };

void wane__heap_abandon(struct wane__heap *heap) {
    unsigned bin = 0;
    struct wane__page *batch[HAND_OVER];
    unsigned n;
    do {
        for (n = 0; n < HAND_OVER; n++) {
            batch[n] = detach_page(heap, &bin);
            if (batch[n] == NULL)
                break;
        }
        wane__orphan_put(batch, n);
    } while (n == HAND_OVER);
    store_seq_cst(&heap->xdead, 1u); /* [order:dead] */
    wane__remote_pass_all(heap);
}

void wane__heap_shed(struct wane__heap *heap) {
    wane__heap_collect_remote(heap);
    for (unsigned bin = 0; bin < WANE__BINS; bin++) {
        struct wane__page *page = heap->current[bin];
        if (page != &wane__page_none && page->used == wane__remote_count(load_relaxed(&page->xremote))) {
            set_current(heap, bin, &wane__page_none);
            wane__remote_clear(page);
            wane__orphan_put_empty(page);
        }
        if (heap->spare[bin] == 0)
            continue;
        heap->spare[bin] = 0;
        page = heap->avail[bin].first;
        while (page->place != WANE__AT_EMPTY)
            page = page->next;
        wane__page_list_remove(&heap->avail[bin], page);
        wane__orphan_put_empty(page);
    }
}
