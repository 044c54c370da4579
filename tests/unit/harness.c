// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// The harness itself: what it must notice is noticed.

#include "harness.h"
#include "watchdog.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void abort_with(void *arg) {
    fprintf(stderr, "%s\n", (const char *)arg);
    abort();
}

static void do_nothing(void *arg) { (void)arg; }

static void right(void *arg) {
    CHECK_EQ_INT(*(int *)arg, 1);
    CHECK_EQ_STR("a", "a");
}

static void wrong_int(void *arg) { CHECK_EQ_INT(*(int *)arg, 2); }

static void wrong_text(void *arg) { check_aborts(abort_with, arg, "what it does not say"); }

static void no_abort(void *arg) { check_aborts(do_nothing, arg, ""); }

static void bad_child(void *arg) { check_in_child(wrong_int, arg); }

static int exit_status_of(void (*fn)(void *arg), void *arg) {
    pid_t child = fork();
    if (child == 0) {
        // What fails on purpose is not for the log.
        CHECK(freopen("/dev/null", "w", stderr) != NULL);
        fn(arg);
        _exit(0);
    }
    int status = -1;
    CHECK_EQ_INT(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(checks_pass) {
    int one = 1;
    check_in_child(right, &one);
    check_aborts(abort_with, (void *)"some words", "me wor");
}

TEST(checks_fail) {
    int one = 1;
    CHECK_EQ_INT(exit_status_of(right, &one), 0);
    CHECK_EQ_INT(exit_status_of(wrong_int, &one), 1);
    CHECK_EQ_INT(exit_status_of(bad_child, &one), 1);
    CHECK_EQ_INT(exit_status_of(wrong_text, (void *)"some words"), 1);
    CHECK_EQ_INT(exit_status_of(no_abort, NULL), 1);
}

TEST(random_numbers) {
    test_rng a = test_rng_make(1);
    test_rng again = test_rng_make(1);
    test_rng b = test_rng_make(2);
    uint64_t first = test_random(&a);
    CHECK_EQ_UINT(test_random(&again), first);
    CHECK(test_random(&b) != first);
    for (int i = 0; i < 1000; i++) {
        CHECK(test_below(&a, 7) < 7);
    }
}

// The watchdog. A thread that hangs with every signal blocked, as the library's own, and one that takes signals.

static void *hang(void *deaf) {
    sigset_t all;
    sigfillset(&all);
    if (deaf != NULL) {
        pthread_sigmask(SIG_SETMASK, &all, NULL);
    }
    pthread_setname_np(pthread_self(), deaf != NULL ? "hangs-deaf" : "hangs");
    for (;;) {
        pause();
    }
    return NULL;
}

static void hang_with_threads(void *unused) {
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, hang, NULL);
    pthread_create(&threads[1], NULL, hang, unused);
    watchdog_start(1);
    watchdog_start(300 * UINT64_C(1000000));
    pthread_join(threads[0], NULL);
}

static void goes_on(void *unused) {
    (void)unused;
    watchdog_start(1000 * UINT64_C(1000000));
    for (int i = 0; i < 150; i++) {
        watchdog_alive();
        test_sleep_ns(10 * UINT64_C(1000000));
    }
    watchdog_stop();
    test_sleep_ns(1500 * UINT64_C(1000000));
}

// In a child of a process that is watched itself: the child has no watchdog until it asks for one.
static void hang_in_grandchild(void *text) {
    watchdog_start(60 * UINT64_C(1000000000));
    hang_with_threads(text);
}

TEST(watchdog_ends_what_hangs) {
    static const char *said[] = {"\"hangs\": state S", "\"hangs-deaf\": state S", "(it blocks signals)",
                                 "no progress for"};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        check_aborts(i % 2 == 0 ? hang_with_threads : hang_in_grandchild, (void *)said[i], said[i]);
    }
}

TEST(watchdog_lets_progress_go_on) { check_in_child(goes_on, NULL); }

static void end_as_the_runner_does(void *unused) {
    (void)unused;
    raise(SIGTERM);
}

TEST(watchdog_at_the_end_of_patience) {
    static struct test_end end;
    test_run_child(end_as_the_runner_does, NULL, &end);
    CHECK(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGTERM);
    const char *text = end.said;
    CHECK_MSG(strstr(text, "in test watchdog_at_the_end_of_patience") != NULL, "%s", text);
    CHECK_MSG(strstr(text, "\": state ") != NULL, "%s", text);
}

// What a program says of itself.

static void run_again(void *arguments) { execv("/proc/self/exe", arguments); }

static const char *said_by(const char *argument, const char *further, int want) {
    static struct test_end end;
    const char *arguments[] = {"harness", argument, further, NULL};
    test_run_child(run_again, (void *)arguments, &end);
    CHECK_MSG(WIFEXITED(end.status) && WEXITSTATUS(end.status) == want, "%s: status %#x, it said: %s", argument,
              (unsigned)end.status, end.said);
    return end.said;
}

TEST(a_program_lists_its_tests) {
    const char *list = said_by("--list", NULL, 0);
    CHECK_MSG(strncmp(list, "checks_pass\nchecks_fail\n", 24) == 0, "%s", list);
    CHECK(strstr(list, "\na_program_lists_its_tests\n") != NULL && strstr(list, "seed") == NULL);
    CHECK(strstr(said_by("--help", NULL, 0), "--seed N") != NULL);
    CHECK(strstr(said_by("checks_pass", NULL, 0), "ok checks_pass\n") != NULL);
    CHECK(strstr(said_by("checks_pass", "no_such", 2), "no such test: no_such") != NULL);
}
