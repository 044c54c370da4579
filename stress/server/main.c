/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * main.c: start and end of the server. The main thread only waits for SIGTERM or SIGINT; then the
 * workers close their connections, the stores are emptied, and what is still alive after a last
 * collection is counted: it must be nothing.
 */
#include "command.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void usage(FILE *to) {
    fprintf(to, "usage: wane-server [option]...\n"
                "  --port N             listen on 127.0.0.1:N; 0 picks a port (default 6379)\n"
                "  --threads N          worker threads (default: processors, at most 8)\n"
                "  --config NAME=VALUE  as CONFIG SET NAME VALUE at the start\n"
                "  --die-with-parent    end when the process that started this one ends\n"
                "  --strict             objects left at the end are a failure in every back end\n"
                "prints \"listening on 127.0.0.1:PORT\" when it is ready, and at the end how many "
                "objects are left\n");
}

struct choice {
    unsigned threads;
    int port;
    bool strict;
};

static bool number(const char *text, int64_t least, int64_t most, int64_t *ret) {
    return bytes_to_int((struct bytes){text, strlen(text)}, ret) && *ret >= least && *ret <= most;
}

/* Before any thread runs: the same code as a client's CONFIG SET, with nobody to reply to. */
static bool configure(char *pair) {
    char *value = strchr(pair, '=');
    if (value == NULL) {
        return false;
    }
    *value++ = '\0';
    struct bytes words[] = {
        BYTES("config"), BYTES("set"), {pair, strlen(pair)}, {value, strlen(value)}};
    struct client form = {.arg = words, .n_args = 4};
    cmd_config(&form);
    bool done = form.out.at[0] == '+';
    buffer_free(&form.out);
    return done;
}

static bool parse(int argc, char **argv, struct choice *ret) {
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"threads", required_argument, NULL, 't'},
        {"config", required_argument, NULL, 'c'},
        {"die-with-parent", no_argument, NULL, 'd'},
        {"strict", no_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    *ret = (struct choice){.threads = processors < 1   ? 1
                                      : processors > 8 ? 8
                                                       : (unsigned)processors,
                           .port = 6379};
    int64_t n = 0;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        bool good = true;
        switch (o) {
        case 'p':
            good = number(optarg, 0, 65535, &n);
            ret->port = (int)n;
            break;
        case 't':
            good = number(optarg, 1, MAX_WORKERS, &n);
            ret->threads = (unsigned)n;
            break;
        case 'c':
            good = configure(optarg);
            break;
        case 'd':
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            break;
        case 's':
            ret->strict = true;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            good = false;
        }
        if (!good) {
            return false;
        }
    }
    return optind == argc;
}

static int report_end(bool strict) {
    uint64_t left = mm_finish();
    struct mm_stats m;
    mm_stats_get(&m);
    if (!MM_COUNTS_LIVE) {
        printf("%" PRIu64 " objects made; this back end does not count what is left\n", m.made);
        return 0;
    }
    printf("%" PRIu64 " objects made, %" PRIu64 " left alive%s\n", m.made, left,
           left > 0 && !MM_COLLECTS ? " (cycles leak in this back end)" : "");
    return left > 0 && (strict || MM_COLLECTS) ? 1 : 0;
}

static sem_t asked_to_end;

static void ask_to_end(int ignored) {
    (void)ignored;
    sem_post(&asked_to_end);
}

/* A handler, and not sigwait alone: the Boehm collector lets these signals through in threads that
 * it has stopped, and their default is death. Blocked in all threads but the first, or the others'
 * calls would return early. */
static void catch_ends(sigset_t *ret_ends) {
    struct sigaction a = {.sa_handler = ask_to_end, .sa_flags = SA_RESTART};
    sem_init(&asked_to_end, 0, 0);
    sigemptyset(ret_ends);
    sigaddset(ret_ends, SIGTERM);
    sigaddset(ret_ends, SIGINT);
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGINT, &a, NULL);
    pthread_sigmask(SIG_BLOCK, ret_ends, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv) {
    struct choice choice;
    command_start();
    if (!parse(argc, argv, &choice)) {
        usage(stderr);
        return 2;
    }
    sigset_t ends;
    catch_ends(&ends);

    mm_thread_enter();
    store_start(&keys);
    store_start(&channels);
    lazy_start();
    int port = net_start(choice.threads, choice.port);
    if (port < 0) {
        fprintf(stderr, "cannot listen on 127.0.0.1:%d: %s\n", choice.port, strerror(-port));
        return 1;
    }
    printf("listening on 127.0.0.1:%d\n", port);
    fflush(stdout);

    pthread_sigmask(SIG_UNBLOCK, &ends, NULL);
    while (sem_wait(&asked_to_end) != 0) {
    }
    net_end();
    lazy_end();
    store_end(&keys);
    store_end(&channels);
    return report_end(choice.strict);
}
