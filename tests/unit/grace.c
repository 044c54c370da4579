/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * grace.c: grace periods step by step, with threads that sit in a guard or a bracket for as long as
 * the test wants; what waits for the periods; and readers and writers that run.
 */
#include "thread/grace.h"

#include <sched.h>
#include <string.h>

#include "count/defer.h"
#include "thread_util.h"

enum { LOOKS = 5 };

/* Whether the period that was wanted when `begun` was read has ended, after some steps that may end
 * it. */
static bool ended(uint64_t begun) {
    for (unsigned i = 0; i < LOOKS; i++)
        (void)wane__grace_step();
    return wane__grace_ended() > begun;
}

static void end_all(void) {
    while (wane__grace_step() != WANE__GRACE_IDLE)
        continue;
    CHECK_EQ_UINT(wane__grace_ended(), wane__grace_begun());
}

TEST(only_when_wanted) {
    (void)self();
    end_all();
    uint64_t begun = wane__grace_begun(), epoch = load_relaxed(&wane__epoch);
    CHECK_EQ_INT(wane__grace_step(), WANE__GRACE_IDLE);
    CHECK_EQ_UINT(wane__grace_begun(), begun);
    CHECK_EQ_UINT(load_relaxed(&wane__epoch), epoch);
    CHECK_EQ_UINT(wane__grace_want(), begun);
    CHECK_EQ_UINT(wane__grace_ended(), begun);
    (void)wane__grace_step();
    CHECK_EQ_UINT(wane__grace_begun(), begun + 1);
    CHECK_EQ_UINT(wane__grace_ended(), begun + 1);
    CHECK_EQ_UINT(load_relaxed(&wane__epoch), epoch + 1);
    CHECK_EQ_INT(wane__grace_step(), WANE__GRACE_IDLE);
}

/* Who has the lock is not waited for. */
TEST(one_steps) {
    (void)self();
    end_all();
    uint64_t begun = wane__grace_want();
    wane__grace_fork_prepare();
    CHECK_EQ_INT(wane__grace_step(), WANE__GRACE_BUSY);
    CHECK_EQ_UINT(wane__grace_begun(), begun);
    wane__grace_fork_parent();
    CHECK(ended(begun));
}

TEST(a_guard_holds_the_period) {
    struct worker early, later;
    worker_start(&early);
    worker_start(&later);
    worker_run(&early, guard_enter, NULL);
    uint64_t begun = wane__grace_want();
    CHECK(!ended(begun));
    CHECK_EQ_INT(wane__grace_step(), WANE__GRACE_WAITING);
    CHECK_EQ_UINT(wane__grace_begun(), begun + 1);
    worker_run(&later, guard_enter, NULL); /* holds the next one only */
    CHECK(!ended(begun));
    worker_run(&early, guard_leave, NULL);
    CHECK(ended(begun));
    begun = wane__grace_want();
    CHECK(!ended(begun));
    worker_run(&later, guard_leave, NULL);
    CHECK(ended(begun));
    worker_stop(&early);
    worker_stop(&later);
}

/* The outermost guard counts, from its own beginning on; a new one is another. */
TEST(guards_nest) {
    struct worker w;
    worker_start(&w);
    worker_run(&w, guard_enter, NULL);
    worker_run(&w, guard_enter, NULL);
    uint64_t begun = wane__grace_want();
    CHECK(!ended(begun));
    worker_run(&w, guard_leave, NULL);
    CHECK(!ended(begun));
    worker_run(&w, guard_enter, NULL);
    CHECK(!ended(begun));
    worker_run(&w, guard_leave, NULL);
    worker_run(&w, guard_leave, NULL);
    worker_run(&w, guard_enter, NULL);
    CHECK(ended(begun));
    worker_run(&w, guard_leave, NULL);
    worker_stop(&w);
}

TEST(a_thread_that_ends_in_a_guard) {
    struct worker w;
    worker_start(&w);
    worker_run(&w, guard_enter, NULL);
    uint64_t begun = wane__grace_want();
    CHECK(!ended(begun));
    worker_stop(&w);
    CHECK(ended(begun));
}

TEST(a_bracket_holds_the_period) {
    struct worker w, later;
    worker_start(&w);
    worker_start(&later);
    worker_run(&w, bracket_enter, NULL);
    uint64_t begun = wane__grace_want();
    CHECK(!ended(begun));
    /* Seen clear once is enough: what it does afterwards began after the period. */
    worker_run(&later, bracket_enter, NULL);
    worker_run(&w, bracket_leave, NULL);
    CHECK(ended(begun));
    worker_run(&later, bracket_leave, NULL);
    worker_stop(&w);
    worker_stop(&later);
}

/* Without steps nothing ends, and a wish during a period is one for the next. */
TEST(a_wish_under_way) {
    struct worker w;
    worker_start(&w);
    end_all();
    worker_run(&w, guard_enter, NULL);
    uint64_t first = wane__grace_want();
    CHECK(!ended(first));
    uint64_t second = wane__grace_want();
    CHECK_EQ_UINT(second, first + 1);
    worker_run(&w, guard_leave, NULL);
    CHECK_EQ_UINT(wane__grace_ended(), first);
    (void)wane__grace_step();
    CHECK_EQ_UINT(wane__grace_ended(), first + 1);
    CHECK(ended(second));
    worker_stop(&w);
}

TEST(brackets_clear) {
    struct worker a, b;
    worker_start(&a);
    worker_start(&b);
    wane__heavy();
    CHECK(wane__brackets_clear());
    worker_run(&b, guard_enter, NULL); /* not waited for here */
    worker_run(&a, bracket_enter, NULL);
    wane__heavy();
    CHECK(!wane__brackets_clear());
    CHECK(!wane__bracket_clear(a.record->id));
    CHECK(wane__bracket_clear(b.record->id));
    CHECK(wane__bracket_clear(WANE__ID_LIMIT - 1)); /* nobody's */
    worker_run(&b, bracket_enter, NULL);
    worker_run(&a, bracket_leave, NULL);
    wane__heavy();
    CHECK(wane__bracket_clear(a.record->id));
    CHECK(!wane__bracket_clear(b.record->id));
    CHECK(!wane__brackets_clear());
    worker_run(&b, bracket_leave, NULL);
    wane__heavy();
    CHECK(wane__brackets_clear());
    CHECK(wane__bracket_wait());
    worker_run(&b, guard_leave, NULL);
    worker_stop(&a);
    worker_stop(&b);
}

static bool is_out, waits;

/* Long enough that who does not wait is nearly always found out; never too short for who does. */
static void leave_when_waited_for(void *unused) {
    while (!load_acquire(&waits))
        sched_yield();
    test_sleep_ns(2000000);
    store_release(&is_out, true);
    bracket_leave(unused);
}

TEST(bracket_wait_waits) {
    struct worker w;
    worker_start(&w);
    for (unsigned i = 0; i < 5; i++) {
        store_relaxed(&is_out, false);
        store_relaxed(&waits, false);
        worker_run(&w, bracket_enter, NULL);
        worker_begin(&w, leave_when_waited_for, NULL);
        store_release(&waits, true);
        CHECK(wane__bracket_wait());
        CHECK(load_acquire(&is_out));
        worker_wait(&w);
    }
    worker_stop(&w);
}

/* A position is safe when a period has ended that began after the push, whoever pushed. */
TEST(deferred_positions) {
    struct wane__record *me = self();
    struct worker w;
    struct wane__header *h = object_new(&leaf_type);
    end_all();
    worker_start(&w);
    worker_run(&w, guard_enter, NULL);
    CHECK(wane__defer_unit(me, h));
    CHECK(wane__defer_unit(me, h));
    uint64_t tail = load_relaxed(&me->deferred.xtail);
    CHECK_EQ_INT(wane__grace_step(), WANE__GRACE_WAITING); /* begins without being asked */
    CHECK(wane__defer_unit(me, h));
    for (unsigned i = 0; i < LOOKS; i++)
        (void)wane__grace_step();
    CHECK_EQ_UINT(load_relaxed(&me->deferred.xsafe), tail - 2);
    worker_run(&w, guard_leave, NULL);
    (void)wane__grace_step();
    CHECK_EQ_UINT(load_relaxed(&me->deferred.xsafe), tail);
    (void)wane__grace_step();
    CHECK_EQ_UINT(load_relaxed(&me->deferred.xsafe), tail + 1);
    CHECK_EQ_INT(wane__grace_step(), WANE__GRACE_IDLE);
    worker_stop(&w);
    CHECK_EQ_UINT(wane__batch_deferred(me, me, UINT64_MAX), 3);
    wane__batch_end(me);
    wane_release(wane__payload_of(h));
}

/* Functions. The tests take the place of lib/life and call none. */
static bool begin_turn(uint32_t id) {
    if (!wane__calls_begin(id))
        return false;
    while (wane__calls_turn_some()) {
    }
    return true;
}

TEST(calls_in_order_and_once) {
    enum { CALLS = 5 };
    wane_defer_node node[CALLS + 1];
    struct worker w;
    worker_start(&w);
    end_all();
    worker_run(&w, guard_enter, NULL);
    for (unsigned i = 0; i < CALLS; i++)
        wane__calls_add(&node[i]);
    CHECK_EQ_UINT(wane__calls_waiting(), CALLS);
    CHECK_EQ_INT(wane__grace_step(), WANE__GRACE_WAITING);
    wane__calls_add(&node[CALLS]); /* too late for this period */
    CHECK(!wane__calls_due());
    CHECK(begin_turn(self()->id));
    CHECK(!wane__calls_begin(w.record->id));
    CHECK_EQ_PTR(wane__calls_next(), NULL);
    CHECK(wane__calls_due()); /* somebody may be in the middle of one */
    wane__calls_end();
    worker_run(&w, guard_leave, NULL);
    (void)wane__grace_step();
    CHECK(wane__calls_due());
    CHECK(begin_turn(w.record->id));
    for (unsigned i = 0; i < CALLS; i++) {
        CHECK_EQ_PTR(wane__calls_next(), &node[i]);
        CHECK_EQ_UINT(wane__calls_waiting(), CALLS + 1 - i);
        wane__calls_done();
    }
    CHECK_EQ_PTR(wane__calls_next(), NULL);
    CHECK_EQ_UINT(wane__calls_waiting(), 1);
    wane__calls_end();
    CHECK(!wane__calls_due());
    end_all();
    CHECK(begin_turn(self()->id));
    CHECK_EQ_PTR(wane__calls_next(), &node[CALLS]);
    wane__calls_done();
    CHECK_EQ_PTR(wane__calls_next(), NULL);
    wane__calls_end();
    CHECK_EQ_UINT(wane__calls_waiting(), 0);
    worker_stop(&w);
}

/* Whoever goes on where another ended its turn begins with the function that was next. */
TEST(calls_left_by_a_turn) {
    wane_defer_node node[3];
    for (unsigned i = 0; i < 3; i++)
        wane__calls_add(&node[i]);
    end_all();
    for (unsigned i = 0; i < 3; i++) {
        CHECK(begin_turn(self()->id));
        CHECK_EQ_PTR(wane__calls_next(), &node[i]);
        wane__calls_done();
        wane__calls_end();
    }
    CHECK(begin_turn(self()->id));
    CHECK_EQ_PTR(wane__calls_next(), NULL);
    wane__calls_end();
    CHECK_EQ_UINT(wane__calls_waiting(), 0);
}

/* Many are put in order by portions, over several turns; none runs before all are. */
TEST(many_calls_in_portions) {
    enum { MANY = 5000 };
    static wane_defer_node node[MANY];
    unsigned portions = 0;
    for (unsigned i = 0; i < MANY; i++)
        wane__calls_add(&node[i]);
    end_all();
    CHECK(wane__calls_begin(self()->id));
    while (wane__calls_turn_some()) {
        CHECK_EQ_PTR(wane__calls_next(), NULL);
        CHECK(wane__calls_due());
        wane__calls_end();
        CHECK(wane__calls_begin(self()->id));
        portions++;
    }
    CHECK(portions > 1);
    for (unsigned i = 0; i < MANY; i++) {
        CHECK_EQ_PTR(wane__calls_next(), &node[i]);
        wane__calls_done();
    }
    wane__calls_end();
    CHECK(!wane__calls_due());
}

/* Those of later periods wait, in order, until those before them were taken; periods are not begun in vain for them. */
TEST(calls_wait_for_those_before) {
    wane_defer_node node[3];
    for (unsigned i = 0; i < 3; i++) {
        wane__calls_add(&node[i]);
        end_all();
    }
    uint64_t begun = wane__grace_begun();
    CHECK_EQ_INT(wane__grace_step(), WANE__GRACE_IDLE);
    CHECK_EQ_UINT(wane__grace_begun(), begun);
    for (unsigned i = 0; i < 3; i++) {
        end_all();
        CHECK(begin_turn(self()->id));
        CHECK_EQ_PTR(wane__calls_next(), &node[i]);
        wane__calls_done();
        CHECK_EQ_PTR(wane__calls_next(), NULL);
        wane__calls_end();
    }
    CHECK_EQ_UINT(wane__calls_waiting(), 0);
}

/* Takes one of the blocks that are due, and only one. */
static struct wane__header *take_due(struct wane__record *r) {
    if (!wane__blocks_begin(r))
        return NULL;
    struct wane__header *h = wane__blocks_next(r);
    wane__blocks_end(r);
    return h;
}

TEST(blocks) {
    struct wane__header *h[2] = {object_new(&leaf_type), object_new(&leaf_type)}, alive = *h[0];
    struct wane__record *r = wane__record_self();
    size_t size = wane__heap_block_size(h[0]);
    struct worker w;
    worker_start(&w);
    end_all();
    CHECK_EQ_UINT(wane__blocks_bytes(), 0);
    worker_run(&w, guard_enter, NULL);
    wane__blocks_add(r, h[0]);
    CHECK_EQ_UINT(wane__blocks_bytes(), size);
    CHECK_EQ_INT(wane__grace_step(), WANE__GRACE_WAITING);
    wane__blocks_add(r, h[1]);
    CHECK_EQ_UINT(wane__blocks_bytes(), 2 * size);
    CHECK_EQ_PTR(take_due(r), NULL);
    worker_run(&w, guard_leave, NULL);
    (void)wane__grace_step();
    CHECK_EQ_PTR(take_due(r), h[0]);
    CHECK_EQ_PTR(take_due(r), NULL);
    CHECK_EQ_UINT(wane__blocks_bytes(), size);
    end_all();
    CHECK_EQ_PTR(take_due(r), h[1]);
    CHECK_EQ_PTR(take_due(r), NULL);
    CHECK_EQ_UINT(wane__blocks_bytes(), 0);
    worker_stop(&w);
    for (unsigned i = 0; i < 2; i++) {
        *h[i] = alive;
        wane_release(wane__payload_of(h[i]));
    }
}

/* What may be freed waits while others are due, and periods that begin meanwhile take nothing else for it. */
TEST(blocks_in_turn) {
    struct wane__header *h[4], alive = {0};
    struct wane__record *r = wane__record_self();
    end_all();
    for (unsigned i = 0; i < 4; i++) {
        h[i] = object_new(&leaf_type);
        alive = *h[0];
    }
    for (unsigned i = 0; i < 4; i += 2) {
        wane__blocks_add(r, h[i]);
        wane__blocks_add(r, h[i + 1]);
        end_all();
    }
    CHECK_EQ_PTR(take_due(r), h[1]);
    end_all();
    CHECK_EQ_INT(wane__grace_step(), WANE__GRACE_IDLE);
    CHECK_EQ_PTR(take_due(r), h[0]);
    CHECK_EQ_PTR(take_due(r), h[3]); /* due as soon as nothing else is: no period ended since */
    CHECK_EQ_PTR(take_due(r), h[2]);
    CHECK_EQ_PTR(take_due(r), NULL);
    CHECK_EQ_UINT(wane__blocks_bytes(), 0);
    for (unsigned i = 0; i < 4; i++) {
        *h[i] = alive;
        wane_release(wane__payload_of(h[i]));
    }
}

/* A guard that is waited for is seen, and named once when it is old. */
static unsigned warnings;
static void count_warning(int level, const char *line, void *arg) {
    CHECK_EQ_INT(level, WANE_LOG_WARNING);
    CHECK_MSG(strstr(line, "has been inside a guard for") != NULL, "%s", line);
    CHECK_EQ_PTR(arg, &warnings);
    warnings++;
}

static void look_at_old_guard(struct worker *w) {
    uint64_t begun = wane__grace_want();
    worker_run(w, guard_enter, NULL);
    CHECK(!ended(begun));
    test_sleep_ns(5000000);
    CHECK(!ended(begun));
    CHECK(wane__oldest_guard() >= 5000000);
    worker_run(w, guard_leave, NULL);
    CHECK(ended(begun));
    CHECK_EQ_UINT(wane__oldest_guard(), 0);
}

TEST(old_guards_are_named) {
    struct worker w;
    worker_start(&w);
    end_all();
    CHECK_EQ_UINT(wane__oldest_guard(), 0);
    wane_set_log(count_warning, &warnings);
    CHECK_EQ_INT(wane_option_set("guard_warn_ms", 1), 0);
    look_at_old_guard(&w);
    CHECK_EQ_UINT(warnings, 1);
    look_at_old_guard(&w);
    CHECK_EQ_UINT(warnings, 2);
    CHECK_EQ_INT(wane_option_set("guard_warn_ms", 0), 0);
    look_at_old_guard(&w);
    CHECK_EQ_UINT(warnings, 2);
    CHECK_EQ_INT(wane_option_set("guard_warn_ms", 10000), 0);
    wane_set_log(NULL, NULL);
    worker_stop(&w);
}

/*
 * Threads that run: readers look at what a pointer names, in a guard or in a bracket; a writer puts
 * another in its place, and spoils the old one when a grace period has ended; several step.
 */
enum { PLACES = 8, TURNS = TEST_TSAN ? 200 : 2000 };
static uint64_t place[PLACES];
static uint64_t *xcurrent;
static bool over;

static void replace(void) {
    for (unsigned i = 1; i <= TURNS; i++) {
        uint64_t *old = load_relaxed(&xcurrent), *new = &place[i % PLACES];
        store_relaxed(new, (uint64_t)1);
        store_release(&xcurrent, new);
        uint64_t begun = wane__grace_want();
        while (wane__grace_ended() <= begun) {
            (void)wane__grace_step();
            sched_yield();
        }
        store_relaxed(old, (uint64_t)0);
    }
    store_release(&over, true);
}

static void read_or_replace(void *unused, unsigned number) {
    (void)unused;
    struct wane__record *r = self();
    if (number == 0) {
        replace();
        return;
    }
    for (unsigned i = 0; !load_acquire(&over); i++) {
        bool guard = number == 1;
        if (guard)
            wane_guard_enter();
        else
            wane__mark(&r->head);
        uint64_t *p = load_acquire(&xcurrent);
        for (unsigned looks = 0; looks < 3; looks++) {
            CHECK_EQ_UINT(load_relaxed(p), 1);
            if (i % 64 == 0)
                sched_yield();
        }
        if (guard)
            wane_guard_leave();
        else
            wane__unmark(&r->head);
        if (i % 256 == 0)
            (void)wane__grace_step();
    }
}

TEST(readers_and_a_writer) {
    (void)self();
    store_relaxed(&place[0], (uint64_t)1);
    store_relaxed(&xcurrent, &place[0]);
    store_relaxed(&over, false);
    crowd_run(3, read_or_replace, NULL);
}

/* Several threads add functions and several run them: each once, those of one thread in its order.
 */
enum { THREADS = 4, CALLS = TEST_TSAN ? 200 : 2000 };
struct job {
    wane_defer_node node;
    unsigned thread, number;
};
static struct job jobs[THREADS][CALLS];
static unsigned next_of[THREADS]; /* in a turn only */

static void run_due(struct wane__record *r) {
    (void)wane__grace_step();
    if (!begin_turn(r->id))
        return;
    wane_defer_node *node;
    while ((node = wane__calls_next()) != NULL) {
        struct job *j = (struct job *)(void *)node;
        CHECK_EQ_UINT(j->number, load_relaxed(&next_of[j->thread]));
        store_relaxed(&next_of[j->thread], j->number + 1);
        wane__calls_done();
    }
    wane__calls_end();
}

static void add_and_run(void *unused, unsigned number) {
    (void)unused;
    struct wane__record *r = self();
    for (unsigned i = 0; i < CALLS; i++) {
        struct job *j = &jobs[number][i];
        j->thread = number;
        j->number = i;
        wane__calls_add(&j->node);
        if (i % 16 == 0)
            run_due(r);
    }
}

TEST(calls_of_many) {
    struct wane__record *r = self();
    crowd_run(THREADS, add_and_run, NULL);
    while (wane__calls_waiting() > 0)
        run_due(r);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_EQ_UINT(load_relaxed(&next_of[i]), CALLS);
}
