/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/remote.c: see remote.h, where the argument stands.
 */
#include "heap/remote.h"

#include "base/check.h"
#include "heap/orphan.h"
#include "heap/tend.h"

/* Holder of the token. */
static void notify(struct wane__page *page) {
    struct wane__heap *heap = wane__page_heap(page);
    wane__pause();
    wane__stack_push(&heap->xnotify, &page->notify);
    if (heap != &wane__orphans && load_seq_cst(&heap->xdead)) /* [order:dead] */
        wane__tend_call();
    else
        wane__tend_watch(); /* [order:watch] after the push */
}

void wane__remote_remind(struct wane__page *page) {
    if ((or_acq_rel(&page->xremote, WANE__REMOTE_NOTIFIED) & WANE__REMOTE_NOTIFIED) == 0) /* [order:remote] */
        notify(page);
}

void wane__remote_return(struct wane__heap *heap, struct wane__link *first, struct wane__link *last) {
    (void)wane__stack_push_chain(&heap->xnotify, first, last);
    if (load_seq_cst(&heap->xdead)) /* [order:dead] */
        wane__tend_call();
}

void wane__remote_free_chain(struct wane__page *page, struct wane__header *first, struct wane__header *last, uint32_t n) {
    uint32_t old = load_relaxed(&page->xremote), new;
    do {
        wane__link_set(last, old & WANE__REMOTE_OFFSET);
        new = ((old & ~WANE__REMOTE_OFFSET) + n * WANE__REMOTE_COUNT_ONE) | wane__link_of(first) | WANE__REMOTE_NOTIFIED;
    } while (!cas_weak_acq_rel(&page->xremote, &old, new)); /* [order:remote] */
    if ((old & WANE__REMOTE_NOTIFIED) == 0)
        notify(page);
}

void wane__remote_pass(struct wane__page *page) {
    uint32_t word = load_relaxed(&page->xremote);
    while ((word & WANE__REMOTE_OFFSET) == 0) {
        if (cas_weak_acq_rel(&page->xremote, &word, 0u))
            return;
    }
    notify(page);
}

void wane__remote_pass_all(struct wane__heap *heap) {
    struct wane__link *link = wane__stack_take(&heap->xnotify);
    while (link != NULL) {
        struct wane__link *next = link->next; /* the next holder of the token writes it */
        wane__remote_pass(wane__page_of_notify(link));
        link = next;
    }
}

bool wane__remote_take(struct wane__page *page) {
    if ((load_relaxed(&page->xremote) & WANE__REMOTE_OFFSET) == 0)
        return false;
    uint32_t word = and_acq_rel(&page->xremote, WANE__REMOTE_NOTIFIED); /* [order:remote] */
    page->used -= wane__remote_count(word);
    page->free = (uint16_t)(word & WANE__REMOTE_OFFSET);
    return true;
}

uint32_t wane__remote_settle(struct wane__page *page) {
    uint32_t keep = page->free == 0 ? 0 : ~WANE__REMOTE_NOTIFIED;
    uint32_t word = and_acq_rel(&page->xremote, keep); /* [order:remote] */
    if (keep != 0)
        return wane__remote_count(word);
    page->used -= wane__remote_count(word);
    page->free = (uint16_t)(word & WANE__REMOTE_OFFSET);
    return 0;
}

void wane__remote_clear(struct wane__page *page) {
    (void)and_acq_rel(&page->xremote, WANE__REMOTE_NOTIFIED); /* [order:remote] */
    wane__page_reset(page);
}
