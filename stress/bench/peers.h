/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/peers.h: the peers' cells that live in files of their own, and the two counts that a C program writes by hand.
 *
 * A peer that is missing on this machine leaves its column as a named skip.
 */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "bench.h"

#include <stdlib.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define BENCH_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define BENCH_SANITIZED 1
#endif
#endif
#ifndef BENCH_SANITIZED
#define BENCH_SANITIZED 0
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_MISSING(name_, why_)                                                                                     \
    { .name = (name_), .run = NULL, .skip = (why_) }

/* std::shared_ptr: count_peer.cc. */
void bench_shared_ptr_pair(bench_run *r);
#if BENCH_HAVE_CPP
#define BENCH_SHARED_PTR(fn_) {.name = "shared_ptr", .run = (fn_)}
#else
#define BENCH_SHARED_PTR(fn_) BENCH_MISSING("shared_ptr", "no C++ compiler")
#endif

/* std::atomic<std::shared_ptr>: guard_peer.cc. Its lock bit is invisible to ThreadSanitizer. */
void bench_atomic_sp_idle(bench_run *r);
void bench_atomic_sp_10us(bench_run *r);
void bench_atomic_sp_flat(bench_run *r);
#if !BENCH_HAVE_CPP20
#define BENCH_ATOMIC_SP(fn_, bar_) BENCH_MISSING("atomic<shared_ptr>", "no C++20 compiler that has it")
#elif BENCH_SANITIZED
#define BENCH_ATOMIC_SP(fn_, bar_) BENCH_MISSING("atomic<shared_ptr>", "not under a sanitizer")
#else
#define BENCH_ATOMIC_SP(fn_, bar_) {.name = "atomic<shared_ptr>", .run = (fn_), .bar = (bar_)}
#endif

/* liburcu-memb: guard_urcu.c. */
void bench_urcu_idle(bench_run *r);
void bench_urcu_10us_call(bench_run *r);
void bench_urcu_10us_sync(bench_run *r);
void bench_urcu_flat_call(bench_run *r);
void bench_urcu_flat_sync(bench_run *r);
#if !BENCH_HAVE_URCU_MEMB
#define BENCH_URCU(name_, fn_, bar_, goal_) BENCH_MISSING(name_, "built without liburcu-memb")
#elif BENCH_SANITIZED
#define BENCH_URCU(name_, fn_, bar_, goal_) BENCH_MISSING(name_, "not under a sanitizer")
#else
#define BENCH_URCU(name_, fn_, bar_, goal_) {.name = (name_), .run = (fn_), .bar = (bar_), .goal = (goal_)}
#endif

/* bdwgc: gc_alloc.c, gc_tree.c. */
void bench_gc_at_once(bench_run *r);
void bench_gc_hundred(bench_run *r);
void bench_gc_live(bench_run *r);
void bench_gc_cross(bench_run *r);
void bench_gc_tree(bench_run *r);
#if !BENCH_HAVE_BDWGC
#define BENCH_BDWGC(fn_) BENCH_MISSING("bdwgc", "built without bdw-gc")
#elif BENCH_SANITIZED
#define BENCH_BDWGC(fn_) BENCH_MISSING("bdwgc", "not under a sanitizer")
#else
#define BENCH_BDWGC(fn_) {.name = "bdwgc", .run = (fn_)}
#endif

/* Graphs with cycles: cycle_malloc.c, gc_cycle.c. */
void bench_malloc_rings_2(bench_run *r);
void bench_malloc_rings_10(bench_run *r);
void bench_malloc_rings_1000(bench_run *r);
void bench_malloc_pause_1m(bench_run *r);
void bench_malloc_pause_10m(bench_run *r);
void bench_malloc_paced_1m(bench_run *r);
void bench_malloc_paced_10m(bench_run *r);
void bench_gc_rings_2(bench_run *r);
void bench_gc_rings_10(bench_run *r);
void bench_gc_rings_1000(bench_run *r);
void bench_gc_pause_1m(bench_run *r);
void bench_gc_pause_10m(bench_run *r);
void bench_gc_paced_1m(bench_run *r);
void bench_gc_paced_10m(bench_run *r);
void bench_gc_collections(bench_run *r);
void bench_gc_inc_pause_1m(bench_run *r);
void bench_gc_inc_pause_10m(bench_run *r);
void bench_gc_inc_paced_1m(bench_run *r);
void bench_gc_inc_paced_10m(bench_run *r);
#if !BENCH_HAVE_BDWGC
#define BENCH_BDWGC_AS(name_, fn_, bar_) BENCH_MISSING(name_, "built without bdw-gc")
#elif BENCH_SANITIZED
#define BENCH_BDWGC_AS(name_, fn_, bar_) BENCH_MISSING(name_, "not under a sanitizer")
#else
#define BENCH_BDWGC_AS(name_, fn_, bar_) {.name = (name_), .run = (fn_), .bar = (bar_)}
#endif

/* What a C program writes without a library: malloc, and a count before the payload. */
struct plain_object {
    size_t count;
    long payload[6];
};

struct atomic_object {
    size_t count; /* atomic */
    long payload[6];
};

static inline void plain_retain(struct plain_object *o) { o->count++; }

static inline void plain_release(struct plain_object *o) {
    if (--o->count == 0)
        free(o);
}

static inline struct atomic_object *atomic_new(void) {
    struct atomic_object *o = (struct atomic_object *)malloc(sizeof(*o));
    if (o == NULL)
        bench_fail("out of memory");
    __atomic_store_n(&o->count, (size_t)1, __ATOMIC_RELAXED);
    return o;
}

static inline void atomic_retain(struct atomic_object *o) { __atomic_fetch_add(&o->count, 1u, __ATOMIC_RELAXED); }

static inline void atomic_release(struct atomic_object *o) {
    if (__atomic_fetch_sub(&o->count, 1u, __ATOMIC_ACQ_REL) == 1)
        free(o);
}

#ifdef __cplusplus
}
#endif

#endif
