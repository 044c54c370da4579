/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/oracle.c: what builds with full checks ask about each collection, of the whole heap.
 *
 * Safety: once garbage is decided, no other tracked object may have a slot that names a part of it. Completeness: after
 * a collection, a trial of the full one, which changes nothing; all garbage that it finds must be within reach of
 * a garbage object that is still marked as a candidate, or no collection but a full one would ever find it.
 * Both look at everything, so in large heaps only now and then.
 */
#include "base/check.h"
#include "cycle/collect.h"

#if WANE_CHECKS >= 2

#include "thread/mode.h"
#include "thread/wake.h"

struct walk {
    struct wane__visit_ops ops;
    struct wane__collection *c;
    struct wane__header *referrer;
};

static void visit_referrer(struct wane__visit_ops *ops, wane_slot *s, size_t n) {
    struct walk *walk = (struct walk *)(void *)ops;
    for (size_t i = 0; i < n; i++) {
        void *obj = load_acquire(&s[i].wane__target); /* [order:slot] */
        uint32_t to = obj == NULL ? WANE__NO_SUSPECT : wane__table_find(wane__header_of(obj));
        if (to != WANE__NO_SUSPECT && (walk->c->table.suspects[to].flags & WANE__SUSPECT_GARBAGE) != 0)
            wane__fatal("object %p of type \"%s\" was found unreachable, but object %p of type \"%s\" refers to it", obj,
                        wane__name_of(wane__header_of(obj)), (void *)(walk->referrer + 1),
                        wane__name_of(walk->referrer));
    }
}

/* The pin keeps it in place while its slots are read; who has died meanwhile is destroyed afterwards. */
static void check_referrer(struct walk *walk, struct wane__header *h) {
    if (!wane__word_has(load_acquire(&h->shared), WANE__LIVE))
        return;
    uint32_t number = wane__table_find(h);
    if (number != WANE__NO_SUSPECT && (walk->c->table.suspects[number].flags & WANE__SUSPECT_GARBAGE) != 0)
        return;
    store_relaxed(&walk->c->pinning, h);
    if (!wane__word_has(wane__put_pin_on(h, 0), WANE__LIVE))
        return;
    walk->referrer = h;
    wane__guard_enter();
    wane__visit_slots(wane__type_of(load_relaxed(&h->shared)), h, &walk->ops);
    wane__guard_leave();
    wane__un_pin(walk->c, h, 0);
}

static bool check_page(struct wane__page *page, void *arg) {
    for (unsigned i = 0; wane__page_is_tracked(page) && i < wane__page_capacity(page); i++)
        check_referrer(arg, wane__page_block(page, i));
    return true;
}

void wane__check_no_edge_into_garbage(struct wane__collection *c) {
    if (c->garbage == 0 || !wane__oracle_is_due())
        return;
    struct walk walk = {.ops.slots = visit_referrer, .c = c};
    wane__collector_lock();
    wane__heap_walk_pages(check_page, &walk);
    store_relaxed(&c->pinning, (struct wane__header *)NULL);
    wane__collector_unlock();
}

/*
 * As a candidate that collections to come will find: the byte alone is not found. The mark may be one of a younger age: who
 * comes by it then sets that of the object's own.
 */
static bool is_marked(const struct wane__header *h) {
    const uint8_t *dirty = wane__marks_of(h)->xdirty;
    uint8_t age = load_relaxed(&h->age);
    if ((age & WANE__AGE_LEFT) != 0 && load_relaxed(&dirty[WANE__DIRTY_LEFT]) != 0)
        return true;
    for (int mark = 0; load_relaxed(&h->candidate) == 1 && mark <= (age & 3); mark++) {
        if (load_relaxed(&dirty[mark]) != 0)
            return true;
    }
    return false;
}

/* In doubt after a trial is what a full collection would destroy. */
void wane__check_no_candidate_lost(struct wane__collection *c) {
    struct wane__table *t = &c->table;
    for (uint32_t i = 0; i < t->n; i++) {
        struct wane__suspect *s = &t->suspects[i];
        s->flags &= (uint16_t)~WANE__SUSPECT_SEEN;
        bool marked = is_marked(s->h);
        if (!wane__in_doubt(s) || !marked)
            continue;
        s->flags |= WANE__SUSPECT_SEEN;
        wane__list_add(c, i);
    }
    while (c->list_n > 0) {
        struct wane__suspect s = t->suspects[c->list[--c->list_n]];
        for (uint64_t e = s.edges; e < s.edges + s.edges_n; e++) {
            uint32_t to = wane__edge_at(&t->edges, e);
            if ((t->suspects[to].flags & WANE__SUSPECT_SEEN) != 0)
                continue;
            t->suspects[to].flags |= WANE__SUSPECT_SEEN;
            wane__list_add(c, to);
        }
    }
    for (size_t i = 0; i < t->n && !t->failed; i++) {
        const struct wane__suspect *s = &t->suspects[i];
        if (wane__in_doubt(s) && (s->flags & WANE__SUSPECT_SEEN) == 0)
            wane__fatal("object %p of type \"%s\" is unreachable, and no candidate leads to it", (void *)(s->h + 1),
                        wane__name_of(s->h));
    }
}

/* Always in small heaps, else once in a while. */
#define SMALL_HEAP 50000
#define ONCE_IN 64

bool wane__oracle_is_due(void) {
    static unsigned calls; /* under the claim */
    return wane__tracked_alive() <= SMALL_HEAP || ++calls % ONCE_IN == 0;
}

#else

bool wane__oracle_is_due(void) { return false; }
void wane__check_no_edge_into_garbage(struct wane__collection *c) { (void)c; }
void wane__check_no_candidate_lost(struct wane__collection *c) { (void)c; }

#endif
