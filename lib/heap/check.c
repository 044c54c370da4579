/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/check.c: the whole-heap check, for tests and -Dchecks=full.
 */
#include <sched.h>

#include "base/check.h"
#include "heap/remote.h"

static bool fails(const struct wane__page *page, const char *what) {
    if (page == NULL)
        page = &wane__page_none;
    wane__log(WANE__LOG_ERROR, "heap check: %s: page %p, class %u, used %u, carved %u of %u, place %u", what,
              (void *)wane__page_memory(page), page->cls, page->used, page->carved, page->capacity, page->place);
    return false;
}

/* Every block is in use, on the free list, or uncarved; none is LIVE on the list. */
static bool check_blocks(const struct wane__page *page) {
    unsigned n = 0;
    for (const struct wane__header *h = wane__page_free(page); h != NULL; h = wane__page_next(page, h)) {
        if ((load_relaxed(&h->local) & ~WANE__LINK_PLACES) != 0)
            return fails(page, "a free block with a link that is none");
        unsigned i = wane__page_index(page, h);
        if (wane__page_of(h) != page || i >= page->carved || wane__page_block(page, i) != h)
            return fails(page, "a free block that is none");
        if ((load_relaxed(&h->shared) & WANE__LIVE) != 0)
            return fails(page, "a free block that is alive");
        if (++n > page->capacity)
            return fails(page, "a free list that does not end");
    }
    if (page->used + n != page->carved)
        return fails(page, "blocks that are neither used nor free");
    if (wane__remote_count(load_relaxed(&page->xremote)) > page->used)
        return fails(page, "more remote frees than used blocks");
    return true;
}

static bool check_page(struct wane__heap *heap, const struct wane__page *page, unsigned bin, unsigned place) {
    if (wane__page_heap(page) != heap)
        return fails(page, "another heap's page on a list");
    if (load_relaxed(&page->xstate) != WANE__PAGE_SMALL)
        return fails(page, "a page that the walker does not see");
    if (bin < WANE__BINS && WANE__BIN(page->cls, page->tracked) != bin)
        return fails(page, "wrong class");
    bool spare = place == WANE__AT_AVAIL && page->place == WANE__AT_EMPTY;
    if (page->place != place && !(spare && page->used == 0))
        return fails(page, "wrong place");
    if ((load_relaxed(&page->xremote) & WANE__REMOTE_NOTIFIED) != 0)
        return check_blocks(page); /* what a free changed may have been left to whoever gets the token */
    if (page->place == WANE__AT_AVAIL && page->used == 0)
        return fails(page, "an empty page that nobody noted");
    if (place == WANE__AT_FULL && (page->free != 0 || page->used != page->capacity))
        return fails(page, "a full page with free blocks");
    if (place != WANE__AT_CURRENT && page->used <= page->alarm && page->used != 0)
        return fails(page, "a missed alarm");
    return check_blocks(page);
}

static bool check_list(struct wane__heap *heap, const struct wane__page_list *list, unsigned bin, unsigned place) {
    const struct wane__page *prev = NULL;
    unsigned empty = 0;
    for (const struct wane__page *page = list->first; page != NULL; prev = page, page = page->next) {
        if (page->prev != prev)
            return fails(page, "a broken list");
        if (!check_page(heap, page, bin, place))
            return false;
        empty += page->place == WANE__AT_EMPTY;
    }
    if (bin < WANE__BINS && empty != heap->spare[bin])
        return fails(list->first, "empty pages that are no spares");
    return list->last == prev || fails(list->last, "a broken end of a list");
}

static bool check_heap(struct wane__heap *heap) {
    uint32_t spares = 0;
    for (unsigned bin = 0; bin < WANE__BINS; bin++) {
        const struct wane__page *page = heap->current[bin];
        if (page != &wane__page_none && !check_page(heap, page, bin, WANE__AT_CURRENT))
            return false;
        if (load_relaxed(&heap->xfast[bin]) != page && load_relaxed(&heap->xfast[bin]) != &wane__page_none)
            return fails(load_relaxed(&heap->xfast[bin]), "not the current page");
        if (!check_list(heap, &heap->avail[bin], bin, WANE__AT_AVAIL))
            return false;
        spares += heap->spare[bin];
    }
    if (spares != load_relaxed(&heap->xspares))
        return fails(NULL, "a wrong number of spares");
    return check_list(heap, &heap->full, WANE__BINS, WANE__AT_FULL);
}

bool wane__heap_check(struct wane__heap *heap) {
    while (!wane__heap_claim(heap))
        sched_yield();
    bool right = check_heap(heap);
    wane__heap_unclaim(heap);
    return right;
}
