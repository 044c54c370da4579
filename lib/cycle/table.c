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

bool wane__vector_grow(void **items, size_t *room, size_t n, size_t size) {
    if (n < *room)
        return true;
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

static uint32_t *side_of(struct wane__table *t, struct wane__page *page) {
    uint32_t *side = load_relaxed(&page->side);
    if (side != NULL)
        return side;
    if (!wane__vector_grow((void **)&t->pages, &t->pages_room, t->pages_n, sizeof *t->pages))
        return NULL;
    side = calloc(page->capacity, sizeof *side);
    if (side != NULL)
        t->pages[t->pages_n++] = page;
    store_release(&page->side, (void *)side); /* [order:side] */
    return side;
}

uint32_t wane__table_add(struct wane__table *t, struct wane__header *h, uint16_t flags) {
    struct wane__page *page = wane__page_of(h);
    uint32_t *side = side_of(t, page);
    if (side == NULL || t->n >= WANE__NO_SUSPECT - 1 ||
        !wane__vector_grow((void **)&t->suspects, &t->room, t->n, sizeof *t->suspects)) {
        t->failed = true;
        return WANE__NO_SUSPECT;
    }
    t->suspects[t->n] = (struct wane__suspect){.h = h, .flags = flags};
    compiler_barrier(); /* the child of a fork finds whole entries */
    uint32_t number = (uint32_t)t->n++;
    side[wane__page_index(page, h)] = number + 1;
    return number;
}

void wane__table_add_edge(struct wane__table *t, struct wane__suspect *from, uint32_t to) {
    if (t->edges_n >= UINT32_MAX ||
        !wane__vector_grow((void **)&t->edges, &t->edges_room, t->edges_n, sizeof *t->edges)) {
        t->failed = true;
        return;
    }
    t->edges[t->edges_n++] = to;
    from->edges_n++;
}

void wane__table_free(struct wane__table *t) {
    pthread_mutex_lock(&moving);
    for (size_t i = 0; i < t->pages_n; i++)
        free(swap_acq_rel(&t->pages[i]->side, NULL)); /* [order:side]; NULL: the page was given back meanwhile */
    free(t->pages);
    free(t->suspects);
    free(t->edges);
    memset(t, 0, sizeof *t);
    pthread_mutex_unlock(&moving);
}
