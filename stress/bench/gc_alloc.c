/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* bench/gc_alloc.c: the patterns of alloc.h with bdwgc: dropping is forgetting. */
#define GC_THREADS
#include "alloc.h"

#include <gc/gc.h>

static void *object_make(void) {
    void *p = GC_MALLOC(PAYLOAD);
    if (p == NULL)
        bench_fail("GC_MALLOC failed");
    return p;
}

static void object_drop(void *p) { bench_opaque(p); }

/* The collector must know the threads whose stacks and registers hold objects. */
static void registered(bench_thread *t) {
    struct GC_stack_base base;
    GC_get_stack_base(&base);
    GC_register_my_thread(&base);
    consumer(t);
    GC_unregister_my_thread();
}

static void start(bench_thread *t, void (*run)(bench_thread *t), void *arg) {
    (void)run;
    GC_allow_register_threads();
    bench_thread_start(t, registered, arg);
}

void bench_gc_at_once(bench_run *r) {
    GC_INIT();
    at_once(r);
}

void bench_gc_hundred(bench_run *r) {
    GC_INIT();
    hundred(r);
}

void bench_gc_live(bench_run *r) {
    GC_INIT();
    live(r);
}

void bench_gc_cross(bench_run *r) {
    GC_INIT();
    cross_with(r, start, bench_thread_stop);
}
