/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/notes.h: a word for any block, beside the heap: for what is to be known of few objects, or only at times.
 *
 * The notes of an arena are a map of their own: one for each 32 bytes, so that no two blocks share one. It has addresses
 * for all and memory for those that were written; it is made at the first note and goes with the arena. A block's note is
 * whatever was last written for a block at its place: that it is of the object there must be known elsewhere.
 */
#ifndef WANE_HEAP_NOTES_H
#define WANE_HEAP_NOTES_H

#include "heap/page.h"

/* Of the block at h, atomic; NULL: none was made in its arena. Any thread that keeps the block; wait-free. */
static inline uint64_t *wane__note_of(const struct wane__header *h) {
    uint64_t *notes = load_acquire(&wane__arena_of(h)->xnotes); /* [order:notes] */
    return notes != NULL ? notes + ((uintptr_t)h & (WANE__ARENA_SIZE - 1)) / WANE__BLOCK_MIN : NULL;
}

/* The same, with notes made if there are none; NULL when memory is out. Outside brackets: makes a system call then. */
uint64_t *wane__note_make(const struct wane__header *h);

/* Background: the arena goes. */
void wane__notes_end(struct wane__arena *arena);

#endif
