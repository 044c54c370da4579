/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* bench/pause.c: a histogram of durations with buckets of 3 per cent, and the sums of the long ones. */
#include "pause.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SUB_BITS 5
#define SUB (1u << SUB_BITS)
#define BUCKETS ((64 - SUB_BITS) * SUB)
#define LONG_NS 1000000u
/* Only what took this long can have lost its processor: the kernel is asked for no other operation. */
#define ASK_NS 20000u

struct durations {
    uint64_t bucket[BUCKETS];
    uint64_t n, longest, sum, lost;
};

struct bench_pauses {
    struct durations wall, unwaited;
    uint64_t begin, end, period, last;
    uint64_t waited; /* for a processor, by the last answer */
    int schedstat;   /* -1: this kernel does not tell */
};

static struct bench_pauses only;

static unsigned bucket_of(uint64_t ns) {
    if (ns < 2 * SUB)
        return (unsigned)ns;
    unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - SUB_BITS;
    return shift * SUB + (unsigned)(ns >> shift);
}

/* The highest duration in a bucket. */
static uint64_t bucket_top(unsigned b) {
    if (b < 2 * SUB)
        return b;
    unsigned shift = b / SUB - 1;
    return ((uint64_t)(b - shift * SUB + 1) << shift) - 1;
}

static void note(struct durations *d, uint64_t ns) {
    d->bucket[bucket_of(ns)]++;
    d->n++;
    d->sum += ns;
    if (ns > d->longest)
        d->longest = ns;
    if (ns > LONG_NS)
        d->lost += ns;
}

static double quantile(const struct durations *d, double q) {
    uint64_t left = (uint64_t)((1 - q) * (double)d->n) + 1;
    for (unsigned b = BUCKETS; b-- > 0;) {
        if (d->bucket[b] >= left) {
            uint64_t top = bucket_top(b);
            return (double)(top < d->longest ? top : d->longest);
        }
        left -= d->bucket[b];
    }
    return 0;
}

static uint64_t waited_ns(const struct bench_pauses *p) {
    char text[96] = "";
    unsigned long long ran = 0, waited = 0;
    if (p->schedstat < 0 || pread(p->schedstat, text, sizeof(text) - 1, 0) <= 0)
        return 0;
    return sscanf(text, "%llu %llu", &ran, &waited) == 2 ? waited : 0;
}

struct bench_pauses *bench_pauses_begin(uint64_t span_ns, uint64_t period_ns) {
    struct bench_pauses *p = &only;
    memset(p, 0, sizeof(*p)); /* touches its pages: not in the first operations */
    p->schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    p->waited = waited_ns(p);
    p->period = period_ns;
    p->begin = p->last = bench_now_ns();
    p->end = p->begin + span_ns;
    return p;
}

bool bench_pauses_note(struct bench_pauses *p) {
    uint64_t now = bench_now_ns(), took = now - p->last, began = p->last;
    note(&p->wall, took);
    if (took >= ASK_NS) {
        uint64_t before = p->waited, waited;
        p->waited = waited_ns(p);
        waited = p->waited - before;
        took -= waited < took ? waited : took;
        now = bench_now_ns();
    }
    note(&p->unwaited, took);
    p->last = now;
    if (p->period != 0)
        for (uint64_t due = began + p->period; p->last < due;)
            p->last = bench_now_ns();
    return p->last < p->end;
}

void bench_pauses_end(struct bench_pauses *p, bench_run *r) {
    double span = (double)(p->last - p->begin);
    bench_set(r, PAUSE_LONGEST, (double)p->unwaited.longest, (double)p->wall.longest);
    bench_set(r, PAUSE_9999, quantile(&p->unwaited, 0.9999), quantile(&p->wall, 0.9999));
    bench_set(r, PAUSE_LOST, (double)p->unwaited.lost / span, (double)p->wall.lost / span);
    bench_set(r, PAUSE_MEAN, (double)p->unwaited.sum / (double)p->unwaited.n, (double)p->wall.sum / (double)p->wall.n);
    if (p->schedstat >= 0)
        close(p->schedstat);
}
