/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/weak.c: weak references.
 *
 * A weak reference is an object that knows its target's address. Upgrading reads the address inside a bracket and takes
 * a unit by compare-and-swap, never from zero, never from a word that is not LIVE; no lock. The target's memory is
 * not handed out again before a grace period after its death (death.c), so the swap cannot meet a stranger.
 *
 * A target must find its weak references when it dies: tables of chains, by the target's address, under a lock each.
 * Which lock decides: the chain of a target, its table entry and the `target` words of its references change only
 * under the lock that the target's address chooses. A reference that is destroyed and a target that dies at the same
 * time meet there; whoever comes second finds the other gone.
 */
#include "life/weak.h"

#include <ck_hs.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <wane/weak.h>

#include "count/count.h"
#include "life/apply.h"
#include "life/type.h"
#include "os/clock.h"
#include "thread/mode.h"
#include "thread/wake.h"

#define SHARDS 16 /* ThreadSanitizer follows no more than 64 locks of one thread, and a fork takes all */

struct wane_weak {
    struct wane__header *xtarget; /* NULL when it is dead; written under the shard's lock */
    struct wane_weak *next, *previous; /* shard's lock */
};

/* A target that has weak references. */
struct watched {
    struct wane__header *target;
    struct wane_weak *first;
};

static struct shard {
    pthread_mutex_t lock; /* leaf */
    bool ready;
    ck_hs_t table;
} shards[SHARDS];

static void destroy_weak(void *self);
static wane_type weak_type = {.name = "weak reference", .size = sizeof(struct wane_weak), .destroy = destroy_weak};
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void *table_malloc(size_t size) { return malloc(size); }
static void table_free(void *p, size_t size, bool defer) {
    (void)size;
    (void)defer; /* readers hold the lock: nothing to defer */
    free(p);
}
static struct ck_malloc table_memory = {.malloc = table_malloc, .free = table_free};

static unsigned long hash_target(const void *object, unsigned long seed) {
    uint64_t x = (uint64_t)(uintptr_t)((const struct watched *)object)->target ^ seed;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u; /* splitmix64 */
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return (unsigned long)(x ^ (x >> 31));
}

static bool same_target(const void *a, const void *b) {
    return ((const struct watched *)a)->target == ((const struct watched *)b)->target;
}

static void init_locks(void) {
    for (int i = 0; i < SHARDS; i++)
        pthread_mutex_init(&shards[i].lock, NULL);
}

static struct shard *lock_shard(struct wane__header *target, struct watched *key, unsigned long *hash) {
    pthread_once(&once, init_locks);
    *key = (struct watched){.target = target};
    *hash = hash_target(key, 0);
    struct shard *s = &shards[*hash >> 60];
    pthread_mutex_lock(&s->lock);
    return s;
}

/* The entry of key's target, made if need be; NULL when memory is out. Under the lock. */
static struct watched *find_or_add_locked(struct shard *s, const struct watched *key, unsigned long hash) {
    if (!s->ready) {
        s->ready = ck_hs_init(&s->table, CK_HS_MODE_OBJECT | CK_HS_MODE_SPMC, hash_target, same_target, &table_memory,
                              16, 0);
        if (!s->ready)
            return NULL;
    }
    struct watched *found = ck_hs_get(&s->table, hash, key);
    if (found != NULL)
        return found;
    struct watched *added = malloc(sizeof *added);
    if (added == NULL)
        return NULL;
    *added = *key;
    if (!ck_hs_put(&s->table, hash, added)) {
        free(added);
        return NULL;
    }
    return added;
}

static void link_locked(struct watched *target, struct wane_weak *w) {
    w->previous = NULL;
    w->next = target->first;
    if (w->next != NULL)
        w->next->previous = w;
    target->first = w;
    store_relaxed(&w->xtarget, target->target);
}

wane_weak *wane_weak_new(void *obj, void (*callback)(wane_weak *w, void *arg), void *arg) {
    (void)arg;
    if (obj == NULL || callback != NULL) {
        errno = obj == NULL ? EINVAL : ENOTSUP;
        return NULL;
    }
    wane__need_ours(wane__header_of(obj), "wane_weak_new");
    struct wane_weak *w = wane_new_at(&weak_type, 0, NULL);
    if (w == NULL)
        return NULL;
    struct wane__header *h = wane__header_of(obj);
    uint64_t word = or_acq_rel(&h->shared, WANE__WEAKREFD); /* [order:count]; the caller holds a unit */
    if (!wane__word_has(word, WANE__LIVE))
        wane__fatal_dead(h, "wane_weak_new");
    struct watched key;
    unsigned long hash;
    struct shard *s = lock_shard(h, &key, &hash);
    struct watched *target = find_or_add_locked(s, &key, hash);
    if (target != NULL)
        link_locked(target, w);
    pthread_mutex_unlock(&s->lock);
    if (target == NULL) {
        wane_release(w);
        errno = ENOMEM;
        return NULL;
    }
    return w;
}

void *wane_weak_get(wane_weak *w) {
    if (w == NULL)
        return NULL;
    struct wane__record *r = wane__record_need("wane_weak_get");
    wane__need_ours(wane__header_of(w), "wane_weak_get");
    uint64_t begin = 0;
    for (;;) {
        wane__mark(&r->head);
        struct wane__header *h = load_acquire(&w->xtarget); /* [order:weak] */
        enum wane__upgrade result = h == NULL ? WANE__UPGRADE_DEAD : wane__upgrade_marked(h);
        wane__unmark(&r->head);
        if (unlikely(result == WANE__UPGRADE_CLOSED)) { /* the collector is about to decide; it waits for nobody meanwhile */
            begin = begin != 0 ? begin : wane__now();
            wane__pause_briefly();
            continue;
        }
        if (unlikely(begin != 0))
            wane__stalled(r, begin);
        if (result == WANE__UPGRADED) {
            wane__tsan_acquire(&h->shared);
            return wane__payload_of(h);
        }
        return NULL;
    }
}

static void remove_locked(struct shard *s, struct watched *target, unsigned long hash) {
    int saved = errno;
    ck_hs_remove(&s->table, hash, target);
    free(target);
    errno = saved;
}

void wane__weak_clear(struct wane__header *h) {
    struct watched key;
    unsigned long hash;
    struct shard *s = lock_shard(h, &key, &hash);
    struct watched *target = s->ready ? ck_hs_get(&s->table, hash, &key) : NULL;
    if (target != NULL) {
        for (struct wane_weak *w = target->first, *next; w != NULL; w = next) {
            next = w->next;
            w->next = w->previous = NULL;
            store_release(&w->xtarget, NULL); /* [order:weak] */
        }
        remove_locked(s, target, hash);
    }
    pthread_mutex_unlock(&s->lock);
}

static void destroy_weak(void *self) {
    struct wane_weak *w = self;
    struct wane__header *h = load_acquire(&w->xtarget); /* [order:weak] */
    if (h == NULL)
        return;
    struct watched key;
    unsigned long hash;
    struct shard *s = lock_shard(h, &key, &hash);
    if (load_relaxed(&w->xtarget) != NULL) {
        struct watched *target = ck_hs_get(&s->table, hash, &key);
        if (w->previous != NULL)
            w->previous->next = w->next;
        else
            target->first = w->next;
        if (w->next != NULL)
            w->next->previous = w->previous;
        if (target->first == NULL)
            remove_locked(s, target, hash);
    }
    pthread_mutex_unlock(&s->lock);
}

void wane__weak_fork_prepare(void) {
    pthread_once(&once, init_locks);
    for (int i = 0; i < SHARDS; i++)
        pthread_mutex_lock(&shards[i].lock);
}

void wane__weak_fork_release(void) {
    for (int i = SHARDS; i-- > 0;)
        pthread_mutex_unlock(&shards[i].lock);
}
