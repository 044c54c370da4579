/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* bench/alloc_malloc.c: the patterns of alloc.h with the system's malloc and an atomic count. */
#include "alloc.h"

void bench_malloc_at_once(bench_run *r);
void bench_malloc_hundred(bench_run *r);
void bench_malloc_live(bench_run *r);
void bench_malloc_cross(bench_run *r);

static void *object_make(void) { return atomic_new()->payload; }

static void object_drop(void *p) {
    atomic_release((struct atomic_object *)(void *)((char *)p - offsetof(struct atomic_object, payload)));
}

void bench_malloc_at_once(bench_run *r) { at_once(r); }
void bench_malloc_hundred(bench_run *r) { hundred(r); }
void bench_malloc_live(bench_run *r) { live(r); }
void bench_malloc_cross(bench_run *r) { cross_with(r, bench_thread_start, bench_thread_stop); }
