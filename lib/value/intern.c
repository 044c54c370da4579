/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/intern.c: the table of interned strings.
 *
 * A hash set of concurrencykit, ck_hs, with the addresses of strings and no unit of them: strings are of an INDEXED type, so what
 * a find reads from the set may be dead, but is no other object until the guard ends, and wane_upgrade tells. Finds take no
 * lock. Whoever adds or removes has the lock of the set (value/lock.h).
 *
 * A find against the last release: the read-modify-write that decides is wane_upgrade's on the string's count. If it comes first, the
 * string lives on. If the release does, the find sees a dead string, and goes on as if there were none: under the lock it
 * looks again, and puts a new string in the place of the dead one. The dead one's `destroy` removes it from the set under the lock, if the set
 * still has it and not its successor. So the set names one string for given bytes at any time, and only that one is ever
 * handed out: of two living ones one would have been put in while the other lived, and whoever put it in had looked under
 * the lock.
 *
 * When the set grows, or is cleaned, readers may still be in the old map: its memory is freed after a grace period. A dead string
 * that an old map names died in or after the guard of whoever reads there, so its memory is still its own.
 *
 * Without memory for the set to grow, interning says ENOMEM and the set is as it was.
 */
#include "value/intern.h"

#include <ck_hs.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wane.h>

#include "value/hash.h"
#include "value/lock.h"

#define INITIAL_CAPACITY 64

static ck_hs_t set;            /* finds read it; changes under the lock */
static size_t removed;         /* under the lock; since the set was cleaned */
static _Atomic(bool) xready;   /* the set may be used */
static _Atomic(size_t) xcount; /* changes under the lock */

/* Bytes that are looked for. */
struct probe {
    const void *bytes;
    size_t len;
    uint64_t hash;
};

/* The set hands `equal` what it stores and what it is asked for, both as an address. That of a probe is odd. */
static const void *mark(const struct probe *p) { return (const char *)p + 1; }

static struct probe probe_of(const void *key) {
    if (((uintptr_t)key & 1) != 0)
        return *(const struct probe *)(const void *)((const char *)key - 1);
    const struct wane_str *s = key;
    (void)atomic_load_explicit(&s->xinterned, memory_order_acquire); /* [order:value-intern] */
    return (struct probe){s->bytes, s->len, wane_str_hash(s)};
}

static bool equal(const void *a, const void *b) {
    struct probe x = probe_of(a), y = probe_of(b);
    return x.hash == y.hash && x.len == y.len && memcmp(x.bytes, y.bytes, x.len) == 0;
}

static unsigned long hash_of(const void *key, unsigned long seed) {
    (void)seed;
    return wane_str_hash(key);
}

/* Memory of the set: a map, behind what frees it later. */
struct block {
    wane_defer_node node;
    _Alignas(16) char bytes[];
};

static void *allocate(size_t n) {
    struct block *b = n <= SIZE_MAX / 2 ? malloc(sizeof *b + n) : NULL;
    return b != NULL ? b->bytes : NULL;
}

static void release(void *bytes, size_t n, bool defer) {
    (void)n;
    if (bytes == NULL)
        return;
    struct block *b = (struct block *)(void *)((char *)bytes - offsetof(struct block, bytes));
    if (defer)
        wane_defer_node_add(&b->node, free, b);
    else
        free(b);
}

static struct ck_malloc memory = {.malloc = allocate, .free = release};

/* In a guard: the string as a new unit, if there is one that lives. */
static wane_str *find(const struct probe *p) {
    if (!atomic_load_explicit(&xready, memory_order_acquire)) /* [order:value-intern] */
        return NULL;
    return wane_upgrade(ck_hs_get(&set, p->hash, mark(p)));
}

/* Under the lock. */
static bool make_ready(void) {
    if (atomic_load_explicit(&xready, memory_order_relaxed))
        return true;
    if (!ck_hs_init(&set, CK_HS_MODE_SPMC | CK_HS_MODE_OBJECT | CK_HS_MODE_DELETE, hash_of, equal, &memory, INITIAL_CAPACITY, 0))
        return false;
    atomic_store_explicit(&xready, true, memory_order_release); /* [order:value-intern] */
    return true;
}

/* Under the lock: puts s in, in the place of a dead one where there is one. */
static bool add(wane_str *s) {
    void *dead = NULL;
    if (!make_ready())
        return false;
    atomic_store_explicit(&s->xinterned, WANE__BEING_PUT, memory_order_release); /* [order:value-intern] */
    bool done = ck_hs_set(&set, wane_str_hash(s), s, &dead);
    atomic_store_explicit(&s->xinterned, done ? WANE__INTERNED : WANE__APART, memory_order_release); /* [order:value-intern] */
    if (!done)
        return false;
    if (dead == NULL)
        atomic_fetch_add_explicit(&xcount, 1, memory_order_relaxed);
    return true;
}

/* s is consumed, and the one string of its bytes returned. */
static wane_str *put(wane_str *s) {
    struct probe p = {s->bytes, s->len, wane_str_hash(s)};
    wane__value_enter(&set);
    wane_str *there = find(&p);
    bool added = there == NULL && add(s);
    wane__value_leave(&set);
    if (added)
        return s;
    wane_release(s);
    if (there == NULL)
        errno = ENOMEM;
    return there;
}

wane_str *wane_intern(const void *bytes, size_t n) {
    if (bytes == NULL && n > 0) {
        errno = EINVAL;
        return NULL;
    }
    struct probe p = {bytes != NULL ? bytes : "", n, wane__value_hash(bytes, n)};
    wane_guard_enter();
    wane_str *there = find(&p);
    wane_guard_leave();
    if (there != NULL)
        return there;
    wane_str *made = wane_str_new(bytes, n);
    return made != NULL ? put(made) : NULL;
}

wane_str *wane_intern_str(wane_str *s) {
    if (s == NULL) {
        errno = EINVAL;
        return NULL;
    }
    if (atomic_load_explicit(&s->xinterned, memory_order_relaxed) == WANE__INTERNED)
        return s;
    struct probe p = {s->bytes, s->len, wane_str_hash(s)};
    wane_guard_enter();
    wane_str *there = find(&p);
    wane_guard_leave();
    if (there == NULL)
        return put(s);
    wane_release(s);
    return there;
}

bool wane_str_is_interned(const wane_str *s) {
    return s != NULL && atomic_load_explicit(&s->xinterned, memory_order_relaxed) != WANE__APART;
}

size_t wane_intern_count(void) { return atomic_load_explicit(&xcount, memory_order_relaxed); }

/*
 * Removing leaves marks behind, which finds step over, and which would become more without end: they are cleaned away when
 * they are twice as many as strings. Without memory for that, at the next removal.
 */
void wane__intern_forget(wane_str *s) {
    uint64_t hash = wane_str_hash(s);
    wane__value_enter(&set);
    if (ck_hs_get(&set, hash, s) == s) {
        ck_hs_remove(&set, hash, s);
        atomic_fetch_sub_explicit(&xcount, 1, memory_order_relaxed);
        if (++removed > INITIAL_CAPACITY + 2 * ck_hs_count(&set) && ck_hs_rebuild(&set))
            removed = 0;
    }
    wane__value_leave(&set);
}
