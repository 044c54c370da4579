/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/targets.h: which objects have weak references, and which those are.
 *
 * A hash table by the target's address, with chains through the references themselves: adding one needs no memory. It
 * grows and shrinks by one bucket at a time (linear hashing), so no call moves more than two chains, whatever the size;
 * and when there is no memory for more buckets the chains become longer, which is all.
 *
 * The table does not lock: whoever uses it holds the lock of its shard (weak.c).
 */
#ifndef WANE_LIFE_TARGETS_H
#define WANE_LIFE_TARGETS_H

#include <stddef.h>
#include <stdint.h>

#include "count/word.h"

/* All but xtarget: under the shard's lock. */
struct wane_weak {
    struct wane__header *xtarget; /* NULL when it is dead; written under the shard's lock */
    struct wane_weak *next, *previous; /* of the same target */
    struct wane_weak *chain; /* of a target's first reference: the first of the bucket's next target */
};

enum { WANE__TARGETS_LEAST = 16, WANE__TARGETS_SEGMENTS = 48 };

struct wane__targets {
    size_t targets;
    size_t buckets; /* 0: not used yet */
    struct wane_weak **segments[WANE__TARGETS_SEGMENTS]; /* the first is `least`; each other one doubles the number of buckets */
    struct wane_weak *least[WANE__TARGETS_LEAST];
};

uint64_t wane__targets_hash(const struct wane__header *target);

/* Adds w, whose xtarget is set, to the references of its target. */
void wane__targets_add(struct wane__targets *t, struct wane_weak *w);

/* Takes w out, whose xtarget is still set. */
void wane__targets_remove(struct wane__targets *t, struct wane_weak *w);

/* Takes all references to target out. Returns the first, linked by `next`, or NULL. */
struct wane_weak *wane__targets_take(struct wane__targets *t, const struct wane__header *target);

#endif
