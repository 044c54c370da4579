/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* bench/table.h: the samples of all rows, and what is printed of them. */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include "bench.h"

#include <stdio.h>

#define BENCH_ROUNDS_MAX 101

struct cell_samples {
    double cpu[BENCH_ROUNDS_MAX], wall[BENCH_ROUNDS_MAX]; /* in the row's unit */
    int failures;
    char skip[96]; /* not empty: why it was not measured */
};

struct row_samples {
    const bench_row *row;
    struct cell_samples cell[BENCH_COLUMNS];
};

struct bench_table {
    struct row_samples *rows;
    size_t count;
    int rounds;
    bool quick; /* nothing is compared */
    int clock;  /* BENCH_CPU or BENCH_WALL for all rows with a choice; -1: each row's own */
    int bars, missed, failures;
};

/* Counts bars and failures in the table. */
void bench_table_print(struct bench_table *t, FILE *out);
void bench_table_json(const struct bench_table *t, FILE *out);

#endif
