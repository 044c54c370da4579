/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/arena.h: pages and runs of pages, between the heaps and the system.
 */
#ifndef WANE_HEAP_ARENA_H
#define WANE_HEAP_ARENA_H

#include "heap/heap.h"

/* Any thread: a run of 1 to WANE__RUN_MAX free pages, zero; its first page. NULL when memory is out. */
struct wane__page *wane__arena_take(unsigned run);

/* Any thread: a mapping of its own with so many pages for a block; their first. NULL when memory is out. */
struct wane__page *wane__arena_map(size_t pages);

/* Its pages, for the first of them. */
size_t wane__arena_mapped_pages(const struct wane__page *page);

/* Who has the run: so many bytes of it, from its beginning, may have memory. Fresh from take it is all, from map 0. */
void wane__arena_hold(struct wane__page *page, size_t bytes);

/* Whoever took it: from here on the walker sees the page. Everything else about it is set. */
void wane__arena_publish(struct wane__page *page, uint8_t state);

/*
 * Background, after a bracket wait, for pages whose blocks are all free: back to the arena. `keep`: zeroed and warm;
 * else its memory is to go back to the system, and the page is nobody's before it has.
 */
void wane__arena_give(struct wane__page *page, uint64_t now_ns, bool keep);

/* The same, before that, for a large mapping of its own: a part of its memory goes. False: there is next to none left. */
bool wane__arena_shrink(struct wane__page *page);

/* Background: pages that are warm for delay_ns are to go as well. */
void wane__arena_claim_warm(uint64_t now_ns, uint64_t delay_ns);

/*
 * Background: returns memory of some of the pages that are to go, neighbours, to the system. False: there are none. *at: the
 * arena that is looked at first, for the next call.
 */
bool wane__arena_discard_some(unsigned *at);

/*
 * Background: unmaps one of the arenas that are empty for delay_ns but for some that stay, or of all that are empty. False: none
 * is to go now; *ret_waits: something is left for when the delay is over.
 */
bool wane__arena_unmap_one(uint64_t now_ns, uint64_t delay_ns, bool all, bool *ret_waits);

/* How often an arena was looked through for a run of pages. For tests. */
extern size_t wane__arena_xlooks;

/* Pages that hold blocks, or did and were not given back. Any thread. */
size_t wane__arena_pages_used(void);

void wane__arena_fork_prepare(void);
void wane__arena_fork_parent(void);
/* Makes free what a vanished thread was about to take; then lets the lock go. */
void wane__arena_fork_child(void);

#endif
