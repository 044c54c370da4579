/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * store.h: names and what they stand for: the keys, and the channels of PUBLISH.
 *
 * Readers look up in a guard, without lock. Writers hold the stripe of the name's hash while they
 * change the entry, and change lists, sets and the like only under it; so a value's own lock only
 * keeps its readers apart from its writer. A writer enters a guard before it takes a lock: inside a
 * guard no call of the memory management waits.
 */
#ifndef SERVER_STORE_H
#define SERVER_STORE_H

#include "obj.h"

#define STRIPES 32 /* FLUSHALL takes all of them, and TSan knows at most 64 held locks */

struct store {
    struct dict dict;
    pthread_mutex_t lock[STRIPES];
};

extern struct store keys;
extern struct store channels;

void store_start(struct store *s);
void store_end(struct store *s);
size_t store_count(struct store *s);
/* Forgets everything; the caller gets the old table. */
void *store_replace(struct store *s);

/* In a guard: the value, borrowed; NULL when there is none or it has expired. */
void *store_get(struct store *s, struct bytes name);
/* The same with its deadline (0: none). */
void *store_get_deadline(struct store *s, struct bytes name, int64_t *ret_deadline);

/* A name under its lock, in a guard, from spot_lock to spot_unlock. */
struct spot {
    struct store *store;
    uint64_t hash;
    struct bytes name;
    struct entry *entry; /* NULL: the name is free */
    bool resized;        /* an entry came or went */
};

struct spot spot_lock(struct store *s, struct bytes name);
void spot_unlock(struct spot *p);
void *spot_value(struct spot *p);            /* borrowed, or NULL */
void spot_set(struct spot *p, void *value);  /* consumed; no deadline any more */
void spot_swap(struct spot *p, void *value); /* consumed; the deadline stays */
bool spot_delete(struct spot *p);
void spot_expire(struct spot *p, int64_t deadline);

int64_t now_ms(void); /* wall clock */
bool store_may_expire(void);
void store_sweep(
    struct store *s,
    size_t buckets); /* removes what has expired, a few buckets on from the last call */

/* Lets an object die on a thread of its own: for what is big. Consumed. */
void lazy_start(void);
void lazy_end(void);
void lazy_free(void *obj);

#endif
