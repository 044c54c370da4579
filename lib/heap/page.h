/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/page.h: arenas, pages, and how an object finds its page.
 *
 * An arena is 32 MiB of address space, aligned to its size, cut into 512 pages of 64 KiB. What is to be known of a
 * page stands in a table at the arena's start, not in the page: entries lie close together (the first lines of 64 KiB
 * pages would all compete for the same sets of the caches), and an entry is never anything else, so a thread that
 * comes late to a page that was given back meanwhile reads a stale entry and never somebody's payload.
 * An object larger than WANE__RUN_MAX pages has a mapping of its own, laid out like an arena with one page.
 *
 * A page's blocks begin at WANE__BLOCK_FIRST; its dirty marks stand at the arena's start (wane/layout.h). Free pages and
 * blocks that were never handed out are zero, but for their links; a block that was freed keeps its header's `shared` word.
 */
#ifndef WANE_HEAP_PAGE_H
#define WANE_HEAP_PAGE_H

#include <wane/layout.h>

#include "base/atomic.h"
#include "base/stack.h"
#include "heap/size.h"

#define WANE__ARENA_PAGES 512u
#define WANE__ARENA_FIRST 2u /* pages 0 and 1 are the arena's own: struct wane__arena */
#define WANE__RUN_MAX 64u    /* pages that one object may take in an arena */
#define WANE__BLOCK_FIRST 64u
#define WANE__ARENA_MAGIC UINT64_C(0x6172656e61776e65)

/* What a page is to the walker; pages[i].xstate. Only the collector thread stores PAGE_FREE. */
enum { WANE__PAGE_FREE, WANE__PAGE_SMALL, WANE__PAGE_LARGE, WANE__PAGE_CONTINUED };

/* Where its owner keeps a page. */
enum { WANE__AT_NOWHERE, WANE__AT_CURRENT, WANE__AT_AVAIL, WANE__AT_FULL, WANE__AT_EMPTY };

struct wane__page {
    /* Owner's: the thread of the heap that xheap names; for the orphan heap, whoever holds its lock. */
    char *base;      /* the page's memory: constant from publication to giving back */
    uint32_t used;   /* blocks handed out, those in xremote included */
    uint32_t alarm;  /* a free that makes `used` equal to this one takes the slow path */
    uint16_t free;   /* where in the page the first free block is; used + free + uncarved == capacity */
    uint16_t carved; /* blocks that were on the free list since the page was last empty */
    uint8_t place;
    uint8_t cls;               /* WANE__CLASS_LARGE: one block, the whole run */
    struct wane__page *prev;
    struct wane__page *next;
    uint64_t since; /* when it became empty, or free: nanoseconds */

    /* Any thread's. The first two change, the others are constant from publication to giving back. */
    uintptr_t xheap __attribute__((aligned(64))); /* owner; + 1 in programs that the fast path must not serve */
    uint32_t xremote;                             /* heap/remote.h */
    uint16_t xtouched;                            /* blocks that may ever have been handed out */
    uint8_t tracked;
    uint8_t xstate;
    struct wane__link notify; /* on one heap's stack while xremote says so; large: on that of freed runs */
    void *side;               /* the collector's, malloc'ed; atomic: whoever takes it out frees it */
    size_t xblock_size;        /* of a large one: changes when its run is used again */
    uint32_t reciprocal; /* of block_size: ceil(2^32 / block_size) */
    uint16_t capacity;
    uint16_t run; /* pages; 0: a mapping of its own */
    size_t held;  /* bytes counted in wane__heap_bytes; large: heap/large.h */
    uint8_t xparked; /* a block of it may be PARKED */
};

struct wane__arena {
    struct wane__page_marks xmarks[WANE__ARENA_PAGES]; /* first: see wane/layout.h */

    /* immutable; at the same place in all versions of the library (heap/origin.h) */
    uint64_t magic;
    const char *(*name_of)(const struct wane__header *h); /* of its objects' types */

    size_t mapped;   /* immutable */
    uint64_t *xnotes; /* heap/notes.h; atomic, set once */
    uint32_t xnoted; /* entries of `pages` that the collector will look at again: as long it stays mapped */

    /* Guarded by the map lock (heap/arena.c). */
    uint64_t free[WANE__ARENA_PAGES / 64];
    uint64_t warm[WANE__ARENA_PAGES / 64]; /* of those: with memory behind */
    unsigned free_count, warm_count;
    unsigned number;      /* its place among the arenas */
    uint64_t empty_since; /* since when it was seen empty: nanoseconds; 0: it was not */
    struct wane__arena *next, *prev; /* mappings of their own; x: the walker follows `next` */

    /* Under the collector's lock. */
    uint64_t going[WANE__ARENA_PAGES / 64]; /* memory about to go back to the system */

    struct wane__page pages[WANE__ARENA_PAGES] __attribute__((aligned(4096)));
};

_Static_assert(sizeof(struct wane__page) == 128, "two lines: the owner's and everybody's");
_Static_assert(sizeof(struct wane__arena) <= WANE__ARENA_FIRST * WANE__PAGE_SIZE, "fits before the first page");

static inline struct wane__arena *wane__arena_of(const void *p) {
    return (struct wane__arena *)((uintptr_t)p & ~(WANE__ARENA_SIZE - 1));
}

static inline struct wane__page *wane__page_of(const struct wane__header *h) {
    return &wane__arena_of(h)->pages[((uintptr_t)h >> WANE__PAGE_SHIFT) % WANE__ARENA_PAGES];
}

/* The page's first byte. */
static inline char *wane__page_memory(const struct wane__page *page) {
    struct wane__arena *arena = wane__arena_of(page);
    return (char *)arena + ((uintptr_t)(page - arena->pages) << WANE__PAGE_SHIFT);
}

static inline struct wane__header *wane__page_block(const struct wane__page *page, unsigned i) {
    return (struct wane__header *)(void *)(wane__page_memory(page) + WANE__BLOCK_FIRST + i * load_relaxed(&page->xblock_size));
}

/*
 * How many blocks a walk must look at. A block handed out before the walk began is among them; the rest are zero.
 */
static inline unsigned wane__page_capacity(const struct wane__page *page) {
    return load_acquire(&page->xtouched); /* [order:touched] */
}

/* The number of the block that starts at h. */
static inline unsigned wane__page_index(const struct wane__page *page, const struct wane__header *h) {
    uintptr_t offset = ((uintptr_t)h & (WANE__PAGE_SIZE - 1)) - WANE__BLOCK_FIRST;
    return (unsigned)((offset * page->reciprocal) >> 32);
}

static inline bool wane__page_is_tracked(const struct wane__page *page) { return page->tracked; }

static inline struct wane__page_marks *wane__page_marks(const struct wane__page *page) {
    struct wane__arena *arena = wane__arena_of(page);
    return &arena->xmarks[page - arena->pages];
}

/*
 * Free blocks of a page are linked through their headers. The first word of a dead header is nobody's: it says in
 * place of the owner's count where in the page the next block is, 0 at the end, and that there is no owner, so that a
 * further release is found out. A program has no pointer to a header: what it writes to an object that it released goes to
 * the payload, which is zeroed at birth. And whatever a header is overwritten with, a link that is followed leads to a
 * place in its own page.
 */
#define WANE__LINK_PLACES 0xFFF0u /* bits of a link: blocks are aligned to 16 */

static inline struct wane__header *wane__page_at(const struct wane__page *page, uint32_t link) {
    return (struct wane__header *)(void *)(page->base + link);
}

static inline void wane__link_set(struct wane__header *h, uint32_t next) {
    store_relaxed((uint64_t *)(void *)h, (uint64_t)next << 32);
}

static inline uint32_t wane__link_of(const struct wane__header *h) {
    return (uint32_t)((uintptr_t)h & (WANE__PAGE_SIZE - 1));
}

/* The first free block, off the list. NULL: there is none, or its link is none, which wane__page_spoilt tells. */
static inline struct wane__header *wane__page_pop(struct wane__page *page) {
    uint32_t at = page->free;
    if (unlikely(at == 0))
        return NULL;
    struct wane__header *h = wane__page_at(page, at);
    uint32_t next = load_relaxed(&h->local);
    if (unlikely((next & ~WANE__LINK_PLACES) != 0))
        return NULL;
    page->free = (uint16_t)next;
    page->used++;
    compiler_barrier(); /* fork: off the list before anything is written to it */
    return h;
}

/* The block on top of the free list. */
static inline void wane__page_push(struct wane__page *page, struct wane__header *h) {
    wane__link_set(h, page->free);
    compiler_barrier(); /* fork: linked before it is on the list */
    page->free = (uint16_t)(uintptr_t)h;
}

/* The free block after h; NULL at the end. For looks at whole lists. */
static inline struct wane__header *wane__page_next(const struct wane__page *page, const struct wane__header *h) {
    uint32_t next = load_relaxed(&h->local) & WANE__LINK_PLACES;
    return next == 0 ? NULL : wane__page_at(page, next);
}

static inline struct wane__header *wane__page_free(const struct wane__page *page) {
    return page->free == 0 ? NULL : wane__page_at(page, page->free);
}

/* Ends the program: somebody wrote to the header of the first free block. */
_Noreturn void wane__page_spoilt(const struct wane__page *page);

/* The name of the type that the object in a block has, or had. Set once, before there are threads. */
extern const char *(*wane__page_type_name)(const struct wane__header *h);
const char *wane__block_type_name(const struct wane__header *h);

/*
 * Collector: it notes a page that has a pinned object, and will look at the page's entry again, even if the object is
 * gone by then. Until it forgets each, the arena stays mapped.
 */
static inline void wane__page_note(struct wane__page *page) { add_relaxed(&wane__arena_of(page)->xnoted, 1u); }
static inline void wane__page_forget(struct wane__page *page) {
    sub_acq_rel(&wane__arena_of(page)->xnoted, 1u); /* [order:noted] */
}
static inline bool wane__arena_is_noted(const struct wane__page *page) {
    return load_acquire(&wane__arena_of(page)->xnoted) != 0; /* [order:noted] */
}

/*
 * How many blocks a page of that class has: as many as fit, or, where that leaves more than a system page, one more, which
 * ends in the page behind it. That page belongs to the run, and what is behind the block is never touched. All headers
 * are in the first page, so each block finds its entry.
 */
static inline unsigned wane__page_blocks(size_t block_size) {
    size_t room = WANE__PAGE_SIZE - WANE__BLOCK_FIRST;
    return (unsigned)(room / block_size + (room % block_size > 4096));
}

/* Bytes of the run that blocks may touch, from its beginning. */
static inline size_t wane__page_reach(size_t block_size) {
    return WANE__BLOCK_FIRST + wane__page_blocks(block_size) * block_size;
}

/* A list of pages through prev and next. */
struct wane__page_list {
    struct wane__page *first, *last;
};

void wane__page_list_push_first(struct wane__page_list *list, struct wane__page *page);
void wane__page_list_push_last(struct wane__page_list *list, struct wane__page *page);
void wane__page_list_remove(struct wane__page_list *list, struct wane__page *page);

/* Owner: sets up what must be right before the page is published for blocks of that class. */
void wane__page_init(struct wane__page *page, unsigned cls, size_t block_size, bool tracked);

/* Owner: puts the next blocks that were never handed out on the empty free list. False: there are none. */
bool wane__page_carve(struct wane__page *page);

/* Owner: forgets the free list of a page whose blocks are all free; they will be carved again. */
void wane__page_reset(struct wane__page *page);

#endif
