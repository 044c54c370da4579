/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * A cache for several threads that keeps nothing alive by itself. An entry holds a weak reference: while some thread uses
 * the value, every thread gets the same one. When nobody uses it any more it dies, and the next lookup makes it again.
 *
 * A lookup that hits takes no lock. A miss takes the lock of its bucket, so that only one thread makes a value; on its
 * way it removes entries whose values are dead.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <wane.h>

enum { BUCKETS = 16, KEYS = 100, THREADS = 4 };

struct value { int key; };
static wane_type value_type = {.name = "value", .size = sizeof(struct value)};

struct entry {
    int key;
    wane_slot value; /* a wane_weak, never replaced */
    wane_slot next;
};
static wane_type entry_type = {.name = "entry",
                               .size = sizeof(struct entry),
                               .slots = WANE_SLOTS(struct entry, value, next),
                               .flags = WANE_TYPE_ACYCLIC}; /* a chain is no cycle */

static struct bucket {
    pthread_mutex_t lock; /* held by whoever changes the chain */
    wane_slot first;
} buckets[BUCKETS];
static atomic_int made, entries;

/* The value, if there is an entry for key and the value is alive: a reference for the caller. */
static struct value *find(struct bucket *b, int key) {
    struct value *found = NULL;
    wane_guard_enter();
    for (struct entry *e = wane_slot_peek(&b->first); e != NULL && found == NULL; e = wane_slot_peek(&e->next)) {
        if (e->key == key)
            found = wane_weak_get(wane_slot_peek(&e->value));
    }
    wane_guard_leave();
    return found;
}

/* The caller holds the lock, so that a slot of the chain may be peeked at without a guard. */
static void remove_dead(struct bucket *b) {
    wane_slot *link = &b->first;
    struct entry *e;
    while ((e = wane_slot_peek(link)) != NULL) {
        struct value *v = wane_weak_get(wane_slot_peek(&e->value));
        if (v != NULL) {
            link = &e->next;
            wane_release(v);
        } else {
            wane_slot_store(link, wane_slot_peek(&e->next)); /* whoever reads e meanwhile can go on from it */
            entries--;
        }
    }
}

static struct value *make(struct bucket *b, int key) {
    struct value *v = wane_new(&value_type);
    struct entry *e = wane_new(&entry_type);
    v->key = key;
    e->key = key;
    wane_slot_init(&e->value, wane_weak_new(v, NULL, NULL));
    wane_slot_init(&e->next, wane_slot_load(&b->first));
    wane_slot_give(&b->first, e); /* published: all of it is written */
    made++;
    entries++;
    return v;
}

/* The value of key, as a reference for the caller. */
static struct value *get(int key) {
    struct bucket *b = &buckets[key % BUCKETS];
    struct value *v = find(b, key);
    if (v != NULL)
        return v;
    wane_guard_enter(); /* so that no slot call makes us wait while we hold the lock */
    pthread_mutex_lock(&b->lock);
    v = find(b, key); /* another thread may have made it */
    if (v == NULL) {
        remove_dead(b);
        v = make(b, key);
    }
    pthread_mutex_unlock(&b->lock);
    wane_guard_leave();
    return v;
}

static pthread_barrier_t all_have_them;

static void *use(void *arg) {
    struct value *mine[KEYS];
    for (int i = 0; i < KEYS; i++)
        mine[i] = get(i);
    pthread_barrier_wait(&all_have_them);
    for (int i = 0; i < KEYS; i++)
        wane_release(mine[i]);
    return arg;
}

int main(void) {
    for (int i = 0; i < BUCKETS; i++)
        pthread_mutex_init(&buckets[i].lock, NULL);
    pthread_barrier_init(&all_have_them, NULL, THREADS);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, use, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    wane_flush(); /* releases by other threads are settled a little later: here we want to know */
    printf("%d values made, %d entries\n", made, entries);

    for (int i = 0; i < BUCKETS; i++) /* a miss in each bucket clears it */
        wane_release(get(KEYS + i));
    printf("%d values made, %d entries\n", made, entries);

    for (int i = 0; i < BUCKETS; i++)
        wane_slot_clear(&buckets[i].first);
    wane_flush();
    wane_stats s = {.struct_size = sizeof s};
    wane_stats_get(&s);
    printf("%zu objects alive\n", s.live_objects);
    return 0;
}
/* prints:
100 values made, 100 entries
116 values made, 16 entries
0 objects alive
*/
