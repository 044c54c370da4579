/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/alloc.h: the patterns of making and dropping 48-byte objects, the same text for us and for the peers: a file
 * defines object_make() and object_drop() for what it measures before it includes this.
 */
#ifndef BENCH_ALLOC_H
#define BENCH_ALLOC_H

#include "peers.h"
#include "threads.h"

#include <sched.h>
#include <string.h>

#define PAYLOAD 48
#define BATCH 50000
#define HUNDRED 100
#define LIVE 10000
#define RING 1024

struct payload {
    long value[PAYLOAD / sizeof(long)];
};

static void *object_make(void);
static void object_drop(void *p);

static void at_once(bench_run *r) {
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH, 200);
        for (uint64_t i = 0; i < n; i++) {
            struct payload *p = object_make();
            p->value[0] = 1;
            bench_opaque(p);
            object_drop(p);
        }
        r->ops += n;
    }
}

static void hundred(bench_run *r) {
    struct payload *p[HUNDRED];
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH / HUNDRED, 2);
        for (uint64_t i = 0; i < n; i++) {
            for (int j = 0; j < HUNDRED; j++) {
                p[j] = object_make();
                p[j]->value[0] = 1;
            }
            for (int j = 0; j < HUNDRED; j++)
                object_drop(p[j]);
        }
        r->ops += n * HUNDRED;
    }
}

/* One of 10,000 living objects, at random, is replaced. The table is in memory that a collector scans. */
static struct payload *live_table[LIVE];

static void live(bench_run *r) {
    struct payload **p = live_table;
    for (int j = 0; j < LIVE; j++)
        p[j] = object_make();
    uint64_t x = 88172645463325252u;
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH, 200);
        for (uint64_t i = 0; i < n; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            struct payload **at = &p[(uint32_t)x % LIVE];
            struct payload *old = *at;
            *at = object_make();
            (*at)->value[0] = 1;
            object_drop(old);
        }
        r->ops += n;
    }
    for (int j = 0; j < LIVE; j++)
        object_drop(p[j]);
    memset(live_table, 0, sizeof(live_table));
}

/*
 * Made here, dropped by a second thread, through a ring of pointers with one producer and one consumer, whose indices
 * stand on lines of their own. The clock runs until the last object is dropped.
 */
struct ring {
    _Alignas(64) uint64_t made;    /* atomic: written by the producer */
    _Alignas(64) uint64_t dropped; /* atomic: written by the consumer */
    _Alignas(64) void *object[RING];
};

static struct ring ring;

static void consumer(bench_thread *t) {
    bench_thread_ready(t);
    uint64_t at = 0;
    for (unsigned idle = 0;;) {
        uint64_t made = __atomic_load_n(&ring.made, __ATOMIC_ACQUIRE);
        if (made == at) {
            if (bench_thread_stopping(t))
                return;
            if (++idle % 64 == 0)
                sched_yield();
            continue;
        }
        for (; at < made; at++) {
            object_drop(ring.object[at % RING]);
            __atomic_store_n(&ring.dropped, at + 1, __ATOMIC_RELEASE);
        }
    }
}

static void await_dropped(uint64_t count) {
    for (unsigned idle = 1; __atomic_load_n(&ring.dropped, __ATOMIC_ACQUIRE) < count; idle++)
        if (idle % 64 == 0)
            sched_yield();
}

static void cross_with(bench_run *r, void (*start)(bench_thread *t, void (*run)(bench_thread *t), void *arg),
                       void (*stop)(bench_thread *t)) {
    bench_thread t;
    start(&t, consumer, NULL);
    uint64_t at = 0, dropped = 0;
    while (bench_again(r)) {
        uint64_t n = bench_size(r, BATCH, 2000);
        for (uint64_t i = 0; i < n; i++) {
            if (at - dropped == RING) {
                await_dropped(at - RING / 2);
                dropped = __atomic_load_n(&ring.dropped, __ATOMIC_ACQUIRE);
            }
            struct payload *p = object_make();
            p->value[0] = 1;
            ring.object[at % RING] = p;
            __atomic_store_n(&ring.made, ++at, __ATOMIC_RELEASE);
        }
        await_dropped(at);
        dropped = at;
        r->ops += n;
    }
    stop(&t);
}

#endif
