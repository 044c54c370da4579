/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value.h: what a key can hold besides a string. Each value is changed by one thread at a time,
 * which holds the stripe of its key and, while it changes what readers see, the value's own lock.
 * Pointers that come out are borrowed: the caller is in a guard.
 */
#ifndef SERVER_VALUE_H
#define SERVER_VALUE_H

#include "obj.h"

/* A list: a ring of slots. */
struct list {
    struct value v;
    pthread_mutex_t lock;
    size_t head; /* these under the lock */
    size_t count;
    mm_slot ring; /* struct vec, its room a power of two */
};

struct list *list_new(void);
void list_push(struct list *l, bool front, struct str *s); /* consumes s */
struct str *list_pop(struct list *l, bool front);          /* a unit, or NULL */
size_t list_count(struct list *l);
/* The borrowed elements from..to, as LRANGE counts them; returns how many. The caller frees it
 * (mm_root_free). */
size_t list_range(struct list *l, int64_t from, int64_t to, struct str ***ret);

/* Sets (entries without value) and hashes. Finding needs no lock. */
struct group {
    struct value v;
    pthread_mutex_t lock;
    struct dict dict;
};

struct group *group_new(enum kind kind);
bool group_put(struct group *g, struct bytes name,
               void *value); /* consumes value; true: the name is new */
bool group_remove(struct group *g, struct bytes name);
struct entry *group_find(struct group *g, struct bytes name);
size_t group_count(struct group *g);
struct entry *group_random(struct group *g);
/* A borrowed copy of all entries. The caller frees it (mm_root_free). */
size_t group_all(struct group *g, struct entry ***ret);

/* A set ordered by score: a table by member and a skip list by score and member. */
struct zset *zset_new(void);
bool zset_put(struct zset *z, struct bytes member, double score); /* true: new */
bool zset_score(struct zset *z, struct bytes member, double *ret);
struct str *zset_pop_min(struct zset *z, double *ret_score); /* a unit, or NULL */
size_t zset_count(struct zset *z);

/* A node of a graph. */
struct node *node_new(void);
bool node_link(struct node *from, struct node *to);
bool node_unlink(struct node *from, struct node *to);
size_t node_count(struct node *n);

#endif
