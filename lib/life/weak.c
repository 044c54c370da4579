/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/weak.c: weak references.
 *
 * A weak reference is an object that knows its target's address. Upgrading reads the address inside a bracket and takes
 * a unit by compare-and-swap, never from zero, never from a word that is not LIVE; no lock. The target's memory is
 * not handed out again before a grace period after its death (death.c), so the swap cannot meet a stranger.
 *
 * A target must find its weak references when it dies: tables by the target's address (targets.h), under a lock each.
 * Which lock decides: the references in a table, and their `xtarget` words, change only under the lock that the
 * target's address chooses. A reference that is destroyed and a target that dies at the same
 * time meet there; whoever comes second finds the other gone.
 */
#include "life/weak.h"

#include <errno.h>
#include <pthread.h>
#include <wane/weak.h>

#include "count/count.h"
#include "life/apply.h"
#include "life/targets.h"
#include "life/type.h"
#include "os/clock.h"
#include "thread/mode.h"
#include "thread/wake.h"

#define SHARDS 16 /* ThreadSanitizer follows no more than 64 locks of one thread, and a fork takes all */

static struct shard {
    pthread_mutex_t lock; /* leaf */
    struct wane__targets targets;
} shards[SHARDS];

static void destroy_weak(void *self);
static wane_type weak_type = {.name = "weak reference", .size = sizeof(struct wane_weak), .destroy = destroy_weak};
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_locks(void) {
    for (int i = 0; i < SHARDS; i++)
        pthread_mutex_init(&shards[i].lock, NULL);
}

static struct shard *lock_shard(const struct wane__header *target) {
    pthread_once(&once, init_locks);
    struct shard *s = &shards[wane__targets_hash(target) >> 60];
    pthread_mutex_lock(&s->lock);
    return s;
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
    struct shard *s = lock_shard(h);
    store_relaxed(&w->xtarget, h);
    wane__targets_add(&s->targets, w);
    pthread_mutex_unlock(&s->lock);
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

void wane__weak_clear(struct wane__header *h) {
    struct shard *s = lock_shard(h);
    for (struct wane_weak *w = wane__targets_take(&s->targets, h), *next; w != NULL; w = next) {
        next = w->next;
        w->next = w->previous = NULL;
        store_release(&w->xtarget, NULL); /* [order:weak] */
    }
    pthread_mutex_unlock(&s->lock);
}

static void destroy_weak(void *self) {
    struct wane_weak *w = self;
    struct wane__header *h = load_acquire(&w->xtarget); /* [order:weak] */
    if (h == NULL)
        return;
    struct shard *s = lock_shard(h);
    if (load_relaxed(&w->xtarget) != NULL)
        wane__targets_remove(&s->targets, w);
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
