/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/cycle_malloc.c: the control for graph.h: the system's malloc, no counts, rings freed by hand by who knows that
 * they are rings. What its operations take is the machine's own noise.
 */
#include "peers.h"

struct node;
typedef struct node *graph_link;

#include "graph.h"

static void *zeroed(size_t size) {
    void *p = calloc(1, size);
    if (p == NULL)
        bench_fail("out of memory");
    return p;
}

static struct node *node_new(void) {
    struct node *n = malloc(sizeof(*n));
    if (n == NULL)
        bench_fail("out of memory");
    *n = (struct node){.to = {NULL, NULL}};
    return n;
}

static struct shelf *shelf_new(void) { return zeroed(sizeof(struct shelf)); }
static void graph_give(graph_link *from, struct node *to) { *from = to; }
static struct node *graph_keep(struct node *n) { return n; }
static void graph_set(graph_link *from, struct node *to) { *from = to; }
static struct node *graph_get(graph_link *from) { return *from; }

static void ring_drop(struct node *first, int size) {
    bench_touch(first);
    for (struct node *n = first; size > 0; size--) {
        struct node *next = n->to[0];
        free(n);
        n = next;
    }
}

static void shelf_drop(struct shelf *s, size_t used) {
    for (size_t i = 0; i < used; i++)
        free(s->at[i]);
    free(s);
}

/* Everything was freed when it was dropped. */
static void reclaim_all(void) {}
static void *table_new(size_t bytes) { return zeroed(bytes); }
static void table_drop(void *table) { free(table); }

static void begin(bench_run *r) { (void)r; }

GRAPH_CELL(bench_malloc, rings_2, begin)
GRAPH_CELL(bench_malloc, rings_10, begin)
GRAPH_CELL(bench_malloc, rings_1000, begin)
GRAPH_CELL(bench_malloc, pause_1m, begin)
GRAPH_CELL(bench_malloc, pause_10m, begin)
GRAPH_CELL(bench_malloc, paced_1m, begin)
GRAPH_CELL(bench_malloc, paced_10m, begin)
