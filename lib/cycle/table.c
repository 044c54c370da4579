/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "cycle/table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Held while a list moves or all of them go: the child of a fork needs the suspects. Leaf. */
static pthread_mutex_t moving = PTHREAD_MUTEX_INITIALIZER;

void wane__table_fork_prepare(void) { pthread_mutex_lock(&moving); }
void wane__table_fork_release(void) { pthread_mutex_unlock(&moving); }

bool wane__vector_grow_slow(void **items, size_t *room, size_t size) {
    size_t more = *room < 512 ? 1024 : *room * 2;
    pthread_mutex_lock(&moving);
    void *bigger = realloc(*items, more * size);
    if (bigger != NULL) {
        *items = bigger;
        *room = more;
    }
    pthread_mutex_unlock(&moving);
    return bigger != NULL;
}

/* No fork comes between a segment and its place in the list. The first is made as it grows. */
static bool add_segment(struct wane__edges *edges) {
    size_t n = edges->segments_n;
    if (!wane__vector_grow((void **)&edges->segments, &edges->segments_room, n, sizeof *edges->segments))
        return false;
    pthread_mutex_lock(&moving);
    uint32_t *segment = n > 0 ? malloc(WANE__SEGMENT * sizeof *segment) : NULL;
    if (n == 0 || segment != NULL)
        edges->segments[edges->segments_n++] = segment;
    pthread_mutex_unlock(&moving);
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

static void free_edges(struct wane__edges *edges) {
    for (size_t i = edges->segments_n; i-- > 0;)
        free(edges->segments[i]);
    free(edges->segments);
}

void wane__table_free(struct wane__table *t) {
    pthread_mutex_lock(&moving);
    for (size_t i = 0; i < t->pages_n; i++) {
        free(swap_acq_rel(&t->pages[i]->side, NULL)); /* [order:side]; NULL: the page was given back meanwhile */
        wane__page_forget(t->pages[i]);
    }
    free(t->pages);
    free(t->suspects);
    free_edges(&t->edges);
    free_edges(&t->old_edges);
    memset(t, 0, sizeof *t);
    pthread_mutex_unlock(&moving);
}
