/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * flushing.c: the claim of the thread that flushes. It is driven by hand, with records that are but
 * ids.
 *
 * Time passes here, and never makes a test fail: what must hold before a limit is checked only when
 * the clock says, afterwards, that the limit had not come; what must hold after it, after a sleep
 * until then. An answer that never comes within the time is looked for again.
 */
#include "life/flushing.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <wane.h>

#include "harness.h"
#include "os/clock.h"

__attribute__((constructor)) static void without_the_librarys_thread(void) {
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
}

/* As in life/flushing.c. */
#define SILENCE_NS UINT64_C(50000000)
#define HOLD_NS UINT64_C(1000000000)

static struct wane__record a = {.id = 1001}, b = {.id = 1002};

/* Nobody has it. */
void test_teardown(void) {
    CHECK(!wane__flushing_other(&a) && !wane__flushing_other(&b));
    CHECK(wane__flushing_begin(&a));
    wane__flushing_end();
}

/* Whether r sees the claim right after `say`: only an answer from within the silence counts. */
static bool seen_after(void (*say)(void), bool (*sees)(const struct wane__record *r),
                       const struct wane__record *r) {
    for (;;) {
        uint64_t begin = wane__now();
        say();
        bool seen = sees(r);
        if (wane__now() - begin < SILENCE_NS)
            return seen;
    }
}

static void silence(void) {
    uint64_t begin = wane__now();
    while (wane__now() - begin < SILENCE_NS)
        test_sleep_ns(1000000);
}

static void again(void) {
    wane__flushing_end();
    CHECK(wane__flushing_begin(&a));
}

TEST(one_at_a_time) {
    CHECK(wane__flushing_begin(&a));
    CHECK(!wane__flushing_begin(&b));
    CHECK(!wane__flushing_begin(&a)); /* not even itself again */
    wane__flushing_end();
    CHECK(wane__flushing_begin(&b));
    CHECK(!wane__flushing_begin(&a));
    wane__flushing_end();
}

TEST(others_see_it_while_it_is_held) {
    CHECK(!wane__flushing_other(&a) && !wane__flushing_other(&b));
    CHECK(wane__flushing_begin(&a));
    CHECK(seen_after(again, wane__flushing_other, &b));
    CHECK(!seen_after(again, wane__flushing_other, &a)); /* one's own is no other's */
    wane__flushing_end();
    CHECK(!seen_after(wane__flushing_goes_on, wane__flushing_other,
                      &b)); /* at work, and without the claim */
}

TEST(lapses_after_silence) {
    CHECK(wane__flushing_begin(&a));
    uint64_t begin = wane__now();
    wane__flushing_goes_on();
    while (wane__flushing_other(&b))
        test_sleep_ns(1000000);
    CHECK(wane__now() - begin >= SILENCE_NS); /* not earlier */
    wane__flushing_goes_on();
    silence();
    CHECK(!wane__flushing_other(&b)); /* nor later */
    CHECK(!wane__flushing_begin(&b)); /* it is still taken: the flush is in a callback */
    CHECK(seen_after(wane__flushing_goes_on, wane__flushing_other, &b)); /* and comes back */
    wane__flushing_end();
}

/* Said again and again it holds for many times the silence. */
TEST(going_on_keeps_it) {
    CHECK(wane__flushing_begin(&a));
    uint64_t begin = wane__now();
    while (wane__now() - begin < 5 * SILENCE_NS) {
        CHECK(seen_after(wane__flushing_goes_on, wane__flushing_other, &b));
        test_sleep_ns(SILENCE_NS / 10);
    }
    wane__flushing_end();
}

static void hold_again(void) {
    wane__flushing_goes_on();
    wane__flushing_hold_collections();
}

TEST(collections_are_held_on_request) {
    CHECK(wane__flushing_begin(&a));
    CHECK(!seen_after(wane__flushing_goes_on, wane__flushing_holds,
                      &b)); /* the claim alone holds none */
    CHECK(seen_after(hold_again, wane__flushing_holds, &b));
    CHECK(!seen_after(hold_again, wane__flushing_holds, &a)); /* its own may begin */
    silence();
    CHECK(!wane__flushing_holds(&b)); /* a flush in a callback holds none */
    CHECK(seen_after(wane__flushing_goes_on, wane__flushing_holds, &b));
    wane__flushing_end();
    CHECK(!wane__flushing_holds(&b));
    CHECK(wane__flushing_begin(&a)); /* and the next one begins without */
    CHECK(!seen_after(wane__flushing_goes_on, wane__flushing_holds, &b));
    wane__flushing_end();
    wane__flushing_hold_collections(); /* of nobody */
    CHECK(!wane__flushing_holds(&b));
    wane__flushing_end();
}

/* A flush that is at work for ever does not hold collections for ever. */
TEST(holding_ends_by_itself) {
    CHECK(wane__flushing_begin(&a));
    uint64_t before = wane__now();
    wane__flushing_hold_collections();
    uint64_t after = wane__now();
    bool early = false, held = true;
    while (wane__now() <= after + HOLD_NS) {
        held = seen_after(wane__flushing_goes_on, wane__flushing_holds, &b);
        early = early || (!held && wane__now() < before + HOLD_NS);
        test_sleep_ns(5000000);
    }
    CHECK(!early);
    CHECK(!seen_after(wane__flushing_goes_on, wane__flushing_holds, &b));
    CHECK(seen_after(wane__flushing_goes_on, wane__flushing_other, &b)); /* the claim goes on */
    CHECK(seen_after(hold_again, wane__flushing_holds, &b));             /* and may ask again */
    wane__flushing_end();
}

/* In the child of a fork there is one thread: the claim is its own, or that of one that is gone. */
TEST(the_child_of_a_fork) {
    CHECK(wane__flushing_begin(&a));
    wane__flushing_hold_collections();
    wane__flushing_fork_child(&a);
    CHECK(!wane__flushing_begin(&b));
    CHECK(seen_after(wane__flushing_goes_on, wane__flushing_other, &b));
    CHECK(seen_after(wane__flushing_goes_on, wane__flushing_holds, &b));
    wane__flushing_fork_child(&b);
    CHECK(!seen_after(wane__flushing_goes_on, wane__flushing_other, &b));
    CHECK(wane__flushing_begin(&b));
    CHECK(!seen_after(wane__flushing_goes_on, wane__flushing_holds,
                      &a));          /* what it held is forgotten */
    wane__flushing_fork_child(NULL); /* a thread that has no record */
    CHECK(wane__flushing_begin(&a));
    wane__flushing_end();
    wane__flushing_fork_child(&a); /* there was none */
}

static void flush_in_child(void *unused) {
    (void)unused;
    struct wane__record *r = wane__record_need("flushing");
    CHECK(!wane__flushing_other(r)); /* reset by the library's own handler */
    CHECK_EQ_INT(wane_flush_for(20000000000), 0);
}

TEST(a_child_flushes_though_its_parent_did) {
    (void)wane__record_need("flushing");
    CHECK(wane__flushing_begin(&a)); /* by a thread that the child does not have */
    check_in_child(flush_in_child, NULL);
    CHECK(!wane__flushing_begin(&b)); /* the parent's stands */
    wane__flushing_end();
}

/* Of all that try only one has it at a time, and each gets it. */
enum { THREADS = 6, TURNS = 3000 };
static struct wane__record claimants[THREADS];
static uint32_t xinside;

static void *claim(void *number) {
    struct wane__record *r = &claimants[(uintptr_t)number];
    for (int turns = 0; turns < TURNS;) {
        (void)wane__flushing_other(r);
        (void)wane__flushing_holds(r);
        if (!wane__flushing_begin(r)) {
            sched_yield();
            continue;
        }
        CHECK_EQ_UINT(add_relaxed(&xinside, 1u), 0);
        CHECK(!wane__flushing_other(r) && !wane__flushing_holds(r));
        wane__flushing_goes_on();
        wane__flushing_hold_collections();
        CHECK_EQ_UINT(sub_relaxed(&xinside, 1u), 1);
        wane__flushing_end();
        turns++;
    }
    return NULL;
}

TEST(threads_that_claim_at_once) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        claimants[i].id = (uint32_t)(2000 + i);
        CHECK_EQ_INT(pthread_create(&threads[i], NULL, claim, (void *)(uintptr_t)i), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        CHECK_EQ_INT(pthread_join(threads[i], NULL), 0);
}
