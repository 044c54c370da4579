/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/graph.h: graphs with cycles, the same text for us and for the peers.
 *
 * The living heap: nodes of two links that refer to each other at random, each held by one place on a shelf (an object
 * of 500 links), as in the buckets of a server's table. No thread holds a node. Garbage: rings of nodes. A file
 * defines what is declared below for what it measures, before it uses the patterns.
 */
#ifndef BENCH_GRAPH_H
#define BENCH_GRAPH_H

#include "pause.h"
#include "peers.h"

#include <stdio.h>
#include <string.h>

/* What a link is: `typedef ... graph_link;` before this is included. 32 bytes: 48 in each of the three heaps. */
struct node {
    graph_link to[2];
    long value[2];
};

#define SHELF 500
struct shelf {
    graph_link at[SHELF];
};

static struct node *node_new(void); /* zeroed; the caller's */
static struct shelf *shelf_new(void);
static void graph_give(graph_link *from, struct node *to); /* into a link that nobody uses yet; consumes `to` */
static struct node *graph_keep(struct node *n);            /* once more the caller's */
static void graph_set(graph_link *from, struct node *to);  /* a link of a living node; borrows `to` */
static struct node *graph_get(graph_link *from);           /* borrowed: what is on a shelf stays there */
static void ring_drop(struct node *first, int size);       /* the caller's, and that was the last from outside */
static void shelf_drop(struct shelf *s, size_t used);
static void reclaim_all(void);                             /* returns when all that was dropped is freed */
static void *table_new(size_t bytes);                      /* for pointers to shelves; a collector sees it */
static void table_drop(void *table);

static uint64_t graph_seed = 88172645463325252u;

static inline uint64_t graph_random(void) {
    graph_seed ^= graph_seed << 13;
    graph_seed ^= graph_seed >> 7;
    graph_seed ^= graph_seed << 17;
    return graph_seed >> 8;
}

static struct node *ring_make(int size) {
    struct node *first = node_new(), *last = first;
    for (int i = 1; i < size; i++) {
        struct node *n = node_new();
        n->value[0] = i;
        graph_give(&last->to[0], n);
        last = n;
    }
    graph_give(&last->to[0], graph_keep(first));
    return first;
}

/* The living heap. Static, so that a collector that looks for roots finds it. */
static struct shelf **shelves;
static size_t shelves_room, living;

static inline struct node *living_at(size_t i) { return graph_get(&shelves[i / SHELF]->at[i % SHELF]); }
static inline struct node *living_any(void) { return living_at(graph_random() % living); }

/* The table never moves. */
static void living_begin(size_t most) {
    shelves_room = (most + SHELF - 1) / SHELF;
    shelves = table_new(shelves_room * sizeof(*shelves));
}

static void living_grow(size_t n) {
    size_t before = living;
    for (; living < n; living++) {
        if (living % SHELF == 0)
            shelves[living / SHELF] = shelf_new();
        struct node *made = node_new();
        made->value[0] = (long)living;
        graph_give(&shelves[living / SHELF]->at[living % SHELF], made);
    }
    for (size_t i = before; i < n; i++) {
        struct node *from = living_at(i);
        graph_set(&from->to[0], living_any());
        graph_set(&from->to[1], living_any());
    }
}

static void living_drop(void) {
    for (size_t i = 0; i * SHELF < living; i++) {
        size_t left = living - i * SHELF;
        shelf_drop(shelves[i], left < SHELF ? left : SHELF);
    }
    table_drop(shelves);
    shelves = NULL;
    living = 0;
}

/* Makes a ring that also refers into the living heap, whose object it reads. */
static inline struct node *ring_into_heap(void) {
    struct node *ring = ring_make(2), *alive = living_any();
    ring->value[1] = alive->value[0];
    graph_give(&ring->to[1], graph_keep(alive));
    return ring;
}

/* Rings made and dropped until all are reclaimed: million objects a second, and ns of CPU time an object. */
#define RING_OBJECTS 2000000
#define RING_SPAN_NS 400000000u

static void rings(bench_run *r, int size) {
    uint64_t n = bench_size(r, RING_OBJECTS, 4000) / (unsigned)size, objects = 0;
    uint64_t wall = bench_now_ns(), cpu = bench_process_ns();
    do {
        for (uint64_t i = 0; i < n; i++)
            ring_drop(ring_make(size), size);
        reclaim_all();
        objects += n * (unsigned)size;
    } while (!r->quick && bench_now_ns() - wall < RING_SPAN_NS);
    wall = bench_now_ns() - wall;
    cpu = bench_process_ns() - cpu;
    bench_set(r, 0, (double)objects * 1e3 / (double)cpu, (double)objects * 1e3 / (double)wall);
    bench_set(r, 1, (double)cpu / (double)objects, (double)wall / (double)objects);
}

/*
 * How long one operation takes while rings are made and dropped: a ring of two that refers to a living object.
 * period_ns: an operation begins that long after the one before began, if that has ended; 0: at once.
 */
static void pauses(bench_run *r, size_t n, uint64_t period_ns) {
    living_begin(n);
    living_grow(n);
    reclaim_all();
    struct bench_pauses *p = bench_pauses_begin(r->quick ? 20000000u : r->full ? 10000000000u : 1000000000u, period_ns);
    do
        ring_drop(ring_into_heap(), 2);
    while (bench_pauses_note(p));
    bench_pauses_end(p, r);
    living_drop();
    reclaim_all();
}

/* Half a million rings a second: what a busy server may drop. */
#define PACE_NS 2000

static void rings_2(bench_run *r) { rings(r, 2); }
static void rings_10(bench_run *r) { rings(r, 10); }
static void rings_1000(bench_run *r) { rings(r, 1000); }
static void pause_1m(bench_run *r) { pauses(r, bench_size(r, 1000000, 1000), 0); }
static void pause_10m(bench_run *r) { pauses(r, bench_size(r, 10000000, 2000), 0); }
static void paced_1m(bench_run *r) { pauses(r, bench_size(r, 1000000, 1000), PACE_NS); }
static void paced_10m(bench_run *r) { pauses(r, bench_size(r, 10000000, 2000), PACE_NS); }

/* A peer's cell: prefix_cell, which first calls begin(r). */
#define GRAPH_CELL(prefix_, cell_, begin_)                                                                             \
    void prefix_##_##cell_(bench_run *r) {                                                                             \
        begin_(r);                                                                                                     \
        cell_(r);                                                                                                      \
    }

#endif
