/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/verdict.c: steps 3 to 6: arm, count, then trace, wait, judge.
 *
 * Why nothing alive is judged dead: suppose z in R still had a unit outside of R's slots. No increment of z happened
 * since it was armed: it would be TOUCHED, set inside the bracket of the increment, which the grace period waited for.
 * So the unit existed when c(z) was read, and was in no slot of W when the slots were read afterwards; each edge
 * counted in e(z) is another unit that existed when c(z) was read too. So c(z) > e(z), and z was dropped.
 * A borrow that began before the grace period has ended; a later one needs a reachable unit (tests/model/cycle.pml).
 */
#include <wane/guard.h>

#include "cycle/collect.h"
#include "thread/grace.h"

#define GUARD_SPAN 256

/* Sets WATCHED and clears a TOUCHED that an earlier collection's late toucher left. */
static void watch(struct wane__suspect *s) {
    uint64_t w = load_relaxed(&s->h->shared);
    while (!cas_weak_acq_rel(&s->h->shared, &w, (w | WANE__WATCHED) & ~WANE__TOUCHED)) { /* [order:count] */
    }
    s->flags |= WANE__SUSPECT_ARMED;
}

void wane__arm(struct wane__collection *c) {
    struct wane__table *t = &c->table;
    for (size_t i = 0; i < t->n; i++) {
        struct wane__suspect *s = &t->suspects[i];
        if (!wane__in_doubt(s))
            continue;
        watch(s);
        uint32_t owner;
        if (load_relaxed(&s->h->owner) == c->r->id)
            wane__revoke_now(c->r, s->h);
        else
            wane__revoke_begin(c->r, s->h, &owner);
    }
    if (!wane__bracket_wait()) {
        t->failed = true;
        return;
    }
    for (size_t i = 0; i < t->n; i++) {
        if (wane__in_doubt(&t->suspects[i]) && load_relaxed(&t->suspects[i].h->owner) == WANE__OWNER_NONE)
            wane__revoke_end(c->r, t->suspects[i].h);
    }
}

struct counting {
    struct wane__visit_ops ops;
    struct wane__collection *c;
    uint32_t from;
};

static void visit_counting(struct wane__visit_ops *ops, wane_slot *s, size_t n) {
    struct counting *k = (struct counting *)(void *)ops;
    struct wane__table *t = &k->c->table;
    for (size_t i = 0; i < n; i++) {
        void *obj = load_acquire(&s[i].wane__target); /* [order:slot] */
        if (obj == NULL)
            continue;
        uint32_t to = wane__table_find(wane__header_of(obj));
        if (to == WANE__NO_SUSPECT || !wane__in_doubt(&t->suspects[to]))
            continue;
        t->suspects[to].inner++;
        wane__table_add_edge(t, &t->suspects[k->from], to);
    }
}

/* All counts first, only then the slots: units end in between, and slots first would count an edge that is gone. */
void wane__count_then_trace(struct wane__collection *c) {
    struct wane__table *t = &c->table;
    for (size_t i = 0; i < t->n; i++) {
        struct wane__suspect *s = &t->suspects[i];
        if (!wane__in_doubt(s))
            continue;
        s->count = (uint32_t)wane__word_count(load_seq_cst(&s->h->shared)); /* [order:count] */
        s->inner = 0;
        s->edges_n = 0;
    }
    t->edges_n = 0;
    struct counting k = {.ops.slots = visit_counting, .c = c};
    for (size_t i = 0; i < t->n;) {
        wane_guard_enter();
        for (size_t end = i + GUARD_SPAN; i < end && i < t->n; i++) {
            struct wane__suspect *s = &t->suspects[i];
            if (!wane__in_doubt(s))
                continue;
            k.from = (uint32_t)i;
            s->edges = (uint32_t)t->edges_n;
            wane__visit_slots(wane__type_of(load_relaxed(&s->h->shared)), s->h, &k.ops);
        }
        wane_guard_leave();
    }
}

static bool acquitted(const struct wane__suspect *s) {
    uint64_t w = load_acquire(&s->h->shared); /* [order:count] */
    return s->count == 0 || s->count != s->inner || !wane__word_has(w, WANE__LIVE) ||
           wane__word_has(w, WANE__TOUCHED | WANE__IMMORTAL) || !wane__word_has(w, WANE__MERGED);
}

void wane__drop_reach(struct wane__collection *c) {
    struct wane__table *t = &c->table;
    while (c->list_n > 0) {
        const struct wane__suspect *s = &t->suspects[c->list[--c->list_n]];
        for (uint32_t e = s->edges; e < s->edges + s->edges_n; e++) {
            struct wane__suspect *to = &t->suspects[t->edges[e]];
            if (!wane__in_doubt(to))
                continue;
            to->flags |= WANE__SUSPECT_HELD;
            wane__list_add(c, t->edges[e]);
        }
    }
}

static bool kept(const struct wane__suspect *s) {
    return (wane__type_of(load_relaxed(&s->h->shared))->flags & WANE_TYPE_UNCOLLECTABLE) != 0;
}

/* Drops all of W that are so, and what they reach. */
static void drop_all(struct wane__collection *c, bool (*which)(const struct wane__suspect *s)) {
    struct wane__table *t = &c->table;
    for (size_t i = 0; i < t->n && !t->failed; i++) {
        struct wane__suspect *s = &t->suspects[i];
        if (!wane__in_doubt(s) || !which(s))
            continue;
        s->flags |= WANE__SUSPECT_HELD;
        wane__list_add(c, (uint32_t)i);
    }
    if (!t->failed)
        wane__drop_reach(c);
}

void wane__let_dropped_live(struct wane__collection *c, bool again) {
    struct wane__table *t = &c->table;
    for (size_t i = 0; i < t->n && !t->failed; i++) {
        struct wane__suspect *s = &t->suspects[i];
        if ((s->flags & WANE__SUSPECT_GONE) == 0 && (s->flags & WANE__SUSPECT_HELD) != 0)
            wane__let_live(c, s, again);
    }
}

/* Those that are dropped now are unreachable: reported once. */
static void note_kept(struct wane__collection *c) {
    for (size_t i = 0; i < c->table.n; i++) {
        const struct wane__suspect *s = &c->table.suspects[i];
        if ((s->flags & (WANE__SUSPECT_GONE | WANE__SUSPECT_HELD)) != WANE__SUSPECT_HELD)
            continue;
        uint8_t age = load_relaxed(&s->h->age);
        if ((age & WANE__AGE_KEPT) != 0)
            continue;
        store_relaxed(&s->h->age, (uint8_t)(age | WANE__AGE_KEPT));
        c->uncollectable++;
    }
}

void wane__judge(struct wane__collection *c) {
    drop_all(c, acquitted);
    wane__let_dropped_live(c, true);
    drop_all(c, kept);
    if (!c->table.failed)
        note_kept(c);
    wane__let_dropped_live(c, false);
}
