/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/guard_rows.c: enter a guard, read a slot, use what it refers to, leave; beside no writer, one that replaces
 * the object every 10 us, and one that does nothing else.
 */
#include "peers.h"
#include "threads.h"

#include <wane.h>

struct value {
    long value;
};

static wane_type value_type = {.name = "bench value", .size = sizeof(struct value)};

static wane_slot slot;

static void write_slot(void *arg) {
    (void)arg;
    struct value *v = wane_new(&value_type);
    if (v == NULL)
        bench_fail("wane_new failed");
    v->value = 1;
    wane_slot_give(&slot, v);
}

static void writer(bench_thread *t) {
    bench_thread_ready(t);
    bench_thread_write(t, write_slot, NULL, *(uint64_t *)t->arg);
}

static long read_guarded(uint64_t n) {
    long sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        wane_guard_enter();
        const struct value *v = wane_slot_peek(&slot);
        sum += v->value;
        wane_guard_leave();
        bench_opaque(sum);
    }
    return sum;
}

/* Without a guard: the unit that wane_slot_load takes. */
static long read_loaded(uint64_t n) {
    long sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        struct value *v = wane_slot_load(&slot);
        sum += v->value;
        wane_release(v);
        bench_opaque(sum);
    }
    return sum;
}

#define NO_WRITER UINT64_MAX

static void reader(bench_run *r, long (*read)(uint64_t n), uint64_t period_ns) {
    bench_thread t;
    write_slot(NULL);
    if (period_ns != NO_WRITER)
        bench_thread_start(&t, writer, &period_ns);
    long sum = 0;
    while (bench_again(r)) {
        uint64_t n = bench_size(r, 50000, 200);
        sum += read(n);
        r->ops += n;
    }
    if (period_ns != NO_WRITER)
        bench_thread_stop(&t);
    if (sum == 0)
        bench_fail("the reader saw an object before it was published");
    wane_slot_clear(&slot);
}

static void guard_idle(bench_run *r) { reader(r, read_guarded, NO_WRITER); }
static void guard_10us(bench_run *r) { reader(r, read_guarded, 10000); }
static void guard_flat(bench_run *r) { reader(r, read_guarded, 0); }
static void load_idle(bench_run *r) { reader(r, read_loaded, NO_WRITER); }
static void load_10us(bench_run *r) { reader(r, read_loaded, 10000); }
static void load_flat(bench_run *r) { reader(r, read_loaded, 0); }

#define NS "ns a read"
/*
 * CDRC's snapshots are in no package. Measured once beside liburcu-memb, in ns: 3.3 to its 2.2, and 6.4 to 4.7 with a
 * writer flat out. So the bars are multiples of liburcu-memb's row whose writer comes nearest to that one's.
 */
#define CDRC_10US (3.3 / 2.2)
#define CDRC_FLAT (6.4 / 4.7)

const bench_row bench_guard_rows[] = {
    {"guard-idle", "guard, read a slot, use, leave; no writer", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", guard_idle, NULL, 0, 0},
      BENCH_URCU("urcu-memb", bench_urcu_idle, 0, 1.0),
      BENCH_ATOMIC_SP(bench_atomic_sp_idle, 0)}},
    {"guard-10us", "the same; a writer every 10 us", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", guard_10us, NULL, 0, 0},
      BENCH_URCU("urcu-memb call_rcu", bench_urcu_10us_call, 0, 1.0),
      BENCH_URCU("urcu-memb sync", bench_urcu_10us_sync, CDRC_10US, 1.0),
      BENCH_ATOMIC_SP(bench_atomic_sp_10us, 1 / 4.0)}},
    {"guard-flat", "the same; a writer flat out", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", guard_flat, NULL, 0, 0},
      BENCH_URCU("urcu-memb call_rcu", bench_urcu_flat_call, CDRC_FLAT, 1.0),
      BENCH_URCU("urcu-memb sync", bench_urcu_flat_sync, 0, 1.0),
      BENCH_ATOMIC_SP(bench_atomic_sp_flat, 1 / 10.0)}},
    {"load-idle", "load a slot, use, release; no writer", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", load_idle, NULL, 0, 0}, BENCH_ATOMIC_SP(bench_atomic_sp_idle, 0)}},
    {"load-10us", "the same; a writer every 10 us", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", load_10us, NULL, 0, 0}, BENCH_ATOMIC_SP(bench_atomic_sp_10us, 0)}},
    {"load-flat", "the same; a writer flat out", NS, 1, BENCH_CPU, -1, -1,
     {{"wane", load_flat, NULL, 0, 0}, BENCH_ATOMIC_SP(bench_atomic_sp_flat, 0)}},
    BENCH_ROWS_END,
};
