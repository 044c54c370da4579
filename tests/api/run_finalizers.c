// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Finalizers that the program runs where it likes: wane_run_finalizers, and the function that says that some wait.

#include "api.h"

#include <semaphore.h>

struct job {
    wane_slot other;
    uint64_t number;
};

static _Atomic(size_t) ran, destroyed, told;
static _Atomic(pthread_t) ran_by;
static void (*in_finalizer)(struct job *j);

static void job_finalize(void *self) {
    struct job *j = self;
    CHECK_EQ_UINT(j->number & 0xff00, 0x4200);
    atomic_store(&ran_by, pthread_self());
    atomic_fetch_add(&ran, 1);
    if (in_finalizer != NULL) {
        in_finalizer(j);
    }
}

static void job_destroy(void *self) {
    (void)self;
    atomic_fetch_add(&destroyed, 1);
}

static wane_type job_type = {
    .name = "job",
    .size = sizeof(struct job),
    .slots = WANE_SLOTS(struct job, other),
    .finalize = job_finalize,
    .destroy = job_destroy,
    .flags = WANE_TYPE_FINALIZE_QUEUED,
};

static struct job *job_new(void) {
    struct job *j = WANE_NEW(struct job, &job_type);
    CHECK(j != NULL);
    j->number = 0x4200;
    return j;
}

static sem_t some_wait;

static void tell(void *arg) {
    CHECK_EQ_PTR(arg, &some_wait);
    atomic_fetch_add(&told, 1);
    sem_post(&some_wait);
}

static void begin(void) {
    atomic_store(&ran, 0);
    atomic_store(&destroyed, 0);
    atomic_store(&told, 0);
    sem_init(&some_wait, 0, 0);
    CHECK_EQ_INT(wane_set_finalizer_notify(tell, &some_wait), 0);
}

static void end(void) {
    CHECK_EQ_INT(wane_set_finalizer_notify(NULL, NULL), 0);
    CHECK_EQ_INT(wane_flush(), 0);
}

// Until the library says that some wait, which it must.
static void await_word(void) {
    while (sem_wait(&some_wait) != 0) {
    }
}

TEST(they_wait_until_they_are_asked_for) {
    begin();
    enum { COUNT = 100 };
    wane_weak *w = NULL;
    for (int i = 0; i < COUNT; i++) {
        struct job *j = job_new();
        if (w == NULL) {
            w = wane_weak_new(j, NULL, NULL);
        }
        wane_release(j);
    }
    await_word();
    CHECK_EQ_INT(wane_flush(), 0);  // does not wait for them
    CHECK_EQ_UINT(atomic_load(&ran), 0);
    CHECK_EQ_UINT(atomic_load(&told), 1);
    CHECK_EQ_UINT(api_stats().live_objects, COUNT + 1);
    CHECK_EQ_UINT(wane_run_finalizers(), COUNT);
    CHECK_EQ_UINT(atomic_load(&ran), COUNT);
    CHECK(pthread_equal(atomic_load(&ran_by), pthread_self()));
    CHECK_EQ_UINT(wane_run_finalizers(), 0);
    CHECK_EQ_PTR(wane_weak_get(w), NULL);
    wane_release(w);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&destroyed), COUNT);
    wane_release(job_new());
    await_word();  // told anew
    CHECK_EQ_UINT(atomic_load(&told), 2);
    CHECK_EQ_UINT(wane_run_finalizers(), 1);
    end();
}

TEST(of_objects_of_other_threads) {
    begin();
    for (int i = 0; i < 20; i++) {
        api_elsewhere(api_release_it, job_new());
    }
    uint64_t limit = test_now_ns() + API_PATIENCE;
    size_t n = 0;
    while (n < 20) {
        await_word();
        n += wane_run_finalizers();
        CHECK(test_now_ns() < limit);
    }
    CHECK_EQ_UINT(atomic_load(&ran), 20);
    end();
}

TEST(of_dead_cycles) {
    begin();
    for (int i = 0; i < 50; i++) {
        struct job *a = job_new(), *b = job_new();
        wane_slot_store(&a->other, b);
        wane_slot_give(&b->other, a);
        wane_release(b);
    }
    wane_gc_collect(WANE_GC_FULL);
    wane_gc_collect(WANE_GC_FULL);  // what waits is alive
    CHECK_EQ_UINT(atomic_load(&ran), 0);
    await_word();
    CHECK_EQ_UINT(wane_run_finalizers(), 100);
    CHECK_EQ_UINT(atomic_load(&destroyed), 0);
    wane_gc_collect(WANE_GC_FULL);
    CHECK_EQ_UINT(atomic_load(&ran), 100);
    CHECK_EQ_UINT(atomic_load(&destroyed), 100);
    end();
}

TEST(an_object_that_is_held_again_waits_for_its_next_death) {
    begin();
    struct job *j = job_new();
    wane_weak *w = wane_weak_new(j, NULL, NULL);
    wane_release(j);
    await_word();
    WANE_AUTO struct job *again = wane_weak_get(w);
    CHECK_EQ_PTR(again, j);
    CHECK_EQ_UINT(wane_run_finalizers(), 0);
    CHECK_EQ_UINT(wane_refcount(j), 1);
    wane_clear(&again);
    await_word();
    CHECK_EQ_UINT(wane_run_finalizers(), 1);
    wane_release(w);
    end();
}

static wane_slot saved = WANE_SLOT_EMPTY;
static void save(struct job *j) { wane_slot_store(&saved, j); }

TEST(a_finalizer_may_save_its_object) {
    begin();
    in_finalizer = save;
    wane_release(job_new());
    await_word();
    CHECK_EQ_UINT(wane_run_finalizers(), 1);
    in_finalizer = NULL;
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&destroyed), 0);
    CHECK(wane_gc_is_finalized(wane_slot_peek_locked(&saved)));
    wane_slot_clear(&saved);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&ran), 1);
    CHECK_EQ_UINT(atomic_load(&destroyed), 1);
    end();
}

// What finalizers release is finalized in the same call; the calls that wait for themselves say so.
static void use_everything(struct job *j) {
    CHECK_EQ_UINT(wane_run_finalizers(), 0);
    CHECK_EQ_UINT(wane_gc_collect(2), 0);
    CHECK_EQ_INT(wane_flush(), -EDEADLK);
    if ((j->number & 0xff) < 5) {
        struct job *next = job_new();
        next->number = j->number + 1;
        wane_release(next);
    }
    wane_release(node_new(1));
}

TEST(finalizers_may_do_everything) {
    begin();
    in_finalizer = use_everything;
    wane_release(job_new());
    await_word();
    CHECK_EQ_UINT(wane_run_finalizers(), 6);
    in_finalizer = NULL;
    end();
}

TEST(without_a_function_they_run_by_themselves) {
    begin();
    wane_release(job_new());
    await_word();
    CHECK_EQ_UINT(atomic_load(&ran), 0);
    CHECK_EQ_INT(wane_set_finalizer_notify(NULL, NULL), 0);
    api_wait_count(&ran, 1);
    wane_release(job_new());
    api_wait_count(&ran, 2);
    CHECK_EQ_UINT(wane_run_finalizers(), 0);
    end();
}

static _Atomic(size_t) told_other;
static void tell_other(void *arg) { atomic_fetch_add((_Atomic(size_t) *)arg, 1); }

TEST(a_new_function_is_told_of_what_waits) {
    begin();
    wane_release(job_new());
    await_word();
    CHECK_EQ_INT(wane_set_finalizer_notify(tell_other, &told_other), 0);
    api_wait_count(&told_other, 1);
    CHECK_EQ_UINT(wane_run_finalizers(), 1);
    end();
}

// After wane_set_finalizer_notify no call of the function before is under way, but in itself.
struct slow {
    struct gate entered, leave;
    _Atomic(bool) over;
};

static void tell_slowly(void *arg) {
    struct slow *s = arg;
    gate_set(&s->entered, true);
    gate_wait(&s->leave);
    atomic_store(&s->over, true);
}

static void *open_soon(void *arg) {
    test_sleep_ns(5 * API_MS);
    gate_set(&((struct slow *)arg)->leave, true);
    return NULL;
}

static void replace_itself(void *arg) {
    CHECK_EQ_INT(wane_set_finalizer_notify(tell_other, arg), 0);
    atomic_fetch_add((_Atomic(size_t) *)arg, 1);
}

TEST(replacing_a_function_waits_for_it) {
    begin();
    static struct slow s = {GATE_CLOSED, GATE_CLOSED, false};
    CHECK_EQ_INT(wane_set_finalizer_notify(tell_slowly, &s), 0);
    wane_release(job_new());
    gate_wait(&s.entered);
    pthread_t t = api_thread(open_soon, &s);
    CHECK_EQ_INT(wane_set_finalizer_notify(replace_itself, &told_other), 0);
    CHECK(atomic_load(&s.over));
    api_join(t);
    wane_release(job_new());
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK(wane_run_finalizers() >= 1);
    end();
}

// Threads drop, others run what waits when they are told, and at no other time: nothing is left waiting.
enum { MAKERS = 3, RUNNERS = 2, EACH = 3000 };
static _Atomic(size_t) sum;
static wane_slot shared[4];

static void *make_and_drop(void *index) {
    test_rng r = test_rng_make((uint64_t)(uintptr_t)index);
    for (int i = 0; i < EACH; i++) {
        struct job *j = job_new();
        if (test_below(&r, 4) == 0) {
            wane_slot_store(&j->other, j);
        }
        wane_slot_give(&shared[test_below(&r, 4)], j);
        if (i % 500 == 0) {
            test_sleep_ns(API_MS);
        }
    }
    return NULL;
}

static void *run_when_told(void *unused) {
    while (atomic_load(&sum) < MAKERS * EACH) {
        await_word();
        if (atomic_fetch_add(&sum, wane_run_finalizers()) >= MAKERS * EACH) {
            break;
        }
    }
    sem_post(&some_wait);  // the other one may be waiting
    return unused;
}

static void *collect_again_and_again(void *unused) {
    while (atomic_load(&sum) < MAKERS * EACH) {
        wane_gc_collect(2);
        test_sleep_ns(API_MS);
    }
    return unused;
}

TEST(many_threads) {
    begin();
    atomic_store(&sum, 0);
    pthread_t makers[MAKERS], runners[RUNNERS];
    for (size_t i = 0; i < RUNNERS; i++) {
        runners[i] = api_thread(run_when_told, NULL);
    }
    for (size_t i = 0; i < MAKERS; i++) {
        makers[i] = api_thread(make_and_drop, (void *)(i + 1));
    }
    for (size_t i = 0; i < MAKERS; i++) {
        api_join(makers[i]);
    }
    for (int i = 0; i < 4; i++) {
        wane_slot_clear(&shared[i]);
    }
    pthread_t collector = api_thread(collect_again_and_again, NULL);
    for (size_t i = 0; i < RUNNERS; i++) {
        api_join(runners[i]);
    }
    api_join(collector);
    CHECK_EQ_UINT(atomic_load(&ran), MAKERS * EACH);
    wane_gc_collect(WANE_GC_FULL);
    CHECK_EQ_UINT(atomic_load(&destroyed), MAKERS * EACH);
    end();
}

// What waits, waits in the child too, and it is told of that.
static void run_in_child(void *n) {
    CHECK_EQ_UINT(atomic_load(&ran), 0);
    wane_release(job_new());
    CHECK_EQ_UINT(wane_run_finalizers(), (uintptr_t)n + 1);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&destroyed), (uintptr_t)n + 1);
}

TEST(in_the_child_of_a_fork) {
    begin();
    static struct test_end result;
    for (int i = 0; i < 300; i++) {
        wane_release(job_new());
    }
    await_word();
    test_run_child(run_in_child, (void *)300, &result);
    CHECK_MSG(result.status == 0, "child: %s", result.said);
    CHECK_EQ_UINT(wane_run_finalizers(), 300);
    end();
}

// Where nobody else does the collector's work, calls that do it tell.
static void without_thread(void *unused) {
    (void)unused;
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    begin();
    wane_release(job_new());
    CHECK_EQ_UINT(atomic_load(&told), 0);
    wane_poll();
    CHECK_EQ_UINT(atomic_load(&told), 1);
    CHECK_EQ_UINT(wane_run_finalizers(), 1);
    wane_release(job_new());
    while (wane_gc_step(API_MS) > 0) {
    }
    CHECK_EQ_UINT(atomic_load(&told), 2);
    CHECK_EQ_UINT(wane_run_finalizers(), 1);
    wane_release(job_new());
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&told), 3);
    CHECK_EQ_UINT(wane_run_finalizers(), 1);
    struct job *j = job_new();
    wane_slot_give(&j->other, j);
    wane_gc_collect(2);
    CHECK_EQ_UINT(atomic_load(&told), 4);
    CHECK_EQ_UINT(wane_run_finalizers(), 1);
    end();
    CHECK_EQ_UINT(atomic_load(&ran), 4);
}

TEST(without_the_collector_thread) {
    static struct test_end result;
    test_run_child(without_thread, NULL, &result);
    CHECK_MSG(result.status == 0, "child: %s", result.said);
}
