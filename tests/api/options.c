// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Options: defaults, ranges, errors, the environment (seen by a copy of this program that is
// started for it).

#include "api.h"

#include <spawn.h>

extern char **environ;

static const struct {
    const char *name;
    const char *variable;
    int64_t standard, low, high;
} options[] = {
    {"deferred_bytes", "WANE_DEFERRED_BYTES", 33554432, 65536, INT64_C(1) << 40},
    {"stall_limit_us", "WANE_STALL_LIMIT_US", 1000, 0, 10000000},
    {"guard_warn_ms", "WANE_GUARD_WARN_MS", 10000, 0, 1000000000},
    {"trim_delay_ms", "WANE_TRIM_DELAY_MS", 1000, 0, 1000000000},
    {"max_threads", "WANE_MAX_THREADS", 65000, 1, 65000},
    {"collector_thread", "WANE_COLLECTOR_THREAD", 1, 0, 1},
    {"membarrier", "WANE_MEMBARRIER", 1, 0, 1},
    {"leak_report", "WANE_LEAK_REPORT", 0, 0, 2},
};
enum { OPTIONS = sizeof options / sizeof *options };

static int64_t get(const char *name) {
    int64_t value = INT64_MIN;
    CHECK_EQ_INT(wane_option_get(name, &value), 0);
    return value;
}

static void *churn_nothing(void *unused) {
    wane_release(node_new(1));
    return unused;
}

// Children of the tests below; nothing when they are run as a part of the whole.

static bool in_child(void) { return getenv("WANE_TEST_CHILD") != NULL; }

// Starts this program again to run one test, with an environment of one more variable.
static void run_again(const char *test, const char *variable) {
    char *args[] = {(char *)"options", (char *)(uintptr_t)test, NULL};
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **env = calloc(count + 3, sizeof *env);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        // Without the setting under which the whole suite may run.
        if (strncmp(environ[i], "WANE_MEMBARRIER=", 16) != 0) {
            env[used++] = environ[i];
        }
    }
    env[used++] = (char *)"WANE_TEST_CHILD=1";
    env[used] = (char *)(uintptr_t)variable;
    pid_t child;
    CHECK_EQ_INT(posix_spawn(&child, "/proc/self/exe", NULL, NULL, args, env), 0);
    int status = 0;
    CHECK_EQ_INT(waitpid(child, &status, 0), child);
    CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s with %s: status %#x", test,
              variable != NULL ? variable : "-", (unsigned)status);
    free(env);
}

TEST(child_sees_defaults) {
    if (!in_child()) {
        SKIP("a part of another test");
    }
    for (size_t i = 0; i < OPTIONS; i++) {
        CHECK_EQ_INT(get(options[i].name), options[i].standard);
    }
    wane_release(node_new(1));
    for (size_t i = 0; i < OPTIONS; i++) {
        CHECK_EQ_INT(get(options[i].name), options[i].standard);
    }
}

TEST(defaults) {
    if (in_child()) {
        SKIP("in a child");
    }
    run_again("child_sees_defaults", NULL);
    // What is no number or out of range is not taken.
    run_again("child_sees_defaults", "WANE_DEFERRED_BYTES=65535");
    run_again("child_sees_defaults", "WANE_DEFERRED_BYTES=");
    run_again("child_sees_defaults", "WANE_DEFERRED_BYTES=lots");
    run_again("child_sees_defaults", "WANE_DEFERRED_BYTES=100000x");
    run_again("child_sees_defaults", "WANE_DEFERRED_BYTES=99999999999999999999999");
    run_again("child_sees_defaults", "WANE_MAX_THREADS=0");
    run_again("child_sees_defaults", "WANE_NO_SUCH_OPTION=1");
}

TEST(child_sees_the_lowest) {
    if (!in_child()) {
        SKIP("a part of another test");
    }
    size_t set = 0;
    for (size_t i = 0; i < OPTIONS; i++) {
        const char *value = getenv(options[i].variable);
        if (value != NULL) {
            CHECK_EQ_INT(get(options[i].name), strtoll(value, NULL, 10));
            set++;
        }
    }
    CHECK_EQ_UINT(set, 1);
    wane_release(node_new(1));
}

TEST(child_sets_thresholds_first) {
    if (!in_child()) {
        SKIP("a part of another test");
    }
    unsigned t[3];
    CHECK_EQ_INT(wane_gc_set_threshold(4, 5, 6), 0);
    CHECK_EQ_INT(get("threshold0"), 4);
    wane_release(node_new(1));
    wane_gc_get_threshold(t);
    CHECK(t[0] == 4 && t[1] == 5 && t[2] == 6);
}

TEST(child_asks_for_thresholds_first) {
    if (!in_child()) {
        SKIP("a part of another test");
    }
    unsigned t[3];
    wane_gc_get_threshold(t);
    CHECK_EQ_UINT(t[0], 77);
}

// What the program sets is not overwritten by the environment, even if it is its first call.
TEST(thresholds_as_the_first_call) {
    if (in_child()) {
        SKIP("in a child");
    }
    run_again("child_sets_thresholds_first", "WANE_THRESHOLD0=77");
    run_again("child_asks_for_thresholds_first", "WANE_THRESHOLD0=77");
}

TEST(environment) {
    if (in_child()) {
        SKIP("in a child");
    }
    for (size_t i = 0; i < OPTIONS; i++) {
        char variable[100];
        snprintf(variable, sizeof variable, "%s=%" PRId64, options[i].variable, options[i].low);
        run_again("child_sees_the_lowest", variable);
        snprintf(variable, sizeof variable, "%s=%" PRId64, options[i].variable, options[i].high);
        run_again("child_sees_the_lowest", variable);
    }
}

// Variables that look like options: what the log says of each when the library starts.

static const struct {
    const char *variable;
    const char *line;  // the only one, or NULL: none
} spellings[] = {
    {"WANE_DEFERED_BYTES=70000", "WANE_DEFERED_BYTES in the environment: there is no such option; did you "
                                 "mean WANE_DEFERRED_BYTES?"},
    {"WANE_THRESHOLD_0=5", "WANE_THRESHOLD_0 in the environment: there is no such option; did you mean "
                           "WANE_THRESHOLD0?"},
    {"WANE_leak_report=1", "WANE_leak_report in the environment: there is no such option; did you mean "
                           "WANE_LEAK_REPORT?"},
    {"WANE_THREADS=9", "WANE_THREADS in the environment: there is no such option; did you mean "
                       "WANE_MAX_THREADS?"},
    {"WANE_TRACES=1", "WANE_TRACES in the environment: there is no such option; did you mean WANE_TRACE?"},
    {"WANE_TRACE=x", "WANE_TRACE=x: not frames[,sample_bytes] with up to 128 frames, ignored"},
    {"WANE_TRACE=0", NULL},
    {"WANE_ZZZZZZ=1", "WANE_ZZZZZZ in the environment: there is no such option, unless a library adds it later"},
    {"WANE_=1", "WANE_ in the environment: there is no such option, unless a library adds it later"},
    {"WANE_LEAK_REPORT", NULL},
    {"WANE_LEAK_REPORT=0", NULL},
    {"WANE_COLLECTOR_THREAD=2", "WANE_COLLECTOR_THREAD=2: not a number from 0 to 1, ignored"},
    {"WANE_TEST_SOMETHING=1", NULL},
    {"WANE_STRESS_SCALE=2", NULL},
    {"WANE_MODEL_FULL=1", NULL},
    {"WANE_BENCH_BUILD=x", NULL},
    {"WANER_LEAK_REPORT=1", NULL},
    {"WANE=1", NULL},
};
enum { SPELLINGS = sizeof spellings / sizeof *spellings };

static char heard[1000];

static void hear(int level, const char *line, void *arg) {
    (void)arg;
    CHECK_EQ_INT(level, WANE_LOG_WARNING);
    CHECK_EQ_STR(heard, "");
    snprintf(heard, sizeof heard, "%s", line);
}

TEST(child_hears_of_misspellings) {
    if (!in_child()) {
        SKIP("a part of another test");
    }
    const char *line = NULL;
    size_t found = 0;
    for (size_t i = 0; i < SPELLINGS; i++) {
        for (char **e = environ; *e != NULL; e++) {
            if (strcmp(*e, spellings[i].variable) == 0) {
                line = spellings[i].line;
                found++;
            }
        }
    }
    CHECK_EQ_UINT(found, 1);
    wane_set_log(hear, NULL);
    for (int i = 0; i < 3; i++) {  // once only
        wane_release(node_new(1));
        api_join(api_thread(churn_nothing, NULL));
    }
    CHECK_EQ_STR(heard, line != NULL ? line : "");
}

TEST(misspelt_variables) {
    if (in_child()) {
        SKIP("in a child");
    }
    for (size_t i = 0; i < SPELLINGS; i++) {
        run_again("child_hears_of_misspellings", spellings[i].variable);
    }
    char lengthy[5000];
    memset(lengthy, 'X', sizeof lengthy - 1);
    memcpy(lengthy, "WANE_", 5);
    memcpy(lengthy + 4000, "=1", 2);
    lengthy[sizeof lengthy - 1] = '\0';
    run_again("child_sees_defaults", lengthy);
}

TEST(ranges) {
    for (size_t i = 0; i < OPTIONS; i++) {
        const char *name = options[i].name;
        if (strcmp(name, "membarrier") == 0) {
            continue;
        }
        int64_t before = get(name);
        CHECK_EQ_INT(wane_option_set(name, options[i].low - 1), -EINVAL);
        CHECK_EQ_INT(wane_option_set(name, options[i].high + 1), -EINVAL);
        CHECK_EQ_INT(wane_option_set(name, INT64_MIN), -EINVAL);
        CHECK_EQ_INT(wane_option_set(name, INT64_MAX), -EINVAL);
        CHECK_EQ_INT(get(name), before);
        CHECK_EQ_INT(wane_option_set(name, options[i].low), 0);
        CHECK_EQ_INT(get(name), options[i].low);
        CHECK_EQ_INT(wane_option_set(name, options[i].high), 0);
        CHECK_EQ_INT(get(name), options[i].high);
        CHECK_EQ_INT(wane_option_set(name, before), 0);
        CHECK_EQ_INT(get(name), before);
    }
}

TEST(wrong_names_and_pointers) {
    int64_t value = 42;
    CHECK_EQ_INT(wane_option_get("no_such_option", &value), -ENOENT);
    CHECK_EQ_INT(wane_option_set("no_such_option", 1), -ENOENT);
    CHECK_EQ_INT(wane_option_get("", &value), -ENOENT);
    CHECK_EQ_INT(wane_option_set("", 1), -ENOENT);
    CHECK_EQ_INT(wane_option_get("max_thread", &value), -ENOENT);
    CHECK_EQ_INT(wane_option_get("max_threads_", &value), -ENOENT);
    CHECK_EQ_INT(value, 42);
    CHECK_EQ_INT(wane_option_get(NULL, &value), -EINVAL);
    CHECK_EQ_INT(wane_option_set(NULL, 1), -EINVAL);
    CHECK_EQ_INT(wane_option_get("max_threads", NULL), -EINVAL);
    CHECK_EQ_INT(value, 42);
}

TEST(membarrier_is_fixed_by_the_first_use) {
    wane_release(node_new(1));
    int64_t before = get("membarrier");
    CHECK_EQ_INT(wane_option_set("membarrier", 1 - before), -EBUSY);
    CHECK_EQ_INT(get("membarrier"), before);
    CHECK_EQ_INT(wane_option_set("membarrier", 2), -EINVAL);
}

TEST(child_has_no_quarantine) {
    if (!in_child()) {
        SKIP("a part of another test");
    }
    wane_release(node_new(1));
    CHECK_EQ_INT(wane_option_set("quarantine_bytes", 100000), -EBUSY);
    CHECK_EQ_INT(get("quarantine_bytes"), 0);
    CHECK_EQ_INT(wane_option_set("quarantine_bytes", 0), 0);
    wane_release(node_new(1));
    CHECK_EQ_UINT(api_stats().quarantined_bytes, 0);
}

TEST(child_has_a_quarantine) {
    if (!in_child()) {
        SKIP("a part of another test");
    }
    CHECK_EQ_INT(get("quarantine_bytes"), 100000);
    wane_release(node_new(1));
    CHECK(api_stats().quarantined_bytes > 0);
    CHECK_EQ_INT(wane_option_set("quarantine_bytes", 0), 0);
    CHECK_EQ_INT(wane_option_set("quarantine_bytes", 200000), 0);
    CHECK_EQ_INT(wane_option_set("quarantine_bytes", -1), -EINVAL);
}

TEST(whether_there_is_a_quarantine_is_fixed_by_the_first_use) {
    if (in_child()) {
        SKIP("in a child");
    }
    run_again("child_has_no_quarantine", "WANE_QUARANTINE_BYTES=0");
    run_again("child_has_a_quarantine", "WANE_QUARANTINE_BYTES=100000");
}

TEST(child_sets_before_the_first_use) {
    if (!in_child()) {
        SKIP("a part of another test");
    }
    CHECK_EQ_INT(wane_option_set("membarrier", 0), 0);
    CHECK_EQ_INT(get("membarrier"), 0);
    struct node *n = node_new(1);
    CHECK_EQ_INT(wane_option_set("membarrier", 1), -EBUSY);
    wane_release(n);
}

TEST(options_before_the_first_use) {
    if (in_child()) {
        SKIP("in a child");
    }
    run_again("child_sets_before_the_first_use", NULL);
}

// Without a thread of its own the library works all the same.

static size_t threads_named(const char *name) {
    char command[64];
    snprintf(command, sizeof command, "/proc/%d/task", (int)getpid());
    char line[600];
    snprintf(line, sizeof line, "cat %s/*/comm 2>/dev/null", command);
    FILE *out = popen(line, "r");
    CHECK(out != NULL);
    size_t count = 0;
    while (fgets(line, sizeof line, out) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        count += strcmp(line, name) == 0;
    }
    pclose(out);
    return count;
}

static wane_slot place;

static void *churn(void *unused) {
    for (int i = 0; i < 3000; i++) {
        wane_slot_give(&place, node_new(1));
        wane_release(wane_slot_load(&place));
    }
    return unused;
}

static void churn_in_threads(void) {
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        threads[i] = api_thread(churn, NULL);
    }
    for (int i = 0; i < 3; i++) {
        api_join(threads[i]);
    }
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
}

TEST(child_without_a_thread) {
    if (!in_child()) {
        SKIP("a part of another test");
    }
    size_t dead = atomic_load(&nodes_dead);
    churn_in_threads();
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 9000);
    CHECK_EQ_UINT(threads_named("wane-gc"), 0);
}

// On a busy machine the thread may be late to give itself its name.
static bool collector_runs(void *unused) {
    (void)unused;
    return threads_named("wane-gc") == 1;
}

TEST(child_with_a_thread) {
    if (!in_child()) {
        SKIP("a part of another test");
    }
    churn_in_threads();
    CHECK(test_wait_until(collector_runs, NULL, API_PATIENCE));
}

TEST(collector_thread_is_optional) {
    if (in_child()) {
        SKIP("in a child");
    }
    run_again("child_without_a_thread", "WANE_COLLECTOR_THREAD=0");
    run_again("child_with_a_thread", "WANE_COLLECTOR_THREAD=1");
}
