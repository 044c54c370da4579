/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * base/option.h: the values of the options, for all layers; names, ranges and the environment are in api/options.c.
 * Each is atomic and may change at any time.
 */
#ifndef WANE_BASE_OPTION_H
#define WANE_BASE_OPTION_H

#include <stdint.h>

#include "base/atomic.h"
#include "base/check.h"

/* Builds that look for all misuse keep dead blocks back. */
#define WANE__QUARANTINE_BYTES (WANE_CHECKS >= 2 ? 1048576 : 0)

/* name, default, least, greatest */
#define WANE__OPTIONS(X)                                        \
    X(deferred_bytes, 33554432, 65536, (int64_t)1 << 40)        \
    X(stall_limit_us, 1000, 0, 10000000)                        \
    X(guard_warn_ms, 10000, 0, 1000000000)                      \
    X(trim_delay_ms, 1000, 0, 1000000000)                       \
    X(max_threads, 65000, 1, 65000)                             \
    X(collector_thread, 1, 0, 1)                                \
    X(membarrier, 1, 0, 1)                                      \
    X(leak_report, 0, 0, 2)                                     \
    X(quarantine_bytes, WANE__QUARANTINE_BYTES, 0, (int64_t)1 << 40) \
    X(threshold0, 10000, 0, INT32_MAX)                          \
    X(threshold1, 10, 0, INT32_MAX)                             \
    X(threshold2, 10, 0, INT32_MAX)                             \
    X(candidate_age_ms, 5000, 0, 1000000000)                    \
    X(collector_cpu_percent, 100, 1, 100)                       \
    X(heap_growth_percent, 100, 0, 10000)

struct wane__options {
#define WANE__OPTION_FIELD(name, initial, least, greatest) int64_t x##name;
    WANE__OPTIONS(WANE__OPTION_FIELD)
#undef WANE__OPTION_FIELD
};

extern struct wane__options wane__options;

#define wane__option(name) load_relaxed(&wane__options.x##name)

#endif
