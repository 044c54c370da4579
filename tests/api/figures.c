// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// wane_stats_write: each form has each figure, and a file that cannot be written is an error.

#include "api.h"

#include <sys/time.h>

static char *form(int format) {
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    CHECK(f != NULL);
    CHECK_EQ_INT(wane_stats_write(f, format), 0);
    CHECK_EQ_INT(fclose(f), 0);
    CHECK(n > 0 && text[n - 1] == '\n');
    return text;
}

static void check_has(const char *text, const char *part) {
    CHECK_MSG(strstr(text, part) != NULL, "no \"%s\" in: %s", part, text);
}

TEST(all_forms) {
    struct leaf *l[3] = {leaf_new(1), leaf_new(2), leaf_new(3)};
    char *text = form(WANE_TEXT);
    check_has(text, "live_objects                            3  ");
    free(text);
    text = form(WANE_PROMETHEUS);
    check_has(text, "# TYPE wane_live_objects gauge\nwane_live_objects 3\n");
    check_has(text, "# TYPE wane_births_total counter\nwane_births_total ");
    check_has(text, "# TYPE wane_stall_seconds histogram\nwane_stall_seconds_bucket{le=\"0.000000002\"} ");
    check_has(text, "wane_stall_seconds_bucket{le=\"+Inf\"} ");
    // Each line is a comment, or a name and a number.
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char *end = strrchr(line, ' ');
        CHECK(line[0] == '#' || (strncmp(line, "wane_", 5) == 0 && end != NULL));
        if (line[0] != '#') {
            strtod(end + 1, &end);
            CHECK_MSG(*end == '\0', "%s", line);
        }
    }
    free(text);
    text = form(WANE_JSON);
    check_has(text, "{\"live_objects\": 3, ");
    check_has(text, "]}\n");
    free(text);
    for (int i = 0; i < 3; i++) {
        wane_release(l[i]);
    }
}

// The last of the stalls' lengths has no end.
TEST(lengths_of_stalls) {
    char *text = form(WANE_PROMETHEUS);
    check_has(text, "{le=\"2.147483648\"} ");
    CHECK(strstr(text, "{le=\"4.294967296\"}") == NULL);
    check_has(text, "\nwane_immortal_objects ");
    free(text);
}

static void on_alarm(int number) { (void)number; }

static void *read_late(void *fd) {
    char some[512];
    size_t all = 0;
    usleep(100000);
    for (ssize_t n; (n = read(*(int *)fd, some, sizeof some)) != 0;) {
        all += n > 0 ? (size_t)n : 0;
    }
    return (void *)all;
}

// A handler that interrupts system calls: nothing of what is written gets lost.
TEST(interrupted) {
    int ends[2];
    CHECK_EQ_INT(pipe(ends), 0);
    FILE *f = fdopen(ends[1], "w");
    CHECK(f != NULL);
    char filler[65536];
    memset(filler, '.', sizeof filler);
    CHECK_EQ_UINT(write(ends[1], filler, sizeof filler), sizeof filler); // the pipe is full
    struct sigaction action = {.sa_handler = on_alarm}, before;
    CHECK_EQ_INT(sigaction(SIGUSR1, &action, &before), 0);
    CHECK_EQ_INT(kill(getpid(), SIGUSR1), 0);
    struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
    CHECK_EQ_INT(sigaction(SIGALRM, &action, NULL), 0);
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, NULL);
    pthread_t reader = api_thread(read_late, &ends[0]);
    pthread_sigmask(SIG_UNBLOCK, &alarm, NULL); // it comes to this thread
    CHECK_EQ_INT(setitimer(ITIMER_REAL, &often, NULL), 0);
    int result = wane_stats_write(f, WANE_TEXT);
    CHECK_EQ_INT(setitimer(ITIMER_REAL, &never, NULL), 0);
    CHECK_EQ_INT(result, 0);
    fclose(f);
    void *read_all;
    CHECK_EQ_INT(pthread_join(reader, &read_all), 0);
    CHECK((size_t)read_all > sizeof filler + 500);
    close(ends[0]);
    signal(SIGALRM, SIG_DFL);
    sigaction(SIGUSR1, &before, NULL);
}

static void write_too_much(void *path) {
    const struct rlimit few = {1000, 1000};
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    CHECK_EQ_INT(setrlimit(RLIMIT_FSIZE, &few), 0);
    CHECK_EQ_INT(wane_stats_write(f, WANE_PROMETHEUS), -EFBIG); // and no signal
    CHECK_EQ_INT(wane_heap_write(path), 0);                     // which is small
}

TEST(a_file_that_may_not_grow) {
    char path[] = "/tmp/wane_figures_XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    check_in_child(write_too_much, path);
    close(fd);
    unlink(path);
}

TEST(arguments) {
    CHECK_EQ_INT(wane_stats_write(NULL, WANE_TEXT), -EINVAL);
    CHECK_EQ_INT(wane_stats_write(stdout, -1), -EINVAL);
    CHECK_EQ_INT(wane_stats_write(stdout, 3), -EINVAL);
}

TEST(a_full_disk) {
    FILE *f = fopen("/dev/full", "w");
    if (f == NULL) {
        SKIP("no /dev/full");
    }
    CHECK_EQ_INT(wane_stats_write(f, WANE_JSON), -ENOSPC);
    fclose(f);
}

TEST(a_pipe_that_nobody_reads) {
    int ends[2];
    CHECK_EQ_INT(pipe(ends), 0);
    close(ends[0]);
    FILE *f = fdopen(ends[1], "w");
    CHECK(f != NULL);
    CHECK_EQ_INT(wane_stats_write(f, WANE_TEXT), -EPIPE);
    sigset_t pending;
    sigpending(&pending);
    CHECK(!sigismember(&pending, SIGPIPE));
    signal(SIGPIPE, SIG_IGN); // fclose writes what is left
    fclose(f);
    signal(SIGPIPE, SIG_DFL);
}
