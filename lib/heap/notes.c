/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/notes.c: making and unmapping the maps of notes.
 */
#include "heap/notes.h"

#include "os/map.h"

#define NOTES_BYTES (WANE__ARENA_SIZE / WANE__BLOCK_MIN * sizeof(uint64_t))

uint64_t *wane__note_make(const struct wane__header *h) {
    struct wane__arena *arena = wane__arena_of(h);
    uint64_t *found = wane__note_of(h);
    if (likely(found != NULL))
        return found;
    uint64_t *made = wane__map_reserve(NOTES_BYTES, WANE__PAGE_SIZE), *none = NULL;
    if (made == NULL)
        return NULL;
    if (!cas_acq_rel(&arena->xnotes, &none, made)) /* [order:notes] */
        wane__map_release(made, NOTES_BYTES); /* another thread's came first */
    return wane__note_of(h);
}

void wane__notes_end(struct wane__arena *arena) {
    uint64_t *notes = load_relaxed(&arena->xnotes);
    if (notes != NULL)
        wane__map_release(notes, NOTES_BYTES);
}
