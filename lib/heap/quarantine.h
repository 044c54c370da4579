/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/quarantine.h: freed blocks that are kept back for a while, so that misuse of dead objects is found.
 *
 * While a block is here its header is that of a dead object: whoever counts it is found out, and not taken for a user of the
 * next object in its place. Its payload is filled with a pattern, which is looked at when the block leaves: a write to a
 * dead object is named. First in, first out, for all threads together, up to `quarantine_bytes`; 0, which is what builds without
 * full checks begin with: there is none, and frees stay inline. Memory that is short, or asked back, gets all blocks.
 *
 * To pages these are used blocks. Where a sanitizer or valgrind is present it sees accesses to the payload by itself, and
 * nothing is filled or looked at.
 */
#ifndef WANE_HEAP_QUARANTINE_H
#define WANE_HEAP_QUARANTINE_H

#include "heap/heap.h"

/* Once, before there are heaps: whether there is a quarantine in this process is decided by the option now. */
void wane__quarantine_start(void);
bool wane__quarantine_on(void);

/*
 * Owner of `heap`, in a bracket: takes the block of a dead object, of whichever heap, and frees some of those that have been here
 * for longest to make room. False: it is for the caller to free, since it is too large, or there is no room yet.
 */
bool wane__quarantine_put(struct wane__heap *heap, struct wane__header *h);

/*
 * The same without a block: frees some of those that came before number `until`, down to so many bytes. False: there is nothing more
 * to free.
 */
bool wane__quarantine_drain(struct wane__heap *heap, size_t most, uint64_t until);

/* Any thread. How many blocks have ever come, all bytes that are here, and whether they are more than the option says now. */
uint64_t wane__quarantine_end(void);
size_t wane__quarantine_bytes(void);
bool wane__quarantine_over(void);

/* Looks at all patterns, and leaves the blocks where they are. Others get the lock between two portions. */
void wane__quarantine_check(void);
/* A portion of that: of the blocks that came from number *at on and before `until`, as far as they are here. True: there are more. */
bool wane__quarantine_check_some(uint64_t *at, uint64_t until);

void wane__quarantine_fork_prepare(void);
void wane__quarantine_fork_release(void);
void wane__quarantine_fork_child(void);

#endif
