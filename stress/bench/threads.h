/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* bench/threads.h: second threads of cells: started with a function, stopped by a flag or when their work is done. */
#ifndef BENCH_THREADS_H
#define BENCH_THREADS_H

#include "bench.h"

#include <pthread.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bench_thread {
    pthread_t id;
    void (*run)(struct bench_thread *t);
    void *arg;
    int started; /* atomic: the thread is at work */
    int stop;    /* atomic */
} bench_thread;

/* Returns once run() has called bench_thread_ready. */
void bench_thread_start(bench_thread *t, void (*run)(bench_thread *t), void *arg);
void bench_thread_ready(bench_thread *t);
/* Sets the flag and joins. */
void bench_thread_stop(bench_thread *t);

static inline bool bench_thread_stopping(bench_thread *t) { return __atomic_load_n(&t->stop, __ATOMIC_ACQUIRE) != 0; }

/* Sleeps until the thread shall stop. */
void bench_thread_wait(bench_thread *t);

/*
 * A writer's loop: calls write(arg) until it shall stop, period_ns apart (0: flat out). It spins between the calls,
 * because a sleep of 10 us takes 60.
 */
void bench_thread_write(bench_thread *t, void (*write)(void *arg), void *arg, uint64_t period_ns);

#ifdef __cplusplus
}
#endif

#endif
