/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * os.c: address space, futexes, clocks and the heavy barrier. Where time is compared, it is only
 * that enough went by.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"
#include "harness.h"
#include "no_membarrier.h"
#include "os/barrier.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/map.h"

static size_t page(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* Address space of the process; 0 where a sanitizer has its own part in it. */
static size_t space(void) {
    char text[100] = {0};
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (TEST_TSAN || TEST_ASAN || fd < 0)
        return 0;
    CHECK(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    return (size_t)strtoull(text, NULL, 10) * page();
}

static void must_be_filled(const char *p, size_t size, char with) {
    for (size_t i = 0; i < size; i++)
        CHECK_MSG(p[i] == with, "byte %zu of %zu is %d, not %d", i, size, p[i], with);
}

TEST(map_aligned_and_zero) {
    enum { ALIGNS = 12, EACH = 3 };
    char *maps[ALIGNS][EACH];
    size_t before = space(), all = 0;
    for (unsigned i = 0; i < ALIGNS; i++) {
        for (unsigned j = 0; j < EACH; j++) {
            size_t align = page() << i, size = page() * (1 + 2 * j + i);
            char *p = maps[i][j] = wane__map_reserve(size, align);
            CHECK(p != NULL);
            CHECK_EQ_UINT((uintptr_t)p & (align - 1), 0);
            must_be_filled(p, size, 0);
            memset(p, (int)(1 + i * EACH + j), size);
            all += size;
        }
    }
    if (before != 0) /* what alignment needed is not kept */
        CHECK_EQ_UINT(space(), before + all);
    for (unsigned i = 0; i < ALIGNS; i++) {
        for (unsigned j = 0; j < EACH; j++) {
            size_t size = page() * (1 + 2 * j + i);
            must_be_filled(maps[i][j], size, (char)(1 + i * EACH + j));
            wane__map_release(maps[i][j], size);
        }
    }
    if (before != 0)
        CHECK_EQ_UINT(space(), before);
}

/* Far more than there are addresses, if any of it stayed. ThreadSanitizer leaves few of them. */
TEST(map_again_and_again) {
    const size_t size = (size_t)1 << (TEST_TSAN ? 34 : 40);
    for (unsigned i = 0; i < 400; i++) {
        char *p = wane__map_reserve(size, size >> 10);
        CHECK(p != NULL);
        CHECK(p[0] == 0 && p[size - 1] == 0);
        p[0] = p[size - 1] = 1;
        wane__map_release(p, size);
    }
}

TEST(map_discard) {
    const size_t n = page();
    char *p = wane__map_reserve(4 * n, n);
    CHECK(p != NULL);
    memset(p, 7, 4 * n);
    CHECK(wane__map_discard(p + n, 2 * n));
    must_be_filled(p, n, 7);
    must_be_filled(p + n, 2 * n, 0);
    must_be_filled(p + 3 * n, n, 7);
    memset(p + n, 8, 2 * n);
    must_be_filled(p + n, 2 * n, 8);
    errno = 77;
    if (syscall(SYS_mlock, p, n) == 0) { /* sanitizers make mlock() do nothing */
        CHECK(!wane__map_discard(p, n));
        must_be_filled(p, n, 7);
    }
    CHECK_EQ_INT(errno, 77);
    wane__map_release(p, 4 * n);
}

static size_t count_present(char *p, size_t n) {
    unsigned char present[3000];
    size_t all = 0;
    CHECK(n <= sizeof present && mincore(p, n * page(), present) == 0);
    for (size_t i = 0; i < n; i++)
        all += present[i] & 1;
    return all;
}

/* Any part of a mapping with memory here and there: all is zero then, and what had no memory got little. */
TEST(map_zero) {
    enum { N = 2500 };
    test_rng r = test_rng_make(7);
    for (unsigned round = 0; round < 20; round++) {
        char *p = wane__map_reserve(N * page(), page());
        CHECK(p != NULL);
        size_t begin = test_below(&r, 3 * page()), end = N * page() - test_below(&r, 3 * page());
        if (round % 4 == 3)
            end = begin + test_below(&r, 40 * page());
        for (size_t i = 0; i < N; i += 1 + test_below(&r, 1u << (round % 10)))
            memset(p + i * page(), 0x5A, page());
        size_t before = count_present(p, N);
        wane__map_zero(p + begin, end - begin);
        CHECK(count_present(p, N) <= 9 * before + 8);
        for (size_t i = begin; i < end; i++)
            CHECK(p[i] == 0);
        wane__map_release(p, N * page());
    }
    char *p = wane__map_reserve(N * page(), page());
    p[0] = p[N / 2 * page()] = 1;
    wane__map_zero(p, N * page());
    CHECK(count_present(p, N) <= 20);
    CHECK(p[0] == 0 && p[N / 2 * page()] == 0);
    wane__map_release(p, N * page());
}

TEST(map_of_too_much) {
    size_t before = space();
    errno = 77;
    CHECK(wane__map_reserve((size_t)1 << 62, page()) == NULL);
    CHECK(wane__map_reserve(page(), (size_t)1 << 62) == NULL);
    CHECK(wane__map_reserve((size_t)1 << 46, (size_t)1 << 63) == NULL);
    CHECK_EQ_INT(errno, 77);
    CHECK_EQ_UINT(space(), before);
}

/* Who comes after the word changed does not wait, whatever the wake did. */
TEST(futex_wake_before_wait) {
    uint32_t word = 0;
    errno = 77;
    store_release(&word, 1u);
    wane__futex_wake(&word, INT_MAX);
    wane__futex_wait(&word, 0, -1);
    wane__futex_wait(&word, 2, -1);
    CHECK_EQ_UINT(word, 1);
    CHECK_EQ_INT(errno, 77);
}

TEST(futex_timeout) {
    static const int64_t times[] = {0, 1, 20000000, 1030000000};
    uint32_t word = 5;
    errno = 77;
    for (unsigned i = 0; i < sizeof times / sizeof times[0]; i++) {
        uint64_t start = test_now_ns();
        wane__futex_wait(&word, 5, times[i]);
        CHECK(test_now_ns() - start >= (uint64_t)times[i]);
    }
    CHECK_EQ_INT(errno, 77);
}

enum { WAITERS = 3 };

static uint32_t xword, xawake;
static int32_t xids[WAITERS];

static bool sleeps(void *arg) {
    char path[64], text[200] = {0};
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", load_acquire((int32_t *)arg));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    const char *end = n > 0 ? strrchr(text, ')') : NULL;
    return end != NULL && end[2] == 'S';
}

/* That all sleep makes the tests worth more; they are right without it. */
static void start_waiters(pthread_t *threads, void *(*run)(void *)) {
    store_relaxed(&xword, 0u);
    store_relaxed(&xawake, 0u);
    for (unsigned i = 0; i < WAITERS; i++) {
        store_relaxed(&xids[i], 0);
        CHECK_EQ_INT(pthread_create(&threads[i], NULL, run, &xids[i]), 0);
    }
    for (unsigned i = 0; i < WAITERS; i++)
        (void)test_wait_until(sleeps, &xids[i], UINT64_C(2000000000));
}

static void join_waiters(pthread_t *threads) {
    for (unsigned i = 0; i < WAITERS; i++)
        CHECK_EQ_INT(pthread_join(threads[i], NULL), 0);
    CHECK_EQ_UINT(load_acquire(&xawake), WAITERS);
}

static void *wait_for_change(void *arg) {
    store_release((int32_t *)arg, (int32_t)gettid());
    while (load_acquire(&xword) == 0)
        wane__futex_wait(&xword, 0, -1);
    add_acq_rel(&xawake, 1u);
    return NULL;
}

TEST(futex_wake_of_waiters) {
    pthread_t threads[WAITERS];
    start_waiters(threads, wait_for_change);
    CHECK_EQ_UINT(load_acquire(&xawake), 0);
    store_release(&xword, 1u);
    wane__futex_wake(&xword, INT_MAX);
    join_waiters(threads);
}

static void *wait_once(void *arg) {
    store_release((int32_t *)arg, (int32_t)gettid());
    wane__futex_wait(&xword, 0, -1);
    add_acq_rel(&xawake, 1u);
    return NULL;
}

/* The word stays as it is: only wakes end the waits, and each ends as many as it says. */
TEST(futex_wake_of_some) {
    pthread_t threads[WAITERS];
    start_waiters(threads, wait_once);
    uint32_t wakes = 0;
    while (load_acquire(&xawake) < WAITERS - 1) {
        wakes++;
        wane__futex_wake(&xword, 1);
        test_sleep_ns(5000000); /* in which one too many would show itself */
        CHECK(load_acquire(&xawake) <= wakes);
    }
    while (load_acquire(&xawake) < WAITERS) {
        wane__futex_wake(&xword, INT_MAX);
        sched_yield();
    }
    join_waiters(threads);
}

TEST(clock_is_monotonic) {
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t before = test_now_ns(), now = wane__now(), after = test_now_ns();
        CHECK(before <= now && now <= after);
    }
}

static void *give_clock(void *ret) {
    CHECK_EQ_INT(pthread_getcpuclockid(pthread_self(), ret), 0);
    CHECK(wane__clock(*(clockid_t *)ret) > 0);
    return NULL;
}

/* A thread's id may be known for a moment after the join. */
static bool reads_zero(void *id) { return wane__clock(*(clockid_t *)id) == 0; }

TEST(clock_of_a_thread) {
    uint64_t before = wane__clock(CLOCK_THREAD_CPUTIME_ID), now = before;
    while (now == before)
        now = wane__clock(CLOCK_THREAD_CPUTIME_ID);
    CHECK(now > before);
    clockid_t id;
    pthread_t thread;
    CHECK_EQ_INT(pthread_create(&thread, NULL, give_clock, &id), 0);
    CHECK_EQ_INT(pthread_join(thread, NULL), 0);
    while (!reads_zero(&id))
        test_sleep_ns(1000000);
}

TEST(barrier_init) {
    long can = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    bool want = can > 0 && (can & MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0;
    errno = 77;
    CHECK(!wane__barrier_init(false));
    CHECK_EQ_INT(wane__barrier_init(true), want);
    CHECK_EQ_INT(wane__barrier_init(true), want);
    CHECK_EQ_INT(wane__barrier_heavy(true), want);
    CHECK(wane__barrier_heavy(false));
    CHECK_EQ_INT(errno, 77);
}

static void without_membarrier(void *unused) {
    (void)unused;
    bool worked = wane__barrier_init(true);
    if (!take_membarrier_away())
        return;
    errno = 77;
    CHECK(!worked || !wane__barrier_heavy(true));
    CHECK(!wane__barrier_init(true));
    CHECK(wane__barrier_heavy(false));
    CHECK_EQ_INT(errno, 77);
}

/* A sandbox that the program enters later takes the system call away: it says so, and fences do
 * without. */
TEST(barrier_that_is_refused) { check_in_child(without_membarrier, NULL); }

/*
 * Each side marks and then looks for the other's mark: at least one must find it. Two threads run
 * through the rounds side by side; `xready` holds the number of the round that a side is in.
 */
enum { ROUNDS = 20000 };

static struct side {
    uint32_t xmark[ROUNDS], xsaw[ROUNDS];
    _Alignas(64) uint32_t xready;
} sides[2];
static bool works;

static void meet(unsigned me, uint32_t round) {
    store_release(&sides[me].xready, round + 1);
    for (unsigned spins = 0; load_acquire(&sides[1 - me].xready) < round + 1; spins++) {
        if (spins > 2000)
            sched_yield();
    }
}

static void *light_side(void *unused) {
    test_rng r = test_rng_make(1);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint64_t delay = test_below(&r, 300);
        meet(0, i);
        for (; delay > 0; delay--)
            compiler_barrier();
        store_relaxed(&sides[0].xmark[i], 1u);
        if (works)
            compiler_barrier();
        else
            fence_seq_cst();
        store_relaxed(&sides[0].xsaw[i], load_relaxed(&sides[1].xmark[i]));
    }
    return unused;
}

static void *heavy_side(void *unused) {
    test_rng r = test_rng_make(2);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint64_t delay = test_below(&r, 300);
        meet(1, i);
        for (; delay > 0; delay--)
            compiler_barrier();
        store_relaxed(&sides[1].xmark[i], 1u);
        CHECK(wane__barrier_heavy(works));
        store_relaxed(&sides[1].xsaw[i], load_relaxed(&sides[0].xmark[i]));
    }
    return unused;
}

static void race_of_marks(void) {
    memset(sides, 0, sizeof sides);
    pthread_t light, heavy;
    CHECK_EQ_INT(pthread_create(&light, NULL, light_side, NULL), 0);
    CHECK_EQ_INT(pthread_create(&heavy, NULL, heavy_side, NULL), 0);
    CHECK_EQ_INT(pthread_join(light, NULL), 0);
    CHECK_EQ_INT(pthread_join(heavy, NULL), 0);
    for (uint32_t i = 0; i < ROUNDS; i++)
        CHECK_MSG(sides[0].xsaw[i] == 1 || sides[1].xsaw[i] == 1, "round %u: neither saw the other",
                  i);
}

TEST(barrier_orders) {
    works = wane__barrier_init(true);
    if (!works)
        SKIP("no membarrier");
    race_of_marks();
}

TEST(barrier_of_fences_orders) {
    works = wane__barrier_init(false);
    race_of_marks();
}
