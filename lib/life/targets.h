/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/targets.h: which objects have links, and which those are: weak references, and whoever waits for a death.
 *
 * A hash table by the target's address, with chains through the links themselves: adding one needs no memory. It
 * grows and shrinks by one bucket at a time (linear hashing), so no call moves more than two chains, whatever the size;
 * and when there is no memory for more buckets the chains become longer, which is all.
 *
 * The table does not lock: whoever uses it holds the lock of its shard (weak.c).
 */
#ifndef WANE_LIFE_TARGETS_H
#define WANE_LIFE_TARGETS_H

#include <stddef.h>
#include <stdint.h>
#include <wane/weak.h>

#include "count/word.h"

/*
 * Of a link (wane/weak.h), all but wane__target is read and written under the shard's lock, and wane__target is written under it. It is
 * NULL outside of a table. `wane__next` and `wane__previous` are of the same target; `wane__chain`, of a target's first link,
 * is the first of the bucket's next target.
 */
enum { WANE__TARGETS_LEAST = 16, WANE__TARGETS_SEGMENTS = 48 };

struct wane__targets {
    size_t xtargets; /* atomic: read without the lock too */
    size_t buckets; /* 0: not used yet */
    struct wane__weak_link **segments[WANE__TARGETS_SEGMENTS]; /* the first is `least`; each other one doubles the number of buckets */
    struct wane__weak_link *least[WANE__TARGETS_LEAST];
};

/*
 * Whether there is any target, without the lock: for one that is dead. What hangs on it was added by holders of its units before they gave
 * them up, so who finds it dead sees their numbers, or later ones, in which what is still there is counted.
 */
static inline bool wane__targets_any(const struct wane__targets *t) { return load_relaxed(&t->xtargets) != 0; }

uint64_t wane__targets_hash(const struct wane__header *target);

/* Adds a link, whose target is set, to those of its target. */
void wane__targets_add(struct wane__targets *t, struct wane__weak_link *link);

/* Takes a link out, whose target is still set. */
void wane__targets_remove(struct wane__targets *t, struct wane__weak_link *link);

/* The first link of target, from which `wane__next` leads to the others, or NULL. */
struct wane__weak_link *wane__targets_first(struct wane__targets *t, const struct wane__header *target);

/* Takes all links of target out. Returns the first, linked by `wane__next`, or NULL. */
struct wane__weak_link *wane__targets_take(struct wane__targets *t, const struct wane__header *target);

#endif
