/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * roots.c: the walk of the candidates lets others have the collector's lock.
 */
#include <stdlib.h>

#include "heap/heap.h"
#include "os/clock.h"
#include "thread/wake.h"
#include "thread_util.h"

static bool xstop;

static void collect_all_the_time(void *unused) {
    (void)unused;
    while (!load_relaxed(&xstop))
        wane_gc_collect(WANE_GC_FULL);
}

/* A fork needs the lock, a trim, a birth when memory is out. Held for the whole walk, it is never met with pages noted. */
TEST(the_lock_is_let_go_between_pages) {
    enum { N = 200000, WANTED = 20 };
    struct wane__header **all = malloc(N * sizeof *all);
    struct worker w;
    CHECK(all != NULL);
    for (size_t i = 0; i < N; i++)
        all[i] = object_new(&node_type);
    worker_start(&w);
    worker_begin(&w, collect_all_the_time, NULL);
    unsigned met = 0;
    for (uint64_t end = wane__now() + 20000000000u; met < WANTED;) {
        CHECK_MSG(wane__now() < end, "met %u times", met);
        wane__collector_lock();
        met += load_relaxed(&wane__heap_xnoted) ? 1 : 0;
        wane__collector_unlock();
    }
    store_relaxed(&xstop, true);
    worker_wait(&w);
    worker_stop(&w);
    for (size_t i = 0; i < N; i++)
        wane_release(wane__payload_of(all[i]));
    free(all);
}
