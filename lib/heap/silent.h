/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/silent.h: pages of threads that are silent.
 *
 * A thread that sleeps for an hour keeps pages whose blocks others freed. The background thread takes them away as a
 * revocation takes the bias of an object (count/count.h), without the owner's help:
 *
 * 1. Silent: the heap's claim, which the owner takes in all its slow paths, was not taken for the trim delay, and pages
 *    with remote frees are on the notify stack. A page that became empty while its owner was silent has such a free, so
 *    those are all that matter. Who takes them off the stack holds their tokens.
 * 2. Under the claim each is taken off the heap's lists, and xheap names the orphan heap. Current pages stay: the owner
 *    allocates from them without a bracket, so they cannot be taken; their tokens go back to the stack.
 * 3. A heavy barrier, and all brackets seen clear once. A free by the owner compares xheap in its bracket: either that
 *    bracket is waited for, or the free finds another's page and goes on the remote list.
 * 4. Now nobody else writes the owner's fields. The page goes where orphans go, and its token is settled.
 *
 * What decides: the compare-and-swap on the claim, for the lists; for a free the bracket wait, as in docs/memory-orders.md.
 * Between 2 and 4 the pages are in no list, the orphan heap's in name, and their blocks may be freed by everybody.
 * tests/model/silent.pml.
 */
#ifndef WANE_HEAP_SILENT_H
#define WANE_HEAP_SILENT_H

#include "heap/heap.h"

/* Background: steps 1 and 2 for heaps silent for delay_ns, or for all heaps. */
void wane__silent_take(uint64_t now_ns, uint64_t delay_ns, bool all);

/* Background: whether pages wait for step 3; step 4, after it. */
bool wane__silent_taken(void);
void wane__silent_put(void);

/* Background: whether some heap has what could be taken if its thread stays silent. */
bool wane__silent_news(void);

/* A child of fork(): what was taken is found by its place. */
void wane__silent_fork_child(void);

#endif
