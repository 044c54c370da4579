// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Calls that cannot fail leave errno alone, in their slow paths too: first calls of a thread, waits
// that signals cut short, queues that find no memory, callbacks that set it.

#include "api.h"

#include <sys/time.h>

#define UNTOUCHED 12345

#define KEEPS_ERRNO(call)                                                                          \
    do {                                                                                           \
        errno = UNTOUCHED;                                                                         \
        call;                                                                                      \
        CHECK_EQ_INT(errno, UNTOUCHED);                                                            \
    } while (0)

static void destroy_and_fail(void *self) {
    (void)self;
    errno = EBADF;
}
static wane_type failing_type = {.name = "fails", .size = 64, .destroy = destroy_and_fail, .finalize = destroy_and_fail};

static wane_slot place;

static void all_calls(size_t size) {
    void *o = wane_new_extra(&failing_type, size);
    CHECK(o != NULL);
    struct node *n = node_new(1);
    errno = UNTOUCHED;
    KEEPS_ERRNO(wane_slot_store(&place, o));
    KEEPS_ERRNO(wane_retain(o));
    KEEPS_ERRNO(wane_release(o));
    KEEPS_ERRNO(wane_slot_cas(&place, o, n));
    KEEPS_ERRNO(wane_slot_cas(&place, o, n));
    KEEPS_ERRNO(wane_release(wane_slot_load(&place)));
    KEEPS_ERRNO(wane_release(wane_slot_swap(&place, wane_retain(o))));
    KEEPS_ERRNO(wane_guard_enter());
    KEEPS_ERRNO(wane_slot_peek(&place));
    KEEPS_ERRNO(wane_guard_leave());
    KEEPS_ERRNO(wane_release(wane_slot_take(&place)));
    KEEPS_ERRNO(wane_slot_give(&place, wane_retain(n)));
    KEEPS_ERRNO(wane_slot_clear(&place));
    KEEPS_ERRNO(wane_share(n));
    KEEPS_ERRNO(wane_note_external(n, 1 << 20));
    KEEPS_ERRNO(wane_note_external(n, -(1 << 20)));
    KEEPS_ERRNO(wane_release_later(n));
    KEEPS_ERRNO(wane_release(o));
    KEEPS_ERRNO(wane_poll());
}

TEST(in_the_ordinary) {
    for (int i = 0; i < 2000; i++) {
        all_calls(0);
    }
    for (int i = 0; i < 20; i++) {
        all_calls(1 << 20);
    }
    KEEPS_ERRNO(wane_flush());
    KEEPS_ERRNO(wane_gc_collect(2));
    KEEPS_ERRNO(wane_trim());
}

TEST(weak_references) {
    struct node *n = node_new(1);
    wane_weak *w = wane_weak_new(n, NULL, NULL);
    KEEPS_ERRNO(wane_release(wane_weak_get(w)));
    KEEPS_ERRNO(wane_release(n));
    KEEPS_ERRNO(wane_weak_get(w));
    KEEPS_ERRNO(wane_release(w));
}

static void *first_call(void *call) {
    switch (*(int *)call) {
    case 0: KEEPS_ERRNO(wane_guard_enter()); KEEPS_ERRNO(wane_guard_leave()); break;
    case 1: KEEPS_ERRNO(wane_slot_clear(&place)); break;
    case 2: KEEPS_ERRNO(wane_release(wane_slot_load(&place))); break;
    default: KEEPS_ERRNO(wane_poll());
    }
    return NULL;
}

TEST(first_calls_of_threads) {
    for (int i = 0; i < 40; i++) {
        wane_slot_give(&place, node_new(1));
        int call = i % 4;
        api_elsewhere(first_call, &call);
    }
    wane_slot_clear(&place);
}

// Bounds so small that threads wait, and a timer that ends their sleep.

static void on_alarm(int signal) { (void)signal; }

static struct gate hold = GATE_CLOSED;
static _Atomic(size_t) held;
static void *hold_guard(void *unused) {
    wane_guard_enter();
    atomic_fetch_add(&held, 1);
    gate_wait(&hold);
    wane_guard_leave();
    return unused;
}

static void *wait_often(void *unused) {
    for (int i = 0; i < (TEST_TSAN || TEST_ASAN ? 300 : 2000); i++) {
        all_calls(20000);
        KEEPS_ERRNO(wane_slot_give(&place, wane_new_extra(&leaf_type, 30000)));
    }
    return unused;
}

TEST(waits_and_signals) {
    struct sigaction action = {.sa_handler = on_alarm};
    CHECK_EQ_INT(sigaction(SIGALRM, &action, NULL), 0);
    struct itimerval often = {.it_interval = {.tv_usec = 500}, .it_value = {.tv_usec = 500}};
    CHECK_EQ_INT(setitimer(ITIMER_REAL, &often, NULL), 0);
    int64_t before;
    CHECK_EQ_INT(wane_option_get("deferred_bytes", &before), 0);
    CHECK_EQ_INT(wane_option_set("deferred_bytes", 65536), 0);
    // Signals are this thread's: ThreadSanitizer cannot have them in the exit of another.
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, NULL);
    pthread_t other = api_thread(wait_often, NULL), holder = api_thread(hold_guard, NULL);
    pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
    api_wait_count(&held, 1);
    for (int i = 0; i < (TEST_TSAN || TEST_ASAN ? 300 : 2000); i++) {
        KEEPS_ERRNO(wane_slot_give(&place, wane_new_extra(&leaf_type, 30000)));
        KEEPS_ERRNO(wane_release(wane_slot_load(&place)));
        if (i == 100) {
            gate_set(&hold, true);
        }
    }
    api_join(other);
    api_join(holder);
    CHECK_EQ_INT(wane_option_set("deferred_bytes", before), 0);
    struct itimerval never = {0};
    CHECK_EQ_INT(setitimer(ITIMER_REAL, &never, NULL), 0);
    wane_slot_clear(&place);
    CHECK(api_stats().stalls > 0);
}

// No memory: more units than the segments hold that are there.

static _Atomic(size_t) left_to_release;
static struct node *shared_node;

static void *release_without_memory(void *unused) {
    size_t n = atomic_load(&left_to_release);
    while (n-- > 0) {
        KEEPS_ERRNO(wane_release(shared_node));
    }
    return unused;
}

static void *defer_without_memory(void *nodes) {
    for (size_t i = 0; i < 20000; i++) {
        KEEPS_ERRNO(wane_slot_store(&place, ((struct node **)nodes)[i % 2]));
    }
    KEEPS_ERRNO(wane_release_later(((struct node **)nodes)[0]));
    KEEPS_ERRNO(wane_slot_clear(&place));
    return NULL;
}

static struct gate memory_gone = GATE_CLOSED;
static void *run_at_gate(void *unused) {
    struct node *nodes[] = {node_new(1), node_new(2)};
    gate_wait(&memory_gone);
    release_without_memory(unused);
    defer_without_memory(nodes);
    KEEPS_ERRNO(wane_release(nodes[1]));
    return unused;
}

static void without_memory(void *unused) {
    shared_node = node_new(1);
    for (int i = 1; i < 20000; i++) {
        wane_retain(shared_node);
    }
    atomic_store(&left_to_release, 20000);
    CHECK_EQ_INT(wane_flush(), 0);
    pthread_t t = api_thread(run_at_gate, unused);
    test_sleep_ns(20 * API_MS);
    struct rlimit bound = {1 << 20, 1 << 20};
    CHECK_EQ_INT(setrlimit(RLIMIT_AS, &bound), 0);
    // The compiler must not know that nobody uses it.
    static void *volatile last;
    do {
        last = malloc(16);
    } while (last != NULL);
    gate_set(&memory_gone, true);
    api_join(t);
    KEEPS_ERRNO(wane_flush());
}

TEST(queues_without_memory) {
    if (TEST_TSAN || TEST_ASAN) {
        SKIP("sanitizers need memory");
    }
    check_in_child(without_memory, NULL);
}
