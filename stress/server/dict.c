/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * dict.c: the table of obj.h.
 *
 * Why a reader misses nothing: an entry that is unlinked keeps its `next`, so whoever stands on it
 * goes on to all that was behind it. New entries come in front. An entry is replaced in its place.
 * A bucket is emptied only after copies of its entries are in the successor, and `grown` was set
 * before that, so who finds the bucket empty sees the successor. A reader that still sees the old
 * copy of a moved entry began before the move: what it reads was true in its time.
 *
 * A table is done when all of its buckets have moved. Each mover claims a bucket and counts it when
 * it is done, so the successor takes over only after the last claimed one; `grown` stays set for
 * those who still hold the old table.
 */
#include "obj.h"

#include <string.h>

struct table {
    size_t mask;            /* immutable */
    size_t _Atomic claimed; /* next bucket to move */
    size_t _Atomic moved;
    mm_slot grown; /* struct table: the successor */
    mm_slot bucket[];
};

static mm_type table_type = {
    .name = "table",
    .size = offsetof(struct table, bucket),
    .slots = MM_SLOTS(struct table, grown),
    .flags = MM_EXTRA_SLOTS,
};

static mm_type entry_type = {
    .name = "entry",
    .size = sizeof(struct entry),
    .slots = MM_SLOTS(struct entry, key, value, next),
};

static struct table *table_new(size_t size) {
    struct table *t = obj_new_extra(&table_type, size * sizeof t->bucket[0]);
    t->mask = size - 1;
    return t;
}

void dict_init(struct dict *d, size_t size) { mm_slot_init(&d->table, table_new(size)); }

void dict_replace(struct dict *d, size_t size, void **ret_old) {
    *ret_old = mm_slot_load(&d->table);
    mm_slot_give(&d->table, table_new(size));
    atomic_store(&d->count, 0);
}

struct bytes entry_key(struct entry *e) {
    return str_bytes(mm_slot_held(&e->key));
}

static bool matches(struct entry *e, uint64_t hash, struct bytes key) {
    return e->hash == hash && bytes_equal(entry_key(e), key);
}

struct entry *dict_find(struct dict *d, uint64_t hash, struct bytes key) {
    struct table *t = mm_slot_peek(&d->table);
    while (t != NULL) {
        struct entry *e = mm_slot_peek(&t->bucket[hash & t->mask]);
        for (; e != NULL; e = mm_slot_peek(&e->next)) {
            if (matches(e, hash, key)) {
                return e;
            }
        }
        t = mm_slot_peek(&t->grown);
    }
    return NULL;
}

/* Under the lock of the bucket in both tables: they share a stripe, as each stripe is a part of
 * each mask. */
static void move_bucket(struct table *from, struct table *to, size_t i) {
    mm_slot *head = &from->bucket[i];
    if (mm_slot_held(head) == NULL) {
        return;
    }
    for (struct entry *e = mm_slot_held(head); e != NULL; e = mm_slot_held(&e->next)) {
        struct entry *copy = obj_new(&entry_type);
        mm_slot *place = &to->bucket[e->hash & to->mask];
        copy->hash = e->hash;
        atomic_init(&copy->deadline, atomic_load(&e->deadline));
        mm_slot_init(&copy->key, mm_slot_load(&e->key));
        mm_slot_init(&copy->value, mm_slot_load(&e->value));
        mm_slot_init(&copy->next, mm_slot_load(place));
        mm_slot_give(place, copy);
    }
    mm_slot_clear(head);
}

/* The table in which the bucket of `hash` lives, after moving it there. */
static struct table *current_table(struct dict *d, uint64_t hash) {
    struct table *t = mm_slot_peek(&d->table);
    for (;;) {
        struct table *g = mm_slot_peek(&t->grown);
        if (g == NULL) {
            return t;
        }
        move_bucket(t, g, hash & t->mask);
        t = g;
    }
}

/* The slot that refers to the entry, or the empty slot at the end. */
static mm_slot *place_of(struct table *t, uint64_t hash, struct bytes key) {
    mm_slot *s = &t->bucket[hash & t->mask];
    for (struct entry *e = mm_slot_held(s); e != NULL; e = mm_slot_held(s)) {
        if (matches(e, hash, key)) {
            break;
        }
        s = &e->next;
    }
    return s;
}

struct entry *dict_find_locked(struct dict *d, uint64_t hash, struct bytes key) {
    return mm_slot_held(place_of(current_table(d, hash), hash, key));
}

struct entry *dict_add_locked(struct dict *d, uint64_t hash, struct bytes key, void *value) {
    struct table *t = current_table(d, hash);
    struct entry *e = obj_new(&entry_type);
    mm_slot *head = &t->bucket[hash & t->mask];
    e->hash = hash;
    mm_slot_init(&e->key, str_new(key));
    mm_slot_init(&e->value, value);
    mm_slot_init(&e->next, mm_slot_load(head));
    mm_slot_give(head, e);
    atomic_fetch_add(&d->count, 1);
    return e;
}

bool dict_remove_locked(struct dict *d, uint64_t hash, struct bytes key) {
    mm_slot *s = place_of(current_table(d, hash), hash, key);
    struct entry *e = mm_slot_held(s);
    if (e == NULL) {
        return false;
    }
    mm_slot_give(s, mm_slot_load(&e->next));
    atomic_fetch_sub(&d->count, 1);
    return true;
}

void dict_renew_locked(struct dict *d, struct entry *e, void *value) {
    mm_slot *s = place_of(current_table(d, e->hash), e->hash, entry_key(e));
    struct entry *fresh = obj_new(&entry_type);
    fresh->hash = e->hash;
    mm_slot_init(&fresh->key, mm_slot_load(&e->key));
    mm_slot_init(&fresh->value, value);
    mm_slot_init(&fresh->next, mm_slot_load(&e->next));
    mm_slot_give(s, fresh);
}

static void start_successor(struct dict *d, struct table *t, size_t min_size) {
    size_t size = t->mask + 1;
    size_t count = atomic_load(&d->count);
    size_t want = size;
    if (count > size) {
        want = size * 2;
    } else if (count < size / 8 && size > min_size) {
        want = size / 2;
    }
    if (want != size) {
        struct table *g = table_new(want);
        mm_slot_cas(&t->grown, NULL, g);
        mm_release(g);
    }
}

void dict_work(struct dict *d, size_t n, pthread_mutex_t *locks, size_t n_locks, size_t min_size) {
    struct table *t = mm_slot_peek(&d->table);
    struct table *g = mm_slot_peek(&t->grown);
    if (g == NULL) {
        start_successor(d, t, min_size);
        return;
    }
    for (; n > 0; n--) {
        size_t i = atomic_load(&t->claimed) > t->mask ? SIZE_MAX : atomic_fetch_add(&t->claimed, 1);
        if (i > t->mask) {
            return;
        }
        if (locks != NULL) {
            pthread_mutex_lock(&locks[i & (n_locks - 1)]);
        }
        move_bucket(t, g, i);
        if (locks != NULL) {
            pthread_mutex_unlock(&locks[i & (n_locks - 1)]);
        }
        if (atomic_fetch_add(&t->moved, 1) == t->mask) {
            mm_slot_cas(&d->table, t, g);
            return;
        }
    }
}

void dict_settle_locked(struct dict *d) {
    struct table *t = mm_slot_peek(&d->table);
    while (mm_slot_peek(&t->grown) != NULL) {
        dict_work(d, t->mask + 1, NULL, 0, 0);
        t = mm_slot_peek(&d->table);
    }
}

size_t dict_size(struct dict *d) { return ((struct table *)mm_slot_peek(&d->table))->mask + 1; }

struct entry *dict_bucket(struct dict *d, size_t i) {
    struct table *t = mm_slot_peek(&d->table);
    return i <= t->mask ? mm_slot_peek(&t->bucket[i]) : NULL;
}
