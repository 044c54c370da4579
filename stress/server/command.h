/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * command.h: what the files that hold the commands share. A command finds its words in c->arg, the
 * first is its name, and leaves one reply in c->out.
 */
#ifndef SERVER_COMMAND_H
#define SERVER_COMMAND_H

#include "net.h"
#include "store.h"
#include "value.h"

typedef void command_fn(struct client *c);

struct command {
    const char *name; /* lower case */
    command_fn *run;
    int arity; /* words with the name; negative: at least */
    bool writes;
    int first, last, step; /* where the keys stand; 0: none */
};

extern const struct command commands[]; /* ends with a NULL name */

#define WRONGTYPE "WRONGTYPE Operation against a key holding the wrong kind of value"
#define NOT_INT "ERR value is not an integer or out of range"

/* True when the value is of the kind; otherwise an error is replied. */
bool want_kind(struct client *c, const void *value, enum kind kind);
/* An integer argument; otherwise an error is replied. */
bool want_int(struct client *c, size_t i, int64_t *ret);
/* A read: in a guard, the value at the key c->arg[1] if it has the kind; NULL: `missing` or an
 * error is replied. */
void *read_value(struct client *c, enum kind kind, void (*missing)(struct client *c));
void reply_zero(struct client *c);
void reply_none(struct client *c); /* empty array */

command_fn cmd_append, cmd_decr, cmd_decrby, cmd_get, cmd_getset, cmd_incr, cmd_incrby, cmd_mget,
    cmd_mset, cmd_set;
command_fn cmd_strlen;
command_fn cmd_dbsize, cmd_del, cmd_exists, cmd_expire, cmd_flushall, cmd_persist, cmd_pexpire,
    cmd_pttl, cmd_ttl;
command_fn cmd_type, cmd_unlink;
command_fn cmd_llen, cmd_lpop, cmd_lpush, cmd_lrange, cmd_rpop, cmd_rpush;
command_fn cmd_sadd, cmd_scard, cmd_sismember, cmd_smembers, cmd_spop, cmd_srem;
command_fn cmd_hdel, cmd_hget, cmd_hgetall, cmd_hlen, cmd_hset;
command_fn cmd_zadd, cmd_zcard, cmd_zpopmin, cmd_zscore;
command_fn cmd_gdegree, cmd_glink, cmd_gunlink;
command_fn cmd_publish, cmd_subscribe, cmd_unsubscribe;
command_fn cmd_command, cmd_config, cmd_echo, cmd_gcollect, cmd_info, cmd_ping, cmd_quit,
    cmd_select;

void command_start(void);
const struct command *command_find(struct bytes name); /* NULL: unknown */

#endif
