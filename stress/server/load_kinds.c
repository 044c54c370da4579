/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * load_kinds.c: what the connections ask for, by role.
 *
 * keys         reads and writes of keys that all share, and of its own, whose replies it knows
 * graph        makes a ring of nodes with a few chords, then forgets its keys: the ring is garbage
 * that only a collector of cycles finds publisher    numbered messages with the time, on its own
 * channel subscriber   checks that it misses no number; after some messages it leaves, by
 * UNSUBSCRIBE or without a word
 */
#include "load.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *const request_names[REQ_COUNT] = {
    "read", "write", "list", "set, zset", "graph", "publish", "message",
};

uint64_t conn_random(struct conn *c, uint64_t below) {
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    return (c->random >> 11) % below;
}

static unsigned shared_key(struct conn *c) {
    return (unsigned)conn_random(c, load.keys > 0 ? load.keys : 1);
}

static void read_something(struct conn *c) {
    char want[48];
    switch (conn_random(c, 5)) {
    case 0:
        snprintf(want, sizeof want, "$%d\r\n%" PRIu64 "\r\n",
                 snprintf(NULL, 0, "%" PRIu64, c->value), c->value);
        conn_add(c, REQ_READ, c->value == 0 ? "$-1" : want, "GET own:%u", c->id);
        break;
    case 1:
        conn_add(c, REQ_READ, "*3\r\n", "MGET key:%u key:%u key:%u", shared_key(c), shared_key(c),
                 shared_key(c));
        break;
    case 2:
        conn_add(c, REQ_READ, "", "HGET hash:%u f%u", shared_key(c) % 100, shared_key(c) % 50);
        break;
    default:
        conn_add(c, REQ_READ, "", "GET key:%u", shared_key(c));
    }
}

static void write_something(struct conn *c) {
    char want[48];
    switch (conn_random(c, 6)) {
    case 0:
        snprintf(want, sizeof want, ":%" PRIu64 "\r\n", ++c->counter);
        conn_add(c, REQ_WRITE, want, "INCR counter:%u", c->id);
        break;
    case 1:
        c->value = 1 + conn_random(c, 1000000000);
        conn_add(c, REQ_WRITE, "+OK\r\n", "SET own:%u %" PRIu64, c->id, c->value);
        break;
    case 2:
        conn_add(c, REQ_WRITE, "", "HSET hash:%u f%u v%" PRIu64, shared_key(c) % 100,
                 shared_key(c) % 50, c->random);
        break;
    case 3:
        conn_add(c, REQ_WRITE, "+OK\r\n", "SET session:%u %064" PRIx64 " PX 300", shared_key(c),
                 c->random);
        break;
    default:
        conn_add(c, REQ_WRITE, "+OK\r\n", "SET key:%u %064" PRIx64, shared_key(c), c->random);
    }
}

static void list_something(struct conn *c) {
    char want[48];
    uint64_t length = c->pushed - c->popped;
    if (length > 50 || (length > 0 && conn_random(c, 3) == 0)) {
        uint64_t n = ++c->popped;
        snprintf(want, sizeof want, "$%d\r\n%" PRIu64 "\r\n", snprintf(NULL, 0, "%" PRIu64, n), n);
        conn_add(c, REQ_LIST, want, "LPOP list:%u", c->id);
    } else if (conn_random(c, 4) == 0) {
        snprintf(want, sizeof want, "*%" PRIu64 "\r\n", length);
        conn_add(c, REQ_LIST, want, "LRANGE list:%u 0 -1", c->id);
    } else {
        snprintf(want, sizeof want, ":%" PRIu64 "\r\n", length + 1);
        conn_add(c, REQ_LIST, want, "RPUSH list:%u %" PRIu64, c->id, ++c->pushed);
    }
}

static void set_something(struct conn *c) {
    switch (conn_random(c, 5)) {
    case 0:
        conn_add(c, REQ_SET, "", "SPOP set:%u", shared_key(c) % 20);
        break;
    case 1:
        conn_add(c, REQ_SET, "*", "ZPOPMIN zset:%u", shared_key(c) % 20);
        break;
    case 2:
        conn_add(c, REQ_SET, ":", "ZADD zset:%u %u member:%u", shared_key(c) % 20, shared_key(c),
                 shared_key(c) % 1000);
        break;
    case 3:
        conn_add(c, REQ_SET, ":", "SISMEMBER set:%u member:%u", shared_key(c) % 20,
                 shared_key(c) % 1000);
        break;
    default:
        conn_add(c, REQ_SET, ":", "SADD set:%u member:%u", shared_key(c) % 20,
                 shared_key(c) % 1000);
    }
}

/* Requests about one graph: `ring` links, one chord, then one DEL of all names. */
static void graph_step(struct conn *c) {
    if (c->step == 0) {
        c->ring = 2 + (unsigned)conn_random(c, 20);
    }
    if (c->step < c->ring) {
        conn_add(c, REQ_GRAPH, ":1\r\n", "GLINK node:%u:%u node:%u:%u", c->id, c->step, c->id,
                 (c->step + 1) % c->ring);
        c->step++;
        return;
    }
    if (c->step == c->ring) {
        conn_add(c, REQ_GRAPH, ":1\r\n", "GLINK node:%u:0 node:%u:0", c->id, c->id);
        c->step++;
        return;
    }
    char line[1024] = "DEL";
    size_t n = 3;
    for (unsigned i = 0; i < c->ring; i++) {
        n += (size_t)snprintf(line + n, sizeof line - n, " node:%u:%u", c->id, i);
    }
    char want[48];
    snprintf(want, sizeof want, ":%u\r\n", c->ring);
    conn_add(c, REQ_GRAPH, want, "%s", line);
    load.graphs_made++;
    c->step = 0;
}

static void keys_step(struct conn *c) {
    switch (conn_random(c, 10)) {
    case 0:
        list_something(c);
        break;
    case 1:
        set_something(c);
        break;
    case 2:
    case 3:
    case 4:
        write_something(c);
        break;
    default:
        read_something(c);
    }
}

void role_next(struct conn *c) {
    for (unsigned i = 0; i < load.pipeline; i++) {
        switch (c->role) {
        case ROLE_KEYS:
            keys_step(c);
            break;
        case ROLE_GRAPH:
            graph_step(c);
            break;
        case ROLE_PUBLISHER:
            conn_add(c, REQ_PUBLISH, ":", "PUBLISH channel:%u %" PRIu64 ",%" PRIu64, c->id,
                     ++c->sequence, now_ns());
            return;
        case ROLE_SUBSCRIBER:
            return;
        }
    }
}

void role_start(struct conn *c) {
    if (c->role == ROLE_SUBSCRIBER) {
        c->sequence = 0;
        c->patience = 20 + (unsigned)conn_random(c, 2000);
        conn_add(c, REQ_READ, "*3\r\n$9\r\nsubscribe", "SUBSCRIBE channel:%u",
                 c->id % load.channels);
    }
}

/* "*3 $7 message $n channel $n sequence,time" */
bool role_message(struct conn *c, const char *reply, size_t size) {
    const char *text = reply + size - 3;
    while (text > reply && text[-1] != '\n') {
        text--;
    }
    char *rest;
    uint64_t sequence = strtoull(text, &rest, 10);
    uint64_t sent = *rest == ',' ? strtoull(rest + 1, NULL, 10) : 0;
    /* Between UNSUBSCRIBE and the next SUBSCRIBE, both on their way, numbers may be missing. */
    if (c->n_pending > 0) {
        c->sequence = 0;
        return true;
    }
    if (sent == 0 || (c->sequence != 0 && sequence != c->sequence + 1)) {
        if (load.wrong++ < 5) {
            fprintf(stderr, "message %" PRIu64 " came after %" PRIu64 "\n", sequence, c->sequence);
        }
    } else {
        hist_add(&load.hist[REQ_MESSAGE], now_ns() - sent);
    }
    c->sequence = sequence;
    if (c->patience == 0 || --c->patience > 0) {
        return true;
    }
    load.resubscribed++;
    if (conn_random(c, 2) == 0) {
        return false;
    }
    c->patience = 20 + (unsigned)conn_random(c, 2000);
    c->sequence = 0;
    conn_add(c, REQ_READ, "*3\r\n$11\r\nunsubscribe", "UNSUBSCRIBE");
    conn_add(c, REQ_READ, "*3\r\n$9\r\nsubscribe", "SUBSCRIBE channel:%u", c->id % load.channels);
    return true;
}
