/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* bench/threads.c: see threads.h. */
#include "threads.h"

#include <sched.h>
#include <string.h>

static void *thread_main(void *arg) {
    bench_thread *t = arg;
    t->run(t);
    return NULL;
}

void bench_thread_start(bench_thread *t, void (*run)(bench_thread *t), void *arg) {
    t->run = run;
    t->arg = arg;
    t->started = 0;
    t->stop = 0;
    int error = pthread_create(&t->id, NULL, thread_main, t);
    if (error != 0)
        bench_fail("pthread_create: %s", strerror(error));
    while (__atomic_load_n(&t->started, __ATOMIC_ACQUIRE) == 0)
        sched_yield();
}

void bench_thread_ready(bench_thread *t) { __atomic_store_n(&t->started, 1, __ATOMIC_RELEASE); }

void bench_thread_stop(bench_thread *t) {
    __atomic_store_n(&t->stop, 1, __ATOMIC_RELEASE);
    pthread_join(t->id, NULL);
}

void bench_thread_wait(bench_thread *t) {
    while (!bench_thread_stopping(t))
        bench_sleep_ns(5000000);
}

void bench_thread_write(bench_thread *t, void (*write)(void *arg), void *arg, uint64_t period_ns) {
    uint64_t next = bench_now_ns();
    while (!bench_thread_stopping(t)) {
        write(arg);
        if (period_ns == 0)
            continue;
        next += period_ns;
        uint64_t now = bench_now_ns();
        if (now > next + 100 * period_ns)
            next = now; /* was preempted: do not catch up */
        while (bench_now_ns() < next && !bench_thread_stopping(t)) {
        }
    }
}
