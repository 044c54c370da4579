/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * mm_atomic.c: slots under striped locks, guards, and iterative death for the atomic back end.
 *
 * Reading a slot takes the stripe's lock, counts, lets the lock go: between reading the pointer and
 * counting it nobody may drop the slot's unit. Units that come out of slots are released after the
 * lock, so that a death, which releases further slots, runs under no lock. A death found inside a
 * guard waits in the guard's list, as the shim promises that nothing in a guard runs `destroy`.
 */
#include "mm.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRIPES 1024
static struct { _Alignas(64) pthread_mutex_t lock; } stripes[STRIPES];

/* A growing list of objects of this thread. */
struct pile {
    void **item;
    size_t n;
    size_t room;
};
static __thread struct pile borrowed; /* units to release when the guard ends */
static __thread struct pile dying;    /* objects whose last unit went */
static __thread unsigned nest;
static __thread bool burying;

__attribute__((constructor)) static void stripes_init(void) {
    for (size_t i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&stripes[i].lock, NULL);
    }
}

static pthread_mutex_t *stripe_of(const mm_slot *s) {
    uintptr_t x = (uintptr_t)s >> 3;
    return &stripes[(x ^ x >> 10) % STRIPES].lock;
}

static void pile_push(struct pile *p, void *obj) {
    if (p->n == p->room) {
        p->room = p->room == 0 ? 256 : p->room * 2;
        p->item = realloc(p->item, p->room * sizeof p->item[0]);
        if (p->item == NULL) {
            fprintf(stderr, "out of memory\n");
            abort();
        }
    }
    p->item[p->n++] = obj;
}

void *mm_new_extra(const mm_type *type, size_t extra) {
    size_t bytes = MM_HEAD_SIZE + type->size + extra;
    struct mm_head *h = calloc(1, bytes);
    if (h == NULL) {
        return NULL;
    }
    h->type = type;
    h->extra = extra;
    atomic_init(&h->count, 1);
    struct mm_shard *shard = mm_shard_of_thread();
    atomic_fetch_add_explicit(&shard->made, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&shard->bytes_made, bytes, memory_order_relaxed);
    return (char *)h + MM_HEAD_SIZE;
}

static void drop_slot(mm_slot *s) {
    void *obj = mm_slot_held(s);
    mm_slot_init(s, NULL);
    mm_release(obj);
}

static void bury(void *obj) {
    struct mm_head *h = mm__head_of(obj);
    for (const size_t *at = h->type->slots; at != NULL && *at != MM_SLOTS_END; at++) {
        drop_slot((mm_slot *)(void *)((char *)obj + *at));
    }
    if (h->type->flags & MM_EXTRA_SLOTS) {
        mm_slot *extra = (mm_slot *)(void *)((char *)obj + h->type->size);
        for (size_t i = 0; i < h->extra / sizeof extra[0]; i++) {
            drop_slot(&extra[i]);
        }
    }
    if (h->type->destroy != NULL) {
        h->type->destroy(obj);
    }
    struct mm_shard *shard = mm_shard_of_thread();
    size_t bytes = MM_HEAD_SIZE + h->type->size + h->extra;
    atomic_fetch_add_explicit(&shard->freed, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&shard->bytes_freed, bytes, memory_order_relaxed);
    free(h);
}

/* One loop for whole graphs: what dies of a death joins the list. */
static void bury_all(void) {
    if (burying || nest > 0) {
        return;
    }
    burying = true;
    while (dying.n > 0) {
        bury(dying.item[--dying.n]);
    }
    burying = false;
}

void mm__die(void *obj) {
    pile_push(&dying, obj);
    bury_all();
}

void *mm_slot_load(mm_slot *s) {
    pthread_mutex_t *lock = stripe_of(s);
    pthread_mutex_lock(lock);
    void *obj = mm_retain(mm_slot_held(s));
    pthread_mutex_unlock(lock);
    return obj;
}

void *mm_slot_peek(mm_slot *s) {
    void *obj = mm_slot_load(s);
    if (obj != NULL) {
        pile_push(&borrowed, obj);
    }
    return obj;
}

static void *exchange(mm_slot *s, void *obj) {
    pthread_mutex_t *lock = stripe_of(s);
    pthread_mutex_lock(lock);
    void *old = mm_slot_held(s);
    mm_slot_init(s, obj);
    pthread_mutex_unlock(lock);
    return old;
}

void *mm_slot_take(mm_slot *s) { return exchange(s, NULL); }

/* Inside a guard the caller may still use what it borrowed from another thread's view of this slot:
 * it counted that. */
void mm_slot_give(mm_slot *s, void *obj) { mm_release(exchange(s, obj)); }

bool mm_slot_cas(mm_slot *s, void *expected, void *desired) {
    pthread_mutex_t *lock = stripe_of(s);
    pthread_mutex_lock(lock);
    bool same = mm_slot_held(s) == expected;
    if (same) {
        mm_slot_init(s, mm_retain(desired));
    }
    pthread_mutex_unlock(lock);
    if (same) {
        mm_release(expected);
    }
    return same;
}

void mm_guard_enter(void) { nest++; }

void mm_guard_leave(void) {
    if (nest > 1) {
        nest--;
        return;
    }
    while (borrowed.n > 0) {
        mm_release(borrowed.item[--borrowed.n]);
    }
    nest = 0;
    bury_all();
}

void mm_thread_enter(void) {}

void mm_thread_exit(void) {
    free(borrowed.item);
    free(dying.item);
    borrowed = dying = (struct pile){0};
}

size_t mm_collect(void) {
    malloc_trim(0);
    return 0;
}

uint64_t mm_finish(void) {
    struct mm_stats s;
    mm_stats_get(&s);
    return s.live;
}

void *mm_root_new(size_t size) { return calloc(1, size); }
void mm_root_free(void *root) { free(root); }

void mm_stats_get(struct mm_stats *ret) {
    *ret = (struct mm_stats){0};
    mm_shards_sum(ret);
    ret->heap_bytes = ret->live_bytes;
}

void mm_stats_each(mm_stats_fn *fn, void *arg) {
    struct mm_stats s;
    mm_stats_get(&s);
    fn("live_objects", s.live, arg);
    fn("live_bytes", s.live_bytes, arg);
}

const char *mm_option_name(size_t i) {
    (void)i;
    return NULL;
}

bool mm_option_get(const char *name, int64_t *ret) {
    (void)name;
    (void)ret;
    return false;
}

bool mm_option_set(const char *name, int64_t value) {
    (void)name;
    (void)value;
    return false;
}
