/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/roots.c: step 1: the candidates of the generations that are collected.
 *
 * Pages' marks are cleared first, then a heavy barrier, then candidates are looked for: a releaser whose candidate mark
 * is not visible after the barrier finds the page's mark cleared, and sets it again. Then each candidate is pinned,
 * its mark cleared, and a bracket wait follows before anybody looks at counts: whoever found the mark still set has
 * finished its decrement by then (tests/model/mark.pml).
 *
 * Before pages' marks their flags are cleared (count/word.h), with the barrier that announces pins in between.
 *
 * A part begins to walk at the page where the part before stopped, and comes round: else pages at the end would never
 * have their turn while mutators fill those at the beginning.
 */
#include "cycle/collect.h"
#include "thread/grace.h"
#include "thread/mode.h"
#include "thread/wake.h"

/* Whether what bounded collections left is looked at too. */
static bool takes_left(const struct wane__collection *c) {
    return c->what.generation == WANE__OLDEST && !c->what.bounded;
}

static int last_mark(const struct wane__collection *c) {
    return takes_left(c) ? WANE__DIRTY_LEFT : c->what.generation;
}

/* Where the next part begins; no more than a place: the page may be gone. */
static const struct wane__page *next_page;

void wane__announce_roots(const struct wane__collection *c) {
    for (int mark = 0; mark <= last_mark(c) && !c->what.trial; mark++)
        store_relaxed(&wane__xmarked[mark], (uint8_t)0);
}

void wane__keep_flags(void) {
    for (unsigned mark = 0; mark < WANE__MARKS; mark++)
        store_relaxed(&wane__xmarked[mark], (uint8_t)1);
}

static bool clear_marks(struct wane__collection *c, struct wane__page_marks *marks) {
    bool dirty = false;
    for (int mark = 0; mark <= last_mark(c); mark++) {
        if (load_relaxed(&marks->xdirty[mark]) != 0) {
            store_relaxed(&marks->xdirty[mark], (uint8_t)0);
            dirty = true;
        }
    }
    return dirty;
}

static void set_marks(struct wane__collection *c, struct wane__page *page) {
    for (int mark = 0; mark <= last_mark(c); mark++)
        wane__set_mark(wane__page_marks(page), (unsigned)mark);
}

static bool note_page(struct wane__page *page, void *arg) {
    struct wane__collection *c = arg;
    if (!wane__page_is_tracked(page))
        return true;
    bool dirty = !c->what.trial && clear_marks(c, wane__page_marks(page));
    if (!dirty && !c->what.full)
        return true;
    if (!wane__vector_grow((void **)&c->pages, &c->pages_room, c->pages_n, sizeof *c->pages)) {
        if (dirty)
            set_marks(c, page);
        c->table.failed = true;
        return false;
    }
    c->pages[c->pages_n++] = page;
    return true;
}

/*
 * Pins h and watches it already: what gains a unit before it is armed shows as TOUCHED then, and is not suspected at all.
 * False: it is not alive, and nothing was pinned.
 */
static bool pin(struct wane__header *h) {
    return wane__word_has(wane__put_pin_on(h, WANE__WATCHED), WANE__LIVE);
}

static inline bool is_candidate(const struct wane__collection *c, const struct wane__header *h) {
    return load_relaxed(&h->candidate) == 1 || (takes_left(c) && (load_relaxed(&h->age) & WANE__AGE_LEFT) != 0);
}

/* h looks like a candidate. */
static void add_root(struct wane__collection *c, struct wane__page *page, struct wane__header *h) {
    uint8_t age = load_relaxed(&h->age);
    if ((age & 3) > c->what.generation) {
        wane__set_mark(wane__page_marks(page), age & 3);
        return;
    }
    if (!pin(h))
        return;
    bool candidate = is_candidate(c, h);
    uint32_t number = wane__table_add(&c->table, h, candidate ? WANE__SUSPECT_ROOT : 0);
    if (number == WANE__NO_SUSPECT) { /* its mark stays, and the page gets its own again */
        wane__un_pin(c, h, WANE__WATCHED);
        return;
    }
    c->candidates++;
    if (c->what.trial)
        return;
    store_relaxed(&h->candidate, (uint8_t)0);
    if ((age & WANE__AGE_LEFT) != 0)
        store_relaxed(&h->age, (uint8_t)(age & ~WANE__AGE_LEFT));
}

static void add_roots_of(struct wane__collection *c, struct wane__page *page) {
    struct wane__header *h = wane__page_block(page, 0);
    size_t size = load_relaxed(&page->xblock_size);
    for (unsigned n = wane__page_capacity(page); n > 0; n--) {
        if ((c->what.full || is_candidate(c, h)) &&
            (load_acquire(&h->shared) & (WANE__LIVE | WANE__FROZEN)) == WANE__LIVE) /* a frozen one keeps its mark, its page does not */
            add_root(c, page, h);
        h = (struct wane__header *)(void *)((char *)h + size);
    }
}

/*
 * Where membarrier stops working at this very barrier, a thread that does not know yet may have seen a page's mark from
 * before while its candidate's is not visible: then nothing is looked at, and the pages get their marks back.
 */
static void note_pages(struct wane__collection *c) {
    wane__heap_walk_pages_from(c->what.part != 0 ? next_page : NULL, note_page, c);
    wane__heavy();
    if (!wane__fences_known())
        c->table.failed = true;
    store_relaxed(&wane__heap_xnoted, true);
}

/* The pages that were not walked keep their marks. Under the collector's lock. */
void wane__leave_roots(struct wane__collection *c) {
    c->rest |= c->at < c->pages_n;
    if (c->at < c->pages_n && c->what.part != 0)
        next_page = c->pages[c->at];
    store_relaxed(&wane__heap_xnoted, false);
    for (; c->at < c->pages_n; c->pages_n--) {
        if (!c->what.trial)
            set_marks(c, c->pages[c->pages_n - 1]);
    }
}

static bool enough(const struct wane__collection *c) {
    return c->table.failed || (c->what.part != 0 && c->table.n >= c->what.part);
}

/*
 * Under the collector's lock: the pages are noted, or one is walked, which takes about a tenth of a millisecond. True: all have been
 * walked, or left.
 */
static bool walk(struct wane__collection *c) {
    if (!c->noted) {
        note_pages(c);
        c->noted = true;
    } else if (c->at < c->pages_n && !enough(c)) {
        add_roots_of(c, c->pages[c->at++]);
    }
    if (c->table.failed)
        c->at = 0; /* all are looked at again */
    if (enough(c))
        wane__leave_roots(c);
    bool finished = c->at >= c->pages_n;
    store_relaxed(&wane__heap_xnoted, !finished);
    return finished;
}

/*
 * Between two pages forks and others who need the lock get it. Who needs the memory that is kept while pages are noted may
 * have them left then, by this thread or another (wane__collection_leave_roots).
 */
bool wane__find_roots(struct wane__collection *c) {
    for (;;) {
        wane__collector_lock();
        bool finished = walk(c);
        wane__collector_unlock();
        if (finished)
            break;
        if (c->deadline != 0 && wane__now() >= c->deadline)
            return false;
        wane__collector_yield();
    }
    c->roots_n = c->table.n;
    if (!wane__bracket_wait())
        c->table.failed = true;
    return true;
}
