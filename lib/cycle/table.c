/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "cycle/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "os/map.h"
#include "thread/wake.h"

/*
 * Held while a list moves or a piece of the table goes: the child of a fork needs the suspects. For a short while each time: no list
 * is copied once it is large, and what is large goes in pieces. Leaf.
 */
static struct wane__mutex moving = WANE__MUTEX(WANE__RANK_TABLE);
static uint32_t xwanted; /* by a fork */

void wane__table_fork_prepare(void) {
    add_relaxed(&xwanted, 1u);
    wane__mutex_lock(&moving);
    sub_relaxed(&xwanted, 1u);
}

void wane__table_fork_release(void) { wane__mutex_unlock(&moving); }

/* Between two pieces: who is awake would take the lock again before the fork does. */
static void let_fork_in(void) {
    wane__mutex_unlock(&moving);
    wane__give_way(&xwanted);
    wane__mutex_lock(&moving);
}

/* Lists of so many bytes have mappings of their own, which grow without a copy and shrink by pieces. */
#define MAPPED_FROM ((size_t)1 << 20)
#define PIECE ((size_t)1 << 20)

static void *resize(void *items, size_t from, size_t to) {
    if (from >= MAPPED_FROM)
        return wane__map_resize(items, from, to);
    if (to < MAPPED_FROM)
        return realloc(items, to);
    void *mapped = wane__map_reserve(to, 1);
    if (mapped != NULL && from > 0)
        memcpy(mapped, items, from);
    if (mapped != NULL)
        free(items);
    return mapped;
}

bool wane__vector_grow_slow(void **items, size_t *room, size_t size) {
    size_t more = *room < 512 ? 1024 : *room * 2;
    wane__mutex_lock(&moving);
    void *bigger = resize(*items, *room * size, more * size);
    if (bigger != NULL) {
        *items = bigger;
        *room = more;
    }
    wane__mutex_unlock(&moving);
    return bigger != NULL;
}

/* Room is 1024 elements doubled some times, so what is left is a multiple of a piece, or less than two, and no less than one. */
static void free_list(void **items, size_t *room, size_t size) {
    for (; *room * size >= 2 * PIECE; let_fork_in()) {
        *room -= PIECE / size;
        wane__map_release((char *)*items + *room * size, PIECE);
    }
    if (*room * size >= MAPPED_FROM)
        wane__map_release(*items, *room * size);
    else
        free(*items);
    *items = NULL;
    *room = 0;
}

void wane__vector_free(void **items, size_t *room, size_t size) {
    wane__mutex_lock(&moving);
    free_list(items, room, size);
    wane__mutex_unlock(&moving);
}

/* No fork comes between a segment and its place in the list. The first is made as it grows. */
static bool add_segment(struct wane__edges *edges) {
    size_t n = edges->segments_n;
    if (!wane__vector_grow((void **)&edges->segments, &edges->segments_room, n, sizeof *edges->segments))
        return false;
    wane__mutex_lock(&moving);
    uint32_t *segment = n > 0 ? malloc(WANE__SEGMENT * sizeof *segment) : NULL;
    if (n == 0 || segment != NULL)
        edges->segments[edges->segments_n++] = segment;
    wane__mutex_unlock(&moving);
    return n == 0 || segment != NULL;
}

/* `edges_n` of a suspect has 32 bits and is looked at here only: it grows by no more than a segment before it is looked at again. */
bool wane__edges_segment_slow(struct wane__edges *edges, const struct wane__suspect *from) {
    size_t number = edges->n >> WANE__SEGMENT_SHIFT;
    if (from->edges_n > UINT32_MAX - WANE__SEGMENT || (number == edges->segments_n && !add_segment(edges)))
        return false;
    uint32_t **segment = &edges->segments[number];
    if (number == 0 && !wane__vector_grow((void **)segment, &edges->first_room, edges->n, sizeof **segment))
        return false;
    edges->last = *segment;
    edges->end = number == 0 ? edges->first_room : (uint64_t)(number + 1) << WANE__SEGMENT_SHIFT;
    return true;
}

/* The child of a fork frees both: it must not find one list in two places, or half of one. */
void wane__table_begin_tracing(struct wane__table *t) {
    wane__mutex_lock(&moving);
    struct wane__edges recorded = t->edges;
    t->edges = t->old_edges;
    wane__pause();
    t->edges.n = t->edges.end = 0;
    t->old_edges = recorded;
    wane__mutex_unlock(&moving);
}

uint32_t *wane__table_side_slow(struct wane__table *t, struct wane__page *page) {
    if (!wane__vector_grow((void **)&t->pages, &t->pages_room, t->pages_n, sizeof *t->pages))
        return NULL;
    uint32_t *side = calloc(page->capacity, sizeof *side);
    if (side != NULL) {
        wane__page_note(page);
        compiler_barrier(); /* the child of a fork finds it noted */
        t->pages[t->pages_n++] = page;
    }
    store_release(&page->side, (void *)side); /* [order:side] */
    return side;
}

#define PAGES_A_PIECE 64
#define SEGMENTS_A_PIECE 16

static void free_edges(struct wane__edges *edges) {
    while (edges->segments_n > 0) {
        free(edges->segments[--edges->segments_n]);
        if (edges->segments_n % SEGMENTS_A_PIECE == 0)
            let_fork_in();
    }
    edges->first_room = edges->n = edges->end = 0;
    free_list((void **)&edges->segments, &edges->segments_room, sizeof *edges->segments);
}

/* The child of a fork in between frees the rest. All suspects are GONE, or it undoes the collection. */
void wane__table_free(struct wane__table *t) {
    wane__mutex_lock(&moving);
    while (t->pages_n > 0) {
        struct wane__page *page = t->pages[--t->pages_n];
        free(swap_acq_rel(&page->side, NULL)); /* [order:side]; NULL: the page was given back meanwhile */
        wane__page_forget(page);
        if (t->pages_n % PAGES_A_PIECE == 0)
            let_fork_in();
    }
    t->n = 0;
    free_list((void **)&t->pages, &t->pages_room, sizeof *t->pages);
    free_list((void **)&t->suspects, &t->room, sizeof *t->suspects);
    free_edges(&t->edges);
    free_edges(&t->old_edges);
    memset(t, 0, sizeof *t);
    wane__mutex_unlock(&moving);
}
