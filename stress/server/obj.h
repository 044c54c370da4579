/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * obj.h: the small objects that everything else is made of: byte strings, arrays of slots, the
 * table of entries.
 *
 * A dict is a hash table whose readers take no lock: they walk it in a guard. Its writers are kept
 * apart, bucket by bucket, by a lock of the caller's. A table that grows or shrinks gets a
 * successor; buckets move there one by one, as copies of their entries, so that a reader in the old
 * chain goes on undisturbed, and finds in the successor what is gone from the old table.
 */
#ifndef SERVER_OBJ_H
#define SERVER_OBJ_H

#include <pthread.h>

#include "mm.h"

enum kind {
    KIND_NONE,
    KIND_STRING,
    KIND_LIST,
    KIND_SET,
    KIND_HASH,
    KIND_ZSET,
    KIND_NODE,
    KIND_OTHER
};

/* First member of everything that a key can hold. */
struct value {
    uint8_t kind; /* immutable */
};

/* Immutable bytes. */
struct str {
    struct value v;
    uint32_t len;
    char data[];
};

/* A piece of memory that belongs to somebody else: an argument in an input buffer, the bytes of a
 * str. */
struct bytes {
    const char *at;
    size_t len;
};

#define BYTES(literal) ((struct bytes){literal, sizeof literal - 1})

void *obj_check(void *obj); /* ends the program when memory is out, as Redis does */
#define obj_new(type) obj_check(mm_new(type))
#define obj_new_extra(type, extra) obj_check(mm_new_extra((type), (extra)))

struct str *str_new(struct bytes b);
struct str *str_new2(struct bytes a, struct bytes b); /* both, one behind the other */
struct str *str_new_int(int64_t n);
struct bytes str_bytes(const struct str *s);
bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_is(struct bytes a, const char *word); /* letters of either case */
bool bytes_to_int(struct bytes b,
                  int64_t *ret); /* as Redis: no spaces, no plus, no leading zeros */
bool bytes_to_double(struct bytes b, double *ret);
uint64_t bytes_hash(struct bytes b);

struct vec {
    size_t room; /* immutable */
    mm_slot item[];
};

struct vec *vec_new(size_t room);

struct entry {
    uint64_t hash;            /* immutable */
    int64_t _Atomic deadline; /* ms of the wall clock; 0: none */
    mm_slot key;              /* struct str, immutable */
    mm_slot value;
    mm_slot next; /* changed under the bucket's lock */
};

struct dict {
    mm_slot table; /* struct table */
    size_t _Atomic count;
};

/* Least number of buckets: a power of two. With striped locks, at least the number of stripes. */
void dict_init(struct dict *d, size_t size);
void dict_replace(struct dict *d, size_t size,
                  void **ret_old); /* under all locks; the old table to the caller */

/* In a guard, without lock: borrowed, or NULL. */
struct entry *dict_find(struct dict *d, uint64_t hash, struct bytes key);

/* In a guard, under the lock of `hash`. add: consumes value; the key must not be there. */
struct entry *dict_find_locked(struct dict *d, uint64_t hash, struct bytes key);
struct entry *dict_add_locked(struct dict *d, uint64_t hash, struct bytes key, void *value);
bool dict_remove_locked(struct dict *d, uint64_t hash, struct bytes key);
/* A fresh entry without deadline in the place of e, which readers may still see. */
void dict_renew_locked(struct dict *d, struct entry *e, void *value);

/* In a guard: starts growing or shrinking when it is time, and moves up to n buckets. locks:
 * stripes, a power of two of them, or NULL when the caller holds the dict's only lock. */
void dict_work(struct dict *d, size_t n, pthread_mutex_t *locks, size_t n_locks, size_t min_size);

/* In a guard, under the only lock: all entries in one table again. Then bucket by bucket. */
void dict_settle_locked(struct dict *d);
size_t dict_size(struct dict *d);
struct entry *dict_bucket(struct dict *d, size_t i);

struct bytes entry_key(struct entry *e); /* borrowed as e is */

#endif
