/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/graph.h: the objects of the heap and who refers to whom, written down for a report: addresses and numbers, by which
 * no object is held. What other threads change while it is written may be missing or be there twice.
 */
#ifndef WANE_CYCLE_GRAPH_H
#define WANE_CYCLE_GRAPH_H

#include "cycle/walk.h"

struct wane__node {
    struct wane__header *h;
    uint32_t units;  /* of it, when it was looked at */
    uint32_t inner;  /* how many of them are in slots of objects */
    uint32_t edges;  /* the first of its edges; up to that of the next node */
    uint64_t note;   /* beside the heap, if it is traced: heap/notes.h; else 0 */
    size_t bytes;
    uint16_t type;
    bool immortal;
};

struct wane__edge {
    struct wane__header *target;
    uint32_t place; /* of the slot: cycle/ties.h */
};

#define WANE__NO_NODE UINT32_MAX

struct wane__graph {
    struct wane__node *nodes; /* one more than n: its `edges` ends the last one's */
    size_t n, room;
    struct wane__edge *edges;
    size_t edges_n, edges_room;
    uint32_t *to; /* the node that an edge leads to, or NO_NODE */
    uint32_t *hash; /* a table of nodes by their objects */
    size_t hash_room;
    bool failed;
};

/*
 * All objects that have slots, or, with `all`, all that there are, and `target` in any case (NULL: none). 0, -ENOMEM, or -EAGAIN
 * when threads do not know of fences yet. Under no claim; runs user code. Follow with wane__graph_free.
 */
int wane__graph_read(struct wane__graph *g, struct wane__record *r, bool all, struct wane__header *target);
void wane__graph_free(struct wane__graph *g);

uint32_t wane__graph_find(const struct wane__graph *g, const struct wane__header *h);

/* Units of h, whose word is w. */
static inline uint32_t wane__units_of(const struct wane__header *h, uint64_t w) {
    uint64_t n = wane__word_count(w);
    if (!wane__word_has(w, WANE__MERGED))
        n += load_relaxed(&h->local);
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* Units that are in no slot of an object. */
static inline uint32_t wane__node_outside(const struct wane__node *n) { return n->units > n->inner ? n->units - n->inner : 0; }

#endif
