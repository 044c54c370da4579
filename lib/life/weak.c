/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/weak.c: weak references, and functions that are called when an object dies.
 *
 * A weak reference knows its target's address. Upgrading reads the address inside a bracket and takes
 * a unit by compare-and-swap, never from zero, never from a word that is not LIVE; no lock. The target's memory is
 * not handed out again before a grace period after its death (death.c), so the swap cannot meet a stranger.
 *
 * A target must find its weak references when it dies: tables by the target's address (targets.h), under a lock each.
 * Which lock decides: the links in a table, and their targets, change only under the lock that the
 * target's address chooses. A reference that is destroyed and a target that dies at the same
 * time meet there; whoever comes second finds the other gone.
 *
 * References with a callback, and functions of wane_on_death, have tables of their own, where they stay while their target is
 * destroyed: whoever destroys it, after all slots of its garbage were emptied, takes one after the other out, and calls it
 * when the lock is let go. It takes a unit of a reference in the same hold of the lock. A reference that is dead by then, perhaps with its
 * target, yields none, and is not called: it waits for the lock, to take itself out, and so its memory is there.
 */
#include "life/weak.h"

#include <errno.h>
#include <pthread.h>
#include <wane/weak.h>

#include "base/lock.h"
#include "count/count.h"
#include "life/apply.h"
#include "life/targets.h"
#include "life/type.h"
#include "os/clock.h"
#include "thread/mode.h"
#include "thread/wake.h"

#define SHARDS 16 /* ThreadSanitizer follows no more than 64 locks of one thread, and a fork takes all */

static struct shard {
    struct wane__mutex lock; /* of two, the first one first */
    struct wane__targets references; /* wane_weak without callback, wane_weak_slot */
    struct wane__targets callers;    /* wane_weak with one */
    struct wane__targets deaths;     /* wane_death_node */
} shards[SHARDS];

struct wane_weak {
    struct wane__weak_link link;
    /* Of calling_type alone. */
    void (*callback)(wane_weak *w, void *arg);
    void *arg;
    void (*free_arg)(void *arg); /* NULL: none, or called */
};

static void destroy_plain(void *self);
static void destroy_calling(void *self);
/* With neither callback nor free_arg. */
static wane_type plain_type = {.name = "weak reference", .size = sizeof(struct wane__weak_link), .destroy = destroy_plain};
/*
 * The others. Without an owner, so that it dies at once when the garbage that it is in is emptied, by whatever thread; and
 * INDEXED: nobody may take its last unit by a store, since who destroys its target takes a unit without having one.
 */
static wane_type calling_type = {
    .name = "weak reference",
    .size = sizeof(struct wane_weak),
    .destroy = destroy_calling,
    .flags = WANE_TYPE_SHARED | WANE_TYPE_INDEXED,
};
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_locks(void) {
    for (int i = 0; i < SHARDS; i++)
        shards[i].lock = (struct wane__mutex)WANE__MUTEX(WANE__RANK_WEAK);
}

static struct shard *shard_of(const struct wane__header *target) { return &shards[wane__targets_hash(target) >> 60]; }

static struct shard *lock_shard(const struct wane__header *target) {
    pthread_once(&once, init_locks);
    struct shard *s = shard_of(target);
    wane__mutex_lock(&s->lock);
    return s;
}

static void add_locked(struct wane__targets *t, struct wane__weak_link *link, struct wane__header *target) {
    store_release(&link->wane__target, target); /* [order:weak] */
    wane__targets_add(t, link);
}

/* Whoever finds a slot empty may put its link into another table at once. */
static void remove_locked(struct wane__targets *t, struct wane__weak_link *link) {
    wane__targets_remove(t, link);
    store_release(&link->wane__target, NULL); /* [order:weak] */
}

/* The caller's unit of h is what lets a reference to it be made. */
static void mark_referenced(struct wane__header *h, const char *operation) {
    wane__need_ours(h, operation);
    uint64_t word = or_acq_rel(&h->shared, WANE__WEAKREFD); /* [order:count] */
    if (!wane__word_has(word, WANE__LIVE))
        wane__fatal_dead(h, operation);
}

wane_weak *wane_weak_new_free(void *obj, void (*callback)(wane_weak *w, void *arg), void *arg, void (*free_arg)(void *arg)) {
    if (obj == NULL) {
        errno = EINVAL;
        return NULL;
    }
    struct wane__header *h = wane__header_of(obj);
    wane__need_ours(h, "wane_weak_new");
    bool plain = callback == NULL && free_arg == NULL;
    struct wane_weak *w = wane_new_at(plain ? &plain_type : &calling_type, 0, NULL);
    if (w == NULL)
        return NULL;
    if (!plain) {
        w->callback = callback;
        w->arg = arg;
        w->free_arg = free_arg;
    }
    mark_referenced(h, "wane_weak_new");
    struct shard *s = lock_shard(h);
    add_locked(callback != NULL ? &s->callers : &s->references, &w->link, h);
    wane__mutex_unlock(&s->lock);
    return w;
}

wane_weak *wane_weak_new(void *obj, void (*callback)(wane_weak *w, void *arg), void *arg) {
    return wane_weak_new_free(obj, callback, arg, NULL);
}

/* A unit of what the link names when it is looked at, or NULL. */
static void *upgrade(struct wane__record *r, const struct wane__weak_link *link) {
    uint64_t begin = 0;
    for (;;) {
        wane__mark(&r->head);
        struct wane__header *h = load_acquire(&link->wane__target); /* [order:weak] */
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

void *wane_weak_get(wane_weak *w) {
    if (w == NULL)
        return NULL;
    struct wane__record *r = wane__record_need("wane_weak_get");
    wane__need_ours(wane__header_of(w), "wane_weak_get");
    return upgrade(r, &w->link);
}

void *wane_weak_slot_get(wane_weak_slot *s) { return upgrade(wane__record_need("wane_weak_slot_get"), &s->wane__link); }

void *wane_upgrade(void *obj) {
    if (obj == NULL)
        return NULL;
    struct wane__record *r = wane__record_need("wane_upgrade");
    struct wane__weak_link found = {.wane__target = wane__header_of(obj)};
    wane__need_ours(found.wane__target, "wane_upgrade");
    return upgrade(r, &found);
}

static size_t length(const struct wane__weak_link *link) {
    size_t n = 0;
    for (; link != NULL; link = link->wane__next)
        n++;
    return n;
}

size_t wane_weak_count(const void *obj) {
    if (obj == NULL)
        return 0;
    const struct wane__header *h = wane__header_of(obj);
    struct shard *s = lock_shard(h);
    size_t n = length(wane__targets_first(&s->references, h)) + length(wane__targets_first(&s->callers, h));
    wane__mutex_unlock(&s->lock);
    return n;
}

void wane__weak_clear(struct wane__header *h) {
    if (!wane__targets_any(&shard_of(h)->references))
        return;
    struct shard *s = lock_shard(h);
    for (struct wane__weak_link *link = wane__targets_take(&s->references, h), *next; link != NULL; link = next) {
        next = link->wane__next;
        link->wane__next = link->wane__previous = NULL;
        store_release(&link->wane__target, NULL); /* [order:weak] */
    }
    wane__mutex_unlock(&s->lock);
}

/* A unit of w, unless it is dead. Under the lock, which a dead one waits for to take itself out: so its memory is there. */
static bool hold_locked(struct wane__record *r, struct wane_weak *w) {
    wane__mark(&r->head);
    bool held = wane__upgrade_marked(wane__header_of(w)) == WANE__UPGRADED;
    wane__unmark(&r->head);
    return held;
}

wane_weak *wane__next_caller(struct wane__record *r, struct wane__header *h) {
    if (!wane__targets_any(&shard_of(h)->callers))
        return NULL;
    struct shard *s = lock_shard(h);
    wane_weak *held = NULL;
    for (struct wane__weak_link *link; held == NULL && (link = wane__targets_first(&s->callers, h)) != NULL;) {
        struct wane_weak *w = (struct wane_weak *)(void *)link;
        held = hold_locked(r, w) ? w : NULL;
        wane__targets_remove(&s->callers, link);
        store_release(&link->wane__target, NULL); /* [order:weak]; one that is dead, and sees that, waits no more */
    }
    wane__mutex_unlock(&s->lock);
    return held;
}

bool wane__next_on_death(struct wane__header *h, struct wane__on_death *ret) {
    if (!wane__targets_any(&shard_of(h)->deaths))
        return false;
    struct shard *s = lock_shard(h);
    struct wane__weak_link *link = wane__targets_first(&s->deaths, h);
    if (link != NULL) {
        const wane_death_node *node = (const wane_death_node *)(void *)link;
        *ret = (struct wane__on_death){.fn = node->wane__fn, .obj = wane__payload_of(h), .arg = node->wane__arg};
        remove_locked(&s->deaths, link);
    }
    wane__mutex_unlock(&s->lock);
    return link != NULL;
}

/* Of the two tables in which a reference may be: `callers` or not. What it names may change or die until the lock is there. */
static void unlink_reference(struct wane__weak_link *link, bool calls) {
    struct wane__header *h;
    while ((h = load_acquire(&link->wane__target)) != NULL) { /* [order:weak] */
        struct shard *s = lock_shard(h);
        if (load_relaxed(&link->wane__target) == h)
            remove_locked(calls ? &s->callers : &s->references, link);
        wane__mutex_unlock(&s->lock);
    }
}

void wane_weak_slot_clear(wane_weak_slot *s) { unlink_reference(&s->wane__link, false); }

static void call_free_arg(struct wane_weak *w) {
    void (*fn)(void *arg) = w->free_arg;
    w->free_arg = NULL;
    if (fn != NULL)
        fn(w->arg);
}

static void destroy_plain(void *self) { unlink_reference(self, false); }

static void destroy_calling(void *self) {
    struct wane_weak *w = self;
    unlink_reference(&w->link, w->callback != NULL);
    call_free_arg(w);
}

void wane__weak_call(void *weak) {
    struct wane_weak *w = weak;
    w->callback(w, w->arg);
    call_free_arg(w);
}

/* The locks of two targets, in the order in which a fork takes them; one, if it is the same. */
static void lock_both(const struct wane__header *a, const struct wane__header *b, struct shard *ret[2]) {
    struct shard *of_a = shard_of(a), *of_b = shard_of(b);
    ret[0] = of_a < of_b ? of_a : of_b;
    ret[1] = of_a < of_b ? of_b : of_a;
    wane__mutex_lock(&ret[0]->lock);
    if (ret[1] != ret[0])
        wane__mutex_lock(&ret[1]->lock);
}

static void unlock_both(struct shard *locked[2]) {
    if (locked[1] != locked[0])
        wane__mutex_unlock(&locked[1]->lock);
    wane__mutex_unlock(&locked[0]->lock);
}

/*
 * An empty slot has no lock: who writes a target where there was none has it to put into a table. Others that see that target need the lock
 * of it, under which that is done. False: it is not empty.
 */
static bool fill(struct wane__weak_link *link, struct wane__header *to) {
    struct wane__header *none = NULL;
    struct shard *s = lock_shard(to);
    bool filled = cas_acq_rel(&link->wane__target, &none, to); /* [order:weak] */
    if (filled)
        wane__targets_add(&s->references, link);
    wane__mutex_unlock(&s->lock);
    return filled;
}

/* Under the locks of both: whoever gets the slot meanwhile finds one or the other, and never none. False: it does not name `from`. */
static bool move(struct wane__weak_link *link, const struct wane__header *from, struct wane__header *to) {
    struct shard *locked[2];
    lock_both(from, to, locked);
    bool same = load_relaxed(&link->wane__target) == from;
    if (same) {
        wane__targets_remove(&shard_of(from)->references, link);
        add_locked(&shard_of(to)->references, link, to);
    }
    unlock_both(locked);
    return same;
}

int wane_weak_slot_set(wane_weak_slot *slot, void *obj) {
    struct wane__weak_link *link = &slot->wane__link;
    if (obj == NULL) {
        unlink_reference(link, false);
        return 0;
    }
    struct wane__header *to = wane__header_of(obj);
    mark_referenced(to, "wane_weak_slot_set");
    for (bool done = false; !done;) {
        const struct wane__header *from = load_acquire(&link->wane__target); /* [order:weak] */
        done = from == NULL ? fill(link, to) : move(link, from, to);
    }
    return 0;
}

int wane_on_death(void *obj, wane_death_node *node, void (*fn)(void *obj, void *arg), void *arg) {
    if (obj == NULL || node == NULL || fn == NULL)
        return -EINVAL;
    struct wane__header *h = wane__header_of(obj);
    wane__need_alive(h, "wane_on_death");
    if ((wane_typeof(obj)->flags & WANE_TYPE_INDEXED) == 0)
        return -EINVAL;
    *node = (wane_death_node){.wane__fn = fn, .wane__arg = arg};
    struct shard *s = lock_shard(h);
    add_locked(&s->deaths, &node->wane__link, h);
    wane__mutex_unlock(&s->lock);
    return 0;
}

/* A node that waits names its object, and nothing else changes that but under the lock. */
bool wane_off_death(void *obj, wane_death_node *node) {
    if (obj == NULL || node == NULL)
        return false;
    const struct wane__header *h = wane__header_of(obj);
    struct shard *s = lock_shard(h);
    bool waits = load_relaxed(&node->wane__link.wane__target) == h;
    if (waits)
        remove_locked(&s->deaths, &node->wane__link);
    wane__mutex_unlock(&s->lock);
    return waits;
}

void wane__weak_fork_prepare(void) {
    pthread_once(&once, init_locks);
    for (int i = 0; i < SHARDS; i++)
        wane__mutex_lock(&shards[i].lock);
}

void wane__weak_fork_release(void) {
    for (int i = SHARDS; i-- > 0;)
        wane__mutex_unlock(&shards[i].lock);
}
