/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/inspect.c: see inspect.h.
 *
 * The heap is looked through a piece at a time, under the claim. What is to be shown gets a unit there, and the claim is
 * given back before the program's callback is called: it may take as long as it likes, and collections go on.
 */
#include "cycle/inspect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wane/object.h>

#include "cycle/generations.h"
#include "cycle/walk.h"
#include "life/apply.h"
#include "thread/mode.h"

/* Shown before the heap is looked at again. */
#define BATCH 256
/* Pieces of a walk that shows nothing before others may collect. */
#define PIECES 64

struct show {
    struct wane__record *r;
    wane__each *each;
    void *arg;
    size_t calls;
    bool ended; /* `each` wants no more */
    void **found; /* with a unit of each */
    size_t n, room;
    /* what is looked for */
    int generation;
    const void *target;
};

struct call {
    struct show *show;
    void *obj;
    bool more;
};

static void make_call(void *call) {
    struct call *c = call;
    c->more = c->show->each(c->obj, c->show->arg);
}

/* Shows what was found, and gives the units up. */
static void show_found(struct show *s) {
    for (size_t i = 0; i < s->n; i++) {
        struct call c = {.show = s, .obj = s->found[i]};
        if (!s->ended) {
            s->calls++;
            wane__call(s->r, make_call, &c);
            wane__reap(s->r, true);
            s->ended = !c.more;
        }
        (wane_release)(s->found[i]);
    }
    s->n = 0;
}

static bool add_object(struct wane__header *h, void *arg) {
    struct show *s = arg;
    bool wanted = s->generation < 0 || ((load_relaxed(&h->age) & 3) == s->generation &&
                                        !wane__word_has(load_relaxed(&h->shared), WANE__FROZEN));
    if (wanted && wane__take_from_nobody(s->r, h))
        s->found[s->n++] = wane__payload_of(h);
    return s->n < s->room;
}

struct looking {
    struct wane__visit_ops ops;
    const void *target;
    bool found;
};

static void visit_looking(struct wane__visit_ops *ops, wane_slot *slots, size_t n) {
    struct looking *l = (struct looking *)(void *)ops;
    for (size_t i = 0; i < n && !l->found; i++)
        l->found = load_relaxed(&slots[i].wane__target) == l->target;
}

static void add_referrer(struct wane__header *h, void *arg) {
    struct show *s = arg;
    struct looking l = {.ops.slots = visit_looking, .target = s->target};
    wane__visit_slots(wane__type_of(load_relaxed(&h->shared)), h, &l.ops);
    if (l.found && wane__take_from_nobody(s->r, h))
        s->found[s->n++] = wane__payload_of(h);
}

/* Some of the walk. False: it is over. */
static bool look(struct show *s, struct wane__walk *w) {
    bool more = true;
    for (unsigned i = 0; i < PIECES && more && s->n == 0; i++)
        more = s->target != NULL ? wane__walk_pinned(s->r, w, add_referrer, s) : wane__walk_some(w, add_object, s);
    return more;
}

static size_t show(struct show *s, bool tracked_only) {
    struct wane__walk w;
    void *found[BATCH];
    s->found = found;
    s->room = BATCH;
    bool more = wane__walk_begin(&w, tracked_only);
    if (!more)
        errno = ENOMEM;
    while (more && !s->ended) {
        bool claimed = wane__collector_claim(s->r);
        more = wane__pins_begin(s->r, tracked_only ? WANE__PINS_TRACKED : WANE__PINS_SCANNED) && look(s, &w);
        wane__pins_end();
        wane__collector_unclaim(claimed);
        wane__reap(s->r, true); /* who died while it was pinned */
        show_found(s);
    }
    wane__walk_end(&w);
    return s->calls;
}

size_t wane__show_objects(struct wane__record *r, int generation, wane__each *each, void *arg) {
    struct show s = {.r = r, .each = each, .arg = arg, .generation = generation};
    return show(&s, true);
}

size_t wane__show_referrers(struct wane__record *r, const void *obj, wane__each *each, void *arg) {
    struct show s = {.r = r, .each = each, .arg = arg, .target = obj};
    return show(&s, false);
}

struct gathering {
    struct wane__visit_ops ops;
    struct show *show;
    void **few;          /* the room that needs no memory */
    size_t seen, passed; /* targets visited; and so many of them are not gathered, since they were shown */
    bool full;
};

static bool has_room(struct show *s, void **few) {
    if (s->n < s->room)
        return true;
    size_t more = s->room * 2;
    void **bigger = realloc(s->found == few ? NULL : s->found, more * sizeof *bigger);
    if (bigger == NULL)
        return false;
    if (s->found == few)
        memcpy(bigger, few, s->n * sizeof *few);
    s->found = bigger;
    s->room = more;
    return true;
}

/* In a guard: what a slot names is alive, and stays so. */
static void visit_gathering(struct wane__visit_ops *ops, wane_slot *slots, size_t n) {
    struct gathering *g = (struct gathering *)(void *)ops;
    for (size_t i = 0; i < n && !g->full; i++) {
        void *obj = load_acquire(&slots[i].wane__target); /* [order:slot] */
        if (obj == NULL || g->seen++ < g->passed)
            continue;
        g->full = !has_room(g->show, g->few);
        if (g->full)
            break;
        wane__take_unit(g->show->r, wane__header_of(obj), "wane_gc_get_referents");
        wane__tsan_acquire(&slots[i].wane__target);
        g->show->found[g->show->n++] = obj;
    }
}

/* As a rule at once; without memory a few at a time. */
size_t wane__show_referents(struct wane__record *r, void *obj, wane__each *each, void *arg) {
    void *few[BATCH];
    struct show s = {.r = r, .each = each, .arg = arg, .found = few, .room = BATCH};
    struct wane__header *h = wane__header_of(obj);
    wane_type *t = wane__type_of_any(h);
    if (load_relaxed(&t->wane__private[WANE__TYPE_ID]) == 0 && wane__type_register(t) == 0) { /* a static object's */
        errno = ENOMEM;
        return 0;
    }
    struct gathering g = {.ops.slots = visit_gathering, .show = &s, .few = few, .full = true};
    while (g.full && !s.ended) {
        g.full = false;
        g.seen = 0;
        wane__guard_enter();
        wane__visit_slots(t, h, &g.ops);
        wane__guard_leave();
        g.passed += s.n;
        show_found(&s);
    }
    if (s.found != few)
        free(s.found);
    return s.calls;
}
