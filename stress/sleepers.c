// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Many threads that sleep most of the time and share a small working set: each wakes now and then and replaces some
// blocks of random sizes in a table, so that what it drops was made by threads that are asleep. The peak of the
// process must stay near that of the same program on malloc. Each is measured in a process of its own.
//
//     sleepers --threads 60 --sleep-ms 50 --burst 10 --seconds 4
//     sleepers --threads 800 --sleep-ms 500 --burst 10 --seconds 8 --strict 1
//
// The dead that wait for their decrement are part of it, up to the option deferred_bytes: on a machine where others work as
// well the collector thread may come late, and with bursts of 100 that shows.
//
// --strict 1: twice malloc's peak is too much; else, for machines where others work as well, three times.

#include "support/stress.h"

#include <sys/wait.h>

enum { BLOCKS = 1000, STEPS = 10, LEAST = 16 }; // sizes double in each step: 16 bytes to 16 KiB, 2.3 KB on average

static wane_type block_type = {.name = "block", .size = 8};
static _Atomic(void *) table[BLOCKS];
static _Atomic(bool) stop;
static bool on_malloc;
static uint64_t sleep_ns, burst;

static void *block_new(size_t size) {
    char *p = on_malloc ? malloc(size) : wane_new_extra(&block_type, size - 8);
    CHECK(p != NULL);
    memset(p, 1, size);
    return p;
}

static void block_drop(void *p) {
    if (on_malloc) {
        free(p);
    } else {
        wane_release(p);
    }
}

static void *sleeper(void *index) {
    test_rng r = test_rng_make((uintptr_t)index);
    while (!atomic_load(&stop)) {
        for (uint64_t i = 0; i < burst; i++) {
            size_t least = (size_t)LEAST << test_below(&r, STEPS);
            void *p = block_new(least + test_below(&r, least));
            block_drop(atomic_exchange(&table[test_below(&r, BLOCKS)], p));
        }
        test_sleep_ns(test_below(&r, 2 * sleep_ns));
    }
    return NULL;
}

static size_t peak_kb(void) {
    char line[256];
    size_t kb = 0;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL) {
        sscanf(line, "VmHWM: %zu", &kb);
    }
    fclose(status);
    return kb;
}

static size_t run(size_t threads, uint64_t duration_ns) {
    pthread_attr_t small;
    pthread_t *t = calloc(threads, sizeof *t);
    CHECK(t != NULL && pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, 65536) == 0);
    for (size_t i = 0; i < threads; i++) {
        CHECK_EQ_INT(pthread_create(&t[i], &small, sleeper, (void *)(uintptr_t)i), 0);
    }
    test_sleep_ns(duration_ns);
    atomic_store(&stop, true);
    for (size_t i = 0; i < threads; i++) {
        stress_join(t[i]);
    }
    free(t);
    size_t kb = peak_kb();
    for (size_t i = 0; i < BLOCKS; i++) {
        block_drop(atomic_load(&table[i]));
    }
    if (!on_malloc) {
        stress_check_empty();
    }
    return kb;
}

// In a child, before this process has a thread or a block: neither peak contains the other's memory.
static size_t measure(bool by_malloc, size_t threads, uint64_t duration_ns) {
    int ends[2];
    size_t kb = 0;
    CHECK_EQ_INT(pipe(ends), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        on_malloc = by_malloc;
        kb = run(threads, duration_ns);
        _exit(write(ends[1], &kb, sizeof kb) == sizeof kb ? 0 : 1);
    }
    close(ends[1]);
    CHECK_MSG(read(ends[0], &kb, sizeof kb) == sizeof kb, "the measuring process failed");
    close(ends[0]);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return kb;
}

TEST(sleeping_threads_share_memory) {
    size_t threads = (size_t)test_option("threads", 60);
    uint64_t duration = stress_duration(1500);
    bool strict = test_option("strict", 0) != 0;
    sleep_ns = test_option("sleep-ms", 50) * STRESS_MS;
    burst = test_option("burst", 10);
    size_t with = measure(false, threads, duration), without = measure(true, threads, duration);
    printf("%zu threads that sleep %" PRIu64 " ms between %" PRIu64 " replacements: peak %.1f MB, malloc %.1f MB, %.2f times\n",
           threads, sleep_ns / STRESS_MS, burst, (double)with / 1024, (double)without / 1024, (double)with / (double)without);
    if (!STRESS_SANITIZED) {
        CHECK_MSG(with <= (strict ? 2 : 3) * without + 1024, "more than %d times malloc's", strict ? 2 : 3);
    }
}
