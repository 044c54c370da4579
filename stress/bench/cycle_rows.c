/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/cycle_rows.c: graph.h and heap.h with the library: what its collector costs, and whom it delays.
 *
 * Links are slots. Rings are dropped with one release; what is left of them is the collector's. "collections" switches
 * automatic ones off and asks for them on the measured thread.
 */
#include <wane.h>

typedef wane_slot graph_link;

#include "heap.h"
#include "threads.h"

static wane_type node_type = {
    .name = "bench node", .size = sizeof(struct node), .slots = WANE_SLOTS(struct node, to[0], to[1])};
static wane_type shelf_type = {.name = "bench shelf", .flags = WANE_TYPE_EXTRA_SLOTS};

static struct node *node_new(void) {
    struct node *n = wane_new(&node_type);
    if (n == NULL)
        bench_fail("wane_new failed");
    return n;
}

static struct shelf *shelf_new(void) {
    struct shelf *s = wane_new_extra(&shelf_type, sizeof(struct shelf));
    if (s == NULL)
        bench_fail("wane_new_extra failed");
    return s;
}

static void graph_give(graph_link *from, struct node *to) { wane_slot_init(from, to); }
static struct node *graph_keep(struct node *n) { return wane_retain(n); }
static void graph_set(graph_link *from, struct node *to) { wane_slot_store(from, to); }
static struct node *graph_get(graph_link *from) { return wane_slot_peek(from); }

static void ring_drop(struct node *first, int size) {
    (void)size;
    wane_release(first);
}

static void shelf_drop(struct shelf *s, size_t used) {
    (void)used;
    wane_release(s);
}

static wane_stats stats_now(void) {
    wane_stats s = {.struct_size = sizeof(s)};
    if (wane_stats_get(&s) != 0)
        bench_fail("wane_stats_get failed");
    return s;
}

/* Exact when nothing else works: a collection that ran beside the last ring may have looked at it too early. */
static void reclaim_all(void) {
    size_t shelves_alive = (living + SHELF - 1) / SHELF;
    for (int i = 0; i < 10; i++) {
        wane_gc_collect(2);
        if (stats_now().live_objects == living + shelves_alive)
            return;
    }
    bench_fail("%zu objects alive instead of %zu", stats_now().live_objects, living + shelves_alive);
}

static void *table_new(size_t bytes) {
    void *p = calloc(1, bytes);
    if (p == NULL)
        bench_fail("out of memory");
    return p;
}

static void table_drop(void *table) { free(table); }

static void collect_begin(void) { wane_gc_disable(); }

/* A full one looks at every object, and what lives is older after it. */
static void collect_settle(void) { wane_gc_collect(WANE_GC_FULL); }

static void collect_exactly(int generation, uint64_t objects) {
    size_t found = wane_gc_collect(generation);
    if (found != objects)
        bench_fail("generation %d: %zu objects found instead of %llu", generation, found, (unsigned long long)objects);
}

static void collect_young(uint64_t objects) { collect_exactly(0, objects); }
static void collect_old(uint64_t objects) { collect_exactly(2, objects); }
static void collect_end(void) { reclaim_all(); }

/* What the collector itself uses for an object that it frees, on whatever thread it runs. */
static void ring_price(bench_run *r) {
    rings_10(r);
    wane_gc_stats s[3];
    wane_gc_get_stats(s);
    double cpu = 0, freed = 0;
    for (int g = 0; g < 3; g++) {
        cpu += (double)s[g].cpu_ns;
        freed += (double)s[g].collected;
    }
    bench_value(r, cpu / freed);
}

/* Two threads load, use and release living objects; what that costs the collector thread, in per cent of a core. */

#define READERS 2

struct reader {
    bench_thread thread;
    uint64_t seed, cpu, sum;
};

static void read_at_random(bench_thread *t) {
    struct reader *me = t->arg;
    uint64_t x = me->seed;
    bench_thread_ready(t);
    while (!bench_thread_stopping(t)) {
        for (int i = 0; i < 1000; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            size_t at = (x >> 8) % living;
            struct node *n = wane_slot_load(&shelves[at / SHELF]->at[at % SHELF]);
            me->sum += (uint64_t)n->value[0];
            wane_release(n);
        }
    }
    me->cpu = bench_cpu_ns();
}

/* The library's own figure first, then what the process used beside the readers: it must not be more. */
static void read_only(bench_run *r) {
    size_t n = bench_size(r, 1000000, 1000);
    living_begin(n);
    living_grow(n);
    collect_settle();
    struct reader reader[READERS] = {{.seed = 88172645463325252u}, {.seed = 0x9E3779B97F4A7C15u}};
    uint64_t wall = bench_now_ns(), process = bench_process_ns(), collector = stats_now().collector_cpu_ns;
    for (int i = 0; i < READERS; i++)
        bench_thread_start(&reader[i].thread, read_at_random, &reader[i]);
    bench_sleep_ns(r->quick ? 20000000u : r->full ? 30000000000u : 7000000000u);
    for (int i = 0; i < READERS; i++)
        bench_thread_stop(&reader[i].thread);
    collector = stats_now().collector_cpu_ns - collector;
    process = bench_process_ns() - process - reader[0].cpu - reader[1].cpu;
    wall = bench_now_ns() - wall;
    bench_set(r, 0, (double)collector / (double)wall, (double)collector / (double)wall);
    bench_set(r, 1, (double)process / (double)wall, (double)process / (double)wall);
    living_drop();
    reclaim_all();
}

#define RINGS_COLUMNS(n_)                                                                                              \
    {{"wane", rings_##n_, NULL, 0, 0},                                                                                 \
     {"malloc, by hand", bench_malloc_rings_##n_, NULL, 0, 0},                                                         \
     BENCH_BDWGC(bench_gc_rings_##n_)}
#define RINGS_ROWS(n_, bar_, goal_)                                                                                    \
    {"rings-" #n_, "rings of " #n_ " made, dropped and reclaimed", "million objects a second", 1,                      \
     BENCH_WALL | BENCH_PROCESS | BENCH_MORE, bar_, goal_, RINGS_COLUMNS(n_)},                                         \
        {"rings-" #n_ "-cpu", "the same, CPU time", "ns an object", 1, BENCH_CPU | BENCH_PROCESS | BENCH_FIGURE(1),    \
         -1, -1, RINGS_COLUMNS(n_)}

const bench_row bench_ring_rows[] = {
    RINGS_ROWS(2, -1, -1),
    RINGS_ROWS(10, 15, 46),
    RINGS_ROWS(1000, -1, -1),
    {"rings-gc", "rings of 10: CPU time of collections for an object that they free", "ns", 1, BENCH_VALUE, -1, -1,
     {{"wane", ring_price, NULL, 0, 0}}},
    BENCH_ROWS_END,
};

#define PAUSE_ROW(key_, title_, unit_, per_, how_, bar_, cell_, control_, goal_)                                       \
    {key_, title_, unit_, per_, BENCH_WALL | BENCH_UNWAITED | (how_), bar_, -1,                                        \
     {{"wane", cell_, NULL, 0, 0}, {"malloc, by hand", bench_malloc_##cell_, NULL, control_, goal_},                   \
      BENCH_BDWGC(bench_gc_##cell_), BENCH_BDWGC_AS("bdwgc, incremental", bench_gc_inc_##cell_, 0)}}

/* Our longest is at most the control's; one in 10,000 takes at most twice as long; nothing is lost. */
#define PAUSE_ROWS(name_, text_, cell_, how_)                                                                          \
    PAUSE_ROW(name_ "-longest", "longest operation, " text_, "ms", 1e6, (how_) | BENCH_FIGURE(PAUSE_LONGEST), -1,      \
              cell_, 1, 0),                                                                                            \
        PAUSE_ROW(name_ "-9999", "99.99th percentile of the same", "us", 1e3, (how_) | BENCH_FIGURE(PAUSE_9999), -1,   \
                  cell_, 2, 1.2),                                                                                      \
        PAUSE_ROW(name_ "-lost", "time in operations of more than 1 ms", "%", 0.01, (how_) | BENCH_FIGURE(PAUSE_LOST), \
                  0, cell_, 0, 0),                                                                                     \
        PAUSE_ROW(name_ "-mean", "the same operations, mean", "ns", 1, (how_) | BENCH_FIGURE(PAUSE_MEAN), -1, cell_,   \
                  0, 0)

const bench_row bench_pause_rows[] = {
    PAUSE_ROWS("paced-1m", "1 million living, a ring of two every 2 us", paced_1m, 0),
    PAUSE_ROWS("pause-1m", "1 million living, rings of two without a rest", pause_1m, 0),
    PAUSE_ROWS("paced-10m", "10 million living, a ring of two every 2 us", paced_10m, BENCH_FULL),
    PAUSE_ROWS("pause-10m", "10 million living, rings of two without a rest", pause_10m, BENCH_FULL),
    BENCH_ROWS_END,
};

#define HEAP_ROW(key_, title_, unit_, per_, how_, bar_, goal_, theirs_)                                                \
    {key_, title_, unit_, per_, BENCH_WALL | BENCH_PROCESS | (how_), bar_, goal_,                                      \
     {{"wane", collections, NULL, 0, 0}, BENCH_BDWGC_AS("bdwgc", bench_gc_collections, theirs_)}}

const bench_row bench_heap_rows[] = {
    HEAP_ROW("young-1m", "young collection of 10,000 cycles, 1 million living", "ms", 1e6, BENCH_FIGURE(YOUNG_1), 15,
             3, 0),
    HEAP_ROW("young-4m", "the same, 4 million living", "ms", 1e6, BENCH_FIGURE(YOUNG_4), 15, 3, 0),
    HEAP_ROW("young-16m", "the same, 16 million living", "ms", 1e6, BENCH_FULL | BENCH_FIGURE(YOUNG_16), 15, 3, 0),
    HEAP_ROW("young-ratio", "the same, 16 over 1 million", "x", 1, BENCH_FULL | BENCH_FIGURE(YOUNG_RATIO), 1.3, 1.05,
             0),
    HEAP_ROW("old-1m", "generation 2 collection of 10,000 old cycles, 1 million living", "ms", 1e6,
             BENCH_FIGURE(OLD_1), -1, 3, 0.5),
    HEAP_ROW("old-16m", "the same, 16 million living", "ms", 1e6, BENCH_FULL | BENCH_FIGURE(OLD_16), -1, 3, 0.5),
    {"read-only", "two threads read living objects: the collector thread", "% of a core", 0.01, BENCH_VALUE, 2, -1,
     {{"wane", read_only, NULL, 0, 0}}},
    {"read-only-all", "the same: all but the two threads", "% of a core", 0.01, BENCH_VALUE | BENCH_FIGURE(1), -1, -1,
     {{"wane", read_only, NULL, 0, 0}}},
    BENCH_ROWS_END,
};
