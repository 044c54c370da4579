// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// A child of fork finds every container whole, whatever other threads were doing to it, and uses it.

#include "api.h"

#include <wane/values.h>

enum { LEAST = 8 };

static wane_list *list;
static wane_deque *deque;
static _Atomic(bool) stop;

static wane_str *intern(unsigned n) {
    char text[16];
    snprintf(text, sizeof text, "key %u", n);
    wane_str *s = wane_intern(text, strlen(text));
    CHECK(s != NULL);
    return s;
}

static void *change(void *unused) {
    for (unsigned i = 0; !atomic_load(&stop); i++) {
        WANE_AUTO wane_str *s = intern(i % 100);
        CHECK_EQ_INT(wane_list_insert(list, LEAST / 2, s), 0);
        wane_release(wane_list_pop(list, LEAST / 2));
        CHECK_EQ_INT(wane_deque_push_back(deque, s), 0);
        wane_release(wane_deque_pop_front(deque));
        if (i % 64 == 63) {
            test_sleep_ns(50000); // the child must work off what waits
        }
    }
    return unused;
}

static void use_in_child(void *unused) {
    (void)unused;
    size_t n = wane_list_len(list), seen = 0;
    CHECK(n >= LEAST && n <= LEAST + 2);
    WANE_FOR(wane_str, s, wane_list_iter(list)) {
        CHECK(strncmp(wane_str_bytes(s), "key ", 4) == 0);
        seen++;
    }
    CHECK_EQ_UINT(seen, n);
    for (unsigned i = 0; i < 200; i++) {
        WANE_AUTO wane_str *s = intern(i), *again = intern(i);
        CHECK_EQ_PTR(s, again);
        CHECK_EQ_INT(wane_list_insert(list, 1, s), 0);
        CHECK_EQ_INT(wane_deque_push_front(deque, s), 0);
    }
    CHECK_EQ_UINT(wane_list_len(list), n + 200);
    wane_clear(&list);
    wane_clear(&deque);
    CHECK_EQ_INT(wane_flush(), 0);
}

TEST(child_of_writers) {
    if (TEST_ASAN || TEST_TSAN) {
        SKIP("the sanitizer's allocator may be locked by a thread that the child lacks");
    }
    list = wane_list_new(0);
    deque = wane_deque_new(0);
    for (unsigned i = 0; i < LEAST; i++) {
        WANE_AUTO wane_str *s = intern(1000 + i);
        CHECK_EQ_INT(wane_list_append(list, s), 0);
        CHECK_EQ_INT(wane_deque_push_back(deque, s), 0);
    }
    atomic_store(&stop, false);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        threads[i] = api_thread(change, NULL);
    }
    for (int i = 0; i < 30; i++) {
        check_in_child(use_in_child, NULL);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) {
        api_join(threads[i]);
    }
    wane_clear(&list);
    wane_clear(&deque);
    CHECK_EQ_INT(wane_flush(), 0);
}
