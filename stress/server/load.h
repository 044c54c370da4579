/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * load.h: the load client: one thread, many connections on 127.0.0.1, each in one of four roles,
 * each asking its next request when the last one is answered. Every reply that can be known
 * beforehand is checked.
 */
#ifndef SERVER_LOAD_H
#define SERVER_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Latencies in ns: 32 buckets for each power of two, so within 3%. */
#define HIST_SUB 32
#define HIST_BUCKETS (64 * HIST_SUB)
struct hist {
    uint64_t count;
    uint64_t max;
    uint64_t bucket[HIST_BUCKETS];
};
void hist_add(struct hist *h, uint64_t ns);
void hist_merge(struct hist *to, const struct hist *from);
uint64_t hist_percentile(const struct hist *h, double percent);
uint64_t hist_bucket_ns(size_t i); /* its upper end */

enum request {
    REQ_READ,
    REQ_WRITE,
    REQ_LIST,
    REQ_SET,
    REQ_GRAPH,
    REQ_PUBLISH,
    REQ_MESSAGE,
    REQ_COUNT
};
extern const char *const request_names[REQ_COUNT];

enum role { ROLE_KEYS, ROLE_GRAPH, ROLE_PUBLISHER, ROLE_SUBSCRIBER };

/* A reply that is expected. */
struct pending {
    enum request kind;
    uint64_t sent_ns;
    char want[48]; /* the reply, or its beginning; empty: anything but an error */
};

#define PIPELINE_MAX 64

struct conn {
    int fd;
    enum role role;
    unsigned id;
    uint64_t random;
    char *in;
    size_t in_used, in_room;
    char out[16384];
    size_t out_at, out_used;
    struct pending pending[PIPELINE_MAX];
    size_t first_pending, n_pending;
    bool waits_to_write;

    uint64_t counter;        /* ROLE_KEYS: of its own key */
    uint64_t pushed, popped; /* its own list */
    uint64_t value;          /* what its own key holds */
    unsigned ring, step;     /* ROLE_GRAPH: size of the graph, next request about it */
    uint64_t sequence;       /* publisher: last sent; subscriber: last seen */
    unsigned patience;       /* subscriber: messages until it leaves */
};

struct load {
    int port;
    double seconds;
    unsigned connections, graphs, channels, subscribers, pipeline;
    unsigned keys;
    bool quiet;
    const char *data_file;

    struct hist hist[REQ_COUNT];
    uint64_t wrong; /* replies that were not what they must be */
    uint64_t resubscribed;
    uint64_t graphs_made;
    uint64_t begin_ns, end_ns;
};

extern struct load load;

uint64_t now_ns(void);
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* load_conn.c */
void conn_open(struct conn *c);
void conn_close(struct conn *c);
void conn_add(struct conn *c, enum request kind, const char *want, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void conn_start(struct conn *all, size_t n);
void conn_run(uint64_t until_ns);
/* Bytes of the reply at `at`, 0 while it is not whole. */
size_t reply_size(const char *at, size_t n);

/* load_kinds.c */
void role_start(struct conn *c);
void role_next(struct conn *c); /* nothing is pending: the next requests */
/* A reply without a request: a message to a subscriber. False: the subscriber leaves. */
bool role_message(struct conn *c, const char *reply, size_t size);
uint64_t conn_random(struct conn *c, uint64_t below);

/* load_report.c */
struct control {
    int fd;
    char *reply;
    size_t used, room;
};
void control_open(struct control *k);
const char *control_ask(struct control *k, const char *request); /* one reply, a string */
struct info {
    char backend[32];
    uint64_t rss, peak_rss, made, live, cycles, collections, collects, counts_live, stall_max_ns,
        stalls, longest_us;
    uint64_t clients;
};
void control_info(struct control *k, struct info *ret);
/* What the server said of itself: before the load, in the middle and at the end of it, and after
 * everything was deleted. */
struct course {
    struct info before, half, full, after;
    double settle_s; /* that deleting took */
};
void report_progress(const struct info *now); /* one line */
void report_print(const struct course *c);
void report_write(const struct course *c);

#endif
