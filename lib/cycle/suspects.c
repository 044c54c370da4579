/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/suspects.c: step 2: what the candidates reach within the generation, and which of it looks dead.
 *
 * Trial deletion on the side table: count minus edges from within. All reads may be stale; this only filters.
 * A child is pinned inside the guard in which its pointer was read: the slot's unit outlives the guard.
 *
 * A candidate may lead into a large living graph, so what is cheap comes first: the candidates themselves are traced,
 * then what all units of are explained by edges seen so far, and so on. A dead structure explains itself that way, as a
 * rule; what else it refers to stays unexplained at its rim, and is not looked into. Only if a candidate is left
 * with units from elsewhere, what it reaches is traced further, since it may come back: without limit, or, in a
 * bounded collection, in proportion to what there was to look at; then such candidates are left for one without.
 */
#include "cycle/collect.h"
#include "thread/mode.h"

/* Of a bounded collection: suspects traced for undecided roots, in all and for each root. */
#define EFFORT_LEAST 4096
#define EFFORT_PER_ROOT 4

/* `count` of who is held whatever is found. */
#define COUNT_HELD UINT32_MAX

struct tracing {
    struct wane__visit_ops ops;
    struct wane__collection *c;
    uint32_t from;
};

static bool belongs(const struct wane__collection *c, struct wane__header *h) {
    if (!wane__is_ours(h) || !wane__page_is_tracked(wane__page_of(h)))
        return false;
    return (load_relaxed(&h->age) & 3) <= c->what.generation;
}

static uint32_t count_by_look(const struct wane__header *h, uint64_t w) {
    if (wane__word_has(w, WANE__IMMORTAL) || !wane__word_has(w, WANE__LIVE))
        return COUNT_HELD;
    uint64_t count = wane__word_count(w);
    if (!wane__word_has(w, WANE__MERGED))
        count += load_relaxed(&h->local);
    return count < COUNT_HELD ? (uint32_t)count : COUNT_HELD;
}

/* The number of a child that was just read from a slot, inside the guard; it is pinned and added if it is new. */
static uint32_t reach(struct wane__collection *c, struct wane__header *h) {
    if (!belongs(c, h))
        return WANE__NO_SUSPECT;
    uint32_t number = wane__table_find(h);
    if (number != WANE__NO_SUSPECT)
        return number;
    uint64_t w = load_acquire(&h->shared);
    if (!wane__word_has(w, WANE__LIVE) || wane__word_has(w, WANE__IMMORTAL | WANE__FROZEN))
        return WANE__NO_SUSPECT;
    store_relaxed(&c->pinning, h);
    w = wane__put_pin_on(h, WANE__WATCHED);
    if (wane__word_has(w, WANE__LIVE)) {
        number = wane__table_add(&c->table, h, 0);
        if (number != WANE__NO_SUSPECT)
            c->table.suspects[number].count = count_by_look(h, w);
        else
            wane__un_pin(c, h, WANE__WATCHED);
    }
    compiler_barrier();
    store_relaxed(&c->pinning, (struct wane__header *)NULL);
    return number;
}

static inline void visit_tracing(struct wane__visit_ops *ops, wane_slot *s, size_t n) {
    struct tracing *t = (struct tracing *)(void *)ops;
    struct wane__collection *c = t->c;
    c->slots += n;
    for (size_t i = 0; i < n && !c->table.failed; i++) {
        void *obj = load_acquire(&s[i].wane__target); /* [order:slot] */
        if (obj == NULL)
            continue;
        uint32_t to = reach(c, wane__header_of(obj));
        if (to == WANE__NO_SUSPECT)
            continue;
        struct wane__suspect *target = &c->table.suspects[to];
        if (++target->inner == target->count && to >= c->roots_n)
            wane__list_add(c, to); /* explained: to be traced */
        wane__table_add_edge(&c->table, &c->table.suspects[t->from], to);
    }
}

/* Inside a guard. */
static void trace(struct wane__collection *c, uint32_t number) {
    struct tracing t = {.ops.slots = visit_tracing, .c = c, .from = number};
    struct wane__suspect *s = &c->table.suspects[number];
    struct wane__header *h = s->h;
    s->flags |= WANE__SUSPECT_TRACED;
    s->edges = c->table.edges.n;
    wane__visit_quick(wane__type_of(load_relaxed(&h->shared)), h, &t.ops, visit_tracing);
}

bool wane__trace_roots(struct wane__collection *c) {
    while (c->at < c->roots_n && !c->table.failed && wane__in_time(c)) {
        wane__guard_enter();
        c->slots = 0;
        for (size_t n = WANE__SPAN - c->at % WANE__SPAN; n > 0 && c->at < c->roots_n && !c->table.failed &&
             c->slots < WANE__SLOTS_SPAN;
             n--, c->at++) {
            struct wane__suspect *s = &c->table.suspects[c->at];
            s->count = count_by_look(s->h, load_acquire(&s->h->shared));
            trace(c, (uint32_t)c->at);
        }
        wane__guard_leave();
    }
    return c->at >= c->roots_n || c->table.failed;
}

/* Numbers taken off the list at once: what they refer to is on its way to a cache before the first is traced. */
#define AHEAD 16

/* Inside a guard. A look only: the slots are read again when they are traced. */
static void prefetch_targets(const struct wane__collection *c, uint32_t number) {
    const struct wane__suspect *s = &c->table.suspects[number];
    if ((s->flags & WANE__SUSPECT_TRACED) != 0)
        return;
    const wane_type *t = wane__type_of(load_relaxed(&s->h->shared));
    char *payload = wane__payload_of(s->h);
    for (size_t i = 0, n = t->wane__private[WANE__TYPE_SLOTS_N]; i < n; i++) {
        void *obj = load_relaxed(&((wane_slot *)(void *)(payload + t->slots[i]))->wane__target);
        if (obj == NULL)
            continue;
        wane__table_prefetch(wane__header_of(obj));
    }
}

/* Calls each(c, number) for what is on the list, the oldest first, and for what that adds, inside guards. */
static bool work_off(struct wane__collection *c, void (*each)(struct wane__collection *c, uint32_t number)) {
    size_t n = 0;
    while (c->list_first < c->list_n && !c->table.failed && wane__in_time(c)) {
        wane__guard_enter();
        c->slots = 0;
        do {
            size_t first = c->list_first;
            n = c->list_n - first < AHEAD ? c->list_n - first : AHEAD;
            for (size_t i = 0; i < AHEAD && first + n + i < c->list_n; i++)
                __builtin_prefetch(c->table.suspects[c->list[first + n + i]].h);
            for (size_t i = 0; i < n; i++)
                prefetch_targets(c, c->list[first + i]);
            for (size_t i = 0; i < n && !c->table.failed; i++)
                each(c, c->list[first + i]);
            c->list_first += n;
        } while ((c->at += AHEAD) % WANE__SPAN != 0 && c->slots < WANE__SLOTS_SPAN && c->list_first < c->list_n &&
                 !c->table.failed);
        wane__guard_leave();
    }
    bool finished = c->list_first == c->list_n || c->table.failed;
    if (finished)
        c->list_first = c->list_n = 0;
    return finished;
}

static void trace_if_new(struct wane__collection *c, uint32_t number) {
    if ((c->table.suspects[number].flags & WANE__SUSPECT_TRACED) == 0)
        trace(c, number);
}

bool wane__trace_explained(struct wane__collection *c) { return work_off(c, trace_if_new); }

static void see(struct wane__collection *c, uint32_t number) {
    struct wane__suspect *s = &c->table.suspects[number];
    if ((s->flags & WANE__SUSPECT_SEEN) != 0)
        return;
    s->flags |= WANE__SUSPECT_SEEN;
    wane__list_add(c, number);
}

/* Candidates with units that no edge explains. */
bool wane__note_undecided(struct wane__collection *c) {
    for (; c->at < c->roots_n && !c->table.failed && wane__in_time(c); c->at++) {
        const struct wane__suspect *s = &c->table.suspects[c->at];
        if (s->count > s->inner && s->count != COUNT_HELD)
            see(c, (uint32_t)c->at);
    }
    size_t least = c->what.part != 0 && c->what.part < EFFORT_LEAST ? c->what.part : EFFORT_LEAST; /* memory is short */
    c->effort = c->what.bounded ? least + EFFORT_PER_ROOT * c->roots_n : SIZE_MAX;
    return c->at >= c->roots_n || c->table.failed;
}

static void see_on(struct wane__collection *c, uint32_t number) {
    if ((c->table.suspects[number].flags & WANE__SUSPECT_TRACED) == 0) {
        if (c->effort == 0) {
            c->undecided = true;
            return;
        }
        c->effort--;
        trace(c, number);
    }
    struct wane__suspect s = c->table.suspects[number];
    c->slots += s.edges_n;
    for (uint64_t e = s.edges; e < s.edges + s.edges_n && !c->table.failed; e++)
        see(c, wane__edge_at(&c->table.edges, e));
}

bool wane__trace_undecided(struct wane__collection *c) { return work_off(c, see_on); }

/* Held: those with units from elsewhere, and the rim, of which nothing is known; then what they reach. */
bool wane__find_held(struct wane__collection *c) {
    for (struct wane__suspect *s; (s = wane__next_suspect(c)) != NULL;) {
        if ((s->flags & WANE__SUSPECT_TRACED) != 0 && s->count <= s->inner && s->count > 0)
            continue;
        s->flags |= WANE__SUSPECT_HELD;
        wane__list_add(c, (uint32_t)(c->at - 1));
    }
    return wane__no_suspect_left(c);
}

bool wane__let_held_live(struct wane__collection *c) {
    for (struct wane__suspect *s; (s = wane__next_object(c)) != NULL;) {
        if ((s->flags & WANE__SUSPECT_HELD) != 0)
            wane__let_live(c, s, false);
        else
            c->suspects++;
    }
    c->dropped = 0;
    return wane__no_suspect_left(c);
}
