/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/suspects.c: step 2: what the candidates reach within the generation, and which of it looks dead.
 *
 * Trial deletion on the side table: count minus edges from within. All reads may be stale; this only filters.
 * A child is pinned inside the guard in which its pointer was read: the slot's unit outlives the guard.
 */
#include <wane/guard.h>

#include "cycle/collect.h"

/* Suspects traced in one guard: no guard of the collector is long. */
#define GUARD_SPAN 256

struct tracing {
    struct wane__visit_ops ops;
    struct wane__collection *c;
    uint32_t from;
};

static bool belongs(const struct wane__collection *c, struct wane__header *h) {
    if (!wane__page_is_tracked(wane__page_of(h)))
        return false;
    return (load_relaxed(&h->age) & 3) <= (unsigned)c->generation;
}

/* The number of a child that was just read from a slot, inside the guard; it is pinned and added if it is new. */
static uint32_t reach(struct wane__collection *c, struct wane__header *h) {
    if (!belongs(c, h))
        return WANE__NO_SUSPECT;
    uint32_t number = wane__table_find(h);
    if (number != WANE__NO_SUSPECT)
        return number;
    uint64_t w = load_acquire(&h->shared);
    if (!wane__word_has(w, WANE__LIVE) || wane__word_has(w, WANE__IMMORTAL))
        return WANE__NO_SUSPECT;
    store_relaxed(&c->pinning, h);
    if (wane__word_has(or_acq_rel(&h->shared, WANE__PINNED), WANE__LIVE)) { /* [order:count] */
        number = wane__table_add(&c->table, h, 0);
        if (number == WANE__NO_SUSPECT &&
            !wane__word_has(and_acq_rel(&h->shared, ~WANE__PINNED), WANE__LIVE)) /* [order:count] */
            wane__bury(c->r, h);
    }
    compiler_barrier();
    store_relaxed(&c->pinning, (struct wane__header *)NULL);
    return number;
}

static void visit_tracing(struct wane__visit_ops *ops, wane_slot *s, size_t n) {
    struct tracing *t = (struct tracing *)(void *)ops;
    struct wane__collection *c = t->c;
    for (size_t i = 0; i < n && !c->table.failed; i++) {
        void *obj = load_acquire(&s[i].wane__target); /* [order:slot] */
        if (obj == NULL)
            continue;
        uint32_t to = reach(c, wane__header_of(obj));
        if (to == WANE__NO_SUSPECT)
            continue;
        c->table.suspects[to].inner++;
        wane__table_add_edge(&c->table, &c->table.suspects[t->from], to);
    }
}

static void trace_all(struct wane__collection *c) {
    struct tracing t = {.ops.slots = visit_tracing, .c = c};
    for (size_t i = 0; i < c->table.n && !c->table.failed;) {
        wane_guard_enter();
        for (size_t end = i + GUARD_SPAN; i < end && i < c->table.n && !c->table.failed; i++) {
            struct wane__header *h = c->table.suspects[i].h;
            t.from = (uint32_t)i;
            c->table.suspects[i].edges = (uint32_t)c->table.edges_n;
            wane__visit_slots(wane__type_of(load_relaxed(&h->shared)), h, &t.ops);
        }
        wane_guard_leave();
    }
}

static bool looks_held(const struct wane__suspect *s) {
    uint64_t w = load_acquire(&s->h->shared);
    if (wane__word_has(w, WANE__IMMORTAL) || !wane__word_has(w, WANE__LIVE))
        return true;
    uint64_t count = wane__word_count(w);
    if (!wane__word_has(w, WANE__MERGED))
        count += load_relaxed(&s->h->local);
    return count > s->inner;
}

/* From what is held, along the edges. */
static void propagate(struct wane__collection *c) {
    struct wane__table *t = &c->table;
    while (c->list_n > 0 && !t->failed) {
        const struct wane__suspect *s = &t->suspects[c->list[--c->list_n]];
        for (uint32_t e = s->edges; e < s->edges + s->edges_n; e++) {
            struct wane__suspect *to = &t->suspects[t->edges[e]];
            if ((to->flags & WANE__SUSPECT_HELD) != 0)
                continue;
            to->flags |= WANE__SUSPECT_HELD;
            wane__list_add(c, t->edges[e]);
        }
    }
}

void wane__find_suspects(struct wane__collection *c) {
    trace_all(c);
    for (size_t i = 0; i < c->table.n && !c->table.failed; i++) {
        if (!looks_held(&c->table.suspects[i]))
            continue;
        c->table.suspects[i].flags |= WANE__SUSPECT_HELD;
        wane__list_add(c, (uint32_t)i);
    }
    propagate(c);
    if (c->table.failed)
        return;
    for (size_t i = 0; i < c->table.n; i++) {
        if ((c->table.suspects[i].flags & WANE__SUSPECT_HELD) != 0)
            wane__let_live(c, &c->table.suspects[i], false);
        else
            c->suspects++;
    }
}
