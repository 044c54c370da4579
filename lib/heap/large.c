/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/large.c: objects above the largest class: see large.h, where the argument stands.
 *
 * Dead runs are listed by length, kind and whether they have memory, newest first. Lengths go up by one page to 16,
 * then in eight steps a doubling, to which the length of a fresh run is rounded: so a run fits again, and there are few
 * lists to look at. What the rounding adds is address space, which nobody touches.
 */
#include "heap/large.h"

#include <errno.h>

#include "base/check.h"
#include "base/lock.h"
#include "heap/arena.h"
#include "heap/remote.h"
#include "heap/tend.h"
#include "os/clock.h"
#include "os/map.h"

enum { SYSTEM_PAGE = 4096 };

/* Lengths: STEPS_EXACT single ones, then eight a doubling up to what an address can reach. */
enum { STEPS_EXACT = 16, STEPS = STEPS_EXACT + 8 * 28 };

/* Dead runs keep their memory up to this many bytes, and an eighth of the heap's. */
#define WARM_MAX ((size_t)32 << 20)

/* How many lists further a longer run may be, if it has no memory: up to twice as long, or eight pages longer. */
enum { FURTHER = 8 };

static struct wane__mutex lock = WANE__MUTEX(WANE__RANK_LARGE);

static struct wane__page_list dead[STEPS][2][2]; /* guarded by lock: [length][tracked][with memory] */
static size_t warm_bytes;                        /* guarded by lock: of dead runs with memory */
static bool watched;                             /* guarded by lock: tend knows that there are dead runs */
static uint32_t xcount;                          /* written under lock: dead runs on the lists */

static struct wane__stack xfreed; /* runs on their way to the lists, through page->notify */

static size_t round_up(size_t n, size_t to) { return (n + to - 1) & ~(to - 1); }

/* The shortest length that holds so many pages. *pages becomes that length. */
static unsigned step_of(size_t *pages) {
    if (*pages <= STEPS_EXACT)
        return (unsigned)*pages - 1;
    unsigned log = 63 - (unsigned)__builtin_clzl(*pages - 1); /* 2^log < pages <= 2^(log + 1) */
    *pages = round_up(*pages, (size_t)1 << (log - 3));
    return STEPS_EXACT + (log - 4) * 8 + (unsigned)((*pages - 1) >> (log - 3)) % 8;
}

static size_t pages_of(const struct wane__page *page) {
    return page->run != 0 ? page->run : wane__arena_mapped_pages(page);
}

static bool is_warm(const struct wane__page *page) { return page->held > SYSTEM_PAGE; }

static struct wane__page_list *list_of(const struct wane__page *page) {
    size_t pages = pages_of(page);
    return &dead[step_of(&pages)][page->tracked != 0][is_warm(page)];
}

/* Returns whether tend must be told. */
static bool list_locked(struct wane__page *page) {
    if (is_warm(page))
        warm_bytes += page->held;
    page->since = wane__clock(CLOCK_MONOTONIC_COARSE);
    page->place = WANE__AT_EMPTY;
    wane__page_list_push_first(list_of(page), page);
    store_relaxed(&xcount, xcount + 1);
    bool tell = !watched;
    watched = true;
    return tell;
}

static void unlist_locked(struct wane__page *page) {
    if (is_warm(page))
        warm_bytes -= page->held;
    wane__page_list_remove(list_of(page), page);
    page->place = WANE__AT_NOWHERE;
    store_relaxed(&xcount, xcount - 1);
}

/* Gives back the memory of a dead run but for the system page of its header. Not where it is locked. */
static void discard(struct wane__page *page) {
    if (wane__map_discard(wane__page_memory(page) + SYSTEM_PAGE, page->held - SYSTEM_PAGE))
        wane__arena_hold(page, SYSTEM_PAGE);
}

static void put(struct wane__page *page) {
    wane__mutex_lock(&lock);
    if (is_warm(page) && warm_bytes + page->held > WARM_MAX + wane__heap_bytes() / 8) {
        wane__mutex_unlock(&lock);
        discard(page);
        wane__mutex_lock(&lock);
    }
    bool tell = list_locked(page);
    wane__mutex_unlock(&lock);
    if (tell)
        wane__tend_call();
}

void wane__large_settle(void) {
    struct wane__link *link = wane__stack_take(&xfreed);
    while (link != NULL) {
        struct wane__page *page = wane__page_of_notify(link);
        link = link->next; /* before it is on a list */
        put(page);
    }
}

void wane__large_free(struct wane__heap *heap, struct wane__page *page) {
    page->used = 0;
    wane__link_set(wane__page_block(page, 0), 0); /* no owner: a further use is found out */
    wane__pause();
    wane__stack_push(&xfreed, &page->notify);
    heap->news = true;
}

/* With memory at best, but of this length: what is longer would waste it. */
static struct wane__page *find_locked(unsigned step, bool tracked) {
    struct wane__page *page = dead[step][tracked][true].first;
    for (unsigned i = step; page == NULL && i <= step + FURTHER && i < STEPS; i++)
        page = dead[i][tracked][false].first;
    return page;
}

static struct wane__page *adopt(unsigned step, bool tracked) {
    wane__large_settle();
    if (load_relaxed(&xcount) == 0)
        return NULL;
    wane__mutex_lock(&lock);
    struct wane__page *page = find_locked(step, tracked);
    if (page != NULL)
        unlist_locked(page);
    wane__mutex_unlock(&lock);
    return page;
}

static struct wane__page *fresh(size_t pages, size_t block_bytes, bool tracked) {
    bool run = pages <= WANE__RUN_MAX;
    struct wane__page *page = run ? wane__arena_take((unsigned)pages) : wane__arena_map(pages);
    if (page == NULL)
        return NULL;
    wane__page_init(page, WANE__CLASS_LARGE, block_bytes, tracked);
    wane__arena_hold(page, 0);
    store_relaxed(&page->xheap, (uintptr_t)0);
    store_relaxed(&page->xtouched, 1);
    wane__arena_publish(page, WANE__PAGE_LARGE);
    return page;
}

/* The run is the caller's; its first page->held bytes may be something else than zero. */
static struct wane__header *hand_out(struct wane__page *page, size_t block_bytes) {
    bool annotated = load_relaxed(&wane__xheap_annotated);
    store_relaxed(&page->xblock_size, block_bytes);
    struct wane__header *h = wane__page_block(page, 0);
    size_t held = page->held, end = round_up(WANE__BLOCK_FIRST + block_bytes, SYSTEM_PAGE);
    if (unlikely(annotated))
        wane__annotate_alloc(h, block_bytes);
    if (held != 0) {
        size_t dirty = held - WANE__BLOCK_FIRST < block_bytes ? held - WANE__BLOCK_FIRST : block_bytes;
        wane__map_zero(h + 1, dirty - sizeof *h);
    }
    if (held < end)
        wane__arena_hold(page, end);
    page->used = 1;
    if (unlikely(annotated))
        wane__annotate_allocated(h, block_bytes - sizeof *h);
    return h;
}

struct wane__header *wane__heap_alloc_large(struct wane__heap *heap, size_t block_bytes, bool tracked) {
    (void)heap;
    if (block_bytes > (size_t)1 << 47) { /* more than there are addresses */
        errno = ENOMEM;
        return NULL;
    }
    block_bytes = round_up(block_bytes, 16);
    size_t pages = (WANE__BLOCK_FIRST + block_bytes + WANE__PAGE_SIZE - 1) >> WANE__PAGE_SHIFT;
    unsigned step = step_of(&pages);
    struct wane__page *page = adopt(step, tracked);
    if (page == NULL)
        page = fresh(pages, block_bytes, tracked);
    return page == NULL ? NULL : hand_out(page, block_bytes);
}

/* The oldest of a list that may be taken. An arena that the collector has noted goes later. */
static struct wane__page *idle_locked(const struct wane__page_list *list, uint64_t now_ns, uint64_t delay_ns, bool all) {
    struct wane__page *page = list->last;
    for (; page != NULL; page = page->prev) {
        if (!all && (page->since > now_ns || now_ns - page->since < delay_ns))
            return NULL;
        if (page->run != 0 || !wane__arena_is_noted(page))
            return page;
    }
    return NULL;
}

bool wane__large_take_idle(struct wane__page **list, int *budget, uint64_t now_ns, uint64_t delay_ns, bool all) {
    struct wane__page_list *lists = &dead[0][0][0];
    if (load_relaxed(&xcount) == 0)
        return true;
    wane__mutex_lock(&lock);
    for (unsigned i = 0; i < sizeof dead / sizeof *lists && *budget > 0; i++) {
        struct wane__page *page;
        while (*budget > 0 && (page = idle_locked(&lists[i], now_ns, delay_ns, all)) != NULL) {
            unlist_locked(page);
            page->next = *list;
            *list = page;
            *budget -= WANE__TEND_PAGE;
        }
    }
    wane__mutex_unlock(&lock);
    return *budget > 0;
}

bool wane__large_any_dead(void) {
    wane__mutex_lock(&lock);
    bool any = watched = xcount != 0;
    wane__mutex_unlock(&lock);
    return any;
}

void wane__large_fork_prepare(void) { wane__mutex_lock(&lock); }

void wane__large_fork_release(void) { wane__mutex_unlock(&lock); }

void wane__large_fork_child(void) {
    store_relaxed(&xfreed.xtop, (struct wane__link *)NULL); /* each is found by its place */
    watched = false;                                        /* nobody comes before the next one tells */
}

void wane__large_put_locked(struct wane__page *page) { (void)list_locked(page); }
