// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// A program enters a sandbox that takes membarrier(2) away while one of its threads sleeps. That thread cannot
// learn that it needs fences now, so nothing is reclaimed until it calls again; but nobody waits for it who did not
// ask to: not births, releases and slots, not fork, trim, or a flush with a limit.

#include "api.h"
#include "no_membarrier.h"

enum { OBJECTS = 2000 };

static struct node *of_sleeper[OBJECTS];
static int pipe_ends[2];
static _Atomic(size_t) sleeping, warnings;
static wane_slot places[8];

static void note_line(int level, const char *line, void *arg) {
    (void)level;
    (void)arg;
    if (strstr(line, "membarrier") != NULL) {
        atomic_fetch_add(&warnings, 1);
    }
}

static void *sleeper(void *unused) {
    for (uint64_t i = 0; i < OBJECTS; i++) {
        of_sleeper[i] = node_new(i);
    }
    atomic_store(&sleeping, 1);
    char byte;
    CHECK_EQ_INT(read(pipe_ends[0], &byte, 1), 1);
    wane_release(node_new(0));
    return unused;
}

static void *work(void *unused) {
    for (uint64_t i = 0; i < 3000; i++) {
        struct node *n = node_new(i);
        wane_slot_store(&places[i % 8], n);
        wane_guard_enter();
        struct node *seen = wane_slot_peek(&places[(i + 1) % 8]);
        CHECK(seen == NULL || seen->canary == NODE_CANARY);
        wane_guard_leave();
        wane_release(n);
    }
    for (int i = 0; i < 8; i++) {
        wane_slot_clear(&places[i]);
    }
    return unused;
}

static void fork_some(void) {
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            work(NULL);
            CHECK_EQ_INT(wane_flush(), 0); // the sleeper is not here
            _exit(0);
        }
        int status;
        CHECK_EQ_INT(waitpid(child, &status, 0), child);
        CHECK_EQ_INT(status, 0);
        test_sleep_ns(3 * API_MS);
    }
}

TEST(only_reclamation_waits) {
    if (api_fences()) {
        SKIP("fences from the start");
    }
    CHECK_EQ_INT(wane_option_set("trim_delay_ms", 0), 0);
    wane_set_log(note_line, NULL);
    CHECK_EQ_INT(pipe(pipe_ends), 0);
    pthread_t t = api_thread(sleeper, NULL);
    api_wait_count(&sleeping, 1);
    for (int i = 0; i < OBJECTS / 2; i++) {
        wane_release(of_sleeper[i]);
    }
    if (!take_membarrier_away()) {
        wane_set_log(NULL, NULL);
        CHECK_EQ_INT(write(pipe_ends[1], "w", 1), 1);
        api_join(t);
        for (int i = OBJECTS / 2; i < OBJECTS; i++) {
            wane_release(of_sleeper[i]);
        }
        SKIP("no seccomp here");
    }
    uint64_t begin = test_now_ns();
    for (int i = OBJECTS / 2; i < OBJECTS; i++) {
        wane_release(of_sleeper[i]);
    }
    CHECK_EQ_INT(wane_flush_for(20 * API_MS), -ETIMEDOUT);
    CHECK_EQ_UINT(atomic_load(&warnings), 1);
    work(NULL);
    api_elsewhere(work, NULL);
    (void)wane_poll();
    (void)wane_trim();
    if (!TEST_TSAN && !TEST_ASAN) {
        fork_some();
    }
    CHECK_EQ_INT(wane_flush_for(0), -ETIMEDOUT);
    CHECK_MSG(test_now_ns() - begin < API_PATIENCE, "somebody waited for the sleeping thread");
    CHECK(api_stats().live_objects > 0);
    CHECK_EQ_INT(write(pipe_ends[1], "w", 1), 1);
    api_join(t);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
    (void)wane_trim();
    wane_set_log(NULL, NULL);
    CHECK_EQ_UINT(atomic_load(&warnings), 1);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

TEST(afterwards) {
    if (api_fences()) {
        SKIP("fences from the start");
    }
    work(NULL);
    api_elsewhere(work, NULL);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
    (void)wane_gc_collect(WANE_GC_FULL);
}
