/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/arena.c: arenas and mappings, and which pages are free.
 *
 * Two bits a page, guarded by one lock that is held for some bit operations: free, and warm (free, with memory behind
 * it). A page's state for the walker is stored by whoever has the page: with release by the thread that took it and
 * set it up; as free, by the collector thread, when its content is zero again.
 *
 * A run is searched from the first arena on. Beside the table of arenas stands a byte for each: no run of free pages in it
 * is longer. It is set right when a search in vain has shown it to be too large, and goes up with the run that a freed page
 * is in; so an arena is looked through in vain once for what was freed in it, and passed over by its byte else.
 *
 * An arena that is empty, without memory, for the trim delay is unmapped, but for one, and one more for eight that
 * are in use: so a program that swings does not map each time. Only the collector thread unmaps, under the
 * collector's lock, so no walk is under way. Who else reads what stands at an arena's start comes from a page that is not
 * free: a block that it frees or counts, a token that is out, a run in hand. A page becomes free after a bracket wait, with
 * its token at home (heap/tend.c), so nobody is left who came by it before. The collection that will look at an entry later
 * has noted it (`xnoted`). The map lock decides against who takes a page: it clears the page's bit under it, or does not
 * find the arena any more.
 */
#include "heap/arena.h"

#include <errno.h>

#include "base/check.h"
#include "base/lock.h"
#include "heap/notes.h"
#include "heap/origin.h"
#include "heap/orphan.h"
#include "os/map.h"

enum { ARENAS_MAX = 1 << 16, WORDS = WANE__ARENA_PAGES / 64 };

/* Of memory that goes back to the system in one call, about: 2 MiB take a tenth of a millisecond. */
enum { PART_PAGES = 32 };

static struct wane__mutex lock = WANE__MUTEX(WANE__RANK_MAP);

static struct wane__arena *xarenas[ARENAS_MAX]; /* written under lock; walked without */
static uint32_t xarena_count;                   /* written under lock */
static struct wane__arena *xmappings;           /* written under lock; the walker follows it under the collector's */
static unsigned first_free, first_warm;         /* guarded by lock: arenas before have none */
static uint8_t longest[ARENAS_MAX];             /* guarded by lock: no free run is longer; at most WANE__RUN_MAX */
static size_t xwarm_pages;                      /* written under lock */
static size_t xused_pages;                      /* written under lock; mappings of their own not included */
static size_t xbytes;

size_t wane__arena_xlooks; /* guarded by lock */

static bool bit(const uint64_t *map, unsigned i) { return map[i / 64] >> (i % 64) & 1; }

static void set_bit(uint64_t *map, unsigned i) { map[i / 64] |= (uint64_t)1 << (i % 64); }

static void clear_bit(uint64_t *map, unsigned i) { map[i / 64] &= ~((uint64_t)1 << (i % 64)); }

static unsigned page_number(const struct wane__page *page) {
    return (unsigned)(page - wane__arena_of(page)->pages);
}

/* The pages are counted with all that they may hold; who takes them for less says so by wane__arena_hold. */
static void take_locked(struct wane__arena *arena, unsigned begin, unsigned run) {
    size_t cold = 0;
    for (unsigned i = begin; i < begin + run; i++) {
        clear_bit(arena->free, i);
        if (bit(arena->warm, i)) {
            clear_bit(arena->warm, i);
            arena->warm_count--;
            store_relaxed(&xwarm_pages, xwarm_pages - 1);
        } else {
            cold++;
        }
    }
    arena->free_count -= run;
    arena->empty_since = 0;
    store_relaxed(&xused_pages, xused_pages + run);
    add_relaxed(&xbytes, cold << WANE__PAGE_SHIFT);
}

static void free_locked(struct wane__arena *arena, unsigned i, bool warm) {
    set_bit(arena->free, i);
    arena->free_count++;
    if (warm) {
        set_bit(arena->warm, i);
        arena->warm_count++;
        store_relaxed(&xwarm_pages, xwarm_pages + 1);
    }
}

/* The pages from begin up to end became free. */
static void lower_hints_locked(const struct wane__arena *arena, unsigned begin, unsigned end) {
    unsigned a = arena->number;
    first_free = a < first_free ? a : first_free;
    first_warm = a < first_warm && arena->warm_count > 0 ? a : first_warm;
    while (begin > WANE__ARENA_FIRST && end - begin < WANE__RUN_MAX && bit(arena->free, begin - 1))
        begin--;
    while (end < WANE__ARENA_PAGES && end - begin < WANE__RUN_MAX && bit(arena->free, end))
        end++;
    unsigned run = end - begin < WANE__RUN_MAX ? end - begin : WANE__RUN_MAX;
    longest[a] = run > longest[a] ? (uint8_t)run : longest[a];
}

/* The first run of that many set bits; 0 if there is none. */
static unsigned find_run(const uint64_t *map, unsigned run) {
    unsigned length = 0;
    for (unsigned i = WANE__ARENA_FIRST; i < WANE__ARENA_PAGES; i++) {
        if (map[i / 64] == 0) {
            length = 0;
            i |= 63;
            continue;
        }
        length = bit(map, i) ? length + 1 : 0;
        if (length == run)
            return i + 1 - run;
    }
    return 0;
}

static unsigned find_bit(const uint64_t *map) {
    for (unsigned w = 0; w < WORDS; w++) {
        if (map[w] != 0)
            return w * 64 + (unsigned)__builtin_ctzll(map[w]);
    }
    return 0;
}

static struct wane__page *find_warm_locked(void) {
    unsigned n = load_relaxed(&xarena_count);
    for (; xwarm_pages > 0 && first_warm < n; first_warm++) {
        struct wane__arena *arena = xarenas[first_warm];
        if (arena->warm_count > 0) {
            unsigned i = find_bit(arena->warm);
            take_locked(arena, i, 1);
            return &arena->pages[i];
        }
    }
    return NULL;
}

static struct wane__page *find_locked(unsigned run) {
    struct wane__page *page = run == 1 ? find_warm_locked() : NULL;
    if (page != NULL)
        return page;
    unsigned n = load_relaxed(&xarena_count);
    while (first_free < n && longest[first_free] == 0)
        first_free++;
    for (unsigned a = first_free; a < n; a++) {
        if (longest[a] < run)
            continue;
        struct wane__arena *arena = xarenas[a];
        unsigned i = run == 1 ? find_bit(arena->free) : find_run(arena->free, run);
        wane__arena_xlooks++;
        if (i != 0) {
            take_locked(arena, i, run);
            return &arena->pages[i];
        }
        longest[a] = (uint8_t)(run - 1);
    }
    return NULL;
}

/* Another arena. Not under the lock: the system may take its time. */
static bool grow(void) {
    struct wane__arena *arena = wane__map_reserve(WANE__ARENA_SIZE, WANE__ARENA_SIZE);
    if (arena == NULL)
        return false;
    arena->mapped = WANE__ARENA_SIZE;
    for (unsigned i = WANE__ARENA_FIRST; i < WANE__ARENA_PAGES; i++)
        set_bit(arena->free, i);
    arena->free_count = WANE__ARENA_PAGES - WANE__ARENA_FIRST;
    wane__origin_set(arena);
    wane__mutex_lock(&lock);
    unsigned n = load_relaxed(&xarena_count);
    bool fits = n < ARENAS_MAX;
    if (fits) {
        arena->number = n;
        longest[n] = WANE__RUN_MAX;
        xarenas[n] = arena;
        store_release(&xarena_count, n + 1); /* [order:arena] */
    }
    wane__mutex_unlock(&lock);
    if (!fits) {
        wane__origin_clear(arena);
        wane__map_release(arena, WANE__ARENA_SIZE);
        errno = ENOMEM;
        return false;
    }
    wane__lsan_root_add(arena, WANE__ARENA_SIZE);
    return true;
}

struct wane__page *wane__arena_take(unsigned run) {
    struct wane__page *page;
    wane__orphan_note_pressure(load_relaxed(&xused_pages));
    do {
        wane__mutex_lock(&lock);
        page = find_locked(run);
        wane__mutex_unlock(&lock);
    } while (page == NULL && grow());
    if (page == NULL)
        return NULL;
    page->run = (uint16_t)run;
    page->held = (size_t)run << WANE__PAGE_SHIFT;
    for (unsigned i = 1; i < run; i++)
        store_relaxed(&page[i].xstate, (uint8_t)WANE__PAGE_CONTINUED);
    if (unlikely(load_relaxed(&wane__xheap_annotated)))
        wane__annotate_page(page, (size_t)run << WANE__PAGE_SHIFT);
    return page;
}

void wane__arena_hold(struct wane__page *page, size_t bytes) {
    add_relaxed(&xbytes, bytes - page->held);
    page->held = bytes;
}

size_t wane__arena_mapped_pages(const struct wane__page *page) {
    return (wane__arena_of(page)->mapped >> WANE__PAGE_SHIFT) - WANE__ARENA_FIRST;
}

/* Of a mapping's own pages: the marks, and the entry of its one page. */
enum { MAP_HEAD_BYTES = 8192 };

struct wane__page *wane__arena_map(size_t pages) {
    size_t size = (WANE__ARENA_FIRST + pages) << WANE__PAGE_SHIFT;
    struct wane__arena *arena = wane__map_reserve(size, WANE__ARENA_SIZE);
    if (arena == NULL)
        return NULL;
    arena->mapped = size;
    wane__origin_set(arena);
    wane__lsan_root_add(arena, size);
    add_relaxed(&xbytes, (size_t)MAP_HEAD_BYTES);
    struct wane__page *page = &arena->pages[WANE__ARENA_FIRST];
    page->run = 0;
    page->held = 0;
    return page;
}

void wane__arena_publish(struct wane__page *page, uint8_t state) {
    store_release(&page->xstate, state); /* [order:page-state] */
    if (page->run != 0)
        return;
    struct wane__arena *arena = wane__arena_of(page);
    wane__mutex_lock(&lock);
    arena->next = load_relaxed(&xmappings);
    if (arena->next != NULL)
        arena->next->prev = arena;
    store_release(&xmappings, arena); /* [order:arena] */
    wane__mutex_unlock(&lock);
}

static void unmap(struct wane__arena *arena) {
    wane__mutex_lock(&lock);
    if (arena->prev != NULL)
        arena->prev->next = arena->next;
    else
        store_relaxed(&xmappings, arena->next);
    if (arena->next != NULL)
        arena->next->prev = arena->prev;
    wane__mutex_unlock(&lock);
    size_t size = arena->mapped;
    wane__lsan_root_remove(arena, size);
    wane__origin_clear(arena);
    wane__notes_end(arena);
    wane__map_release(arena, size);
    sub_relaxed(&xbytes, (size_t)MAP_HEAD_BYTES);
}

bool wane__arena_shrink(struct wane__page *page) {
    const size_t part = (size_t)PART_PAGES << WANE__PAGE_SHIFT;
    if (page->run != 0 || page->held <= part)
        return false;
    size_t rest = page->held - part;
    if (!wane__map_discard(wane__page_memory(page) + rest, part)) /* locked memory: it goes with the mapping */
        return false;
    wane__arena_hold(page, rest);
    return true;
}

void wane__arena_give(struct wane__page *page, uint64_t now_ns, bool keep) {
    struct wane__arena *arena = wane__arena_of(page);
    if (unlikely(load_relaxed(&wane__xheap_annotated)))
        wane__annotate_page(page, (page->run == 0 ? wane__arena_mapped_pages(page) : page->run) << WANE__PAGE_SHIFT);
    wane__arena_hold(page, (size_t)page->run << WANE__PAGE_SHIFT);
    if (page->run == 0) {
        unmap(arena);
        return;
    }
    unsigned i = page_number(page);
    for (unsigned gen = 0; gen < 4; gen++) /* a candidate is made on the page of its block's first byte */
        store_relaxed(&arena->xmarks[i].xdirty[gen], (uint8_t)0);
    if (!keep || page->run > 1) {
        for (unsigned k = i; k < i + page->run; k++)
            set_bit(arena->going, k);
        return;
    }
    memset(wane__page_memory(page), 0, WANE__BLOCK_FIRST + load_relaxed(&page->xtouched) * page->xblock_size);
    page->since = now_ns;
    store_release(&page->xstate, (uint8_t)WANE__PAGE_FREE); /* [order:page-state] */
    wane__mutex_lock(&lock);
    store_relaxed(&xused_pages, xused_pages - 1);
    free_locked(arena, i, true);
    lower_hints_locked(arena, i, i + 1);
    wane__mutex_unlock(&lock);
}

/* Takes warm pages that are old enough away from everybody; they join those that are going. */
static void claim_old(struct wane__arena *arena, uint64_t now_ns, uint64_t delay_ns) {
    wane__mutex_lock(&lock);
    for (unsigned w = 0; w < WORDS; w++) {
        for (uint64_t left = arena->warm[w]; left != 0; left &= left - 1) {
            unsigned i = w * 64 + (unsigned)__builtin_ctzll(left);
            if (arena->pages[i].since <= now_ns && now_ns - arena->pages[i].since >= delay_ns) {
                take_locked(arena, i, 1);
                set_bit(arena->going, i);
            }
        }
    }
    wane__mutex_unlock(&lock);
}

void wane__arena_claim_warm(uint64_t now_ns, uint64_t delay_ns) {
    unsigned n = load_acquire(&xarena_count); /* [order:arena] */
    for (unsigned a = 0; a < n && load_relaxed(&xwarm_pages) != 0; a++)
        claim_old(xarenas[a], now_ns, delay_ns);
}

/* The pages from begin up to end are going; everybody's marks are off them. */
static void discard(struct wane__arena *arena, unsigned begin, unsigned end) {
    char *memory = wane__page_memory(&arena->pages[begin]);
    size_t size = (size_t)(end - begin) << WANE__PAGE_SHIFT;
    bool gone = wane__map_discard(memory, size);
    if (!gone) /* locked memory: it stays, but must be zero */
        memset(memory, 0, size);
    for (unsigned i = begin; i < end; i++) {
        arena->pages[i].since = UINT64_MAX;
        store_release(&arena->pages[i].xstate, (uint8_t)WANE__PAGE_FREE); /* [order:page-state] */
    }
    wane__mutex_lock(&lock);
    store_relaxed(&xused_pages, xused_pages - (end - begin));
    for (unsigned i = begin; i < end; i++) {
        clear_bit(arena->going, i);
        free_locked(arena, i, !gone);
    }
    if (gone)
        sub_relaxed(&xbytes, size);
    lower_hints_locked(arena, begin, end);
    wane__mutex_unlock(&lock);
}

/* All of a run at once: the child of a fork would take the rest for pages that are zero. */
bool wane__arena_discard_some(unsigned *at) {
    unsigned n = load_acquire(&xarena_count); /* [order:arena] */
    for (unsigned k = 0; k < n; k++) {
        unsigned a = (*at + k) % n;
        struct wane__arena *arena = xarenas[a];
        unsigned begin = find_bit(arena->going), end = begin;
        if (begin == 0)
            continue;
        while (end < WANE__ARENA_PAGES && bit(arena->going, end) &&
               (end - begin < PART_PAGES || load_relaxed(&arena->pages[end].xstate) == WANE__PAGE_CONTINUED))
            end++;
        discard(arena, begin, end);
        *at = a;
        return true;
    }
    return false;
}

static bool is_empty_locked(const struct wane__arena *arena) {
    return arena->free_count == WANE__ARENA_PAGES - WANE__ARENA_FIRST && arena->warm_count == 0;
}

static void unlink_locked(const struct wane__arena *arena) {
    unsigned a = arena->number, n = load_relaxed(&xarena_count) - 1;
    first_free -= first_free > a;
    first_warm -= first_warm > a;
    for (; a < n; a++) {
        xarenas[a] = xarenas[a + 1];
        xarenas[a]->number = a;
        longest[a] = longest[a + 1];
    }
    store_relaxed(&xarena_count, n);
}

/* Whether it is empty, and since when. */
static bool note_empty(struct wane__arena *arena, uint64_t now_ns) {
    wane__mutex_lock(&lock);
    bool empty = is_empty_locked(arena);
    if (empty && (arena->empty_since == 0 || arena->empty_since > now_ns))
        arena->empty_since = now_ns;
    wane__mutex_unlock(&lock);
    return empty;
}

/* True: the arena is empty long enough, and nobody's any more. */
static bool take_empty(struct wane__arena *arena, uint64_t now_ns, uint64_t delay_ns) {
    wane__mutex_lock(&lock);
    bool empty = is_empty_locked(arena) && now_ns - arena->empty_since >= delay_ns &&
                 load_acquire(&arena->xnoted) == 0; /* [order:noted] */
    if (empty)
        unlink_locked(arena);
    wane__mutex_unlock(&lock);
    return empty;
}

/* From the last one on: births are in the first ones. */
bool wane__arena_unmap_one(uint64_t now_ns, uint64_t delay_ns, bool all, bool *ret_waits) {
    unsigned n = load_acquire(&xarena_count), empty = 0; /* [order:arena] */
    for (unsigned a = 0; a < n; a++)
        empty += note_empty(xarenas[a], now_ns);
    unsigned keep = all ? 0 : 1 + (n - empty) / 8;
    *ret_waits = empty > keep || load_relaxed(&xwarm_pages) != 0;
    for (unsigned a = n; a-- > 0 && empty > keep;) {
        struct wane__arena *arena = xarenas[a];
        if (!take_empty(arena, now_ns, delay_ns))
            continue;
        wane__lsan_root_remove(arena, WANE__ARENA_SIZE);
        wane__origin_clear(arena);
        wane__notes_end(arena);
        wane__map_release(arena, WANE__ARENA_SIZE);
        return true;
    }
    return false;
}

size_t wane__arena_pages_used(void) { return load_relaxed(&xused_pages); }

size_t wane__heap_bytes(void) { return load_relaxed(&xbytes); }

/* Pages from `begin` up to `end` of arena number a. False: `each` ended the walk. */
static bool walk_arena(unsigned a, unsigned begin, unsigned end, bool (*each)(struct wane__page *page, void *arg), void *arg) {
    for (unsigned i = begin; i < end; i++) {
        struct wane__page *page = &xarenas[a]->pages[i];
        uint8_t state = load_acquire(&page->xstate); /* [order:page-state] */
        if ((state == WANE__PAGE_SMALL || state == WANE__PAGE_LARGE) && !each(page, arg))
            return false;
    }
    return true;
}

static bool walk_mappings(bool (*each)(struct wane__page *page, void *arg), void *arg) {
    struct wane__arena *arena = load_acquire(&xmappings); /* [order:arena] */
    for (; arena != NULL; arena = arena->next) {
        if (!each(&arena->pages[WANE__ARENA_FIRST], arg))
            return false;
    }
    return true;
}

void wane__heap_walk_pages_from(const struct wane__page *from, bool (*each)(struct wane__page *page, void *arg),
                                void *arg) {
    unsigned n = load_acquire(&xarena_count); /* [order:arena] */
    unsigned first = 0, at = WANE__ARENA_FIRST;
    while (from != NULL && first < n && xarenas[first] != wane__arena_of(from))
        first++;
    if (from != NULL && first < n)
        at = page_number(from);
    else
        first = 0;
    bool more = n == 0 || walk_arena(first, at, WANE__ARENA_PAGES, each, arg);
    for (unsigned a = first + 1; more && a < n; a++)
        more = walk_arena(a, WANE__ARENA_FIRST, WANE__ARENA_PAGES, each, arg);
    more = more && walk_mappings(each, arg);
    for (unsigned a = 0; more && a < first; a++)
        more = walk_arena(a, WANE__ARENA_FIRST, WANE__ARENA_PAGES, each, arg);
    if (more && n > 0)
        walk_arena(first, WANE__ARENA_FIRST, at, each, arg);
}

void wane__heap_walk_pages(bool (*each)(struct wane__page *page, void *arg), void *arg) {
    wane__heap_walk_pages_from(NULL, each, arg);
}

void wane__arena_fork_prepare(void) { wane__mutex_lock(&lock); }

void wane__arena_fork_parent(void) { wane__mutex_unlock(&lock); }

/*
 * A page whose state is free although its bit is not was taken and never set up, or was about to be discarded. Returns
 * the bytes of the arena: a change of their sum may have been cut off.
 */
static size_t reclaim(struct wane__arena *arena) {
    size_t bytes = 0;
    unsigned covered = WANE__ARENA_FIRST;
    memset(arena->going, 0, sizeof arena->going);
    for (unsigned i = WANE__ARENA_FIRST; i < WANE__ARENA_PAGES; i++) {
        struct wane__page *page = &arena->pages[i];
        uint8_t state = load_relaxed(&page->xstate);
        if (state == WANE__PAGE_LARGE || state == WANE__PAGE_SMALL) {
            covered = i + page->run;
            bytes += page->held;
        }
        if (i < covered || bit(arena->free, i))
            continue;
        store_relaxed(&arena->pages[i].xstate, (uint8_t)WANE__PAGE_FREE);
        store_relaxed(&xused_pages, xused_pages - 1);
        arena->pages[i].since = 0;
        free_locked(arena, i, true);
    }
    return bytes + ((size_t)arena->warm_count << WANE__PAGE_SHIFT);
}

void wane__arena_fork_child(void) {
    unsigned n = load_relaxed(&xarena_count);
    size_t bytes = 0;
    for (unsigned a = 0; a < n; a++)
        bytes += reclaim(xarenas[a]);
    for (struct wane__arena *arena = xmappings; arena != NULL; arena = arena->next)
        bytes += MAP_HEAD_BYTES + arena->pages[WANE__ARENA_FIRST].held;
    store_relaxed(&xbytes, bytes);
    first_free = first_warm = 0;
    wane__mutex_unlock(&lock);
}
