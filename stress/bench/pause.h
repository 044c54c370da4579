/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/pause.h: how long each operation of a thread takes, by two clocks: the wall, and the wall less the time in
 * which the thread was ready to run and other threads had the processors (/proc/thread-self/schedstat). On an idle
 * machine they agree; on a busy one the second is what the program itself did to its operations. A thread that a
 * library puts to sleep is not ready: that counts in both.
 */
#ifndef BENCH_PAUSE_H
#define BENCH_PAUSE_H

#include "bench.h"

struct bench_pauses;

/* The figures of a cell. */
enum {
    PAUSE_LONGEST, /* ns */
    PAUSE_9999,    /* ns: one operation in 10,000 takes longer */
    PAUSE_LOST,    /* of the time, what went into operations of more than 1 ms: 0 to 1 */
    PAUSE_MEAN     /* ns */
};

struct bench_pauses *bench_pauses_begin(uint64_t span_ns, uint64_t period_ns);
/* After each operation; waits for the next one's time, spinning. False: the span is over. */
bool bench_pauses_note(struct bench_pauses *p);
void bench_pauses_end(struct bench_pauses *p, bench_run *r);

#endif
