// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// The leak report at shutdown, and the profile of the collector: both in processes of their own.

#include "api.h"

static struct test_end end;

static bool said(const char *text) { return strstr(end.said, text) != NULL; }

static void set_report(int64_t value) { CHECK_EQ_INT(wane_option_set("leak_report", value), 0); }

static void leak(void *level) {
    set_report(*(int64_t *)level);
    struct node *ring = node_pair();  // held: alive, and on a cycle
    wane_slot_give(&ring->right, leaf_new(1));
    leaf_new(2);
    wane_release(node_pair());  // collected
    struct node *table = node_new(3);
    wane_slot_give(&table->left, leaf_new(4));
    wane_immortalize(table);
    wane_stats s = api_stats();
    CHECK_EQ_UINT(s.immortal_objects, 1);
    wane_shutdown();
    puts("went on");
}

TEST(what_is_alive_by_type) {
    int64_t level = 1;
    test_run_child(leak, &level, &end);
    CHECK(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0);
    CHECK_MSG(said("leak: 2 objects of type \"node\" are alive, 2 of them on cycles, 1 held from outside"), "%s", end.said);
    CHECK_MSG(said("leak: 2 objects of type \"leaf\" are alive, 0 of them on cycles, 1 held from outside"), "%s", end.said);
    CHECK_MSG(said("leak: on cycles: 2 references from slot `left` of type \"node\" to type \"node\""), "%s", end.said);
    CHECK_MSG(said("immortal: 1 objects of type \"node\"; immortal objects keep 0 more alive"), "%s", end.said);
    CHECK_MSG(said("immortal: 0 objects of type \"leaf\"; immortal objects keep 1 more alive"), "%s", end.said);
    CHECK(said("went on"));
}

TEST(nothing_without_the_option) {
    int64_t level = 0;
    test_run_child(leak, &level, &end);
    CHECK_EQ_STR(end.said, "went on\n");
}

TEST(a_fatal_report) {
    int64_t level = 2;
    test_run_child(leak, &level, &end);
    CHECK(WIFEXITED(end.status) && WEXITSTATUS(end.status) != 0);
    CHECK(said("leak: 2 objects of type \"node\"") && !said("went on"));
}

// Immortals, and what they keep, are no leaks.
static void leak_nothing(void *unused) {
    (void)unused;
    set_report(2);
    struct node *table = node_new(3);
    wane_slot_give(&table->left, node_pair());
    wane_immortalize(table);
    wane_release(node_pair());
    wane_shutdown();
    puts("went on");
}

TEST(immortals_are_no_leaks) {
    test_run_child(leak_nothing, NULL, &end);
    CHECK_MSG(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0 && said("went on") && !said("leak:"), "%s", end.said);
    CHECK(said("immortal: 1 objects of type \"node\"; immortal objects keep 2 more alive"));
}

static wane_type odd_type = {
    .name = "odd",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, left),
    .flags = WANE_TYPE_UNCOLLECTABLE,
};

static void leak_uncollectable(void *unused) {
    (void)unused;
    set_report(1);
    struct node *n = wane_new(&odd_type);
    wane_slot_give(&n->left, n);
    wane_gc_freeze();
    wane_release(node_pair());
    wane_gc_unfreeze();
    wane_shutdown();
}

TEST(what_is_kept_is_named) {
    test_run_child(leak_uncollectable, NULL, &end);
    CHECK_MSG(said("leak: 1 objects of type \"odd\" are alive, 1 of them on cycles, 1 held from outside"), "%s", end.said);
    CHECK_MSG(said("leak: 1 unreachable objects were kept"), "%s", end.said);
    CHECK(!said("\"node\""));
}

// Programs that are run again with an environment; by themselves these tests do nothing.

static void again(void *variable_and_value) {
    const char *const *set = variable_and_value;
    setenv(set[0], set[1], 1);
    setenv("WANE_TEST_AGAIN", "1", 1);
    execl("/proc/self/exe", "leaks", set[2], (char *)NULL);
    _exit(127);
}

TEST(child_leaks) {
    if (getenv("WANE_TEST_AGAIN") == NULL) {
        SKIP("a part of another test");
    }
    node_new(1);
    wane_shutdown();
    puts("went on");
    fflush(NULL);
    _exit(0);
}

TEST(fatal_in_the_environment) {
    const char *const fatal[] = {"WANE_LEAK_REPORT", "fatal", "child_leaks"};
    test_run_child(again, (void *)fatal, &end);
    CHECK_MSG(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 1, "%#x: %s", (unsigned)end.status, end.said);
    CHECK(said("leak: 1 objects of type \"node\"") && !said("went on"));
    const char *const wrong[] = {"WANE_LEAK_REPORT", "fatally", "child_leaks"};
    test_run_child(again, (void *)wrong, &end);
    CHECK(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0 && said("went on") && said("ignored"));
}

TEST(child_collects) {
    if (getenv("WANE_TEST_AGAIN") == NULL) {
        SKIP("a part of another test");
    }
    wane_gc_disable();
    for (int generation = 0; generation <= WANE_GC_FULL; generation++) {
        wane_release(node_pair());
        CHECK_EQ_UINT(wane_gc_collect(generation), 2);
    }
    if (!TEST_TSAN) {
        pid_t child = fork();
        if (child == 0) {
            wane_release(node_pair());
            _exit(wane_gc_collect(2) == 2 ? 0 : 1);
        }
        int status = 0;
        CHECK_EQ_INT(waitpid(child, &status, 0), child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

// Each line but the first is one event of the trace format.
TEST(a_profile_of_the_collector) {
    char path[] = "/tmp/wane_profile_XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    const char *const set[] = {"WANE_GC_TRACE", path, "child_collects"};
    test_run_child(again, (void *)set, &end);
    CHECK_MSG(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0, "%#x: %s", (unsigned)end.status, end.said);
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    char line[1024];
    CHECK(fgets(line, sizeof line, f) != NULL);
    CHECK_EQ_STR(line, "[\n");
    size_t events = 0, whole = 0, destroys = 0;
    while (fgets(line, sizeof line, f) != NULL) {
        char name[64];
        uint64_t since, took;
        unsigned since_ns, took_ns;
        long pid, tid;
        int used = 0;
        int n = sscanf(line,
                       "{\"name\":\"%63[^\"]\",\"cat\":\"gc\",\"ph\":\"X\",\"ts\":%" SCNu64 ".%u,\"dur\":%" SCNu64
                       ".%u,\"pid\":%ld,\"tid\":%ld,\"args\":{%n",
                       name, &since, &since_ns, &took, &took_ns, &pid, &tid, &used);
        CHECK_MSG(n == 7 && used > 0 && strcmp(line + strlen(line) - 4, "}},\n") == 0, "%s", line);
        events++;
        destroys += strcmp(name, "destroy") == 0;
        if (strcmp(name, "collection") == 0) {
            whole++;
            CHECK_MSG(strstr(line, "\"collected\":2,") != NULL, "%s", line);
        }
    }
    fclose(f);
    unlink(path);
    CHECK_EQ_UINT(whole, TEST_TSAN ? 4 : 5);
    CHECK(destroys >= whole && events > 20 * whole);
}

TEST(a_profile_that_cannot_be_written) {
    const char *const set[] = {"WANE_GC_TRACE", "/no/such/folder/x", "child_collects"};
    test_run_child(again, (void *)set, &end);
    CHECK_MSG(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0, "%s", end.said);
    CHECK(said("WANE_GC_TRACE=/no/such/folder/x: cannot be opened"));
}
