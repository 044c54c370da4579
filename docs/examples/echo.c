/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * An epoll server that sends each line back to all its clients. Each connection is an object, which closes its descriptor
 * when it dies. The room and its connections refer to each other, so what a client leaves behind may be a cycle.
 *
 * epoll keeps a plain pointer to the connection. It stands for a reference of the loop's, which the loop releases when
 * it takes the descriptor out.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wane.h>

enum { CLIENTS = 3 };

struct connection {
    int fd;
    wane_slot room, next; /* next: in the room's list */
};

static void connection_destroy(void *self) { close(((struct connection *)self)->fd); }

static wane_type connection_type = {.name = "connection",
                                    .size = sizeof(struct connection),
                                    .slots = WANE_SLOTS(struct connection, room, next),
                                    .destroy = connection_destroy};

struct room { wane_slot first; };
static wane_type room_type = {.name = "room", .size = sizeof(struct room), .slots = WANE_SLOTS(struct room, first)};

static int loop, open_connections;

static void enter_room(struct room *r, int fd) {
    struct connection *c = wane_new(&connection_type);
    c->fd = fd;
    wane_slot_init(&c->room, wane_retain(r));
    wane_slot_init(&c->next, wane_slot_load(&r->first));
    wane_slot_store(&r->first, c);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c}; /* our reference goes with the pointer */
    epoll_ctl(loop, EPOLL_CTL_ADD, fd, &e);
    open_connections++;
}

static void leave_room(struct connection *c) {
    struct room *r = wane_slot_peek(&c->room); /* one thread changes the slots: no guard is needed */
    wane_slot *link = &r->first;
    while (wane_slot_peek(link) != c)
        link = &((struct connection *)wane_slot_peek(link))->next;
    wane_slot_store(link, wane_slot_peek(&c->next));
    epoll_ctl(loop, EPOLL_CTL_DEL, c->fd, NULL);
    wane_release(c); /* the loop's; the slot's follows, and then the descriptor is closed */
    open_connections--;
}

static void serve(struct connection *c) {
    char text[64];
    ssize_t n = read(c->fd, text, sizeof text);
    if (n <= 0) {
        leave_room(c);
        return;
    }
    struct room *r = wane_slot_peek(&c->room);
    for (struct connection *to = wane_slot_peek(&r->first); to != NULL; to = wane_slot_peek(&to->next)) {
        if (write(to->fd, text, (size_t)n) != n)
            perror("write");
    }
}

/* A client: says one line and listens until it has heard all of them. */
static void *client(void *arg) {
    int fd = *(int *)arg;
    size_t heard = 0;
    char text[64];
    if (write(fd, "hello\n", 6) == 6) {
        ssize_t n;
        while (heard < 6 * CLIENTS && (n = read(fd, text, sizeof text)) > 0)
            heard += (size_t)n;
    }
    close(fd);
    return (void *)heard;
}

int main(void) {
    pthread_t threads[CLIENTS];
    int ends[CLIENTS][2];
    loop = epoll_create1(EPOLL_CLOEXEC);
    struct room *r = wane_new(&room_type);
    for (int i = 0; i < CLIENTS; i++) {
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends[i]); /* in the place of listen and accept */
        enter_room(r, ends[i][0]);
    }
    for (int i = 0; i < CLIENTS; i++)
        pthread_create(&threads[i], NULL, client, &ends[i][1]);
    while (open_connections > 0) {
        struct epoll_event ready[16];
        wane_poll(); /* what was deferred and may be done now, before the loop sleeps */
        int n = epoll_wait(loop, ready, 16, -1);
        for (int i = 0; i < n; i++)
            serve(ready[i].data.ptr);
    }
    size_t heard = 0;
    for (int i = 0; i < CLIENTS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        heard += (size_t)result;
    }
    wane_release(r);
    close(loop);
    wane_shutdown(); /* applies, collects, and would report what is still alive */
    wane_stats s = {.struct_size = sizeof s};
    wane_stats_get(&s);
    printf("%zu bytes heard, %zu objects alive\n", heard, s.live_objects);
    return 0;
}
/* prints:
54 bytes heard, 0 objects alive
*/
