/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/life_rows.c: what is no time per operation: how soon the objects of a sleeping owner are freed, how often the
 * collector thread wakes up in an idle process, and how much memory the heap takes after churn.
 */
#include "peers.h"
#include "threads.h"

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <wane.h>

struct payload {
    long value[6];
};

static wane_type payload_type = {.name = "bench payload", .size = sizeof(struct payload)};

static void *object_new(void) {
    void *o = wane_new(&payload_type);
    if (o == NULL)
        bench_fail("wane_new failed");
    return o;
}

static wane_stats stats_now(void) {
    wane_stats s = {.struct_size = sizeof(s)};
    if (wane_stats_get(&s) != 0)
        bench_fail("wane_stats_get failed");
    return s;
}

/* A blocked owner. */

struct crowd {
    void **object;
    size_t count;
    int wake[2];
};

static void sleeping_maker(bench_thread *t) {
    struct crowd *c = t->arg;
    for (size_t i = 0; i < c->count; i++)
        c->object[i] = object_new();
    bench_thread_ready(t);
    char byte;
    if (read(c->wake[0], &byte, 1) != 1)
        bench_fail("the owner's pipe broke");
}

static void blocked_owner(bench_run *r) {
    struct crowd c = {.count = bench_size(r, 1000000, 5000)};
    c.object = malloc(c.count * sizeof(void *));
    if (c.object == NULL || pipe(c.wake) != 0)
        bench_fail("no memory or no pipe");
    bench_thread t;
    bench_thread_start(&t, sleeping_maker, &c);
    for (size_t i = 0; i < c.count; i++)
        wane_release(c.object[i]);
    uint64_t start = bench_now_ns();
    while (stats_now().live_objects != 0) {
        if (bench_now_ns() - start > 30000000000u)
            bench_fail("%zu objects of a blocked owner are still alive after 30 s", stats_now().live_objects);
        bench_sleep_ns(100000);
    }
    bench_value(r, (double)(bench_now_ns() - start) / 1e6);
    if (write(c.wake[1], "", 1) != 1)
        bench_fail("the owner's pipe broke");
    bench_thread_stop(&t);
    free(c.object);
}

/* Wake-ups. */

static bool read_line(const char *directory, const char *task, const char *file, const char *key, char *ret, size_t max) {
    char path[96];
    snprintf(path, sizeof(path), "%s/%.16s/%s", directory, task, file);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    size_t length = strlen(key);
    bool found = false;
    while (!found && fgets(ret, (int)max, f) != NULL)
        found = strncmp(ret, key, length) == 0;
    fclose(f);
    if (found)
        memmove(ret, ret + length, strlen(ret + length) + 1);
    return found;
}

/* How often the collector thread went to sleep so far: as often as it woke up. */
static long collector_sleeps(void) {
    static const char tasks[] = "/proc/self/task";
    DIR *d = opendir(tasks);
    if (d == NULL)
        bench_fail("cannot read %s", tasks);
    long sleeps = -1;
    for (struct dirent *e; sleeps < 0 && (e = readdir(d)) != NULL;) {
        char line[64];
        if (read_line(tasks, e->d_name, "comm", "wane-gc", line, sizeof(line)) &&
            read_line(tasks, e->d_name, "status", "voluntary_ctxt_switches:", line, sizeof(line)))
            sleeps = strtol(line, NULL, 10);
    }
    closedir(d);
    if (sleeps < 0)
        bench_fail("no thread named wane-gc");
    return sleeps;
}

static void idle(bench_run *r) {
    static wane_slot slot;
    for (int i = 0; i < 10000; i++)
        wane_slot_give(&slot, object_new());
    wane_slot_clear(&slot);
    wane_flush();
    /* Empty memory is given back after `trim_delay_ms`: work, not idling. */
    bench_sleep_ns(r->quick ? 200000000u : 3000000000u);
    long before = collector_sleeps();
    bench_sleep_ns((uint64_t)(r->idle_s * 1e9));
    bench_value(r, (double)(collector_sleeps() - before));
}

/* Memory: a constant population; objects replaced at random, then waves in which half of them go and come back. */

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed >> 16;
}

static void churn(void **p, size_t n, void *(*make)(void), void (*drop)(void *p)) {
    for (size_t i = 0; i < n; i++)
        p[i] = make();
    for (size_t i = 0; i < 4 * n; i++) {
        size_t at = next_random() % n;
        void *old = p[at];
        p[at] = make();
        drop(old);
    }
    for (int wave = 0; wave < 4; wave++) {
        for (size_t i = 0; i < n; i++)
            if (next_random() % 2 == 0) {
                drop(p[i]);
                p[i] = NULL;
            }
        for (size_t i = 0; i < n; i++)
            if (p[i] == NULL)
                p[i] = make();
    }
}

static void **churned(size_t n, void *(*make)(void), void (*drop)(void *p)) {
    void **p = malloc(n * sizeof(*p));
    if (p == NULL)
        bench_fail("out of memory");
    churn(p, n, make, drop);
    return p;
}

static void drop_wane(void *p) { wane_release(p); }

static void memory(bench_run *r) {
    size_t n = bench_size(r, 400000, 4000);
    void **p = churned(n, object_new, drop_wane);
    wane_flush();
    wane_stats s = stats_now();
    bench_value(r, (double)s.heap_bytes / (double)s.live_bytes);
    for (size_t i = 0; i < n; i++)
        wane_release(p[i]);
    free(p);
}

static void *make_malloc(void) { return atomic_new(); }
static void drop_malloc(void *p) { atomic_release(p); }

static void memory_malloc(bench_run *r) {
    size_t n = bench_size(r, 400000, 4000);
    void **p = churned(n, make_malloc, drop_malloc);
    struct mallinfo2 m = mallinfo2();
    /* A chunk's own bytes: what the program asked for, and malloc's word before it. */
    double live = (double)n * (double)(malloc_usable_size(p[0]) + sizeof(size_t));
    bench_value(r, (double)m.arena / live);
    for (size_t i = 0; i < n; i++)
        atomic_release(p[i]);
    free(p);
}

const bench_row bench_life_rows[] = {
    {"blocked-owner", "1 million objects of a sleeping owner: last release to all freed", "ms", 1, BENCH_VALUE, 1000, 50,
     {{"wane", blocked_owner, NULL, 0, 0}}},
    {"idle", "wake-ups of the collector thread in an idle process", "wake-ups", 1, BENCH_VALUE, 0, -1,
     {{"wane", idle, NULL, 0, 0}}},
    {"memory", "memory from the system over live bytes, 48-byte objects, after churn", "x", 1, BENCH_VALUE, 1.15, -1,
     {{"wane", memory, NULL, 0, 0}, {"malloc+atomic", memory_malloc, NULL, 0, 0}}},
    BENCH_ROWS_END,
};
