// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Calls of the library for memory and for a thread that fail: the program has functions of these
// names, which the library finds first. What has no error to report must go on all the same, must
// lose nothing, and must not be slower for long.

#include "api.h"

#if TEST_TSAN || TEST_ASAN

TEST(shortage) { SKIP("a sanitizer has functions of these names"); }

#else

#include <dlfcn.h>

static _Atomic(size_t) threads_tried;
static atomic_bool no_thread;

int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg) {
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
    }
    atomic_fetch_add(&threads_tried, 1);
    return atomic_load(&no_thread) ? EAGAIN : next(t, attr, fn, arg);
}

static size_t warnings;

static void note_warning(int level, const char *line, void *unused) {
    (void)level, (void)unused;
    warnings += strstr(line, "thread could not be made") != NULL;
}

static void defer_much(size_t n) {
    static wane_slot place;
    for (size_t i = 0; i < n; i++) {
        wane_slot_give(&place, leaf_new(i));
    }
    wane_slot_clear(&place);
}

static bool thread_was_made(void *unused) {
    (void)unused;
    size_t before = atomic_load(&threads_tried);
    defer_much(1);
    return atomic_load(&threads_tried) > before;
}

static void without_thread(void *unused) {
    (void)unused;
    wane_set_log(note_warning, NULL);
    atomic_store(&no_thread, true);
    uint64_t begin = test_now_ns();
    defer_much(100000);
    CHECK_EQ_INT(wane_flush(), 0);
    size_t tried = atomic_load(&threads_tried);
    uint64_t ms = (test_now_ns() - begin) / API_MS;
    CHECK_MSG(tried >= 1 && tried <= 2 + ms / 10, "%zu tries to make a thread in %" PRIu64 " ms",
              tried, ms);
    CHECK_EQ_UINT(warnings, 1);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
    // It comes when it can be had, without a call that asks for it.
    atomic_store(&no_thread, false);
    CHECK(test_wait_until(thread_was_made, NULL, API_PATIENCE));
    CHECK_EQ_UINT(warnings, 1);
}

// A thread that cannot be made is tried now and then, not at each deferral, and said once.
TEST(no_thread_to_be_had) { check_in_child(without_thread, NULL); }

#endif
