// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Runs the tests of one program; see harness.h. Everything is in one process, one test after the
// other, so a program says its own teardown; only what runs in a child forks.

#include "harness.h"

#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_SKIPPED = 77 };

static test_record *first_test;
static test_record **last_link = &first_test;
static const char *volatile running;  // read by the signal handler
static const char *skip_reason;
static uint64_t seed;
static int arg_count;
static char **arg_list;

void test_register(test_record *t) {
    *last_link = t;
    last_link = &t->next;
}

void test_fail(const char *file, int line, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "%s:%d: %s: %s (seed %" PRIu64 ")\n", file, line,
            running != NULL ? running : "-", text, seed);
    fflush(stdout);
    // Not exit(): other threads may be running, and no exit handler may hide the failure.
    _Exit(1);
}

void test_check_int(const char *file, int line, const char *what, intmax_t got, intmax_t want) {
    if (got != want) {
        test_fail(file, line, "%s: got %jd, want %jd", what, got, want);
    }
}

void test_check_uint(const char *file, int line, const char *what, uintmax_t got, uintmax_t want) {
    if (got != want) {
        test_fail(file, line, "%s: got %ju, want %ju", what, got, want);
    }
}

void test_check_ptr(const char *file, int line, const char *what, const void *got,
                    const void *want) {
    if (got != want) {
        test_fail(file, line, "%s: got %p, want %p", what, got, want);
    }
}

void test_check_str(const char *file, int line, const char *what, const char *got,
                    const char *want) {
    if (got == NULL || want == NULL ? got != want : strcmp(got, want) != 0) {
        test_fail(file, line, "%s: got \"%s\", want \"%s\"", what, got != NULL ? got : "(null)",
                  want != NULL ? want : "(null)");
    }
}

void test_note_skip(const char *why) { skip_reason = why; }

// Children.

static pid_t start_child(void (*fn)(void *arg), void *arg, int output) {
    fflush(NULL);
    pid_t child = fork();
    CHECK_MSG(child >= 0, "fork: %s", strerror(errno));
    if (child != 0) {
        return child;
    }
    if (output >= 0) {
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
        close(output);
    }
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    fn(arg);
    fflush(NULL);
    _exit(0);
}

static int wait_for_child(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

// Reads to the end of the pipe, so that a child that writes more than fits is not held up.
static void read_all(int fd, char *ret_text, size_t size) {
    size_t used = 0;
    for (;;) {
        char chunk[512];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        size_t room = size - 1 - used;
        size_t take = (size_t)n < room ? (size_t)n : room;
        memcpy(ret_text + used, chunk, take);
        used += take;
    }
    ret_text[used] = '\0';
}

void test_run_child(void (*fn)(void *arg), void *arg, struct test_end *ret) {
    int ends[2];
    CHECK_MSG(pipe2(ends, O_CLOEXEC) == 0, "pipe2: %s", strerror(errno));
    pid_t child = start_child(fn, arg, ends[1]);
    close(ends[1]);
    read_all(ends[0], ret->said, sizeof ret->said);
    close(ends[0]);
    ret->status = wait_for_child(child);
}

void test_check_aborts(const char *file, int line, void (*fn)(void *arg), void *arg,
                       const char *text) {
    static struct test_end end;
    test_run_child(fn, arg, &end);
    if (!WIFSIGNALED(end.status) || WTERMSIG(end.status) != SIGABRT) {
        test_fail(file, line, "child did not abort (wait status %#x), it said: %s",
                  (unsigned)end.status, end.said);
    }
    if (strstr(end.said, text) == NULL) {
        test_fail(file, line, "child aborted without \"%s\", it said: %s", text, end.said);
    }
}

void test_check_in_child(const char *file, int line, void (*fn)(void *arg), void *arg) {
    int status = wait_for_child(start_child(fn, arg, -1));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        test_fail(file, line, "child failed (wait status %#x)", (unsigned)status);
    }
}

// Random numbers: splitmix64.

static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t test_seed(void) { return seed; }

test_rng test_rng_make(uint64_t stream) { return (test_rng){mix(seed + mix(stream + 1))}; }

uint64_t test_random(test_rng *r) {
    r->state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(r->state);
}

uint64_t test_below(test_rng *r, uint64_t limit) { return test_random(r) % limit; }

static void choose_seed(void) {
    // 32 bits are enough and easier to copy.
    seed = mix(test_now_ns() ^ (uint64_t)getpid() << 40) >> 32;
    const char *given = getenv("WANE_TEST_SEED");
    if (given != NULL && *given != '\0') {
        seed = strtoull(given, NULL, 0);
    }
    seed = test_option("seed", seed);
    printf("seed %" PRIu64 "\n", seed);
    fflush(stdout);
}

unsigned test_scale(void) {
    const char *given = getenv("WANE_STRESS_SCALE");
    unsigned long scale = given != NULL ? strtoul(given, NULL, 10) : 1;
    return scale < 1 ? 1 : scale > 100000 ? 100000 : (unsigned)scale;
}

uint64_t test_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void test_sleep_ns(uint64_t ns) {
    struct timespec left = {(time_t)(ns / UINT64_C(1000000000)), (long)(ns % UINT64_C(1000000000))};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

bool test_wait_until(bool (*cond)(void *arg), void *arg, uint64_t timeout_ns) {
    uint64_t end = test_now_ns() + timeout_ns;
    while (!cond(arg)) {
        if (test_now_ns() >= end) {
            return false;
        }
        test_sleep_ns(1000000);
    }
    return true;
}

// The runner sends SIGTERM at its timeout and SIGKILL a little later: time for the stacks, but not for gdb.
static void say_where_on_term(int sig) {
    static const char before[] = "timed out or terminated in test ";
    const char *name = running != NULL ? running : "-";
    ssize_t ignored = write(STDERR_FILENO, before, sizeof before - 1);
    ignored = write(STDERR_FILENO, name, strlen(name));
    ignored = write(STDERR_FILENO, "\n", 1);
    (void)ignored;
    watchdog_stacks();
    signal(sig, SIG_DFL);
    raise(sig);
}

uint64_t test_option(const char *name, uint64_t unset) {
    for (int i = 1; i + 1 < arg_count; i++) {
        if (strncmp(arg_list[i], "--", 2) == 0 && strcmp(arg_list[i] + 2, name) == 0) {
            return strtoull(arg_list[i + 1], NULL, 0);
        }
    }
    return unset;
}

static bool is_option(const char *argument) { return strncmp(argument, "--", 2) == 0; }

static bool wanted(const test_record *t) {
    bool named = false;
    for (int i = 1; i < arg_count; i++) {
        if (is_option(arg_list[i])) {
            i++;  // and its number
        } else if (strcmp(arg_list[i], t->name) == 0) {
            return true;
        } else {
            named = true;
        }
    }
    return !named;
}

static bool is_test(const char *name) {
    for (const test_record *t = first_test; t != NULL; t = t->next) {
        if (strcmp(t->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool names_are_known(void) {
    for (int i = 1; i < arg_count; i++) {
        if (is_option(arg_list[i])) {
            i++;
        } else if (!is_test(arg_list[i])) {
            fprintf(stderr, "no such test: %s (--list names them)\n", arg_list[i]);
            return false;
        }
    }
    return true;
}

static bool asked_for(const char *what) {
    return arg_count == 2 && strcmp(arg_list[1], what) == 0;
}

static void list(void) {
    for (const test_record *t = first_test; t != NULL; t = t->next) {
        puts(t->name);
    }
}

static void help(void) {
    printf("usage: %s [--seed N] [TEST...]\n"
           "Runs the tests that are named, or all; in the order of --list.\n"
           "  --list     names the tests\n"
           "  --seed N   repeats a run that printed \"seed N\"\n"
           "Stress programs also take numbers: --seconds N, --threads N, --size N, where they mean something.\n"
           "In the environment: WANE_TEST_SEED is --seed, WANE_TEST_WATCHDOG the seconds after which a test\n"
           "that hangs is ended with the stacks of its threads, WANE_STRESS_SCALE a factor for stress programs.\n"
           "Exit status: 0 passed, 77 all skipped, 2 no such test, else failed.\n",
           arg_list[0]);
}

static bool run_one(const test_record *t) {
    skip_reason = NULL;
    running = t->name;
    watchdog_alive();
    t->run();
    if (skip_reason == NULL && test_teardown != NULL) {
        test_teardown();
    }
    running = NULL;
    printf("%s %s%s%s\n", skip_reason != NULL ? "skip" : "ok", t->name,
           skip_reason != NULL ? ": " : "", skip_reason != NULL ? skip_reason : "");
    fflush(stdout);
    return skip_reason == NULL;
}

int main(int argc, char **argv) {
    arg_count = argc;
    arg_list = argv;
    if (asked_for("--list") || asked_for("--help")) {
        asked_for("--list") ? list() : help();
        return 0;
    }
    if (!names_are_known()) {
        return 2;
    }
    signal(SIGTERM, say_where_on_term);
    choose_seed();
    const char *seconds = getenv("WANE_TEST_WATCHDOG");
    if (seconds != NULL && strtoull(seconds, NULL, 0) > 0) {
        watchdog_start(strtoull(seconds, NULL, 0) * UINT64_C(1000000000));
    }
    unsigned ran = 0;
    unsigned skipped = 0;
    for (const test_record *t = first_test; t != NULL; t = t->next) {
        if (!wanted(t)) {
            continue;
        }
        if (run_one(t)) {
            ran++;
        } else {
            skipped++;
        }
    }
    return ran == 0 ? EXIT_SKIPPED : 0;
}
