/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * load_report.c: latencies by bucket, the server's own figures, and the report of a run.
 */
#include "load.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static size_t bucket_of(uint64_t ns) {
    if (ns < HIST_SUB) {
        return (size_t)ns;
    }
    unsigned top = 63 - (unsigned)__builtin_clzll(ns);
    return (top - 4) * HIST_SUB + (size_t)(ns >> (top - 5)) - HIST_SUB;
}

uint64_t hist_bucket_ns(size_t i) {
    if (i < HIST_SUB) {
        return i;
    }
    size_t shift = i / HIST_SUB - 1;
    return ((uint64_t)(i % HIST_SUB + HIST_SUB + 1) << shift) - 1;
}

void hist_add(struct hist *h, uint64_t ns) {
    h->count++;
    h->bucket[bucket_of(ns)]++;
    h->max = ns > h->max ? ns : h->max;
}

void hist_merge(struct hist *to, const struct hist *from) {
    to->count += from->count;
    to->max = from->max > to->max ? from->max : to->max;
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        to->bucket[i] += from->bucket[i];
    }
}

uint64_t hist_percentile(const struct hist *h, double percent) {
    uint64_t rank = (uint64_t)ceil((double)h->count * percent / 100);
    uint64_t seen = 0;
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen >= rank && seen > 0) {
            uint64_t end = hist_bucket_ns(i);
            return end < h->max ? end : h->max;
        }
    }
    return 0;
}

void control_open(struct control *k) {
    struct sockaddr_in a = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)load.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct timeval limit = {.tv_sec = 60};
    *k = (struct control){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .room = 1 << 20};
    k->reply = malloc(k->room);
    if (k->fd < 0 || k->reply == NULL || connect(k->fd, (struct sockaddr *)&a, sizeof a) != 0) {
        die("cannot connect to 127.0.0.1:%d", load.port);
    }
    setsockopt(k->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

const char *control_ask(struct control *k, const char *request) {
    k->used = 0;
    if (send(k->fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
        die("the server is gone");
    }
    do {
        ssize_t n = recv(k->fd, k->reply + k->used, k->room - 1 - k->used, 0);
        if (n <= 0) {
            die("the server does not answer %.20s", request);
        }
        k->used += (size_t)n;
    } while (reply_size(k->reply, k->used) == 0);
    k->reply[k->used] = '\0';
    return k->reply;
}

static uint64_t field(const char *text, const char *name) {
    char key[64];
    snprintf(key, sizeof key, "\n%s:", name);
    const char *at = strstr(text, key);
    return at == NULL ? 0 : strtoull(at + strlen(key), NULL, 10);
}

void control_info(struct control *k, struct info *ret) {
    const char *text = control_ask(k, "INFO\r\n");
    *ret = (struct info){
        .rss = field(text, "used_memory_rss"),
        .peak_rss = field(text, "used_memory_peak_rss"),
        .made = field(text, "mm_made"),
        .live = field(text, "mm_live"),
        .cycles = field(text, "mm_cycles"),
        .collections = field(text, "mm_collections"),
        .collects = field(text, "mm_collects"),
        .counts_live = field(text, "mm_counts_live"),
        .stall_max_ns = field(text, "mm_stall_max_ns"),
        .stalls = field(text, "mm_stalls"),
        .longest_us = field(text, "longest_batch_us"),
        .clients = field(text, "connected_clients"),
    };
    const char *at = strstr(text, "\nbackend:");
    if (at != NULL) {
        snprintf(ret->backend, sizeof ret->backend, "%.*s", (int)strcspn(at + 9, "\r"), at + 9);
    }
}

static double mb(uint64_t bytes) { return (double)bytes / (1024 * 1024); }
static double us(uint64_t ns) { return (double)ns / 1000; }

static void total(struct hist *ret) {
    *ret = (struct hist){0};
    for (int i = 0; i < REQ_MESSAGE; i++) {
        hist_merge(ret, &load.hist[i]);
    }
}

static void row(const char *name, const struct hist *h, double seconds) {
    printf("  %-10s %10" PRIu64 " %10.0f %9.0f %9.0f %9.0f %9.0f\n", name, h->count,
           (double)h->count / seconds, us(hist_percentile(h, 50)), us(hist_percentile(h, 99)),
           us(hist_percentile(h, 99.9)), us(h->max));
}

static void print_latencies(double seconds) {
    static struct hist all;
    total(&all);
    printf("  %-10s %10s %10s %9s %9s %9s %9s\n", "", "requests", "a second", "p50 us", "p99 us",
           "p99.9 us", "max us");
    for (int i = 0; i < REQ_MESSAGE; i++) {
        row(request_names[i], &load.hist[i], seconds);
    }
    row("all", &all, seconds);
    printf("\n  %" PRIu64
           " messages reached subscribers, p50 %.0f us, p99.9 %.0f us after they were sent\n",
           load.hist[REQ_MESSAGE].count, us(hist_percentile(&load.hist[REQ_MESSAGE], 50)),
           us(hist_percentile(&load.hist[REQ_MESSAGE], 99.9)));
}

void report_progress(const struct info *now) {
    uint64_t requests = 0;
    for (int i = 0; i < REQ_MESSAGE; i++) {
        requests += load.hist[i].count;
    }
    printf("%5.0f s: %12" PRIu64 " requests, %9" PRIu64 " objects alive, %7.1f MB, %" PRIu64
           " wrong\n",
           (double)(load.end_ns - load.begin_ns) / 1e9, requests, now->live, mb(now->rss),
           load.wrong);
    fflush(stdout);
}

static void print_objects(const struct course *c) {
    const struct info *before = &c->before;
    const struct info *after = &c->after;
    printf("  objects made            %12" PRIu64 "\n", after->made);
    if (after->counts_live) {
        printf("  freed again             %12" PRIu64 "\n",
               after->made > after->live ? after->made - after->live : 0);
        printf("  freed as dead cycles    %12" PRIu64 "%s\n", after->cycles,
               after->collects ? "" : "  (cycles are not collected here: they leak)");
        printf("  alive after FLUSHALL    %12" PRIu64 "  (%" PRIu64
               " before the load; settled in %.1f s)\n",
               after->live, before->live, c->settle_s);
    } else {
        printf("  freed again             this back end does not count it\n");
    }
    printf("  collections             %12" PRIu64 "\n", after->collections);
}

void report_print(const struct course *c) {
    const struct info *full = &c->full;
    double seconds = (double)(load.end_ns - load.begin_ns) / 1e9;
    printf("\nServer on %s: %u connections, %.0f seconds, each asks again when it is answered\n\n",
           c->before.backend, load.connections + load.graphs + load.channels + load.subscribers,
           seconds);
    print_latencies(seconds);
    printf("  %" PRIu64 " graphs with cycles made and forgotten, %" PRIu64
           " subscribers left and came back\n\n",
           load.graphs_made, load.resubscribed);
    print_objects(c);
    printf("  longest wait imposed by the library on a worker %9.0f us (%" PRIu64 " waits)\n",
           us(full->stall_max_ns), full->stalls);
    printf("  longest run of a worker between two looks at its connections %" PRIu64 " us\n",
           full->longest_us);
    printf("  memory of the server    %8.1f MB before, %.1f MB half way, %.1f MB at its peak, "
           "%.1f MB after\n",
           mb(c->before.rss), mb(c->half.rss), mb(full->peak_rss), mb(c->after.rss));
    printf("  wrong or missing replies %11" PRIu64 "\n\n", load.wrong);
}

/* Lines `name value`, for tools/demo's table, then `bucket NS COUNT` for tools/histogram. */
void report_write(const struct course *c) {
    const struct info *full = &c->full;
    const struct info *after = &c->after;
    static struct hist all;
    FILE *f = fopen(load.data_file, "we");
    if (f == NULL) {
        die("cannot write %s", load.data_file);
    }
    double seconds = (double)(load.end_ns - load.begin_ns) / 1e9;
    total(&all);
    fprintf(f, "backend %s\nrequests %" PRIu64 "\nper_second %.0f\n", c->before.backend, all.count,
            (double)all.count / seconds);
    fprintf(f, "p50_us %.0f\np99_us %.0f\np999_us %.0f\nmax_us %.0f\n",
            us(hist_percentile(&all, 50)), us(hist_percentile(&all, 99)),
            us(hist_percentile(&all, 99.9)), us(all.max));
    fprintf(f, "before_mb %.1f\npeak_mb %.1f\nafter_mb %.1f\n", mb(c->before.rss),
            mb(full->peak_rss), mb(after->rss));
    fprintf(f,
            "made %" PRIu64 "\nlive %" PRIu64 "\ncounts_live %" PRIu64 "\ncycles %" PRIu64
            "\nwrong %" PRIu64 "\n",
            after->made, after->live, after->counts_live, after->cycles, load.wrong);
    fprintf(f, "stall_max_us %.0f\nlongest_us %" PRIu64 "\nsettle_s %.1f\n", us(full->stall_max_ns),
            full->longest_us, c->settle_s);
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        if (all.bucket[i] > 0) {
            fprintf(f, "bucket %" PRIu64 " %" PRIu64 "\n", hist_bucket_ns(i), all.bucket[i]);
        }
    }
    fclose(f);
}
