/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * zset.c: sorted sets: a skip list in the order of (score, member), and a table that finds a
 * member's step in it.
 *
 * A step that leaves the list gives up its own references on, so that a step somebody holds does
 * not hold the rest.
 */
#include "value.h"

#include <stdlib.h>
#include <string.h>

#define LEVELS 20

struct step {
    double score;   /* immutable */
    size_t levels;  /* immutable */
    mm_slot member; /* struct str */
    mm_slot next[]; /* under the set's lock */
};

struct zset {
    struct value v;
    pthread_mutex_t lock;
    struct dict dict; /* member -> struct step */
    mm_slot first;    /* struct step with all levels and no member */
    uint64_t random;
};

static mm_type step_type = {
    .name = "zset step",
    .size = offsetof(struct step, next),
    .slots = MM_SLOTS(struct step, member),
    .flags = MM_EXTRA_SLOTS,
};

static mm_type zset_type = {
    .name = "zset",
    .size = sizeof(struct zset),
    .slots = MM_SLOTS(struct zset, dict.table, first),
};

static struct step *step_new(double score, size_t levels) {
    struct step *s = obj_new_extra(&step_type, levels * sizeof s->next[0]);
    s->score = score;
    s->levels = levels;
    return s;
}

struct zset *zset_new(void) {
    struct zset *z = obj_new(&zset_type);
    z->v.kind = KIND_ZSET;
    z->random = UINT64_C(0x2545f4914f6cdd1d);
    dict_init(&z->dict, 8);
    mm_slot_init(&z->first, step_new(0, LEVELS));
    return z;
}

static size_t random_levels(struct zset *z) {
    z->random ^= z->random << 13;
    z->random ^= z->random >> 7;
    z->random ^= z->random << 17;
    size_t levels = 1;
    for (uint64_t r = z->random; levels < LEVELS && (r & 3) == 0; r >>= 2) {
        levels++;
    }
    return levels;
}

static bool before(struct step *s, double score, struct bytes member) {
    if (s->score != score) {
        return s->score < score;
    }
    struct bytes own = str_bytes(mm_slot_held(&s->member));
    size_t least = own.len < member.len ? own.len : member.len;
    int order = memcmp(own.at, member.at, least);
    return order != 0 ? order < 0 : own.len < member.len;
}

/* For each level the last step before (score, member). */
static void path_to(struct zset *z, double score, struct bytes member, struct step *ret[LEVELS]) {
    struct step *at = mm_slot_held(&z->first);
    for (size_t level = LEVELS; level-- > 0;) {
        for (;;) {
            struct step *next = mm_slot_held(&at->next[level]);
            if (next == NULL || !before(next, score, member)) {
                break;
            }
            at = next;
        }
        ret[level] = at;
    }
}

static void unlink_step(struct zset *z, struct step *s) {
    struct step *path[LEVELS];
    path_to(z, s->score, str_bytes(mm_slot_held(&s->member)), path);
    for (size_t level = 0; level < s->levels; level++) {
        mm_slot_give(&path[level]->next[level], mm_slot_load(&s->next[level]));
        mm_slot_clear(&s->next[level]);
    }
}

/* Takes a unit of its own of s. */
static void link_step(struct zset *z, struct step *s) {
    struct step *path[LEVELS];
    path_to(z, s->score, str_bytes(mm_slot_held(&s->member)), path);
    for (size_t level = 0; level < s->levels; level++) {
        mm_slot_init(&s->next[level], mm_slot_load(&path[level]->next[level]));
    }
    for (size_t level = 0; level < s->levels; level++) {
        mm_slot_store(&path[level]->next[level], s);
    }
}

bool zset_put(struct zset *z, struct bytes member, double score) {
    uint64_t hash = bytes_hash(member);
    pthread_mutex_lock(&z->lock);
    struct entry *e = dict_find_locked(&z->dict, hash, member);
    bool fresh = e == NULL;
    struct step *old = fresh ? NULL : mm_slot_held(&e->value);
    if (fresh || old->score != score) {
        struct step *s = step_new(score, random_levels(z));
        if (fresh) {
            e = dict_add_locked(&z->dict, hash, member, NULL);
        } else {
            unlink_step(z, old);
        }
        mm_slot_init(&s->member, mm_slot_load(&e->key));
        link_step(z, s);
        mm_slot_give(&e->value, s);
        dict_work(&z->dict, 4, NULL, 0, 8);
    }
    pthread_mutex_unlock(&z->lock);
    return fresh;
}

bool zset_score(struct zset *z, struct bytes member, double *ret) {
    struct entry *e = dict_find(&z->dict, bytes_hash(member), member);
    if (e == NULL) {
        return false;
    }
    struct step *s = mm_slot_peek(&e->value);
    if (s == NULL) {
        return false; /* on its way in */
    }
    *ret = s->score;
    return true;
}

struct str *zset_pop_min(struct zset *z, double *ret_score) {
    pthread_mutex_lock(&z->lock);
    struct step *first = mm_slot_held(&z->first);
    struct step *s = mm_slot_load(&first->next[0]);
    struct str *member = NULL;
    if (s != NULL) {
        member = mm_slot_load(&s->member);
        *ret_score = s->score;
        unlink_step(z, s);
        dict_remove_locked(&z->dict, bytes_hash(str_bytes(member)), str_bytes(member));
        dict_work(&z->dict, 4, NULL, 0, 8);
        mm_release(s);
    }
    pthread_mutex_unlock(&z->lock);
    return member;
}

size_t zset_count(struct zset *z) { return atomic_load(&z->dict.count); }
