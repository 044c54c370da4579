/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cmd_string.c: strings and numbers. A string is immutable: who changes it puts a new one in its
 * place.
 */
#include "command.h"

static void reply_str(struct client *c, struct str *s) { reply_bulk(c, str_bytes(s)); }

void cmd_get(struct client *c) {
    mm_guard_enter();
    struct str *s = read_value(c, KIND_STRING, reply_nil);
    if (s != NULL) {
        reply_str(c, s);
    }
    mm_guard_leave();
}

void cmd_strlen(struct client *c) {
    mm_guard_enter();
    struct str *s = read_value(c, KIND_STRING, reply_zero);
    if (s != NULL) {
        reply_int(c, s->len);
    }
    mm_guard_leave();
}

void cmd_mget(struct client *c) {
    reply_array(c, c->n_args - 1);
    for (size_t i = 1; i < c->n_args; i++) {
        mm_guard_enter();
        struct str *s = store_get(&keys, c->arg[i]);
        if (s != NULL && s->v.kind == KIND_STRING) {
            reply_str(c, s);
        } else {
            reply_nil(c);
        }
        mm_guard_leave();
    }
}

struct set_options {
    bool only_new, only_old, keep, get;
    size_t time; /* where the word EX or the like stands; 0: nowhere */
    int64_t deadline;
};

static bool is_time(struct bytes word) {
    return bytes_is(word, "ex") || bytes_is(word, "px") || bytes_is(word, "exat") ||
           bytes_is(word, "pxat");
}

/* False: one that is unknown, or contradicts another. */
static bool parse_options(struct client *c, struct set_options *ret) {
    *ret = (struct set_options){0};
    for (size_t i = 3; i < c->n_args; i++) {
        struct bytes word = c->arg[i];
        if (bytes_is(word, "nx") && !ret->only_old) {
            ret->only_new = true;
        } else if (bytes_is(word, "xx") && !ret->only_new) {
            ret->only_old = true;
        } else if (bytes_is(word, "keepttl") && ret->time == 0) {
            ret->keep = true;
        } else if (bytes_is(word, "get")) {
            ret->get = true;
        } else if (is_time(word) && i + 1 < c->n_args && ret->time == 0 && !ret->keep) {
            ret->time = i++;
        } else {
            return false;
        }
    }
    return true;
}

/* EX seconds, PX milliseconds, EXAT, PXAT: ms of the wall clock. */
static bool parse_deadline(struct client *c, size_t i, int64_t *ret) {
    struct bytes word = c->arg[i];
    bool seconds = bytes_is(word, "ex") || bytes_is(word, "exat");
    bool at = bytes_is(word, "exat") || bytes_is(word, "pxat");
    int64_t n;
    if (!want_int(c, i + 1, &n)) {
        return false;
    }
    if (n <= 0 || __builtin_mul_overflow(n, seconds ? 1000 : 1, &n) ||
        __builtin_add_overflow(n, at ? 0 : now_ms(), ret)) {
        reply_error(c, "ERR invalid expire time in 'set' command");
        return false;
    }
    return true;
}

static bool parse_set(struct client *c, struct set_options *ret) {
    if (!parse_options(c, ret)) {
        reply_error(c, "ERR syntax error");
        return false;
    }
    return ret->time == 0 || parse_deadline(c, ret->time, &ret->deadline);
}

void cmd_set(struct client *c) {
    struct set_options o;
    if (!parse_set(c, &o)) {
        return;
    }
    struct str *s = str_new(c->arg[2]);
    struct spot p = spot_lock(&keys, c->arg[1]);
    struct str *old = spot_value(&p);
    bool wrong = o.get && old != NULL && old->v.kind != KIND_STRING;
    bool done = !wrong && !(o.only_new && old != NULL) && !(o.only_old && old == NULL);
    if (wrong) {
        reply_error(c, WRONGTYPE);
    } else if (o.get && old != NULL) {
        reply_str(c, old);
    } else if (o.get || !done) {
        reply_nil(c);
    } else {
        reply_ok(c);
    }
    if (done) {
        if (o.keep) {
            spot_swap(&p, mm_retain(s));
        } else {
            spot_set(&p, mm_retain(s));
        }
        if (o.deadline != 0) {
            spot_expire(&p, o.deadline);
        }
    }
    spot_unlock(&p);
    mm_release(s);
}

void cmd_getset(struct client *c) {
    struct str *s = str_new(c->arg[2]);
    struct spot p = spot_lock(&keys, c->arg[1]);
    struct str *old = spot_value(&p);
    if (old == NULL || want_kind(c, old, KIND_STRING)) {
        if (old == NULL) {
            reply_nil(c);
        } else {
            reply_str(c, old);
        }
        spot_set(&p, mm_retain(s));
    }
    spot_unlock(&p);
    mm_release(s);
}

/* Redis sets all of them in one step; here a reader may see some of them earlier. */
void cmd_mset(struct client *c) {
    if (c->n_args % 2 == 0) {
        reply_error(c, "ERR wrong number of arguments for 'mset' command");
        return;
    }
    for (size_t i = 1; i < c->n_args; i += 2) {
        struct str *s = str_new(c->arg[i + 1]);
        struct spot p = spot_lock(&keys, c->arg[i]);
        spot_set(&p, s);
        spot_unlock(&p);
    }
    reply_ok(c);
}

void cmd_append(struct client *c) {
    struct spot p = spot_lock(&keys, c->arg[1]);
    struct str *old = spot_value(&p);
    if (old == NULL || want_kind(c, old, KIND_STRING)) {
        struct bytes before = old == NULL ? BYTES("") : str_bytes(old);
        if (before.len + c->arg[2].len > (size_t)atomic_load(&limits.max_bulk)) {
            reply_error(c, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
        } else {
            spot_swap(&p, str_new2(before, c->arg[2]));
            reply_int(c, (int64_t)(before.len + c->arg[2].len));
        }
    }
    spot_unlock(&p);
}

static void add(struct client *c, int64_t by) {
    struct spot p = spot_lock(&keys, c->arg[1]);
    struct str *old = spot_value(&p);
    int64_t n = 0;
    if (old != NULL && !want_kind(c, old, KIND_STRING)) {
        spot_unlock(&p);
        return;
    }
    if (old != NULL && !bytes_to_int(str_bytes(old), &n)) {
        reply_error(c, NOT_INT);
    } else if (__builtin_add_overflow(n, by, &n)) {
        reply_error(c, "ERR increment or decrement would overflow");
    } else {
        spot_swap(&p, str_new_int(n));
        reply_int(c, n);
    }
    spot_unlock(&p);
}

void cmd_incr(struct client *c) { add(c, 1); }
void cmd_decr(struct client *c) { add(c, -1); }

void cmd_incrby(struct client *c) {
    int64_t by;
    if (want_int(c, 2, &by)) {
        add(c, by);
    }
}

void cmd_decrby(struct client *c) {
    int64_t by;
    if (!want_int(c, 2, &by)) {
        return;
    }
    if (by == INT64_MIN) {
        reply_error(c, "ERR decrement would overflow");
        return;
    }
    add(c, -by);
}
