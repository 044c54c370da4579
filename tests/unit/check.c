/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * check.c: where log lines go, what is in them, and how a program that misuses the library ends.
 */
#include "base/check.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/atomic.h"
#include "memory_util.h"

static struct note {
    int level;
    char line[1000];
    unsigned times;
} a, b;

static void note_line(int level, const char *line, void *arg) {
    struct note *n = arg;
    n->level = level;
    n->times++;
    snprintf(n->line, sizeof n->line, "%s", line);
    errno = 55; /* of no matter to who logs */
}

static void repeat_line(int level, const char *line, void *arg) {
    fprintf(stderr, "%s: level %d: %s\n", (const char *)arg, level, line);
}

void test_teardown(void) {
    wane__log_set(NULL, NULL);
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
}

TEST(function_and_argument) {
    errno = 77;
    wane__log_set(note_line, &a);
    wane__log(WANE__LOG_WARNING, "%d of %s", 3, "four");
    CHECK_EQ_UINT(a.times, 1);
    CHECK_EQ_INT(a.level, WANE__LOG_WARNING);
    CHECK_EQ_STR(a.line, "3 of four");
    wane__log_set(note_line, &b);
    wane__log(WANE__LOG_INFO, "x");
    CHECK_EQ_UINT(a.times, 1);
    CHECK_EQ_UINT(b.times, 1);
    CHECK_EQ_INT(b.level, WANE__LOG_INFO);
    CHECK_EQ_STR(b.line, "x");
    wane__log_set(note_line, &a);
    wane__log(WANE__LOG_ERROR, "y");
    CHECK_EQ_UINT(a.times, 2);
    CHECK_EQ_UINT(b.times, 1);
    CHECK_EQ_INT(errno, 77);
}

/* A line of 2000 characters is cut, and ended. */
TEST(long_line) {
    wane__log_set(note_line, &a);
    wane__log(WANE__LOG_INFO, "%02000d", 7);
    size_t n = strlen(a.line);
    CHECK(n >= 400 && n < 600);
    CHECK_EQ_UINT(strspn(a.line, "0"), n);
}

/* What fn writes to standard error while it runs here. */
static size_t stderr_of(void (*fn)(void), char *ret, size_t size) {
    int ends[2], saved = dup(STDERR_FILENO);
    CHECK(saved >= 0 && pipe(ends) == 0);
    fflush(stderr);
    CHECK(dup2(ends[1], STDERR_FILENO) >= 0);
    fn();
    CHECK(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    close(ends[1]);
    ssize_t n = read(ends[0], ret, size - 1);
    close(ends[0]);
    CHECK(n >= 0);
    ret[n] = '\0';
    return (size_t)n;
}

static void log_some(void) { wane__log(WANE__LOG_INFO, "%s %d", "line", 1); }
static void log_long(void) { wane__log(WANE__LOG_INFO, "%02000d", 7); }

TEST(standard_error) {
    char got[3000];
    (void)stderr_of(log_some, got, sizeof got);
    CHECK_EQ_STR(got, "wane: line 1\n");
    wane__log_set(note_line, &a);
    CHECK_EQ_UINT(stderr_of(log_some, got, sizeof got), 0);
    CHECK_EQ_UINT(a.times, 1);
    wane__log_set(NULL, NULL);
    (void)stderr_of(log_some, got, sizeof got);
    CHECK_EQ_STR(got, "wane: line 1\n");
    CHECK_EQ_UINT(a.times, 1);
    size_t n = stderr_of(log_long, got, sizeof got);
    CHECK(n > 400 && got[n - 1] == '\n');
    CHECK_EQ_UINT(strspn(got + strlen("wane: "), "0"), n - strlen("wane: \n"));
}

enum { PAIRS = 20 };

/* More pairs than there is room for without malloc; those that come again cost nothing. */
TEST(many_pairs) {
    static struct note notes[PAIRS];
    size_t before = 0;
    for (unsigned round = 0; round < 500; round++) {
        if (round == 1)
            before = memory_in_use();
        for (unsigned i = 0; i < PAIRS; i++) {
            wane__log_set(note_line, &notes[i]);
            wane__log(WANE__LOG_INFO, "%u", i);
            CHECK_EQ_UINT(notes[i].times, round + 1);
            CHECK_EQ_UINT((uintmax_t)atoi(notes[i].line), i);
        }
    }
    CHECK(memory_in_use() < before + 500 * sizeof(void *));
}

enum { LINES = 20000 };

static int first, second;
static uint64_t xfirst, xsecond;
static uint32_t xstop;

static void to_first(int level, const char *line, void *arg) {
    (void)level;
    (void)line;
    CHECK_EQ_PTR(arg, &first);
    add_relaxed(&xfirst, 1u);
}

static void to_second(int level, const char *line, void *arg) {
    (void)level;
    (void)line;
    CHECK_EQ_PTR(arg, &second);
    add_relaxed(&xsecond, 1u);
}

static void *setter(void *arg) {
    while (load_relaxed(&xstop) == 0) {
        wane__log_set(to_second, &second);
        wane__log_set(to_first, &first);
    }
    return arg;
}

/* Whatever is set meanwhile: each line goes to one function, with the argument of that one. */
TEST(set_by_threads) {
    wane__log_set(to_first, &first);
    store_relaxed(&xfirst, 0u);
    store_relaxed(&xsecond, 0u);
    store_relaxed(&xstop, 0u);
    pthread_t threads[2];
    for (unsigned i = 0; i < 2; i++)
        CHECK_EQ_INT(pthread_create(&threads[i], NULL, setter, NULL), 0);
    uint64_t lines = 0;
    for (; lines < LINES || load_relaxed(&xfirst) == 0 || load_relaxed(&xsecond) == 0; lines++)
        wane__log(WANE__LOG_INFO, "%u", 1u);
    store_relaxed(&xstop, 1u);
    for (unsigned i = 0; i < 2; i++)
        CHECK_EQ_INT(pthread_join(threads[i], NULL), 0);
    CHECK_EQ_UINT(load_relaxed(&xfirst) + load_relaxed(&xsecond), lines);
}

static void end_badly(void *arg) {
    if (arg != NULL)
        wane__log_set(repeat_line, arg);
    wane__fatal("%s %d", "no more than", 5);
}

TEST(fatal) {
    check_aborts(end_badly, NULL, "wane: no more than 5\n");
    static char who[] = "mine";
    check_aborts(end_badly, who, "mine: level 1: no more than 5\n"); /* an error */
}

static unsigned evaluated;

static bool truth(bool value) {
    evaluated++;
    return value;
}

static void fail_cheap(void *unused) {
    (void)unused;
    WANE__CHECK(truth(1 > 2));
}

static void fail_full(void *unused) {
    (void)unused;
    WANE__CHECK_FULL(truth(2 > 3));
}

/* A condition is evaluated once where it is checked, and not at all where it is not. */
TEST(checks) {
    evaluated = 0;
    WANE__CHECK(truth(true));
    CHECK_EQ_UINT(evaluated, WANE_CHECKS >= 1);
    evaluated = 0;
    WANE__CHECK_FULL(truth(true));
    CHECK_EQ_UINT(evaluated, WANE_CHECKS >= 2);
    if (WANE_CHECKS >= 1)
        check_aborts(fail_cheap, NULL, "wane: check failed: truth(1 > 2) (");
    else
        check_in_child(fail_cheap, NULL);
    if (WANE_CHECKS >= 2)
        check_aborts(fail_full, NULL, "wane: check failed: truth(2 > 3) (");
    else
        check_in_child(fail_full, NULL);
}

static void fail_at(void *unused) {
    (void)unused;
    wane__check_failed("a < b", "file.c", 12);
}

TEST(place_of_a_check) { check_aborts(fail_at, NULL, "check failed: a < b (file.c:12)\n"); }

/* Owed lines are said once, in their order, by who asks next; after the last place none is kept. */
TEST(lines_that_are_owed) {
    wane__log_set(note_line, &a);
    wane__log_owed();
    CHECK_EQ_UINT(a.times, 0);
    errno = 66;
    wane__log_owe_line("%s %d", "first", 1);
    wane__log_owe_line("second");
    CHECK_EQ_INT(errno, 66);
    CHECK_EQ_UINT(a.times, 0);
    wane__log_owed();
    CHECK_EQ_UINT(a.times, 2);
    CHECK_EQ_STR(a.line, "second");
    CHECK_EQ_INT(a.level, WANE__LOG_WARNING);
    wane__log_owed();
    CHECK_EQ_UINT(a.times, 2);
    for (int i = 2; i < WANE__OWED_LINES + 5; i++)
        wane__log_owe_line("%d", i);
    wane__log_owe(WANE__OWED_FENCES);
    wane__log_owed();
    CHECK_EQ_UINT(a.times, WANE__OWED_LINES + 1);
    wane__log_owed();
    CHECK_EQ_UINT(a.times, WANE__OWED_LINES + 1);
}
