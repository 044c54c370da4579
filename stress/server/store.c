/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * store.c: the two stores, expiry, and the thread that lets big things die.
 */
#include "store.h"

#include <time.h>

struct store keys;
struct store channels;

static size_t _Atomic
    deadlines_set; /* since the start: a server that never saw one need not sweep */

void store_start(struct store *s) {
    for (size_t i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&s->lock[i], NULL);
    }
    dict_init(&s->dict, STRIPES);
}

void store_end(struct store *s) {
    mm_slot_clear(&s->dict.table);
    for (size_t i = 0; i < STRIPES; i++) {
        pthread_mutex_destroy(&s->lock[i]);
    }
}

size_t store_count(struct store *s) { return atomic_load(&s->dict.count); }

void *store_replace(struct store *s) {
    void *old;
    mm_guard_enter();
    for (size_t i = 0; i < STRIPES; i++) {
        pthread_mutex_lock(&s->lock[i]);
    }
    dict_replace(&s->dict, STRIPES, &old);
    for (size_t i = STRIPES; i-- > 0;) {
        pthread_mutex_unlock(&s->lock[i]);
    }
    mm_guard_leave();
    return old;
}

int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool expired(struct entry *e) {
    int64_t deadline = atomic_load(&e->deadline);
    return deadline != 0 && deadline <= now_ms();
}

void *store_get_deadline(struct store *s, struct bytes name, int64_t *ret_deadline) {
    struct entry *e = dict_find(&s->dict, bytes_hash(name), name);
    if (e == NULL || expired(e)) {
        return NULL;
    }
    *ret_deadline = atomic_load(&e->deadline);
    return mm_slot_peek(&e->value);
}

void *store_get(struct store *s, struct bytes name) {
    int64_t ignored;
    return store_get_deadline(s, name, &ignored);
}

struct spot spot_lock(struct store *s, struct bytes name) {
    struct spot p = {.store = s, .hash = bytes_hash(name), .name = name};
    mm_guard_enter();
    pthread_mutex_lock(&s->lock[p.hash & (STRIPES - 1)]);
    p.entry = dict_find_locked(&s->dict, p.hash, name);
    if (p.entry != NULL && expired(p.entry)) {
        spot_delete(&p);
    }
    return p;
}

void spot_unlock(struct spot *p) {
    struct store *s = p->store;
    pthread_mutex_unlock(&s->lock[p->hash & (STRIPES - 1)]);
    if (p->resized) {
        dict_work(&s->dict, 4, s->lock, STRIPES, STRIPES);
    }
    mm_guard_leave();
}

void *spot_value(struct spot *p) {
    return p->entry == NULL ? NULL : mm_slot_held(&p->entry->value);
}

void spot_swap(struct spot *p, void *value) {
    if (p->entry == NULL) {
        p->entry = dict_add_locked(&p->store->dict, p->hash, p->name, value);
        p->resized = true;
    } else {
        mm_slot_give(&p->entry->value, value);
    }
}

void spot_set(struct spot *p, void *value) {
    if (p->entry == NULL || atomic_load(&p->entry->deadline) == 0) {
        spot_swap(p, value);
        return;
    }
    /* A reader must not meet the new value with the old deadline. */
    dict_renew_locked(&p->store->dict, p->entry, value);
    p->entry = dict_find_locked(&p->store->dict, p->hash, p->name);
}

bool spot_delete(struct spot *p) {
    if (p->entry == NULL) {
        return false;
    }
    p->entry = NULL;
    p->resized = true;
    return dict_remove_locked(&p->store->dict, p->hash, p->name);
}

void spot_expire(struct spot *p, int64_t deadline) {
    atomic_store(&p->entry->deadline, deadline);
    atomic_fetch_add(&deadlines_set, 1);
}

bool store_may_expire(void) { return atomic_load(&deadlines_set) > 0; }

/* In a guard: a held unit of the key of some expired entry in the bucket, or NULL. */
static struct str *expired_key(struct store *s, size_t i) {
    struct entry *e = dict_bucket(&s->dict, i);
    while (e != NULL && !expired(e)) {
        e = mm_slot_peek(&e->next);
    }
    return e == NULL ? NULL : mm_slot_load(&e->key);
}

void store_sweep(struct store *s, size_t buckets) {
    static size_t at; /* of the one worker that sweeps */
    for (size_t n = 0; n < buckets; n++) {
        struct str *key;
        do {
            mm_guard_enter();
            key = expired_key(s, at);
            mm_guard_leave();
            if (key != NULL) {
                struct spot p = spot_lock(s, str_bytes(key));
                spot_unlock(&p);
                mm_release(key);
            }
        } while (key != NULL);
        /* Also moves on what nobody else moves on: what is in a table's successor is not seen here. */
        mm_guard_enter();
        dict_work(&s->dict, 4, s->lock, STRIPES, STRIPES);
        at = at + 1 < dict_size(&s->dict) ? at + 1 : 0;
        mm_guard_leave();
    }
}

/* The thread for big deaths. Its list is made of objects, so that every back end sees what waits in
 * it. */
struct cell {
    mm_slot next;
    mm_slot doomed;
};
static mm_type cell_type = {
    .name = "lazy cell",
    .size = sizeof(struct cell),
    .slots = MM_SLOTS(struct cell, next, doomed),
};
static pthread_mutex_t lazy_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t lazy_more = PTHREAD_COND_INITIALIZER;
static mm_slot lazy_list;
static bool lazy_stop;
static pthread_t lazy_thread;

void lazy_free(void *obj) {
    struct cell *c = obj_new(&cell_type);
    mm_slot_init(&c->doomed, obj);
    mm_guard_enter();
    pthread_mutex_lock(&lazy_lock);
    mm_slot_init(&c->next, mm_slot_load(&lazy_list));
    mm_slot_give(&lazy_list, c);
    pthread_cond_signal(&lazy_more);
    pthread_mutex_unlock(&lazy_lock);
    mm_guard_leave();
}

static void *lazy_main(void *ignored) {
    mm_thread_enter();
    for (;;) {
        pthread_mutex_lock(&lazy_lock);
        while (mm_slot_held(&lazy_list) == NULL && !lazy_stop) {
            pthread_cond_wait(&lazy_more, &lazy_lock);
        }
        mm_guard_enter();
        void *list = mm_slot_take(&lazy_list);
        mm_guard_leave();
        pthread_mutex_unlock(&lazy_lock);
        if (list == NULL) {
            break;
        }
        /* The unit that the doomed object lost when it left its place is put off; after the flush
         * ours is the last. */
        mm_flush();
        mm_release(list);
    }
    mm_thread_exit();
    return ignored;
}

void lazy_start(void) { pthread_create(&lazy_thread, NULL, lazy_main, NULL); }

void lazy_end(void) {
    pthread_mutex_lock(&lazy_lock);
    lazy_stop = true;
    pthread_cond_signal(&lazy_more);
    pthread_mutex_unlock(&lazy_lock);
    pthread_join(lazy_thread, NULL);
}
