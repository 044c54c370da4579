/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/debug.c: see debug.h. Objects are counted by type, and not named one by one: there may be a million of them.
 */
#include "cycle/debug.h"

unsigned wane__xgc_debug;

static struct report {
    struct wane__ties types, ties;
} reports[WANE__REPORTS];

static const char *const names[WANE__REPORTS] = {"gc: collectable", "gc: uncollectable"};

void wane__debug_count(enum wane__reported what, uint32_t type) { wane__ties_add(&reports[what].types, type, 0, type); }

void wane__debug_tie(enum wane__reported what, uint32_t from, uint32_t place, uint32_t to) {
    wane__ties_add(&reports[what].ties, from, place, to);
}

static void log_stats(const wane_gc_event *e) {
    if (e->phase == WANE_GC_START)
        wane__log(WANE__LOG_INFO, "gc: collecting generation %d: %lld tracked objects are alive", e->generation,
                  (long long)wane__tracked_alive());
    else
        wane__log(WANE__LOG_INFO, "gc: done with generation %d: %zu collected, %zu uncollectable, %zu candidates, %llu us",
                  e->generation, e->collected, e->uncollectable, e->candidates, (unsigned long long)(e->duration_ns / 1000));
}

void wane__debug_event(const wane_gc_event *e) {
    if ((load_relaxed(&wane__xgc_debug) & WANE_GC_DEBUG_STATS) != 0)
        log_stats(e);
    for (int what = 0; what < WANE__REPORTS && e->phase == WANE_GC_STOP; what++) {
        wane__types_log(&reports[what].types, WANE__LOG_INFO, names[what]);
        wane__ties_log(&reports[what].ties, WANE__LOG_INFO, names[what]);
    }
}
