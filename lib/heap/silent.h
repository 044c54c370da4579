/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/silent.h: pages of threads that are silent.
 *
 * A thread that sleeps for an hour keeps pages whose blocks others freed, and pages with room that others could use.
 * They are taken away as a revocation takes the bias of an object (count/count.h), without the owner's help:
 *
 * 1. Silent: the heap's claim, which the owner takes in all its slow paths, was not taken for a while.
 * 2. Under the claim its pages with room are taken off its lists, the current ones too, and those of the tokens on its stack;
 *    xheap names the orphan heap. Who takes tokens off the stack holds them.
 * 3. A heavy barrier, and all brackets seen clear once. A free by the owner compares xheap in its bracket, a birth reads
 *    xfast in one: either that bracket is waited for, or the free finds another's page and goes on the remote list, and
 *    the birth finds no block and takes the slow path.
 * 4. Now nobody else writes the owner's fields. The page goes where orphans go, and if its token is in hand it is settled.
 *
 * What decides: the compare-and-swap on the claim, for the lists; for a free or a birth the bracket wait, as in
 * docs/memory-orders.md. Between 2 and 4 the pages are in no list, the orphan heap's in name, and their blocks may be freed
 * by everybody; a token that comes to the orphan heap's stack stays there (heap/orphan.c).
 * tests/model/silent.pml, tests/model/births.pml.
 */
#ifndef WANE_HEAP_SILENT_H
#define WANE_HEAP_SILENT_H

#include "heap/tend.h"

/*
 * Background: the steps for heaps silent for t->delay_ns, or for all heaps that have something for others, from t->heap on.
 * False: there are more, and the budget is used up.
 */
bool wane__silent_tend(struct wane__tend *t);

/*
 * Any thread outside brackets, perhaps with its claim, that would take a fresh page: the steps for some heaps whose owner
 * did nothing since they were last looked at here. Waits for nothing. Returns whether the orphan heap has more pages than before.
 */
bool wane__silent_relieve(void);

/* Background: whether some heap has what could be taken if its thread stays silent. */
bool wane__silent_news(void);

void wane__silent_fork_prepare(void);
void wane__silent_fork_parent(void);
/* What was taken is found by its place. */
void wane__silent_fork_child(void);

#endif
