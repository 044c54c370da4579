/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/gc_cycle.c: graph.h with bdwgc: GC_MALLOC, its defaults (parallel marking with as many threads as there are
 * processors, interior pointers recognised, heap growth as it likes); one thread is known to it. Dropping is
 * forgetting. "incremental": GC_enable_incremental before GC_INIT, pauses of its default limit.
 */
#include "peers.h"

struct node;
typedef struct node *graph_link;

#include "heap.h"

#include <gc/gc.h>

static struct node *node_new(void) {
    struct node *n = GC_MALLOC(sizeof(*n));
    if (n == NULL)
        bench_fail("GC_MALLOC failed");
    return n;
}

static void *table_new(size_t bytes) {
    void *p = GC_MALLOC(bytes);
    if (p == NULL)
        bench_fail("GC_MALLOC failed");
    return p;
}

static struct shelf *shelf_new(void) { return table_new(sizeof(struct shelf)); }

static void graph_give(graph_link *from, struct node *to) { *from = to; }
static void graph_set(graph_link *from, struct node *to) { *from = to; }
static struct node *graph_keep(struct node *n) { return n; }
static struct node *graph_get(graph_link *from) { return *from; }

static void ring_drop(struct node *first, int size) {
    (void)size;
    bench_touch(first);
}

static void shelf_drop(struct shelf *s, size_t used) {
    (void)s;
    (void)used;
}

static void reclaim_all(void) { GC_gcollect(); }
static void table_drop(void *table) { bench_touch(table); }

static void collect_begin(void) {}
static void collect_settle(void) { GC_gcollect(); }

static void collect_young(uint64_t objects) {
    (void)objects;
    GC_gcollect();
}

static void collect_old(uint64_t objects) { collect_young(objects); }
static void collect_end(void) {}

static void begin(bench_run *r) {
    (void)r;
    GC_INIT();
}

static void begin_incremental(bench_run *r) {
    GC_enable_incremental();
    GC_INIT();
    if (!GC_is_incremental_mode())
        bench_skip(r, "this bdwgc has no incremental mode here");
}

GRAPH_CELL(bench_gc, rings_2, begin)
GRAPH_CELL(bench_gc, rings_10, begin)
GRAPH_CELL(bench_gc, rings_1000, begin)
GRAPH_CELL(bench_gc, pause_1m, begin)
GRAPH_CELL(bench_gc, pause_10m, begin)
GRAPH_CELL(bench_gc, paced_1m, begin)
GRAPH_CELL(bench_gc, paced_10m, begin)
GRAPH_CELL(bench_gc, collections, begin)
GRAPH_CELL(bench_gc_inc, pause_1m, begin_incremental)
GRAPH_CELL(bench_gc_inc, pause_10m, begin_incremental)
GRAPH_CELL(bench_gc_inc, paced_1m, begin_incremental)
GRAPH_CELL(bench_gc_inc, paced_10m, begin_incremental)
