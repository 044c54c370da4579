/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/heap.c: the owner's slow paths.
 *
 * A page of a heap is in one of three lists: current of its class (no alarm: it may become empty and full as often as
 * it likes), avail (has free blocks; the alarm rings when all are free; empty if they are), full (no list is looked at for it; the alarm
 * rings at the first free). A class keeps one empty page, any further one goes to the orphan heap at once: a thread
 * that builds and drops the same structure again and again finds its pages there.
 *
 * All three are changed under the heap's claim, because the collector thread takes pages out of them while the owner is
 * silent (heap/silent.h). An owner that comes while the claim is taken goes on without: an alarm becomes a token, and a
 * birth gets a block of a page of the orphan heap, which stays there.
 */
#include "heap/heap.h"

#include <sched.h>

#include "base/check.h"
#include "heap/arena.h"
#include "heap/large.h"
#include "heap/orphan.h"
#include "heap/quarantine.h"
#include "heap/remote.h"
#include "heap/silent.h"
#include "heap/tend.h"

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
        heap->xfast[bin] = heap->current[bin] = &wane__page_none;
    heap->xfast[WANE__BIN_NONE] = &wane__page_none;
    heap->bare_turn = 1; /* never looked through */
    heap->linked = true;
    wane__stack_push(&xheaps, &heap->all);
}

/* Under the claim. Ordered with the births of the owner, when it is another, by a wait for its bracket. */
static void set_current(struct wane__heap *heap, unsigned bin, struct wane__page *page) {
    heap->current[bin] = page;
    store_relaxed(&heap->xfast[bin], load_relaxed(&wane__xheap_annotated) ? &wane__page_none : page);
}

static unsigned bin_of(const struct wane__page *page) { return WANE__BIN(page->cls, page->tracked); }

static void count_spares(struct wane__heap *heap, unsigned bin, int by) {
    heap->spare[bin] = (uint8_t)(heap->spare[bin] + by);
    store_seq_cst(&heap->xspares, load_relaxed(&heap->xspares) + (uint32_t)by); /* [order:watch] */
}

/*
 * All blocks of a page, on no list, are free. Perhaps in a bracket, where nothing is waited for: if the orphan lock is
 * taken, the class keeps one page more.
 */
static void became_empty(struct wane__heap *heap, struct wane__page *page) {
    unsigned bin = bin_of(page);
    wane__remote_clear(page);
    if (heap->spare[bin] != 0 && wane__orphan_try_put_empty(page))
        return;
    if (unlikely(heap->spare[bin] == UINT8_MAX)) {
        wane__orphan_put_empty(page);
        return;
    }
    page->alarm = ALARM_NEVER;
    page->place = WANE__AT_EMPTY;
    wane__page_list_push_last(&heap->avail[bin], page);
    count_spares(heap, bin, 1);
    wane__tend_watch();
}

/* Under the claim. `remote` of the page's used blocks are on its remote list, and no token tells of them. */
static void note_free(struct wane__heap *heap, struct wane__page *page, uint32_t remote) {
    unsigned bin = bin_of(page);
    if (page->place == WANE__AT_CURRENT || page->place == WANE__AT_EMPTY)
        return; /* a token may come home after its page became empty */
    if (page->place == WANE__AT_FULL) {
        wane__page_list_remove(&heap->full, page);
        wane__page_list_push_last(&heap->avail[bin], page);
        page->place = WANE__AT_AVAIL;
    }
    page->alarm = remote;
    if (page->used == remote) {
        wane__page_list_remove(&heap->avail[bin], page);
        became_empty(heap, page);
    }
}

/*
 * In a bracket. While the collector thread has the claim the page gets a token, as if another thread had freed: with
 * it the owner notes the free later. If the page has one, whoever brings it home notes the free.
 * With the claim: a page that was taken away since the free looked at xheap is another's to note; that one waits for
 * this bracket before it looks at the page.
 */
void wane__heap_free_alarm(struct wane__heap *heap, struct wane__page *page) {
    if (unlikely(!wane__heap_claim(heap))) {
        wane__remote_remind(page);
        return;
    }
    if (likely(load_relaxed(&page->xheap) == wane__heap_key(heap)))
        note_free(heap, page, wane__remote_count(load_relaxed(&page->xremote)));
    wane__heap_unclaim(heap);
}

static void collect_remote_claimed(struct wane__heap *heap) {
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

void wane__heap_collect_remote(struct wane__heap *heap) {
    if (!wane__heap_claim(heap))
        return;
    collect_remote_claimed(heap);
    wane__heap_unclaim(heap);
}

/* Under the claim: a page that was current, and perhaps was freed to since. */
static void file(struct wane__heap *heap, struct wane__page *page) {
    uint32_t remote = wane__remote_count(load_relaxed(&page->xremote));
    if (page->free == 0 && remote == 0 && page->carved == page->capacity) {
        page->alarm = page->capacity - 1u;
        page->place = WANE__AT_FULL;
        wane__page_list_push_last(&heap->full, page);
        return;
    }
    page->alarm = remote;
    page->place = WANE__AT_AVAIL;
    if (page->used == remote)
        became_empty(heap, page);
    else
        wane__page_list_push_last(&heap->avail[bin_of(page)], page);
}

static struct wane__page *own_page(struct wane__heap *heap, unsigned bin) {
    struct wane__page *page = heap->avail[bin].first;
    if (page == NULL)
        return NULL;
    wane__page_list_remove(&heap->avail[bin], page);
    if (page->place == WANE__AT_EMPTY)
        count_spares(heap, bin, -1);
    return page;
}

struct wane__page *wane__heap_fresh_page(unsigned bin, uintptr_t key) {
    unsigned cls = bin % WANE__CLASSES;
    size_t size = wane__heap_class_size(cls), reach = wane__page_reach(size);
    struct wane__page *page = wane__arena_take(reach > WANE__PAGE_SIZE ? 2 : 1);
    if (page == NULL)
        return NULL;
    wane__page_init(page, cls, size, bin >= WANE__CLASSES);
    if (reach > WANE__PAGE_SIZE)
        wane__arena_hold(page, (reach + 4095) & ~(size_t)4095);
    store_relaxed(&page->xheap, key);
    wane__arena_publish(page, WANE__PAGE_SMALL);
    return page;
}

/* Another page in the place of `page`, which has no block; NULL when memory is out. */
static struct wane__page *replace_current(struct wane__heap *heap, unsigned bin, struct wane__page *page) {
    if (page != &wane__page_none)
        file(heap, page);
    page = own_page(heap, bin);
    if (page == NULL)
        page = wane__orphan_adopt(heap, bin);
    if (page == NULL && wane__silent_relieve())
        page = wane__orphan_adopt(heap, bin);
    if (page == NULL)
        page = wane__heap_fresh_page(bin, wane__heap_key(heap));
    if (page == NULL) {
        set_current(heap, bin, &wane__page_none);
        return NULL;
    }
    page->alarm = ALARM_NEVER;
    page->place = WANE__AT_CURRENT;
    set_current(heap, bin, page);
    return page;
}

/* A page with a block on its free list, made current; NULL when memory is out. Under the claim. */
static struct wane__page *refill(struct wane__heap *heap, unsigned bin) {
    struct wane__page *page = heap->current[bin];
    if (!wane__remote_ready(page) && load_relaxed(&heap->xnotify.xtop) != NULL)
        collect_remote_claimed(heap);
    while (page != NULL && !wane__remote_ready(page))
        page = replace_current(heap, bin, page);
    return page;
}

static struct wane__header *own_block(struct wane__heap *heap, unsigned bin) {
    struct wane__page *page = refill(heap, bin);
    struct wane__header *h = page == NULL ? NULL : wane__page_pop(page);
    if (unlikely(page != NULL && h == NULL))
        wane__page_spoilt(page);
    wane__heap_unclaim(heap);
    return h;
}

struct wane__header *wane__heap_alloc_slow(struct wane__heap *heap, unsigned bin) {
    struct wane__header *h = likely(wane__heap_claim(heap)) ? own_block(heap, bin) : wane__orphan_alloc(bin);
    if (h == NULL)
        return NULL;
    size_t block_size = wane__heap_class_size(bin % WANE__CLASSES), payload = block_size - sizeof *h;
    if (unlikely(load_relaxed(&wane__xheap_annotated)))
        wane__annotate_alloc(h, block_size);
    wane__heap_zero(h, payload);
    if (unlikely(load_relaxed(&wane__xheap_annotated)))
        wane__annotate_allocated(h, payload);
    return h;
}

void wane__heap_send_gathered(struct wane__heap *heap) {
    struct wane__gathered g = heap->gathered;
    heap->gathered.n = 0; /* first: the child of a fork loses the blocks, and frees none twice */
    compiler_barrier();
    wane__remote_free_chain(g.page, g.first, g.last, g.n);
}

static void gather(struct wane__heap *heap, struct wane__page *page, struct wane__header *h) {
    struct wane__gathered *g = &heap->gathered;
    if (g->n != 0 && g->page == page) {
        wane__link_set(h, wane__link_of(g->first));
    } else {
        wane__heap_send(heap);
        g->page = page;
        g->last = h;
        wane__link_set(h, 0);
    }
    g->first = h;
    if (++g->n == WANE__GATHERED_MAX || g->n * load_relaxed(&page->xblock_size) >= WANE__GATHERED_BYTES)
        wane__heap_send_gathered(heap);
}

void wane__heap_free_at_last(struct wane__heap *heap, struct wane__header *h) {
    struct wane__page *page = wane__page_of(h);
    if (load_relaxed(&page->xheap) != wane__heap_key(heap)) {
        if (load_relaxed(&page->xstate) == WANE__PAGE_LARGE) /* `cls` is on the line that the owner writes all the time */
            wane__large_free(heap, page);
        else
            gather(heap, page, h);
        return;
    }
    wane__page_push(page, h);
    if (--page->used == page->alarm)
        wane__heap_free_alarm(heap, page);
}

void wane__heap_free_slow(struct wane__heap *heap, struct wane__header *h) {
    if (unlikely(load_relaxed(&wane__xheap_odd))) {
        if (load_relaxed(&wane__xheap_annotated))
            wane__annotate_free(wane__page_of(h), h);
        if (wane__quarantine_put(heap, h))
            return;
    }
    wane__heap_free_at_last(heap, h);
}

struct wane__page *wane__heap_open_page(struct wane__heap *heap, unsigned *bin) {
    for (; *bin < WANE__BINS; ++*bin) {
        if (heap->current[*bin] != &wane__page_none)
            return heap->current[*bin];
        if (heap->avail[*bin].first != NULL)
            return heap->avail[*bin].first;
    }
    return NULL;
}

void wane__heap_take_page(struct wane__heap *heap, struct wane__page *page) {
    unsigned bin = bin_of(page);
    if (page->place == WANE__AT_CURRENT)
        set_current(heap, bin, &wane__page_none);
    else if (page->place == WANE__AT_FULL)
        wane__page_list_remove(&heap->full, page);
    else
        wane__page_list_remove(&heap->avail[bin], page);
    if (page->place == WANE__AT_EMPTY)
        count_spares(heap, bin, -1);
}

/* Owner with the claim: takes the next page off any list; NULL when the heap has none. */
static struct wane__page *detach_page(struct wane__heap *heap, unsigned *bin) {
    struct wane__page *page = wane__heap_open_page(heap, bin);
    if (page == NULL)
        page = heap->full.first;
    if (page != NULL)
        wane__heap_take_page(heap, page);
    return page;
}

/* The collector thread has it for a moment only. */
static void wait_for_claim(struct wane__heap *heap) {
    while (!wane__heap_claim(heap))
        sched_yield();
}

/* Pages that are handed over between two rests of the orphan lock. */
enum { HAND_OVER = 64 };

void wane__heap_abandon(struct wane__heap *heap) {
    unsigned bin = 0;
    struct wane__page *batch[HAND_OVER];
    unsigned n;
    wait_for_claim(heap);
    do {
        for (n = 0; n < HAND_OVER; n++) {
            batch[n] = detach_page(heap, &bin);
            if (batch[n] == NULL)
                break;
        }
        wane__orphan_put(batch, n);
    } while (n == HAND_OVER);
    wane__heap_unclaim(heap);
    store_seq_cst(&heap->xdead, 1u); /* [order:dead] */
    wane__remote_pass_all(heap);
}

static struct wane__page *take_spare(struct wane__heap *heap, unsigned bin) {
    if (heap->spare[bin] == 0)
        return NULL;
    struct wane__page *page = heap->avail[bin].first;
    while (page->place != WANE__AT_EMPTY)
        page = page->next;
    wane__heap_take_page(heap, page);
    return page;
}

void wane__heap_shed(struct wane__heap *heap) {
    wait_for_claim(heap);
    collect_remote_claimed(heap);
    for (unsigned bin = 0; bin < WANE__BINS; bin++) {
        struct wane__page *page = heap->current[bin];
        if (page != &wane__page_none && page->used == wane__remote_count(load_relaxed(&page->xremote))) {
            set_current(heap, bin, &wane__page_none);
            wane__remote_clear(page);
            wane__orphan_put_empty(page);
        }
        while ((page = take_spare(heap, bin)) != NULL)
            wane__orphan_put_empty(page);
    }
    wane__heap_unclaim(heap);
}
