/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/origin.c: see origin.h.
 *
 * A bit is set before the first object of its arena is handed out, and whoever has an object keeps the arena mapped: so
 * nobody who asks about an object of this copy finds the bit clear.
 */
#include "heap/origin.h"

#include <sys/uio.h>
#include <unistd.h>

uint64_t wane__xours[((uintptr_t)1 << (WANE__ADDRESS_BITS - WANE__ARENA_SHIFT)) / 64];

static uint64_t *word_of(const void *p) { return &wane__xours[(uintptr_t)p >> WANE__ARENA_SHIFT >> 6]; }

static uint64_t bit_of(const void *p) { return (uint64_t)1 << (((uintptr_t)p >> WANE__ARENA_SHIFT) & 63); }

static bool is_low(const void *p) { return (uintptr_t)p >> WANE__ADDRESS_BITS == 0; }

void wane__origin_set(struct wane__arena *arena) {
    arena->name_of = wane__block_type_name;
    arena->magic = WANE__ARENA_MAGIC;
    if (is_low(arena))
        or_relaxed(word_of(arena), bit_of(arena));
}

void wane__origin_clear(const struct wane__arena *arena) {
    if (is_low(arena))
        __atomic_fetch_and(word_of(arena), ~bit_of(arena), __ATOMIC_RELAXED);
}

/* The word at `place`, which may be anything, or nothing that can be read: then 0. */
static uint64_t read_word(void *place) {
    uint64_t word = 0;
    struct iovec here = {&word, sizeof word}, there = {place, sizeof word};
    return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)sizeof word ? word : 0;
}

/* Whether the beginning of what would be its arena says that it is one. */
static bool is_in_an_arena(const struct wane__header *h) {
    return read_word(&wane__arena_of(h)->magic) == WANE__ARENA_MAGIC;
}

void wane__need_static(const struct wane__header *h, const char *operation) {
    if (read_word(&wane__immortal_of(h)->magic) != WANE__IMMORTAL_MAGIC ||
        !wane__word_is_static(read_word(&wane__immortal_of(h)->header.shared)))
        wane__fatal_foreign(h, operation);
}

void wane__fatal_foreign(const struct wane__header *h, const char *operation) {
    if (!is_in_an_arena(h))
        wane__fatal("%s: %p is no object of this library", operation, (const void *)(h + 1));
    wane__fatal("%s: object %p of type \"%s\" belongs to another copy of the library in this process", operation,
                (const void *)(h + 1), wane__arena_of(h)->name_of(h));
}
