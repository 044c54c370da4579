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

void wane__table_free(struct wane__table *t) {
    pthread_mutex_lock(&moving);
    for (size_t i = 0; i < t->pages_n; i++) {
        free(swap_acq_rel(&t->pages[i]->side, NULL)); /* [order:side]; NULL: the page was given back meanwhile */
        wane__page_forget(t->pages[i]);
    }
    free(t->pages);
    free(t->suspects);
    free(t->edges);
    free(t->old_edges);
    memset(t, 0, sizeof *t);
    pthread_mutex_unlock(&moving);
}
