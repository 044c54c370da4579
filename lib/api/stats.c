/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * api/stats.c: figures of the process, summed over the threads' records.
 */
#include <errno.h>
#include <string.h>
#include <wane/control.h>

#include "api/api.h"
#include "cycle/background.h"
#include "cycle/generations.h"
#include "heap/quarantine.h"
#include "life/apply.h"
#include "life/growth.h"
#include "thread/grace.h"
#include "thread/wake.h"

/* The struct ended here in the first version. */
#define FIRST_SIZE (offsetof(wane_stats, collector_cpu_ns) + sizeof(uint64_t))

struct sums {
    uint64_t births, birth_bytes, deaths, death_bytes;
};

static void add_record(wane_stats *s, struct sums *sums, struct wane__record *r) {
    /* Deaths before births: then a difference of the two is never below zero by the order of reading. */
    for (int i = 0; i < 2; i++) {
        sums->deaths += load_acquire(&r->deaths[i].xn);
        sums->death_bytes += load_acquire(&r->deaths[i].xbytes);
    }
    s->deferred_pending += wane__units_waiting(r);
    s->deferred_bytes += wane__bytes_waiting(r);
    s->revocations += load_relaxed(&r->xrevocations); /* before merges, of which they are some */
    s->merges += load_relaxed(&r->xmerges);
    s->stalls += load_relaxed(&r->xstalls);
    s->stall_ns_total += load_relaxed(&r->xstall_ns_total);
    s->overruns += load_relaxed(&r->xoverruns);
    if (load_relaxed(&r->xstall_ns_max) > s->stall_ns_max)
        s->stall_ns_max = load_relaxed(&r->xstall_ns_max);
    for (int i = 0; i < WANE_STALL_BUCKETS; i++)
        s->stall_histogram[i] += load_relaxed(&r->xstall_histogram[i]);
}

static void sum_up(wane_stats *s) {
    struct sums sums = {0};
    WANE__EACH_RECORD(r) add_record(s, &sums, r);
    WANE__EACH_RECORD(b) {
        for (int i = 0; i < 2; i++) {
            sums.births += load_relaxed(&b->births[i].xn);
            sums.birth_bytes += load_relaxed(&b->births[i].xbytes);
        }
    }
    s->live_objects = sums.births > sums.deaths ? sums.births - sums.deaths : 0;
    s->live_bytes = sums.birth_bytes > sums.death_bytes ? sums.birth_bytes - sums.death_bytes : 0;
    s->heap_bytes = wane__heap_bytes();
    s->external_bytes = wane__bytes_external();
    s->births = sums.births;
    s->deaths = sums.deaths;
    s->quarantined_bytes = wane__quarantine_bytes();
    s->deferred_pending += wane__dead_waiting() + wane__calls_waiting() + wane__parked();
    s->deferred_bytes += wane__dead_bytes() + wane__blocks_bytes() + wane__parked_bytes();
    s->epochs = wane__grace_ended();
    s->cycles_collected = wane__cycles_collected();
    s->oldest_guard_ns = wane__oldest_guard();
    s->collector_cpu_ns = wane__background_cpu();
    s->threads = wane__record_count();
    s->immortal_objects = load_relaxed(&wane__ximmortals);
}

int wane_stats_get(wane_stats *ret) {
    if (ret == NULL || ret->struct_size < FIRST_SIZE)
        return -EINVAL;
    wane_stats s = {0};
    size_t size = ret->struct_size < sizeof s ? ret->struct_size : sizeof s;
    sum_up(&s);
    s.struct_size = ret->struct_size;
    memcpy(ret, &s, size);
    return 0;
}

void wane_set_log(void (*fn)(int level, const char *line, void *arg), void *arg) { wane__log_set(fn, arg); }
