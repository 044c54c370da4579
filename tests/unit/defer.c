/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * defer.c: the queues of units that wait, and the batches that are taken out of them.
 *
 * The units are pointers to objects that the tests hold themselves: what is taken out of a batch is
 * not dropped, so that nothing but the queues moves.
 */
#include "count/defer.h"

#include <sched.h>

#include "count/wave.h"
#include "thread/grace.h"
#include "thread_util.h"

enum { MANY = 3000 };
static struct wane__header *h[MANY];
static struct wane__record *me;
static uint64_t size; /* of a block */

static void setup(unsigned n) {
    me = self();
    for (unsigned i = 0; i < n; i++) {
        h[i] = object_new(&leaf_type);
        ((struct leaf *)wane__payload_of(h[i]))->number = i;
    }
    size = wane__heap_block_size(h[0]);
    CHECK_EQ_UINT(wane__units_waiting(me), 0);
    CHECK_EQ_UINT(wane__bytes_waiting(me), 0);
}

static void leave(unsigned n) {
    CHECK_EQ_UINT(wane__units_waiting(me), 0);
    CHECK_EQ_UINT(wane__bytes_waiting(me), 0);
    for (unsigned i = 0; i < n; i++)
        wane_release(wane__payload_of(h[i]));
}

/* The batch of r holds h[from] and what follows it, in this order. */
static void expect_batch(struct wane__record *r, size_t n, unsigned from) {
    for (size_t i = 0; i < n; i++)
        CHECK_EQ_PTR(wane__batch_unit(r, i), h[from + i]);
    wane__batch_end(r);
}

static void empty(struct wane__queue *q) {
    while (wane__batch_kept(me, q, UINT64_MAX) > 0)
        wane__batch_end(me);
}

/* No guard is open: what was deferred before becomes safe. */
static void grace_period(void) {
    uint64_t begun = wane__grace_want();
    while (wane__grace_ended() <= begun)
        wane__grace_step();
}

TEST(what_waits) {
    setup(6);
    static const unsigned in_deferred = 1, in_kept = 2, in_handed = 3;
    unsigned n = 0;
    for (unsigned i = 0; i < in_deferred; i++)
        CHECK(wane__defer_unit(me, h[n++]));
    for (unsigned i = 0; i < in_kept; i++)
        CHECK(wane__keep_unit(me, h[n++]));
    for (unsigned i = 0; i < in_handed; i++)
        CHECK(wane__hand_unit(me, h[n++]));
    CHECK_EQ_UINT(wane__queue_length(&me->deferred), in_deferred);
    CHECK_EQ_UINT(wane__queue_length(&me->kept), in_kept);
    CHECK_EQ_UINT(wane__queue_length(&me->handed), in_handed);
    CHECK_EQ_UINT(wane__queue_bytes(&me->deferred), in_deferred * size);
    CHECK_EQ_UINT(wane__queue_bytes(&me->kept), in_kept * size);
    CHECK_EQ_UINT(wane__queue_bytes(&me->handed), in_handed * size);
    CHECK_EQ_UINT(wane__units_waiting(me), n);
    CHECK_EQ_UINT(wane__bytes_waiting(me), n * size);
    empty(&me->kept);
    CHECK_EQ_UINT(wane__units_waiting(me), n - in_kept);
    CHECK_EQ_UINT(wane__bytes_waiting(me), (n - in_kept) * size);
    empty(&me->handed);
    grace_period();
    CHECK_EQ_UINT(wane__batch_deferred(me, me, UINT64_MAX), in_deferred);
    expect_batch(me, in_deferred, 0);
    leave(6);
}

/* Bytes are those of each object, and not all objects have the same. */
TEST(bytes_of_large_objects) {
    setup(1);
    void *large = wane_new_extra(&leaf_type, 100000);
    uint64_t large_size = wane__heap_block_size(wane__header_of(large));
    CHECK(large_size >= 100000);
    CHECK(wane__keep_unit(me, wane__header_of(large)));
    CHECK(wane__keep_unit(me, h[0]));
    CHECK_EQ_UINT(wane__bytes_waiting(me), large_size + size);
    CHECK_EQ_UINT(wane__batch_kept(me, &me->kept, load_relaxed(&me->kept.xhead) + 1), 1);
    wane__batch_end(me);
    CHECK_EQ_UINT(wane__bytes_waiting(me), size);
    empty(&me->kept);
    wane_release(large);
    leave(1);
}

TEST(deferred_only_when_safe) {
    setup(8);
    wane_guard_enter(); /* holds the period */
    for (unsigned i = 0; i < 5; i++)
        CHECK(wane__defer_unit(me, h[i]));
    CHECK_EQ_INT(wane__grace_step(), WANE__GRACE_WAITING);
    CHECK_EQ_UINT(wane__deferred_ready(me), 0);
    CHECK_EQ_UINT(wane__batch_deferred(me, me, UINT64_MAX), 0);
    for (unsigned i = 5; i < 8; i++) /* too late for this period */
        CHECK(wane__defer_unit(me, h[i]));
    wane_guard_leave();
    wane__grace_step();
    CHECK_EQ_UINT(wane__deferred_ready(me), 5);
    CHECK_EQ_UINT(wane__batch_deferred(me, me, UINT64_MAX), 5);
    expect_batch(me, 5, 0);
    CHECK_EQ_UINT(wane__deferred_ready(me), 0);
    CHECK_EQ_UINT(wane__batch_deferred(me, me, UINT64_MAX), 0);
    CHECK_EQ_UINT(wane__units_waiting(me), 3);
    grace_period();
    CHECK_EQ_UINT(wane__batch_deferred(me, me, UINT64_MAX), 3);
    expect_batch(me, 3, 5);
    leave(8);
}

/* More than a batch, and than a segment of the queue: in order, each once, deferred ones fewer at a
 * time. */
TEST(many) {
    setup(MANY);
    for (unsigned i = 0; i < MANY; i++) {
        CHECK(wane__defer_unit(me, h[i]));
        CHECK(wane__keep_unit(me, h[i]));
    }
    CHECK_EQ_UINT(wane__bytes_waiting(me), 2 * MANY * size);
    CHECK_EQ_UINT(wane__batch_kept(me, &me->kept, UINT64_MAX), WANE__BATCH);
    expect_batch(me, WANE__BATCH, 0);
    size_t n, done = WANE__BATCH;
    while ((n = wane__batch_kept(me, &me->kept, UINT64_MAX)) > 0) {
        expect_batch(me, n, (unsigned)done);
        done += n;
    }
    CHECK_EQ_UINT(done, MANY);
    CHECK_EQ_UINT(wane__bytes_waiting(me), MANY * size);
    grace_period();
    done = 0;
    while ((n = wane__batch_deferred(me, me, UINT64_MAX)) > 0) {
        CHECK(n < WANE__BATCH);
        expect_batch(me, n, (unsigned)done);
        done += n;
    }
    CHECK_EQ_UINT(done, MANY);
    leave(MANY);
}

TEST(kept_below_a_limit) {
    setup(10);
    for (unsigned i = 0; i < 10; i++)
        CHECK(wane__keep_unit(me, h[i]));
    uint64_t begin = load_relaxed(&me->kept.xhead);
    CHECK_EQ_UINT(wane__batch_kept(me, &me->kept, begin), 0);
    CHECK_EQ_UINT(wane__batch_kept(me, &me->kept, begin + 4), 4);
    expect_batch(me, 4, 0);
    CHECK_EQ_UINT(wane__batch_kept(me, &me->kept, begin + 4), 0);
    CHECK_EQ_UINT(wane__batch_kept(me, &me->kept, begin + 7), 3);
    expect_batch(me, 3, 4);
    CHECK_EQ_UINT(wane__batch_kept(me, &me->kept, UINT64_MAX), 3);
    expect_batch(me, 3, 7);
    leave(10);
}

TEST(units_leave_a_batch_once) {
    setup(3);
    for (unsigned i = 0; i < 3; i++)
        CHECK(wane__keep_unit(me, h[i]));
    CHECK_EQ_UINT(wane__batch_kept(me, &me->kept, UINT64_MAX), 3);
    CHECK_EQ_PTR(wane__batch_unit(me, 1), h[1]);
    CHECK_EQ_PTR(wane__batch_unit(me, 1), NULL);
    CHECK_EQ_PTR(wane__batch_unit(me, 0), h[0]);
    CHECK_EQ_PTR(wane__batch_unit(me, 2), h[2]);
    CHECK_EQ_PTR(wane__batch_unit(me, 2), NULL);
    wane__batch_end(me);
    leave(3);
}

/* A frame further down the stack works on the batch, or another thread takes from the queue:
 * nothing is taken, or lost. */
TEST(busy) {
    setup(6);
    for (unsigned i = 0; i < 6; i++)
        CHECK(wane__keep_unit(me, h[i]));
    uint64_t begin = load_relaxed(&me->kept.xhead);
    CHECK_EQ_UINT(wane__batch_kept(me, &me->kept, begin + 2), 2);
    CHECK_EQ_UINT(wane__batch_kept(me, &me->kept, UINT64_MAX), 0);
    CHECK_EQ_UINT(wane__units_waiting(me), 4);
    expect_batch(me, 2, 0);
    CHECK(wane__queue_trylock(&me->kept));
    CHECK_EQ_UINT(wane__batch_kept(me, &me->kept, UINT64_MAX), 0);
    wane__queue_unlock(&me->kept);
    /* Nothing there: the batch is not busy afterwards, and the queue is not locked. */
    CHECK_EQ_UINT(wane__batch_kept(me, &me->kept, begin + 2), 0);
    CHECK_EQ_UINT(load_relaxed(&me->xbatch_n), 0);
    CHECK_EQ_UINT(wane__batch_kept(me, &me->kept, UINT64_MAX), 4);
    expect_batch(me, 4, 2);
    leave(6);
}

/* Who takes units has a frame of their wave until the batch ends. */
TEST(frames_of_a_batch) {
    setup(2);
    unsigned parity = (unsigned)load_relaxed(&wane__xwave) & 1;
    uint64_t begun = load_relaxed(&me->xbegun[parity]), other = load_relaxed(&me->xbegun[!parity]);
    CHECK_EQ_UINT(load_relaxed(&me->xended[parity]), begun);
    CHECK(wane__keep_unit(me, h[0]));
    CHECK(wane__keep_unit(me, h[1]));
    CHECK_EQ_UINT(load_relaxed(&me->xbegun[parity]), begun); /* not while they are in the queue */
    CHECK_EQ_UINT(wane__batch_kept(me, &me->kept, UINT64_MAX), 2);
    CHECK_EQ_UINT(load_relaxed(&me->xbegun[parity]), begun + 1);
    CHECK_EQ_UINT(load_relaxed(&me->xended[parity]), begun);
    wane__batch_end(me);
    CHECK_EQ_UINT(load_relaxed(&me->xended[parity]), begun + 1);
    CHECK_EQ_UINT(load_relaxed(&me->xbegun[!parity]), other);
    leave(2);
}

/* Words that say their wave themselves, beside others: those of even waves come first, and each wave has a frame. */
TEST(waves_of_a_batch) {
    setup(6);
    unsigned parity = (unsigned)load_relaxed(&wane__xwave) & 1;
    uint64_t begun[2] = {load_relaxed(&me->xbegun[0]), load_relaxed(&me->xbegun[1])};
    static const bool inherits[6] = {false, true, true, false, true, false};
    for (unsigned i = 0; i < 6; i++) { /* as if the wave before were being waited for */
        me->wave = inherits[i] ? (uint8_t)(1 + !parity) : 0;
        CHECK(i % 3 == 2 ? wane__hand_unit(me, h[i]) : wane__keep_unit(me, h[i]));
    }
    me->wave = 0;
    CHECK_EQ_UINT(me->kept.xinherited[!parity], load_relaxed(&me->kept.xtail));
    CHECK_EQ_UINT(wane__batch_kept(me, &me->kept, UINT64_MAX), 4);
    CHECK_EQ_UINT(me->xbatch_split, 2);
    bool seen[6] = {false};
    for (size_t i = 0; i < 4; i++) {
        size_t n = ((struct leaf *)wane__payload_of(wane__batch_unit(me, i)))->number;
        seen[n] = true;
        CHECK_EQ_UINT(i >= 2, inherits[n] ? !parity : parity);
    }
    CHECK(seen[0] && seen[1] && seen[3] && seen[4]);
    for (unsigned i = 0; i < 2; i++)
        CHECK_EQ_UINT(load_relaxed(&me->xbegun[i]), begun[i] + 1);
    wane__batch_end(me);
    for (unsigned i = 0; i < 2; i++)
        CHECK_EQ_UINT(load_relaxed(&me->xended[i]), begun[i] + 1);
    CHECK_EQ_UINT(wane__batch_kept(me, &me->handed, UINT64_MAX), 2);
    wane__batch_end(me);
    leave(6);
}

/* The test plays the collector thread, which has announced its sleep. */
static bool woken(void) {
    uint32_t asleep = WANE__ASLEEP;
    bool was = load_relaxed(&wane__xasleep) != asleep;
    store_relaxed(&wane__xasleep, asleep);
    return was;
}

TEST(who_adds_wakes) {
    setup(4);
    uint32_t state = load_relaxed(&wane__xasleep);
    (void)woken();
    CHECK(wane__defer_unit(me, h[0]) && woken());
    CHECK(wane__keep_unit(me, h[1]) && woken());
    CHECK(wane__hand_unit(me, h[2]) && woken());
    wane__keep_silently(me, h[3]);
    CHECK(!woken());
    store_relaxed(&wane__xasleep, state);
    CHECK_EQ_UINT(wane__queue_length(&me->kept), 2);
    empty(&me->kept);
    empty(&me->handed);
    grace_period();
    CHECK_EQ_UINT(wane__batch_deferred(me, me, UINT64_MAX), 1);
    wane__batch_end(me);
    leave(4);
}

/*
 * What a thread had in its batch when it vanished is kept by its record, but for what it had taken
 * out, and nothing is doubled that its queue still holds. The test plays both that thread and the
 * child.
 */
TEST(batches_of_vanished_threads) {
    setup(6);
    struct wane__record *gone = other_record();
    for (unsigned i = 0; i < 6; i++)
        CHECK(wane__keep_unit(gone, h[i]));
    CHECK_EQ_UINT(wane__batch_kept(gone, &gone->kept, load_relaxed(&gone->kept.xhead) + 4), 4);
    CHECK_EQ_PTR(wane__batch_unit(gone, 1), h[1]);
    wane__defer_fork_child(me);
    CHECK_EQ_UINT(gone->xbatch_n, 0);
    /* As the child does it with its frames. */
    for (int i = 0; i < 2; i++)
        store_relaxed(&gone->xended[i], load_relaxed(&gone->xbegun[i]));
    CHECK_EQ_UINT(wane__batch_kept(gone, &gone->kept, UINT64_MAX), 5);
    static const unsigned order[] = {4, 5, 0, 2, 3};
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ_PTR(wane__batch_unit(gone, i), h[order[i]]);
    wane__batch_end(gone);
    CHECK_EQ_UINT(wane__bytes_waiting(gone), 0);
    /* As when it vanished with the words taken, and their bytes not. */
    CHECK(wane__keep_unit(gone, h[0]));
    CHECK_EQ_UINT(wane__batch_kept(gone, &gone->kept, UINT64_MAX), 1);
    gone->kept.xbytes_done -= wane__heap_block_size(h[0]);
    wane__defer_fork_child(me);
    for (int i = 0; i < 2; i++)
        store_relaxed(&gone->xended[i], load_relaxed(&gone->xbegun[i]));
    CHECK_EQ_UINT(wane__bytes_waiting(gone), wane__heap_block_size(h[0]));
    CHECK_EQ_UINT(wane__batch_kept(gone, &gone->kept, UINT64_MAX), 1);
    wane__batch_end(gone);
    /* As when it vanished before the queue had let go of them. */
    CHECK(wane__keep_unit(gone, h[0]));
    gone->xbatch[0] = (uintptr_t)h[0];
    gone->xbatch_of = &gone->kept;
    gone->xbatch_at = load_relaxed(&gone->kept.xhead);
    gone->xbatch_n = 1;
    wane__defer_fork_child(me);
    CHECK_EQ_UINT(wane__queue_length(&gone->kept), 1);
    CHECK_EQ_UINT(gone->xbatch_n, 0);
    CHECK_EQ_UINT(wane__batch_kept(gone, &gone->kept, UINT64_MAX), 1);
    wane__batch_end(gone);
    CHECK_EQ_UINT(wane__units_waiting(gone), 0);
    CHECK_EQ_UINT(wane__bytes_waiting(gone), 0);
    leave(6);
}

/*
 * Of a wave whose next step a vanished thread would have made: a unit that it had announced, and not yet pushed; a collection
 * that it was beginning, or ending. A flush in the child waits for neither.
 */
static void flush_in_child(void *unused) {
    (void)unused;
    CHECK_EQ_INT(wane_flush_for(20 * (int64_t)1000000000), 0);
}

TEST(flush_without_vanished_threads) {
    if (TEST_TSAN)
        SKIP("ThreadSanitizer does not follow a thread into the child");
    struct worker w;
    worker_start(&w);
    struct wane__queue *q = &w.record->kept;
    for (int i = 0; i < 2; i++)
        store_relaxed(&q->xinherited[i], load_relaxed(&q->xtail) + 1);
    check_in_child(flush_in_child, NULL);
    for (int i = 0; i < 2; i++)
        store_relaxed(&q->xinherited[i], load_relaxed(&q->xtail));
    wane__wave_collection_begin();
    check_in_child(flush_in_child, NULL);
    wane__wave_collection_end();
    worker_stop(&w);
}

/* One thread adds, others take from its queues meanwhile: each unit is taken once, and in the end
 * no bytes wait. */
enum { TAKERS = 2, OBJECTS = 500, LAPS = TEST_TSAN ? 4 : 20 };
static unsigned taken_deferred[OBJECTS], taken_kept[OBJECTS];
static bool added;
static struct wane__record *adder;

static void count_batch(struct wane__record *r, size_t n, unsigned *taken) {
    for (size_t i = 0; i < n; i++) {
        struct wane__header *unit = wane__batch_unit(r, i);
        CHECK(unit != NULL);
        add_relaxed(&taken[((struct leaf *)wane__payload_of(unit))->number], 1u);
    }
    if (n > 0)
        wane__batch_end(r);
}

static void take_all(struct wane__record *r) {
    for (;;) {
        bool last = load_acquire(&added);
        wane__grace_step();
        size_t a = wane__batch_deferred(r, adder, UINT64_MAX);
        count_batch(r, a, taken_deferred);
        size_t b = wane__batch_kept(r, &adder->kept, UINT64_MAX);
        count_batch(r, b, taken_kept);
        if (last && wane__units_waiting(adder) == 0)
            return;
        if (a + b == 0)
            sched_yield();
    }
}

static void add_or_take(void *unused, unsigned number) {
    (void)unused;
    struct wane__record *r = self();
    if (number < TAKERS) {
        while (load_acquire(&adder) == NULL)
            sched_yield();
        take_all(r);
        return;
    }
    store_release(&adder, r);
    for (unsigned i = 0; i < LAPS * OBJECTS; i++) {
        CHECK(wane__defer_unit(r, h[i % OBJECTS]));
        CHECK(wane__keep_unit(r, h[i % OBJECTS]));
    }
    store_release(&added, true);
}

TEST(taken_by_others) {
    setup(OBJECTS);
    crowd_run(TAKERS + 1, add_or_take, NULL);
    for (unsigned i = 0; i < OBJECTS; i++) {
        CHECK_EQ_UINT(taken_deferred[i], LAPS);
        CHECK_EQ_UINT(taken_kept[i], LAPS);
    }
    CHECK_EQ_UINT(wane__bytes_waiting(adder), 0);
    leave(OBJECTS);
}
