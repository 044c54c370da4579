/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/large_rows.c: objects of many pages: made, written all over, and dropped again and again. CPU time of all
 * threads, and the most memory that the process had at a time.
 *
 * wane_new zeroes its payload, malloc does not: with warm memory that is half of what ours costs. calloc does.
 */
#include "threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wane.h>

enum { LARGE_CPU, LARGE_PEAK };

static wane_type large_type = {.name = "bench large", .size = 64};

static void *object_make(size_t size) { return wane_new_extra(&large_type, size - large_type.size); }

static void object_drop(void *p) { wane_release(p); }

static void *calloc_one(size_t size) { return calloc(1, size); }

static double peak_mib(void) {
    FILE *f = fopen("/proc/self/status", "re");
    char line[128];
    unsigned long kib = 0;
    while (f != NULL && kib == 0 && fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "VmHWM: %lu", &kib) != 1)
            kib = 0;
    }
    if (kib == 0)
        bench_fail("no VmHWM in /proc/self/status");
    fclose(f);
    return (double)kib / 1024;
}

struct job {
    void *(*make)(size_t size);
    void (*drop)(void *p);
    size_t size;
    uint64_t rounds;
};

static void make_and_drop(const struct job *job) {
    for (uint64_t i = 0; i < job->rounds; i++) {
        char *p = job->make(job->size);
        if (p == NULL)
            bench_fail("no memory");
        memset(p, (int)i, job->size);
        bench_touch(p);
        job->drop(p);
    }
}

static void worker(bench_thread *t) {
    bench_thread_ready(t);
    make_and_drop(t->arg);
}

enum { THREADS = 16 };

static void large(bench_run *r, unsigned threads, struct job job) {
    bench_thread t[THREADS];
    uint64_t cpu = bench_process_ns(), wall = bench_now_ns();
    for (unsigned i = 0; i < threads; i++)
        bench_thread_start(&t[i], worker, &job);
    for (unsigned i = 0; i < threads; i++)
        bench_thread_stop(&t[i]);
    double n = (double)(job.rounds * threads);
    bench_set(r, LARGE_CPU, (double)(bench_process_ns() - cpu) / n, (double)(bench_now_ns() - wall) / n);
    bench_set(r, LARGE_PEAK, peak_mib(), peak_mib());
}

#define CELLS(name_, threads_, size_, rounds_)                                                                         \
    static void name_##_wane(bench_run *r) {                                                                           \
        large(r, threads_, (struct job){object_make, object_drop, size_, bench_size(r, rounds_, 4)});                  \
    }                                                                                                                  \
    static void name_##_malloc(bench_run *r) {                                                                         \
        large(r, threads_, (struct job){malloc, free, size_, bench_size(r, rounds_, 4)});                              \
    }                                                                                                                  \
    static void name_##_calloc(bench_run *r) {                                                                         \
        large(r, threads_, (struct job){calloc_one, free, size_, bench_size(r, rounds_, 4)});                          \
    }

CELLS(two, THREADS, (size_t)2000 << 10, 600)
CELLS(eight, THREADS, (size_t)8 << 20, 100)
CELLS(sixteen, 1, (size_t)16 << 20, 200)

#define ROWS(name_, key_, title_, bar_)                                                                                \
    {key_, title_, "us an object", 1e3, BENCH_CPU | BENCH_PROCESS | BENCH_FIGURE(LARGE_CPU), -1, -1,                   \
     {{"wane", name_##_wane, NULL, 0, 0},                                                                              \
      {"malloc", name_##_malloc, NULL, bar_, 0},                                                                       \
      {"calloc", name_##_calloc, NULL, 0, 0}}},                                                                        \
        {key_ "-peak", "the same, peak memory", "MiB", 1, BENCH_VALUE | BENCH_FIGURE(LARGE_PEAK), -1, -1,              \
         {{"wane", name_##_wane, NULL, 0, 0},                                                                          \
          {"malloc", name_##_malloc, NULL, 2.0, 0},                                                                    \
          {"calloc", name_##_calloc, NULL, 0, 0}}}

const bench_row bench_large_rows[] = {
    ROWS(two, "large-2m", "16 threads make and drop 2,000 KiB", 2.0),
    ROWS(eight, "large-8m", "16 threads make and drop 8 MiB", 2.0),
    ROWS(sixteen, "large-16m", "one thread, 16 MiB again and again", 3.0),
    BENCH_ROWS_END,
};
