/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/main.c: the one command. Runs every cell of every row in a process of its own, row by row, each row's columns
 * in turn, round after round, and prints the table.
 *
 * This process never calls the library or a peer. Each cell is a fresh execution of the program (the hidden option
 * --cell), so that it has an address space of its own: where the stack happens to lie can double a figure. A cell
 * that crashes or hangs is shown as failed; the others go on.
 */
#include "peers.h"
#include "table.h"
#include "threads.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <wane.h>

/* On a machine with much other work. */
#define CELL_LIMIT_S 300
#define CELL_LIMIT_FULL_S 1800

struct options {
    int rounds;
    bool quick, full;
    const char *only[16];
    int only_count;
    const char *column;
    const char *json;
    const char *cell;
    double idle_s;
    int clock;
};

static const bench_row *const groups[] = {bench_count_rows, bench_guard_rows, bench_alloc_rows, bench_slot_rows, bench_large_rows,
                                          bench_tree_rows,  bench_life_rows,  bench_ring_rows,  bench_pause_rows, bench_heap_rows};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static void companion(bench_thread *t) {
    bench_thread_ready(t);
    for (;;)
        bench_sleep_ns(1000000000000u);
}

/* Each of our cells leaves nothing behind. */
static void check_nothing_alive(const bench_row *row) {
    wane_stats s = {.struct_size = sizeof(s)};
    if (wane_flush() != 0 || wane_stats_get(&s) != 0)
        bench_fail("%s: wane_flush failed", row->key);
    if (s.live_objects != 0 || s.deferred_pending != 0)
        bench_fail("%s: %zu objects alive, %zu deferred", row->key, s.live_objects, s.deferred_pending);
}

/* In the child. Servers have several threads: malloc and libstdc++ take short cuts in a process of one. */
_Noreturn static void run_cell(const struct options *o, const bench_row *row, int column, struct bench_figure *ret) {
    alarm(o->full ? CELL_LIMIT_FULL_S : CELL_LIMIT_S);
    bench_thread t;
    bench_thread_start(&t, companion, NULL);
    bench_run r = {.quick = o->quick, .full = o->full, .idle_s = o->idle_s, .ret = ret};
    row->columns[column].run(&r);
    if (column == 0)
        check_nothing_alive(row);
    _exit(0);
}

/* Parent and child share the figure through a file in memory, whose descriptor the child inherits. */
static struct bench_figure *map_figure(int fd) {
    void *p = mmap(NULL, sizeof(struct bench_figure), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        bench_fail("no memory");
    return p;
}

_Noreturn static void run_named_cell(const struct options *o) {
    char key[64];
    int column, fd;
    if (sscanf(o->cell, "%63[^/]/%d/%d", key, &column, &fd) != 3 || column < 0 || column >= BENCH_COLUMNS)
        bench_fail("no such cell");
    for (size_t g = 0; g < GROUPS; g++)
        for (const bench_row *row = groups[g]; row->key != NULL; row++)
            if (strcmp(row->key, key) == 0 && row->columns[column].run != NULL)
                run_cell(o, row, column, map_figure(fd));
    bench_fail("no such cell");
}

_Noreturn static void become_cell(const struct options *o, const bench_row *row, int column, int fd) {
    char cell[96], idle[32];
    snprintf(cell, sizeof(cell), "--cell=%s/%d/%d", row->key, column, fd);
    snprintf(idle, sizeof(idle), "--idle-seconds=%g", o->idle_s);
    const char *args[] = {"wane_bench", cell, idle, o->quick ? "--quick" : o->full ? "--full" : NULL, NULL};
    execv("/proc/self/exe", (char **)(uintptr_t)args);
    bench_fail("exec: %s", strerror(errno));
}

static bool measure(const struct options *o, const bench_row *row, int column, int fd, struct bench_figure *shared) {
    memset(shared, 0, sizeof(*shared));
    for (int i = 0; i < BENCH_FIGURES; i++)
        shared->cpu[i] = shared->wall[i] = NAN;
    pid_t child = fork();
    if (child < 0)
        bench_fail("fork: %s", strerror(errno));
    if (child == 0)
        become_cell(o, row, column, fd);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (status == 0 && shared->done)
        return true;
    fprintf(stderr, "bench: %s, column %s: ", row->key, row->columns[column].name);
    if (WIFSIGNALED(status))
        fprintf(stderr, "%s\n", strsignal(WTERMSIG(status)));
    else
        fprintf(stderr, "exit status %d\n", WEXITSTATUS(status));
    return false;
}

static bool wanted(const struct options *o, const bench_row *row) {
    if ((row->how & BENCH_FULL) != 0 && !o->full && !o->quick)
        return false;
    for (int i = 0; i < o->only_count; i++)
        if (strncmp(row->key, o->only[i], strlen(o->only[i])) == 0)
            return true;
    return o->only_count == 0;
}

static void collect_rows(const struct options *o, struct bench_table *t) {
    size_t most = 0;
    for (size_t g = 0; g < GROUPS; g++)
        for (const bench_row *row = groups[g]; row->key != NULL; row++)
            most++;
    t->rows = calloc(most, sizeof(*t->rows));
    if (t->rows == NULL)
        bench_fail("out of memory");
    for (size_t g = 0; g < GROUPS; g++)
        for (const bench_row *row = groups[g]; row->key != NULL; row++)
            if (wanted(o, row))
                t->rows[t->count++].row = row;
    if (t->count == 0)
        bench_fail("no row has that name (--list shows them), or it needs --full");
}

static bool wanted_column(const struct options *o, const bench_column *c) {
    return o->column == NULL || strncmp(c->name, o->column, strlen(o->column)) == 0;
}

static bool same_cells(const bench_row *a, const bench_row *b) {
    for (int c = 0; c < BENCH_COLUMNS; c++)
        if (a->columns[c].run != b->columns[c].run)
            return false;
    return true;
}

/* Row s's figure of what its cell measured. */
static void keep_sample(struct row_samples *s, int column, int round, bool ok, const struct bench_figure *f) {
    struct cell_samples *c = &s->cell[column];
    int n = s->row->how / BENCH_FIGURE(1);
    c->failures += !ok;
    c->cpu[round] = f->cpu[n] / s->row->per_unit;
    c->wall[round] = f->wall[n] / s->row->per_unit;
    if (ok && isnan(f->cpu[n]))
        snprintf(c->skip, sizeof(c->skip), "%s", f->skip[0] != 0 ? f->skip : "not measured without --full");
}

static void run_round(const struct options *o, struct bench_table *t, int round, int fd, struct bench_figure *shared) {
    for (size_t i = 0, end; i < t->count; i = end) {
        const bench_row *row = t->rows[i].row;
        for (end = i + 1; end < t->count && same_cells(row, t->rows[end].row); end++) {
        }
        for (int c = 0; c < BENCH_COLUMNS && row->columns[c].name != NULL; c++) {
            if (row->columns[c].run == NULL)
                continue;
            if (!wanted_column(o, &row->columns[c])) {
                for (size_t k = i; k < end; k++)
                    snprintf(t->rows[k].cell[c].skip, sizeof(t->rows[k].cell[c].skip), "not asked for");
                continue;
            }
            bool ok = measure(o, row, c, fd, shared);
            for (size_t k = i; k < end; k++)
                keep_sample(&t->rows[k], c, round, ok, shared);
        }
    }
}

static void list_rows(void) {
    for (size_t g = 0; g < GROUPS; g++)
        for (const bench_row *row = groups[g]; row->key != NULL; row++)
            printf("%-18s%s%s\n", row->key, row->title, (row->how & BENCH_FULL) != 0 ? " (with --full)" : "");
}

static const char usage[] =
    "usage: wane_bench [--rounds N] [--quick] [--full] [--only ROW]... [--column NAME]\n"
    "                  [--clock cpu|wall] [--idle-seconds S] [--json FILE] [--list]\n"
    "  --rounds N       how often each cell runs, 1 to 101; 5\n"
    "  --quick          one tiny iteration of everything: shows that it works, measures nothing\n"
    "  --full           the collector's rows in full: ten seconds, heaps of 10 and 16 million objects\n"
    "  --only ROW       only the rows whose name begins so; may be repeated\n"
    "  --column NAME    only the columns whose name begins so\n"
    "  --clock          cpu: what a busy machine disturbs least; wall; default: what suits the row\n"
    "  --idle-seconds S how long the idle process is watched; 10\n"
    "  --json FILE      all samples as well\n"
    "  --list           the rows\n";

_Noreturn static void refuse(void) {
    fputs(usage, stderr);
    exit(2);
}

static void parse_clock(struct options *o, const char *name) {
    if (strcmp(name, "cpu") == 0)
        o->clock = BENCH_CPU;
    else if (strcmp(name, "wall") == 0)
        o->clock = BENCH_WALL;
    else
        refuse();
}

static void parse(struct options *o, int argc, char **argv) {
    static const struct option known[] = {
        {"rounds", required_argument, NULL, 'r'}, {"quick", no_argument, NULL, 'q'},
        {"only", required_argument, NULL, 'o'},   {"json", required_argument, NULL, 'j'},
        {"clock", required_argument, NULL, 'c'},  {"idle-seconds", required_argument, NULL, 'i'},
        {"column", required_argument, NULL, 'n'},
        {"full", no_argument, NULL, 'f'},
        {"list", no_argument, NULL, 'l'},         {"cell", required_argument, NULL, 'x'},
        {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == 'r')
            o->rounds = atoi(optarg);
        else if (c == 'q')
            o->quick = true;
        else if (c == 'n')
            o->column = optarg;
        else if (c == 'f')
            o->full = true;
        else if (c == 'o' && o->only_count < 16)
            o->only[o->only_count++] = optarg;
        else if (c == 'j')
            o->json = optarg;
        else if (c == 'x')
            o->cell = optarg;
        else if (c == 'c')
            parse_clock(o, optarg);
        else if (c == 'i')
            o->idle_s = atof(optarg);
        else if (c == 'l') {
            list_rows();
            exit(0);
        } else
            refuse();
    }
    if (optind != argc || o->rounds < 1 || o->rounds > BENCH_ROUNDS_MAX || o->idle_s < 0)
        refuse();
}

int main(int argc, char **argv) {
    struct options o = {.rounds = 5, .idle_s = 10, .clock = -1};
    parse(&o, argc, argv);
    if (o.quick) {
        o.rounds = 1;
        o.idle_s = 0.1;
    }
    if (o.cell != NULL)
        run_named_cell(&o);
    int fd = memfd_create("figure", 0);
    if (fd < 0 || ftruncate(fd, sizeof(struct bench_figure)) != 0)
        bench_fail("no memory");
    struct bench_figure *shared = map_figure(fd);
    struct bench_table t = {.rounds = o.rounds, .quick = o.quick, .clock = o.clock};
    collect_rows(&o, &t);
    for (int round = 0; round < o.rounds; round++) {
        run_round(&o, &t, round, fd, shared);
        if (!o.quick)
            fprintf(stderr, "round %d of %d done\n", round + 1, o.rounds);
    }
    printf("wane %s, %ld processors%s\n", wane_version(), sysconf(_SC_NPROCESSORS_ONLN),
           o.quick ? "; a quick run: the figures mean nothing" : "");
    bench_table_print(&t, stdout);
    if (o.json != NULL) {
        FILE *f = fopen(o.json, "we");
        if (f == NULL)
            bench_fail("%s: %s", o.json, strerror(errno));
        bench_table_json(&t, f);
        if (fclose(f) != 0)
            bench_fail("%s: %s", o.json, strerror(errno));
    }
    free(t.rows);
    return t.failures > 0;
}
