/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/frozen.c: objects that are set aside from collections.
 *
 * FROZEN stands in the object's word. A collection that finds it there goes on, without a write: it makes the object no
 * root, and does not pin it as a child. Counting takes no notice, but that such a death is no plain store.
 *
 * A frozen candidate keeps its byte, and its page has no mark for it: nobody walks pages for frozen candidates, and they are
 * not due by age. So freezing clears the pages' marks as a collection does (cycle/roots.c): flags, a heavy barrier, marks, a
 * heavy barrier, and only then looks for living objects. Whoever made one a candidate before the last barrier is found and frozen;
 * whoever does later finds the page's mark cleared, and sets it.
 *
 * What died as a cycle while it was frozen may have had its last unit given up by an object that was not, whose mark was
 * discharged since a frozen object held it. Nobody knows of that one any more: so unfreezing makes all candidates.
 */
#include "cycle/collect.h"
#include "cycle/generations.h"
#include "cycle/inspect.h"
#include "cycle/walk.h"
#include "life/left.h"
#include "thread/mode.h"
#include "thread/wake.h"

static bool xever; /* something was frozen since the last unfreeze */
static const struct wane__record *xfreezer; /* under the claim: it has cleared marks of what it has not frozen yet */

static bool clear_marks(struct wane__page *page, void *arg) {
    (void)arg;
    struct wane__page_marks *marks = wane__page_marks(page);
    for (unsigned mark = 0; wane__page_is_tracked(page) && mark < WANE__MARKS; mark++)
        store_relaxed(&marks->xdirty[mark], (uint8_t)0);
    return true;
}

static bool set_marks(struct wane__page *page, void *arg) {
    (void)arg;
    for (unsigned mark = 0; wane__page_is_tracked(page) && mark < WANE__MARKS; mark++)
        wane__set_mark(wane__page_marks(page), mark);
    return true;
}

/*
 * Where membarrier stops working meanwhile, a thread that does not know yet may have seen a mark from before: then all are
 * set again, and found to be of frozen objects by the next collection.
 */
static void discharge_marks(void) {
    for (unsigned mark = 0; mark < WANE__MARKS; mark++)
        store_relaxed(&wane__xmarked[mark], (uint8_t)0);
    wane__heavy();
    wane__collector_lock();
    wane__heap_walk_pages(clear_marks, NULL);
    wane__heavy();
    if (!wane__fences_known())
        wane__heap_walk_pages(set_marks, NULL);
    wane__collector_unlock();
}

static bool freeze(struct wane__header *h, void *arg) {
    (void)arg;
    if (!wane__word_has(load_relaxed(&h->shared), WANE__FROZEN))
        or_acq_rel(&h->shared, WANE__FROZEN); /* [order:count]; perhaps dead by now: then its next birth writes the word */
    return true;
}

/*
 * Pinned meanwhile: the first word of one that dies is a link. Under the collector's lock, so that no fork finds the pin; a
 * pin of the collection that is open stays.
 */
static bool unfreeze(struct wane__header *h, void *record) {
    if (!wane__word_has(load_relaxed(&h->shared), WANE__FROZEN))
        return true;
    uint64_t w = wane__put_pin_on(h, 0);
    if (!wane__word_has(w, WANE__LIVE))
        return true;
    store_relaxed(&h->candidate, (uint8_t)1);
    wane__mark_page(h, load_relaxed(&h->age) & 3);
    if (wane__word_has(w, WANE__PINNED)) {
        and_acq_rel(&h->shared, ~WANE__FROZEN); /* [order:count] */
    } else if (!wane__word_has(w = wane__take_pin_off(h, WANE__FROZEN), WANE__LIVE)) {
        wane__unpinned(record, h, w);
    }
    return true;
}

static bool count(struct wane__header *h, void *arg) {
    *(size_t *)arg += wane__word_has(load_relaxed(&h->shared), WANE__FROZEN);
    return true;
}

/* All tracked objects; without memory for a list of their pages, in one piece. */
struct visit {
    bool (*each)(struct wane__header *h, void *arg);
    void *arg;
};

static bool visit_page(struct wane__page *page, void *arg) {
    const struct visit *v = arg;
    for (unsigned i = 0; wane__page_is_tracked(page) && i < wane__page_capacity(page); i++) {
        struct wane__header *h = wane__page_block(page, i);
        if (wane__word_has(load_acquire(&h->shared), WANE__LIVE)) /* [order:count] */
            v->each(h, v->arg);
    }
    return true;
}

static void for_all(bool (*each)(struct wane__header *h, void *arg), void *arg) {
    struct wane__walk w;
    if (wane__walk_begin(&w, true)) {
        while (wane__walk_some(&w, each, arg)) {
        }
    } else {
        wane__collector_lock();
        wane__heap_walk_pages(visit_page, &(struct visit){.each = each, .arg = arg});
        wane__collector_unlock();
    }
    wane__walk_end(&w);
}

void wane__freeze(struct wane__record *r) {
    bool claimed = wane__collector_claim(r);
    store_relaxed(&xever, true);
    store_relaxed(&xfreezer, r);
    discharge_marks();
    for_all(freeze, NULL);
    store_relaxed(&xfreezer, (const struct wane__record *)NULL);
    wane__collector_unclaim(claimed);
}

/* What a vanished thread was about to freeze stays what it was: candidates, whose pages need their marks. */
void wane__frozen_fork_child(const struct wane__record *self) {
    if (xfreezer == NULL || xfreezer == self)
        return;
    xfreezer = NULL;
    wane__heap_walk_pages(set_marks, NULL);
    wane__keep_flags();
}

void wane__unfreeze(struct wane__record *r) {
    if (!load_relaxed(&xever))
        return;
    bool claimed = wane__collector_claim(r);
    while (!wane__pins_begin(r, WANE__PINS_TRACKED)) { /* until each thread knows of fences; others collect meanwhile */
        wane__pins_end();
        wane__collector_unclaim(claimed);
        wane__pause_briefly();
        claimed = wane__collector_claim(r);
    }
    for_all(unfreeze, r);
    store_relaxed(&xever, false);
    wane__pins_end();
    wane__collector_unclaim(claimed);
    wane__reap(r, true);
}

size_t wane__count_frozen(struct wane__record *r) {
    size_t n = 0;
    if (!load_relaxed(&xever))
        return 0;
    bool claimed = wane__collector_claim(r);
    for_all(count, &n);
    wane__collector_unclaim(claimed);
    return n;
}
