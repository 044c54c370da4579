/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* bench/table.c: medians, spreads and ratios, as text and as JSON. */
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct spread {
    double median, min, max;
};

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct spread spread_of(const double *samples, int n) {
    double sorted[BENCH_ROUNDS_MAX];
    memcpy(sorted, samples, (size_t)n * sizeof(*sorted));
    qsort(sorted, (size_t)n, sizeof(*sorted), compare);
    double middle = n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
    return (struct spread){middle, sorted[0], sorted[n - 1]};
}

static int clock_of(const struct bench_table *t, const bench_row *row) {
    int own = row->how & BENCH_CLOCK;
    return own == BENCH_VALUE || t->clock < 0 ? own : t->clock;
}

static const double *samples_of(const struct bench_table *t, const bench_row *row, const struct cell_samples *c) {
    return clock_of(t, row) == BENCH_WALL ? c->wall : c->cpu;
}

/* Ours over theirs, round by round: what slowed the machine in one round slowed both. */
static struct spread ratio_of(const struct bench_table *t, const struct row_samples *s, int column) {
    double ratio[BENCH_ROUNDS_MAX];
    const double *ours = samples_of(t, s->row, &s->cell[0]);
    const double *theirs = samples_of(t, s->row, &s->cell[column]);
    for (int i = 0; i < t->rounds; i++)
        ratio[i] = ours[i] / theirs[i];
    return spread_of(ratio, t->rounds);
}

static void print_bar(struct bench_table *t, FILE *out, const bench_row *row, const char *what, double got,
                      double bar) {
    bool is_bar = strcmp(what, "bar") == 0, more = (row->how & BENCH_MORE) != 0;
    t->bars += is_bar;
    fprintf(out, "   %s %.2f ", what, bar);
    if (more ? got >= bar : got <= bar) {
        fputs("met", out);
        return;
    }
    t->missed += is_bar;
    if (bar > 0)
        fprintf(out, "MISSED by %.2fx", more ? bar / got : got / bar);
    else
        fprintf(out, "MISSED by %.3g", got - bar);
}

static void print_ratio(struct bench_table *t, FILE *out, const struct row_samples *s, int i) {
    const bench_row *row = s->row;
    const bench_column *column = &row->columns[i];
    struct spread ratio = ratio_of(t, s, i);
    if (!isfinite(ratio.median))
        return;
    fprintf(out, "  ratio %6.3f (%.3f .. %.3f)", ratio.median, ratio.min, ratio.max);
    if (column->bar > 0)
        print_bar(t, out, row, "bar", ratio.median, column->bar);
    if (column->goal > 0)
        print_bar(t, out, row, "goal", ratio.median, column->goal);
}

static bool skipped(const struct cell_samples *c) { return c->skip[0] != 0; }

static void print_column(struct bench_table *t, FILE *out, const struct row_samples *s, int i) {
    const bench_row *row = s->row;
    const bench_column *column = &row->columns[i];
    const struct cell_samples *c = &s->cell[i];
    fprintf(out, "    %-20s", column->name);
    if (column->run == NULL || skipped(c)) {
        fprintf(out, "skipped: %s\n", column->run == NULL ? column->skip : c->skip);
        return;
    }
    if (c->failures > 0) {
        fprintf(out, "FAILED in %d of %d rounds\n", c->failures, t->rounds);
        t->failures++;
        return;
    }
    struct spread v = spread_of(samples_of(t, row, c), t->rounds);
    fprintf(out, "%9.2f", v.median);
    if (t->quick) {
        fputc('\n', out);
        return;
    }
    fprintf(out, "  %8.2f .. %-8.2f", v.min, v.max);
    if (i == 0 && row->bar >= 0)
        print_bar(t, out, row, "bar", v.median, row->bar);
    if (i == 0 && row->goal >= 0)
        print_bar(t, out, row, "goal", v.median, row->goal);
    if (i > 0 && s->cell[0].failures == 0 && !skipped(&s->cell[0]))
        print_ratio(t, out, s, i);
    fputc('\n', out);
}

static const char *clock_name(const struct bench_table *t, const bench_row *row) {
    if (clock_of(t, row) == BENCH_VALUE)
        return "";
    if (clock_of(t, row) == BENCH_WALL)
        return ", wall clock";
    if ((row->how & BENCH_UNWAITED) != 0)
        return ", wall clock less waits for a processor";
    return (row->how & BENCH_PROCESS) != 0 ? ", CPU time of all threads" : ", CPU time of the thread";
}

void bench_table_print(struct bench_table *t, FILE *out) {
    t->bars = t->missed = t->failures = 0;
    if (!t->quick)
        fprintf(out, "median of %d rounds, smallest .. largest; ratio: wane over the peer, round by round\n",
                t->rounds);
    for (size_t r = 0; r < t->count; r++) {
        const struct row_samples *s = &t->rows[r];
        fprintf(out, "\n%s: %s (%s%s)\n", s->row->key, s->row->title, s->row->unit, clock_name(t, s->row));
        for (int i = 0; i < BENCH_COLUMNS && s->row->columns[i].name != NULL; i++)
            print_column(t, out, s, i);
    }
    if (!t->quick)
        fprintf(out, "\n%d bars: %d met, %d missed\n", t->bars, t->bars - t->missed, t->missed);
    if (t->failures > 0)
        fprintf(out, "\n%d columns FAILED\n", t->failures);
}

static void json_samples(FILE *out, const char *name, const double *samples, int n) {
    struct spread v = spread_of(samples, n);
    fprintf(out, ", \"%s\": {\"median\": %.6g, \"min\": %.6g, \"max\": %.6g, \"samples\": [", name, v.median, v.min,
            v.max);
    for (int i = 0; i < n; i++)
        fprintf(out, "%s%.6g", i > 0 ? ", " : "", samples[i]);
    fputs("]}", out);
}

static void json_column(const struct bench_table *t, FILE *out, const struct row_samples *s, int i) {
    const bench_column *column = &s->row->columns[i];
    const struct cell_samples *c = &s->cell[i];
    fprintf(out, "%s\n      {\"name\": \"%s\"", i > 0 ? "," : "", column->name);
    if (column->run == NULL || skipped(c))
        fprintf(out, ", \"skipped\": \"%s\"", column->run == NULL ? column->skip : c->skip);
    else if (c->failures > 0)
        fprintf(out, ", \"failures\": %d", c->failures);
    else if ((s->row->how & BENCH_CLOCK) == BENCH_VALUE)
        json_samples(out, "value", c->cpu, t->rounds);
    else {
        json_samples(out, "cpu", c->cpu, t->rounds);
        json_samples(out, "wall", c->wall, t->rounds);
    }
    bool both = column->run != NULL && c->failures == 0 && !skipped(c) && s->cell[0].failures == 0 &&
                !skipped(&s->cell[0]);
    if (i > 0 && both && isfinite(ratio_of(t, s, i).median))
        fprintf(out, ", \"ratio\": %.4g", ratio_of(t, s, i).median);
    if (column->bar > 0)
        fprintf(out, ", \"bar\": %.4g", column->bar);
    if (column->goal > 0)
        fprintf(out, ", \"goal\": %.4g", column->goal);
    fputc('}', out);
}

void bench_table_json(const struct bench_table *t, FILE *out) {
    fprintf(out, "{\n  \"rounds\": %d,\n  \"rows\": [", t->rounds);
    for (size_t r = 0; r < t->count; r++) {
        const bench_row *row = t->rows[r].row;
        fprintf(out, "%s\n    {\"key\": \"%s\", \"title\": \"%s\", \"unit\": \"%s\"", r > 0 ? "," : "", row->key,
                row->title, row->unit);
        if (row->bar >= 0)
            fprintf(out, ", \"bar\": %.4g", row->bar);
        if (row->goal >= 0)
            fprintf(out, ", \"goal\": %.4g", row->goal);
        fputs(", \"columns\": [", out);
        for (int i = 0; i < BENCH_COLUMNS && row->columns[i].name != NULL; i++)
            json_column(t, out, &t->rows[r], i);
        fputs("\n    ]}", out);
    }
    fputs("\n  ]\n}\n", out);
}
