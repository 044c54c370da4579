/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * park.c: units that their objects hold themselves, for want of room in a queue.
 */
#include "count/defer.h"

#include <sched.h>

#include "thread_util.h"

static unsigned deaths, finals;

static void note_death(void *unused) {
    (void)unused;
    add_relaxed(&deaths, 1u);
}

static void note_final(void *unused) {
    (void)unused;
    add_relaxed(&finals, 1u);
}

static wane_type noted_type = {.name = "noted", .size = 16, .destroy = note_death};
static wane_type final_type = {
    .name = "final", .size = 16, .finalize = note_final, .destroy = note_death};

static bool is_parked(const struct wane__header *h) {
    return wane__word_has(load_relaxed(&h->shared), WANE__PARKED);
}

static size_t count_of(const struct wane__header *h) { return wane_refcount(h + 1); }

/* All that is parked is taken out, and dies; what else is alive does not matter. */
static void sweep_and_flush(unsigned want_deaths) {
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(wane__parked(), 0);
    CHECK_EQ_UINT(wane__parked_bytes(), 0);
    CHECK_EQ_UINT(deaths, want_deaths);
    deaths = finals = 0;
}

/* The first unit is parked, the second is dropped at once, and the object lives by the first. */
static void check_own(bool merged) {
    struct wane__record *me = self();
    struct wane__header *h = object_new(&noted_type);
    wane_retain(h + 1);
    wane_retain(h + 1);
    if (merged)
        wane_share(h + 1);
    wane__park(me, h);
    CHECK(is_parked(h));
    CHECK_EQ_UINT(count_of(h), 3);
    CHECK_EQ_UINT(wane__parked(), 1);
    CHECK_EQ_UINT(wane__parked_bytes(), wane__heap_block_size(h));
    wane__park(me, h);
    wane__park(me, h);
    CHECK(is_parked(h));
    CHECK_EQ_UINT(count_of(h), 1);
    CHECK_EQ_UINT(wane__parked(), 1);
    CHECK_EQ_UINT(wane__unpark(me), 1);
    CHECK(!is_parked(h));
    CHECK_EQ_UINT(count_of(h), 1);
    CHECK_EQ_UINT(wane__parked(), 0);
    CHECK_EQ_UINT(wane__queue_length(&me->deferred), 1);
    CHECK_EQ_UINT(wane__unpark(me), 0);
    sweep_and_flush(1);
}

TEST(own_units) {
    check_own(false);
    check_own(true);
}

static void park_it(void *h) { wane__park(self(), h); }

/* A wave is not over while a unit of it is parked, or was and waits again: of what is in hand, of its wave. */
static void check_wave(bool in_hand) {
    struct wane__record *me = self();
    struct wane__header *h = object_new(&noted_type);
    uint64_t wave = wane__wave_now();
    if (in_hand) {
        wane__wave_begin(me, wave & 1);
        CHECK(!wane__wave_over(wave)); /* it has been cut now: what is new is of the next */
        me->wave = (uint8_t)(1 + (wave & 1));
        wane__park_new(me, object_new(&noted_type));
        CHECK_EQ_UINT(wane__parked_of((wave + 1) & 1), 1);
    }
    wane__park(me, h);
    CHECK_EQ_UINT(wane__parked_of(wave & 1), 1);
    if (in_hand) {
        me->wave = 0;
        wane__wave_end(me, wave & 1);
    }
    CHECK(!wane__wave_over(wave));
    CHECK_EQ_UINT(wane__unpark(me), in_hand ? 2 : 1);
    CHECK_EQ_UINT(wane__parked_of(wave & 1), 0);
    CHECK(!wane__wave_over(wave));
    CHECK_EQ_UINT(load_relaxed(&h->shared) & WANE__WAVE_FLAGS, 0);
    sweep_and_flush(in_hand ? 2 : 1);
    CHECK(wane__wave_over(wave));
}

TEST(parked_units_stay_of_their_wave) {
    check_wave(false);
    check_wave(true);
    check_wave(true); /* with the other parity */
}

/* Biased to another thread, with nothing in the shared count: the second unit needs a revocation. */
TEST(units_of_others) {
    struct worker w;
    worker_start(&w);
    struct wane__header *h = object_new(&noted_type);
    wane_retain(h + 1);
    worker_run(&w, park_it, h);
    CHECK(is_parked(h) && load_relaxed(&h->owner) == self()->id);
    worker_run(&w, park_it, h);
    CHECK(is_parked(h));
    CHECK_EQ_UINT(load_relaxed(&h->owner), WANE__OWNER_NONE);
    CHECK_EQ_UINT(count_of(h), 1);
    sweep_and_flush(1);
    worker_stop(&w);
}

TEST(finalizers_run_where_they_may) {
    struct wane__record *me = self();
    struct wane__header *h = object_new(&final_type);
    wane__park(me, h);
    CHECK_EQ_UINT(finals, 0);
    CHECK_EQ_UINT(wane__unpark(me), 1);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(finals, 1);
    sweep_and_flush(1);
}

/* A guard that was open when the unit was parked holds it, wherever it waits. */
TEST(a_guard_holds_what_is_parked) {
    struct worker w;
    worker_start(&w);
    struct wane__header *h = object_new(&noted_type);
    worker_run(&w, guard_enter, NULL);
    wane__park(self(), h);
    CHECK_EQ_UINT(wane__unpark(self()), 1);
    for (int i = 0; i < 5; i++)
        wane_poll();
    CHECK_EQ_UINT(deaths, 0);
    worker_run(&w, guard_leave, NULL);
    sweep_and_flush(1);
    worker_stop(&w);
}

/* Sizes from blocks to mappings: the flag is found in pages of each kind. */
TEST(objects_of_all_sizes) {
    static const size_t extras[] = {0, 1000, 40000, 200000, 8000000};
    enum { N = sizeof extras / sizeof *extras };
    for (unsigned i = 0; i < N; i++)
        wane__park(self(), wane__header_of(wane_new_extra(&noted_type, extras[i])));
    CHECK_EQ_UINT(wane__parked(), N);
    sweep_and_flush(N);
}

/* The child of a fork counts anew: a thread that vanished was in the middle of something. */
static void in_child(void *unused) {
    (void)unused;
    CHECK_EQ_UINT(wane__parked(), 2);
    sweep_and_flush(2);
}

TEST(counted_anew_in_a_child) {
    struct wane__header *a = object_new(&noted_type), *b = object_new(&noted_type);
    wane__park(self(), a);
    wane__park(self(), b);
    store_relaxed(&wane__page_of(a)->xparked, (uint8_t)0);
    add_relaxed(&wane__xparked_bytes, (uint64_t)4096); /* of a thread that vanished before it parked a unit */
    wane__park_fork_child();
    CHECK_EQ_UINT(wane__page_of(a)->xparked, 1);
    check_in_child(in_child, NULL);
    sweep_and_flush(2);
}

/* Threads park units of the same objects, while they take them out and apply them. */
enum { PARKERS = 3, OBJECTS = 300, UNITS = TEST_TSAN ? 20 : 200 };
static struct wane__header *shared[OBJECTS];
static unsigned parkers_left;

static void park_units(void *unused, unsigned number) {
    (void)unused;
    test_rng r = test_rng_make(number);
    struct wane__record *me = self();
    for (unsigned lap = 0; lap < UNITS; lap++) {
        for (unsigned i = 0; i < OBJECTS; i++) {
            wane__park(me, shared[i]);
            if (test_below(&r, 50) == 0)
                wane__unpark(me);
        }
        if (test_below(&r, 4) == 0)
            wane_poll();
        else if (test_below(&r, 4) == 0)
            sched_yield();
    }
    add_acq_rel(&parkers_left, -1u);
}

TEST(many_threads) {
    for (unsigned i = 0; i < OBJECTS; i++) {
        shared[i] = object_new(i % 2 == 0 ? &noted_type : &final_type);
        for (unsigned n = 1; n < PARKERS * UNITS; n++)
            wane_retain(shared[i] + 1);
    }
    parkers_left = PARKERS;
    crowd_run(PARKERS, park_units, NULL);
    CHECK_EQ_UINT(parkers_left, 0);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(finals, OBJECTS / 2);
    sweep_and_flush(OBJECTS);
}
