/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/walk.h: going through all objects of the heap, beside running threads, for others than the collector.
 *
 * A walk goes over the pages that there were when it began, some at a time under the collector's lock, which forks and
 * births without memory wait for. What dies before its turn is not seen, what is born after the beginning may be.
 */
#ifndef WANE_CYCLE_WALK_H
#define WANE_CYCLE_WALK_H

#include "count/count.h"
#include "life/type.h"

struct wane__walk {
    struct wane__page **pages;
    size_t n, room;
    size_t at;      /* the next page, */
    unsigned block; /* and the next block of it */
    bool tracked_only;
    bool failed;
};

/* False: memory is out. Follow with wane__walk_end. Takes the collector's lock. */
bool wane__walk_begin(struct wane__walk *w, bool tracked_only);
void wane__walk_end(struct wane__walk *w);
static inline bool wane__walk_over(const struct wane__walk *w) { return w->at >= w->n; }

/*
 * Calls each(h, arg) for living objects of some pages, under the collector's lock; each returns false to stop before the
 * next one. Nothing is pinned: only the word is to be relied on. False: the walk is over.
 */
bool wane__walk_some(struct wane__walk *w, bool (*each)(struct wane__header *h, void *arg), void *arg);

/*
 * Under the claim: pins some objects that have slots and calls each(h, arg) for them, under no lock. Between
 * wane__pins_begin and _end. Who died meanwhile is among r's dead: wane__reap, after the claim was given back. False: the
 * walk is over.
 */
bool wane__walk_pinned(struct wane__record *r, struct wane__walk *w, void (*each)(struct wane__header *h, void *arg), void *arg);

/*
 * Under the claim: announces pins, or units taken from nobody, of tracked objects or of all that have slots. No user code
 * until the end, which the caller comes to in any case. False: it cannot be, since a thread knows nothing of fences yet; it may be
 * tried again.
 */
bool wane__pins_begin(struct wane__record *r, uint32_t which);
void wane__pins_end(void);

/*
 * Takes a unit of h that nobody gives: never of what is dead, or as good as dead. Under the claim, after wane__pins_begin.
 * False: nothing was taken.
 */
bool wane__take_from_nobody(struct wane__record *r, struct wane__header *h);

void wane__walk_fork_child(const struct wane__record *self);

#endif
