/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * load_conn.c: the connections of the load client: sockets, replies as they come, one epoll loop
 * for all.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int epoll_fd = -1;

static int connect_loopback(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)load.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        die("cannot connect to 127.0.0.1:%d: %s", load.port, strerror(errno));
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

void conn_open(struct conn *c) {
    if (epoll_fd < 0) {
        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    }
    c->fd = connect_loopback();
    c->in_used = c->out_at = c->out_used = 0;
    c->first_pending = c->n_pending = 0;
    c->waits_to_write = false;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
    role_start(c);
}

void conn_close(struct conn *c) {
    close(c->fd);
    c->fd = -1;
}

/* An inline command as words to RESP, so that formats read as one types them. */
static size_t encode(char *to, size_t room, const char *line) {
    size_t words = 0;
    for (const char *p = line; *p != '\0';) {
        words++;
        p += strcspn(p, " ");
        p += strspn(p, " ");
    }
    size_t n = (size_t)snprintf(to, room, "*%zu\r\n", words);
    for (const char *p = line; *p != '\0' && n < room;) {
        size_t len = strcspn(p, " ");
        n += (size_t)snprintf(to + n, room - n, "$%zu\r\n%.*s\r\n", len, (int)len, p);
        p += len;
        p += strspn(p, " ");
    }
    return n;
}

void conn_add(struct conn *c, enum request kind, const char *want, const char *format, ...) {
    char line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    size_t room = sizeof c->out - c->out_used;
    size_t n = encode(c->out + c->out_used, room, line);
    if (n >= room || c->n_pending == PIPELINE_MAX) {
        die("request does not fit: %.60s", line);
    }
    c->out_used += n;
    struct pending *p = &c->pending[(c->first_pending + c->n_pending++) % PIPELINE_MAX];
    p->kind = kind;
    p->sent_ns = 0;
    snprintf(p->want, sizeof p->want, "%s", want);
}

static void send_out(struct conn *c) {
    uint64_t now = now_ns();
    for (size_t i = 0; i < c->n_pending; i++) {
        struct pending *p = &c->pending[(c->first_pending + i) % PIPELINE_MAX];
        p->sent_ns = p->sent_ns == 0 ? now : p->sent_ns;
    }
    while (c->out_at < c->out_used) {
        ssize_t n =
            send(c->fd, c->out + c->out_at, c->out_used - c->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            die("the server is gone: %s", strerror(errno));
        }
        c->out_at += n > 0 ? (size_t)n : 0;
    }
    bool waits = c->out_at < c->out_used;
    if (!waits) {
        c->out_at = c->out_used = 0;
    }
    if (waits != c->waits_to_write) {
        struct epoll_event e = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.ptr = c};
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
        c->waits_to_write = waits;
    }
}

size_t reply_size(const char *at, size_t n) {
    size_t size = 0;
    for (long left = 1; left > 0; left--) {
        const char *end = size < n ? memchr(at + size, '\n', n - size) : NULL;
        if (end == NULL) {
            return 0;
        }
        char type = at[size];
        long count = strtol(at + size + 1, NULL, 10);
        size = (size_t)(end - at) + 1;
        if (type == '$' && count >= 0) {
            size += (size_t)count + 2;
        } else if (type == '*' && count > 0) {
            left += count;
        }
        if (size > n) {
            return 0;
        }
    }
    return size;
}

static void check(const struct pending *p, const char *reply, size_t size) {
    size_t n = strlen(p->want);
    if (*reply != '-' && n <= size && memcmp(reply, p->want, n) == 0) {
        return;
    }
    if (load.wrong++ < 5) {
        fprintf(stderr, "wrong reply to a %s request: \"%.*s\" instead of \"%s\"\n",
                request_names[p->kind], (int)(size < 60 ? size : 60), reply, p->want);
    }
}

/* False: the connection closed itself. */
static bool take_replies(struct conn *c) {
    size_t at = 0;
    size_t size;
    uint64_t now = now_ns();
    while ((size = reply_size(c->in + at, c->in_used - at)) > 0) {
        const char *reply = c->in + at;
        at += size;
        if (c->n_pending == 0 || (c->role == ROLE_SUBSCRIBER && size > 17 &&
                                  memcmp(reply + 4, "$7\r\nmessage", 11) == 0)) {
            if (!role_message(c, reply, size)) {
                return false;
            }
            continue;
        }
        struct pending *p = &c->pending[c->first_pending];
        check(p, reply, size);
        hist_add(&load.hist[p->kind], now - p->sent_ns);
        c->first_pending = (c->first_pending + 1) % PIPELINE_MAX;
        c->n_pending--;
    }
    memmove(c->in, c->in + at, c->in_used - at);
    c->in_used -= at;
    return true;
}

static bool receive(struct conn *c) {
    if (c->in_room - c->in_used < 16384) {
        c->in_room = c->in_room == 0 ? 32768 : c->in_room * 2;
        c->in = realloc(c->in, c->in_room);
        if (c->in == NULL) {
            die("out of memory");
        }
    }
    ssize_t n = recv(c->fd, c->in + c->in_used, c->in_room - c->in_used, MSG_DONTWAIT);
    if (n == 0) {
        die("the server closed a connection");
    }
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            die("the server is gone: %s", strerror(errno));
        }
        return true;
    }
    c->in_used += (size_t)n;
    return take_replies(c);
}

static void again(struct conn *c, bool stay) {
    if (!stay) {
        conn_close(c);
        conn_open(c);
    } else if (c->n_pending == 0 && c->role != ROLE_SUBSCRIBER) {
        role_next(c);
    }
    send_out(c);
}

void conn_start(struct conn *all, size_t n) {
    for (size_t i = 0; i < n; i++) {
        conn_open(&all[i]);
        again(&all[i], true);
    }
}

void conn_run(uint64_t until_ns) {
    while (now_ns() < until_ns) {
        struct epoll_event event[128];
        int got = epoll_wait(epoll_fd, event, 128, 100);
        for (int i = 0; i < got; i++) {
            struct conn *c = event[i].data.ptr;
            again(c, receive(c));
        }
    }
}
