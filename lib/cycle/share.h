/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/share.h: how much of a core the collector thread may use for collections (option collector_cpu_percent).
 *
 * A credit of CPU time: it grows with time, by the share, and shrinks by what the thread used, for whatever; but what is
 * no collection takes at most half of the share: it has to be done, and collections must go on beside it. The credit is never
 * more than a tenth of a second is worth, so in any second collections use at most a tenth more than the share, but for what
 * cannot be divided; and never less than what a second is worth, so nothing is held against them for longer than that.
 */
#ifndef WANE_CYCLE_SHARE_H
#define WANE_CYCLE_SHARE_H

#include <stdint.h>

/* All zero at first. One thread's. */
struct wane__share {
    uint64_t then, cpu_then, collections_then; /* when it was asked last, and what the thread had used */
    int64_t credit;
};

/*
 * CPU time that may be used now, in ns; 0: none. `cpu`: what the thread has used so far; `collections`: what of that collections
 * have. percent: 1 .. 100.
 */
static inline uint64_t wane__share_left(struct wane__share *s, uint64_t now, uint64_t cpu, uint64_t collections,
                                        unsigned percent) {
    const int64_t second = (int64_t)1000000000 / 100 * percent;
    if (s->then == 0 || cpu < s->cpu_then) /* it is another thread now */
        *s = (struct wane__share){.then = now, .cpu_then = cpu, .collections_then = collections, .credit = second / 10};
    uint64_t passed = now - s->then < 2000000000u ? now - s->then : 2000000000u;
    int64_t income = (int64_t)(passed / 100 * percent), used = (int64_t)(collections - s->collections_then);
    int64_t rest = (int64_t)(cpu - s->cpu_then) - used;
    s->credit += income - used - (rest < income / 2 ? rest : income / 2);
    if (s->credit > second / 10)
        s->credit = second / 10;
    if (s->credit < -second)
        s->credit = -second;
    s->then = now;
    s->cpu_then = cpu;
    s->collections_then = collections;
    return s->credit > 0 ? (uint64_t)s->credit : 0;
}

#endif
