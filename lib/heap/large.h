/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/large.h: objects above the largest class, and what becomes of their memory.
 *
 * Each has a run of pages, or a mapping of its own, with one block. Such a page belongs to no heap. When the object is
 * dead, the run is kept for the next one of its kind and about its length, by whichever thread; and it is seen to by
 * whoever freed it:
 *
 * 1. The free itself is in a bracket, where nothing is waited for. It pushes the run on a stack and notes in the heap
 *    that there is something to do (`news`).
 * 2. After the bracket that thread, or another that allocates or frees a large object first, takes the stack and lists
 *    the runs. They keep their memory as long as all of them together have little of it; beyond that it is discarded at
 *    once, but for the system page with the header. So what is dead never holds more memory than that, whether or not
 *    the collector thread comes.
 * 3. What was not used again for the trim delay, the collector thread gives back.
 *
 * Why a run may be used again, and its payload be discarded, while the collector may be walking it. The walker reads of
 * a run only what stands in the entry of its first page and the header of its one block, which always stands at the same
 * place, and that no discard touches. So it sees what it sees of a small block that is freed and handed out again: the
 * death clears LIVE in `shared` by a read-modify-write, or by a store while no collector can pin; if the walker's
 * fetch_or of PINNED comes before, the result of the death's operation shows it, and the run is not freed before the
 * collector un-pins; if it comes after, its own result lacks LIVE, and it pinned nothing and forgets the object. Birth
 * overwrites the word (tests/model/pin.pml has both). Only who holds a pin or a unit reads the payload or its size.
 * The push on the stack and the lists under the lock order the last user's accesses before the next one's. What a
 * run is to the walker, tracked or not, LARGE or free, changes only where it is given back, after a bracket wait.
 *
 * `held` of the page entry: bytes of the run, from its beginning, that may have memory; beyond them all is zero. Only
 * who has the run in hand changes it.
 */
#ifndef WANE_HEAP_LARGE_H
#define WANE_HEAP_LARGE_H

#include "heap/heap.h"

/* In a bracket, by the owner of `heap`: the run of a dead object. */
void wane__large_free(struct wane__heap *heap, struct wane__page *page);

/* Any thread, not in a bracket: sees to the runs that were freed. */
void wane__large_settle(void);

/*
 * Background: runs that are dead for delay_ns, or all, are added to *list by `next`, and are on no other one. False: perhaps
 * there are more, and the budget is used up (heap/tend.h).
 */
bool wane__large_take_idle(struct wane__page **list, int *budget, uint64_t now_ns, uint64_t delay_ns, bool all);

/* Background, at its end: whether dead runs are left; if not, the next one calls for tend. */
bool wane__large_any_dead(void);

void wane__large_fork_prepare(void);
void wane__large_fork_release(void);
/* In the child, under the lock that prepare took; then each dead run that is on no list is put there. */
void wane__large_fork_child(void);
void wane__large_put_locked(struct wane__page *page);

#endif
