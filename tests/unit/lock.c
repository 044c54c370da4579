/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * lock.c: locks that are taken out of order end the program in builds with full checks, on one thread, with nobody
 * there to make it a deadlock.
 */
#include "base/lock.h"

#include <wane.h>

#include "harness.h"

#if TEST_TSAN
/* It would report the inversions that are planted here. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "detect_deadlocks=0"; }
#endif

static struct wane__mutex registry = WANE__MUTEX(WANE__RANK_REGISTRY), map = WANE__MUTEX(WANE__RANK_MAP);
static struct wane__mutex shards[2] = {WANE__MUTEX(WANE__RANK_WEAK), WANE__MUTEX(WANE__RANK_WEAK)};

TEST(in_their_order) {
    wane__mutex_lock(&registry);
    wane__mutex_lock(&map);
    CHECK_EQ_UINT(wane__locks_held(), WANE_CHECKS >= 2 ? 1u << WANE__RANK_REGISTRY | 1u << WANE__RANK_MAP : 0);
    wane__mutex_unlock(&registry); /* in any order */
    wane__mutex_unlock(&map);
    CHECK_EQ_UINT(wane__locks_held(), 0);
    wane__mutex_lock(&registry);
    wane__mutex_unlock(&registry);
}

/* Nobody waits in a try. What is taken so still counts for the next. */
TEST(tries) {
    wane__mutex_lock(&map);
    CHECK(wane__mutex_trylock(&registry));
    CHECK(!wane__mutex_trylock(&registry));
    wane__mutex_unlock(&registry);
    wane__mutex_unlock(&map);
}

/* As fork does. */
TEST(several_of_one_rank) {
    wane__mutex_lock(&shards[0]);
    wane__mutex_lock(&shards[1]);
    wane__mutex_unlock(&shards[0]);
    wane__mutex_unlock(&shards[1]);
    CHECK_EQ_UINT(wane__locks_held(), 0);
}

static void inverted(void *unused) {
    (void)unused;
    wane__mutex_lock(&map);
    wane__mutex_lock(&registry);
}

static void inverted_after_a_try(void *unused) {
    (void)unused;
    CHECK(wane__mutex_trylock(&map));
    wane__mutex_lock(&registry);
}

static void twice(void *unused) {
    (void)unused;
    wane__mutex_lock(&map);
    wane__mutex_lock(&map);
}

static void not_held(void *unused) {
    (void)unused;
    wane__mutex_unlock(&map);
}

TEST(planted_inversions) {
    if (WANE_CHECKS < 2) {
        check_in_child(inverted, NULL);
        return;
    }
    check_aborts(inverted, NULL, "lock order: the lock \"registry\" is taken while \"map\" is held");
    check_aborts(inverted_after_a_try, NULL, "lock order: the lock \"registry\" is taken while \"map\" is held");
    check_aborts(twice, NULL, "lock order: the lock \"map\" is taken while \"map\" is held");
    check_aborts(not_held, NULL, "lock order: the lock \"map\" is let go by a thread that does not hold it");
}

static struct wane__mutex leaf = WANE__MUTEX(WANE__RANK_QUARANTINE);
static bool under_a_lock;

static void callback(void *unused) { (void)unused; }

static void call_back(void *unused) {
    (void)unused;
    CHECK_EQ_INT(wane_defer(callback, NULL), 0);
    if (under_a_lock)
        CHECK(wane__mutex_trylock(&leaf));
    wane_flush();
}

/* User code runs under no lock of the library. */
TEST(callbacks) {
    wane_option_set("collector_thread", 0);
    check_in_child(call_back, NULL);
    under_a_lock = true;
    if (WANE_CHECKS >= 2)
        check_aborts(call_back, NULL, "check failed: wane__locks_held() == 0");
}
