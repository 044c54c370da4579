/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/targets.c: a hash table that grows by a bucket at a time.
 *
 * Let `half` be the greatest power of two that is not above the number of buckets n. A hash belongs to bucket
 * `hash mod 2 half`, or, when there is no such bucket yet, to `hash mod half`. So bucket n takes what belongs to it
 * from bucket n - half alone when it is added, and gives it back when it is removed.
 */
#include "life/targets.h"

#include <errno.h>
#include <stdlib.h>

#include "base/atomic.h"

uint64_t wane__targets_hash(const struct wane__header *target) {
    uint64_t x = (uintptr_t)target;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u; /* splitmix64 */
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static size_t half_of(size_t buckets) { return (size_t)1 << (63 - __builtin_clzll(buckets)); }

/* Segment 0 has the buckets below LEAST; segment s those from half of LEAST << s on. */
static unsigned segment_of(size_t bucket) {
    return bucket < WANE__TARGETS_LEAST ? 0 : 60 - (unsigned)__builtin_clzll(bucket);
}
_Static_assert(WANE__TARGETS_LEAST == 16, "segment_of");

static size_t first_of(unsigned segment) { return segment == 0 ? 0 : (size_t)WANE__TARGETS_LEAST << (segment - 1); }

static struct wane__weak_link **head_of(struct wane__targets *t, size_t bucket) {
    unsigned s = segment_of(bucket);
    return &t->segments[s][bucket - first_of(s)];
}

static struct wane__weak_link **bucket_for(struct wane__targets *t, const struct wane__header *target) {
    uint64_t hash = wane__targets_hash(target);
    size_t half = half_of(t->buckets);
    size_t bucket = hash & (2 * half - 1);
    return head_of(t, bucket < t->buckets ? bucket : bucket & (half - 1));
}

/* Where the bucket's chain points to target's first link, or its end. */
static struct wane__weak_link **place_of(struct wane__targets *t, const struct wane__header *target) {
    struct wane__weak_link **place = bucket_for(t, target);
    while (*place != NULL && load_relaxed(&(*place)->wane__target) != target)
        place = &(*place)->wane__chain;
    return place;
}

static void prepend(struct wane__weak_link **head, struct wane__weak_link *w) {
    w->wane__chain = *head;
    *head = w;
}

static void start(struct wane__targets *t) {
    t->segments[0] = t->least;
    t->buckets = WANE__TARGETS_LEAST;
}

/* Adds a bucket when there are more targets than buckets, and memory for it. */
static void grow(struct wane__targets *t) {
    size_t added = t->buckets;
    unsigned s = segment_of(added);
    if (t->xtargets <= added || s == WANE__TARGETS_SEGMENTS)
        return;
    if (t->segments[s] == NULL) {
        int saved = errno;
        t->segments[s] = calloc(first_of(s), sizeof *t->segments[s]);
        errno = saved;
    }
    if (t->segments[s] == NULL)
        return;
    struct wane__weak_link **split = head_of(t, added - half_of(added));
    struct wane__weak_link *w = *split;
    *split = NULL;
    t->buckets++;
    for (struct wane__weak_link *next; w != NULL; w = next) {
        next = w->wane__chain;
        prepend(bucket_for(t, load_relaxed(&w->wane__target)), w);
    }
}

/* Removes the last bucket when there are more than twice as many as targets. */
static void shrink(struct wane__targets *t) {
    if (t->buckets == WANE__TARGETS_LEAST || t->buckets <= 2 * t->xtargets)
        return;
    size_t removed = --t->buckets;
    struct wane__weak_link *w = *head_of(t, removed);
    for (struct wane__weak_link *next; w != NULL; w = next) {
        next = w->wane__chain;
        prepend(bucket_for(t, load_relaxed(&w->wane__target)), w);
    }
    *head_of(t, removed) = NULL;
    unsigned s = segment_of(removed);
    if (removed == first_of(s)) {
        int saved = errno;
        free(t->segments[s]);
        errno = saved;
        t->segments[s] = NULL;
    }
}

void wane__targets_add(struct wane__targets *t, struct wane__weak_link *w) {
    if (t->buckets == 0)
        start(t);
    struct wane__weak_link **place = place_of(t, load_relaxed(&w->wane__target));
    struct wane__weak_link *first = *place;
    if (first == NULL) {
        w->wane__next = w->wane__previous = w->wane__chain = NULL;
        *place = w;
        store_relaxed(&t->xtargets, t->xtargets + 1);
        grow(t);
        return;
    }
    w->wane__previous = first;
    w->wane__next = first->wane__next;
    if (w->wane__next != NULL)
        w->wane__next->wane__previous = w;
    first->wane__next = w;
}

static void forget_target(struct wane__targets *t) {
    store_relaxed(&t->xtargets, t->xtargets - 1);
    shrink(t);
    shrink(t); /* twice: so the buckets are never more than twice the targets, but for the least */
}

void wane__targets_remove(struct wane__targets *t, struct wane__weak_link *w) {
    if (w->wane__next != NULL)
        w->wane__next->wane__previous = w->wane__previous;
    if (w->wane__previous != NULL) {
        w->wane__previous->wane__next = w->wane__next;
        return;
    }
    struct wane__weak_link **place = place_of(t, load_relaxed(&w->wane__target));
    if (w->wane__next != NULL) {
        w->wane__next->wane__chain = w->wane__chain;
        *place = w->wane__next;
        return;
    }
    *place = w->wane__chain;
    forget_target(t);
}

struct wane__weak_link *wane__targets_first(struct wane__targets *t, const struct wane__header *target) {
    return t->buckets == 0 ? NULL : *place_of(t, target);
}

struct wane__weak_link *wane__targets_take(struct wane__targets *t, const struct wane__header *target) {
    if (t->buckets == 0)
        return NULL;
    struct wane__weak_link **place = place_of(t, target);
    struct wane__weak_link *first = *place;
    if (first == NULL)
        return NULL;
    *place = first->wane__chain;
    forget_target(t);
    return first;
}
