// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// The harness itself: what it must notice is noticed.

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
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
