/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/keep.c: what was found unreachable and is kept, and which types and slots form the cycles.
 *
 * After the verdict, and before any finalizer runs or weak reference is closed: whatever is on a cycle with an object of an
 * uncollectable type, and what that reaches, is dropped from the suspects like those that are held; the objects of such
 * types go on the list that holds them (cycle/kept.h). An object of such a type that is on no cycle dies with the
 * garbage that refers to it. With WANE_GC_SAVEALL all suspects go on the list. So finalizers of what is kept have not run,
 * and weak references to it yield it.
 *
 * Cycles are found by the edges that were recorded for the verdict; slots are told apart by a further look at them, which
 * nobody can change any more. That is done for the log only (cycle/debug.h).
 */
#include "cycle/collect.h"
#include "cycle/debug.h"
#include "cycle/kept.h"
#include "thread/mode.h"

static bool saves_all(const struct wane__collection *c) { return (c->debug & WANE_GC_SAVEALL) != 0; }

/* Whether anything will be kept. */
static bool keeps_any(const struct wane__collection *c) { return c->keeps > 0 || saves_all(c); }

static size_t edges_of(const void *table, uint32_t number) {
    return ((const struct wane__table *)table)->suspects[number].edges_n;
}

static uint32_t edge_of(const void *table, uint32_t number, size_t i) {
    const struct wane__table *t = table;
    return wane__edge_at(&t->edges, t->suspects[number].edges + i);
}

static bool is_in_doubt(const void *table, uint32_t number) {
    return wane__in_doubt(&((const struct wane__table *)table)->suspects[number]);
}

/* The suspects that `member` takes, by cycles. c->at is 0 when a step begins. False: the time is up. */
static bool find_cycles(struct wane__collection *c, bool *ret_failed) {
    const struct wane__digraph g = {.of = &c->table, .n = c->table.n, .edges = edges_of, .edge = edge_of, .member = is_in_doubt};
    if (c->at == 0) {
        wane__components_free(&c->cycles);
        *ret_failed = !wane__components_begin(&c->cycles, g.n);
        if (*ret_failed)
            return true;
        c->at = 1;
    }
    return wane__components_go_on(&c->cycles, &g, c->deadline);
}

bool wane__find_cycles_in_doubt(struct wane__collection *c) {
    bool failed = false;
    bool finished = !keeps_any(c) || find_cycles(c, &failed);
    c->table.failed |= failed;
    return finished;
}

/* It cannot fail any more: without memory there is no report of cycles. */
bool wane__find_cycles_of_garbage(struct wane__collection *c) {
    bool failed = false;
    return !wane__reports(c->debug, WANE__REPORT_COLLECTABLE) || find_cycles(c, &failed);
}

/* Whether it is what others are kept for. */
static bool is_kept(const struct wane__collection *c, const struct wane__suspect *s) {
    return saves_all(c) || ((s->flags & WANE__SUSPECT_KEEP) != 0 && c->cycles.of[s - c->table.suspects] != 0);
}

bool wane__keep_uncollectable(struct wane__collection *c) {
    if (!keeps_any(c))
        return true;
    if (c->at == 0 && !c->what.trial && !wane__kept_reserve(saves_all(c) ? c->table.n : c->keeps))
        c->table.failed = true;
    for (struct wane__suspect *s; (s = wane__next_suspect(c)) != NULL;) {
        if (wane__in_doubt(s) && is_kept(c, s))
            wane__drop_suspect(c, s);
    }
    return wane__no_suspect_left(c);
}

struct telling {
    struct wane__visit_ops ops;
    struct wane__collection *c;
    enum wane__reported what;
    struct wane__header *h;
    wane_type *type;
    uint32_t cycle;
};

static void visit_telling(struct wane__visit_ops *ops, wane_slot *s, size_t n) {
    struct telling *t = (struct telling *)(void *)ops;
    t->c->slots += n;
    for (size_t i = 0; i < n; i++) {
        void *obj = load_acquire(&s[i].wane__target); /* [order:slot] */
        uint32_t to = obj == NULL ? WANE__NO_SUSPECT : wane__table_find(wane__header_of(obj));
        if (to == WANE__NO_SUSPECT || t->c->cycles.of[to] != t->cycle)
            continue;
        wane__debug_tie(t->what, wane__word_type(load_relaxed(&t->h->shared)), wane__slot_place(t->type, t->h, &s[i]),
                        wane__word_type(load_relaxed(&wane__header_of(obj)->shared)));
    }
}

/* Counts s for the log, and those of its slots that are on a cycle with it. */
static void tell(struct wane__collection *c, const struct wane__suspect *s, enum wane__reported what) {
    uint64_t w = load_relaxed(&s->h->shared);
    wane__debug_count(what, wane__word_type(w));
    uint32_t cycle = c->cycles.of != NULL ? c->cycles.of[s - c->table.suspects] : 0;
    if (cycle == 0)
        return;
    struct telling t = {.ops.slots = visit_telling, .c = c, .what = what, .h = s->h, .type = wane__type_of(w), .cycle = cycle};
    wane__guard_enter();
    wane__visit_slots(t.type, s->h, &t.ops);
    wane__guard_leave();
}

/* Those that were saved, but could have been destroyed, are told with the others that can. */
static enum wane__reported kind_of(const struct wane__collection *c, const struct wane__suspect *s) {
    bool saved = saves_all(c) && (s->flags & WANE__SUSPECT_KEEP) == 0;
    return saved ? WANE__REPORT_COLLECTABLE : WANE__REPORT_UNCOLLECTABLE;
}

bool wane__report_kept(struct wane__collection *c) {
    if (c->dropped == 0 || (c->debug & (WANE_GC_DEBUG_COLLECTABLE | WANE_GC_DEBUG_UNCOLLECTABLE)) == 0)
        return true;
    for (const struct wane__suspect *s; (s = wane__next_suspect(c)) != NULL;) {
        bool kept = (s->flags & (WANE__SUSPECT_GONE | WANE__SUSPECT_HELD)) == WANE__SUSPECT_HELD;
        if (kept && wane__reports(c->debug, kind_of(c, s)))
            tell(c, s, kind_of(c, s));
    }
    return wane__no_suspect_left(c);
}

bool wane__report_garbage(struct wane__collection *c) {
    if (!wane__reports(c->debug, WANE__REPORT_COLLECTABLE))
        return true;
    for (const struct wane__suspect *s; (s = wane__next_suspect(c)) != NULL;) {
        if ((s->flags & WANE__SUSPECT_GARBAGE) != 0)
            tell(c, s, WANE__REPORT_COLLECTABLE);
    }
    return wane__no_suspect_left(c);
}

bool wane__let_kept_live(struct wane__collection *c) {
    for (struct wane__suspect *s; (s = wane__next_dropped(c)) != NULL;) {
        if (!c->what.trial && (saves_all(c) || (s->flags & WANE__SUSPECT_KEEP) != 0))
            wane__kept_add(c->r, s->h);
        c->uncollectable += !c->what.trial;
        wane__let_live(c, s, false);
    }
    return c->dropped == 0 || c->table.failed;
}
