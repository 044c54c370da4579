/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/timing.c: the clocks, and the loop of a cell.
 *
 * A cell warms up for some milliseconds, then repeats its batch until its thread has used enough CPU time, or until
 * several times that has gone by on the wall. One long stretch rather than the median of many short ones: what an
 * operation costs only now and then is part of its price.
 */
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP_NS 30000000u
#define MEASURE_NS 200000000u
#define PATIENCE 8u

enum { FRESH, WARMING, MEASURING };

static uint64_t read_clock(clockid_t id) {
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t bench_now_ns(void) { return read_clock(CLOCK_MONOTONIC); }

uint64_t bench_cpu_ns(void) { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

uint64_t bench_process_ns(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

void bench_sleep_ns(uint64_t ns) {
    struct timespec ts = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    while (nanosleep(&ts, &ts) != 0) {
    }
}

void bench_begin(bench_run *r) {
    r->phase = MEASURING;
    r->ops = 0;
    r->wall0 = bench_now_ns();
    r->cpu0 = bench_cpu_ns();
}

void bench_end(bench_run *r) {
    uint64_t cpu = bench_cpu_ns() - r->cpu0;
    uint64_t wall = bench_now_ns() - r->wall0;
    bench_set(r, 0, (double)cpu / (double)r->ops, (double)wall / (double)r->ops);
}

void bench_value(bench_run *r, double value) { bench_set(r, 0, value, value); }

void bench_set(bench_run *r, int n, double cpu, double wall) {
    r->ret->cpu[n] = cpu;
    r->ret->wall[n] = wall;
    r->ret->done = true;
}

void bench_skip(bench_run *r, const char *why) {
    snprintf(r->ret->skip, sizeof(r->ret->skip), "%s", why);
    r->ret->done = true;
    _exit(0);
}

bool bench_again(bench_run *r) {
    if (r->phase == FRESH) {
        bench_begin(r);
        r->phase = r->quick ? MEASURING : WARMING;
        return true;
    }
    uint64_t wall = bench_now_ns() - r->wall0;
    if (r->phase == WARMING) {
        if (wall >= WARM_UP_NS)
            bench_begin(r);
        return true;
    }
    bool enough = bench_cpu_ns() - r->cpu0 >= MEASURE_NS || wall >= PATIENCE * (uint64_t)MEASURE_NS;
    if (!enough && !r->quick)
        return true;
    bench_end(r);
    return false;
}

void bench_fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    _exit(1);
}
