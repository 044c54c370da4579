/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/page.c: what an owner does to one page, and lists of pages.
 *
 * fork() may catch an owner between any two stores. The child sees a prefix of them, in program order, and rebuilds
 * what it needs from `free` and `carved` alone (heap/fork.c). So each of the stores below leaves a state in which no
 * block is both on the list and to be carved again, and the compiler may not reorder them.
 */
#include "heap/page.h"

#include "base/check.h"
#include "heap/annotate.h"

/* Carving a little at a time touches memory only as it is needed; this much keeps the slow path rare. */
enum { CARVE_BYTES = 4096 };

void wane__page_list_push_first(struct wane__page_list *list, struct wane__page *page) {
    page->prev = NULL;
    page->next = list->first;
    if (list->first != NULL)
        list->first->prev = page;
    else
        list->last = page;
    list->first = page;
}

void wane__page_list_push_last(struct wane__page_list *list, struct wane__page *page) {
    page->next = NULL;
    page->prev = list->last;
    if (list->last != NULL)
        list->last->next = page;
    else
        list->first = page;
    list->last = page;
}

void wane__page_list_remove(struct wane__page_list *list, struct wane__page *page) {
    if (page->prev != NULL)
        page->prev->next = page->next;
    else
        list->first = page->next;
    if (page->next != NULL)
        page->next->prev = page->prev;
    else
        list->last = page->prev;
}

void wane__page_init(struct wane__page *page, unsigned cls, size_t block_size, bool tracked) {
    page->base = wane__page_memory(page);
    page->free = 0;
    page->used = 0;
    page->alarm = UINT32_MAX;
    page->carved = 0;
    page->place = WANE__AT_NOWHERE;
    page->cls = (uint8_t)cls;
    page->tracked = tracked;
    store_relaxed(&page->side, NULL);
    store_relaxed(&page->xblock_size, block_size);
    store_relaxed(&page->xtouched, 0);
    if (cls == WANE__CLASS_LARGE) {
        page->reciprocal = 0;
        page->capacity = 1;
        return;
    }
    page->reciprocal = (uint32_t)((((uint64_t)1 << 32) + block_size - 1) / block_size);
    page->capacity = (uint16_t)wane__page_blocks(block_size);
}

bool wane__page_carve(struct wane__page *page) {
    unsigned begin = page->carved;
    if (begin == page->capacity)
        return false;
    unsigned n = CARVE_BYTES / (unsigned)page->xblock_size;
    unsigned end = n == 0 ? begin + 1 : begin + n < page->capacity ? begin + n : page->capacity;
    uint32_t next = 0;
    for (unsigned i = end; i-- > begin;) {
        struct wane__header *h = wane__page_block(page, i);
        wane__link_set(h, next);
        if (unlikely(load_relaxed(&wane__xheap_annotated)))
            wane__annotate_carve(h, page->xblock_size);
        next = wane__link_of(h);
    }
    if (end > load_relaxed(&page->xtouched))
        store_release(&page->xtouched, (uint16_t)end); /* [order:touched] */
    page->carved = (uint16_t)end;
    compiler_barrier();
    page->free = (uint16_t)next;
    return true;
}

void wane__page_reset(struct wane__page *page) {
    page->free = 0;
    compiler_barrier();
    page->used = 0;
    page->carved = 0;
}

const char *(*wane__page_type_name)(const struct wane__header *h);

const char *wane__block_type_name(const struct wane__header *h) {
    return wane__page_type_name == NULL ? "(none)" : wane__page_type_name(h);
}

void wane__page_spoilt(const struct wane__page *page) {
    const struct wane__header *h = wane__page_at(page, page->free);
    wane__fatal("heap: the free block of %zu bytes at %p, last of type \"%s\", in the page at %p was written to: "
                "its header is %016llx, changed by an overrun of the object before it or by a write to the dead object",
                page->xblock_size, (const void *)(h + 1), wane__block_type_name(h), (void *)page->base,
                (unsigned long long)load_relaxed((const uint64_t *)(const void *)h));
}
