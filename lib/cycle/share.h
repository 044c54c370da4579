/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/share.h: how much of a core the collector thread may use for collections (option collector_cpu_percent).
 *
 * A credit of CPU time: it grows with time, by the share, and shrinks by what the thread used, for whatever. It is never more
 * than a tenth of a second is worth, so in any second the thread uses at most a tenth more than its share, but for what
 * cannot be divided; and never less than what a second is worth, so nothing is held against it for longer than that.
 */
#ifndef WANE_CYCLE_SHARE_H
#define WANE_CYCLE_SHARE_H

#include <stdint.h>

/* All zero at first. One thread's. */
struct wane__share {
    uint64_t then, cpu_then; /* when it was asked last, and what the thread had used */
    int64_t credit;
};

/* CPU time that may be used now, in ns; 0: none. `cpu`: what the thread has used so far. percent: 1 .. 100. */
static inline uint64_t wane__share_left(struct wane__share *s, uint64_t now, uint64_t cpu, unsigned percent) {
    const int64_t second = (int64_t)1000000000 / 100 * percent;
    if (s->then == 0 || cpu < s->cpu_then) /* it is another thread now */
        *s = (struct wane__share){.then = now, .cpu_then = cpu, .credit = second / 10};
    uint64_t passed = now - s->then < 2000000000u ? now - s->then : 2000000000u;
    s->credit += (int64_t)(passed / 100 * percent) - (int64_t)(cpu - s->cpu_then);
    if (s->credit > second / 10)
        s->credit = second / 10;
    if (s->credit < -second)
        s->credit = -second;
    s->then = now;
    s->cpu_then = cpu;
    return s->credit > 0 ? (uint64_t)s->credit : 0;
}

#endif
