/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/large.c: objects above the largest class.
 *
 * Each has a run of pages, or a mapping of its own, with one block. Such a page belongs to no heap: whoever frees the
 * object retires the run. Short runs are kept for the next object of as many pages; long ones go back to the system
 * soon, as it zeroes them faster than we would.
 */
#include <errno.h>

#include "heap/arena.h"
#include "heap/orphan.h"
#include "heap/tend.h"

static struct wane__page *fresh(unsigned run, size_t block_bytes, bool tracked) {
    struct wane__page *page = run != 0 ? wane__arena_take(run) : wane__arena_map(block_bytes);
    if (page == NULL)
        return NULL;
    wane__page_init(page, WANE__CLASS_LARGE, block_bytes, tracked);
    page->run = (uint16_t)run;
    page->used = 1;
    store_relaxed(&page->xheap, (uintptr_t)0);
    store_relaxed(&page->xtouched, 1);
    wane__arena_publish(page, WANE__PAGE_LARGE);
    return page;
}

struct wane__header *wane__heap_alloc_large(struct wane__heap *heap, size_t block_bytes, bool tracked) {
    (void)heap;
    if (block_bytes > SIZE_MAX / 4) {
        errno = ENOMEM;
        return NULL;
    }
    block_bytes = (block_bytes + 15) & ~(size_t)15;
    size_t pages = (WANE__BLOCK_FIRST + block_bytes + WANE__PAGE_SIZE - 1) >> WANE__PAGE_SHIFT;
    unsigned run = pages <= WANE__RUN_MAX ? (unsigned)pages : 0;
    struct wane__page *page = NULL;
    if (run != 0 && run <= WANE__RUN_KEPT)
        page = wane__orphan_adopt_run(run, tracked);
    bool zero = page == NULL;
    if (zero) {
        page = fresh(run, block_bytes, tracked);
        if (page == NULL)
            return NULL;
    }
    page->used = 1;
    store_relaxed(&page->xblock_size, block_bytes);
    struct wane__header *h = wane__page_block(page, 0);
    if (unlikely(load_relaxed(&wane__xheap_annotated)))
        wane__annotate_alloc(h, block_bytes);
    if (!zero)
        memset(h + 1, 0, block_bytes - sizeof *h);
    if (unlikely(load_relaxed(&wane__xheap_annotated)))
        wane__annotate_allocated(h, block_bytes - sizeof *h);
    return h;
}

void wane__large_free(struct wane__page *page) {
    page->used = 0;
    bool kept = page->run != 0 && page->run <= WANE__RUN_KEPT && wane__orphan_try_put_empty(page);
    if (!kept)
        wane__tend_retire(page);
}
