/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * mm_wane.c: what of the libwane back end is not inline: statistics and options by name, the
 * orderly end.
 */
#include "mm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mm_thread_enter(void) {
    int failed = wane_thread_attach();
    if (failed != 0) {
        fprintf(stderr, "no thread record: %s\n", strerror(-failed));
        abort();
    }
}

void mm_thread_exit(void) { wane_thread_detach(); }

size_t mm_collect(void) {
    size_t found = 0;
    wane_flush();
#if MM_WANE_GC
    found = wane_gc_collect(WANE_GC_FULL);
    wane_flush();
#endif
    wane_trim();
    return found;
}

static wane_stats figures(void) {
    wane_stats s = {.struct_size = sizeof s};
    wane_stats_get(&s);
    return s;
}

uint64_t mm_finish(void) {
    /* What a collection frees may refer to further cycles. */
    size_t before;
    do {
        before = figures().live_objects;
        mm_collect();
    } while (figures().live_objects < before);
    wane_shutdown();
    return figures().live_objects;
}

void *mm_root_new(size_t size) { return calloc(1, size); }
void mm_root_free(void *root) { free(root); }

void mm_stats_get(struct mm_stats *ret) {
    wane_stats s = figures();
    *ret = (struct mm_stats){0};
    ret->made = s.births;
    ret->freed = s.deaths;
    ret->live = s.live_objects;
    ret->live_bytes = s.live_bytes;
    ret->heap_bytes = s.heap_bytes;
    ret->pending = s.deferred_pending;
    ret->cycles = s.cycles_collected;
    ret->stalls = s.stalls;
    ret->stall_max_ns = s.stall_ns_max;
#if MM_WANE_GC
    wane_gc_stats gc[3];
    wane_gc_get_stats(gc);
    ret->collections = gc[0].collections + gc[1].collections + gc[2].collections;
#endif
}

#if MM_WANE_GC
static void each_generation(mm_stats_fn *fn, void *arg) {
    wane_gc_stats gc[3];
    wane_gc_get_stats(gc);
    for (int g = 0; g < 3; g++) {
        const struct {
            const char *name;
            uint64_t value;
        } row[] = {
            {"collections", gc[g].collections}, {"collected", gc[g].collected},
            {"candidates", gc[g].candidates},   {"suspects", gc[g].suspects},
            {"aborted", gc[g].aborted},         {"cpu_ns", gc[g].cpu_ns},
        };
        for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
            char name[64];
            snprintf(name, sizeof name, "gen%d_%s", g, row[i].name);
            fn(name, row[i].value, arg);
        }
    }
}
#endif

void mm_stats_each(mm_stats_fn *fn, void *arg) {
    wane_stats s = figures();
    fn("births", s.births, arg);
    fn("deaths", s.deaths, arg);
    fn("live_objects", s.live_objects, arg);
    fn("live_bytes", s.live_bytes, arg);
    fn("heap_bytes", s.heap_bytes, arg);
    fn("deferred_pending", s.deferred_pending, arg);
    fn("deferred_bytes", s.deferred_bytes, arg);
    fn("quarantined_bytes", s.quarantined_bytes, arg);
    fn("epochs", s.epochs, arg);
    fn("merges", s.merges, arg);
    fn("revocations", s.revocations, arg);
    fn("cycles_collected", s.cycles_collected, arg);
    fn("stalls", s.stalls, arg);
    fn("stall_ns_max", s.stall_ns_max, arg);
    fn("stall_ns_total", s.stall_ns_total, arg);
    fn("overruns", s.overruns, arg);
    fn("oldest_guard_ns", s.oldest_guard_ns, arg);
    fn("collector_cpu_ns", s.collector_cpu_ns, arg);
    fn("threads", s.threads, arg);
    fn("external_bytes", s.external_bytes, arg);
#if MM_WANE_GC
    each_generation(fn, arg);
#endif
}

const char *mm_option_name(size_t i) {
    static const char *const names[] = {
        "deferred_bytes",   "stall_limit_us",
        "guard_warn_ms",    "trim_delay_ms",
        "max_threads",      "collector_thread",
        "membarrier",       "leak_report",
        "threshold0",       "threshold1",
        "threshold2",       "heap_growth_percent",
        "candidate_age_ms", "collector_cpu_percent",
        "quarantine_bytes",
    };
    size_t seen = 0;
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        int64_t ignored;
        if (wane_option_get(names[k], &ignored) == 0 && seen++ == i) {
            return names[k];
        }
    }
    return NULL;
}

bool mm_option_get(const char *name, int64_t *ret) { return wane_option_get(name, ret) == 0; }
bool mm_option_set(const char *name, int64_t value) { return wane_option_set(name, value) == 0; }
