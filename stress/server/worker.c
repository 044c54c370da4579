/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * worker.c: the threads. Each has its own listening socket on the common port (SO_REUSEPORT), its
 * own epoll, and the connections that it accepted.
 */
#include "net.h"
#include "store.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 100
#define MAX_FDS 65536

struct worker *workers;
unsigned n_workers;
uint64_t started_ms;
int server_port;

static bool _Atomic stopping;

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

void net_count(struct counters *ret) {
    *ret = (struct counters){0};
    for (unsigned i = 0; i < n_workers; i++) {
        struct counters *c = &workers[i].count;
        ret->commands += atomic_load(&c->commands);
        ret->accepted += atomic_load(&c->accepted);
        ret->refused += atomic_load(&c->refused);
        ret->protocol_errors += atomic_load(&c->protocol_errors);
        ret->closed_for_output += atomic_load(&c->closed_for_output);
        ret->clients += atomic_load(&c->clients);
        uint64_t longest = atomic_load(&c->longest_ns);
        ret->longest_ns = longest > ret->longest_ns ? longest : ret->longest_ns;
    }
}

void net_reset_counts(void) {
    for (unsigned i = 0; i < n_workers; i++) {
        struct counters *c = &workers[i].count;
        atomic_store(&c->commands, 0);
        atomic_store(&c->accepted, 0);
        atomic_store(&c->refused, 0);
        atomic_store(&c->protocol_errors, 0);
        atomic_store(&c->closed_for_output, 0);
        atomic_store(&c->longest_ns, 0);
    }
}

static int64_t clients_now(void) {
    int64_t n = 0;
    for (unsigned i = 0; i < n_workers; i++) {
        n += atomic_load(&workers[i].count.clients);
    }
    return n;
}

static void refuse(struct worker *w, int fd) {
    static const char text[] = "-ERR max number of clients reached\r\n";
    ssize_t ignored = send(fd, text, sizeof text - 1, MSG_NOSIGNAL);
    (void)ignored;
    close(fd);
    atomic_fetch_add(&w->count.refused, 1);
}

static void welcome(struct worker *w, int fd) {
    if ((size_t)fd >= w->n_slots || clients_now() >= atomic_load(&limits.max_clients)) {
        refuse(w, fd);
        return;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    mm_slot_give(&w->by_fd[fd], client_new(w, fd));
    atomic_fetch_add(&w->count.clients, 1);
    atomic_fetch_add(&w->count.accepted, 1);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0) {
        struct client *c = mm_slot_load(&w->by_fd[fd]);
        client_close(c);
        mm_release(c);
    }
}

/* Out of descriptors: the connection would stay in the queue and wake this thread for ever. */
static void accept_and_refuse(struct worker *w) {
    close(w->spare_fd);
    int fd = accept4(w->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        refuse(w, fd);
    }
    w->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void accept_some(struct worker *w) {
    for (int i = 0; i < 128; i++) {
        int fd = accept4(w->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            welcome(w, fd);
        } else if (errno == EMFILE || errno == ENFILE) {
            accept_and_refuse(w);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

static void handle(struct worker *w, const struct epoll_event *e) {
    int fd = e->data.fd;
    if (fd == w->listen_fd) {
        accept_some(w);
        return;
    }
    if (fd == w->wake_fd) {
        return;
    }
    struct client *c = mm_slot_load(&w->by_fd[fd]);
    if (c != NULL) {
        client_event(c, e->events);
        mm_release(c);
    }
}

static void loop(struct worker *w) {
    uint64_t next_sweep = 0;
    while (!atomic_load(&stopping)) {
        struct epoll_event event[256];
        bool sweeps = w->id == 0 && store_may_expire();
        int n = epoll_wait(w->epoll_fd, event, 256,
                           w->id == 0 ? (sweeps ? TICK_MS : 10 * TICK_MS) : -1);
        uint64_t begin = now_ns();
        for (int i = 0; i < n; i++) {
            handle(w, &event[i]);
        }
        if (sweeps && begin >= next_sweep) {
            store_sweep(&keys, 256);
            next_sweep = begin + TICK_MS * UINT64_C(1000000);
        }
        mm_poll();
        uint64_t took = now_ns() - begin;
        if (took > atomic_load(&w->count.longest_ns)) {
            atomic_store(&w->count.longest_ns, took);
        }
    }
}

static void close_all(struct worker *w) {
    for (size_t fd = 0; fd < w->n_slots; fd++) {
        struct client *c = mm_slot_load(&w->by_fd[fd]);
        if (c != NULL) {
            client_close(c);
            mm_release(c);
        }
    }
    buffer_free(&w->spare_in);
    free(w->spare_arg);
}

static void *worker_main(void *arg) {
    struct worker *w = arg;
    mm_thread_enter();
    loop(w);
    close_all(w);
    mm_thread_exit();
    return NULL;
}

/* On loopback only: this server knows no passwords. shared: with other sockets that say so. */
static int listen_on(int port, int shared) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    struct sockaddr_in a = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shared, sizeof shared) != 0 ||
        bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 4096) != 0) {
        int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        return -error;
    }
    return fd;
}

static int port_of(int fd) {
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    return getsockname(fd, (struct sockaddr *)&a, &len) == 0 ? ntohs(a.sin_port) : -errno;
}

static size_t raise_fd_limit(void) {
    struct rlimit r = {0, 0};
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max < MAX_FDS ? r.rlim_max : MAX_FDS;
    setrlimit(RLIMIT_NOFILE, &r);
    return (size_t)r.rlim_cur;
}

/* The workers' sockets would share the port with another server's workers too, who would then
 * answer half of the clients. */
static int port_is_taken(int port) {
    int fd = port == 0 ? -1 : listen_on(port, 0);
    if (fd >= 0) {
        close(fd);
    }
    return port != 0 && fd < 0 ? fd : 0;
}

static int worker_open(struct worker *w, int port, size_t fds) {
    w->n_slots = fds;
    w->by_fd = obj_check(mm_root_new(fds * sizeof w->by_fd[0]));
    w->listen_fd = listen_on(port, 1);
    if (w->listen_fd < 0) {
        return w->listen_fd;
    }
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = w->listen_fd};
    if (w->epoll_fd < 0 || w->wake_fd < 0 ||
        epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->listen_fd, &e) != 0) {
        return -errno;
    }
    e.data.fd = w->wake_fd;
    return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &e) != 0 ? -errno : 0;
}

int net_start(unsigned threads, int port) {
    int taken = port_is_taken(port);
    if (taken != 0) {
        return taken;
    }
    size_t fds = raise_fd_limit();
    started_ms = now_ns() / 1000000;
    n_workers = threads;
    workers = obj_check(aligned_alloc(64, threads * sizeof workers[0]));
    memset(workers, 0, threads * sizeof workers[0]);
    for (unsigned i = 0; i < threads; i++) {
        workers[i].id = i;
        int failed = worker_open(&workers[i], port, fds);
        if (failed != 0) {
            return failed;
        }
        port = port_of(workers[0].listen_fd);
    }
    server_port = port;
    for (unsigned i = 0; i < threads; i++) {
        int failed = pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
        if (failed != 0) {
            return -failed;
        }
    }
    return port;
}

void net_end(void) {
    atomic_store(&stopping, true);
    for (unsigned i = 0; i < n_workers; i++) {
        uint64_t one = 1;
        ssize_t ignored = write(workers[i].wake_fd, &one, sizeof one);
        (void)ignored;
    }
    for (unsigned i = 0; i < n_workers; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    /* Only now: other workers may have used them for messages to this one's clients. */
    for (unsigned i = 0; i < n_workers; i++) {
        close(workers[i].listen_fd);
        close(workers[i].epoll_fd);
        close(workers[i].wake_fd);
        close(workers[i].spare_fd);
        mm_root_free(workers[i].by_fd);
    }
    free(workers);
}
