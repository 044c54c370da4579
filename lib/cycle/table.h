/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/table.h: the collector's side tables: suspects, the edges between them, and from an object to its suspect.
 *
 * They exist during a collection only. An object finds its suspect through its page (`side`: an array of numbers, one
 * a block), so that the header needs no room for it.
 */
#ifndef WANE_CYCLE_TABLE_H
#define WANE_CYCLE_TABLE_H

#include "count/count.h"

enum {
    WANE__SUSPECT_ROOT = 1,     /* was a candidate */
    WANE__SUSPECT_HELD = 2,     /* has units from outside, or is reached from one that has */
    WANE__SUSPECT_GONE = 4,     /* un-pinned: no longer the collector's */
    WANE__SUSPECT_TRACED = 8,   /* its edges are recorded */
    WANE__SUSPECT_SEEN = 16,    /* found on the way from an undecided root */
    WANE__SUSPECT_GARBAGE = 32, /* being destroyed */
    WANE__SUSPECT_FINAL = 64,   /* its finalizer is due */
    WANE__SUSPECT_WEAK = 128,   /* has weak references */
    WANE__SUSPECT_KEEP = 256    /* of a type that is not collected */
};

struct wane__suspect {
    struct wane__header *h; /* PINNED until GONE */
    uint32_t count;         /* its units: at first as they look, then c(w) */
    uint32_t inner;         /* e(w): edges from other suspects */
    uint32_t edges;         /* first of its edges to suspects */
    uint32_t edges_n;
    uint16_t flags;
};

struct wane__table {
    struct wane__suspect *suspects;
    size_t n, room;
    uint32_t *edges;
    size_t edges_n, edges_room;
    struct wane__page **pages; /* that have a side array */
    size_t pages_n, pages_room;
    bool failed; /* memory ran out: the collection is given up */
};

#define WANE__NO_SUSPECT UINT32_MAX

/* The number of h's suspect, or NO_SUSPECT. */
static inline uint32_t wane__table_find(const struct wane__header *h) {
    const struct wane__page *page = wane__page_of(h);
    const uint32_t *side = load_relaxed(&page->side);
    return side == NULL ? WANE__NO_SUSPECT : side[wane__page_index(page, h)] - 1;
}

/* Adds h, which is pinned. Returns its number, or NO_SUSPECT when memory is out (`failed` is set). */
uint32_t wane__table_add(struct wane__table *t, struct wane__header *h, uint16_t flags);

/* Adds an edge to the suspect whose edges are being recorded. */
void wane__table_add_edge(struct wane__table *t, struct wane__suspect *from, uint32_t to);

/* Makes room for any list of as many elements; false: memory is out, nothing changed. */
bool wane__vector_grow(void **items, size_t *room, size_t n, size_t size);

void wane__table_fork_prepare(void);
void wane__table_fork_release(void);

/* Gives all memory back. */
void wane__table_free(struct wane__table *t);

#endif
