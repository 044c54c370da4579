// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Random use of the whole public API by threads that come and go: objects of every sort
// (support/zoo.h), guards that nest and last, weak references, deferred functions, containers that
// move their slots, collections and steps, options that change, forks whose child goes on,
// cancellation, pthread_exit in a guard. The ledger sees that each object dies once, and not
// while a thread holds or borrows it; at the end nothing is alive, deferred or queued.
//
//     random --seconds 60 --threads 4 --seed 7
//     random --seed 7 --threads 1 --first 12      the calls of thread 12 alone
//
// Each thread has a number and draws from a stream of its own, so its calls are the same in each
// run with that seed, as far as they do not depend on what it meets. `--mode N`: 0, 1 the library's
// own thread; 2 one that the program lends; 3 none. It goes by the seed otherwise. A watchdog
// prints all stacks when a thread hangs.

#include "support/stress.h"

#include "support/zoo.h"
#include "watchdog.h"

#include <sys/wait.h>

#if TEST_TSAN
// A process may end between the end of a thread and its join.
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "report_thread_leaks=0"; }
#endif

enum {
    HELD = 24,
    STEPS = 3000,
    CHILD_STEPS = 300,
    CHILD_SECONDS = 120,
    LIVE_MOST = 100000,
    CHILD_GOOD = 42
};

struct worker {
    test_rng r;
    struct thing *held[HELD];
    unsigned guards, paused;
    bool at_rest;    // where a cancellation may act
    bool child;      // a process of its own
    unsigned leave;  // steps until the guards that it is in are left
};

static _Atomic(uint64_t) log_lines;
static uint64_t mode;

static uint64_t below(struct worker *w, uint64_t n) { return test_below(&w->r, n); }

static struct thing **any(struct worker *w) { return &w->held[below(w, HELD)]; }

static void hold(struct worker *w, struct thing *t) {
    struct thing **at = any(w);
    struct thing *before = *at;
    *at = t;
    if (before != NULL) {
        mark_check(&before->mark);
    }
    wane_release(before);
}

static wane_slot *any_place(struct worker *w) { return &places[below(w, PLACES)]; }

// Making and counting.

static void do_new(struct worker *w) {
    enum kind kind = below(w, 30) == 0 ? BIG : (enum kind)below(w, KINDS);
    hold(w, kind == BIG && below(w, 4) != 0 ? NULL : thing_new(kind, &w->r));
}

static void do_count(struct worker *w) {
    struct thing *t = *any(w);
    if (t == NULL) {
        return;
    }
    mark_check(&t->mark);
    switch (below(w, 8)) {
    case 0:
        CHECK_EQ_PTR(wane_share(t), t);
        break;
    case 1:
        (void)wane_is_unique(t);
        break;
    case 2:
        CHECK(wane_refcount(t) >= 1);
        break;
    case 3:
        CHECK_EQ_PTR(wane_typeof(t), &zoo_types[t->kind]);
        CHECK(wane_sizeof(t) >= zoo_types[t->kind].size);
        break;
    case 4:
        CHECK_EQ_INT(wane_gc_is_tracked(t), holds_slots[t->kind] && t->kind != ACYCLIC);
        CHECK(wane_gc_is_finalized(t) == false || t->kind == FINAL || t->kind == QUEUED);
        break;
    case 5: {
        WANE_AUTO struct thing *again = wane_retain(t);
        mark_check(&again->mark);
        break;
    }
    default:
        hold(w, wane_retain(t));
    }
}

static void do_release(struct worker *w) {
    struct thing **at = any(w), *t = *at;
    if (t == NULL) {
        return;
    }
    mark_check(&t->mark);
    if (below(w, 3) == 0) {
        *at = NULL;
        wane_release_later(t);
    } else {
        wane_clear(at);
        CHECK_EQ_PTR(*at, NULL);
    }
}

static void do_immortal(struct worker *w) {
    if (below(w, 50) == 0 && atomic_load(&immortals) < 100) {
        struct thing *t = thing_new(LEAF, &w->r);
        if (t == NULL) {
            return;
        }
        atomic_fetch_add(&immortals, 1);
        wane_immortalize(t);
        CHECK(wane_is_immortal(t) && wane_refcount(t) == WANE_REFCOUNT_IMMORTAL);
        hold(w, t);
    }
}

// Slots.

// One change or another of a slot; `to` is borrowed.
static void change_slot(struct worker *w, wane_slot *s, struct thing *to) {
    switch (below(w, 6)) {
    case 0:
        wane_slot_store(s, to);
        break;
    case 1:
        wane_slot_give(s, wane_retain(to));
        break;
    case 2:
        hold(w, wane_slot_swap(s, wane_retain(to)));
        break;
    case 3:
        hold(w, wane_slot_take(s));
        break;
    case 4: {
        struct thing *expected = wane_slot_load(s);
        wane_slot_cas(s, expected, to);
        wane_release(expected);
        break;
    }
    default:
        wane_slot_clear(s);
    }
}

static void do_link(struct worker *w) {
    // Units of its own: what a change takes out of a slot may replace these two where they are
    // held.
    WANE_AUTO struct thing *t = wane_retain(*any(w));
    WANE_AUTO struct thing *to = wane_retain(*any(w));
    if (t != NULL && may_hold(t, to)) {
        change_slot(w, any_slot(t, &w->r), below(w, 3) == 0 ? NULL : to);
    }
    if (t != NULL && t->kind == MAP) {
        if (below(w, 4) == 0) {
            map_resize((struct map *)(void *)t, below(w, 12));
        } else {
            map_put((struct map *)(void *)t, to, &w->r);
        }
    }
}

static void do_place(struct worker *w) {
    WANE_AUTO struct thing *to = wane_retain(*any(w));
    change_slot(w, any_place(w), below(w, 3) == 0 ? NULL : to);
}

static void do_load(struct worker *w) {
    struct thing *t = wane_slot_load(any_place(w));
    if (t != NULL) {
        mark_check(&t->mark);
    }
    hold(w, t);
}

// A new object that takes what a place held along: structures grow, and end at once somewhere.
static void do_grow(struct worker *w) {
    struct thing *t = thing_new(NODE + (enum kind)below(w, 3), &w->r);
    if (t == NULL) {
        return;
    }
    wane_slot *place = any_place(w);
    struct thing *old = wane_slot_load(place);
    if (old != NULL && below(w, 4) == 0 && holds_slots[old->kind]) {
        wane_slot_clear(&old->s[0]);
        wane_slot_clear(&old->s[1]);
    }
    wane_slot_init(&t->s[0], old);
    if (below(w, 5) == 0) {
        wane_slot_store(&t->s[1], t);
    }
    wane_slot_give(place, t);
}

// Follows what is in slots, without counting, and takes the last.
static void do_walk(struct worker *w) {
    wane_guard_enter();
    struct thing *t = wane_slot_peek(any_place(w));
    for (uint64_t n = below(w, 6); t != NULL && n > 0 && holds_slots[t->kind]; n--) {
        mark_check(&t->mark);
        struct thing *next = wane_slot_peek(any_slot(t, &w->r));
        if (next == NULL) {
            break;
        }
        t = next;
    }
    if (t != NULL) {
        mark_check(&t->mark);
        hold(w, wane_retain(t));
    }
    wane_guard_leave();
}

// Weak references, deferred functions.

static void do_weak(struct worker *w) {
    wane_slot *place = &weak_places[below(w, PLACES)];
    struct thing *t = *any(w);
    if (below(w, 2) == 0 && t != NULL) {
        wane_weak *weak = wane_weak_new(t, NULL, NULL);
        if (weak == NULL) {
            ran_out(errno);
            return;
        }
        struct thing *same = wane_weak_get(weak);
        CHECK_EQ_PTR(same, t);
        wane_release(same);
        wane_slot_give(place, weak);
        return;
    }
    wane_weak *weak = wane_slot_load(place);
    t = wane_weak_get(weak);
    wane_release(weak);
    if (t != NULL) {
        mark_check(&t->mark);
        hold(w, t);
    }
}

static void do_defer(struct worker *w) { defer_one(below(w, 2) == 0); }

// Guards that last for some steps.
static void do_guard(struct worker *w) {
    if (w->guards < 3) {
        wane_guard_enter();
        w->guards++;
        w->leave = (unsigned)below(w, 40);
    }
}

static void leave_guards(struct worker *w) {
    for (; w->guards > 0; w->guards--) {
        wane_guard_leave();
    }
}

// The collector, and what waits: never in a guard.

// Whether it did what it was asked for.
static bool is_done(int result) {
    if (result == -ENOMEM) {
        ran_out(ENOMEM);
    } else {
        CHECK_EQ_INT(result, 0);
    }
    return result == 0;
}

static void do_collect(struct worker *w) {
    wane_gc_event event;
    switch (below(w, 12)) {
    case 0:
        wane_gc_collect(below(w, 4) == 0 ? WANE_GC_FULL : (int)below(w, 3));
        break;
    case 1:
        if (is_done(wane_gc_run((int)below(w, 3), &event))) {
            CHECK_EQ_INT(event.phase, WANE_GC_STOP);
        }
        break;
    case 2:
        CHECK_EQ_INT(wane_gc_run(17, NULL), -EINVAL);
        break;
    case 3:
        CHECK_EQ_INT(wane_flush(), 0);
        break;
    case 4:
    case 5: {
        int result = wane_flush_for((int64_t)below(w, 2000000));
        CHECK_MSG(result == 0 || result == -ETIMEDOUT, "wane_flush_for: %d", result);
        break;
    }
    default: {
        int result = wane_gc_step((int64_t)below(w, 300000));
        (void)(result == 1 || is_done(result));
    }
    }
}

static void do_tune(struct worker *w) {
    static const struct {
        const char *name;
        int64_t most;
    } options[] = {
        {"deferred_bytes", 4 << 20},   {"stall_limit_us", 2000}, {"trim_delay_ms", 50},
        {"candidate_age_ms", 100},     {"threshold0", 20000},    {"threshold1", 20},
        {"heap_growth_percent", 1000}, {"threshold2", 20},       {"collector_cpu_percent", 100},
        {"guard_warn_ms", 20},
    };
    size_t i = below(w, sizeof options / sizeof *options);
    int64_t least = i == 0 ? 65536 : i == 8 ? 1 : 0, got = -1;
    CHECK_EQ_INT(wane_option_set(options[i].name,
                                 least + (int64_t)below(w, (uint64_t)(options[i].most - least))),
                 0);
    CHECK_EQ_INT(wane_option_get(options[i].name, &got), 0);
    CHECK(got >= least && got <= options[i].most);
    CHECK_EQ_INT(wane_option_set("no such option", 1), -ENOENT);
    CHECK_EQ_INT(wane_option_set(options[i].name, -1), -EINVAL);
}

static void do_switch(struct worker *w) {
    unsigned thresholds[3];
    switch (below(w, 6)) {
    case 0:
        if (w->paused < 2) {
            wane_gc_pause();
            w->paused++;
        }
        break;
    case 1:
        wane_gc_disable();
        wane_gc_enable();
        (void)wane_gc_is_enabled();
        break;
    case 2:
        CHECK_EQ_INT(wane_gc_set_threshold(100 + (unsigned)below(w, 10000), 10, 10), 0);
        wane_gc_get_threshold(thresholds);
        wane_gc_get_count(thresholds);
        break;
    default:
        if (w->paused > 0) {
            wane_gc_resume();
            w->paused--;
        }
    }
}

static void take_log(int level, const char *line, void *arg) {
    CHECK(level >= WANE_LOG_ERROR && level <= WANE_LOG_INFO && line != NULL && arg == &log_lines);
    if (level == WANE_LOG_ERROR) {  // the last line: a cancelled thread is to say it, too
        int state;
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
        fprintf(stderr, "%s\n", line);
        pthread_setcancelstate(state, NULL);
    }
    atomic_fetch_add((_Atomic(uint64_t) *)arg, 1);
}

static void do_look(struct worker *w) {
    wane_gc_stats stats[3];
    switch (below(w, 6)) {
    case 0: {
        wane_stats s = stress_stats();
        CHECK(s.stalls >= 1 || s.stall_ns_total == 0);
        if (s.live_objects > LIVE_MOST) {  // the structures that places hold may grow for ever
            for (int i = 0; i < PLACES; i++) {
                wane_slot_clear(&places[i]);
            }
        }
        break;
    }
    case 1:
        wane_gc_get_stats(stats);
        break;
    case 2:
        wane_trim();
        break;
    case 3:
        wane_set_log(take_log, &log_lines);
        break;
    case 4:
        CHECK_EQ_STR(wane_version(), "0.1.0");
        CHECK_EQ_INT(wane_thread_attach(), 0);
        break;
    default:
        wane_poll();
    }
}

// A type of the thread's own, forgotten while it is not in use any more, as before dlclose.
static bool is_forgotten(void *type) { return wane_type_forget(type) == 0; }

static void do_type(struct worker *w) {
    wane_type *type = malloc(sizeof *type);
    CHECK(type != NULL);
    *type = (wane_type){.name = "passing", .size = 1 + below(w, 300)};
    for (uint64_t n = below(w, 5); n > 0; n--) {
        void *obj = wane_new_extra(type, below(w, 100));
        if (obj == NULL) {
            ran_out(errno);
        }
        wane_release(obj);
    }
    CHECK(test_wait_until(is_forgotten, type, STRESS_PATIENCE));
    memset(type, 0xA5, sizeof *type);
    free(type);
}

// What ran out of memory until then is done in the end.
static void memory_is_back(void) {
    if (inject_stop != NULL) {
        inject_stop();
    }
}

// False: there is no memory for it.
static bool attach(void) {
    int error = wane_thread_attach();
    CHECK_MSG(error == 0 || (error == -ENOMEM && may_run_out()), "wane_thread_attach: %d", error);
    return error == 0;
}

// Attached again at once, perhaps: what cannot report would end a program that is out of memory.
static void do_detach(struct worker *w) {
    for (int i = 0; i < HELD / 2; i++) {
        wane_clear(any(w));
    }
    wane_thread_detach();
    if (below(w, 2) != 0 && inject_stop == NULL) {
        return;
    }
    if (!attach()) {
        memory_is_back();
        CHECK(attach());
    }
}

static void do_fork(struct worker *w);

static const struct action {
    unsigned weight;
    bool in_guard;  // may be called inside a guard
    void (*run)(struct worker *w);
} actions[] = {
    {200, true, do_new},    {200, true, do_count}, {150, true, do_release}, {1, true, do_immortal},
    {300, true, do_link},   {150, true, do_place}, {150, true, do_load},    {150, true, do_grow},
    {150, true, do_walk},   {80, true, do_weak},   {50, true, do_defer},    {10, true, do_guard},
    {8, false, do_collect}, {10, true, do_tune},   {10, true, do_switch},   {20, true, do_look},
    {1, false, do_type},    {1, false, do_detach}, {1, true, do_fork},
};
enum { ACTIONS = sizeof actions / sizeof *actions };

static void step(struct worker *w) {
    if (w->guards > 0 && w->leave-- == 0) {
        leave_guards(w);
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < ACTIONS; i++) {
        sum += actions[i].weight;
    }
    uint64_t n = below(w, sum);
    size_t i = 0;
    while (n >= actions[i].weight) {
        n -= actions[i++].weight;
    }
    if (actions[i].in_guard || w->guards == 0) {
        actions[i].run(w);
    }
}

static void let_go(void *arg) {
    struct worker *w = arg;
    CHECK_MSG(w->at_rest, "a call of the library is a cancellation point");
    for (int i = 0; i < HELD; i++) {
        wane_clear(&w->held[i]);
    }
    for (; w->paused > 0; w->paused--) {
        wane_gc_resume();
    }
}

static void clear_places(void) {
    for (int i = 0; i < PLACES; i++) {
        wane_slot_clear(&places[i]);
        wane_slot_clear(&weak_places[i]);
    }
}

// What the other threads held is lost, and never freed; all else is as it was.
static void live_as_child(struct worker *w) {
    alarm(CHILD_SECONDS);
    watchdog_start(CHILD_SECONDS / 2 * STRESS_SECOND);
    w->child = true;
    for (int i = 0; i < CHILD_STEPS; i++) {
        step(w);
    }
    leave_guards(w);
    w->at_rest = true;
    let_go(w);
    clear_places();
    memory_is_back();
    CHECK_EQ_INT(wane_flush(), 0);
    wane_gc_collect(WANE_GC_FULL);
    CHECK_MSG(test_wait_until(stress_is_quiet, NULL, STRESS_PATIENCE),
              "child: deferred_pending stays at %zu", stress_stats().deferred_pending);
    fflush(NULL);
    _exit(CHILD_GOOD);
}

static void do_fork(struct worker *w) {
    // As rare as it is dear. A lock of a sanitizer's allocator may be held for ever in the child.
    if (below(w, 40) != 0 || w->child || STRESS_SANITIZED) {
        return;
    }
    int state, status = 0;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        live_as_child(w);
    }
    CHECK_EQ_INT(waitpid(child, &status, 0), child);
    CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == CHILD_GOOD, "child: status %#x",
              (unsigned)status);
    pthread_setcancelstate(state, NULL);
}

// The end of a thread: a return, pthread_exit in the guard that it may be in, or a cancellation
// that was asked for long before it may act.
static void *work(void *number) {
    struct worker w = {.r = test_rng_make((uint64_t)(uintptr_t)number)};
    if (inject_stop != NULL && !attach()) {
        return NULL;
    }
    uint64_t steps = 1 + below(&w, below(&w, 2) == 0 ? STEPS : STEPS / 100), way = below(&w, 3);
    uint64_t cancelled_at = way == 0 ? below(&w, steps) : steps;
    pthread_cleanup_push(let_go, &w);
    for (uint64_t i = 0; i < steps; i++) {
        if (i == cancelled_at) {
            pthread_cancel(pthread_self());
        }
        step(&w);
    }
    w.at_rest = true;
    pthread_testcancel();
    if (way == 1) {
        pthread_exit(NULL);
    }
    leave_guards(&w);
    pthread_cleanup_pop(1);
    return NULL;
}

static void *lend(void *unused) {
    int result = wane_collector_run();
    (void)(result == -EBUSY || is_done(result));
    return unused;
}

// Cycles through what is uncollectable are the program's to break.
static void break_kept(void) {
    for (int i = 0; i < KEPT_MOST; i++) {
        wane_weak *weak = wane_slot_load(&kept_places[i]);
        struct thing *t = wane_weak_get(weak);
        wane_release(weak);
        if (t != NULL) {
            wane_slot_clear(&t->s[0]);
            wane_slot_clear(&t->s[1]);
        }
        wane_release(t);
        wane_slot_clear(&kept_places[i]);
    }
}

// What collections found unreachable and kept is on a list, which holds it.
static void empty_the_list(void) {
    void *kept[16];
    for (size_t n; (n = wane_gc_get_unreachable(kept, 16)) > 0;) {
        while (n > 0) {
            wane_release(kept[--n]);
        }
    }
}

// Finalizers may put what they resurrect into places: some rounds.
static bool all_is_gone(void *unused) {
    (void)unused;
    clear_places();
    empty_the_list();
    wane_gc_collect(WANE_GC_FULL);
    CHECK_EQ_INT(wane_flush(), 0);
    wane_stats s = stress_stats();
    return s.live_objects == atomic_load(&immortals) && s.deferred_pending == 0 &&
           atomic_load(&deferred_run) == atomic_load(&deferred_made);
}

static void check_end(void) {
    memory_is_back();
    break_kept();
    if (!test_wait_until(all_is_gone, NULL, STRESS_PATIENCE)) {
        wane_option_set("leak_report", 1);
        wane_set_log(NULL, NULL);
        wane_stats s = stress_stats();
        wane_shutdown();
        CHECK_MSG(false,
                  "%zu alive, of them %zu immortal; %zu pending; %" PRIu64 " of %" PRIu64
                  " functions have run",
                  s.live_objects, atomic_load(&immortals), s.deferred_pending,
                  atomic_load(&deferred_run), atomic_load(&deferred_made));
    }
    wane_shutdown();
    CHECK_MSG(test_wait_until(stress_is_quiet, NULL, STRESS_PATIENCE), "%zu bytes stay deferred",
              stress_stats().deferred_bytes);
    ledger_close();
}

// When membarrier fails, nothing that waits ends before each attached thread has called: this one too.
static void join(pthread_t t) {
    if (inject_stop == NULL) {
        stress_join(t);
        return;
    }
    while (pthread_tryjoin_np(t, NULL) == EBUSY) {
        wane_poll();
        test_sleep_ns(STRESS_MS);
    }
}

TEST(random) {
    size_t threads = stress_threads(3), lent = 0;
    uint64_t end = test_now_ns() + stress_duration(3000), number = test_option("first", 0);
    mode = test_option("mode", test_seed() % 4);
    watchdog_start((STRESS_SANITIZED ? 8 : 2) * STRESS_PATIENCE);
    wane_set_log(take_log, &log_lines);
    pthread_t running[STRESS_MAX_THREADS], lender = pthread_self();
    if (mode >= 2) {
        CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    }
    if (mode == 2) {
        lender = stress_thread(lend, NULL);
        lent = 1;
    }
    for (size_t i = 0; i < threads; i++) {
        running[i] = stress_thread(work, (void *)(uintptr_t)number++);
    }
    for (size_t i = 0; test_now_ns() < end && ledger_has_room(); i = (i + 1) % threads) {
        join(running[i]);
        watchdog_alive();
        running[i] = stress_thread(work, (void *)(uintptr_t)number++);
    }
    for (size_t i = 0; i < threads; i++) {
        join(running[i]);
    }
    watchdog_alive();
    check_end();
    if (lent > 0) {
        join(lender);
    }
    watchdog_stop();
    printf("mode %" PRIu64 ", %" PRIu64 " threads, %" PRIu64 " functions, %" PRIu64
           " lines in the log\n",
           mode, number, atomic_load(&deferred_run), atomic_load(&log_lines));
}
