/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/walk.c: see walk.h.
 *
 * Who walks has the claim on collecting whenever it pins an object or takes a unit that nobody gives it: PINNED is one bit,
 * and garbage that a collection has judged must not be brought back. In a callback of a collection's the claim is the
 * caller's already: then what that collection has pinned is pinned for the walk too, and stays so; and what it has
 * decided about is dead.
 *
 * The page list keeps the arenas mapped, and nothing else: a page that was given back, or is another one now, is told by
 * its state, under the lock. In the child of a fork the list of a vanished thread keeps its arenas mapped for good.
 *
 * Pins come under the collector's lock and stand in a list, so the child of a fork undoes those of a vanished thread. What
 * is pinned is looked at after the lock was let go: `trace` is the program's.
 */
#include "cycle/walk.h"

#include "cycle/collect.h"
#include "life/left.h"
#include "thread/grace.h"
#include "thread/mode.h"
#include "thread/wake.h"

/* Pages walked, and objects pinned, before the lock is let go. */
#define LOCKED_PAGES 8
#define PINS_MAX 256

/* Under the claim. */
static struct wane__record *pinner; /* NULL: nobody walks */
static struct wane__header *pinned[PINS_MAX]; /* NULL: un-pinned again */
static size_t pinned_n;
static uint32_t announced_over; /* wane__xpinning as it was before */

static bool note_page(struct wane__page *page, void *arg) {
    struct wane__walk *w = arg;
    if (w->tracked_only && !wane__page_is_tracked(page))
        return true;
    w->failed = !wane__vector_grow((void **)&w->pages, &w->room, w->n, sizeof *w->pages);
    if (w->failed)
        return false;
    wane__page_note(page);
    w->pages[w->n++] = page;
    return true;
}

bool wane__walk_begin(struct wane__walk *w, bool tracked_only) {
    *w = (struct wane__walk){.tracked_only = tracked_only};
    wane__collector_lock();
    wane__heap_walk_pages(note_page, w);
    wane__collector_unlock();
    return !w->failed;
}

void wane__walk_end(struct wane__walk *w) {
    for (size_t i = 0; i < w->n; i++)
        wane__page_forget(w->pages[i]);
    wane__vector_free((void **)&w->pages, &w->room, sizeof *w->pages);
    *w = (struct wane__walk){.n = 0};
}

/* Whether the entry is one of a page with objects, still or again. Under the collector's lock. */
static bool has_objects(const struct wane__walk *w, const struct wane__page *page) {
    uint8_t state = load_acquire(&page->xstate); /* [order:page-state] */
    return (state == WANE__PAGE_SMALL || state == WANE__PAGE_LARGE) && (!w->tracked_only || wane__page_is_tracked(page));
}

/* The rest of one page. False: `each` wants no more for now. */
static bool walk_page(struct wane__walk *w, bool (*each)(struct wane__header *h, void *arg), void *arg) {
    const struct wane__page *page = w->pages[w->at];
    unsigned n = has_objects(w, page) ? wane__page_capacity(page) : 0;
    while (w->block < n) {
        struct wane__header *h = wane__page_block(page, w->block++);
        if (wane__word_has(load_acquire(&h->shared), WANE__LIVE) && !each(h, arg)) /* [order:count] */
            return false;
    }
    w->at++;
    w->block = 0;
    return true;
}

bool wane__walk_some(struct wane__walk *w, bool (*each)(struct wane__header *h, void *arg), void *arg) {
    wane__collector_lock();
    for (unsigned n = LOCKED_PAGES; n > 0 && !wane__walk_over(w) && walk_page(w, each, arg); n--) {
    }
    wane__collector_unlock();
    wane__collector_yield();
    return !wane__walk_over(w);
}

bool wane__pins_begin(struct wane__record *r, uint32_t which) {
    if (pinner == NULL)
        announced_over = load_relaxed(&wane__xpinning);
    pinner = r;
    if (which > announced_over)
        store_relaxed(&wane__xpinning, which);
    return wane__bracket_wait();
}

void wane__pins_end(void) {
    store_release(&wane__xpinning, announced_over); /* [order:pinning] */
    pinner = NULL;
}

static bool pin(struct wane__header *h, void *arg) {
    (void)arg;
    uint64_t w = load_relaxed(&h->shared);
    if (!wane__type_has(wane__type_of(w), WANE__TRAIT_SCANNED))
        return true;
    w = wane__put_pin_on(h, 0);
    if (wane__word_has(w, WANE__LIVE) && !(wane__word_has(w, WANE__PINNED) && wane__collection_dooms(h)))
        pinned[pinned_n++] = (struct wane__header *)((uintptr_t)h | wane__word_has(w, WANE__PINNED));
    return pinned_n < PINS_MAX;
}

/* The pin was the walk's own, and not one of the collection that is open. */
static bool is_own(const struct wane__header *entry) { return ((uintptr_t)entry & 1) == 0; }
static struct wane__header *object_of(struct wane__header *entry) {
    return (struct wane__header *)((uintptr_t)entry & ~(uintptr_t)1);
}

static void un_pin(struct wane__record *r, struct wane__header *h) {
    uint64_t before = wane__take_pin_off(h, 0);
    if (!wane__word_has(before, WANE__LIVE))
        wane__unpinned(r, h, before);
}

bool wane__walk_pinned(struct wane__record *r, struct wane__walk *w, void (*each)(struct wane__header *h, void *arg), void *arg) {
    bool more = wane__walk_some(w, pin, NULL);
    for (size_t i = 0; i < pinned_n; i++) {
        struct wane__header *h = object_of(pinned[i]);
        each(h, arg);
        if (is_own(pinned[i]))
            un_pin(r, h);
        compiler_barrier();
        store_relaxed(&pinned[i], (struct wane__header *)NULL);
    }
    pinned_n = 0;
    return more;
}

bool wane__take_from_nobody(struct wane__record *r, struct wane__header *h) {
    if (wane__collection_dooms(h))
        return false;
    wane__mark(&r->head);
    enum wane__upgrade result = wane__upgrade_marked(h);
    wane__unmark(&r->head);
    wane__tsan_acquire(&h->shared);
    return result == WANE__UPGRADED;
}

static bool is_pinned(const struct wane__header *h) { return wane__word_has(load_relaxed(&h->shared), WANE__PINNED); }

/* Before the claim of a thread that vanished is forgotten, and after its collection was undone. */
void wane__walk_fork_child(const struct wane__record *self) {
    if (pinner == NULL || pinner == self)
        return;
    for (size_t i = 0; i < pinned_n; i++) {
        if (pinned[i] != NULL && is_own(pinned[i]) && is_pinned(pinned[i]))
            un_pin(pinner, pinned[i]);
    }
    pinned_n = 0;
    pinner = NULL;
    store_relaxed(&wane__xpinning, (uint32_t)(wane__collection_is_open() ? WANE__PINS_TRACKED : WANE__PINS_NONE));
}
