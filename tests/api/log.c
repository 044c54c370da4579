// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// The log: function and argument belong together whoever changes them meanwhile, and no line comes
// while the library holds a lock: a fork there, which takes all of them, would never end.

#include "api.h"

static _Atomic(size_t) lines, forks;

static void fork_in_log(int level, const char *line, void *arg) {
    CHECK(level == WANE_LOG_ERROR || level == WANE_LOG_WARNING);
    CHECK(line[0] != '\0');
    atomic_fetch_add(&lines, 1);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        _exit(0);
    }
    int status;
    CHECK_EQ_INT(waitpid(child, &status, 0), child);
    CHECK_EQ_INT(status, 0);
    atomic_fetch_add((_Atomic(size_t) *)arg, 1);
}

TEST(warning_of_an_old_guard) {
    if (TEST_TSAN || TEST_ASAN) {
        SKIP("a fork beside a busy thread");
    }
    int64_t warn;
    CHECK_EQ_INT(wane_option_get("guard_warn_ms", &warn), 0);
    CHECK_EQ_INT(wane_option_set("guard_warn_ms", 20), 0);
    wane_set_log(fork_in_log, &forks);
    static wane_slot place;
    wane_slot_give(&place, node_new(1));
    wane_guard_enter();
    wane_slot_clear(&place);
    api_wait_count(&forks, 1);
    wane_guard_leave();
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&lines), 1);
    wane_set_log(NULL, NULL);
    CHECK_EQ_INT(wane_option_set("guard_warn_ms", warn), 0);
}

static void misuse_of_a_type(void *unused) {
    (void)unused;
    static const size_t outside[] = {800, WANE_SLOTS_END};
    static wane_type type = {.name = "wrong", .size = 8, .slots = outside};
    static _Atomic(size_t) here;
    wane_set_log(fork_in_log, &here);
    wane_new(&type);
}

TEST(the_last_line) {
    if (TEST_TSAN || TEST_ASAN) {
        SKIP("forks in forks");
    }
    static struct test_end end;
    test_run_child(misuse_of_a_type, NULL, &end);
    CHECK(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGABRT);
}

// Two threads change it, each its own pairs, while lines come.

static _Atomic(bool) over;
static _Atomic(size_t) first_lines, second_lines;
static _Atomic(size_t) mark_a, mark_b;

static void first_log(int level, const char *line, void *arg) {
    (void)level;
    (void)line;
    CHECK_EQ_PTR(arg, &mark_a);
    atomic_fetch_add(&first_lines, 1);
}

static void second_log(int level, const char *line, void *arg) {
    (void)level;
    (void)line;
    CHECK_EQ_PTR(arg, &mark_b);
    atomic_fetch_add(&second_lines, 1);
}

static void *set_first(void *unused) {
    while (!atomic_load(&over)) {
        wane_set_log(first_log, &mark_a);
    }
    return unused;
}

static void *set_second(void *unused) {
    while (!atomic_load(&over)) {
        wane_set_log(second_log, &mark_b);
    }
    return unused;
}

static void ignore(int level, const char *line, void *arg) {
    (void)level;
    (void)line;
    (void)arg;
}

// The last test: a shutdown for each line, with one object alive that it names.
TEST(pairs_stay_together) {
    wane_set_log(first_log, &mark_a);
    struct node *n = node_new(1);
    CHECK_EQ_INT(wane_option_set("leak_report", 1), 0);
    pthread_t threads[] = {api_thread(set_first, NULL), api_thread(set_second, NULL)};
    int rounds = TEST_TSAN || TEST_ASAN ? 50 : 500;
    for (int i = 0; i < rounds; i++) {
        wane_shutdown();
    }
    atomic_store(&over, true);
    api_join(threads[0]);
    api_join(threads[1]);
    CHECK_EQ_UINT(atomic_load(&first_lines) + atomic_load(&second_lines), (size_t)rounds);
    CHECK_EQ_INT(wane_option_set("leak_report", 0), 0);
    // More pairs than are there from the start.
    for (size_t i = 0; i < 100; i++) {
        wane_set_log(ignore, &((char *)&mark_a)[i % 50]);
    }
    wane_set_log(NULL, NULL);
    wane_release(n);
}
