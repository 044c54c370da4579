/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cmd_key.c: keys whatever they hold; and the graph, whose nodes are keys.
 */
#include "command.h"

/* Values that hold more than this many objects die on the lazy thread when they are unlinked. */
#define BIG 64

static size_t weight(void *value) {
    switch (((struct value *)value)->kind) {
    case KIND_LIST:
        return list_count(value);
    case KIND_SET:
    case KIND_HASH:
        return group_count(value);
    case KIND_ZSET:
        return zset_count(value);
    default:
        return 1;
    }
}

static void delete_keys(struct client *c, bool lazily) {
    int64_t n = 0;
    for (size_t i = 1; i < c->n_args; i++) {
        void *big = NULL;
        struct spot p = spot_lock(&keys, c->arg[i]);
        if (p.entry != NULL) {
            if (lazily && weight(spot_value(&p)) > BIG) {
                big = mm_slot_load(&p.entry->value);
            }
            spot_delete(&p);
            n++;
        }
        spot_unlock(&p);
        if (big != NULL) {
            lazy_free(big);
        }
    }
    reply_int(c, n);
}

void cmd_del(struct client *c) { delete_keys(c, false); }
void cmd_unlink(struct client *c) { delete_keys(c, true); }

void cmd_exists(struct client *c) {
    int64_t n = 0;
    for (size_t i = 1; i < c->n_args; i++) {
        mm_guard_enter();
        n += store_get(&keys, c->arg[i]) != NULL;
        mm_guard_leave();
    }
    reply_int(c, n);
}

struct expire_options {
    bool none, some, later,
        earlier; /* NX XX GT LT: when there is no deadline, when there is one... */
};

static bool parse_expire(struct client *c, struct expire_options *ret) {
    *ret = (struct expire_options){0};
    for (size_t i = 3; i < c->n_args; i++) {
        struct bytes word = c->arg[i];
        bool *option = bytes_is(word, "nx")   ? &ret->none
                       : bytes_is(word, "xx") ? &ret->some
                       : bytes_is(word, "gt") ? &ret->later
                       : bytes_is(word, "lt") ? &ret->earlier
                                              : NULL;
        if (option == NULL) {
            reply_error(c, "ERR Unsupported option %.*s", (int)(word.len < 128 ? word.len : 128),
                        word.at);
            return false;
        }
        *option = true;
    }
    if (ret->none && (ret->some || ret->later || ret->earlier)) {
        reply_error(c, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (ret->later && ret->earlier) {
        reply_error(c, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* No deadline counts as one that never comes. */
static bool may_expire(const struct expire_options *o, int64_t now, int64_t wanted) {
    return !(o->none && now != 0) && !(o->some && now == 0) &&
           !(o->later && (now == 0 || wanted <= now)) && !(o->earlier && now != 0 && wanted >= now);
}

static void expire_in(struct client *c, int64_t unit) {
    struct expire_options o;
    int64_t n;
    int64_t deadline;
    if (!parse_expire(c, &o) || !want_int(c, 2, &n)) {
        return;
    }
    if (__builtin_mul_overflow(n, unit, &n) || __builtin_add_overflow(n, now_ms(), &deadline)) {
        reply_error(c, "ERR invalid expire time in '%s' command", unit == 1 ? "pexpire" : "expire");
        return;
    }
    struct spot p = spot_lock(&keys, c->arg[1]);
    bool done = p.entry != NULL && may_expire(&o, atomic_load(&p.entry->deadline), deadline);
    if (done && n <= 0) {
        spot_delete(&p);
    } else if (done) {
        spot_expire(&p, deadline);
    }
    spot_unlock(&p);
    reply_int(c, done);
}

void cmd_expire(struct client *c) { expire_in(c, 1000); }
void cmd_pexpire(struct client *c) { expire_in(c, 1); }

void cmd_persist(struct client *c) {
    struct spot p = spot_lock(&keys, c->arg[1]);
    bool had = p.entry != NULL && atomic_exchange(&p.entry->deadline, 0) != 0;
    spot_unlock(&p);
    reply_int(c, had);
}

static void reply_ttl(struct client *c, int64_t unit) {
    int64_t deadline = 0;
    mm_guard_enter();
    bool found = store_get_deadline(&keys, c->arg[1], &deadline) != NULL;
    mm_guard_leave();
    if (!found || deadline == 0) {
        reply_int(c, found ? -1 : -2);
        return;
    }
    int64_t left = deadline - now_ms();
    reply_int(c, left < 0 ? 0 : (left + unit / 2) / unit);
}

void cmd_ttl(struct client *c) { reply_ttl(c, 1000); }
void cmd_pttl(struct client *c) { reply_ttl(c, 1); }

void cmd_type(struct client *c) {
    static const char *const names[] = {"none", "string", "list", "set", "hash", "zset", "node"};
    mm_guard_enter();
    struct value *v = store_get(&keys, c->arg[1]);
    reply_status(c, names[v == NULL ? KIND_NONE : v->kind]);
    mm_guard_leave();
}

void cmd_dbsize(struct client *c) { reply_int(c, (int64_t)store_count(&keys)); }

void cmd_flushall(struct client *c) {
    bool lazily = c->n_args == 2 && bytes_is(c->arg[1], "async");
    if (c->n_args > 2 || (c->n_args == 2 && !lazily && !bytes_is(c->arg[1], "sync"))) {
        reply_error(c, "ERR syntax error");
        return;
    }
    void *old = store_replace(&keys);
    if (lazily) {
        lazy_free(old);
    } else {
        mm_release(old);
    }
    reply_ok(c);
}

/* A unit of the node, made when the key is free; NULL after an error. */
static struct node *node_at(struct client *c, struct bytes name, bool make) {
    struct spot p = spot_lock(&keys, name);
    struct node *n = NULL;
    if (p.entry == NULL && make) {
        n = node_new();
        spot_set(&p, mm_retain(n));
    } else if (p.entry == NULL) {
        reply_int(c, 0);
    } else if (want_kind(c, spot_value(&p), KIND_NODE)) {
        n = mm_slot_load(&p.entry->value);
    }
    spot_unlock(&p);
    return n;
}

static void change_edge(struct client *c, bool (*change)(struct node *from, struct node *to),
                        bool make) {
    struct node *from = node_at(c, c->arg[1], make);
    struct node *to = from == NULL ? NULL : node_at(c, c->arg[2], make);
    if (to != NULL) {
        reply_int(c, change(from, to));
    }
    mm_release(to);
    mm_release(from);
}

void cmd_glink(struct client *c) { change_edge(c, node_link, true); }
void cmd_gunlink(struct client *c) { change_edge(c, node_unlink, false); }

void cmd_gdegree(struct client *c) {
    mm_guard_enter();
    struct node *n = read_value(c, KIND_NODE, reply_zero);
    if (n != NULL) {
        reply_int(c, (int64_t)node_count(n));
    }
    mm_guard_leave();
}
