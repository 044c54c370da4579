// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// An idle process has no wake-ups: after some activity, and the time in which the library gives
// memory back, its thread's count of context switches stands still, also while objects live and
// a thread sleeps inside a guard.
//
//     idle --seconds 10

#include "support/stress.h"

#include <dirent.h>

static wane_slot places[64];

struct item {
    wane_slot next;
};
static wane_type item_type = {
    .name = "item", .size = sizeof(struct item), .slots = WANE_SLOTS(struct item, next)};

static void *be_active(void *index) {
    test_rng r = test_rng_make((uint64_t)(uintptr_t)index);
    for (int i = 0; i < 50000; i++) {
        struct item *item = wane_new(&item_type);
        CHECK(item != NULL);
        wane_slot_give(&places[test_below(&r, 64)], item);
        wane_release(wane_slot_load(&places[test_below(&r, 64)]));
    }
    return NULL;
}

// Context switches of the collector thread, of both kinds; -1 when it has no thread.
static long library_switches(void) {
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    long switches = -1;
    for (struct dirent *e = readdir(tasks); e != NULL; e = readdir(tasks)) {
        char path[300], line[200];
        snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
        FILE *f = e->d_name[0] != '.' ? fopen(path, "r") : NULL;
        bool ours = false;
        while (f != NULL && fgets(line, sizeof line, f) != NULL) {
            long n;
            if (strcmp(line, "Name:\twane-gc\n") == 0) {
                CHECK_EQ_INT(switches, -1);
                ours = true;
                switches = 0;
            } else if (ours && (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1 ||
                                sscanf(line, "nonvoluntary_ctxt_switches: %ld", &n) == 1)) {
                switches += n;
            }
        }
        if (f != NULL) {
            fclose(f);
        }
    }
    closedir(tasks);
    return switches;
}

// Two spans in a row without a wake-up. What is due once comes first: giving memory back after its
// delay, and a look at the candidates, which comes a hundred times as long after the last collection
// as that took; on a busy machine or under a sanitizer that is seconds.
static void expect_no_wakeups(const char *when, uint64_t duration) {
    enum { SPANS = 12 };
    test_sleep_ns(200 * STRESS_MS);
    for (int quiet = 0, spans = 0; quiet < 2; spans++) {
        long before = library_switches();
        CHECK(before > 0);
        test_sleep_ns(duration);
        long n = library_switches() - before;
        printf("%s: %ld wake-ups in %.1f s, %ld before\n", when, n, (double)duration / 1e9, before);
        quiet = n == 0 ? quiet + 1 : 0;
        CHECK_MSG(spans < SPANS, "%s: it never rests", when);
    }
}

TEST(idle) {
    CHECK_EQ_INT(wane_option_set("trim_delay_ms", 100), 0);
    uint64_t duration = stress_duration(1500);
    stress_run(stress_threads(3), be_active);
    CHECK_EQ_INT(wane_flush(), 0);
    expect_no_wakeups("objects alive", duration);
    for (int i = 0; i < 64; i++) {
        wane_slot_clear(&places[i]);
    }
    // Nobody calls: the library empties its queues on its own, then rests.
    expect_no_wakeups("nothing alive", duration);
    CHECK_EQ_UINT(stress_stats().live_objects, 0);
    stress_check_empty();
}

TEST(idle_inside_a_guard) {
    uint64_t duration = stress_duration(1500);
    stress_run(1, be_active);
    CHECK_EQ_INT(wane_flush(), 0);
    // Nothing waits for the guard, so nobody asks how old it is.
    wane_guard_enter();
    expect_no_wakeups("inside a guard", duration);
    wane_guard_leave();
    for (int i = 0; i < 64; i++) {
        wane_slot_clear(&places[i]);
    }
    stress_check_empty();
}
