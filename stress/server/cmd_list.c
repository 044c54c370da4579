/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cmd_list.c: lists and sorted sets.
 */
#include "command.h"

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

/* The optional count of LPOP, SPOP and ZPOPMIN: -1 when it is not given. */
static bool want_count(struct client *c, int64_t *ret) {
    *ret = -1;
    if (c->n_args > 3) {
        reply_error(c, "ERR syntax error");
        return false;
    }
    if (c->n_args == 3 && (!bytes_to_int(c->arg[2], ret) || *ret < 0)) {
        reply_error(c, "ERR value is out of range, must be positive");
        return false;
    }
    return true;
}

static void pop(struct client *c, bool front) {
    int64_t count;
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

void cmd_zadd(struct client *c) {
    double score;
    if (c->n_args % 2 != 0) {
        reply_error(c, "ERR syntax error");
        return;
    }
    for (size_t i = 2; i < c->n_args; i += 2) {
        if (!bytes_to_double(c->arg[i], &score)) {
            reply_error(c, "ERR value is not a valid float");
            return;
        }
    }
    struct spot p = spot_lock(&keys, c->arg[1]);
    struct zset *z = own_value(c, &p, KIND_ZSET, make_zset);
    if (z != NULL) {
        int64_t n = 0;
        for (size_t i = 2; i < c->n_args; i += 2) {
            bytes_to_double(c->arg[i], &score);
            n += zset_put(z, c->arg[i + 1], score);
        }
        reply_int(c, n);
    }
    spot_unlock(&p);
}

void cmd_zpopmin(struct client *c) {
    int64_t count;
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
