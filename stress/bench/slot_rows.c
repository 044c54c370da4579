/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/slot_rows.c: births and deaths of objects with slots, and calls that change a slot, by one thread.
 *
 * What a slot held is deferred: the grace period and the decrement are part of the price of the call that replaced it. There
 * is no peer: what each costs is compared with an earlier state of the library.
 */
#include "peers.h"

#include <wane.h>

#define BATCH 50000
#define QUICK 200
#define HUNDRED 100

struct node {
    wane_slot left, right;
    long value[4];
};

static wane_type tracked_type = {
    .name = "bench tracked", .size = sizeof(struct node), .slots = WANE_SLOTS(struct node, left, right)};
static wane_type plain_type = {.name = "bench untracked", .size = sizeof(struct node)};

static wane_slot slot;

static void *make(wane_type *t) {
    void *o = wane_new(t);
    if (o == NULL)
        bench_fail("wane_new failed");
    return o;
}

/* Births of objects that may be part of a cycle, at once and 100 at a time. */

static void tracked_at_once(bench_run *r) {
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH, QUICK);
        for (uint64_t i = 0; i < n; i++) {
            struct node *p = make(&tracked_type);
            p->value[0] = 1;
            bench_opaque(p);
            wane_release(p);
        }
        r->ops += n;
    }
}

static void tracked_hundred(bench_run *r) {
    struct node *p[HUNDRED];
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH / HUNDRED, 2);
        for (uint64_t i = 0; i < n; i++) {
            for (int j = 0; j < HUNDRED; j++) {
                p[j] = make(&tracked_type);
                p[j]->value[0] = 1;
            }
            for (int j = 0; j < HUNDRED; j++)
                wane_release(p[j]);
        }
        r->ops += n * HUNDRED;
    }
}

/* A new object replaces the one in a slot. */

static void give(bench_run *r, wane_type *t) {
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH, QUICK);
        for (uint64_t i = 0; i < n; i++)
            wane_slot_give(&slot, make(t));
        r->ops += n;
    }
    wane_slot_clear(&slot);
}

static void give_plain(bench_run *r) { give(r, &plain_type); }
static void give_tracked(bench_run *r) { give(r, &tracked_type); }

/* Two living objects in turn. */

static void store(bench_run *r) {
    void *o[2] = {make(&tracked_type), make(&tracked_type)};
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH, QUICK);
        for (uint64_t i = 0; i < n; i++)
            wane_slot_store(&slot, o[i % 2]);
        r->ops += n;
    }
    wane_slot_clear(&slot);
    wane_release(o[0]);
    wane_release(o[1]);
}

#define NS "ns a call"

const bench_row bench_slot_rows[] = {
    {"tracked-at-once", "new and release, two slots, at once", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", tracked_at_once, NULL, 0, 0}}},
    {"tracked-100", "the same, 100 and 100 back", NS, 1, BENCH_CPU, -1, -1, {{"wane", tracked_hundred, NULL, 0, 0}}},
    {"give", "new and give to a slot, without slots of its own", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", give_plain, NULL, 0, 0}}},
    {"give-tracked", "the same, two slots", NS, 1, BENCH_CPU, -1, -1, {{"wane", give_tracked, NULL, 0, 0}}},
    {"store", "store a living object to a slot", NS, 1, BENCH_CPU, -1, -1, {{"wane", store, NULL, 0, 0}}},
    BENCH_ROWS_END,
};
