/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/roots.c: step 1: the candidates of the generations that are collected.
 *
 * Pages' marks are cleared first, then a heavy barrier, then candidates are looked for: a releaser whose candidate mark
 * is not visible after the barrier finds the page's mark cleared, and sets it again. Then each candidate is pinned,
 * its mark cleared, and a bracket wait follows before anybody looks at counts: whoever found the mark still set has
 * finished its decrement by then (tests/model/mark.pml).
 */
#include "cycle/collect.h"
#include "thread/grace.h"
#include "thread/wake.h"

static bool clear_marks(struct wane__collection *c, struct wane__page_marks *marks) {
    bool dirty = false;
    for (int age = 0; age <= c->generation; age++) {
        if (load_relaxed(&marks->xdirty[age]) != 0) {
            store_relaxed(&marks->xdirty[age], (uint8_t)0);
            dirty = true;
        }
    }
    return dirty;
}

static bool note_page(struct wane__page *page, void *arg) {
    struct wane__collection *c = arg;
    if (!wane__page_is_tracked(page))
        return true;
    bool dirty = clear_marks(c, wane__page_marks(page));
    if (!dirty && !c->full)
        return true;
    if (!wane__vector_grow((void **)&c->pages, &c->pages_room, c->pages_n, sizeof *c->pages)) {
        for (int age = 0; age <= c->generation && dirty; age++)
            store_relaxed(&wane__page_marks(page)->xdirty[age], (uint8_t)1);
        c->table.failed = true;
        return false;
    }
    c->pages[c->pages_n++] = page;
    return true;
}

/* Pins h. False: it is not alive, and nothing was pinned. */
static bool pin(struct wane__header *h) {
    return wane__word_has(or_acq_rel(&h->shared, WANE__PINNED), WANE__LIVE); /* [order:count] */
}

static void add_root(struct wane__collection *c, struct wane__page *page, struct wane__header *h) {
    if (!wane__word_has(load_acquire(&h->shared), WANE__LIVE))
        return;
    if (!c->full && load_relaxed(&h->candidate) != 1)
        return;
    unsigned age = load_relaxed(&h->age) & 3;
    if (age > (unsigned)c->generation) {
        store_relaxed(&wane__page_marks(page)->xdirty[age], (uint8_t)1);
        return;
    }
    if (!pin(h))
        return;
    bool candidate = load_relaxed(&h->candidate) == 1;
    uint32_t number = wane__table_add(&c->table, h, candidate ? WANE__SUSPECT_ROOT : 0);
    if (number == WANE__NO_SUSPECT) { /* its mark stays, and the page gets its own again */
        store_relaxed(&wane__page_marks(page)->xdirty[age], (uint8_t)1);
        uint64_t before = and_acq_rel(&h->shared, ~WANE__PINNED); /* [order:count] */
        if (!wane__word_has(before, WANE__LIVE))
            wane__bury(c->r, h);
        return;
    }
    store_relaxed(&h->candidate, (uint8_t)0);
    c->candidates++;
}

void wane__find_roots(struct wane__collection *c) {
    wane__collector_lock();
    wane__heap_walk_pages(note_page, c);
    wane__heavy();
    for (size_t p = 0; p < c->pages_n; p++) {
        struct wane__page *page = c->pages[p];
        for (unsigned i = 0; i < wane__page_capacity(page); i++)
            add_root(c, page, wane__page_block(page, i));
    }
    wane__collector_unlock();
    if (!wane__bracket_wait())
        c->table.failed = true;
}
