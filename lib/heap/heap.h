/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/heap.h: blocks for objects: one heap a thread, pages of one block size, free by any thread.
 *
 * A thread allocates from the current page of each class and frees into the pages of its own heap without atomic
 * read-modify-writes. A block of another thread's page goes on that page's remote list (heap/remote.h). Pages of
 * threads that ended, and pages that became empty, are in the orphan heap (heap/orphan.h), from which any thread takes
 * what it needs before it asks for a fresh page. What nobody takes for a while, the collector thread gives back
 * (heap/tend.c), and of a thread that is silent it takes the pages that others can use (heap/silent.h).
 * docs/design/heap.md has the reasons.
 *
 * "Owner" below: the thread whose record holds the heap. "Background": whoever holds the collector's lock. None of
 * these calls runs user code; alloc and free may take a short lock in their slow paths, never in their inline ones.
 */
#ifndef WANE_HEAP_HEAP_H
#define WANE_HEAP_HEAP_H

#include <string.h>

#include "heap/annotate.h"
#include "heap/page.h"
#include "heap/size.h"

/* Classes of untracked objects, then those of tracked ones: they never share a page. */
#define WANE__BINS (2 * WANE__CLASSES)
#define WANE__BIN_NONE WANE__BINS /* of `fast`: always the page without blocks */
#define WANE__BIN(cls, tracked) ((cls) + ((tracked) ? WANE__CLASSES : 0))

/* Freed blocks of one page, another thread's. Few: while they are here nobody else can use them. */
#define WANE__GATHERED_MAX 32
#define WANE__GATHERED_BYTES 8192
struct wane__gathered {
    struct wane__page *page;
    struct wane__header *first, *last;
    uint32_t n;
};

/* Embedded in a thread's record, zero at first, never freed: the next thread with the record inherits it. */
struct wane__heap {
    /* Read by the owner in its bracket, written by who has the claim. */
    struct wane__page *xfast[WANE__BINS + 1]; /* what the inline path uses: current, or a page without blocks */

    /* Owner. */
    bool news; /* something came up inside a bracket that is to be seen to after it */
    struct wane__gathered gathered;

    /* Who has the claim: the owner in its slow paths, the collector thread for a moment. */
    uint32_t xclaim; /* odd while somebody has it */
    struct wane__page *current[WANE__BINS]; /* or the page without blocks */
    struct wane__page_list avail[WANE__BINS];
    struct wane__page_list full;
    uint8_t spare[WANE__BINS]; /* empty pages of avail */
    uint32_t xspares;          /* their sum */

    /* Background. */
    uint32_t seen_turn;  /* of xclaim when it was last looked at */
    uint64_t seen_since; /* since when it is so: nanoseconds */
    uint32_t crowd_turn; /* of xclaim when pages were last short */
    struct wane__page *taken[2];     /* heap/silent.h: through `next`. [1]: their tokens are in hand */
    struct wane__heap *next_holding; /* of the heaps from which some are */
    uint32_t bare_turn;  /* of xclaim when it had no page with room; odd: never */

    /* Any thread. */
    struct wane__stack xnotify __attribute__((aligned(64))); /* pages that got remote frees */
    uint32_t xdead;                                          /* no thread has it */
    struct wane__link all;                                   /* heap/heap.c; immutable once linked */
    bool linked;                                             /* owner */
};

/* Owner, or whoever makes a record for it: before its first use, and again when a thread inherits it. */
void wane__heap_init(struct wane__heap *heap);

/* A block with a zero payload; NULL when memory is out. Owner, outside brackets. */
struct wane__header *wane__heap_alloc_slow(struct wane__heap *heap, unsigned bin);
void wane__heap_free_slow(struct wane__heap *heap, struct wane__header *h);
void wane__heap_free_alarm(struct wane__heap *heap, struct wane__page *page);
/* The same for a block that need not, or need no longer, be in quarantine. */
void wane__heap_free_at_last(struct wane__heap *heap, struct wane__header *h);

/* A block up to this size is zeroed by a loop. */
#define WANE__HEAP_ZERO_QUICK (256 + sizeof(struct wane__header))

/* A loop of stores; a call of memset costs more than the whole allocation of a small block. */
static inline void wane__heap_zero_quick(struct wane__header *h, size_t payload) {
    typedef long pair __attribute__((vector_size(16), may_alias));
    char *end = (char *)(h + 1) + payload;
    intptr_t at = -(intptr_t)payload;
    do {
        *(pair *)(void *)(end + at) = (pair){0, 0};
        __asm__("" : "+r"(at)); /* else the compiler makes it a call of memset again */
        at += 16;
    } while (at != 0);
}

static inline void wane__heap_zero(struct wane__header *h, size_t payload) {
    if (payload > WANE__HEAP_ZERO_QUICK - sizeof *h)
        memset(h + 1, 0, payload);
    else
        wane__heap_zero_quick(h, payload);
}

/*
 * A block of the class; its payload is not zero yet, its `shared` word is as its last user left it, or zero. NULL: ask
 * wane__heap_alloc_slow, outside the bracket. Owner, inside a bracket: it is why the page can be taken away.
 */
static inline struct wane__header *wane__heap_pop(struct wane__heap *heap, unsigned bin) {
    return wane__page_pop(load_relaxed(&heap->xfast[bin]));
}

/* The same for any size, meant for those above WANE__BLOCK_MAX: a run of pages of its own. Any thread. */
struct wane__header *wane__heap_alloc_large(struct wane__heap *heap, size_t block_bytes, bool tracked);

/*
 * Frees the block of an object that is not LIVE and that nobody will look at but for its `shared` word. Owner of
 * `heap`, inside a bracket; the block may be of any heap.
 */
static inline void wane__heap_free(struct wane__heap *heap, struct wane__header *h) {
    struct wane__page *page = wane__page_of(h);
    if (unlikely(load_relaxed(&page->xheap) != (uintptr_t)heap)) {
        wane__heap_free_slow(heap, h);
        return;
    }
    wane__page_push(page, h);
    if (unlikely(--page->used == page->alarm))
        wane__heap_free_alarm(heap, page);
}

/* The same where it takes no call, and brings no news. False: nothing happened. */
static inline bool wane__heap_free_quick(struct wane__heap *heap, struct wane__header *h) {
    struct wane__page *page = wane__page_of(h);
    uint32_t used = page->used - 1;
    if (unlikely(load_relaxed(&page->xheap) != (uintptr_t)heap || used == page->alarm))
        return false;
    wane__page_push(page, h);
    page->used = used;
    return true;
}

/*
 * Blocks of other threads' pages are gathered as long as they are of one page, up to the two limits, and go back there in
 * one step; or here. Owner, inside a bracket; at its end whoever abandons the heap.
 */
void wane__heap_send_gathered(struct wane__heap *heap);

static inline void wane__heap_send(struct wane__heap *heap) {
    if (heap->gathered.n != 0)
        wane__heap_send_gathered(heap);
}

/* What a block takes, header included. Any thread that keeps the object alive. */
static inline size_t wane__heap_block_size(const struct wane__header *h) { return load_relaxed(&wane__page_of(h)->xblock_size); }

/*
 * The claim: who has it may change the heap's lists. A try-lock: the owner has a way without it in what it does while
 * it counts or allocates, and waits for it only in `shed` and `abandon`; the collector thread goes away.
 */
static inline bool wane__heap_claim(struct wane__heap *heap) {
    uint32_t turn = load_relaxed(&heap->xclaim);
    return (turn & 1) == 0 && cas_acq_rel(&heap->xclaim, &turn, turn + 1); /* [order:claim] */
}

static inline void wane__heap_unclaim(struct wane__heap *heap) {
    store_release(&heap->xclaim, load_relaxed(&heap->xclaim) + 1); /* [order:claim] */
}

/* Owner: takes note of what others freed in its pages, unless somebody else has the claim. */
void wane__heap_collect_remote(struct wane__heap *heap);

/* Owner: the same, and hands over every page that is empty, those kept for the next allocation included. */
void wane__heap_shed(struct wane__heap *heap);

/* Owner at its end, or somebody who knows that it has ended: all pages go to the orphan heap. */
void wane__heap_abandon(struct wane__heap *heap);

/*
 * Waits until each bracket was seen clear once. False: it gave up, and what waited for it waits on: the next tend tries
 * again.
 */
typedef bool wane__bracket_waiter(void *arg);

/*
 * While it is set no memory is given back: somebody has noted pages and looks at them in pieces. Under the collector's
 * lock.
 */
extern bool wane__heap_xnoted;
/* Called under the collector's lock while that is so, by who wants all memory back: to have it end. It may let go of the lock meanwhile. */
extern void (*wane__heap_on_noted)(void);

/*
 * What is to be known of brackets by whoever waits for nothing: a heavy barrier, and after it whether the owner's bracket was
 * seen clear. Set once, before there are threads; or NULL.
 */
struct wane__bracket_looks {
    void (*barrier)(void);
    bool (*clear)(const struct wane__heap *heap);
};
extern const struct wane__bracket_looks *wane__heap_looks;

/* There is something that tend would do now. Any thread; pairs with the hook: looked at before sleeping. */
bool wane__heap_retired(void);

/* There is no collector thread after all: the next news calls again. */
void wane__heap_untold(void);

/*
 * Called, outside the heap's locks, when wane__heap_retired becomes true; may be called by a thread inside a bracket.
 * Set once, before there are threads.
 */
extern void (*wane__heap_on_retired)(void);

/* Background: every page that has blocks, beside mutators; false from `each` ends the walk. */
void wane__heap_walk_pages(bool (*each)(struct wane__page *page, void *arg), void *arg);
/* The same, beginning at a page and coming round to it; a page that is gone, or NULL: at any. */
void wane__heap_walk_pages_from(const struct wane__page *from, bool (*each)(struct wane__page *page, void *arg),
                                void *arg);

/* Memory from the system that was not given back: pages in use or kept warm. Any thread; wait-free. */
size_t wane__heap_bytes(void);

/*
 * Around fork(). In the child, for the heap of each thread that vanished: fork_child, and then fork_child_done once,
 * which makes orphans of their pages and lets the locks go.
 */
void wane__heap_fork_prepare(void);
void wane__heap_fork_parent(void);
void wane__heap_fork_child(struct wane__heap *heap);
void wane__heap_fork_child_done(struct wane__heap *own);

/* Owner: whether all that is said about its pages is true; one line to the log if not. Touches every free block. */
bool wane__heap_check(struct wane__heap *heap);

/* What heap.c shares with the files beside it. */
extern struct wane__page wane__page_none;
struct wane__heap *wane__heap_first(void); /* all that were ever made */
struct wane__heap *wane__heap_next(const struct wane__heap *heap);

/*
 * With the claim of the heap: takes a page from where its place says; the first page from *bin on that is current or has
 * free blocks, or NULL.
 */
void wane__heap_take_page(struct wane__heap *heap, struct wane__page *page);
struct wane__page *wane__heap_open_page(struct wane__heap *heap, unsigned *bin);

/* A page of the class, fresh from an arena, whose owner is who has the key. NULL when memory is out. */
struct wane__page *wane__heap_fresh_page(unsigned bin, uintptr_t key);

static inline uintptr_t wane__heap_key(const struct wane__heap *heap) {
    return (uintptr_t)heap + load_relaxed(&wane__xheap_odd);
}

static inline struct wane__heap *wane__page_heap(const struct wane__page *page) {
    return (struct wane__heap *)(load_acquire(&page->xheap) & ~(uintptr_t)1); /* [order:page-heap] */
}

#endif
