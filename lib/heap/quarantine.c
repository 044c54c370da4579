/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/quarantine.c: see quarantine.h.
 *
 * A ring of addresses, beside the blocks: a write that hits a block, header included, misleads nobody here. Who takes
 * a block out of the ring, under the lock, has it alone: it looks at it and frees it as if it had died just now. The lock is held for
 * some stores, in brackets too: no one who has it waits for anything. A child of fork() gets the ring whole, and loses the
 * blocks that vanished threads had just taken out.
 */
#include "heap/quarantine.h"

#include "base/check.h"
#include "base/lock.h"
#include "base/option.h"
#include "os/map.h"

/* No address, and no small number. */
#define FILL_BYTE 0xDB
#define FILL_WORD ((uint64_t)0x0101010101010101 * FILL_BYTE)

/* At most so many blocks, whatever their size. */
enum { BLOCKS = 1 << 16 };

/* Blocks freed by one call of drain, in one bracket. */
enum { SOME = 64 };

static struct wane__mutex lock = WANE__MUTEX(WANE__RANK_QUARANTINE);

static struct wane__header **ring; /* immutable after start; NULL: no quarantine */
static size_t first, count;        /* guarded by lock */
static size_t xbytes;              /* written under lock */

bool wane__quarantine_on(void) { return ring != NULL; }

void wane__quarantine_start(void) {
    if (wane__option(quarantine_bytes) == 0 || ring != NULL)
        return;
    ring = wane__map_reserve(BLOCKS * sizeof *ring, 4096);
    if (ring != NULL)
        store_relaxed(&wane__xheap_odd, 1u);
}

size_t wane__quarantine_bytes(void) { return load_relaxed(&xbytes); }

static size_t words_in(const struct wane__header *h) { return (wane__heap_block_size(h) - sizeof *h) / sizeof(uint64_t); }

/* Whether a tool sees accesses to the payload, and the library must not touch it. */
static bool is_hidden(void) { return load_relaxed(&wane__xheap_annotated) != 0; }

static void fill(struct wane__header *h) {
    wane__link_set(h, 0); /* nobody's */
    uint64_t *words = (uint64_t *)(void *)(h + 1);
    for (size_t i = 0, n = is_hidden() ? 0 : words_in(h); i < n; i++)
        store_relaxed(&words[i], FILL_WORD);
}

/* The first byte of the block that is not as `fill` left it, or NULL. */
static const unsigned char *find_changed(const struct wane__header *h) {
    const uint64_t *words = (const uint64_t *)(const void *)(h + 1);
    const unsigned char *at = NULL;
    if (load_relaxed((const uint64_t *)(const void *)h) != 0)
        return (const unsigned char *)h;
    for (size_t i = 0, n = is_hidden() ? 0 : words_in(h); i < n && at == NULL; i++) {
        if (unlikely(load_relaxed(&words[i]) != FILL_WORD))
            at = (const unsigned char *)&words[i];
    }
    while (at != NULL && *at == FILL_BYTE)
        at++;
    return at;
}

static _Noreturn void tell(const struct wane__header *h, const unsigned char *at) {
    const void *obj = h + 1;
    if (at == (const unsigned char *)h)
        wane__fatal("heap: the header of dead object %p of type \"%s\" was written to, perhaps by an overrun of the object before it",
                    obj, wane__block_type_name(h));
    wane__fatal("heap: object %p of type \"%s\" was written to after its death: the first changed byte is %#x at offset %zu",
                obj, wane__block_type_name(h), *at, (size_t)(at - (const unsigned char *)obj));
}

/* Adds h, if it is one. Returns the oldest block if there are more bytes than `most`, or no room for one more; else NULL. */
static struct wane__header *turn(struct wane__header *h, size_t most) {
    struct wane__header *oldest = NULL;
    wane__mutex_lock(&lock);
    if (h != NULL) {
        ring[(first + count++) % BLOCKS] = h;
        store_relaxed(&xbytes, xbytes + wane__heap_block_size(h));
    }
    if (count > 0 && (xbytes > most || count == BLOCKS)) {
        oldest = ring[first];
        first = (first + 1) % BLOCKS;
        count--;
        store_relaxed(&xbytes, xbytes - wane__heap_block_size(oldest));
    }
    wane__mutex_unlock(&lock);
    return oldest;
}

static void leave(struct wane__heap *heap, struct wane__header *h) {
    const unsigned char *at = find_changed(h);
    if (unlikely(at != NULL))
        tell(h, at);
    wane__heap_free_at_last(heap, h);
}

bool wane__quarantine_put(struct wane__heap *heap, struct wane__header *h) {
    size_t most = (size_t)wane__option(quarantine_bytes);
    if (ring == NULL)
        return false;
    bool kept = wane__heap_block_size(h) <= most / 4; /* a large one would drive out all others */
    if (kept)
        fill(h);
    for (h = turn(kept ? h : NULL, most); h != NULL; h = turn(NULL, most))
        leave(heap, h);
    return kept;
}

bool wane__quarantine_drain(struct wane__heap *heap, size_t most) {
    if (ring == NULL)
        return false;
    struct wane__header *h = NULL;
    for (unsigned n = 0; n < SOME && (h = turn(NULL, most)) != NULL; n++)
        leave(heap, h);
    return h != NULL;
}

void wane__quarantine_check(void) {
    const struct wane__header *h = NULL;
    const unsigned char *at = NULL;
    wane__mutex_lock(&lock);
    for (size_t i = 0; i < count && at == NULL; i++) {
        h = ring[(first + i) % BLOCKS];
        at = find_changed(h);
    }
    wane__mutex_unlock(&lock);
    if (at != NULL)
        tell(h, at); /* not under the lock: the log is the program's */
}

void wane__quarantine_fork_prepare(void) { wane__mutex_lock(&lock); }

void wane__quarantine_fork_release(void) { wane__mutex_unlock(&lock); }
