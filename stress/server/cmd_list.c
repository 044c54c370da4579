/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cmd_list.c: lists and sorted sets.
 */
#include "command.h"

#include <math.h>

/* The value at the locked key, made by `make` when the key is free; NULL: of another kind, an error
 * is replied. */
static void *own_value(struct client *c, struct spot *p, enum kind kind, void *(*make)(void)) {
    if (p->entry == NULL) {
        spot_set(p, make());
    }
    void *value = spot_value(p);
    return want_kind(c, value, kind) ? value : NULL;
}

static void *make_list(void) { return list_new(); }
static void *make_zset(void) { return zset_new(); }

static void push(struct client *c, bool front) {
    struct spot p = spot_lock(&keys, c->arg[1]);
    struct list *l = own_value(c, &p, KIND_LIST, make_list);
    if (l != NULL) {
        for (size_t i = 2; i < c->n_args; i++) {
            list_push(l, front, str_new(c->arg[i]));
        }
        reply_int(c, (int64_t)list_count(l));
    }
    spot_unlock(&p);
}

void cmd_lpush(struct client *c) { push(c, true); }
void cmd_rpush(struct client *c) { push(c, false); }

/* The optional count of LPOP and ZPOPMIN: -1 when it is not given. */
static bool want_count(struct client *c, int64_t *ret) {
    *ret = -1;
    if (c->n_args == 3 && (!bytes_to_int(c->arg[2], ret) || *ret < 0)) {
        reply_error(c, "ERR value is out of range, must be positive");
        return false;
    }
    return true;
}

static void pop(struct client *c, bool front) {
    int64_t count;
    if (c->n_args > 3) {
        reply_error(c, "ERR wrong number of arguments for '%s' command", front ? "lpop" : "rpop");
        return;
    }
    if (!want_count(c, &count)) {
        return;
    }
    struct spot p = spot_lock(&keys, c->arg[1]);
    struct list *l = spot_value(&p);
    if (l == NULL) {
        (count < 0 ? reply_nil : reply_nil_array)(c);
    } else if (want_kind(c, l, KIND_LIST)) {
        int64_t n = (int64_t)list_count(l);
        n = count < 0 ? 1 : count < n ? count : n;
        if (count >= 0) {
            reply_array(c, (size_t)n);
        }
        for (; n > 0; n--) {
            struct str *s = list_pop(l, front);
            reply_bulk(c, str_bytes(s));
            mm_release(s);
        }
        if (list_count(l) == 0) {
            spot_delete(&p);
        }
    }
    spot_unlock(&p);
}

void cmd_lpop(struct client *c) { pop(c, true); }
void cmd_rpop(struct client *c) { pop(c, false); }

void cmd_llen(struct client *c) {
    mm_guard_enter();
    struct list *l = read_value(c, KIND_LIST, reply_zero);
    if (l != NULL) {
        reply_int(c, (int64_t)list_count(l));
    }
    mm_guard_leave();
}

void cmd_lrange(struct client *c) {
    int64_t from;
    int64_t to;
    if (!want_int(c, 2, &from) || !want_int(c, 3, &to)) {
        return;
    }
    mm_guard_enter();
    struct list *l = read_value(c, KIND_LIST, reply_none);
    if (l != NULL) {
        struct str **s;
        size_t n = list_range(l, from, to, &s);
        reply_array(c, n);
        for (size_t i = 0; i < n; i++) {
            reply_bulk(c, str_bytes(s[i]));
        }
        mm_root_free(s);
    }
    mm_guard_leave();
}

struct zadd_options {
    bool only_new, only_old, greater, less, changed, incr;
    size_t first; /* where the first score stands */
};

static bool parse_zadd(struct client *c, struct zadd_options *ret) {
    *ret = (struct zadd_options){.first = 2};
    for (; ret->first < c->n_args; ret->first++) {
        struct bytes word = c->arg[ret->first];
        bool *option = bytes_is(word, "nx")     ? &ret->only_new
                       : bytes_is(word, "xx")   ? &ret->only_old
                       : bytes_is(word, "gt")   ? &ret->greater
                       : bytes_is(word, "lt")   ? &ret->less
                       : bytes_is(word, "ch")   ? &ret->changed
                       : bytes_is(word, "incr") ? &ret->incr
                                                : NULL;
        if (option == NULL) {
            break;
        }
        *option = true;
    }
    size_t words = c->n_args - ret->first;
    const char *wrong = NULL;
    if (words == 0 || words % 2 != 0) {
        wrong = "ERR syntax error";
    } else if (ret->only_new && ret->only_old) {
        wrong = "ERR XX and NX options at the same time are not compatible";
    } else if (ret->greater + ret->less + ret->only_new > 1) {
        wrong = "ERR GT, LT, and/or NX options at the same time are not compatible";
    } else if (ret->incr && words > 2) {
        wrong = "ERR INCR option supports a single increment-element pair";
    }
    double score;
    for (size_t i = ret->first; wrong == NULL && i < c->n_args; i += 2) {
        wrong = bytes_to_double(c->arg[i], &score) ? NULL : "ERR value is not a valid float";
    }
    if (wrong != NULL) {
        reply_error(c, "%s", wrong);
    }
    return wrong == NULL;
}

struct zadd_count {
    int64_t fresh, changed;
};

/* Under the key's lock, so nobody else changes the scores. False: the options forbid it. */
static bool zadd_one(struct zset *z, const struct zadd_options *o, struct bytes member,
                     double *score, struct zadd_count *count) {
    double old;
    bool there = zset_score(z, member, &old);
    *score += there && o->incr ? old : 0;
    if (there ? o->only_new || (o->greater && *score <= old) || (o->less && *score >= old)
              : o->only_old) {
        return false;
    }
    if (!isnan(*score)) {
        zset_put(z, member, *score);
        count->fresh += !there;
        count->changed += !there || *score != old;
    }
    return true;
}

static void zadd(struct client *c, struct zset *z, const struct zadd_options *o) {
    struct zadd_count n = {0, 0};
    bool done = false;
    double score = 0;
    for (size_t i = o->first; i < c->n_args; i += 2) {
        bytes_to_double(c->arg[i], &score);
        done = zadd_one(z, o, c->arg[i + 1], &score, &n);
    }
    if (!o->incr) {
        reply_int(c, o->changed ? n.changed : n.fresh);
    } else if (isnan(score)) {
        reply_error(c, "ERR resulting score is not a number (NaN)");
    } else if (done) {
        reply_double(c, score);
    } else {
        reply_nil(c);
    }
}

void cmd_zadd(struct client *c) {
    struct zadd_options o;
    if (!parse_zadd(c, &o)) {
        return;
    }
    struct spot p = spot_lock(&keys, c->arg[1]);
    if (p.entry == NULL && o.only_old) {
        (o.incr ? reply_nil : reply_zero)(c);
    } else {
        struct zset *z = own_value(c, &p, KIND_ZSET, make_zset);
        if (z != NULL) {
            zadd(c, z, &o);
        }
    }
    spot_unlock(&p);
}

void cmd_zpopmin(struct client *c) {
    int64_t count;
    if (c->n_args > 3) {
        reply_error(c, "ERR syntax error");
        return;
    }
    if (!want_count(c, &count)) {
        return;
    }
    struct spot p = spot_lock(&keys, c->arg[1]);
    struct zset *z = spot_value(&p);
    if (z == NULL) {
        reply_none(c);
    } else if (want_kind(c, z, KIND_ZSET)) {
        int64_t n = (int64_t)zset_count(z);
        n = count < 0 ? 1 : count < n ? count : n;
        reply_array(c, (size_t)n * 2);
        for (; n > 0; n--) {
            double score;
            struct str *member = zset_pop_min(z, &score);
            reply_bulk(c, str_bytes(member));
            reply_double(c, score);
            mm_release(member);
        }
        if (zset_count(z) == 0) {
            spot_delete(&p);
        }
    }
    spot_unlock(&p);
}

void cmd_zcard(struct client *c) {
    mm_guard_enter();
    struct zset *z = read_value(c, KIND_ZSET, reply_zero);
    if (z != NULL) {
        reply_int(c, (int64_t)zset_count(z));
    }
    mm_guard_leave();
}

void cmd_zscore(struct client *c) {
    mm_guard_enter();
    struct zset *z = read_value(c, KIND_ZSET, reply_nil);
    if (z != NULL) {
        double score;
        if (zset_score(z, c->arg[2], &score)) {
            reply_double(c, score);
        } else {
            reply_nil(c);
        }
    }
    mm_guard_leave();
}
