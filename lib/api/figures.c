/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * api/figures.c: statistics as text, for Prometheus, and as JSON.
 *
 * One table says what each figure is.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <wane/control.h>
#include <wane/trace.h>

#include "trace/output.h"

enum kind { GAUGE, COUNTER, GAUGE_NS, COUNTER_NS };

static const struct figure {
    const char *name; /* the field's */
    const char *metric; /* Prometheus: base units, counters end in _total */
    size_t offset;
    enum kind kind;
    const char *what;
} figures[] = {
#define FIGURE(field, metric, kind, what) {#field, "wane_" metric, offsetof(wane_stats, field), kind, what},
    FIGURE(live_objects, "live_objects", GAUGE, "Objects that are alive")
    FIGURE(live_bytes, "live_bytes", GAUGE, "Bytes of the objects that are alive")
    FIGURE(heap_bytes, "heap_bytes", GAUGE, "Bytes from the system")
    FIGURE(external_bytes, "external_bytes", GAUGE, "Bytes noted by wane_note_external")
    FIGURE(quarantined_bytes, "quarantined_bytes", GAUGE, "Bytes of dead objects that are kept back")
    FIGURE(immortal_objects, "immortal_objects", GAUGE, "Objects that were made immortal")
    FIGURE(deferred_pending, "deferred_pending", GAUGE, "Units and functions that wait")
    FIGURE(deferred_bytes, "deferred_bytes", GAUGE, "Bytes of the objects that wait")
    FIGURE(threads, "threads", GAUGE, "Attached threads")
    FIGURE(births, "births_total", COUNTER, "Objects made")
    FIGURE(deaths, "deaths_total", COUNTER, "Objects freed")
    FIGURE(epochs, "epochs_total", COUNTER, "Grace periods that ended")
    FIGURE(merges, "merges_total", COUNTER, "Objects that lost their owner")
    FIGURE(revocations, "revocations_total", COUNTER, "Objects whose owner was taken away")
    FIGURE(cycles_collected, "cycles_collected_total", COUNTER, "Objects freed by the cycle collector")
    FIGURE(stalls, "stalls_total", COUNTER, "Waits imposed on threads")
    FIGURE(stall_ns_max, "stall_max_seconds", GAUGE_NS, "The longest of them")
    FIGURE(stall_ns_total, "stall_time_seconds_total", COUNTER_NS, "All of them together")
    FIGURE(overruns, "overruns_total", COUNTER, "Times that a thread went on over the byte bound")
    FIGURE(oldest_guard_ns, "oldest_guard_seconds", GAUGE_NS, "Age of the oldest guard that is waited for")
    FIGURE(collector_cpu_ns, "collector_cpu_seconds_total", COUNTER_NS, "CPU time of the collector thread")
#undef FIGURE
};

#define FIGURES_N (sizeof figures / sizeof figures[0])
#define NS_A_SECOND 1000000000u

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "all figures are read alike");

static uint64_t value_of(const wane_stats *s, const struct figure *g) {
    uint64_t value;
    memcpy(&value, (const char *)s + g->offset, sizeof value);
    return value;
}

static void write_text(struct wane__output *f, const wane_stats *s) {
    for (size_t i = 0; i < FIGURES_N; i++)
        wane__output_print(f, "%-20s %20" PRIu64 "  %s\n", figures[i].name, value_of(s, &figures[i]), figures[i].what);
    for (unsigned i = 0; i < WANE_STALL_BUCKETS; i++) {
        if (s->stall_histogram[i] > 0)
            wane__output_print(f, "stalls of %12" PRIu64 " ns %17" PRIu64 "  and %s\n", (uint64_t)1 << i, s->stall_histogram[i],
                               i + 1 < WANE_STALL_BUCKETS ? "up to twice as long" : "longer");
    }
}

static void write_seconds(struct wane__output *f, uint64_t ns) {
    wane__output_print(f, "%" PRIu64 ".%09" PRIu64, ns / NS_A_SECOND, ns % NS_A_SECOND);
}

/* Stalls up to each length: Prometheus adds buckets up. The last one has no end. */
static void write_histogram(struct wane__output *f, const wane_stats *s) {
    uint64_t sum = 0;
    wane__output_print(f, "# HELP wane_stall_seconds Waits imposed on threads, by length\n# TYPE wane_stall_seconds histogram\n");
    for (unsigned i = 0; i < WANE_STALL_BUCKETS; i++) {
        sum += s->stall_histogram[i];
        if (i + 1 == WANE_STALL_BUCKETS)
            break;
        wane__output_print(f, "wane_stall_seconds_bucket{le=\"");
        write_seconds(f, (uint64_t)2 << i);
        wane__output_print(f, "\"} %" PRIu64 "\n", sum);
    }
    wane__output_print(f, "wane_stall_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\nwane_stall_seconds_sum ", sum);
    write_seconds(f, s->stall_ns_total);
    wane__output_print(f, "\nwane_stall_seconds_count %" PRIu64 "\n", sum);
}

static void write_prometheus(struct wane__output *f, const wane_stats *s) {
    for (size_t i = 0; i < FIGURES_N; i++) {
        const struct figure *g = &figures[i];
        bool counts = g->kind == COUNTER || g->kind == COUNTER_NS;
        wane__output_print(f, "# HELP %s %s\n# TYPE %s %s\n%s ", g->metric, g->what, g->metric, counts ? "counter" : "gauge", g->metric);
        if (g->kind == GAUGE_NS || g->kind == COUNTER_NS)
            write_seconds(f, value_of(s, g));
        else
            wane__output_print(f, "%" PRIu64, value_of(s, g));
        wane__output_print(f, "\n");
    }
    write_histogram(f, s);
}

static void write_json(struct wane__output *f, const wane_stats *s) {
    wane__output_print(f, "{");
    for (size_t i = 0; i < FIGURES_N; i++)
        wane__output_print(f, "\"%s\": %" PRIu64 ", ", figures[i].name, value_of(s, &figures[i]));
    wane__output_print(f, "\"stall_histogram\": [");
    for (unsigned i = 0; i < WANE_STALL_BUCKETS; i++)
        wane__output_print(f, "%s%" PRIu64, i > 0 ? ", " : "", s->stall_histogram[i]);
    wane__output_print(f, "]}\n");
}

int wane_stats_write(FILE *f, int format) {
    static void (*const forms[])(struct wane__output *, const wane_stats *) = {
        [WANE_TEXT] = write_text, [WANE_PROMETHEUS] = write_prometheus, [WANE_JSON] = write_json};
    if (f == NULL || format < 0 || (size_t)format >= sizeof forms / sizeof forms[0])
        return -EINVAL;
    wane_stats s = {.struct_size = sizeof s};
    int saved = errno;
    (void)wane_stats_get(&s);
    struct wane__output out;
    wane__output_to(&out, f);
    forms[format](&out, &s);
    int error = wane__output_close(&out);
    errno = saved;
    return error;
}
