/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/bench.h: what a row of the table is, and how a cell of it is timed.
 *
 * A row has one column for each thing that is compared; the first one is ours. A cell runs in a process of its own, so
 * that no column sees what another one left in the heap. Each round runs every cell once, in turn: A B C A B C. Ratios
 * are those of one round, then the median.
 *
 * A cell times itself:
 *
 *     while (bench_again(r)) {
 *         for (uint64_t i = 0; i < n; i++) { ... }
 *         r->ops += n;
 *     }
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which of its two figures a row prints by itself (both are in the JSON file), and what its figures are. */
enum {
    BENCH_CPU = 0,   /* CPU time of the thread that is measured: other programs on the machine do not count */
    BENCH_WALL = 1,  /* where other threads do part of the work */
    BENCH_VALUE = 2, /* no time per operation: the cell sets one value */
    BENCH_CLOCK = 3, /* mask of the three */
    /* Flags: what the first of the two is, if not the CPU time of the thread. */
    BENCH_PROCESS = 1 << 2,  /* CPU time of all threads */
    BENCH_UNWAITED = 1 << 3, /* wall clock less the time that the thread was ready and had no processor */
    /* Flags: of the figure. */
    BENCH_MORE = 1 << 4, /* more is better: a rate */
    BENCH_FULL = 1 << 5, /* too long for a default run: with --full only */
};
/* A cell may have several figures, each printed as a row: those rows follow each other and have the same cells. */
#define BENCH_FIGURES 8
#define BENCH_FIGURE(n_) ((n_) << 8)

struct bench_figure {
    double cpu[BENCH_FIGURES]; /* ns an operation, or `value`; NAN: not measured */
    double wall[BENCH_FIGURES];
    bool done;
    char skip[96]; /* not empty: why the cell could not measure */
};

typedef struct bench_run {
    /* Set by the runner. */
    bool quick;
    bool full;      /* the long form: ten seconds instead of one, the large heaps */
    double idle_s;  /* how long the row that watches an idle process does so */
    struct bench_figure *ret;
    /* The cell adds what it did. */
    uint64_t ops;
    /* bench_again's. */
    int phase;
    uint64_t wall0, cpu0;
} bench_run;

/* True while the cell shall go on; the warm-up is not counted. */
bool bench_again(bench_run *r);

/* For a cell that is one long operation: no warm-up, no repetition. */
void bench_begin(bench_run *r);
void bench_end(bench_run *r);

/* For a cell whose figure is not a time per operation. */
void bench_value(bench_run *r, double value);

/* Figure `n` of a cell that has several: by the row's first clock, and by the wall clock. */
void bench_set(bench_run *r, int n, double cpu, double wall);

/* For a cell that this machine cannot run now: shown as skipped. Ends the process. */
__attribute__((noreturn)) void bench_skip(bench_run *r, const char *why);

/* n, or little enough for a sanitizer in a quick run. */
static inline uint64_t bench_size(const bench_run *r, uint64_t n, uint64_t quick) {
    return r->quick ? quick : n;
}

uint64_t bench_now_ns(void);     /* monotonic */
uint64_t bench_cpu_ns(void);     /* of this thread */
uint64_t bench_process_ns(void); /* CPU time of all threads */
void bench_sleep_ns(uint64_t ns);

/* Ends the process with one line; the cell is then shown as failed. */
__attribute__((noreturn, format(printf, 1, 2))) void bench_fail(const char *format, ...);

/* The compiler forgets what it knows about p and about memory. */
#define bench_opaque(p) __asm__ volatile("" : "+r"(p) : : "memory")
/* The same about memory only: p stays in its register. */
#define bench_touch(p) __asm__ volatile("" : : "r"(p) : "memory")

typedef struct bench_column {
    const char *name;
    void (*run)(bench_run *r); /* NULL: not on this machine */
    const char *skip;          /* then why */
    double bar, goal;          /* our figure is at most (a rate: at least) this many times the column's; 0: none */
} bench_column;

#define BENCH_COLUMNS 7

typedef struct bench_row {
    const char *key, *title, *unit;
    double per_unit; /* ns in a unit; 1 for values */
    int how; /* a clock, flags, BENCH_FIGURE(n) */
    double bar, goal; /* of our figure itself, in units; negative: none */
    bench_column columns[BENCH_COLUMNS];
} bench_row;

/* One list a file; ended by a row without key. */
extern const bench_row bench_count_rows[], bench_guard_rows[], bench_alloc_rows[], bench_slot_rows[], bench_large_rows[],
    bench_tree_rows[], bench_life_rows[], bench_ring_rows[], bench_pause_rows[], bench_heap_rows[];

#define BENCH_ROWS_END                                                                                                 \
    { .key = NULL }

#ifdef __cplusplus
}
#endif

#endif
