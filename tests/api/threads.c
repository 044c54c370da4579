// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Threads that come and go: attached by their first call, whatever it is; detached at their exit,
// also while destructors of their keys still use the library; ids used again; too many of them.

#include "api.h"

static wane_slot place;

static size_t attached(void) { return api_stats().threads; }

static size_t attached_before;
static bool attached_as_before(void *unused) {
    (void)unused;
    return attached() == attached_before;
}
static void check_attached(size_t want) {
    attached_before = want;
    CHECK_MSG(test_wait_until(attached_as_before, NULL, API_PATIENCE), "%zu attached, not %zu",
              attached(), want);
}

// The first call of a thread may be any.

static void *first_attach(void *o) {
    size_t before = attached();
    CHECK_EQ_INT(wane_thread_attach(), 0);
    CHECK_EQ_INT(wane_thread_attach(), 0);
    CHECK_EQ_UINT(attached(), before + 1);
    return o;
}
static void *first_new(void *o) {
    wane_release(node_new(1));
    return o;
}
static void *first_retain(void *o) {
    wane_retain(o);
    wane_release(o);
    return NULL;
}
static void *first_release(void *o) {
    wane_release(o);
    return NULL;
}
static void *first_load(void *o) {
    wane_release(wane_slot_load(&place));
    return o;
}
static void *first_store(void *o) {
    wane_slot_store(&place, o);
    return NULL;
}
static void *first_guard(void *o) {
    wane_guard_enter();
    CHECK(wane_slot_peek(&place) != NULL);
    wane_guard_leave();
    return o;
}
static void *first_weak(void *o) {
    wane_release(wane_weak_new(o, NULL, NULL));
    return NULL;
}
static void *first_share(void *o) { return wane_share(o); }
static void *first_unique(void *o) {
    CHECK(!wane_is_unique(o));
    return NULL;
}
static void run_nothing(void *arg) { (void)arg; }
static void *first_defer(void *o) {
    CHECK_EQ_INT(wane_defer(run_nothing, o), 0);
    return NULL;
}
static void *first_flush(void *o) {
    CHECK_EQ_INT(wane_flush(), 0);
    return o;
}
static void *first_poll(void *o) {
    wane_poll();
    return o;
}
static void *first_questions(void *o) {
    CHECK(wane_refcount(o) > 0);
    CHECK(wane_typeof(o) == &node_type);
    CHECK(wane_sizeof(o) > 0);
    CHECK(!wane_is_immortal(o));
    return NULL;
}
static void *first_detach(void *o) {
    wane_thread_detach();
    return o;
}

TEST(the_first_call_may_be_any) {
    static void *(*const first[])(void *) = {
        first_attach, first_new,  first_retain,    first_load,   first_store,
        first_guard,  first_weak, first_share,     first_unique, first_defer,
        first_flush,  first_poll, first_questions, first_detach,
    };
    wane_thread_attach();
    size_t before = attached();
    for (int biased = 0; biased < 2; biased++) {
        for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
            struct node *n = node_new(1);
            wane_slot_store(&place, n);
            if (biased == 0) {
                wane_share(n);
            }
            api_elsewhere(first[i], n);
            wane_retain(n);
            api_elsewhere(first_release, n);
            wane_slot_clear(&place);
            CHECK_EQ_INT(wane_flush(), 0);
            CHECK_EQ_UINT(wane_refcount(n), 1);
            wane_release(n);
        }
    }
    check_attached(before);
}

TEST(detach_and_attach) {
    struct node *n = node_new(1);
    wane_slot_store(&place, n);
    for (int i = 0; i < 100; i++) {
        size_t with = attached();
        wane_slot_store(&place, n);
        wane_thread_detach();
        wane_thread_detach();
        CHECK_EQ_UINT(attached(), with - 1);
        CHECK_EQ_INT(wane_thread_attach(), 0);
        CHECK_EQ_UINT(attached(), with);
        wane_retain(n);
        wane_release(n);
    }
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(wane_refcount(n), 1);
    wane_thread_detach();
    // Detached, and the last release by whom was its owner once.
    wane_release(n);
}

static void detach_in_guard(void *unused) {
    (void)unused;
    wane_guard_enter();
    wane_thread_detach();
}

TEST(detach_in_a_guard_aborts) { api_dies_with(detach_in_guard, NULL, "guard", NULL, NULL); }

// What a thread leaves behind.

static void *leave_everything(void *unused) {
    struct node *n = node_new(1);
    wane_slot_give(&n->left, node_new(2));
    wane_slot_give(&place, n);
    for (int i = 0; i < 100; i++) {
        wane_slot_give(&place, node_new(3));
        wane_release(wane_slot_load(&place));
    }
    wane_guard_enter();
    return unused;
}

TEST(what_it_leaves_is_taken_over) {
    size_t dead = atomic_load(&nodes_dead);
    size_t before = attached();
    for (int i = 0; i < 50; i++) {
        api_elsewhere(leave_everything, NULL);
    }
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 50 * 102);
    check_attached(before);
}

// Destructors of pthread keys use the library, in the first and in later rounds. The keys are made
// before and after the library has made its own, so that some run earlier and some later than it.

// PTHREAD_DESTRUCTOR_ITERATIONS; in the last of them ThreadSanitizer's own state of the thread is
// gone.
enum { LAST_ROUND = TEST_TSAN ? 3 : 4 };
static pthread_key_t keys[2];
static _Atomic(size_t) destructor_runs;

struct at_exit {
    int key;
    int round;
    struct node *held;
};

static void key_destructor(void *arg) {
    struct at_exit *e = arg;
    atomic_fetch_add(&destructor_runs, 1);
    struct node *n = node_new(4);
    wane_slot_give(&place, n);
    wane_release(wane_slot_load(&place));
    wane_guard_enter();
    CHECK(wane_slot_peek(&place) != NULL);
    wane_guard_leave();
    wane_release(e->held);
    e->held = node_new(5);
    if (++e->round < LAST_ROUND) {
        CHECK_EQ_INT(pthread_setspecific(keys[e->key], e), 0);
        return;
    }
    wane_release(e->held);
    free(e);
}

static void set_keys(int last_round) {
    for (int key = 0; key < 2; key++) {
        struct at_exit *e = malloc(sizeof *e);
        *e = (struct at_exit){key, LAST_ROUND - last_round, node_new(6)};
        CHECK_EQ_INT(pthread_setspecific(keys[key], e), 0);
    }
}

static void *exit_with_destructors(void *rounds) {
    set_keys((int)(intptr_t)rounds);
    return NULL;
}

// The first call of the thread is in a destructor.
static void *exit_without_a_call(void *unused) {
    for (int key = 0; key < 2; key++) {
        struct at_exit *e = calloc(1, sizeof *e);
        e->key = key;
        CHECK_EQ_INT(pthread_setspecific(keys[key], e), 0);
    }
    return unused;
}

TEST(key_destructors_use_the_library) {
    size_t before = attached();
    size_t runs = 0;
    for (int rounds = 1; rounds <= LAST_ROUND; rounds++) {
        for (int i = 0; i < 30; i++) {
            api_elsewhere(exit_with_destructors, (void *)(intptr_t)rounds);
            runs += 2 * (size_t)rounds;
        }
    }
    for (int i = 0; i < 30; i++) {
        api_elsewhere(exit_without_a_call, NULL);
        runs += 2 * LAST_ROUND;
    }
    CHECK_EQ_UINT(atomic_load(&destructor_runs), runs);
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
    check_attached(before);
}

__attribute__((constructor(101))) static void make_first_key(void) {
    if (pthread_key_create(&keys[0], key_destructor) != 0) {
        abort();
    }
}

// Before the other tests in this file only by its constructor's number; the library's keys, if it
// has any, are made at its load or its first use.
__attribute__((constructor(65500))) static void make_last_key(void) {
    wane_thread_attach();
    if (pthread_key_create(&keys[1], key_destructor) != 0) {
        abort();
    }
}

// Ids.

static void *make_one(void *unused) {
    wane_release(node_new(1));
    return unused;
}

TEST(ids_are_used_again) {
    int64_t max = 0;
    CHECK_EQ_INT(wane_option_get("max_threads", &max), 0);
    CHECK_EQ_INT(wane_option_set("max_threads", 4), 0);
    for (int i = 0; i < 2000; i++) {
        pthread_t a = api_thread(make_one, NULL);
        pthread_t b = api_thread(make_one, NULL);
        api_join(a);
        api_join(b);
    }
    CHECK_EQ_INT(wane_option_set("max_threads", max), 0);
}

static struct gate done = GATE_CLOSED;
static _Atomic(size_t) ready;

static void *attach_and_stay(void *unused) {
    CHECK_EQ_INT(wane_thread_attach(), 0);
    atomic_fetch_add(&ready, 1);
    gate_wait(&done);
    wane_release(node_new(1));
    return unused;
}

static void *one_too_many(void *o) {
    CHECK_EQ_INT(wane_thread_attach(), -EAGAIN);
    errno = 0;
    CHECK_EQ_PTR(wane_new(&node_type), NULL);
    CHECK_EQ_INT(errno, EAGAIN);
    errno = 0;
    CHECK_EQ_PTR(wane_weak_new(o, NULL, NULL), NULL);
    CHECK_EQ_INT(errno, EAGAIN);
    CHECK_EQ_INT(wane_defer(run_nothing, NULL), -EAGAIN);
    CHECK_EQ_UINT(wane_refcount(o), 1);
    return NULL;
}

static void *wait_for_a_place(void *unused) {
    uint64_t end = test_now_ns() + API_PATIENCE;
    while (wane_thread_attach() != 0) {
        CHECK(test_now_ns() < end);
        test_sleep_ns(API_MS);
    }
    wane_release(node_new(1));
    return unused;
}

static void fill_all_places(pthread_t threads[3]) {
    wane_thread_attach();
    CHECK_EQ_INT(wane_option_set("max_threads", 4), 0);
    atomic_store(&ready, 0);
    gate_set(&done, false);
    for (int i = 0; i < 3; i++) {
        threads[i] = api_thread(attach_and_stay, NULL);
    }
    api_wait_count(&ready, 3);
    CHECK_EQ_UINT(attached(), 4);
}

TEST(one_thread_too_many) {
    int64_t max = 0;
    CHECK_EQ_INT(wane_option_get("max_threads", &max), 0);
    pthread_t threads[3];
    struct node *n = node_new(1);
    CHECK_EQ_INT(wane_flush(), 0);
    fill_all_places(threads);
    for (int i = 0; i < 100; i++) {
        api_elsewhere(one_too_many, n);
    }
    CHECK_EQ_UINT(attached(), 4);
    pthread_t waiting = api_thread(wait_for_a_place, NULL);
    test_sleep_ns(10 * API_MS);
    gate_set(&done, true);
    for (int i = 0; i < 3; i++) {
        api_join(threads[i]);
    }
    api_join(waiting);
    for (int i = 0; i < 10; i++) {
        api_elsewhere(make_one, NULL);
    }
    CHECK_EQ_UINT(wane_refcount(n), 1);
    wane_release(n);
    CHECK_EQ_INT(wane_option_set("max_threads", max), 0);
}

// A call that cannot report ends the program with a line.

static void cannot_report(void *call) {
    pthread_t threads[3];
    struct node *n = node_new(1);
    wane_slot_store(&place, n);
    fill_all_places(threads);
    void *(*fn)(void *) = *(void *(**)(void *))call;
    api_elsewhere(fn, n);
}

TEST(a_call_that_cannot_report_aborts) {
    static void *(*calls[])(void *) = {first_retain, first_release, first_load, first_store,
                                       first_guard};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        api_dies_with(cannot_report, &calls[i], "thread", NULL, NULL);
    }
}
