/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cmd_hash.c: sets and hashes. Asking for one member or field takes no lock.
 */
#include "command.h"

static struct group *own_group(struct client *c, struct spot *p, enum kind kind) {
    if (p->entry == NULL) {
        spot_set(p, group_new(kind));
    }
    void *value = spot_value(p);
    return want_kind(c, value, kind) ? value : NULL;
}

void cmd_sadd(struct client *c) {
    struct spot p = spot_lock(&keys, c->arg[1]);
    struct group *g = own_group(c, &p, KIND_SET);
    if (g != NULL) {
        int64_t n = 0;
        for (size_t i = 2; i < c->n_args; i++) {
            n += group_put(g, c->arg[i], NULL);
        }
        reply_int(c, n);
    }
    spot_unlock(&p);
}

static void remove_all(struct client *c, enum kind kind) {
    struct spot p = spot_lock(&keys, c->arg[1]);
    struct group *g = spot_value(&p);
    if (g == NULL) {
        reply_int(c, 0);
    } else if (want_kind(c, g, kind)) {
        int64_t n = 0;
        for (size_t i = 2; i < c->n_args; i++) {
            n += group_remove(g, c->arg[i]);
        }
        if (group_count(g) == 0) {
            spot_delete(&p);
        }
        reply_int(c, n);
    }
    spot_unlock(&p);
}

void cmd_srem(struct client *c) { remove_all(c, KIND_SET); }
void cmd_hdel(struct client *c) { remove_all(c, KIND_HASH); }

void cmd_sismember(struct client *c) {
    mm_guard_enter();
    struct group *g = read_value(c, KIND_SET, reply_zero);
    if (g != NULL) {
        reply_int(c, group_find(g, c->arg[2]) != NULL);
    }
    mm_guard_leave();
}

static void reply_count(struct client *c, enum kind kind) {
    mm_guard_enter();
    struct group *g = read_value(c, kind, reply_zero);
    if (g != NULL) {
        reply_int(c, (int64_t)group_count(g));
    }
    mm_guard_leave();
}

void cmd_scard(struct client *c) { reply_count(c, KIND_SET); }
void cmd_hlen(struct client *c) { reply_count(c, KIND_HASH); }

static void reply_all(struct client *c, enum kind kind) {
    mm_guard_enter();
    struct group *g = read_value(c, kind, reply_none);
    if (g != NULL) {
        struct entry **e;
        size_t n = group_all(g, &e);
        reply_array(c, kind == KIND_HASH ? n * 2 : n);
        for (size_t i = 0; i < n; i++) {
            reply_bulk(c, entry_key(e[i]));
            if (kind == KIND_HASH) {
                reply_bulk(c, str_bytes(mm_slot_peek(&e[i]->value)));
            }
        }
        mm_root_free(e);
    }
    mm_guard_leave();
}

void cmd_smembers(struct client *c) { reply_all(c, KIND_SET); }
void cmd_hgetall(struct client *c) { reply_all(c, KIND_HASH); }

static void pop_one(struct client *c, struct group *g) {
    struct entry *e = group_random(g);
    struct str *name = mm_slot_load(&e->key);
    reply_bulk(c, str_bytes(name));
    group_remove(g, str_bytes(name));
    mm_release(name);
}

void cmd_spop(struct client *c) {
    int64_t count = -1;
    if (c->n_args > 3 || (c->n_args == 3 && (!bytes_to_int(c->arg[2], &count) || count < 0))) {
        reply_error(c, c->n_args > 3 ? "ERR syntax error"
                                     : "ERR value is out of range, must be positive");
        return;
    }
    struct spot p = spot_lock(&keys, c->arg[1]);
    struct group *g = spot_value(&p);
    if (g == NULL) {
        (count < 0 ? reply_nil : reply_none)(c);
    } else if (want_kind(c, g, KIND_SET)) {
        int64_t n = (int64_t)group_count(g);
        n = count < 0 ? 1 : count < n ? count : n;
        if (count >= 0) {
            reply_array(c, (size_t)n);
        }
        for (; n > 0; n--) {
            pop_one(c, g);
        }
        if (group_count(g) == 0) {
            spot_delete(&p);
        }
    }
    spot_unlock(&p);
}

void cmd_hset(struct client *c) {
    if (c->n_args % 2 != 0) {
        reply_error(c, "ERR wrong number of arguments for 'hset' command");
        return;
    }
    struct spot p = spot_lock(&keys, c->arg[1]);
    struct group *g = own_group(c, &p, KIND_HASH);
    if (g != NULL) {
        int64_t n = 0;
        for (size_t i = 2; i < c->n_args; i += 2) {
            n += group_put(g, c->arg[i], str_new(c->arg[i + 1]));
        }
        reply_int(c, n);
    }
    spot_unlock(&p);
}

void cmd_hget(struct client *c) {
    mm_guard_enter();
    struct group *g = read_value(c, KIND_HASH, reply_nil);
    if (g != NULL) {
        struct entry *e = group_find(g, c->arg[2]);
        if (e != NULL) {
            reply_bulk(c, str_bytes(mm_slot_peek(&e->value)));
        } else {
            reply_nil(c);
        }
    }
    mm_guard_leave();
}
