/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * A hash table in shards. Lookups take no lock: they read in a guard. A change takes the lock of one shard. Growing makes
 * a new array with new nodes and replaces the old one by a single store: a reader sees the one or the other, each whole.
 */
#include <pthread.h>
#include <stdio.h>
#include <wane.h>

enum { SHARDS = 8, KEYS = 5000, THREADS = 4 };

struct node {
    uint64_t key;
    wane_slot value;
    wane_slot next;
};
static wane_type node_type = {.name = "node", .size = sizeof(struct node), .slots = WANE_SLOTS(struct node, value, next)};

/* Its buckets lie behind it: extra bytes that are all slots. */
struct array {
    size_t size; /* a power of two; never changes */
    wane_slot bucket[];
};
static wane_type array_type = {.name = "array", .size = sizeof(struct array), .flags = WANE_TYPE_EXTRA_SLOTS};

struct number { long n; };
static wane_type number_type = {.name = "number", .size = sizeof(struct number), .flags = WANE_TYPE_SHARED};

static struct shard {
    _Alignas(64) pthread_mutex_t lock; /* held by whoever changes the shard */
    size_t used;
    wane_slot array;
} shards[SHARDS];

static uint64_t mix(uint64_t key) { return key * 0x9E3779B97F4A7C15u; }

static struct shard *shard_of(uint64_t key) { return &shards[mix(key) >> 61]; }

static wane_slot *bucket_of(struct array *a, uint64_t key) { return &a->bucket[(mix(key) >> 32) & (a->size - 1)]; }

/* The value of key as a reference for the caller, or NULL. */
static void *table_get(uint64_t key) {
    void *value = NULL;
    wane_guard_enter();
    struct array *a = wane_slot_peek(&shard_of(key)->array);
    struct node *n = a != NULL ? wane_slot_peek(bucket_of(a, key)) : NULL;
    while (n != NULL && n->key != key)
        n = wane_slot_peek(&n->next);
    if (n != NULL)
        value = wane_slot_load(&n->value);
    wane_guard_leave();
    return value;
}

static struct array *array_new(size_t size) {
    struct array *a = wane_new_extra(&array_type, size * sizeof(wane_slot));
    a->size = size;
    return a;
}

/* value: borrowed. */
static void link_node(wane_slot *bucket, uint64_t key, void *value) {
    struct node *n = wane_new(&node_type);
    n->key = key;
    wane_slot_init(&n->value, wane_retain(value));
    wane_slot_init(&n->next, wane_slot_load(bucket));
    wane_slot_give(bucket, n);
}

/* The caller holds the lock. Nodes are copied, since readers may be walking the old chains. */
static struct array *grow(struct shard *s, struct array *old) {
    struct array *a = array_new(old != NULL ? old->size * 2 : 16);
    for (size_t i = 0; old != NULL && i < old->size; i++) {
        for (struct node *n = wane_slot_peek(&old->bucket[i]); n != NULL; n = wane_slot_peek(&n->next))
            link_node(bucket_of(a, n->key), n->key, wane_slot_peek(&n->value));
    }
    wane_slot_give(&s->array, a);
    return a;
}

/* value: borrowed. */
static void table_set(uint64_t key, void *value) {
    struct shard *s = shard_of(key);
    wane_guard_enter(); /* before the lock: inside a guard no call of the library waits */
    pthread_mutex_lock(&s->lock);
    struct array *a = wane_slot_peek(&s->array);
    struct node *n = a != NULL ? wane_slot_peek(bucket_of(a, key)) : NULL;
    while (n != NULL && n->key != key)
        n = wane_slot_peek(&n->next);
    if (n != NULL) {
        wane_slot_store(&n->value, value);
    } else {
        if (a == NULL || s->used == a->size)
            a = grow(s, a);
        link_node(bucket_of(a, key), key, value);
        s->used++;
    }
    pthread_mutex_unlock(&s->lock);
    wane_guard_leave();
}

static void *fill(void *arg) {
    for (uint64_t key = (uint64_t)arg; key < KEYS; key += THREADS) {
        struct number *n = wane_new(&number_type);
        n->n = (long)key;
        table_set(key, n);
        wane_release(n);
        if ((n = table_get(key / 2)) != NULL) /* perhaps another thread's, or not there yet */
            wane_release(n);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < SHARDS; i++)
        pthread_mutex_init(&shards[i].lock, NULL);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, fill, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    long sum = 0;
    for (uint64_t key = 0; key < KEYS; key++) {
        struct number *n = table_get(key);
        sum += n->n;
        wane_release(n);
    }
    for (int i = 0; i < SHARDS; i++)
        wane_slot_clear(&shards[i].array);
    wane_flush();
    wane_stats s = {.struct_size = sizeof s};
    wane_stats_get(&s);
    printf("sum %ld, %zu objects alive\n", sum, s.live_objects);
    return 0;
}
/* prints:
sum 12497500, 0 objects alive
*/
