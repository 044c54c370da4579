/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/collect.h: one collection, and its steps.
 */
#ifndef WANE_CYCLE_COLLECT_H
#define WANE_CYCLE_COLLECT_H

#include "cycle/table.h"
#include "life/death.h"
#include "life/type.h"

#define WANE__OLDEST 2
#define WANE__AGE_KEPT 4u /* in `age`: was reported as unreachable and kept */

struct wane__collection {
    struct wane__record *r; /* of the thread that collects */
    int generation;         /* 0 .. WANE__OLDEST */
    bool full;              /* every tracked object is a root */
    bool decided;           /* what is in doubt is garbage: no way back, for the child of a fork either */
    struct wane__header *pinning; /* perhaps pinned, perhaps not yet in the table: for the child of a fork */
    struct wane__table table;
    struct wane__page **pages; /* that may hold roots */
    size_t pages_n, pages_room;
    uint32_t *list; /* of suspects: work lists of several steps */
    size_t list_n, list_room;

    size_t candidates, suspects, garbage, uncollectable;
};

/* What a collection found: collected, uncollectable, and whether memory sufficed. */
struct wane__findings {
    size_t collected, uncollectable, candidates, suspects;
    bool aborted;
};

/* Collects once. The caller has the claim on collecting, is in no guard, bracket or callback, and may run user code. */
struct wane__findings wane__collect(struct wane__record *r, int generation, bool full);

/* The steps, in this order; roots.c, suspects.c, verdict.c, garbage.c. */
void wane__find_roots(struct wane__collection *c);
void wane__find_suspects(struct wane__collection *c);
void wane__arm(struct wane__collection *c);
void wane__count_then_trace(struct wane__collection *c);
void wane__wait_for_grace(struct wane__collection *c);
void wane__judge(struct wane__collection *c);
bool wane__run_finalizers_of_garbage(struct wane__collection *c); /* whether any ran: then arm .. judge again */
void wane__close_weak(struct wane__collection *c);
void wane__destroy_garbage(struct wane__collection *c);

/* Un-arms and un-pins; destroys who died meanwhile. again: makes it a candidate, since nothing was decided about it. */
void wane__let_live(struct wane__collection *c, struct wane__suspect *s, bool again);

/* Suspects that are neither held nor gone nor dropped: W, and after judge R. */
static inline bool wane__in_doubt(const struct wane__suspect *s) {
    return (s->flags & (WANE__SUSPECT_HELD | WANE__SUSPECT_GONE)) == 0;
}

/* Lets all go that are dropped and still the collector's. Does nothing when memory ran out. */
void wane__let_dropped_live(struct wane__collection *c, bool again);

/* Drops from R what the suspects in c->list reach by recorded edges, them included. */
void wane__drop_reach(struct wane__collection *c);
void wane__list_add(struct wane__collection *c, uint32_t number);

/* Around a fork: the undoing of a collection whose thread vanished. */
void wane__collect_fork_prepare(void);
void wane__collect_fork_parent(void);
void wane__collect_fork_child(const struct wane__record *self);

#endif
