// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Tracing: on, off and forgotten, what is alive and the peak, where an object was made; sampled
// sums; threads, forks and collections beside it.

#include "api.h"

static size_t current(void) {
    size_t bytes;
    CHECK_EQ_INT(wane_trace_memory(&bytes, NULL), 0);
    return bytes;
}

static size_t peak(void) {
    size_t bytes;
    CHECK_EQ_INT(wane_trace_memory(NULL, &bytes), 0);
    return bytes;
}

static void start(size_t sample_bytes) { CHECK_EQ_INT(wane_trace_start(1, sample_bytes), 0); }

static void check_untraced(const void *obj) {
    wane_trace_line line;
    CHECK_EQ_INT(wane_trace_of(obj, &line), -ENOENT);
}

static void check_traced_here(const void *obj, int line_number, const char *function) {
    wane_trace_line line;
    CHECK_EQ_INT(wane_trace_of(obj, &line), 0);
    CHECK(strcmp(line.file, __FILE__) == 0);
    CHECK(strcmp(line.function, function) == 0);
    CHECK(strcmp(line.type, wane_typeof(obj)->name) == 0);
    CHECK_EQ_INT(line.line, line_number);
    CHECK_EQ_UINT(line.bytes, wane_sizeof(obj));
    CHECK_EQ_UINT(line.count, 1);
}

TEST(arguments) {
    CHECK_EQ_INT(wane_trace_start(0, 0), -EINVAL);
    CHECK_EQ_INT(wane_trace_start(129, 0), -EINVAL);
    CHECK(!wane_trace_is_on());
    wane_trace_stop(); // nothing to stop
    start(0);
    CHECK(wane_trace_is_on());
    CHECK_EQ_INT(wane_trace_start(1, 0), -EALREADY);
    CHECK_EQ_INT(wane_trace_start(1, 512), -EALREADY);
    wane_trace_stop();
    CHECK(!wane_trace_is_on());
    CHECK_EQ_INT(wane_trace_memory(NULL, NULL), 0);
    struct leaf *l = leaf_new(1);
    CHECK_EQ_INT(wane_trace_of(l, NULL), -EINVAL);
    check_untraced(NULL);
    wane_release(l);
}

TEST(where_an_object_was_made) {
    struct leaf *before = wane_new(&leaf_type);
    start(0);
    struct leaf *l = wane_new(&leaf_type);
    int line = __LINE__ - 1;
    struct leaf *extra = wane_new_extra(&leaf_type, 100);
    struct leaf *large = wane_new_extra(&leaf_type, 10 << 20);
    struct leaf *nowhere = wane_new_at(&leaf_type, 0, NULL);
    struct node *n = node_new(1);
    wane_trace_stop();
    struct leaf *after = wane_new(&leaf_type);
    check_untraced(before);
    check_untraced(after);
    check_traced_here(l, line, __func__);
    check_traced_here(extra, line + 2, __func__);
    check_traced_here(large, line + 3, __func__);
    wane_trace_line at;
    CHECK_EQ_INT(wane_trace_of(nowhere, &at), 0);
    CHECK(at.file == NULL && at.function == NULL && at.line == 0);
    CHECK_EQ_INT(wane_trace_of(n, &at), 0);
    CHECK(strstr(at.file, "api.h") != NULL && strcmp(at.function, "node_new") == 0);
    size_t all = wane_sizeof(l) + wane_sizeof(extra) + wane_sizeof(large) + wane_sizeof(nowhere) +
                 wane_sizeof(n);
    CHECK_EQ_UINT(current(), all);
    void *objects[] = {before, l, extra, large, nowhere, n, after};
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
        wane_release(objects[i]);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(current(), 0);
    CHECK_EQ_UINT(peak(), all);
}

static WANE_IMMORTAL(struct leaf) unheaped = WANE_IMMORTAL_INIT(&leaf_type, {7});

// A static object lies in no heap: tracing knows nothing of it.
TEST(static_objects_are_not_traced) {
    check_untraced(&unheaped.object);
    start(0);
    check_untraced(&unheaped.object);
    wane_trace_stop();
}

// An object that is not traced says nothing, though its block holds the note of one that was.
TEST(a_block_that_is_used_again) {
    start(0);
    struct leaf *traced[100];
    for (int i = 0; i < 100; i++) {
        traced[i] = leaf_new(1);
    }
    for (int i = 0; i < 100; i++) {
        wane_release(traced[i]);
    }
    struct leaf *again = wane_new(&leaf_type);
    check_traced_here(again, __LINE__ - 1, __func__);
    wane_release(again);
    wane_trace_stop();
    for (int i = 0; i < 100; i++) {
        traced[i] = leaf_new(1);
        check_untraced(traced[i]);
    }
    wane_snapshot *s = wane_snapshot_take();
    CHECK(s != NULL);
    CHECK_EQ_INT(wane_snapshot_top(s, WANE_BY_TYPE, NULL, 0), 0);
    wane_release(s);
    for (int i = 0; i < 100; i++) {
        wane_release(traced[i]);
    }
    CHECK_EQ_UINT(current(), 0);
}

TEST(peak_and_its_reset) {
    start(0);
    struct leaf *l[100];
    size_t size = 0;
    for (int i = 0; i < 100; i++) {
        l[i] = leaf_new(1);
        size = wane_sizeof(l[i]);
    }
    CHECK_EQ_UINT(current(), 100 * size);
    for (int i = 0; i < 60; i++) {
        wane_release(l[i]);
    }
    CHECK_EQ_UINT(current(), 40 * size);
    CHECK_EQ_UINT(peak(), 100 * size);
    wane_trace_reset_peak();
    CHECK_EQ_UINT(peak(), 40 * size);
    struct leaf *more = leaf_new(1);
    wane_release(more);
    CHECK_EQ_UINT(peak(), 41 * size);
    for (int i = 60; i < 100; i++) {
        wane_release(l[i]);
    }
    wane_trace_stop();
    CHECK_EQ_UINT(current(), 0);
    CHECK_EQ_UINT(peak(), 41 * size);
}

TEST(what_is_cleared_is_forgotten) {
    start(0);
    struct leaf *old = leaf_new(1);
    wane_trace_clear();
    CHECK(wane_trace_is_on());
    check_untraced(old);
    CHECK_EQ_UINT(current(), 0);
    CHECK_EQ_UINT(peak(), 0);
    struct leaf *new = leaf_new(1);
    CHECK_EQ_UINT(current(), wane_sizeof(new));
    wane_release(old);
    CHECK_EQ_UINT(current(), wane_sizeof(new));
    wane_trace_stop();
    CHECK_EQ_UINT(current(), wane_sizeof(new));
    start(0); // a new start forgets as well
    check_untraced(new);
    CHECK_EQ_UINT(current(), 0);
    wane_release(new);
    CHECK_EQ_UINT(current(), 0);
    wane_trace_stop();
    wane_trace_clear();
}

static void *make_and_hand_over(void *arg) {
    wane_slot *s = arg;
    struct leaf *l = leaf_new(1);
    wane_slot_give(s, l);
    return NULL;
}

TEST(deaths_of_all_kinds_are_counted) {
    start(0);
    wane_slot place = WANE_SLOT_EMPTY;
    api_elsewhere(make_and_hand_over, &place);
    CHECK(current() > 0);
    wane_slot_clear(&place); // deferred, by another thread than the maker's
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(current(), 0);
    struct leaf *shared = wane_share(leaf_new(1));
    api_elsewhere(api_release_it, shared);
    struct leaf *later = leaf_new(1);
    wane_release_later(later);
    struct node *root = node_new(0); // with callbacks, in a structure
    wane_slot_give(&root->left, node_new(1));
    wane_slot_give(&root->right, node_new(2));
    wane_release(root);
    struct leaf *weakly = leaf_new(1);
    wane_weak *w = wane_weak_new(weakly, NULL, NULL);
    wane_release(weakly);
    wane_release(w);
    for (int i = 0; i < 100; i++) {
        wane_release(node_pair());
    }
    CHECK(wane_gc_collect(WANE_GC_FULL) > 0);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(current(), 0);
    wane_trace_stop();
}

enum { MANY = 100000 };

TEST(sampled_sums_are_near_the_true_ones) {
    enum { SAMPLE = 512 };
    static struct leaf *l[MANY];
    start(SAMPLE);
    size_t bytes = 0, sampled = 0;
    for (int i = 0; i < MANY; i++) {
        l[i] = i % 10 == 0 ? wane_new_extra(&leaf_type, 500) : wane_new(&leaf_type);
        bytes += wane_sizeof(l[i]);
        wane_trace_line line;
        sampled += wane_trace_of(l[i], &line) == 0;
    }
    CHECK(sampled > 0 && sampled < MANY / 5);
    size_t got = current();
    // The standard error is 0.7 percent of the bytes, and 1.2 percent of the count.
    CHECK_MSG(got > bytes - bytes / 20 && got < bytes + bytes / 20, "%zu bytes where %zu live", got,
              bytes);
    wane_snapshot *s = wane_snapshot_take();
    CHECK(s != NULL);
    wane_trace_line line;
    CHECK_EQ_INT(wane_snapshot_top(s, WANE_BY_TYPE, &line, 1), 1);
    CHECK_MSG(line.bytes > bytes - bytes / 20 && line.bytes < bytes + bytes / 20,
              "%zu bytes where %zu live", line.bytes, bytes);
    CHECK_MSG(line.count > MANY - MANY / 12 && line.count < MANY + MANY / 12,
              "%zu objects where %d live", line.count, MANY);
    wane_release(s);
    for (int i = 0; i < MANY; i++) {
        wane_release(l[i]);
    }
    CHECK_EQ_UINT(current(), 0); // each death takes off what its birth added
    wane_trace_stop();
}

static _Atomic(bool) over;

static void *churn(void *arg) {
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    struct leaf *held[64] = {NULL};
    for (unsigned i = 0; !atomic_load(&over); i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        struct leaf **place = &held[seed >> 58];
        wane_clear(place);
        *place = (i & 7) == 0 ? (struct leaf *)(void *)wane_new_extra(&leaf_type, seed >> 54 & 1023)
                              : leaf_new(1);
        if ((i & 63) == 0) {
            wane_release(node_pair());
        }
    }
    for (int i = 0; i < 64; i++) {
        wane_clear(&held[i]);
    }
    return NULL;
}

// One thread switches, samples, clears, takes snapshots and forks, while others make and release.
TEST(switched_beside_others) {
    pthread_t threads[3];
    atomic_store(&over, false);
    uint64_t seed = test_seed();
    for (uintptr_t i = 0; i < 3; i++) {
        threads[i] = api_thread(churn, (void *)(uintptr_t)(seed + i));
    }
    for (int i = 0; i < 60; i++) {
        start(i % 3 == 0 ? 4096 : 0);
        for (int j = 0; j < 3; j++) {
            struct leaf *mine = leaf_new(1);
            wane_snapshot *s = wane_snapshot_take();
            CHECK(s != NULL);
            CHECK(wane_snapshot_top(s, WANE_BY_LINE, NULL, 0) >= 0);
            wane_release(s);
            if (j == 1) {
                wane_trace_clear();
            }
            wane_release(mine);
        }
        wane_trace_stop();
    }
    start(0);
    atomic_store(&over, true);
    for (int i = 0; i < 3; i++) {
        api_join(threads[i]);
    }
    wane_gc_collect(WANE_GC_FULL);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(current(), 0);
    wane_trace_stop();
}

static void child_of_fork(void *arg) {
    struct leaf *l = arg;
    wane_trace_line line;
    CHECK_EQ_INT(wane_trace_of(l, &line), 0);
    wane_release(l);
    struct leaf *more = leaf_new(2);
    CHECK_EQ_INT(wane_trace_of(more, &line), 0);
    wane_snapshot *s = wane_snapshot_take();
    CHECK(s != NULL);
    wane_release(s);
    wane_release(more);
    wane_trace_stop();
    CHECK_EQ_INT(wane_trace_start(1, 0), 0);
}

TEST(child_of_a_fork) {
    pthread_t threads[2];
    atomic_store(&over, false);
    start(0);
    struct leaf *l = leaf_new(1);
    for (uintptr_t i = 0; i < 2; i++) {
        threads[i] = api_thread(churn, (void *)(uintptr_t)(test_seed() + i));
    }
    static struct test_end end;
    for (int i = 0; i < 20; i++) {
        test_run_child(child_of_fork, l, &end);
        CHECK_MSG(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0, "%#x: %s",
                  (unsigned)end.status, end.said);
    }
    atomic_store(&over, true);
    for (int i = 0; i < 2; i++) {
        api_join(threads[i]);
    }
    wane_release(l);
    wane_trace_stop();
    wane_gc_collect(WANE_GC_FULL);
    wane_trace_clear();
}

// Two sites, one after the other, at the same addresses: as a module that is loaded where another one was.
TEST(a_module_in_the_place_of_another) {
    static char function[] = "first_a", file[] = "one.c";
    static wane_site site = {file, 7, function};
    start(0);
    struct leaf *a = wane_new_at(&leaf_type, 0, &site);
    strcpy(function, "other_b");
    struct leaf *b = wane_new_at(&leaf_type, 0, &site);
    strcpy(file, "two.c");
    struct leaf *c = wane_new_at(&leaf_type, 0, &site);
    wane_trace_line line;
    CHECK_EQ_INT(wane_trace_of(a, &line), 0);
    CHECK(strcmp(line.function, "first_a") == 0 && strcmp(line.file, "one.c") == 0);
    CHECK_EQ_INT(wane_trace_of(b, &line), 0);
    CHECK(strcmp(line.function, "other_b") == 0 && strcmp(line.file, "one.c") == 0);
    CHECK_EQ_INT(wane_trace_of(c, &line), 0);
    CHECK(strcmp(line.function, "other_b") == 0 && strcmp(line.file, "two.c") == 0);
    wane_release(a);
    wane_release(b);
    wane_release(c);
    wane_trace_stop();
}

// Runs in children that the test below starts.
TEST(traced_by_the_environment) {
    if (getenv("WANE_API_CHILD") == NULL) {
        SKIP("for children of another test");
    }
    struct leaf *l = leaf_new(1);
    wane_trace_line line;
    printf("%s %d\n", wane_trace_is_on() ? "on" : "off", wane_trace_of(l, &line));
    wane_release(l);
    wane_trace_stop();
}

static void run_with(void *value) {
    setenv("WANE_API_CHILD", "1", 1);
    setenv("WANE_TRACE", value, 1);
    execl("/proc/self/exe", "trace", "traced_by_the_environment", (char *)NULL);
    _exit(3);
}

static void check_environment(const char *value, const char *want, bool warns) {
    static struct test_end end;
    test_run_child(run_with, (void *)(uintptr_t)value, &end);
    CHECK_MSG(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0, "%#x: %s",
              (unsigned)end.status, end.said);
    CHECK_MSG(strstr(end.said, want) != NULL, "WANE_TRACE=%s: %s", value, end.said);
    const char *line = strstr(end.said, "WANE_TRACE");
    CHECK_MSG((line != NULL) == warns, "WANE_TRACE=%s: %s", value, end.said);
    CHECK_MSG(line == NULL || strstr(strchr(line, '\n'), "WANE_TRACE") == NULL, "twice: %s",
              end.said);
}

TEST(the_environment) {
    if (getenv("WANE_API_CHILD") != NULL) {
        SKIP("a child");
    }
    check_environment("1", "on 0", false);
    check_environment("1,0", "on 0", false);
    check_environment("1,1125899906842624", "on -2", false); // a sample each PiB
    check_environment("0", "off -2", false);
    static const char *const bad[] = {"", "x", "-1", "1,", "1,x", "1,-1", "1,2,3", "129", " 1", "a\nb",
                                      "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check_environment(bad[i], "off -2", true);
    }
}
