// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Event loops: how long there is nothing to do (wane_gc_wait_ns), the descriptor that tells of work (wane_event_fd), steps that do
// not spin beside another thread's guard; with and without the collector thread, and in the child of a fork.

#include "api.h"

#include <fcntl.h>
#include <poll.h>

// The collector thread starts with the first tracked type, so each test has a process of its own.
static void in_child(void (*fn)(void *), void *arg) {
    if (TEST_TSAN) {
        SKIP("ThreadSanitizer does not follow a thread into the child");
    }
    check_in_child(fn, arg);
}

static void no_thread(void) {
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    wane_gc_collect(2);
}

static bool readable(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

// A loop with nothing of its own to do, for some time: sleeps as it is told, and steps when there is work. Returns its turns.
static size_t turn(int fd, uint64_t ns, const size_t *want_dead) {
    uint64_t end = test_now_ns() + ns;
    size_t turns = 0;
    while (test_now_ns() < end && (want_dead == NULL || atomic_load(&nodes_dead) < *want_dead)) {
        int64_t wait = wane_gc_wait_ns();
        uint64_t left = end - test_now_ns();
        if (wait < 0 || (uint64_t)wait > left) {
            wait = left < ns ? (int64_t)left : 0;
        }
        struct timespec t = {.tv_sec = wait / (int64_t)API_SECOND, .tv_nsec = wait % (int64_t)API_SECOND};
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int n = ppoll(&p, fd >= 0 ? 1 : 0, &t, NULL);
        CHECK(n >= 0);
        if (n > 0 || wane_gc_wait_ns() == 0) {
            CHECK(wane_gc_step(API_MS) >= 0);
        }
        turns++;
    }
    return turns;
}

static void work_off(int fd, size_t want_dead) {
    turn(fd, API_PATIENCE, &want_dead);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), want_dead);
    uint64_t end = test_now_ns() + API_PATIENCE;
    while (wane_gc_wait_ns() >= 0) {
        turn(fd, 10 * API_MS, NULL);
        CHECK(test_now_ns() < end);
    }
}

static void *drop_pair(void *unused) {
    wane_release(node_pair());
    return unused;
}

static wane_slot shared;

static void *drop_deferred(void *unused) {
    wane_slot_give(&shared, node_new(1));
    wane_slot_clear(&shared);
    return unused;
}

static void *release_foreign(void *obj) {
    wane_release(obj);
    return NULL;
}

static void idle_and_work(void *unused) {
    (void)unused;
    no_thread();
    int fd = wane_event_fd();
    CHECK(fd >= 0);
    CHECK_EQ_INT(wane_event_fd(), fd);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    work_off(fd, 0);
    CHECK_EQ_INT(wane_gc_wait_ns(), -1);
    CHECK(!readable(fd));
    CHECK(turn(fd, 100 * API_MS, NULL) <= 2);
    // Work of other threads, of each kind.
    for (size_t i = 1; i <= 20; i++) {
        size_t dead = atomic_load(&nodes_dead);
        switch (i % 3) {
        case 0:
            api_elsewhere(drop_pair, NULL);
            dead += 2;
            break;
        case 1:
            api_elsewhere(drop_deferred, NULL);
            dead += 1;
            break;
        default:
            api_elsewhere(release_foreign, node_new(1));
            dead += 1;
        }
        CHECK(readable(fd));
        work_off(fd, dead);
        CHECK(!readable(fd));
        CHECK_EQ_INT(wane_gc_step(0), 0);
    }
}

TEST(sleeps_while_idle_and_wakes_for_work) { in_child(idle_and_work, NULL); }

// A loop that waits with a time alone, and no descriptor.
static void no_descriptor(void *unused) {
    (void)unused;
    no_thread();
    CHECK_EQ_INT(wane_gc_wait_ns(), -1);
    size_t dead = 0;
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < 1000; j++) {
            drop_pair(NULL);
        }
        CHECK_EQ_INT(wane_gc_wait_ns(), 0);
        dead += 2000;
        work_off(-1, dead);
    }
    CHECK_EQ_INT(wane_gc_wait_ns(), -1);
}

TEST(a_loop_without_the_descriptor) { in_child(no_descriptor, NULL); }

static struct gate guard_entered = GATE_CLOSED, guard_leave = GATE_CLOSED;

static void *sit_in_a_guard(void *unused) {
    wane_guard_enter();
    gate_set(&guard_entered, true);
    gate_wait(&guard_leave);
    wane_guard_leave();
    return unused;
}

static void beside_a_guard(void *unused) {
    (void)unused;
    no_thread();
    int fd = wane_event_fd();
    pthread_t t = api_thread(sit_in_a_guard, NULL);
    gate_wait(&guard_entered);
    drop_deferred(NULL);
    drop_pair(NULL);
    // All that can be done is done in some steps; then there is waiting, and no work.
    size_t steps = 0;
    while (wane_gc_step(API_MS) > 0) {
        CHECK(++steps < 100);
    }
    for (int i = 0; i < 100; i++) {
        CHECK_EQ_INT(wane_gc_step(API_MS), 0);
        CHECK(wane_gc_wait_ns() > 0);
        CHECK(!readable(fd));
    }
    size_t turns = turn(fd, 500 * API_MS, NULL);
    CHECK_MSG(turns < 60, "%zu turns", turns);
    gate_set(&guard_leave, true);
    api_join(t);
    work_off(fd, 3);
    CHECK_EQ_INT(wane_gc_wait_ns(), -1);
}

TEST(does_not_spin_beside_a_guard) { in_child(beside_a_guard, NULL); }

// A function that runs for long on another thread is no work of this one's.
static struct gate call_entered = GATE_CLOSED, call_leave = GATE_CLOSED;
static void long_call(void *unused) {
    (void)unused;
    gate_set(&call_entered, true);
    gate_wait(&call_leave);
}

static void *poll_until_called(void *unused) {
    CHECK_EQ_INT(wane_defer(long_call, NULL), 0);
    CHECK_EQ_INT(wane_flush(), 0);
    return unused;
}

static void beside_a_call(void *unused) {
    (void)unused;
    no_thread();
    int fd = wane_event_fd();
    pthread_t t = api_thread(poll_until_called, NULL);
    gate_wait(&call_entered);
    size_t turns = turn(fd, 500 * API_MS, NULL);
    CHECK_MSG(turns < 60, "%zu turns", turns);
    gate_set(&call_leave, true);
    api_join(t);
    work_off(fd, 0);
}

TEST(does_not_spin_beside_a_long_call) { in_child(beside_a_call, NULL); }

// Others who read make candidates all the time, and nothing becomes garbage: looks in vain are rare.
static _Atomic(bool) stop;

static void *only_read(void *unused) {
    while (!atomic_load(&stop)) {
        struct node *n = wane_slot_load(&shared), *m = wane_slot_load(&n->left);
        wane_release(n);
        wane_release(m);
        test_sleep_ns(50000);
    }
    return unused;
}

static void beside_readers(void *unused) {
    (void)unused;
    no_thread();
    int fd = wane_event_fd();
    wane_slot_give(&shared, node_pair());
    pthread_t t = api_thread(only_read, NULL);
    size_t turns = turn(fd, 500 * API_MS, NULL);
    CHECK_MSG(turns < 200, "%zu turns", turns);
    // A round of steps ends.
    size_t steps = 0;
    while (wane_gc_step(API_MS) > 0) {
        CHECK(++steps < 1000);
    }
    atomic_store(&stop, true);
    api_join(t);
    wane_slot_clear(&shared);
    work_off(fd, 2);
}

TEST(does_not_spin_beside_readers) { in_child(beside_readers, NULL); }

// With the collector thread there is nothing to do for a loop, or little.
static void with_the_thread(void *unused) {
    (void)unused;
    int fd = wane_event_fd();
    drop_pair(NULL);
    drop_deferred(NULL);
    wane_gc_collect(2);
    uint64_t end = test_now_ns() + API_PATIENCE;
    while (wane_gc_wait_ns() >= 0) {
        turn(fd, 10 * API_MS, NULL);
        CHECK(test_now_ns() < end);
    }
    wane_gc_step(0);
    size_t turns = turn(fd, 200 * API_MS, NULL);
    CHECK_MSG(turns <= 3, "%zu turns", turns);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), 3);
    CHECK_EQ_INT(wane_option_set("candidate_age_ms", 10), 0);
    drop_pair(NULL);
    drop_deferred(NULL);
    work_off(fd, 6);
}

TEST(beside_the_librarys_thread) { in_child(with_the_thread, NULL); }

// The child has a descriptor of its own, under the same number.
static void clear_in_child(void *fd) {
    CHECK_EQ_INT(wane_event_fd(), (int)(intptr_t)fd);
    work_off((int)(intptr_t)fd, 2);
    CHECK(!readable((int)(intptr_t)fd));
    drop_deferred(NULL);
    CHECK(readable((int)(intptr_t)fd));
    work_off((int)(intptr_t)fd, 3);
}

// What happens in the child wakes nobody here.
static void fork_idle_child(void *fd) {
    drop_pair(NULL);
    drop_deferred(NULL);
    CHECK(readable((int)(intptr_t)fd));
}

static void fork_it(void *unused) {
    (void)unused;
    no_thread();
    int fd = wane_event_fd();
    work_off(fd, 0);
    drop_pair(NULL);
    CHECK(readable(fd));
    check_in_child(clear_in_child, (void *)(intptr_t)fd);
    CHECK(readable(fd));  // the child's steps cleared its own
    work_off(fd, 2);
    check_in_child(fork_idle_child, (void *)(intptr_t)fd);
    CHECK(!readable(fd));
}

TEST(the_child_has_its_own) { in_child(fork_it, NULL); }

// No descriptor is to be had: an error, and everything else works.
static void no_room(void *unused) {
    (void)unused;
    no_thread();
    struct rlimit none = {3, 3};
    CHECK_EQ_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    int fd = wane_event_fd();
    CHECK(fd == -EMFILE || fd == -ENFILE);
    drop_pair(NULL);
    CHECK_EQ_INT(wane_gc_wait_ns(), 0);
    work_off(-1, 2);
}

TEST(no_descriptor_to_be_had) { in_child(no_room, NULL); }
