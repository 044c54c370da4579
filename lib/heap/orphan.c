/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/orphan.c: pages of threads that ended, and pages that their threads emptied.
 *
 * For each class there is a list of pages with some free blocks and a stack of empty ones; full pages are on no list
 * until a remote free makes room. All of it, and the owner's fields of its pages, is guarded by one lock, held for
 * some stores a page. A thread that runs out of blocks comes here before it takes a fresh page: pages stay with their
 * class, so neither a bracket wait nor zeroing is needed, and the walker does not notice. What stays empty for
 * the trim delay is taken by the collector thread; or at once, when threads take fresh pages while many of other
 * classes are empty (pressure).
 */
#include "heap/orphan.h"

#include <limits.h>

#include "base/check.h"
#include "base/lock.h"
#include "heap/arena.h"
#include "heap/remote.h"
#include "heap/tend.h"
#include "os/clock.h"

/* Empty pages are no pressure up to this, plus an eighth of those in use. */
enum { PRESSURE_FLOOR = 16 };

/* Pages that are listed, or taken, while the lock is held once. */
enum { AT_ONCE = 64 };

struct wane__heap wane__orphans = {.xdead = 1};

static struct wane__mutex lock = WANE__MUTEX(WANE__RANK_ORPHANS);

static struct wane__page_list partial[WANE__BINS]; /* guarded by lock */
static struct wane__page_list empty[WANE__BINS];   /* guarded by lock; the newest first, as far as their times tell */
static bool watched;                               /* guarded by lock: tend knows that there are empty pages */
static uint32_t xcount[WANE__BINS];                /* written under lock: pages on both lists */
static size_t xempty_pages;                        /* written under lock */
static uint32_t xpressure;

static unsigned bin_of(const struct wane__page *page) { return WANE__BIN(page->cls, page->tracked); }

static void count_locked(unsigned bin, int by) { store_relaxed(&xcount[bin], load_relaxed(&xcount[bin]) + (unsigned)by); }

static void count_empty_locked(const struct wane__page *page, int by) {
    store_relaxed(&xempty_pages, by > 0 ? xempty_pages + page->run : xempty_pages - page->run);
}

static void unlist_locked(struct wane__page *page) {
    unsigned bin = bin_of(page);
    if (page->place == WANE__AT_AVAIL) {
        wane__page_list_remove(&partial[bin], page);
        count_locked(bin, -1);
    } else if (page->place == WANE__AT_EMPTY) {
        wane__page_list_remove(&empty[bin], page);
        count_locked(bin, -1);
        count_empty_locked(page, -1);
    }
    page->place = WANE__AT_NOWHERE;
}

/* `old`: for longer than any trim delay. Returns whether tend must be told. */
static bool list_empty_locked(struct wane__page *page, bool old) {
    unsigned bin = bin_of(page);
    page->since = old ? 0 : wane__clock(CLOCK_MONOTONIC_COARSE);
    page->place = WANE__AT_EMPTY;
    if (old)
        wane__page_list_push_last(&empty[bin], page);
    else
        wane__page_list_push_first(&empty[bin], page);
    count_locked(bin, 1);
    count_empty_locked(page, 1);
    bool tell = !watched;
    watched = true;
    return tell;
}

/* Puts a page, on no list, where its blocks say. `remote`: how many of its used ones are on its remote list. */
static bool list_locked(struct wane__page *page, uint32_t remote, bool old) {
    if (page->used == remote) {
        wane__remote_clear(page);
        return list_empty_locked(page, old);
    }
    if (page->free == 0 && remote == 0 && page->carved == page->capacity) {
        page->place = WANE__AT_FULL;
        return false;
    }
    page->place = WANE__AT_AVAIL;
    wane__page_list_push_last(&partial[bin_of(page)], page);
    count_locked(bin_of(page), 1);
    return false;
}

static bool put_locked(struct wane__page *page) {
    page->place = WANE__AT_NOWHERE;
    store_release(&page->xheap, wane__heap_key(&wane__orphans)); /* [order:page-heap] */
    if (page->free == 0)
        wane__remote_take(page);
    return list_locked(page, wane__remote_count(load_relaxed(&page->xremote)), false);
}

void wane__orphan_put_locked(struct wane__page *page) { (void)put_locked(page); }

void wane__orphan_put_again_locked(struct wane__page *page) {
    unlist_locked(page);
    (void)put_locked(page);
}

void wane__orphan_put(struct wane__page **pages, unsigned n) {
    bool tell = false;
    if (n == 0)
        return;
    wane__mutex_lock(&lock);
    for (unsigned i = 0; i < n; i++)
        tell |= put_locked(pages[i]);
    wane__mutex_unlock(&lock);
    if (tell)
        wane__tend_call();
}

static void put_empty_and_unlock(struct wane__page *page, bool old) {
    store_release(&page->xheap, wane__heap_key(&wane__orphans)); /* [order:page-heap] */
    bool tell = list_empty_locked(page, old);
    wane__mutex_unlock(&lock);
    if (tell)
        wane__tend_call();
}

void wane__orphan_put_empty(struct wane__page *page) {
    wane__mutex_lock(&lock);
    put_empty_and_unlock(page, false);
}

void wane__orphan_put_old(struct wane__page *page) {
    wane__mutex_lock(&lock);
    put_empty_and_unlock(page, true);
}

bool wane__orphan_try_put_empty(struct wane__page *page) {
    if (!wane__mutex_trylock(&lock))
        return false;
    put_empty_and_unlock(page, false);
    return true;
}

struct wane__page *wane__orphan_put_taken(struct wane__page *list, bool token, bool old) {
    bool tell = false;
    wane__mutex_lock(&lock);
    for (unsigned n = 0; list != NULL && n < AT_ONCE; n++) {
        struct wane__page *page = list;
        list = page->next;
        uint32_t remote = token ? wane__remote_settle(page) : wane__remote_count(load_relaxed(&page->xremote));
        tell |= list_locked(page, remote, old);
    }
    wane__mutex_unlock(&lock);
    if (tell)
        wane__tend_call();
    return list;
}

/*
 * Tokens that came to the orphan heap, up to `most`; the others stay in *tokens. Those of pages that left it are collected
 * in *ret_left: passing them on may call the hook, so it is done without the lock. A page that was taken from its owner, who
 * may be in the middle of it (heap/silent.h), is in no list yet: its token waits here. Returns whether tend must be told.
 */
static bool drain_locked(struct wane__link **tokens, unsigned most, struct wane__link **ret_left) {
    bool tell = false;
    struct wane__link *link = *tokens;
    for (unsigned n = 0; link != NULL && n < most; n++) {
        struct wane__page *page = wane__page_of_notify(link);
        struct wane__link *next = link->next;
        if (wane__page_heap(page) != &wane__orphans) {
            store_relaxed(&link->next, *ret_left);
            *ret_left = link;
        } else if (page->place == WANE__AT_NOWHERE) {
            wane__stack_push(&wane__orphans.xnotify, link);
        } else {
            uint32_t remote = wane__remote_settle(page);
            if (page->place == WANE__AT_FULL || (page->place == WANE__AT_AVAIL && page->used == remote)) {
                unlist_locked(page);
                tell |= list_locked(page, remote, false);
            }
        }
        link = next;
    }
    *tokens = link;
    return tell;
}

/* The same with all that are on the stack. */
static bool drain_all_locked(struct wane__link **ret_left) {
    struct wane__link *tokens = wane__stack_take(&wane__orphans.xnotify);
    return drain_locked(&tokens, UINT_MAX, ret_left);
}

static void after_drain(struct wane__link *left, bool tell) {
    while (left != NULL) {
        struct wane__link *next = left->next; /* the next holder of the token writes it */
        wane__remote_pass(wane__page_of_notify(left));
        left = next;
    }
    if (tell)
        wane__tend_call();
}

void wane__orphan_drain(struct wane__link **tokens, int *budget) {
    for (; *tokens != NULL && *budget > 0; *budget -= AT_ONCE * WANE__TEND_PAGE) {
        struct wane__link *left = NULL;
        wane__mutex_lock(&lock);
        (void)drain_locked(tokens, AT_ONCE, &left); /* the caller goes on to look for empty pages */
        wane__mutex_unlock(&lock);
        after_drain(left, false);
    }
}

static struct wane__page *adopt_locked(unsigned bin, uintptr_t key) {
    struct wane__page *page = partial[bin].first;
    if (page == NULL)
        page = empty[bin].first;
    if (page == NULL)
        return NULL;
    unlist_locked(page);
    store_release(&page->xheap, key); /* [order:page-heap] */
    return page;
}

struct wane__page *wane__orphan_adopt(struct wane__heap *heap, unsigned bin) {
    bool news = load_relaxed(&wane__orphans.xnotify.xtop) != NULL;
    if (!news && load_relaxed(&xcount[bin]) == 0)
        return NULL;
    struct wane__link *left = NULL;
    wane__mutex_lock(&lock);
    bool tell = news && drain_all_locked(&left);
    struct wane__page *page = adopt_locked(bin, wane__heap_key(heap));
    wane__mutex_unlock(&lock);
    after_drain(left, tell);
    return page;
}

/* Under the lock: a block of some page of the class; NULL when there is none. */
static struct wane__header *alloc_locked(unsigned bin) {
    struct wane__page *page;
    while ((page = partial[bin].first != NULL ? partial[bin].first : empty[bin].first) != NULL) {
        unlist_locked(page);
        bool is_ready = wane__remote_ready(page);
        struct wane__header *h = is_ready ? wane__page_pop(page) : NULL;
        if (is_ready && h == NULL)
            wane__page_spoilt(page);
        (void)list_locked(page, wane__remote_count(load_relaxed(&page->xremote)), false);
        if (h != NULL)
            return h;
    }
    return NULL;
}

struct wane__header *wane__orphan_alloc(unsigned bin) {
    struct wane__link *left = NULL;
    wane__mutex_lock(&lock);
    bool tell = drain_all_locked(&left);
    struct wane__header *h = alloc_locked(bin);
    wane__mutex_unlock(&lock);
    after_drain(left, tell);
    if (h != NULL)
        return h;
    struct wane__page *page = wane__heap_fresh_page(bin, wane__heap_key(&wane__orphans));
    if (page == NULL)
        return NULL;
    (void)wane__page_carve(page);
    h = wane__page_pop(page);
    wane__orphan_put(&page, 1);
    return h;
}

void wane__orphan_note_pressure(size_t pages_used) {
    if (load_relaxed(&xempty_pages) > PRESSURE_FLOOR + pages_used / 8 && load_relaxed(&xpressure) == 0) {
        store_relaxed(&xpressure, 1u);
        wane__tend_call();
    }
}

bool wane__orphan_pressure(void) {
    bool pressure = load_relaxed(&xpressure) != 0;
    store_relaxed(&xpressure, 0u);
    return pressure;
}

/* The oldest empty page of the class that may be taken. One with a token out stays until that came home. */
static struct wane__page *idle_locked(unsigned bin, uint64_t now_ns, uint64_t delay_ns, bool all) {
    struct wane__page *page = empty[bin].last;
    for (; page != NULL; page = page->prev) {
        if (!all && (page->since > now_ns || now_ns - page->since < delay_ns))
            return NULL;
        if ((load_acquire(&page->xremote) & WANE__REMOTE_NOTIFIED) == 0) /* [order:remote] */
            return page;
    }
    return NULL;
}

/* Up to AT_ONCE. Returns how many. */
static unsigned take_some(struct wane__page **list, uint64_t now_ns, uint64_t delay_ns, bool all) {
    unsigned n = 0;
    wane__mutex_lock(&lock);
    for (unsigned bin = 0; bin < WANE__BINS; bin++) {
        struct wane__page *page;
        while (n < AT_ONCE && (page = idle_locked(bin, now_ns, delay_ns, all)) != NULL) {
            unlist_locked(page);
            page->next = *list;
            *list = page;
            n++;
        }
    }
    wane__mutex_unlock(&lock);
    return n;
}

bool wane__orphan_take_idle(struct wane__page **list, int *budget, uint64_t now_ns, uint64_t delay_ns, bool all) {
    while (*budget > 0) {
        unsigned n = take_some(list, now_ns, delay_ns, all);
        *budget -= (int)n * WANE__TEND_PAGE;
        if (n < AT_ONCE)
            return true;
    }
    return false;
}

bool wane__orphan_has_empty(void) {
    wane__mutex_lock(&lock);
    watched = xempty_pages != 0;
    bool any = watched;
    wane__mutex_unlock(&lock);
    return any;
}

void wane__orphan_fork_prepare(void) { wane__mutex_lock(&lock); }

void wane__orphan_fork_parent(void) { wane__mutex_unlock(&lock); }

void wane__orphan_fork_child(void) {
    watched = false; /* nobody comes before the next one tells */
    store_relaxed(&xpressure, 0u);
    wane__mutex_unlock(&lock);
}
