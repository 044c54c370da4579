/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/debug.h: what wane_gc_set_debug asks for: lines to the log about each collection. Under the claim, but for the flags.
 */
#ifndef WANE_CYCLE_DEBUG_H
#define WANE_CYCLE_DEBUG_H

#include <wane/gc.h>

#include "cycle/ties.h"

extern unsigned wane__xgc_debug;

/* What is counted for the lines at the end: garbage, or what was kept. */
enum wane__reported { WANE__REPORT_COLLECTABLE, WANE__REPORT_UNCOLLECTABLE, WANE__REPORTS };
static inline bool wane__reports(unsigned flags, enum wane__reported what) {
    return (flags & (what == WANE__REPORT_COLLECTABLE ? WANE_GC_DEBUG_COLLECTABLE : WANE_GC_DEBUG_UNCOLLECTABLE)) != 0;
}

void wane__debug_count(enum wane__reported what, uint32_t type);
void wane__debug_tie(enum wane__reported what, uint32_t from, uint32_t place, uint32_t to);

/* A collection begins, or is over. In no lock: the log is the program's. */
void wane__debug_event(const wane_gc_event *e);

#endif
