// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// What the API tests share: a type whose deaths are counted, threads that are one call away, the
// state that each test must leave behind, children whose end and words are looked at. A header and
// not a library, so that each program can be read alone; it sees the public header only.
#ifndef WANE_TESTS_API_H
#define WANE_TESTS_API_H

#include <wane.h>

#include "harness.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define API_UNUSED __attribute__((unused))
#define API_MS UINT64_C(1000000)
#define API_SECOND UINT64_C(1000000000)
// Longer than anything takes on a busy machine under a sanitizer; ends only a test that hangs.
#define API_PATIENCE (20 * API_SECOND)

// An object with two slots and a number; its birth and death are counted.
struct node {
    wane_slot left;
    wane_slot right;
    uint64_t number;
    uint64_t canary;
};

#define NODE_CANARY UINT64_C(0x5eed0badcafe1e55)

static _Atomic(size_t) nodes_dead;

static void node_destroy(void *self) {
    struct node *n = self;
    CHECK_EQ_UINT(n->canary, NODE_CANARY);
    n->canary = 0;
    atomic_fetch_add(&nodes_dead, 1);
}

static wane_type node_type = {
    .name = "node",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, left, right),
    .destroy = node_destroy,
};

API_UNUSED static struct node *node_new(uint64_t number) {
    struct node *n = wane_new(&node_type);
    CHECK_MSG(n != NULL, "wane_new: %s", strerror(errno));
    n->number = number;
    n->canary = NODE_CANARY;
    return n;
}

// Two nodes that refer to each other, numbered from `number` on; returns the first, held once.
API_UNUSED static struct node *node_pair_from(uint64_t number) {
    struct node *a = node_new(number), *b = node_new(number + 1);
    wane_slot_store(&a->left, b);
    wane_slot_store(&b->left, a);
    wane_release(b);
    return a;
}

API_UNUSED static struct node *node_pair(void) { return node_pair_from(1); }

// An object without slots or callbacks.
struct leaf {
    uint64_t number;
};

API_UNUSED static wane_type leaf_type = {.name = "leaf", .size = sizeof(struct leaf)};

API_UNUSED static struct leaf *leaf_new(uint64_t number) {
    struct leaf *l = wane_new(&leaf_type);
    CHECK_MSG(l != NULL, "wane_new: %s", strerror(errno));
    l->number = number;
    return l;
}

API_UNUSED static wane_stats api_stats(void) {
    wane_stats s = {.struct_size = sizeof s};
    CHECK_EQ_INT(wane_stats_get(&s), 0);
    return s;
}

static bool api_is_quiet(void *arg) {
    (void)arg;
    CHECK_EQ_INT(wane_flush(), 0);
    wane_poll(); // where there is no collector thread: memory that waits for a grace period
    wane_stats s = api_stats();
    return s.deferred_pending == 0 && s.deferred_bytes == 0;
}

// Objects that a test left alive for good, on purpose (immortals).
static _Atomic(size_t) api_kept;

// After each test nothing is alive, deferred or queued. Callbacks may defer while a flush runs,
// hence the wait; the counts themselves are exact.
void test_teardown(void) {
    CHECK_MSG(test_wait_until(api_is_quiet, NULL, API_PATIENCE), "deferred_pending stays at %zu",
              api_stats().deferred_pending);
    wane_stats s = api_stats();
    CHECK_EQ_UINT(s.live_objects, atomic_load(&api_kept));
    CHECK_EQ_UINT(s.deferred_bytes, 0);
}

struct api_count {
    _Atomic(size_t) *value;
    size_t want;
};

API_UNUSED static bool api_equals(void *arg) {
    const struct api_count *c = arg;
    return atomic_load(c->value) == c->want;
}

// Waits until a counter has a value, and says what it has when it never does.
#define api_wait_count(counter, wanted)                                                            \
    do {                                                                                           \
        struct api_count api_count_ = {(counter), (wanted)};                                       \
        CHECK_MSG(test_wait_until(api_equals, &api_count_, API_PATIENCE), "%s stays at %zu",       \
                  #counter, atomic_load(counter));                                                 \
    } while (0)

API_UNUSED static pthread_t api_thread(void *(*fn)(void *), void *arg) {
    pthread_t t;
    int error = pthread_create(&t, NULL, fn, arg);
    CHECK_MSG(error == 0, "pthread_create: %s", strerror(error));
    return t;
}

API_UNUSED static void api_join(pthread_t t) { CHECK_EQ_INT(pthread_join(t, NULL), 0); }

// Runs fn(arg) on a thread of its own, to its end.
API_UNUSED static void api_elsewhere(void *(*fn)(void *), void *arg) {
    api_join(api_thread(fn, arg));
}

API_UNUSED static void *api_release_it(void *obj) {
    wane_release(obj);
    return NULL;
}

// A gate: threads wait at it until it is opened.
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
};
#define GATE_CLOSED                                                                                \
    { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false }

API_UNUSED static void gate_set(struct gate *g, bool open) {
    pthread_mutex_lock(&g->lock);
    g->open = open;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

API_UNUSED static void gate_wait(struct gate *g) {
    pthread_mutex_lock(&g->lock);
    while (!g->open) {
        pthread_cond_wait(&g->changed, &g->lock);
    }
    pthread_mutex_unlock(&g->lock);
}

// A thread that is in a guard until it is told to leave.
struct api_holder {
    pthread_t thread;
    struct gate entered, may_leave;
};

static void *api_stay_inside(void *holder) {
    struct api_holder *h = holder;
    wane_guard_enter();
    gate_set(&h->entered, true);
    gate_wait(&h->may_leave);
    wane_guard_leave();
    return NULL;
}

// Returns when the thread is inside.
API_UNUSED static void api_hold_guard(struct api_holder *h) {
    *h = (struct api_holder){.entered = GATE_CLOSED, .may_leave = GATE_CLOSED};
    h->thread = api_thread(api_stay_inside, h);
    gate_wait(&h->entered);
}

API_UNUSED static void api_leave_guard(struct api_holder *h) {
    gate_set(&h->may_leave, true);
    api_join(h->thread);
}

// Runs fn(arg) in a child that must end by abort() after one line that contains each of the texts
// (NULL: none). Under AddressSanitizer a report of its own will do: it may see the misuse first.
API_UNUSED static void api_dies_with(void (*fn)(void *), void *arg, const char *a, const char *b,
                                     const char *c) {
    static struct test_end end;
    test_run_child(fn, arg, &end);
    if (TEST_ASAN && strstr(end.said, "ERROR: AddressSanitizer") != NULL) {
        return;
    }
    CHECK_MSG(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGABRT,
              "child did not abort (wait status %#x), it said: %s", (unsigned)end.status, end.said);
    const char *want[] = {a, b, c};
    char *copy = strdup(end.said);
    char *rest = copy;
    bool found = false;
    for (char *line; !found && (line = strsep(&rest, "\n")) != NULL;) {
        found = true;
        for (size_t i = 0; i < 3; i++) {
            found = found && (want[i] == NULL || strstr(line, want[i]) != NULL);
        }
    }
    free(copy);
    if (found) {
        return;
    }
    test_fail(__FILE__, __LINE__, "child aborted without a line with \"%s\", \"%s\", \"%s\": %s",
              a != NULL ? a : "", b != NULL ? b : "", c != NULL ? c : "", end.said);
}

// The library's fences instead of membarrier: then objects have no owner.
API_UNUSED static bool api_fences(void) {
    int64_t value = 1;
    CHECK_EQ_INT(wane_option_get("membarrier", &value), 0);
    return value == 0;
}

// Whether memory was out, or anything else that the library asked for: beside a fault injector.
uint64_t inject_failed(void) __attribute__((weak));
API_UNUSED static bool api_faults(void) { return inject_failed != NULL && inject_failed() > 0; }

API_UNUSED static bool api_long(void) { return getenv("WANE_TEST_LONG") != NULL; }

#endif
