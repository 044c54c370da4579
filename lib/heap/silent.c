/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/silent.c: see silent.h, where the argument stands.
 */
#include "heap/silent.h"

#include "base/check.h"
#include "base/lock.h"
#include "heap/arena.h"
#include "heap/orphan.h"
#include "heap/remote.h"

/* Pages that are taken with one claim, which its owner may want, or by one look. */
enum { TAKE_AT_ONCE = 256 };

/*
 * Fresh pages between two looks for pages that their owners do not use: the least after a look that found half as many,
 * twice as many after another, up to the most, plus a share of the pages in use.
 */
enum { LOOK_LEAST = 4, LOOK_MOST = 64, LOOK_SHARE = 8 };
static size_t xfresh, xinterval = LOOK_LEAST;

/* A look is part of a birth: so many heaps, and it ends when it has found enough. The next one goes on from there. */
enum { LOOK_HEAPS = 512 };

const struct wane__bracket_looks *wane__heap_looks;

static struct wane__mutex lock = WANE__MUTEX(WANE__RANK_SILENT);

static struct wane__heap *holding; /* guarded by lock: heaps from which pages were taken and not put elsewhere */

static bool holds(const struct wane__heap *heap) { return heap->taken[false] != NULL || heap->taken[true] != NULL; }

static void take_page(struct wane__heap *heap, struct wane__page *page, bool token) {
    if (!holds(heap)) {
        heap->next_holding = holding;
        holding = heap;
    }
    wane__heap_take_page(heap, page);
    page->place = WANE__AT_NOWHERE;
    store_release(&page->xheap, wane__heap_key(&wane__orphans)); /* [order:page-heap] */
    page->next = heap->taken[token];
    heap->taken[token] = page;
}

/* With the claim: some of the pages whose tokens stand in *tokens, then some of those with room. False: no more. */
static bool take_some(struct wane__heap *heap, struct wane__link **tokens, unsigned *bin, unsigned *ret_n) {
    for (unsigned n = 0; n < TAKE_AT_ONCE; n++, ++*ret_n) {
        struct wane__page *page;
        if (*tokens != NULL) {
            page = wane__page_of_notify(*tokens);
            *tokens = (*tokens)->next;
            if (wane__page_heap(page) == heap)
                take_page(heap, page, true);
            else
                wane__remote_pass(page);
        } else if ((page = wane__heap_open_page(heap, bin)) != NULL) {
            take_page(heap, page, false);
        } else {
            return false;
        }
    }
    return true;
}

/* Tokens in hand go back to the heap's stack. */
static void put_back(struct wane__heap *heap, struct wane__link *tokens) {
    struct wane__link *last = tokens;
    if (tokens == NULL)
        return;
    while (last->next != NULL)
        last = last->next;
    wane__remote_return(heap, tokens, last);
}

/* Takes what others can use, or some of it. Returns how many pages; *ret_more: there are others. */
static unsigned take_open(struct wane__heap *heap, bool *ret_more) {
    struct wane__link *tokens = wane__stack_take(&heap->xnotify);
    uint32_t turn = load_relaxed(&heap->xclaim);
    unsigned bin = 0, n = 0;
    *ret_more = false;
    if (wane__heap_claim(heap)) {
        wane__pause();
        *ret_more = take_some(heap, &tokens, &bin, &n);
        turn = load_relaxed(&heap->xclaim) + 1;
        wane__heap_unclaim(heap);
        if (!*ret_more)
            heap->bare_turn = turn;
    }
    put_back(heap, tokens);
    heap->seen_turn = heap->crowd_turn = turn;
    return n;
}

/* The owner, or who frees in its pages, left something that is of no use to itself. */
static bool has_news(const struct wane__heap *heap) {
    if (load_seq_cst(&heap->xdead)) /* [order:dead] */
        return false;
    return load_seq_cst(&heap->xnotify.xtop) != NULL || load_seq_cst(&heap->xspares) != 0; /* [order:watch] */
}

/* Whether nothing but births and deaths in pages with room happened in the heap for delay_ns. */
static bool is_silent(struct wane__heap *heap, uint64_t now_ns, uint64_t delay_ns) {
    uint32_t turn = load_relaxed(&heap->xclaim);
    if (turn != heap->seen_turn || heap->seen_since > now_ns || heap->seen_since == 0) {
        heap->seen_turn = turn;
        heap->seen_since = now_ns;
        return false;
    }
    return now_ns - heap->seen_since >= delay_ns;
}

/* Pages are short: whether nothing of the sort happened since they last were, and there may be something to take. */
static bool is_idle(struct wane__heap *heap) {
    uint32_t turn = load_relaxed(&heap->xclaim);
    bool idle = turn == heap->crowd_turn && (turn & 1) == 0 && !load_seq_cst(&heap->xdead); /* [order:dead] */
    heap->crowd_turn = turn;
    return idle && (turn != heap->bare_turn || load_relaxed(&heap->xnotify.xtop) != NULL);
}

/* The pages of all heaps that hold some, or of those whose owner is in no bracket. Returns whether there were any. */
static bool put(bool (*clear)(const struct wane__heap *heap), bool old) {
    bool any = false;
    for (struct wane__heap **at = &holding, *heap; (heap = *at) != NULL;) {
        if (clear != NULL && !clear(heap)) {
            at = &heap->next_holding;
            continue;
        }
        for (int token = false; token <= true; token++) {
            while (heap->taken[token] != NULL)
                heap->taken[token] = wane__orphan_put_taken(heap->taken[token], token, old);
        }
        *at = heap->next_holding;
        any = true;
    }
    return any;
}

/* A heap that is half done is gone on with unless its owner has come between. */
static bool may_take(const struct wane__tend *t, struct wane__heap *heap) {
    if (t->more_of_heap)
        return load_relaxed(&heap->xclaim) == heap->seen_turn;
    return has_news(heap) && (t->all || is_silent(heap, t->now_ns, t->delay_ns));
}

bool wane__silent_tend(struct wane__tend *t) {
    wane__mutex_lock(&lock);
    while (t->heap != NULL && t->budget > 0) {
        bool more = false;
        if (may_take(t, t->heap))
            t->budget -= (int)take_open(t->heap, &more) * WANE__TEND_PAGE;
        t->budget -= WANE__TEND_HEAP;
        t->more_of_heap = more;
        if (!more)
            t->heap = wane__heap_next(t->heap);
    }
    if (holding != NULL && wane__tend_wait(t))
        (void)put(NULL, true);
    wane__mutex_unlock(&lock);
    return t->heap == NULL;
}

/* Guarded by lock: the next look comes sooner when this one was worth it. */
static void look_again_after(unsigned got) {
    size_t most = LOOK_MOST + wane__arena_pages_used() / LOOK_SHARE, last = load_relaxed(&xinterval);
    size_t next = got >= last / 2 ? (size_t)LOOK_LEAST : 2 * last;
    store_relaxed(&xinterval, next < LOOK_LEAST ? (size_t)LOOK_LEAST : next < most ? next : most);
    store_relaxed(&xfresh, (size_t)0);
}

static void take_idle(void) {
    static struct wane__heap *next; /* heaps are for ever */
    unsigned got = 0;
    for (unsigned n = 0; n < LOOK_HEAPS && got < TAKE_AT_ONCE; n++) {
        struct wane__heap *heap = next != NULL ? next : wane__heap_first();
        bool more;
        if (is_idle(heap))
            got += take_open(heap, &more);
        next = wane__heap_next(heap);
        if (next == NULL)
            break;
    }
    look_again_after(got);
}

bool wane__silent_relieve(void) {
    const struct wane__bracket_looks *looks = load_acquire(&wane__heap_looks);
    if (add_relaxed(&xfresh, (size_t)1) < load_relaxed(&xinterval) || looks == NULL || !wane__mutex_trylock(&lock))
        return false;
    bool any = false;
    take_idle();
    if (holding != NULL) {
        looks->barrier();
        any = put(looks->clear, false);
    }
    bool left = holding != NULL;
    wane__mutex_unlock(&lock);
    if (left)
        wane__tend_call();
    return any;
}

bool wane__silent_news(void) {
    wane__mutex_lock(&lock);
    bool news = holding != NULL || load_seq_cst(&wane__orphans.xnotify.xtop) != NULL; /* [order:watch] */
    wane__mutex_unlock(&lock);
    for (struct wane__heap *heap = wane__heap_first(); !news && heap != NULL; heap = wane__heap_next(heap))
        news = has_news(heap);
    return news;
}

void wane__silent_fork_prepare(void) { wane__mutex_lock(&lock); }

void wane__silent_fork_parent(void) { wane__mutex_unlock(&lock); }

void wane__silent_fork_child(void) {
    for (struct wane__heap *heap = holding; heap != NULL; heap = heap->next_holding)
        heap->taken[false] = heap->taken[true] = NULL; /* each is found by its place */
    holding = NULL;
    wane__mutex_unlock(&lock);
}
