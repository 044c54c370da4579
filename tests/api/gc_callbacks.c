// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Callbacks at the beginning and the end of collections: what they are told, by whom, adding and removing from
// anywhere, re-entrance, forks; the debug flags' lines in the log; the share of the collector thread.

#include "api.h"

static void begin(void) {
    wane_gc_disable();
    wane_gc_collect(2);
}

static void drop_pairs(size_t n) {
    for (size_t i = 0; i < n; i++) {
        wane_release(node_pair());
    }
}

// What a callback was told; of each phase the last.
struct told {
    _Atomic(size_t) calls[2];
    wane_gc_event last[2];
    pthread_t thread;  // of the last
    pthread_t maker;
    _Atomic(size_t) elsewhere;  // calls on other threads than the maker's
    int open;                   // STARTs without their STOP
};

static void note(const wane_gc_event *e, void *arg) {
    struct told *t = arg;
    CHECK(e->phase == WANE_GC_START || e->phase == WANE_GC_STOP);
    t->last[e->phase] = *e;
    t->thread = pthread_self();
    atomic_fetch_add(&t->elsewhere, !pthread_equal(t->thread, t->maker));
    t->open += e->phase == WANE_GC_START ? 1 : -1;
    CHECK(t->open == 0 || t->open == 1);
    if (e->phase == WANE_GC_STOP) {
        CHECK_EQ_INT(e->generation, t->last[WANE_GC_START].generation);
    } else {
        CHECK_EQ_UINT(e->collected + e->uncollectable + e->candidates + e->duration_ns, 0);
    }
    atomic_fetch_add(&t->calls[e->phase], 1);
}

TEST(start_and_stop_of_each_generation) {
    begin();
    static struct told t;
    CHECK_EQ_INT(wane_gc_add_callback(note, &t), 0);
    for (int generation = 0; generation <= WANE_GC_FULL; generation++) {
        drop_pairs(10);
        size_t calls = atomic_load(&t.calls[WANE_GC_STOP]);
        CHECK_EQ_UINT(wane_gc_collect(generation), 20);
        CHECK_EQ_UINT(atomic_load(&t.calls[WANE_GC_START]), calls + 1);
        CHECK_EQ_UINT(atomic_load(&t.calls[WANE_GC_STOP]), calls + 1);
        const wane_gc_event *e = &t.last[WANE_GC_STOP];
        CHECK_EQ_INT(e->generation, generation);
        CHECK_EQ_UINT(e->collected, 20);
        CHECK_EQ_UINT(e->uncollectable, 0);
        CHECK(e->candidates >= 10 && e->duration_ns > 0);
        CHECK(pthread_equal(t.thread, pthread_self()));
    }
    CHECK_EQ_UINT(wane_gc_collect(-1) + wane_gc_collect(4), 0);
    CHECK_EQ_UINT(atomic_load(&t.calls[WANE_GC_START]), 4);
    CHECK_EQ_INT(wane_gc_remove_callback(note, &t), 0);
    wane_gc_collect(2);
    CHECK_EQ_UINT(atomic_load(&t.calls[WANE_GC_START]), 4);
}

static void nothing(const wane_gc_event *e, void *arg) { (void)e, (void)arg; }

TEST(errors) {
    int a, b;
    CHECK_EQ_INT(wane_gc_add_callback(NULL, &a), -EINVAL);
    CHECK_EQ_INT(wane_gc_remove_callback(NULL, &a), -EINVAL);
    CHECK_EQ_INT(wane_gc_remove_callback(nothing, &a), -ENOENT);
    CHECK_EQ_INT(wane_gc_add_callback(nothing, &a), 0);
    CHECK_EQ_INT(wane_gc_add_callback(nothing, &a), -EEXIST);
    CHECK_EQ_INT(wane_gc_add_callback(nothing, &b), 0);
    CHECK_EQ_INT(wane_gc_remove_callback(nothing, &a), 0);
    CHECK_EQ_INT(wane_gc_remove_callback(nothing, &a), -ENOENT);
    CHECK_EQ_INT(wane_gc_add_callback(nothing, &a), 0);
    CHECK_EQ_INT(wane_gc_remove_callback(nothing, &b), 0);
    CHECK_EQ_INT(wane_gc_remove_callback(nothing, &a), 0);
}

static bool told_of(const struct told *t) { return atomic_load(&t->elsewhere) >= 6; }

// By thresholds, on the collector thread.
TEST(collections_that_start_by_themselves) {
    begin();
    static struct told t;
    t.maker = pthread_self();
    unsigned standard[3];
    wane_gc_get_threshold(standard);
    CHECK_EQ_INT(wane_gc_add_callback(note, &t), 0);
    CHECK_EQ_INT(wane_gc_set_threshold(100, 1, 1), 0);
    wane_gc_enable();
    uint64_t end = test_now_ns() + API_PATIENCE;
    while (!told_of(&t) && test_now_ns() < end) {
        drop_pairs(100);
        test_sleep_ns(API_MS);
    }
    CHECK(told_of(&t));
    wane_gc_disable();
    wane_gc_collect(0);  // comes after one that is under way
    CHECK_EQ_INT(wane_gc_remove_callback(note, &t), 0);
    CHECK_EQ_INT(t.open, 0);
    CHECK_EQ_INT(wane_gc_set_threshold(standard[0], standard[1], standard[2]), 0);
    wane_gc_collect(2);
}

TEST(collections_in_steps) {
    begin();
    static struct told t;
    CHECK_EQ_INT(wane_gc_add_callback(note, &t), 0);
    drop_pairs(5000);
    for (int i = 0; i < 1000 && wane_gc_step(20000) == 1; i++) {
    }
    wane_gc_collect(2);  // what is open is finished, and told of, first
    CHECK(atomic_load(&t.calls[WANE_GC_STOP]) >= 2);
    CHECK_EQ_UINT(atomic_load(&t.calls[WANE_GC_STOP]), atomic_load(&t.calls[WANE_GC_START]));
    CHECK_EQ_INT(wane_gc_remove_callback(note, &t), 0);
}

// Inside a callback: everything that a callback may do, and the calls about callbacks.

static wane_slot place;
static unsigned inside_calls;
static int64_t added_calls;

static void added(const wane_gc_event *e, void *arg) {
    (void)e;
    ++*(int64_t *)arg;
}

static void do_all(const wane_gc_event *e, void *arg) {
    (void)arg;
    inside_calls++;
    CHECK_EQ_UINT(wane_gc_collect(2), 0);
    CHECK_EQ_INT(wane_gc_run(2, NULL), -EDEADLK);
    CHECK_EQ_INT(wane_flush(), -EDEADLK);
    CHECK_EQ_INT(wane_gc_step(1000), -EDEADLK);
    wane_slot_give(&place, node_pair());
    wane_release(wane_slot_take(&place));
    wane_release(node_new(7));
    if (e->phase == WANE_GC_START) {
        CHECK_EQ_INT(wane_gc_add_callback(added, &added_calls), 0);
    } else {
        CHECK_EQ_INT(added_calls, 0);  // not of START, during which it was added
        CHECK_EQ_INT(wane_gc_remove_callback(do_all, NULL), 0);
        CHECK_EQ_INT(wane_gc_remove_callback(do_all, NULL), -ENOENT);
        CHECK_EQ_INT(wane_gc_remove_callback(added, &added_calls), 0);
    }
}

static void inside_child(void *unused) {
    (void)unused;
    drop_pairs(3);
    CHECK_EQ_UINT(wane_gc_collect(2), 0);  // it is in the callback too
    inside_calls++;
}

static void fork_inside(const wane_gc_event *e, void *arg) {
    (void)arg;
    inside_calls++;
    if (e->phase == WANE_GC_STOP) {
        check_in_child(inside_child, NULL);
    }
}

static int64_t order_seen;
static void first_of_two(const wane_gc_event *e, void *arg) {
    (void)e, (void)arg;
    order_seen = 10 * order_seen + 1;
}
static void second_of_two(const wane_gc_event *e, void *arg) {
    (void)e, (void)arg;
    order_seen = 10 * order_seen + 2;
}

TEST(inside_a_callback) {
    begin();
    added_calls = 0;
    CHECK_EQ_INT(wane_gc_add_callback(do_all, NULL), 0);
    drop_pairs(5);
    inside_calls = 0;
    CHECK(wane_gc_collect(2) >= 10);
    CHECK_EQ_UINT(inside_calls, 2);
    CHECK_EQ_INT(added_calls, 0);
    wane_gc_collect(2);
    CHECK_EQ_UINT(inside_calls, 2);
    if (!TEST_TSAN) {
        inside_calls = 0;
        CHECK_EQ_INT(wane_gc_add_callback(fork_inside, NULL), 0);
        drop_pairs(5);
        CHECK_EQ_UINT(wane_gc_collect(2), 10);
        CHECK_EQ_UINT(inside_calls, 2);
        CHECK_EQ_INT(wane_gc_remove_callback(fork_inside, NULL), 0);
    }
    wane_gc_collect(2);
}

TEST(in_the_order_of_adding) {
    begin();
    CHECK_EQ_INT(wane_gc_add_callback(first_of_two, NULL), 0);
    CHECK_EQ_INT(wane_gc_add_callback(second_of_two, NULL), 0);
    wane_gc_collect(0);
    CHECK_EQ_INT(order_seen, 1212);
    CHECK_EQ_INT(wane_gc_remove_callback(first_of_two, NULL), 0);
    CHECK_EQ_INT(wane_gc_remove_callback(second_of_two, NULL), 0);
}

// What was kept may be taken and broken in the callback that is told of it.
static wane_type odd_type = {
    .name = "odd",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, left, right),
    .flags = WANE_TYPE_UNCOLLECTABLE,
};

static wane_gc_event emptied;

static void empty_list(const wane_gc_event *e, void *arg) {
    (void)arg;
    void *found[4];
    size_t n = e->phase == WANE_GC_STOP ? wane_gc_get_unreachable(found, 4) : 0;
    for (size_t i = 0; i < n; i++) {
        wane_slot_clear(&((struct node *)found[i])->left);
        wane_release(found[i]);
    }
    emptied = *e;
}

TEST(a_callback_empties_the_list) {
    begin();
    for (int i = 0; i < 2; i++) {
        struct node *n = wane_new(&odd_type);
        wane_slot_give(&n->left, n);
    }
    wane_release(node_pair());
    CHECK_EQ_INT(wane_gc_add_callback(empty_list, NULL), 0);
    CHECK_EQ_UINT(wane_gc_collect(2), 2);
    CHECK_EQ_INT(wane_gc_remove_callback(empty_list, NULL), 0);
    CHECK_EQ_UINT(emptied.collected, 2);
    CHECK_EQ_UINT(emptied.uncollectable, 2);
    CHECK_EQ_UINT(wane_gc_get_unreachable(NULL, 0), 0);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

// After remove has returned no call runs: what the callback uses may be freed.

struct resource {
    _Atomic(bool) alive;
    _Atomic(unsigned) inside;
};

static void use_resource(const wane_gc_event *e, void *arg) {
    struct resource *r = arg;
    (void)e;
    CHECK(atomic_load(&r->alive));
    atomic_fetch_add(&r->inside, 1);
    test_sleep_ns(20000);
    CHECK(atomic_load(&r->alive));
    atomic_fetch_sub(&r->inside, 1);
}

// So it is for a callback that has removed itself, and added itself again: what remove takes off is another entry than the one
// whose call is running.
static _Atomic(unsigned) readded;

static void readd(const wane_gc_event *e, void *arg) {
    struct resource *r = arg;
    if (e->phase != WANE_GC_START) {
        return;
    }
    CHECK_EQ_INT(wane_gc_remove_callback(readd, arg), 0);
    CHECK_EQ_INT(wane_gc_add_callback(readd, arg), 0);
    atomic_store(&r->inside, 1);
    atomic_fetch_add(&readded, 1);
    test_sleep_ns(50 * API_MS);
    CHECK(atomic_load(&r->alive));
    atomic_store(&r->inside, 0);
}

static void *collect_once(void *unused) {
    wane_gc_collect(2);
    return unused;
}

TEST(removed_while_another_call_runs) {
    begin();
    struct resource r = {.inside = 0};
    atomic_store(&r.alive, true);
    CHECK_EQ_INT(wane_gc_add_callback(readd, &r), 0);
    pthread_t t = api_thread(collect_once, NULL);
    while (atomic_load(&readded) == 0) {
        test_sleep_ns(10000);
    }
    CHECK_EQ_INT(wane_gc_remove_callback(readd, &r), 0);
    CHECK_EQ_UINT(atomic_load(&r.inside), 0);
    atomic_store(&r.alive, false);
    api_join(t);
}

static _Atomic(bool) stop;

static void *add_and_remove(void *unused) {
    while (!atomic_load(&stop)) {
        struct resource *r = calloc(1, sizeof *r);
        CHECK(r != NULL);
        atomic_store(&r->alive, true);
        CHECK_EQ_INT(wane_gc_add_callback(use_resource, r), 0);
        test_sleep_ns(50000);
        CHECK_EQ_INT(wane_gc_remove_callback(use_resource, r), 0);
        CHECK_EQ_UINT(atomic_load(&r->inside), 0);
        atomic_store(&r->alive, false);
        free(r);
    }
    return unused;
}

static void *collect_and_count(void *unused) {
    for (int i = 0; !atomic_load(&stop); i++) {
        drop_pairs(3);
        wane_gc_event e;
        CHECK_EQ_INT(wane_gc_run(i % 4, &e), 0);
    }
    return unused;
}

TEST(removed_beside_collections) {
    begin();
    pthread_t threads[4];
    atomic_store(&stop, false);
    for (size_t i = 0; i < 4; i++) {
        threads[i] = api_thread(i < 2 ? add_and_remove : collect_and_count, NULL);
    }
    test_sleep_ns(200 * API_MS);
    atomic_store(&stop, true);
    for (size_t i = 0; i < 4; i++) {
        api_join(threads[i]);
    }
    wane_gc_collect(2);
}

// Each call's answer is of a run that began after the call: what a thread dropped before is found by its own
// call, or was by one that ended before.

static _Atomic(size_t) told_collected, answered;

static void sum_up(const wane_gc_event *e, void *arg) {
    (void)arg;
    if (e->phase == WANE_GC_STOP) {
        atomic_fetch_add(&told_collected, e->collected);
    }
}

static void *collect_own(void *unused) {
    for (int i = 0; i < 50; i++) {
        wane_weak *w;
        struct node *a = node_pair();
        w = wane_weak_new(a, NULL, NULL);
        wane_release(a);
        atomic_fetch_add(&answered, wane_gc_collect(2));
        CHECK_EQ_PTR(wane_weak_get(w), NULL);
        wane_release(w);
    }
    return unused;
}

TEST(several_threads_collect_at_once) {
    begin();
    atomic_store(&told_collected, 0);
    CHECK_EQ_INT(wane_gc_add_callback(sum_up, NULL), 0);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        threads[i] = api_thread(collect_own, NULL);
    }
    for (size_t i = 0; i < 4; i++) {
        api_join(threads[i]);
    }
    CHECK_EQ_INT(wane_gc_remove_callback(sum_up, NULL), 0);
    CHECK_EQ_UINT(atomic_load(&answered), 4 * 50 * 2);
    CHECK_EQ_UINT(atomic_load(&told_collected), 4 * 50 * 2);
}

// A fork beside callbacks that run: the child does not wait for calls of threads that it lacks.
static void in_child(void *arg) {
    CHECK_EQ_INT(wane_gc_remove_callback(nothing, arg), 0);
    drop_pairs(2);
    CHECK(wane_gc_collect(2) >= 4);
}

static void linger(const wane_gc_event *e, void *arg) {
    (void)e, (void)arg;
    test_sleep_ns(300000);
}

TEST(forks_beside_callbacks) {
    if (TEST_ASAN || TEST_TSAN) {
        SKIP("the sanitizer's allocator may be locked by a thread that the child lacks");
    }
    begin();
    int t;
    CHECK_EQ_INT(wane_gc_add_callback(nothing, &t), 0);
    CHECK_EQ_INT(wane_gc_add_callback(linger, NULL), 0);
    atomic_store(&stop, false);
    pthread_t thread = api_thread(collect_and_count, NULL);
    for (int i = 0; i < 20; i++) {
        test_sleep_ns(API_MS);
        check_in_child(in_child, &t);
    }
    atomic_store(&stop, true);
    api_join(thread);
    CHECK_EQ_INT(wane_gc_remove_callback(nothing, &t), 0);
    CHECK_EQ_INT(wane_gc_remove_callback(linger, NULL), 0);
    wane_gc_collect(2);
}

// The debug flags.

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char logged[32768];

static void take_line(int level, const char *line, void *unused) {
    (void)level, (void)unused;
    pthread_mutex_lock(&log_lock);
    size_t n = strlen(logged);
    snprintf(logged + n, sizeof logged - n, "%s\n", line);
    pthread_mutex_unlock(&log_lock);
}

static bool said(const char *text) { return strstr(logged, text) != NULL; }

TEST(debug_flags) {
    begin();
    CHECK_EQ_UINT(wane_gc_get_debug(), 0);
    CHECK_EQ_UINT(WANE_GC_DEBUG_LEAK,
                  WANE_GC_DEBUG_COLLECTABLE | WANE_GC_DEBUG_UNCOLLECTABLE | WANE_GC_SAVEALL);
    wane_set_log(take_line, NULL);
    logged[0] = '\0';
    drop_pairs(5);
    wane_gc_collect(2);
    CHECK_EQ_STR(logged, "");
    wane_gc_set_debug(WANE_GC_DEBUG_STATS);
    CHECK_EQ_UINT(wane_gc_get_debug(), WANE_GC_DEBUG_STATS);
    drop_pairs(5);
    wane_gc_collect(1);
    CHECK_MSG(said("collecting generation 1") && said("10 collected") && !said("node"), "%s", logged);
    wane_gc_set_debug(WANE_GC_DEBUG_COLLECTABLE);
    logged[0] = '\0';
    struct node *hanging = node_pair();
    wane_slot_give(&hanging->right, node_new(3));
    wane_release(hanging);
    drop_pairs(5);
    wane_gc_collect(2);
    CHECK_MSG(said("collectable: 13 objects of type \"node\""), "%s", logged);
    // The one that hangs on a cycle is not on it.
    CHECK_MSG(said("12 references from slot `left` of type \"node\" to type \"node\"") && !said("right"), "%s",
              logged);
    wane_gc_set_debug(0);
    wane_set_log(NULL, NULL);
}

// A load that keeps the collector thread busy, if it may. What a slower clock of a busy machine does to it makes the
// share smaller only.
static void *drop_all_the_time(void *unused) {
    while (!atomic_load(&stop)) {
        drop_pairs(200);
    }
    return unused;
}

TEST(the_share_of_a_core) {
    begin();
    int64_t percent = 0;
    CHECK_EQ_INT(wane_option_get("collector_cpu_percent", &percent), 0);
    CHECK_EQ_INT(wane_option_set("collector_cpu_percent", 0), -EINVAL);
    CHECK_EQ_INT(wane_option_set("collector_cpu_percent", 101), -EINVAL);
    CHECK_EQ_INT(wane_option_set("collector_cpu_percent", 5), 0);
    atomic_store(&stop, false);
    wane_gc_enable();
    uint64_t cpu = api_stats().collector_cpu_ns, since = test_now_ns();
    pthread_t thread = api_thread(drop_all_the_time, NULL);
    while (test_now_ns() - since < API_SECOND && api_stats().live_bytes < 400000000) {
        test_sleep_ns(API_MS);
    }
    cpu = api_stats().collector_cpu_ns - cpu;
    since = test_now_ns() - since;
    atomic_store(&stop, true);
    api_join(thread);
    wane_gc_disable();
    double share = 100.0 * (double)cpu / (double)since;
    printf("%.2f %% of a core\n", share);
    if (!TEST_TSAN && !TEST_ASAN) {
        CHECK_MSG(share < 5 * 2 + 100.0 * 20 * API_MS / (double)since, "%.2f %%", share);
    }
    CHECK_EQ_INT(wane_option_set("collector_cpu_percent", percent), 0);
    wane_gc_collect(2);
}
