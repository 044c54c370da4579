/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * client.c: one connection: reads, runs what is complete, writes, and stops reading from a client
 * that does not take its replies.
 */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (16 * 1024)
/* With more output than this waiting a client's commands wait too, until half of it is gone. */
#define FULL_BYTES (256 * 1024)
/* Buffers that have grown beyond this are freed when they are empty. */
#define KEEP_BYTES (64 * 1024)

struct limits limits = {
    .max_clients = 10000,
    .max_bulk = INT64_C(512) * 1024 * 1024,
    .max_query = INT64_C(1024) * 1024 * 1024,
    .max_output = INT64_C(64) * 1024 * 1024,
};

/* Normally called for a client that was closed long ago; frees what a client that was never closed
 * still has. */
static void client_destroy(void *self) {
    struct client *c = self;
    buffer_free(&c->in);
    buffer_free(&c->out);
    free(c->arg);
}

static mm_type client_type = {
    .name = "client",
    .size = sizeof(struct client),
    .slots = MM_SLOTS(struct client, subs, pushed),
    .destroy = client_destroy,
};

struct client *client_new(struct worker *w, int fd) {
    struct client *c = obj_new(&client_type);
    c->worker = w;
    c->fd = fd;
    c->bulk_left = -1;
    atomic_init(&c->events, EPOLLIN);
    return c;
}

static void set_events(struct client *c, uint32_t events) {
    if (atomic_load(&c->events) == events) {
        return;
    }
    struct epoll_event e = {.events = events, .data.fd = c->fd};
    atomic_store(&c->events, events);
    epoll_ctl(c->worker->epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

bool client_closed(struct client *c) {
    pthread_mutex_lock(&c->lock);
    bool closed = c->closed;
    pthread_mutex_unlock(&c->lock);
    return closed;
}

static void pushed_append(struct client *c, struct str *s) {
    struct vec *v = mm_slot_held(&c->pushed);
    if (v == NULL || c->n_pushed == v->room) {
        struct vec *big = vec_new(v == NULL ? 4 : v->room * 2);
        for (size_t i = 0; i < c->n_pushed; i++) {
            mm_slot_init(&big->item[i], mm_slot_load(&v->item[i]));
        }
        mm_slot_give(&c->pushed, big);
        v = big;
    }
    mm_slot_store(&v->item[c->n_pushed++], s);
    c->pushed_bytes += s->len;
}

bool client_push(struct client *c, struct str *s) {
    pthread_mutex_lock(&c->lock);
    bool open = !c->closed && !c->overflow;
    if (open && c->pushed_bytes + s->len > (size_t)atomic_load(&limits.max_output)) {
        /* Its worker waits for room in the socket, which may never come: the end of it wakes the
         * worker. */
        open = false;
        c->overflow = true;
        atomic_fetch_add(&c->worker->count.closed_for_output, 1);
        shutdown(c->fd, SHUT_RDWR);
    }
    if (open) {
        pushed_append(c, s);
        atomic_store(&c->has_pushed, true);
        set_events(c, atomic_load(&c->events) | EPOLLOUT);
    }
    pthread_mutex_unlock(&c->lock);
    return open;
}

void client_take_pushed(struct client *c) {
    if (!atomic_load(&c->has_pushed)) {
        return;
    }
    mm_guard_enter();
    pthread_mutex_lock(&c->lock);
    struct vec *v = mm_slot_take(&c->pushed);
    size_t n = c->n_pushed;
    c->n_pushed = 0;
    c->pushed_bytes = 0;
    atomic_store(&c->has_pushed, false);
    pthread_mutex_unlock(&c->lock);
    mm_guard_leave();
    for (size_t i = 0; i < n; i++) {
        buffer_append(&c->out, str_bytes(mm_slot_held(&v->item[i])));
    }
    mm_release(v);
}

static void free_buffers(struct client *c) {
    struct worker *w = c->worker;
    if (w->spare_in.at == NULL && c->in.room == READ_BYTES) {
        w->spare_in = c->in;
        w->spare_in.start = w->spare_in.end = 0;
        c->in = (struct buffer){0};
    }
    buffer_free(&c->in);
    if (w->spare_arg == NULL && c->room_args <= 1024) {
        w->spare_arg = c->arg;
        w->room_spare_arg = c->room_args;
        c->arg = NULL;
    }
    free(c->arg);
    c->arg = NULL;
    c->room_args = 0;
}

void client_close(struct client *c) {
    pubsub_leave_all(c);
    mm_guard_enter();
    pthread_mutex_lock(&c->lock);
    c->closed = true;
    mm_slot_clear(&c->pushed);
    c->n_pushed = 0;
    pthread_mutex_unlock(&c->lock);
    mm_guard_leave();
    free_buffers(c);
    buffer_free(&c->out);
    mm_slot_clear(&c->worker->by_fd[c->fd]);
    close(c->fd);
    atomic_fetch_sub(&c->worker->count.clients, 1);
}

/* `from` is a number: what was there may be freed. */
static void move_args(struct client *c, uintptr_t from, const char *to) {
    for (size_t i = 0; i < c->n_args; i++) {
        c->arg[i].at = to + ((uintptr_t)c->arg[i].at - from);
    }
}

static void make_room(struct client *c) {
    struct worker *w = c->worker;
    if (c->in.at == NULL && w->spare_in.at != NULL) {
        c->in = w->spare_in;
        w->spare_in = (struct buffer){0};
    }
    if (c->arg == NULL && w->spare_arg != NULL) {
        c->arg = w->spare_arg;
        c->room_args = w->room_spare_arg;
        w->spare_arg = NULL;
    }
    if (c->in.room - c->in.end < READ_BYTES / 2) {
        uintptr_t from = c->in.at == NULL ? 0 : (uintptr_t)(c->in.at + c->in.start);
        buffer_reserve(&c->in, READ_BYTES);
        const char *to = c->in.at + c->in.start;
        move_args(c, from, to);
    }
}

/* False: the connection is over. */
static bool take_input(struct client *c) {
    make_room(c);
    ssize_t n = recv(c->fd, c->in.at + c->in.end, c->in.room - c->in.end, 0);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    c->in.end += (size_t)n;
    if (buffer_used(&c->in) > (size_t)atomic_load(&limits.max_query)) {
        atomic_fetch_add(&c->worker->count.protocol_errors, 1);
        return false;
    }
    return n > 0;
}

/* Sends what the socket takes. False: the connection is over. */
static bool flush(struct client *c) {
    client_take_pushed(c);
    while (buffer_used(&c->out) > 0) {
        ssize_t n = send(c->fd, c->out.at + c->out.start, buffer_used(&c->out), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            if (errno != EAGAIN) {
                return false;
            }
            break;
        }
        c->out.start += (size_t)n;
    }
    if (buffer_used(&c->out) == 0) {
        c->out.start = c->out.end = 0;
        if (c->out.room > KEEP_BYTES || buffer_used(&c->in) == 0) {
            buffer_free(&c->out);
        }
        return !c->ending;
    }
    /* Others have no more waiting than their last reply, however large: run stops before the next.
     */
    if (c->n_subs > 0 && buffer_used(&c->out) > (size_t)atomic_load(&limits.max_output)) {
        atomic_fetch_add(&c->worker->count.closed_for_output, 1);
        return false;
    }
    return true;
}

/* Runs what is complete, while the replies find room. False: the connection is over. */
static bool run(struct client *c) {
    while (!c->ending && !c->full) {
        enum parsed p = resp_next(c);
        if (p == PARSED_PARTIAL) {
            break;
        }
        if (p == PARSED_ERROR) {
            c->ending = true;
            break;
        }
        if (p == PARSED_COMMAND) {
            client_take_pushed(c);
            command_run(c);
        }
        resp_done(c);
        if (buffer_used(&c->out) > FULL_BYTES) {
            if (!flush(c)) {
                return false;
            }
            c->full = buffer_used(&c->out) > FULL_BYTES;
        }
    }
    if (c->ending) {
        resp_done(c);
        c->in.start = c->in.end;
    }
    if (buffer_used(&c->in) == 0) {
        free_buffers(c);
    }
    return true;
}

static void wait_for_more(struct client *c) {
    uint32_t want = c->ending || c->full ? 0 : EPOLLIN;
    want |= buffer_used(&c->out) > 0 ? EPOLLOUT : 0;
    if (atomic_load(&c->events) == want && !atomic_load(&c->has_pushed)) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    set_events(c, want | (atomic_load(&c->has_pushed) ? EPOLLOUT : 0));
    pthread_mutex_unlock(&c->lock);
}

/* True when the connection stays. */
static bool serve(struct client *c, uint32_t events) {
    if ((events & (EPOLLERR | EPOLLHUP)) && !(events & EPOLLIN)) {
        return false;
    }
    if ((events & EPOLLIN) && !c->ending && !c->full && !take_input(c)) {
        return false;
    }
    for (;;) {
        if (!run(c) || !flush(c)) {
            return false;
        }
        if (!c->full || buffer_used(&c->out) > FULL_BYTES / 2) {
            break;
        }
        c->full = false;
    }
    wait_for_more(c);
    return true;
}

void client_event(struct client *c, uint32_t events) {
    if (!serve(c, events)) {
        client_close(c);
    }
}
