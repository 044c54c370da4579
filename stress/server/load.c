/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * load.c: a run of the load client: look at the server, fill it, drive it, empty it, look again.
 *
 * Exit status: 0 when every reply was right, 1 when one was wrong or the server went away, 2 for
 * wrong arguments.
 */
#include "load.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct load load = {
    .seconds = 5,
    .connections = 40,
    .graphs = 4,
    .channels = 3,
    .subscribers = 12,
    .pipeline = 4,
    .keys = 100000,
};

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static void usage(FILE *to) {
    fprintf(to, "usage: wane-load --port N [option]...\n"
                "  --seconds N      how long to drive the server (5)\n"
                "  --connections N  that read and write keys (40)\n"
                "  --graphs N       that make cycles and forget them (4)\n"
                "  --channels N     each with a publisher (3)\n"
                "  --subscribers N  that come and go (12)\n"
                "  --pipeline N     requests at a time, 1 to 32 (4)\n"
                "  --keys N         in the server before the load begins (100000)\n"
                "  --data FILE      figures and the latency histogram\n"
                "  --quiet          no report\n");
}

static bool number(const char *text, unsigned least, unsigned most, unsigned *ret) {
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    *ret = (unsigned)n;
    return *text != '\0' && *text != '-' && *end == '\0' && n >= least && n <= most;
}

static bool parse(int argc, char **argv) {
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"seconds", required_argument, NULL, 's'},
        {"connections", required_argument, NULL, 'c'},
        {"graphs", required_argument, NULL, 'g'},
        {"channels", required_argument, NULL, 'h'},
        {"subscribers", required_argument, NULL, 'u'},
        {"pipeline", required_argument, NULL, 'l'},
        {"keys", required_argument, NULL, 'k'},
        {"data", required_argument, NULL, 'd'},
        {"quiet", no_argument, NULL, 'q'},
        {NULL, 0, NULL, 0},
    };
    bool good = true;
    unsigned n = 0;
    for (int o; good && (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'p':
            good = number(optarg, 1, 65535, &n);
            load.port = (int)n;
            break;
        case 's':
            good = number(optarg, 1, 100000, &n);
            load.seconds = n;
            break;
        case 'c':
            good = number(optarg, 1, 9000, &load.connections);
            break;
        case 'g':
            good = number(optarg, 0, 1000, &load.graphs);
            break;
        case 'h':
            good = number(optarg, 1, 1000, &load.channels);
            break;
        case 'u':
            good = number(optarg, 0, 1000, &load.subscribers);
            break;
        case 'l':
            good = number(optarg, 1, 32, &load.pipeline);
            break;
        case 'k':
            good = number(optarg, 1, 50000000, &load.keys);
            break;
        case 'd':
            load.data_file = optarg;
            break;
        case 'q':
            load.quiet = true;
            break;
        default:
            good = false;
        }
    }
    return good && optind == argc && load.port != 0;
}

/* Shared keys in the server, so that there is something to look up, and to look at for a collector.
 */
static void fill(struct control *k) {
    for (unsigned at = 0; at < load.keys;) {
        char text[100 * 160];
        size_t n = 0;
        unsigned batch = 0;
        for (; batch < 100 && at < load.keys; batch++, at++) {
            n += (size_t)snprintf(text + n, sizeof text - n, "SET key:%u %064x\r\n", at, at);
        }
        if (send(k->fd, text, n, MSG_NOSIGNAL) != (ssize_t)n) {
            die("the server is gone");
        }
        char reply[1024];
        for (size_t left = batch * 5; left > 0;) {
            ssize_t got = recv(k->fd, reply, left < sizeof reply ? left : sizeof reply, 0);
            if (got <= 0) {
                die("the server does not answer");
            }
            left -= (size_t)got;
        }
    }
}

static struct conn *make_conns(size_t *ret_n) {
    size_t n = load.connections + load.graphs + load.channels + load.subscribers;
    struct conn *all = calloc(n, sizeof all[0]);
    if (all == NULL) {
        die("out of memory");
    }
    size_t at = 0;
    const struct {
        enum role role;
        unsigned count;
    } parts[] = {
        {ROLE_SUBSCRIBER, load.subscribers},
        {ROLE_PUBLISHER, load.channels},
        {ROLE_GRAPH, load.graphs},
        {ROLE_KEYS, load.connections},
    };
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
        for (unsigned i = 0; i < parts[p].count; i++, at++) {
            all[at].role = parts[p].role;
            all[at].id = i;
            all[at].random = UINT64_C(0x9e3779b97f4a7c15) * (at + 1);
        }
    }
    *ret_n = n;
    return all;
}

static void pause_ms(long ms) {
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* What a back end gives back to the system a moment after it became empty, as the libwane options
 * say, belongs to the memory that is not there afterwards. */
#define REST_MS 2000

/* Everything that the load made goes; waits until the server's figures say so, or 20 s, and then a
 * moment. Returns the seconds without that. */
static double settle(struct control *k, const struct info *before, struct info *ret_after) {
    uint64_t begin = now_ns();
    uint64_t limit = begin + UINT64_C(20000000000);
    /* A closed connection's last requests may still be on their way to their worker, and make keys.
     */
    for (control_info(k, ret_after); ret_after->clients > 1 && now_ns() < limit; pause_ms(10)) {
        control_info(k, ret_after);
    }
    control_ask(k, "FLUSHALL\r\n");
    for (;; pause_ms(50)) {
        control_ask(k, "GCOLLECT\r\n");
        control_info(k, ret_after);
        if (!ret_after->counts_live || !ret_after->collects || ret_after->live <= before->live ||
            now_ns() > limit) {
            break;
        }
    }
    double seconds = (double)(now_ns() - begin) / 1e9;
    pause_ms(REST_MS);
    control_ask(k, "GCOLLECT\r\n");
    control_info(k, ret_after);
    return seconds;
}

#define STEPS 10
/* A load of less seconds says nothing while it lasts. */
#define LONG_S 120

/* In steps, to look at the server's memory half way. */
static void drive(struct control *k, struct course *c) {
    size_t n;
    struct conn *all = make_conns(&n);
    load.begin_ns = now_ns();
    conn_start(all, n);
    for (int step = 1; step <= STEPS; step++) {
        conn_run(load.begin_ns + (uint64_t)(load.seconds * 1e9 * step / STEPS));
        load.end_ns = now_ns();
        if (step == STEPS / 2) {
            control_info(k, &c->half);
        }
        if (!load.quiet && load.seconds >= LONG_S) {
            control_info(k, &c->full);
            report_progress(&c->full);
        }
    }
    control_info(k, &c->full);
    /* The kernel adds pages up more often than it notes their greatest number. */
    uint64_t most = c->half.rss > c->full.rss ? c->half.rss : c->full.rss;
    c->full.peak_rss = most > c->full.peak_rss ? most : c->full.peak_rss;
    for (size_t i = 0; i < n; i++) {
        conn_close(&all[i]);
        free(all[i].in);
    }
    free(all);
}

int main(int argc, char **argv) {
    if (!parse(argc, argv)) {
        usage(stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct control k;
    struct course c;
    control_open(&k);
    control_info(&k, &c.before);
    fill(&k);
    drive(&k, &c);
    c.settle_s = settle(&k, &c.before, &c.after);
    if (!load.quiet) {
        report_print(&c);
    }
    if (load.data_file != NULL) {
        report_write(&c);
    }
    close(k.fd);
    free(k.reply);
    bool left = c.after.counts_live && c.after.collects && c.after.live > c.before.live;
    return load.wrong > 0 || left ? 1 : 0;
}
