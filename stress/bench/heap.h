/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/heap.h: what one collection takes beside a living heap that has survived collections: a young one that finds
 * 10,000 new cycles of two, and one of everything that finds 10,000 old ones. Each cycle refers into the living heap,
 * which grows from 1 to 4 and to 16 million objects in one process, so that the sizes can be compared.
 */
#ifndef BENCH_HEAP_H
#define BENCH_HEAP_H

#include "graph.h"

#define RINGS 10000
#define REPEATS 5
#define MILLION 1000000u

/* The figures of a cell, in ns; a ratio. */
enum { YOUNG_1, YOUNG_4, YOUNG_16, YOUNG_RATIO, OLD_1, OLD_16 };

static void collect_begin(void);              /* from now on only when asked */
static void collect_settle(void);             /* what lives is old after it */
static void collect_young(uint64_t objects);  /* finds so many, with an exact collector */
static void collect_old(uint64_t objects);
static void collect_end(void);

static struct node *held_rings[RINGS];

struct span {
    double wall, cpu;
};

static struct span timed(void (*collect)(uint64_t objects), uint64_t objects) {
    uint64_t wall = bench_now_ns(), cpu = bench_process_ns();
    collect(objects);
    return (struct span){(double)(bench_now_ns() - wall), (double)(bench_process_ns() - cpu)};
}

static int by_wall(const void *a, const void *b) {
    double x = ((const struct span *)a)->wall, y = ((const struct span *)b)->wall;
    return (x > y) - (x < y);
}

static int by_cpu(const void *a, const void *b) {
    double x = ((const struct span *)a)->cpu, y = ((const struct span *)b)->cpu;
    return (x > y) - (x < y);
}

/* The median of some, by each clock for itself. */
static struct span repeated(int rings, struct span (*once)(int rings)) {
    struct span s[REPEATS], middle;
    for (int i = 0; i < REPEATS; i++)
        s[i] = once(rings);
    qsort(s, REPEATS, sizeof(*s), by_wall);
    middle.wall = s[REPEATS / 2].wall;
    qsort(s, REPEATS, sizeof(*s), by_cpu);
    middle.cpu = s[REPEATS / 2].cpu;
    return middle;
}

static struct span young_once(int count) {
    for (int i = 0; i < count; i++)
        ring_drop(ring_into_heap(), 2);
    return timed(collect_young, 2 * (uint64_t)count);
}

static struct span old_once(int count) {
    for (int i = 0; i < count; i++)
        held_rings[i] = ring_into_heap();
    collect_settle();
    for (int i = 0; i < count; i++) {
        ring_drop(held_rings[i], 2);
        held_rings[i] = NULL;
    }
    return timed(collect_old, 2 * (uint64_t)count);
}

static void set_span(bench_run *r, int figure, struct span s) { bench_set(r, figure, s.cpu, s.wall); }

/* 16 million: about 1 GB of nodes, and the tables of whoever traces them. */
static bool memory_for_16_million(void) {
    char line[96];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f != NULL && kib == 0 && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "MemAvailable: %llu", &kib) != 1)
            kib = 0;
    if (f != NULL)
        fclose(f);
    return kib > 6000000;
}

static void collections(bench_run *r) {
    size_t million = bench_size(r, MILLION, 200);
    int count = (int)bench_size(r, RINGS, 50);
    bool large = r->full || r->quick;
    if (r->full && !memory_for_16_million())
        bench_skip(r, "needs 6 GB of free memory");
    living_begin((large ? 16 : 4) * million);
    collect_begin();
    living_grow(million);
    collect_settle();
    struct span young1 = repeated(count, young_once);
    set_span(r, YOUNG_1, young1);
    set_span(r, OLD_1, old_once(count));
    living_grow(4 * million);
    collect_settle();
    set_span(r, YOUNG_4, repeated(count, young_once));
    if (large) {
        living_grow(16 * million);
        collect_settle();
        struct span young16 = repeated(count, young_once);
        set_span(r, YOUNG_16, young16);
        bench_set(r, YOUNG_RATIO, young16.cpu / young1.cpu, young16.wall / young1.wall);
        set_span(r, OLD_16, old_once(count));
    }
    living_drop();
    collect_end();
}

#endif
