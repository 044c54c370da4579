/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/orphan.h: the heap of pages without a thread.
 */
#ifndef WANE_HEAP_ORPHAN_H
#define WANE_HEAP_ORPHAN_H

#include "heap/heap.h"

/* Owner: pages off its lists become orphans. */
void wane__orphan_put(struct wane__page **pages, unsigned n);

/* Owner of a page, off its lists, that was reset. */
void wane__orphan_put_empty(struct wane__page *page);
/* The same where nothing may be waited for; false: somebody has the lock, and nothing happened. */
bool wane__orphan_try_put_empty(struct wane__page *page);
/* The same for a page that has waited long enough: the next look for idle pages takes it. */
void wane__orphan_put_old(struct wane__page *page);

/*
 * Background: lists some pages, linked by `next`, that are in no list and the orphan heap's in name, and that no owner is
 * in the middle of. `token`: the caller holds their tokens. `old`: empty ones have waited long enough. Returns the others.
 */
struct wane__page *wane__orphan_put_taken(struct wane__page *list, bool token, bool old);

/* Owner of the heap: a page with free blocks of that class, from now on of this heap. NULL: there is none. */
struct wane__page *wane__orphan_adopt(struct wane__heap *heap, unsigned bin);

/* A block of some page of that class, which stays the orphan heap's; fresh if need be. Any thread. NULL: memory is out. */
struct wane__header *wane__orphan_alloc(unsigned bin);

/* Any thread, about to take a fresh page: whether so many are empty that tend should take them back at once. */
void wane__orphan_note_pressure(size_t pages_used);

/*
 * Background: takes note of remote frees, by tokens that came to the orphan heap; those left in *tokens wait, when the budget is
 * used up (heap/tend.h). Then pages that were empty for delay_ns, or all of them, are added to *list by `next`; they stay
 * orphans in name. False: perhaps there are more.
 */
void wane__orphan_drain(struct wane__link **tokens, int *budget);
bool wane__orphan_take_idle(struct wane__page **list, int *budget, uint64_t now_ns, uint64_t delay_ns, bool all);

/* Background: returns and clears whether somebody noted pressure. */
bool wane__orphan_pressure(void);

/* Background, at its end: whether empty pages are left; if not, the next one calls for tend. */
bool wane__orphan_has_empty(void);

void wane__orphan_fork_prepare(void);
void wane__orphan_fork_parent(void);
void wane__orphan_fork_child(void);
/*
 * In the child, under the lock that prepare took: a page that is on no list; one of the orphan heap, wherever it is.
 */
void wane__orphan_put_locked(struct wane__page *page);
void wane__orphan_put_again_locked(struct wane__page *page);

extern struct wane__heap wane__orphans;

#endif
