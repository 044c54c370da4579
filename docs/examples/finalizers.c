/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * Finalizers that run in the program's own event loop, where they may touch its data without locks: connections that other
 * threads drop are taken off a list that only the loop uses.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <wane.h>

struct connection {
    int number;
    struct connection *next; /* on the loop's list; holds no unit */
};
static struct connection *first;
static int open_n;

static void connection_finalize(void *self) {
    struct connection *c = self, **at = &first;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    open_n--;
}

static wane_type connection_type = {
    .name = "connection",
    .size = sizeof(struct connection),
    .finalize = connection_finalize,
    .flags = WANE_TYPE_FINALIZE_QUEUED,
};

static void wake_loop(void *arg) {
    uint64_t one = 1;
    (void)!write(*(int *)arg, &one, sizeof one);
}

#define CONNECTIONS 1000

static void *serve(void *all) { /* another thread, which is done with each sooner or later */
    for (int i = 0; i < CONNECTIONS; i++)
        wane_release(((struct connection **)all)[i]);
    return NULL;
}

int main(void) {
    static struct connection *all[CONNECTIONS];
    int loop = epoll_create1(EPOLL_CLOEXEC), finalizers = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = finalizers};
    epoll_ctl(loop, EPOLL_CTL_ADD, finalizers, &event);
    wane_set_finalizer_notify(wake_loop, &finalizers);

    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *c = all[i] = wane_new_or_abort(&connection_type);
        c->number = i;
        c->next = first;
        first = c;
        open_n++;
    }
    pthread_t worker;
    pthread_create(&worker, NULL, serve, all);
    size_t ran = 0;
    while (open_n > 0) { /* a server would have more to wait for */
        uint64_t count;
        if (epoll_wait(loop, &event, 1, -1) == 1 && read(finalizers, &count, sizeof count) > 0)
            ran += wane_run_finalizers();
    }
    pthread_join(worker, NULL);
    wane_set_finalizer_notify(NULL, NULL);
    wane_flush();
    wane_stats s = WANE_STATS_INIT;
    wane_stats_get(&s);
    printf("%zu finalizers, %zu alive\n", ran, s.live_objects);
    return 0;
}
/* prints:
1000 finalizers, 0 alive
*/
