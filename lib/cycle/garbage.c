/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/garbage.c: steps 7 and 8: finalizers, weak references, the end.
 */
#include <wane/guard.h>

#include "cycle/collect.h"
#include "life/apply.h"
#include "life/weak.h"

/* Takes FINAL_DUE and, in the same step, a unit to run the finalizer under. */
static bool take_final(struct wane__header *h) {
    uint64_t w = load_acquire(&h->shared); /* [order:count] */
    do {
        if (!wane__word_has(w, WANE__FINAL_DUE) || !wane__word_has(w, WANE__LIVE))
            return false;
    } while (!cas_weak_acq_rel(&h->shared, &w, (w & ~WANE__FINAL_DUE) + WANE__COUNT_ONE)); /* [order:count] */
    return true;
}

/* What finalizers removed from slots would look like units from outside. */
static void apply_own(struct wane__collection *c) {
    struct wane__record *r = c->r;
    wane__wait_for_grace(c);
    while (wane__deferred_ready(r) > 0 && wane__apply_deferred(r, r, true) > 0) {
    }
    wane__settle_all(r, &r->kept, true, true);
}

bool wane__run_finalizers_of_garbage(struct wane__collection *c) {
    bool any = false;
    for (size_t i = 0; i < c->table.n; i++) {
        struct wane__header *h = c->table.suspects[i].h;
        if (!wane__in_doubt(&c->table.suspects[i]) || !take_final(h))
            continue;
        any = true;
        wane__tsan_acquire(&h->shared);
        wane__call(c->r, wane__type_of(load_relaxed(&h->shared))->finalize, wane__payload_of(h));
        wane__release(c->r, h, true, "wane_gc_collect");
        wane__reap(c->r, true);
    }
    if (any)
        apply_own(c);
    return any;
}

/* No upgrade from here on; one that came before shows in the word that closing returned. */
static bool close_one(struct wane__header *h) {
    uint64_t w = load_relaxed(&h->shared);
    if (!wane__word_has(w, WANE__WEAKREFD))
        return true;
    return !wane__word_has(or_acq_rel(&h->shared, WANE__CLOSED), WANE__TOUCHED); /* [order:count] */
}

/* Waits for nobody and runs no user code: upgrades wait for it. */
void wane__close_weak(struct wane__collection *c) {
    struct wane__table *t = &c->table;
    for (size_t i = 0; i < t->n; i++) {
        if (!wane__in_doubt(&t->suspects[i]) || close_one(t->suspects[i].h))
            continue;
        t->suspects[i].flags |= WANE__SUSPECT_HELD;
        wane__list_add(c, (uint32_t)i);
    }
    wane__drop_reach(c);
    wane__let_dropped_live(c, true);
}

struct emptying {
    struct wane__visit_ops ops;
    struct wane__collection *c;
    bool may_call;
};

/* Edges within R just go: their units end with their targets. Others are released. */
static void visit_emptying(struct wane__visit_ops *ops, wane_slot *s, size_t n) {
    struct emptying *e = (struct emptying *)(void *)ops;
    for (size_t i = 0; i < n; i++) {
        void *obj = load_relaxed(&s[i].wane__target);
        if (obj == NULL)
            continue;
        struct wane__header *h = wane__header_of(obj);
        uint32_t to = wane__table_find(h);
        bool outside = to == WANE__NO_SUSPECT || (e->c->table.suspects[to].flags & WANE__SUSPECT_GARBAGE) == 0;
        if (unlikely(outside && e->c->r->gathering != 0 && wane__finals_full(e->c->r, h)))
            continue;
        store_relaxed(&s[i].wane__target, NULL);
        if (outside)
            wane__let_go(e->c->r, h, e->may_call, "death of its referrer");
    }
}

/* From here on R is dead: upgrades fail, and weak references to it are emptied. */
static void bury_all(struct wane__collection *c) {
    store_relaxed(&c->decided, true);
    compiler_barrier(); /* in the child of a fork either all of R is dead, or none */
    for (size_t i = 0; i < c->table.n; i++) {
        struct wane__suspect *s = &c->table.suspects[i];
        if (!wane__in_doubt(s))
            continue;
        s->flags |= WANE__SUSPECT_GARBAGE;
        and_acq_rel(&s->h->shared, ~WANE__LIVE); /* [order:count] */
        wane__tsan_acquire(&s->h->shared);
        c->garbage++;
    }
}

void wane__destroy_garbage(struct wane__collection *c) {
    bury_all(c);
    for (size_t i = 0; i < c->table.n; i++) {
        struct wane__suspect *s = &c->table.suspects[i];
        if ((s->flags & WANE__SUSPECT_GARBAGE) == 0)
            continue;
        struct wane__header *h = s->h;
        uint64_t w = load_relaxed(&h->shared);
        wane_type *t = wane__type_of(w);
        if (wane__word_has(w, WANE__WEAKREFD))
            wane__weak_clear(h);
        struct emptying e = {.ops.slots = visit_emptying, .c = c, .may_call = t->trace == NULL};
        wane__visit_dying(c->r, t, h, &e.ops, true);
    }
    for (size_t i = 0; i < c->table.n; i++) {
        struct wane__suspect *s = &c->table.suspects[i];
        if ((s->flags & WANE__SUSPECT_GARBAGE) == 0)
            continue;
        s->flags |= WANE__SUSPECT_GONE;
        wane__bury(c->r, s->h);
    }
    wane__reap(c->r, true);
}
