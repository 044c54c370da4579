/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * growth.c: how many bytes live, and when they have grown too much. No collection runs here: the
 * test measures the growth itself.
 */
#include "life/growth.h"

#include <pthread.h>
#include <stdlib.h>
#include <wane.h>

#include "harness.h"
#include "life/apply.h"
#include "os/clock.h"

__attribute__((constructor)) static void without_the_librarys_thread(void) {
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    CHECK_EQ_INT(wane_option_set("threshold0", 0), 0);
    CHECK_EQ_INT(wane_option_set("candidate_age_ms", 0), 0);
}

#define MIB ((int64_t)1 << 20)
#define LEAST (32 * MIB) /* growth that is none, however little lives */

static wane_type bytes_type = {.name = "bytes", .size = 8};
static wane_type node_type = {
    .name = "node", .size = 8, .slots = (const size_t[]){0, WANE_SLOTS_END}};

static struct wane__record *self(void) { return wane__record_need("growth"); }

static void *object(wane_type *t, size_t extra) {
    void *obj = wane_new_extra(t, extra);
    CHECK(obj != NULL);
    return obj;
}

/* Whatever was noted, by whomever: the sum must be nothing again. */
void test_teardown(void) {
    WANE__EACH_RECORD(r) store_relaxed(&r->xexternal, (int64_t)0);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_INT(wane__bytes_alive(), 0);
}

/* Runs fn(arg) on a thread of its own, to its end. Its record stays, with its sums. */
static void elsewhere(void *(*fn)(void *arg), void *arg) {
    pthread_t thread;
    CHECK_EQ_INT(pthread_create(&thread, NULL, fn, arg), 0);
    CHECK_EQ_INT(pthread_join(thread, NULL), 0);
}

TEST(bytes_follow_births_and_deaths) {
    enum { N = 2000 };
    static const size_t extras[] = {0, 10, 100, 1000, 20000, 100000};
    static wane_type *const types[] = {&bytes_type, &node_type};
    static void *all[N];
    const struct wane__record *r = self();
    int64_t want = wane__bytes_alive();
    int64_t ended = wane__bytes_ended(r);
    for (size_t i = 0; i < N; i++) {
        uint64_t born[2] = {r->births[0].xbytes, r->births[1].xbytes};
        /* Both kinds, and most births without extra bytes: those are made inline. */
        all[i] = object(types[i % 2], i % 10 == 0 ? extras[i / 10 % 6] : 0);
        want += (int64_t)wane_sizeof(all[i]);
        CHECK_EQ_INT(wane__bytes_alive(), want);
        CHECK_EQ_UINT(r->births[i % 2].xbytes - born[i % 2], wane_sizeof(all[i]));
        CHECK_EQ_UINT(r->births[1 - i % 2].xbytes, born[1 - i % 2]);
    }
    CHECK_EQ_INT(wane__bytes_ended(r), ended);
    for (size_t i = 0; i < N; i++) {
        uint64_t died[2] = {r->deaths[0].xbytes, r->deaths[1].xbytes};
        size_t size = wane_sizeof(all[i]);
        wane_release(all[i]);
        want -= (int64_t)size;
        ended += (int64_t)size;
        CHECK_EQ_INT(wane__bytes_alive(), want);
        CHECK_EQ_INT(wane__bytes_ended(r), ended);
        CHECK_EQ_UINT(r->deaths[i % 2].xbytes - died[i % 2], size);
        CHECK_EQ_UINT(r->deaths[1 - i % 2].xbytes, died[1 - i % 2]);
    }
}

/* What waits for its end does not live: in each of the queues, and among the dead. */
static void *make_for_another(void *ret) {
    *(void **)ret = object(&bytes_type, 5000);
    return NULL;
}

TEST(what_waits_for_its_end_does_not_live) {
    const struct wane__record *r = self();
    int64_t none = wane__bytes_alive();
    void *foreign;
    pthread_t thread;
    CHECK_EQ_INT(pthread_create(&thread, NULL, make_for_another, &foreign), 0);
    CHECK_EQ_INT(pthread_join(thread, NULL), 0);
    int64_t size = (int64_t)wane_sizeof(foreign), ended = wane__bytes_ended(r);
    CHECK_EQ_INT(wane__bytes_alive(), none + size);
    wane_release(foreign); /* kept: biased to a thread that has ended */
    CHECK_EQ_INT(wane__bytes_alive(), none);
    CHECK_EQ_INT(wane__bytes_ended(r), ended + size);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_INT(wane__bytes_alive(), none);
    CHECK_EQ_INT(wane__bytes_ended(r),
                 ended + size); /* once, not when it is kept and when it dies */

    wane_slot slot = WANE_SLOT_EMPTY;
    wane_slot_give(&slot, object(&bytes_type, 5000));
    CHECK_EQ_INT(wane__bytes_alive(), none + size);
    wane_slot_clear(&slot); /* deferred */
    CHECK_EQ_UINT(wane__units_waiting(r), 1);
    CHECK_EQ_INT(wane__bytes_alive(), none);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_INT(wane__bytes_alive(), none);

    void *left = object(&bytes_type, 5000);
    CHECK_EQ_INT(wane__bytes_alive(), none + size);
    wane_release_later(left); /* dead, and left to the collector thread */
    CHECK_EQ_INT(wane__bytes_alive(), none);
    CHECK_EQ_UINT(wane__dead_bytes(), (uint64_t)size);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(wane__dead_bytes(), 0);
    CHECK_EQ_INT(wane__bytes_alive(), none);
}

static void *note_on(void *bytes) {
    void *obj = object(&bytes_type, 0);
    wane_note_external(obj, *(ptrdiff_t *)bytes);
    wane_release(obj);
    return NULL;
}

/* Threads note what they like: the sum over all is never below zero, and never wraps. */
TEST(external_bytes_are_one_sum) {
    void *obj = object(&bytes_type, 0);
    int64_t none = wane__bytes_alive();
    wane_note_external(obj, 1000);
    wane_note_external(NULL, 5000);
    CHECK_EQ_UINT(wane__bytes_external(), 1000);
    CHECK_EQ_INT(wane__bytes_alive(), none + 1000);
    ptrdiff_t less = -400, much_less = -5000, more = 4400;
    elsewhere(note_on, &less); /* a thread that has ended still counts */
    CHECK_EQ_UINT(wane__bytes_external(), 600);
    elsewhere(note_on, &much_less);
    CHECK_EQ_UINT(wane__bytes_external(), 0);
    CHECK_EQ_INT(wane__bytes_alive(), none); /* not less than the objects */
    elsewhere(note_on, &more);               /* and what was below zero is not forgotten */
    CHECK_EQ_UINT(wane__bytes_external(), 0);
    wane_note_external(obj, 7);
    CHECK_EQ_UINT(wane__bytes_external(), 7);
    wane_release(obj);
}

TEST(external_bytes_saturate) {
    void *obj = object(&bytes_type, 0);
    const struct wane__record *r = self();
    ptrdiff_t most = PTRDIFF_MAX, least = PTRDIFF_MIN;
    wane_note_external(obj, most);
    CHECK_EQ_UINT(wane__bytes_external(), (uint64_t)INT64_MAX);
    wane_note_external(obj, 1); /* one thread's sum */
    wane_note_external(obj, most);
    CHECK_EQ_UINT(wane__bytes_external(), (uint64_t)INT64_MAX);
    CHECK_EQ_INT(wane__bytes_alive(), INT64_MAX);
    elsewhere(note_on, &most); /* that of all */
    CHECK_EQ_UINT(wane__bytes_external(), (uint64_t)INT64_MAX);
    CHECK_EQ_INT(wane__bytes_alive(), INT64_MAX);
    wane_note_external(obj, -most);
    CHECK_EQ_INT(r->xexternal, 0);
    wane_note_external(obj, least);
    wane_note_external(obj, -1);
    CHECK_EQ_INT(r->xexternal, INT64_MIN);
    CHECK_EQ_INT(wane__bytes_ended(r), INT64_MAX); /* all that was ever noted is gone, and more */
    CHECK_EQ_UINT(wane__bytes_external(), 0);
    elsewhere(note_on, &least);
    CHECK_EQ_UINT(wane__bytes_external(), 0);
    wane_release(obj);
}

TEST(noting_less_is_an_end) {
    void *obj = object(&bytes_type, 0);
    const struct wane__record *r = self();
    int64_t ended = wane__bytes_ended(r);
    wane_note_external(obj, 3000);
    CHECK_EQ_INT(wane__bytes_ended(r), ended - 3000);
    wane_note_external(obj, -1000);
    CHECK_EQ_INT(wane__bytes_ended(r), ended - 2000);
    wane_note_external(obj, -2000);
    CHECK_EQ_INT(wane__bytes_ended(r), ended);
    int64_t size = (int64_t)wane_sizeof(obj);
    wane_release(obj);
    CHECK_EQ_INT(wane__bytes_ended(r), ended + size);
}

/* From here on: when a collection is due. */

static void set_alive(void *obj, int64_t alive) {
    wane_note_external(obj, alive - wane__bytes_alive());
    CHECK_EQ_INT(wane__bytes_alive(), alive);
}

/* Growth is due above `limit` live bytes, and not before. */
static void check_limit(void *obj, int64_t limit) {
    set_alive(obj, limit);
    CHECK(!wane__growth_due());
    set_alive(obj, limit + 1);
    CHECK(wane__growth_due());
    set_alive(obj, 2 * limit);
    CHECK(wane__growth_due());
    set_alive(obj, limit / 2);
    CHECK(!wane__growth_due());
}

static void set_percent(int64_t percent) {
    CHECK_EQ_INT(wane_option_set("heap_growth_percent", percent), 0);
}

TEST(due_at_the_percentage) {
    void *obj = object(&bytes_type, 0);
    static const int64_t percents[] = {50, 100, 250, 10000};
    for (size_t i = 0; i < 4; i++) {
        set_percent(percents[i]);
        set_alive(obj, 400 * MIB);
        wane__growth_restart(400 * MIB, 0);
        CHECK(!wane__growth_due());
        check_limit(obj, 400 * MIB + 400 * MIB * percents[i] / 100);
    }
    set_percent(1); /* 4 MiB would be too little */
    set_alive(obj, 400 * MIB);
    wane__growth_restart(400 * MIB, 0);
    check_limit(obj, 400 * MIB + LEAST);
    set_percent(8); /* exactly as much */
    check_limit(obj, 400 * MIB + LEAST);
    set_percent(9);
    check_limit(obj, 400 * MIB + 36 * MIB);
    set_percent(100);
    wane_release(obj);
}

/* Measured from what lived when a collection began, less what it freed; and less if less lives. */
TEST(restart) {
    void *obj = object(&bytes_type, 0);
    set_percent(100);
    set_alive(obj, 500 * MIB);
    wane__growth_restart(400 * MIB, 100 * MIB); /* what came meanwhile is growth */
    check_limit(obj, 600 * MIB);
    set_alive(obj, 500 * MIB);
    wane__growth_restart(400 * MIB,
                         -100 * MIB); /* others noted more while it ran: nothing was freed */
    check_limit(obj, 800 * MIB);
    set_alive(obj, 500 * MIB);
    wane__growth_restart(400 * MIB, 900 * MIB); /* others noted less: below zero is zero */
    check_limit(obj, LEAST);
    set_alive(obj, 500 * MIB);
    wane__growth_restart(900 * MIB, 0);
    check_limit(obj, 1000 * MIB);
    set_alive(obj, 500 * MIB);
    wane__growth_restart(INT64_MIN, INT64_MAX);
    check_limit(obj, LEAST);
    wane_release(obj);
}

TEST(lower) {
    void *obj = object(&bytes_type, 0);
    set_percent(100);
    set_alive(obj, 500 * MIB);
    wane__growth_restart(500 * MIB, 0);
    set_alive(obj, 700 * MIB);
    wane__growth_lower(); /* never up */
    check_limit(obj, 1000 * MIB);
    set_alive(obj, 200 * MIB);
    check_limit(obj, 1000 * MIB); /* not by itself */
    set_alive(obj, 200 * MIB);
    wane__growth_lower();
    check_limit(obj, 400 * MIB);
    set_alive(obj, MIB);
    wane__growth_lower();
    check_limit(obj, MIB + LEAST);
    wane_release(obj);
}

TEST(sums_that_do_not_fit) {
    void *obj = object(&bytes_type, 0);
    set_percent(10000);
    wane_note_external(obj, PTRDIFF_MAX);
    wane__growth_restart(INT64_MAX, 0);
    CHECK(!wane__growth_due()); /* nothing is more than that */
    wane__growth_restart(INT64_MAX / 200,
                         0); /* times 10000 overflows, times 100 does not fit beside it */
    CHECK(wane__growth_due());
    set_percent(100);
    wane__growth_restart(INT64_MAX, -1);
    CHECK(!wane__growth_due());
    wane__growth_restart(0, 0);
    CHECK(wane__growth_due());
    wane_release(obj);
}

TEST(only_while_collections_start_by_themselves) {
    void *obj = object(&bytes_type, 0);
    set_percent(100);
    set_alive(obj, 0 + (int64_t)wane_sizeof(obj));
    wane__growth_restart(0, 0);
    set_alive(obj, 100 * MIB);
    CHECK(wane__growth_due());
    set_percent(0);
    CHECK(!wane__growth_due());
    set_percent(100);
    wane_gc_disable();
    CHECK(!wane__growth_due());
    wane_gc_enable();
    CHECK(wane__growth_due());
    wane_gc_pause();
    wane_gc_pause();
    CHECK(!wane__growth_due());
    wane_gc_resume();
    CHECK(!wane__growth_due());
    wane_gc_resume();
    CHECK(wane__growth_due());
    wane_release(obj);
}

/* A thread looks at the sums of all once a megabyte, not at every birth. */
TEST(a_thread_looks_now_and_then) {
    void *obj = object(&bytes_type, 0);
    struct wane__record *r = self();
    wane_release(object(&bytes_type, 600000)); /* all births so far are known of */
    r->grown = 0;
    wane_note_external(obj, (ptrdiff_t)WANE__GROWTH_LOOK - 1);
    CHECK_EQ_UINT(r->grown, WANE__GROWTH_LOOK - 1);
    wane_note_external(obj, -1000); /* what is given back starts nothing */
    CHECK_EQ_UINT(r->grown, WANE__GROWTH_LOOK - 1);
    wane_note_external(obj, 1);
    CHECK_EQ_UINT(r->grown, 0);
    void *large = object(&bytes_type, 600000);
    CHECK_EQ_UINT(r->grown, wane_sizeof(large));
    wane_release(large);
    wane_release(object(&bytes_type, 600000));
    CHECK_EQ_UINT(r->grown, 0);
    wane_release(obj);
}

/* What the next pages of a class will hold is not counted before it is made. */
TEST(growth_is_what_was_made) {
    enum { N = 3000 };
    static void *all[N + 1];
    struct wane__record *r = self();
    wane_release(object(&bytes_type, 600000));
    uint64_t before = r->births[0].xbytes;
    r->grown = 0;
    for (size_t i = 0; i < N; i++) {
        all[i] = object(&bytes_type, 0);
        CHECK(r->grown <= r->births[0].xbytes - before);
    }
    all[N] = object(&bytes_type, 1000); /* of no size that births know by heart: all are counted */
    CHECK_EQ_UINT(r->grown, r->births[0].xbytes - before);
    for (size_t i = 0; i <= N; i++)
        wane_release(all[i]);
}

/* Births that are held back. The collector's part is played by a record of a thread that has ended. */
static void *attach(void *ret) {
    *(struct wane__record **)ret = wane__record_need("growth");
    return NULL;
}

static uint64_t stalls(void) { return load_relaxed(&self()->xstalls); }

/* How often a thread that makes tracked objects of so many bytes in all is held back. */
static uint64_t held(uint64_t bytes, size_t extra) {
    enum { MOST = 100000 };
    static void *all[MOST];
    const struct wane__record *r = self();
    uint64_t before = r->births[1].xbytes, stalled = stalls();
    size_t n = 0;
    while (r->births[1].xbytes - before < bytes) {
        CHECK(n < MOST);
        all[n++] = object(&node_type, extra);
    }
    stalled = stalls() - stalled;
    while (n > 0)
        wane_release(all[--n]);
    return stalled;
}

struct holding {
    uint64_t stalls;
};
static void make_in_a_callback(void *arg) { ((struct holding *)arg)->stalls = held(MIB, 0); }

TEST(births_are_held_where_that_helps) {
    struct wane__record *collector;
    elsewhere(attach, &collector);
    CHECK(collector != self());
    CHECK_EQ_INT(wane_option_set("stall_limit_us", 4), 0);
    CHECK_EQ_UINT(held(MIB, 0), 0); /* no limit */
    store_relaxed(&wane__xtracked_limit, (int64_t)-1);
    CHECK_EQ_UINT(held(MIB, 0), 0); /* nobody collects */
    store_relaxed(&wane__xcollects, collector->id);
    uint64_t times = MIB / WANE__HOLD_EVERY;
    static const size_t extras[] = {0, 8, 1000, 30000};
    for (size_t i = 0; i < 4; i++) {
        uint64_t n = held(MIB, extras[i]); /* once for so many bytes, however they are made */
        CHECK_MSG(n >= times / 2 && n <= times + 1, "held %ju times, not %ju", (uintmax_t)n, (uintmax_t)times);
    }
    store_relaxed(&collector->xaway, true); /* in a callback, or waiting */
    CHECK_EQ_UINT(held(MIB, 0), 0);
    store_relaxed(&collector->xaway, false);
    CHECK(held(MIB, 0) > 0);
    wane_guard_enter();
    CHECK_EQ_UINT(held(MIB, 0), 0);
    wane_guard_leave();
    struct holding in_callback = {.stalls = 1};
    wane__call(self(), make_in_a_callback, &in_callback);
    CHECK_EQ_UINT(in_callback.stalls, 0);
    CHECK(!load_relaxed(&self()->xaway));
    store_relaxed(&wane__xtracked_limit, INT64_MAX);
    CHECK_EQ_UINT(held(MIB, 0), 0);
    store_relaxed(&wane__xcollects, 0u);
    CHECK_EQ_INT(wane_option_set("stall_limit_us", 1000), 0);
}

/* However many ask: what was added up stands for a hundred times as long as that took. */
TEST(tracked_objects_are_added_up_now_and_then) {
    void *obj = object(&node_type, 0);
    int64_t want = wane__tracked_alive();
    for (uint64_t end = wane__now() + 20000000000u; wane__tracked_lately() != want;)
        CHECK(wane__now() < end);
    wane_release(obj);
    for (uint64_t end = wane__now() + 20000000000u; wane__tracked_lately() != want - 1;)
        CHECK(wane__now() < end);
}

/* Threads that make, pass on, release and note: nothing is lost in the sums. */
enum { THREADS = 4, PLACES = 64, STEPS = 20000 };
static wane_slot places[PLACES];

static void *work(void *number) {
    test_rng rng = test_rng_make((uint64_t)(uintptr_t)number);
    void *obj = object(&bytes_type, 0);
    int64_t noted = 0;
    for (int i = 0; i < STEPS; i++) {
        wane_slot *place = &places[test_below(&rng, PLACES)];
        wane_type *t = test_below(&rng, 2) == 0 ? &bytes_type : &node_type;
        wane_release(wane_slot_swap(place, object(t, test_below(&rng, 300))));
        ptrdiff_t change = (ptrdiff_t)test_below(&rng, 2000) - 1000;
        wane_note_external(obj, change);
        noted += change;
        if (i % 100 == 0) {
            CHECK(wane__bytes_alive() >= 0);
            wane__growth_lower();
            (void)wane__growth_due();
        }
    }
    wane_note_external(obj, -noted);
    wane_release(obj);
    return NULL;
}

TEST(threads_at_once) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        CHECK_EQ_INT(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK_EQ_INT(pthread_join(threads[i], NULL), 0);
    int64_t sum = 0, live = 0;
    WANE__EACH_RECORD(r) sum += load_relaxed(&r->xexternal);
    CHECK_EQ_INT(sum, 0);
    CHECK_EQ_INT(wane_flush(), 0);
    for (size_t i = 0; i < PLACES; i++) {
        void *obj = wane_slot_load(&places[i]);
        live += (int64_t)wane_sizeof(obj);
        wane_release(obj);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_INT(wane__bytes_alive(), live);
    for (size_t i = 0; i < PLACES; i++)
        wane_slot_clear(&places[i]);
}
