/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * net.h: connections and the threads that serve them.
 *
 * A connection belongs to one worker for its whole life: that thread reads, runs commands and
 * writes. Other threads may hold it, and hand it messages (client_push) under its lock. It is an
 * object: the worker's table refers to it, and so does each channel that it subscribed to, which it
 * refers to in turn.
 */
#ifndef SERVER_NET_H
#define SERVER_NET_H

#include "obj.h"

/* Bytes from start to end wait; malloc'ed. */
struct buffer {
    char *at;
    size_t start;
    size_t end;
    size_t room;
};

void buffer_reserve(struct buffer *b, size_t more);
void buffer_append(struct buffer *b, struct bytes bytes);
void buffer_free(struct buffer *b);
static inline size_t buffer_used(const struct buffer *b) { return b->end - b->start; }

struct client {
    struct worker *worker; /* immutable */
    int fd;                /* immutable; open until `closed` */

    /* The worker's thread only. */
    struct buffer in;
    struct buffer out;
    struct bytes *arg; /* of the command that is being read; they point into `in` */
    size_t n_args;
    size_t room_args;
    int64_t args_left; /* of a multibulk command; 0: none has begun */
    int64_t bulk_left; /* bytes announced for the next argument; -1: not announced yet */
    size_t scanned;    /* bytes behind in.start that are known to hold no newline, or are parsed */
    bool ending;       /* close when `out` is empty */
    bool full;         /* too much output waits: no further commands until it is gone */
    size_t n_subs;
    mm_slot subs; /* struct vec of struct channel; the worker writes, the collector reads */

    /* Under the lock. */
    pthread_mutex_t lock;
    bool closed;
    bool overflow;           /* messages came faster than they left */
    uint32_t _Atomic events; /* what epoll waits for; changed under the lock */
    size_t n_pushed;
    size_t pushed_bytes;
    mm_slot pushed; /* struct vec of struct str: messages in protocol form */

    bool _Atomic has_pushed; /* looks without the lock */
};

struct counters {
    uint64_t _Atomic commands;
    uint64_t _Atomic accepted;
    uint64_t _Atomic refused;
    uint64_t _Atomic protocol_errors;
    uint64_t _Atomic closed_for_output;
    uint64_t _Atomic longest_ns; /* longest run from one wait for events to the next */
    int64_t _Atomic clients;
};

struct worker {
    _Alignas(64) struct counters count; /* first: other threads read it */
    unsigned id;
    int epoll_fd;
    int listen_fd;
    int wake_fd;
    int spare_fd; /* given up to accept and refuse when no descriptor is left */
    pthread_t thread;
    size_t n_slots;
    mm_slot *by_fd;         /* root memory: struct client by descriptor */
    struct buffer spare_in; /* of a client that drained it */
    struct bytes *spare_arg;
    size_t room_spare_arg;
};

/* What may be changed while the server runs. */
struct limits {
    int64_t _Atomic max_clients;
    int64_t _Atomic max_bulk;   /* bytes of one argument */
    int64_t _Atomic max_query;  /* bytes of one command */
    int64_t _Atomic max_output; /* bytes that wait for a subscriber */
};

extern struct limits limits;
extern struct worker *workers;
extern unsigned n_workers;
extern uint64_t started_ms;
extern int server_port;

#define MAX_WORKERS 64

int net_start(unsigned threads, int port); /* returns the port, or a negative errno value */
void net_end(void);
void net_count(struct counters *ret_sum);
void net_reset_counts(void); /* but for the clients that are there */
uint64_t now_ns(void);

/* client.c: the worker's calls. */
struct client *client_new(struct worker *w, int fd);
void client_event(struct client *c, uint32_t events);
void client_close(struct client *c);
/* Any thread: hands over a message; false when the client is gone. Borrows s. In a guard. */
bool client_push(struct client *c, struct str *s);
bool client_closed(struct client *c); /* any thread */
/* The client's worker: moves the messages that came until now behind the replies. Before each
 * command, so that a message comes before the answer to a command that was sent after it. */
void client_take_pushed(struct client *c);

/* resp.c: the next whole command is in c->arg. */
enum parsed { PARSED_COMMAND, PARSED_PARTIAL, PARSED_NOTHING, PARSED_ERROR };
enum parsed resp_next(struct client *c);
void resp_done(struct client *c); /* the command has run */

/* reply.c */
void reply_raw(struct client *c, struct bytes b);
void reply_ok(struct client *c);
void reply_status(struct client *c, const char *text);
void reply_error(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void reply_int(struct client *c, int64_t n);
void reply_bulk(struct client *c, struct bytes b);
void reply_double(struct client *c, double x);
void reply_nil(struct client *c);
void reply_nil_array(struct client *c);
void reply_array(struct client *c, size_t n);

/* command.c */
void command_run(struct client *c);

/* pubsub.c: a client that goes away leaves its channels; both may refer to each other for some time
 * still. */
void pubsub_leave_all(struct client *c);

#endif
