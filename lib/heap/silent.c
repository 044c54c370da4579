/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/silent.c: see silent.h, where the argument stands.
 */
#include "heap/silent.h"

#include "base/check.h"
#include "heap/orphan.h"
#include "heap/remote.h"

/* Pages that are taken between two rests of the claim: its owner may want it. */
enum { TAKE_AT_ONCE = 256 };

static struct wane__page *taken; /* under the collector's lock: through `next` */

/* Tokens on their way back. */
struct chain {
    struct wane__link *first, *last;
};

static void add(struct chain *chain, struct wane__link *link) {
    link->next = chain->first;
    chain->first = link;
    if (chain->last == NULL)
        chain->last = link;
}

static void take_page(struct wane__heap *heap, struct wane__page *page) {
    wane__heap_take_page(heap, page);
    page->place = WANE__AT_NOWHERE;
    store_release(&page->xheap, wane__heap_key(&wane__orphans)); /* [order:page-heap] */
    page->next = taken;
    taken = page;
}

/* With the claim: some of the pages whose tokens stand in *tokens. */
static void take_some(struct wane__heap *heap, struct wane__link **tokens, struct chain *back) {
    for (unsigned n = 0; *tokens != NULL && n < TAKE_AT_ONCE; n++) {
        struct wane__link *link = *tokens;
        struct wane__page *page = wane__page_of_notify(link);
        *tokens = link->next;
        if (wane__page_heap(page) != heap) {
            wane__remote_pass(page);
            continue;
        }
        uint8_t place = load_relaxed(&page->place);
        if (place == WANE__AT_CURRENT || place == WANE__AT_NOWHERE)
            add(back, link);
        else
            take_page(heap, page);
    }
}

/*
 * With the claim: empty pages that the classes keep. Nobody is in the middle of one. A token may be out, for a free of
 * before it was empty: so they are not settled, but wait on the empty list for it.
 */
static struct wane__page *take_spares(struct wane__heap *heap) {
    struct wane__page *list = NULL, *page;
    for (unsigned bin = 0; load_relaxed(&heap->xspares) != 0 && bin < WANE__BINS; bin++) {
        while ((page = wane__heap_take_spare(heap, bin)) != NULL) {
            page->place = WANE__AT_NOWHERE;
            store_release(&page->xheap, wane__heap_key(&wane__orphans)); /* [order:page-heap] */
            page->next = list;
            list = page;
        }
    }
    return list;
}

static void put_spares(struct wane__page *list) {
    while (list != NULL) {
        struct wane__page *page = list;
        list = page->next;
        wane__orphan_put_old(page);
    }
}

/* The owner's heap is looked through unless it comes between. */
static void look_through(struct wane__heap *heap) {
    struct wane__link *tokens = wane__stack_take(&heap->xnotify);
    struct chain back = {NULL, NULL};
    struct wane__page *spares = NULL;
    bool undisturbed = true;
    uint32_t turn = load_relaxed(&heap->xclaim);
    do {
        if (load_relaxed(&heap->xclaim) != turn || !wane__heap_claim(heap)) {
            undisturbed = false;
            break;
        }
        wane__pause();
        take_some(heap, &tokens, &back);
        if (tokens == NULL)
            spares = take_spares(heap);
        wane__heap_unclaim(heap);
        turn += 2;
    } while (tokens != NULL);
    put_spares(spares);
    for (struct wane__link *next; tokens != NULL; tokens = next) {
        next = tokens->next;
        add(&back, tokens);
    }
    if (back.first != NULL && !wane__remote_return(heap, back.first, back.last))
        undisturbed = false;
    heap->quiet_top = back.first;
    heap->quiet_turn = undisturbed ? turn : 1; /* no even number */
}

static bool has_news(const struct wane__heap *heap) {
    if (load_seq_cst(&heap->xdead)) /* [order:dead] */
        return false;
    struct wane__link *top = load_seq_cst(&heap->xnotify.xtop); /* [order:watch] */
    if (load_relaxed(&heap->xclaim) == heap->quiet_turn && top == heap->quiet_top)
        return false;
    return top != NULL || load_seq_cst(&heap->xspares) != 0; /* [order:watch] */
}

/* Whether nothing but current pages happened in the heap for delay_ns. */
static bool is_silent(struct wane__heap *heap, uint64_t now_ns, uint64_t delay_ns) {
    uint32_t turn = load_relaxed(&heap->xclaim);
    if (turn != heap->seen_turn || heap->seen_since > now_ns || heap->seen_since == 0) {
        heap->seen_turn = turn;
        heap->seen_since = now_ns;
        return false;
    }
    return now_ns - heap->seen_since >= delay_ns;
}

void wane__silent_take(uint64_t now_ns, uint64_t delay_ns, bool all) {
    for (struct wane__heap *heap = wane__heap_first(); heap != NULL; heap = wane__heap_next(heap)) {
        if (has_news(heap) && (all || is_silent(heap, now_ns, delay_ns)))
            look_through(heap);
    }
}

bool wane__silent_taken(void) { return taken != NULL; }

void wane__silent_put(void) {
    while (taken != NULL)
        taken = wane__orphan_put_taken(taken);
}

bool wane__silent_news(void) {
    bool news = taken != NULL;
    for (struct wane__heap *heap = wane__heap_first(); !news && heap != NULL; heap = wane__heap_next(heap))
        news = has_news(heap);
    return news;
}

void wane__silent_fork_child(void) { taken = NULL; }
