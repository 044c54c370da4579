// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// The log, statistics, the version, and the orderly end.

#include "api.h"

TEST(version_is_that_of_the_header) {
    char text[64];
    snprintf(text, sizeof text, "%d.%d.%d", WANE_VERSION_MAJOR, WANE_VERSION_MINOR,
             WANE_VERSION_PATCH);
    CHECK_EQ_STR(wane_version(), text);
}

// Statistics.

TEST(struct_size_rules) {
    size_t first_version = offsetof(wane_stats, collector_cpu_ns) + sizeof(uint64_t);
    CHECK_EQ_INT(wane_stats_get(NULL), -EINVAL);
    wane_stats s;
    memset(&s, 0x77, sizeof s);
    wane_stats untouched = s;
    s.struct_size = untouched.struct_size = 0;
    CHECK_EQ_INT(wane_stats_get(&s), -EINVAL);
    CHECK_EQ_INT(memcmp(&s, &untouched, sizeof s), 0);
    s.struct_size = untouched.struct_size = first_version - 1;
    CHECK_EQ_INT(wane_stats_get(&s), -EINVAL);
    CHECK_EQ_INT(memcmp(&s, &untouched, sizeof s), 0);
    // An old program: nothing behind its struct is written.
    struct node *n = node_new(1);
    s.struct_size = first_version;
    CHECK_EQ_INT(wane_stats_get(&s), 0);
    CHECK_EQ_UINT(s.live_objects, 1);
    CHECK_EQ_INT(memcmp((char *)&s + first_version, (char *)&untouched + first_version,
                        sizeof s - first_version),
                 0);
    // A newer program.
    struct {
        wane_stats known;
        char unknown[64];
    } newer;
    memset(&newer, 0, sizeof newer);
    newer.known.struct_size = sizeof newer;
    CHECK_EQ_INT(wane_stats_get(&newer.known), 0);
    CHECK_EQ_UINT(newer.known.live_objects, 1);
    CHECK(newer.known.threads >= 1);
    wane_release(n);
}

static wane_slot place;

static void *do_everything(void *unused) {
    struct node *kept = node_new(1);
    for (int i = 0; i < 500; i++) {
        wane_slot_store(&place, kept);
        wane_slot_give(&place, node_new(2));
        wane_release(wane_slot_load(&place));
        wane_weak *w = wane_weak_new(kept, NULL, NULL);
        wane_release(wane_weak_get(w));
        wane_release(w);
    }
    wane_release(kept);
    return unused;
}

TEST(live_counts_come_back_to_the_start) {
    CHECK_EQ_INT(wane_flush(), 0);
    wane_stats before = api_stats();
    CHECK_EQ_UINT(before.live_objects, 0);
    for (int round = 0; round < 5; round++) {
        pthread_t threads[3];
        for (int i = 0; i < 3; i++) {
            threads[i] = api_thread(do_everything, NULL);
        }
        for (int i = 0; i < 3; i++) {
            api_join(threads[i]);
        }
        do_everything(NULL);
        wane_slot_clear(&place);
        CHECK(test_wait_until(api_is_quiet, NULL, API_PATIENCE));
        wane_stats after = api_stats();
        CHECK_EQ_UINT(after.live_objects, before.live_objects);
        CHECK_EQ_UINT(after.live_bytes, before.live_bytes);
        CHECK_EQ_UINT(after.deferred_bytes, 0);
        CHECK(after.epochs > before.epochs);
        CHECK(after.merges >= after.revocations);
    }
}

static void *release_it(void *o) {
    wane_release(o);
    CHECK_EQ_INT(wane_flush(), 0);
    return NULL;
}

TEST(merges_and_revocations_are_counted) {
    if (api_fences()) {
        SKIP("objects have no owner");
    }
    wane_stats before = api_stats();
    struct node *n = node_new(1);
    wane_share(n);
    wane_release(n);
    wane_stats after = api_stats();
    CHECK(after.merges > before.merges);
    CHECK_EQ_UINT(after.revocations, before.revocations);
    n = node_new(1);
    wane_retain(n);
    api_elsewhere(release_it, n);
    after = api_stats();
    CHECK(after.revocations > before.revocations);
    wane_release(n);
}

static void *live_bytes_of_others(void *ret) {
    wane_stats *s = ret;
    struct node *n = node_new(1);
    *s = api_stats();
    wane_release(n);
    return NULL;
}

TEST(each_thread_sees_the_whole) {
    struct node *n[10];
    for (int i = 0; i < 10; i++) {
        n[i] = node_new(1);
    }
    wane_stats s;
    api_elsewhere(live_bytes_of_others, &s);
    CHECK_EQ_UINT(s.live_objects, 11);
    CHECK_EQ_UINT(api_stats().live_objects, 10);
    for (int i = 0; i < 10; i++) {
        wane_release(n[i]);
    }
}

static _Atomic(bool) stop;

static void *read_stats(void *unused) {
    while (!atomic_load(&stop)) {
        wane_stats s = api_stats();
        CHECK(s.threads < 10000);
    }
    return unused;
}

TEST(stats_beside_everything) {
    pthread_t reader = api_thread(read_stats, NULL);
    for (int i = 0; i < 10; i++) {
        api_elsewhere(do_everything, NULL);
    }
    atomic_store(&stop, true);
    api_join(reader);
    wane_slot_clear(&place);
}

// The log.

static char last_line[4096];
static int last_level;
static _Atomic(size_t) lines;

static void take_line(int level, const char *line, void *arg) {
    CHECK_EQ_PTR(arg, last_line);
    CHECK_EQ_PTR(strchr(line, '\n'), NULL);
    last_level = level;
    snprintf(last_line, sizeof last_line, "%s", line);
    atomic_fetch_add(&lines, 1);
}

static void echo_line(int level, const char *line, void *arg) {
    fprintf(stderr, "<%s%d:%s>\n", (const char *)arg, level, line);
}

static void leave_a_guard(void *unused) {
    (void)unused;
    wane_set_log(echo_line, (void *)(uintptr_t) "mine");
    wane_guard_leave();
}

static void leave_a_guard_by_default(void *unused) {
    (void)unused;
    wane_set_log(echo_line, (void *)(uintptr_t) "mine");
    wane_set_log(NULL, NULL);
    wane_guard_leave();
}

TEST(the_last_line_goes_to_the_log) {
    api_dies_with(leave_a_guard, NULL, "<mine1:", "guard", ">");
    struct test_end *end = calloc(1, sizeof *end);
    test_run_child(leave_a_guard_by_default, NULL, end);
    CHECK(WIFSIGNALED(end->status) && WTERMSIG(end->status) == SIGABRT);
    CHECK_EQ_PTR(strstr(end->said, "<mine"), NULL);
    CHECK(strstr(end->said, "guard") != NULL);
    // One line.
    char *newline = strchr(end->said, '\n');
    CHECK_MSG(newline != NULL && newline[1] == '\0', "more than a line: %s", end->said);
    free(end);
}

// Shutdown, each in a process of its own.

static void check_that_all_works(void) {
    size_t dead = atomic_load(&nodes_dead);
    struct node *n = node_new(1);
    wane_slot_give(&place, n);
    wane_release(wane_slot_load(&place));
    wane_guard_enter();
    CHECK(wane_slot_peek(&place) == n);
    wane_guard_leave();
    wane_weak *w = wane_weak_new(n, NULL, NULL);
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
    CHECK_EQ_PTR(wane_weak_get(w), NULL);
    wane_release(w);
    api_elsewhere(do_everything, NULL);
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
}

static size_t library_threads(void) {
    FILE *out = popen("cat /proc/$PPID/task/*/comm | grep -c '^wane-gc$'", "r");
    CHECK(out != NULL);
    int count = -1;
    CHECK_EQ_INT(fscanf(out, "%d", &count), 1);
    pclose(out);
    return (size_t)count;
}

// The kernel takes a moment to be rid of a thread that has ended.
static bool no_library_thread(void *unused) {
    (void)unused;
    return library_threads() == 0;
}

static void shut_down_and_go_on(void *unused) {
    (void)unused;
    wane_set_log(take_line, last_line);
    check_that_all_works();
    wane_slot_give(&place, node_new(1));
    size_t dead = atomic_load(&nodes_dead);
    wane_slot_clear(&place);
    wane_shutdown();
    // What was deferred is applied.
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
    CHECK_EQ_UINT(api_stats().deferred_pending, 0);
    CHECK(test_wait_until(no_library_thread, NULL, API_PATIENCE));
    for (int i = 0; i < 3; i++) {
        check_that_all_works();
        CHECK_EQ_UINT(library_threads(), 0);
        wane_shutdown();
    }
    // Nobody asked for reports.
    CHECK_EQ_UINT(atomic_load(&lines), 0);
    test_teardown();
}

TEST(shutdown_and_go_on) { check_in_child(shut_down_and_go_on, NULL); }

static void shut_down_unused(void *unused) {
    (void)unused;
    wane_shutdown();
    check_that_all_works();
    wane_shutdown();
}

TEST(shutdown_of_a_fresh_child) { check_in_child(shut_down_unused, NULL); }

static void report_leaks(void *unused) {
    (void)unused;
    CHECK_EQ_INT(wane_option_set("leak_report", 1), 0);
    struct node *n = node_new(1);
    struct leaf *l = leaf_new(1);
    wane_set_log(echo_line, (void *)(uintptr_t) "leak");
    wane_shutdown();
    CHECK_EQ_UINT(n->canary, NODE_CANARY);
    wane_release(n);
    wane_release(l);
    wane_set_log(echo_line, (void *)(uintptr_t) "second");
    wane_shutdown();
}

TEST(shutdown_names_what_is_alive) {
    struct test_end *end = calloc(1, sizeof *end);
    test_run_child(report_leaks, NULL, end);
    CHECK_MSG(WIFEXITED(end->status) && WEXITSTATUS(end->status) == 0, "%s", end->said);
    CHECK_MSG(strstr(end->said, "<leak") != NULL, "%s", end->said);
    CHECK_MSG(strstr(end->said, "node") != NULL, "%s", end->said);
    CHECK_MSG(strstr(end->said, "leaf") != NULL, "%s", end->said);
    char *second = strstr(end->said, "<second");
    CHECK_MSG(second == NULL || strstr(second, "node") == NULL, "%s", end->said);
    free(end);
}

static void shut_down_in_destroy(void *self) {
    (void)self;
    wane_shutdown();
    atomic_fetch_add(&lines, 1);
}

static void shut_down_in_callback(void *unused) {
    (void)unused;
    static wane_type type = {.name = "ender", .size = 8, .destroy = shut_down_in_destroy};
    wane_release(wane_new(&type));
    CHECK_EQ_UINT(atomic_load(&lines), 1);
    wane_slot_give(&place, wane_new(&type));
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&lines), 2);
    check_that_all_works();
}

TEST(shutdown_in_a_callback_does_nothing) { check_in_child(shut_down_in_callback, NULL); }

static void shut_down_in_guard(void *unused) {
    (void)unused;
    wane_guard_enter();
    wane_shutdown();
}

TEST(shutdown_in_a_guard_aborts) {
    api_dies_with(shut_down_in_guard, NULL, "wane_shutdown", "guard", NULL);
}

static void *shut_down_here(void *unused) {
    wane_shutdown();
    return unused;
}

static void shut_down_in_threads(void *unused) {
    (void)unused;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        threads[i] = api_thread(i % 2 == 0 ? shut_down_here : do_everything, NULL);
    }
    for (int i = 0; i < 4; i++) {
        api_join(threads[i]);
    }
    wane_slot_clear(&place);
    test_teardown();
}

TEST(shutdown_beside_working_threads) { check_in_child(shut_down_in_threads, NULL); }
