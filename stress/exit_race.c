// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Processes that end at random moments: with threads and the library's own in the middle of
// everything, by exit from any thread, by the end of the first thread, after fork. None may crash
// or hang, and each ends with the status that it chose. The parent never uses the library, so that
// each child starts it anew.

#include "support/stress.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#if TEST_TSAN
// A process may end between the end of a thread and its join.
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "report_thread_leaks=0"; }
#endif

enum { PLACES = 8, CHILD_SECONDS = 60, STATUS = 42 };

struct item {
    wane_slot next;
    char *memory;
};

static wane_slot places[PLACES], weak_places[PLACES];
static test_rng ends;

static void item_destroy(void *self) { free(((struct item *)self)->memory); }
static wane_type item_type = {
    .name = "item",
    .size = sizeof(struct item),
    .slots = WANE_SLOTS(struct item, next),
    .destroy = item_destroy,
};

static void *work(void *index) {
    test_rng r = test_rng_make((uint64_t)(uintptr_t)index);
    for (;;) {
        struct item *item = wane_new(&item_type);
        CHECK(item != NULL);
        item->memory = malloc(20);
        wane_slot_init(&item->next, wane_new(&item_type));
        if (test_below(&r, 4) == 0) {
            wane_slot_give(&weak_places[test_below(&r, PLACES)], wane_weak_new(item, NULL, NULL));
        }
        wane_slot_give(&places[test_below(&r, PLACES)], item);
        wane_weak *w = wane_slot_load(&weak_places[test_below(&r, PLACES)]);
        wane_release(wane_weak_get(w));
        wane_release(w);
        wane_guard_enter();
        wane_slot_peek(&places[test_below(&r, PLACES)]);
        wane_guard_leave();
        wane_release(wane_slot_take(&places[test_below(&r, PLACES)]));
        if (test_below(&r, 1000) == 0) {
            wane_flush_for(100000);
        }
    }
    return NULL;
}

static void *make_one(void *unused) {
    wane_slot_give(&places[0], wane_new(&item_type));
    return unused;
}

static void *come_and_go(void *index) {
    for (;;) {
        stress_join(stress_thread(make_one, NULL));
        wane_release(wane_new(&item_type));
        wane_thread_detach();
    }
    return index;
}

static uint64_t delay_ns;

static void *end_here(void *unused) {
    test_sleep_ns(delay_ns);
    exit(STATUS);
    return unused;
}

static void use_at_exit(void) {
    wane_slot_give(&places[0], wane_new(&item_type));
    wane_slot_clear(&places[0]);
    wane_flush_for(1000000);
}

static void live_shortly(uint64_t way) {
    alarm(CHILD_SECONDS);
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    // A flush has to do with what its pass before left to the others, up to this bound of theirs.
    CHECK_EQ_INT(wane_option_set("deferred_bytes", INT64_C(65536) << test_below(&ends, 5)), 0);
    delay_ns = test_below(&ends, test_below(&ends, 4) == 0 ? 20 * STRESS_MS : STRESS_MS);
    // Not inside the guard of way 3, where a flush would be a mistake.
    if (way != 3 && test_below(&ends, 3) == 0) {
        atexit(use_at_exit);
    }
    for (uint64_t n = test_below(&ends, 4); n > 0; n--) {
        stress_thread(work, (void *)(uintptr_t)n);
    }
    if (test_below(&ends, 3) == 0) {
        stress_thread(come_and_go, NULL);
    }
    switch (way) {
    case 0:
        stress_thread(end_here, NULL);
        test_sleep_ns(STRESS_PATIENCE * 10);
        break;
    case 1:
        stress_thread(end_here, NULL);
        wane_release(wane_new(&item_type));
        pthread_exit(NULL);
    case 2:
        test_sleep_ns(delay_ns);
        wane_shutdown();
        break;
    case 3:
        wane_guard_enter();
        test_sleep_ns(delay_ns);
        break;
    default:
        test_sleep_ns(delay_ns);
    }
    exit(STATUS);
}

// A grandchild of a busy child: ends while its collector thread is not running yet.
static void fork_and_end(void) {
    stress_thread(work, NULL);
    test_sleep_ns(test_below(&ends, STRESS_MS));
    pid_t child = fork();
    if (child == 0) {
        if (test_below(&ends, 2) == 0) {
            use_at_exit();
        }
        exit(STATUS);
    }
    int status = 0;
    CHECK_EQ_INT(waitpid(child, &status, 0), child);
    CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == STATUS, "grandchild: status %#x",
              (unsigned)status);
    exit(STATUS);
}

TEST(exit_race) {
    ends = test_rng_make(7);
    uint64_t end = test_now_ns() + stress_duration(3000);
    size_t most = stress_size(SIZE_MAX);
    size_t children = 0;
    for (; test_now_ns() < end && children < most; children++) {
        // Way 6 forks beside busy threads: a lock of the sanitizer's allocator may be held for ever.
        uint64_t way = test_below(&ends, STRESS_SANITIZED ? 6 : 7);
        // The child draws from the same numbers as the parent goes on with: take one more each
        // time.
        test_random(&ends);
        fflush(NULL);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            if (way == 6) {
                fork_and_end();
            }
            live_shortly(way);
        }
        int status = 0;
        CHECK_EQ_INT(waitpid(child, &status, 0), child);
        CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == STATUS,
                  "child %zu (way %" PRIu64 "): status %#x", children, way, (unsigned)status);
    }
    printf("%zu processes\n", children);
}
