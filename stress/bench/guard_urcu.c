/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/guard_urcu.c: the same with liburcu-memb, its read side inlined.
 *
 * Two writers: one frees with call_rcu, as ours defers, and sleeps while a million calls are pending, because call_rcu
 * has no bound of its own; the other waits for each grace period and so writes less often.
 */
#define _LGPL_SOURCE
#include "peers.h"
#include "threads.h"

#include <urcu/urcu-memb.h>

struct value {
    struct rcu_head head; /* first: what call_rcu hands back is what malloc returned */
    long value;
};

static struct value *slot;
static size_t pending; /* atomic */

#define PENDING_MAX 1000000u

static void free_value(struct rcu_head *head) {
    free(head);
    __atomic_fetch_sub(&pending, 1u, __ATOMIC_RELAXED);
}

static struct value *replace(void) {
    struct value *v = malloc(sizeof(*v));
    if (v == NULL)
        bench_fail("out of memory");
    v->value = 1;
    return __atomic_exchange_n(&slot, v, __ATOMIC_ACQ_REL);
}

static void write_call(void *arg) {
    (void)arg;
    struct value *old = replace();
    __atomic_fetch_add(&pending, 1u, __ATOMIC_RELAXED);
    urcu_memb_call_rcu(&old->head, free_value);
    while (__atomic_load_n(&pending, __ATOMIC_RELAXED) >= PENDING_MAX)
        bench_sleep_ns(1000000);
}

static void write_sync(void *arg) {
    (void)arg;
    struct value *old = replace();
    urcu_memb_synchronize_rcu();
    free(old);
}

struct writer {
    void (*write)(void *arg);
    uint64_t period_ns;
};

static void writer(bench_thread *t) {
    const struct writer *w = t->arg;
    urcu_memb_register_thread();
    bench_thread_ready(t);
    bench_thread_write(t, w->write, NULL, w->period_ns);
    urcu_memb_unregister_thread();
}

static void reader(bench_run *r, void (*write)(void *arg), uint64_t period_ns) {
    bench_thread t;
    struct writer w = {write, period_ns};
    urcu_memb_register_thread();
    replace();
    if (write != NULL)
        bench_thread_start(&t, writer, &w);
    long sum = 0;
    while (bench_again(r)) {
        uint64_t n = bench_size(r, 50000, 200);
        for (uint64_t i = 0; i < n; i++) {
            urcu_memb_read_lock();
            const struct value *v = rcu_dereference(slot);
            sum += v->value;
            urcu_memb_read_unlock();
            bench_opaque(sum);
        }
        r->ops += n;
    }
    if (write != NULL)
        bench_thread_stop(&t);
    urcu_memb_unregister_thread();
}

void bench_urcu_idle(bench_run *r) { reader(r, NULL, 0); }
void bench_urcu_10us_call(bench_run *r) { reader(r, write_call, 10000); }
void bench_urcu_10us_sync(bench_run *r) { reader(r, write_sync, 10000); }
void bench_urcu_flat_call(bench_run *r) { reader(r, write_call, 0); }
void bench_urcu_flat_sync(bench_run *r) { reader(r, write_sync, 0); }
