/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * command.c: the table of commands, finding one by name, and helpers that many use.
 */
#include "command.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const struct command commands[] = {
    {"append", cmd_append, 3, true, 1, 1, 1},
    {"command", cmd_command, -1, false, 0, 0, 0},
    {"config", cmd_config, -2, false, 0, 0, 0},
    {"dbsize", cmd_dbsize, 1, false, 0, 0, 0},
    {"decr", cmd_decr, 2, true, 1, 1, 1},
    {"decrby", cmd_decrby, 3, true, 1, 1, 1},
    {"del", cmd_del, -2, true, 1, -1, 1},
    {"echo", cmd_echo, 2, false, 0, 0, 0},
    {"exists", cmd_exists, -2, false, 1, -1, 1},
    {"expire", cmd_expire, -3, true, 1, 1, 1},
    {"flushall", cmd_flushall, -1, true, 0, 0, 0},
    {"gcollect", cmd_gcollect, 1, false, 0, 0, 0},
    {"gdegree", cmd_gdegree, 2, false, 1, 1, 1},
    {"get", cmd_get, 2, false, 1, 1, 1},
    {"getset", cmd_getset, 3, true, 1, 1, 1},
    {"glink", cmd_glink, 3, true, 1, 2, 1},
    {"gunlink", cmd_gunlink, 3, true, 1, 2, 1},
    {"hdel", cmd_hdel, -3, true, 1, 1, 1},
    {"hget", cmd_hget, 3, false, 1, 1, 1},
    {"hgetall", cmd_hgetall, 2, false, 1, 1, 1},
    {"hlen", cmd_hlen, 2, false, 1, 1, 1},
    {"hset", cmd_hset, -4, true, 1, 1, 1},
    {"incr", cmd_incr, 2, true, 1, 1, 1},
    {"incrby", cmd_incrby, 3, true, 1, 1, 1},
    {"info", cmd_info, -1, false, 0, 0, 0},
    {"llen", cmd_llen, 2, false, 1, 1, 1},
    {"lpop", cmd_lpop, -2, true, 1, 1, 1},
    {"lpush", cmd_lpush, -3, true, 1, 1, 1},
    {"lrange", cmd_lrange, 4, false, 1, 1, 1},
    {"mget", cmd_mget, -2, false, 1, -1, 1},
    {"mset", cmd_mset, -3, true, 1, -1, 2},
    {"persist", cmd_persist, 2, true, 1, 1, 1},
    {"pexpire", cmd_pexpire, -3, true, 1, 1, 1},
    {"ping", cmd_ping, -1, false, 0, 0, 0},
    {"pttl", cmd_pttl, 2, false, 1, 1, 1},
    {"publish", cmd_publish, 3, false, 0, 0, 0},
    {"quit", cmd_quit, -1, false, 0, 0, 0},
    {"rpop", cmd_rpop, -2, true, 1, 1, 1},
    {"rpush", cmd_rpush, -3, true, 1, 1, 1},
    {"sadd", cmd_sadd, -3, true, 1, 1, 1},
    {"scard", cmd_scard, 2, false, 1, 1, 1},
    {"select", cmd_select, 2, false, 0, 0, 0},
    {"set", cmd_set, -3, true, 1, 1, 1},
    {"sismember", cmd_sismember, 3, false, 1, 1, 1},
    {"smembers", cmd_smembers, 2, false, 1, 1, 1},
    {"spop", cmd_spop, -2, true, 1, 1, 1},
    {"srem", cmd_srem, -3, true, 1, 1, 1},
    {"strlen", cmd_strlen, 2, false, 1, 1, 1},
    {"subscribe", cmd_subscribe, -2, false, 0, 0, 0},
    {"ttl", cmd_ttl, 2, false, 1, 1, 1},
    {"type", cmd_type, 2, false, 1, 1, 1},
    {"unlink", cmd_unlink, -2, true, 1, -1, 1},
    {"unsubscribe", cmd_unsubscribe, -1, false, 0, 0, 0},
    {"zadd", cmd_zadd, -4, true, 1, 1, 1},
    {"zcard", cmd_zcard, 2, false, 1, 1, 1},
    {"zpopmin", cmd_zpopmin, -2, true, 1, 1, 1},
    {"zscore", cmd_zscore, 3, false, 1, 1, 1},
    {NULL, NULL, 0, false, 0, 0, 0},
};

#define FINDER 256
static const struct command *finder[FINDER];

static unsigned name_hash(struct bytes name) {
    unsigned h = 2166136261u;
    for (size_t i = 0; i < name.len; i++) {
        h = (h ^ (unsigned)tolower((unsigned char)name.at[i])) * 16777619u;
    }
    return h ^ h >> 15;
}

void command_start(void) {
    for (const struct command *k = commands; k->name != NULL; k++) {
        unsigned i = name_hash((struct bytes){k->name, strlen(k->name)});
        while (finder[i % FINDER] != NULL) {
            i++;
        }
        finder[i % FINDER] = k;
    }
}

const struct command *command_find(struct bytes name) {
    for (unsigned i = name_hash(name); finder[i % FINDER] != NULL; i++) {
        if (bytes_is(name, finder[i % FINDER]->name)) {
            return finder[i % FINDER];
        }
    }
    return NULL;
}

static bool allowed_when_subscribed(const struct command *k) {
    return k->run == cmd_subscribe || k->run == cmd_unsubscribe || k->run == cmd_ping ||
           k->run == cmd_quit;
}

/* The name and the beginning of what follows it, as Redis quotes them. */
static void unknown(struct client *c) {
    struct bytes name = c->arg[0];
    char args[192] = "";
    size_t n = 0;
    for (size_t i = 1; i < c->n_args && n < 128; i++) {
        size_t most = 128 - n;
        size_t len = c->arg[i].len < most ? c->arg[i].len : most;
        n += (size_t)snprintf(args + n, sizeof args - n, "'%.*s' ", (int)len, c->arg[i].at);
    }
    reply_error(c, "ERR unknown command '%.*s', with args beginning with: %s",
                (int)(name.len < 128 ? name.len : 128), name.at, args);
}

void command_run(struct client *c) {
    const struct command *k = command_find(c->arg[0]);
    atomic_fetch_add_explicit(&c->worker->count.commands, 1, memory_order_relaxed);
    if (k == NULL) {
        unknown(c);
    } else if (k->arity > 0 ? c->n_args != (size_t)k->arity : c->n_args < (size_t)-k->arity) {
        reply_error(c, "ERR wrong number of arguments for '%s' command", k->name);
    } else if (c->n_subs > 0 && !allowed_when_subscribed(k)) {
        reply_error(c,
                    "ERR Can't execute '%s': only SUBSCRIBE / UNSUBSCRIBE / PING / QUIT are "
                    "allowed in this context",
                    k->name);
    } else {
        k->run(c);
    }
}

bool want_kind(struct client *c, const void *value, enum kind kind) {
    const struct value *v = value;
    if (v->kind != kind) {
        reply_error(c, WRONGTYPE);
        return false;
    }
    return true;
}

bool want_int(struct client *c, size_t i, int64_t *ret) {
    if (!bytes_to_int(c->arg[i], ret)) {
        reply_error(c, NOT_INT);
        return false;
    }
    return true;
}

void *read_value(struct client *c, enum kind kind, void (*missing)(struct client *c)) {
    void *value = store_get(&keys, c->arg[1]);
    if (value == NULL) {
        missing(c);
        return NULL;
    }
    return want_kind(c, value, kind) ? value : NULL;
}

void reply_zero(struct client *c) { reply_int(c, 0); }
void reply_none(struct client *c) { reply_array(c, 0); }
