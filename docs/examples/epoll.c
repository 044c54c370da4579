/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * An event loop that does the library's work itself, on one thread, and sleeps when there is none: epoll watches the
 * program's own events and wane_event_fd, and sleeps no longer than wane_gc_wait_ns says.
 */
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <wane.h>

struct session {
    wane_slot request; /* a cycle: each refers to the other */
};
struct request {
    wane_slot session;
};
static wane_type session_type = {
    .name = "session", .size = sizeof(struct session), .slots = WANE_SLOTS(struct session, request)};
static wane_type request_type = {
    .name = "request", .size = sizeof(struct request), .slots = WANE_SLOTS(struct request, session)};

static void serve(void) {
    struct session *s = wane_new(&session_type);
    struct request *r = wane_new(&request_type);
    wane_slot_store(&r->session, s);
    wane_slot_give(&s->request, r);
    wane_release(s);
}

/* For epoll: in milliseconds, rounded up; -1: without limit. */
static int timeout(void) {
    int64_t ns = wane_gc_wait_ns();
    return ns < 0 ? -1 : (int)((ns + 999999) / 1000000);
}

int main(void) {
    wane_option_set("collector_thread", 0);
    int loop = epoll_create1(EPOLL_CLOEXEC), clients = eventfd(0, EFD_CLOEXEC), library = wane_event_fd();
    struct epoll_event event = {.events = EPOLLIN, .data.fd = clients};
    epoll_ctl(loop, EPOLL_CTL_ADD, clients, &event);
    event.data.fd = library;
    epoll_ctl(loop, EPOLL_CTL_ADD, library, &event);

    uint64_t requests = 1000;
    if (write(clients, &requests, sizeof requests) != sizeof requests) /* a client sends them all at once */
        return 1;
    unsigned turns = 0;
    int wait;
    while ((wait = timeout()) >= 0 || turns == 0) { /* a server would go on, and sleep here until the next client */
        int n = epoll_wait(loop, &event, 1, wait);
        if (n > 0 && event.data.fd == clients && read(clients, &requests, sizeof requests) > 0) {
            for (uint64_t i = 0; i < requests; i++)
                serve();
        } else if (n > 0 || wane_gc_wait_ns() == 0) {
            wane_gc_step(1000000);
        }
        turns++;
    }
    wane_stats s = {.struct_size = sizeof s};
    wane_stats_get(&s);
    printf("%zu alive, %s\n", s.live_objects, turns < 500 ? "asleep" : "it did not sleep");
    return 0;
}
/* prints:
0 alive, asleep
*/
