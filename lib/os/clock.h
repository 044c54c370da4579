/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* os/clock.h: monotonic time in nanoseconds. */
#ifndef WANE_OS_CLOCK_H
#define WANE_OS_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t wane__clock(clockid_t id) {
    struct timespec t = {0}; /* the clock of a thread that has ended reads 0 */
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t wane__now(void) { return wane__clock(CLOCK_MONOTONIC); }

#endif
