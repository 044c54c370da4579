/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/alloc_rows.c: making and dropping 48-byte objects in three patterns, and in two threads.
 *
 * wane_new zeroes its payload, malloc does not: that is part of what ours costs. The row "shared" makes objects of a
 * type that is born merged, for programs that know.
 */
#include "alloc.h"

#include <wane.h>

static wane_type biased_type = {.name = "bench payload", .size = PAYLOAD};
static wane_type merged_type = {.name = "bench shared payload", .size = PAYLOAD, .flags = WANE_TYPE_SHARED};
static wane_type *type = &biased_type;

static void *object_make(void) {
    void *p = wane_new(type);
    if (p == NULL)
        bench_fail("wane_new failed");
    return p;
}

static void object_drop(void *p) { wane_release(p); }

static void cross(bench_run *r) { cross_with(r, bench_thread_start, bench_thread_stop); }

static void cross_merged(bench_run *r) {
    type = &merged_type;
    cross(r);
}

void bench_malloc_at_once(bench_run *r);
void bench_malloc_hundred(bench_run *r);
void bench_malloc_live(bench_run *r);
void bench_malloc_cross(bench_run *r);

#define NS "ns an object"
/* The bar is 45 ns, the goal 30, on a machine where glibc with a count took 59. */
#define CROSS_BAR (45 / 59.0)
#define CROSS_GOAL (30 / 59.0)

const bench_row bench_alloc_rows[] = {
    {"new-at-once", "new and release, 48 bytes, at once", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", at_once, NULL, 0, 0},
      {"malloc+atomic", bench_malloc_at_once, NULL, 1.0, 7 / 9.0},
      BENCH_BDWGC(bench_gc_at_once)}},
    {"new-100", "the same, 100 and 100 back", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", hundred, NULL, 0, 0},
      {"malloc+atomic", bench_malloc_hundred, NULL, 1.0, 7 / 13.8},
      BENCH_BDWGC(bench_gc_hundred)}},
    {"new-live", "the same, 10,000 live, replaced at random", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", live, NULL, 0, 0},
      {"malloc+atomic", bench_malloc_live, NULL, 1.0, 7 / 9.4},
      BENCH_BDWGC(bench_gc_live)}},
    {"cross", "made by one thread, dropped by another", NS, 1, BENCH_WALL, -1, -1,
     {{"wane", cross, NULL, 0, 0},
      {"malloc+atomic", bench_malloc_cross, NULL, CROSS_BAR, CROSS_GOAL},
      BENCH_BDWGC(bench_gc_cross)}},
    {"cross-shared", "the same, of a type that is born shared", NS, 1, BENCH_WALL, -1, -1,
     {{"wane", cross_merged, NULL, 0, 0},
      {"malloc+atomic", bench_malloc_cross, NULL, CROSS_BAR, CROSS_GOAL}}},
    BENCH_ROWS_END,
};
