/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/quarantine.c: see quarantine.h.
 *
 * A ring of addresses, beside the blocks: a write that hits a block, header included, misleads nobody here. Who takes
 * a block out of the ring, under the lock, has it alone: it looks at it and frees it as if it had died just now. The lock is held for
 * some stores, in brackets too: no one who has it waits for anything. A child of fork() gets the ring whole, and loses the
 * blocks that vanished threads had just taken out.
 *
 * A put takes out a few blocks to make room. If that is not enough, the new block is not kept: so there are never more bytes than
 * the option said when the last one came. Where the option was lowered, the rest is taken out by who drains, some at a time.
 */
#include "heap/quarantine.h"

#include "base/check.h"
#include "base/lock.h"
#include "base/option.h"
#include "os/doze.h"
#include "os/map.h"

/* No address, and no small number. */
#define FILL_BYTE 0xDB
#define FILL_WORD ((uint64_t)0x0101010101010101 * FILL_BYTE)

/* At most so many blocks, whatever their size. */
enum { BLOCKS = 1 << 16 };

/* Blocks freed by one call of drain, in one bracket; looked at with the lock held once; and freed by a put. */
enum { SOME = 64, FEW = 8 };

static struct wane__mutex lock = WANE__MUTEX(WANE__RANK_QUARANTINE);
static uint32_t xlock_wanted; /* by so many, who wait */

static struct wane__header **ring; /* immutable after start; NULL: no quarantine */
static uint64_t first, xend;       /* written under lock: how many blocks have left, and come; the ring holds those between */
static size_t xbytes;              /* written under lock */

static void lock_ring(void) {
    if (wane__mutex_trylock(&lock))
        return;
    add_relaxed(&xlock_wanted, 1u);
    wane__mutex_lock(&lock);
    sub_relaxed(&xlock_wanted, 1u);
}

static void unlock_ring(void) { wane__mutex_unlock(&lock); }

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

/* The oldest block leaves. */
static struct wane__header *take_locked(void) {
    struct wane__header *oldest = ring[first++ % BLOCKS];
    store_relaxed(&xbytes, xbytes - wane__heap_block_size(oldest));
    return oldest;
}

/* Takes the oldest of those before number `until` if there are more bytes than `most`. NULL: there is none. */
static struct wane__header *take(size_t most, uint64_t until) {
    struct wane__header *oldest = NULL;
    lock_ring();
    if (first < xend && first < until && xbytes > most)
        oldest = take_locked();
    unlock_ring();
    return oldest;
}

/* Adds h if there is room for it. Else false, and *ret_oldest is what left to make some, or NULL. */
static bool add(struct wane__header *h, size_t most, struct wane__header **ret_oldest) {
    size_t size = wane__heap_block_size(h);
    *ret_oldest = NULL;
    lock_ring();
    bool fits = xend - first < BLOCKS && xbytes + size <= most;
    if (fits) {
        ring[xend % BLOCKS] = h;
        store_relaxed(&xend, xend + 1);
        store_relaxed(&xbytes, xbytes + size);
    } else if (first < xend) {
        *ret_oldest = take_locked();
    }
    unlock_ring();
    return fits;
}

static void leave(struct wane__heap *heap, struct wane__header *h) {
    const unsigned char *at = find_changed(h);
    if (unlikely(at != NULL))
        tell(h, at);
    wane__heap_free_at_last(heap, h);
}

/* Frees up to n blocks. False: there is nothing more to free. */
static bool drain(struct wane__heap *heap, size_t most, uint64_t until, unsigned n) {
    struct wane__header *h = NULL;
    while (n-- > 0 && (h = take(most, until)) != NULL)
        leave(heap, h);
    return h != NULL;
}

bool wane__quarantine_put(struct wane__heap *heap, struct wane__header *h) {
    size_t most = (size_t)wane__option(quarantine_bytes);
    if (ring == NULL)
        return false;
    if (wane__heap_block_size(h) > most / 4) { /* it would drive out all others */
        (void)drain(heap, most, UINT64_MAX, FEW);
        return false;
    }
    fill(h);
    bool kept = false;
    struct wane__header *oldest = NULL;
    for (unsigned n = 0; n < FEW && !(kept = add(h, most, &oldest)) && oldest != NULL; n++)
        leave(heap, oldest);
    return kept;
}

bool wane__quarantine_drain(struct wane__heap *heap, size_t most, uint64_t until) {
    return ring != NULL && drain(heap, most, until, SOME);
}

uint64_t wane__quarantine_end(void) { return load_relaxed(&xend); }

bool wane__quarantine_over(void) { return load_relaxed(&xbytes) > (size_t)wane__option(quarantine_bytes); }

bool wane__quarantine_check_some(uint64_t *at, uint64_t until) {
    const struct wane__header *h = NULL;
    const unsigned char *changed = NULL;
    lock_ring();
    *at = *at < first ? first : *at;
    uint64_t end = xend < until ? xend : until;
    for (unsigned n = 0; n < SOME && *at < end && changed == NULL; n++) {
        h = ring[(*at)++ % BLOCKS];
        changed = find_changed(h);
    }
    bool more = *at < end;
    unlock_ring();
    if (changed != NULL)
        tell(h, changed); /* not under the lock: the log is the program's */
    return more;
}

void wane__quarantine_check(void) {
    uint64_t at = 0, until = wane__quarantine_end();
    while (wane__quarantine_check_some(&at, until))
        wane__give_way(&xlock_wanted);
}

void wane__quarantine_fork_prepare(void) { lock_ring(); }

void wane__quarantine_fork_release(void) { unlock_ring(); }

void wane__quarantine_fork_child(void) { store_relaxed(&xlock_wanted, 0u); }
