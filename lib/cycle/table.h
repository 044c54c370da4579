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
    WANE__SUSPECT_KEEP = 256,   /* of an uncollectable type */
    WANE__SUSPECT_OUTSIDE = 512 /* a slot names what is no suspect */
};

struct wane__suspect {
    struct wane__header *h; /* PINNED until GONE */
    union {
        uint32_t count;     /* its units: at first as they look, then c(w) */
        uint32_t group;     /* after the verdict: another suspect of its group, or itself (weaks.c) */
    };
    union {
        uint32_t inner;     /* e(w): edges from other suspects */
        uint32_t weaks;     /* after the verdict, of the one that stands for a group: its last entry in `weak`, and one; 0: none */
    };
    uint64_t edges;         /* where its edges to suspects begin among all edges */
    uint32_t edges_n;
    uint16_t flags;
};

/*
 * Edges, in segments of one size: however many there are, no more than the first segment is ever moved, which grows until it has that
 * size, and no allocation is larger than the list of the segments (8 bytes for 64 KiB of edges).
 */
#define WANE__SEGMENT_SHIFT 14
#define WANE__SEGMENT ((size_t)1 << WANE__SEGMENT_SHIFT) /* edges */

struct wane__edges {
    uint32_t **segments;
    size_t segments_n, segments_room;
    size_t first_room; /* of the first segment */
    uint32_t *last;    /* the segment that is being filled, */
    uint64_t n, end;   /* after so many edges, up to so many */
};

struct wane__table {
    struct wane__suspect *suspects;
    size_t n, room;
    struct wane__edges edges;
    struct wane__edges old_edges; /* of the tracing before: where the slots most likely lead now */
    struct wane__page **pages; /* that have a side array */
    size_t pages_n, pages_room;
    bool failed; /* memory ran out: the collection is given up */
};

#define WANE__NO_SUSPECT UINT32_MAX

/* The number of h's suspect, or NO_SUSPECT. What is in no arena of this copy, static objects, has no page. */
static inline uint32_t wane__table_find(const struct wane__header *h) {
    if (unlikely(!wane__is_ours(h)))
        return WANE__NO_SUSPECT;
    const struct wane__page *page = wane__page_of(h);
    const uint32_t *side = load_relaxed(&page->side);
    return side == NULL ? WANE__NO_SUSPECT : side[wane__page_index(page, h)] - 1;
}

/* Makes room for any list of as many elements; false: memory is out, nothing changed. */
bool wane__vector_grow_slow(void **items, size_t *room, size_t size);
static inline bool wane__vector_grow(void **items, size_t *room, size_t n, size_t size) {
    return likely(n < *room) || wane__vector_grow_slow(items, room, size);
}

/* Gives a list back, a piece at a time: no fork waits for long. */
void wane__vector_free(void **items, size_t *room, size_t size);

/* A page's side array, made if need be; NULL: memory is out. */
uint32_t *wane__table_side_slow(struct wane__table *t, struct wane__page *page);

/* h is about to be looked for, and pinned. */
static inline void wane__table_prefetch(const struct wane__header *h) {
    if (unlikely(!wane__is_ours(h)))
        return;
    const struct wane__page *page = wane__page_of(h);
    const uint32_t *side = load_relaxed(&page->side);
    __builtin_prefetch(h, 1);
    if (likely(side != NULL))
        __builtin_prefetch(&side[wane__page_index(page, h)], 1);
}

/* Adds h, which is pinned. Returns its number, or NO_SUSPECT when memory is out (`failed` is set). */
static inline uint32_t wane__table_add(struct wane__table *t, struct wane__header *h, uint16_t flags) {
    struct wane__page *page = wane__page_of(h);
    uint32_t *side = load_relaxed(&page->side);
    if (unlikely(side == NULL))
        side = wane__table_side_slow(t, page);
    if (unlikely(side == NULL || t->n >= WANE__NO_SUSPECT - 1 ||
                 !wane__vector_grow((void **)&t->suspects, &t->room, t->n, sizeof *t->suspects))) {
        t->failed = true;
        return WANE__NO_SUSPECT;
    }
    t->suspects[t->n] = (struct wane__suspect){.h = h, .flags = flags};
    compiler_barrier(); /* the child of a fork finds whole entries */
    uint32_t number = (uint32_t)t->n++;
    side[wane__page_index(page, h)] = number + 1;
    return number;
}

/* Makes room for an edge of `from`, after `end`. False: memory is out, or `from` has more edges than can be counted. */
bool wane__edges_segment_slow(struct wane__edges *edges, const struct wane__suspect *from);

/* What was recorded becomes old_edges, and room for new ones is what those had. */
void wane__table_begin_tracing(struct wane__table *t);

/* Adds an edge to the suspect whose edges are being recorded. */
static inline void wane__table_add_edge(struct wane__table *t, struct wane__suspect *from, uint32_t to) {
    struct wane__edges *edges = &t->edges;
    if (unlikely(edges->n == edges->end) && !wane__edges_segment_slow(edges, from)) {
        t->failed = true;
        return;
    }
    edges->last[edges->n++ % WANE__SEGMENT] = to;
    from->edges_n++;
}

/* Where an edge is recorded, and the suspect that it leads to; `at` counts from a suspect's `edges`. */
static inline const uint32_t *wane__edge_place(const struct wane__edges *edges, uint64_t at) {
    return edges->segments[at >> WANE__SEGMENT_SHIFT] + at % WANE__SEGMENT;
}

static inline uint32_t wane__edge_at(const struct wane__edges *edges, uint64_t at) { return *wane__edge_place(edges, at); }

void wane__table_fork_prepare(void);
void wane__table_fork_release(void);

/* Gives all memory back. */
void wane__table_free(struct wane__table *t);

#endif
