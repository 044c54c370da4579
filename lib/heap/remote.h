/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/remote.h: frees by threads that do not own the page.
 *
 * A page's xremote is one word: the offset of the first block of its remote list (0: empty), how many there are, and
 * NOTIFIED. All that is decided about it is decided by the value that a read-modify-write of it returned:
 *
 * 1. A free pushes its block and sets NOTIFIED in one compare-and-swap. Whoever changed NOTIFIED from 0 to 1 holds the
 *    page's token, and puts the page on the notify stack of the heap that xheap names. Nobody else does, so a page is
 *    on at most one stack, once, and its one link is enough.
 * 2. Who takes the page off a stack holds the token. The page's owner clears NOTIFIED, and learns in the same step
 *    what the list held: a free that comes later in the word's order finds the bit clear and notifies again. Anybody
 *    else either finds the list empty and clears the bit, by a compare-and-swap that fails if a block came, or
 *    passes the token on to the heap that xheap names now. So no block is ever on a list whose page nobody is told of.
 * 3. Only the owner takes blocks off, with or without the token: it clears offset and count and keeps NOTIFIED.
 *
 * The links stand in the headers: written before the compare-and-swap (release), read after the exchange (acquire); the
 * pushes between are read-modify-writes of the same word, so the acquire meets all of them. Nobody walks the list:
 * the count says what `used` becomes, and the list replaces the page's own only when that is empty. A thousand frees
 * cost their owner one exchange, not a thousand cache misses at once.
 *
 * xheap may change between the push and the load. It then names an heir of the page, and a token at a heap that
 * the page left is passed on. The heap of a thread that ended has its tokens passed on by the collector thread:
 * the pusher loads xdead after its push, the ending thread sets xdead before it looks at its stack for the last time,
 * both sequentially consistent, so one of them sees the other: [order:dead].
 */
#ifndef WANE_HEAP_REMOTE_H
#define WANE_HEAP_REMOTE_H

#include "heap/heap.h"

#define WANE__REMOTE_NOTIFIED 1u /* offsets are multiples of 16 */
#define WANE__REMOTE_OFFSET 0xFFF0u
#define WANE__REMOTE_COUNT_SHIFT 16
#define WANE__REMOTE_COUNT_ONE (1u << WANE__REMOTE_COUNT_SHIFT)

static inline uint32_t wane__remote_count(uint32_t word) { return word >> WANE__REMOTE_COUNT_SHIFT; }

static inline struct wane__page *wane__page_of_notify(struct wane__link *link) {
    return (struct wane__page *)(void *)((char *)link - offsetof(struct wane__page, notify));
}

/* Frees n blocks of the page at once, linked from first to last. Any thread, in a bracket. */
void wane__remote_free_chain(struct wane__page *page, struct wane__header *first, struct wane__header *last, uint32_t n);

/* Holder of the token: gives it to the page's heap, or lets it go when there is nothing to tell. */
void wane__remote_pass(struct wane__page *page);

/* Owner, in a bracket: gives its page a token, if that has none, as a free by another thread would. */
void wane__remote_remind(struct wane__page *page);

/*
 * Holder of the tokens of pages, linked by `notify`, that it took off the heap's stack: puts them there again.
 */
void wane__remote_return(struct wane__heap *heap, struct wane__link *first, struct wane__link *last);

/* Passes on all tokens on the stack of a heap that is not the caller's. */
void wane__remote_pass_all(struct wane__heap *heap);

/* Owner: takes the list if the page's own is empty. False: there is none. */
bool wane__remote_take(struct wane__page *page);

/* Owner: whether the page has a block on its free list, or gets one there. */
static inline bool wane__remote_ready(struct wane__page *page) {
    return page->free != 0 || wane__remote_take(page) || wane__page_carve(page);
}

/* Owner with the token: lets it go; afterwards `used` and the returned number tell whether all blocks are free. */
uint32_t wane__remote_settle(struct wane__page *page);

/* Owner of a page whose blocks are all free, some perhaps on the remote list: makes them uncarved again. */
void wane__remote_clear(struct wane__page *page);

#endif
