// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Flushes and callbacks: chains that go on through what a `destroy` leaves for later, units that a thread applies inside
// a callback, and what goes on in the process while the flush itself is in a slow one.

#include "api.h"

#include <semaphore.h>

static sem_t inside, leave, made, quit;

static void set_up(void) {
    CHECK_EQ_INT(sem_init(&inside, 0, 0), 0);
    CHECK_EQ_INT(sem_init(&leave, 0, 0), 0);
    CHECK_EQ_INT(sem_init(&made, 0, 0), 0);
    CHECK_EQ_INT(sem_init(&quit, 0, 0), 0);
}

static void wait_for(sem_t *s) {
    while (sem_wait(s) != 0) {
        CHECK_EQ_INT(errno, EINTR);
    }
}

// A thread applies units of its own inside a callback, and what dies of them has a callback too: it does not wait there
// until the thread comes out. The first test: the collector thread would apply them, and must never have run.

enum { MINE = 100, MORE = 200 };
static wane_slot mine[MINE], more[MORE];

static pthread_t blocked;
static void blocker_destroy(void *self) {
    (void)self;
    blocked = pthread_self();
    for (int i = 0; i < MORE; i++) {
        wane_slot_clear(&more[i]);  // now and then it applies what is safe
    }
    sem_post(&inside);
    wait_for(&leave);
}
static wane_type blocker_type = {.name = "blocker", .size = 8, .destroy = blocker_destroy};

static void *apply_in_a_callback(void *unused) {
    for (uint64_t i = 0; i < MINE; i++) {
        wane_slot_init(&mine[i], node_new(i));
    }
    for (uint64_t i = 0; i < MORE; i++) {
        wane_slot_init(&more[i], leaf_new(i));
    }
    void *blocker = wane_new(&blocker_type);
    for (int i = 0; i < MINE; i++) {
        wane_slot_clear(&mine[i]);
    }
    sem_post(&made);
    wait_for(&quit);
    wane_release(blocker);
    return unused;
}

TEST(applied_inside_a_callback) {
    set_up();
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);  // it would apply them
    size_t before = atomic_load(&nodes_dead);
    pthread_t thread = api_thread(apply_in_a_callback, NULL);
    wait_for(&made);
    CHECK_EQ_INT(wane_thread_attach(), 0);
    for (int i = 0; i < 10; i++) {  // a grace period passes
        wane_poll();
        test_sleep_ns(API_MS);
    }
    CHECK_EQ_UINT(atomic_load(&nodes_dead), before);
    sem_post(&quit);
    wait_for(&inside);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), before + MINE);
    sem_post(&leave);
    api_join(thread);
    CHECK_EQ_INT(wane_option_set("collector_thread", 1), 0);
}

// A chain whose links leave the next one for later, and defer something beside it. Other threads step with nothing to do,
// defer now and then, or flush too.

struct link {
    struct link *next;
};
static _Atomic(size_t) links_dead;
static _Atomic(bool) enough;
static wane_slot aside, beside;

static void link_destroy(void *self) {
    wane_slot_give(&aside, leaf_new(1));
    wane_release_later(((struct link *)self)->next);
    atomic_fetch_add(&links_dead, 1);
}
static wane_type link_type = {
    .name = "link", .size = sizeof(struct link), .destroy = link_destroy};

static void *step_idly(void *unused) {
    while (!atomic_load(&enough)) {
        CHECK(wane_gc_step(0) >= 0);
    }
    return unused;
}
static void *defer_now_and_then(void *unused) {
    while (!atomic_load(&enough)) {
        wane_slot_give(&beside, leaf_new(2));
        test_sleep_ns(20000);
    }
    return unused;
}
static void *flush_too(void *unused) {
    while (!atomic_load(&enough)) {
        CHECK_EQ_INT(wane_flush(), 0);
    }
    return unused;
}

static void follow_chains(void *(*other)(void *)) {
    enum { LINKS = TEST_TSAN || TEST_ASAN ? 200 : 1000, CHAINS = 10 };
    pthread_t thread;
    atomic_store(&enough, false);
    if (other != NULL) {
        thread = api_thread(other, NULL);
    }
    for (size_t chain = 0; chain < CHAINS; chain++) {
        size_t before = atomic_load(&links_dead);
        struct link *first = NULL;
        for (size_t i = 0; i < LINKS; i++) {
            struct link *l = wane_new(&link_type);
            CHECK(l != NULL);
            l->next = first;
            first = l;
        }
        wane_slot place = {0};
        wane_slot_init(&place, first);
        wane_slot_clear(&place);
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(atomic_load(&links_dead), before + LINKS);
    }
    atomic_store(&enough, true);
    if (other != NULL) {
        api_join(thread);
    }
    wane_slot_clear(&aside);
    wane_slot_clear(&beside);
}

TEST(chains_for_later_alone) { follow_chains(NULL); }
TEST(chains_for_later_beside_idle_steps) { follow_chains(step_idly); }
TEST(chains_for_later_beside_one_that_defers) { follow_chains(defer_now_and_then); }
TEST(chains_for_later_beside_another_flush) { follow_chains(flush_too); }

// While a flush is in a slow callback the collector thread goes on with everything: dead objects, units of threads that
// sleep, units that it kept itself, cycles.

static void *own_leaves(void *leaves) {
    for (uint64_t i = 0; i < 5000; i++) {
        ((struct leaf **)leaves)[i] = leaf_new(i);
    }
    sem_post(&made);
    wait_for(&quit);
    return NULL;
}

static void *flush_into_a_callback(void *unused) {
    wane_slot place = {0};
    wane_slot_init(&place, wane_new(&blocker_type));
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
    return unused;
}

static bool as_many_died(void *want) { return atomic_load(&nodes_dead) >= *(size_t *)want; }

TEST(work_goes_on_beside_a_flush_in_a_callback) {
    enum { HOLDERS = 5000 };
    static struct leaf *leaves[HOLDERS];
    set_up();
    pthread_t owner = api_thread(own_leaves, leaves);
    wait_for(&made);
    pthread_t flusher = api_thread(flush_into_a_callback, NULL);
    wait_for(&inside);
    while (!pthread_equal(blocked, flusher)) {  // the collector thread was faster
        sem_post(&leave);
        api_join(flusher);
        flusher = api_thread(flush_into_a_callback, NULL);
        wait_for(&inside);
    }
    size_t then = atomic_load(&nodes_dead);
    for (size_t i = 0; i < HOLDERS; i++) {
        struct node *n = node_new(i);
        wane_slot_init(&n->left, leaves[i]);
        wane_release_later(n);
    }
    api_wait_count(&nodes_dead, then + HOLDERS);
    for (size_t i = 0; i < HOLDERS; i++) {
        wane_release_later(node_new(i));
    }
    api_wait_count(&nodes_dead, then + 2 * HOLDERS);
    unsigned threshold[3];
    wane_gc_get_threshold(threshold);
    CHECK_EQ_INT(wane_gc_set_threshold(1000, threshold[1], threshold[2]), 0);
    for (size_t i = 0; i < HOLDERS; i++) {
        struct node *n = node_new(i);
        wane_slot_store(&n->left, n);
        wane_release(n);
    }
    size_t want = then + 2 * HOLDERS + HOLDERS / 2;
    CHECK(test_wait_until(as_many_died, &want, API_PATIENCE));
    CHECK_EQ_INT(wane_gc_set_threshold(threshold[0], threshold[1], threshold[2]), 0);
    sem_post(&leave);
    sem_post(&quit);
    api_join(flusher);
    api_join(owner);
    wane_gc_collect(2);
}

// A flush that waits for a callback says so: it may be one that waits for the flush.

static sem_t warned;
static void note_warning(int level, const char *line, void *unused) {
    (void)unused;
    if (level == WANE_LOG_WARNING && strstr(line, "running a callback") != NULL) {
        sem_post(&warned);
    }
}

static void *flush_once(void *unused) {
    CHECK_EQ_INT(wane_flush(), 0);
    return unused;
}

TEST(a_callback_that_is_waited_for_is_named) {
    int64_t warn;
    set_up();
    CHECK_EQ_INT(sem_init(&warned, 0, 0), 0);
    CHECK_EQ_INT(wane_option_get("guard_warn_ms", &warn), 0);
    CHECK_EQ_INT(wane_option_set("guard_warn_ms", 10), 0);
    wane_set_log(note_warning, NULL);
    pthread_t first = api_thread(flush_into_a_callback, NULL);
    wait_for(&inside);
    pthread_t second = api_thread(flush_once, NULL);
    wait_for(&warned);
    sem_post(&leave);
    api_join(first);
    api_join(second);
    wane_set_log(NULL, NULL);
    CHECK_EQ_INT(wane_option_set("guard_warn_ms", warn), 0);
}

// What a callback of a flush leaves for later is left to others while it goes on: it may wait for it.

static _Atomic(size_t) later_dead;
static void later_destroy(void *self) {
    (void)self;
    atomic_fetch_add(&later_dead, 1);
}
static wane_type later_type = {.name = "later", .size = 8, .destroy = later_destroy};

static void waiter_destroy(void *self) {
    (void)self;
    size_t want = atomic_load(&later_dead) + 1;
    wane_release_later(wane_new(&later_type));
    api_wait_count(&later_dead, want);
}
static wane_type waiter_type = {.name = "waiter", .size = 8, .destroy = waiter_destroy};

TEST(a_callback_waits_for_what_it_left_for_later) {
    wane_slot place = {0};
    wane_slot_init(&place, wane_new(&waiter_type));
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
}

// Objects that make their successors when they die, for ever: by leaving them for later, which only a limit ends, and by
// deferring them, which ends by itself.

static wane_slot successor;
static bool deferring;
static void heir_destroy(void *self);
static wane_type heir_type = {.name = "heir", .size = 8, .destroy = heir_destroy};

static void heir_destroy(void *self) {
    (void)self;
    if (atomic_load(&enough)) {
        return;
    }
    if (deferring) {
        wane_slot_give(&successor, wane_new(&heir_type));
        wane_slot_clear(&successor);
        test_sleep_ns(2 * API_MS);  // it may be safe by then
    } else {
        wane_release_later(wane_new(&heir_type));
    }
}

TEST(a_limit_holds_along_an_endless_chain) {
    atomic_store(&enough, false);
    deferring = false;
    wane_slot_init(&successor, wane_new(&heir_type));
    wane_slot_clear(&successor);
    CHECK_EQ_INT(wane_flush_for(20 * (int64_t)API_MS), -ETIMEDOUT);
    atomic_store(&enough, true);
}

TEST(deferring_again_and_again_does_not_keep_a_flush) {
    atomic_store(&enough, false);
    deferring = true;
    wane_slot_init(&successor, wane_new(&heir_type));
    wane_slot_clear(&successor);
    CHECK_EQ_INT(wane_flush(), 0);
    atomic_store(&enough, true);
}

// What a `destroy` takes out of a slot is of the next wave, and waited for as well, however many others flush.

enum { FLUSHERS = 4, FLUSHES = 200 };
struct keeper {
    wane_slot slot;  // unknown to the type: emptied by its destroy
    _Atomic(size_t) *dead;
};
static void keeper_destroy(void *self) {
    struct keeper *k = self;
    wane_slot_clear(&k->slot);
    atomic_fetch_add(k->dead, 1);
}
static wane_type keeper_type = {.name = "keeper", .size = sizeof(struct keeper), .destroy = keeper_destroy};

static struct keeper *keeper_new(struct keeper *held, _Atomic(size_t) *dead) {
    struct keeper *k = wane_new(&keeper_type);
    CHECK(k != NULL);
    wane_slot_init(&k->slot, held);
    k->dead = dead;
    return k;
}

static void *flush_keepers(void *unused) {
    _Atomic(size_t) dead = 0;
    for (size_t i = 1; i <= FLUSHES; i++) {
        wane_slot slot;
        wane_slot_init(&slot, keeper_new(keeper_new(NULL, &dead), &dead));
        wane_slot_clear(&slot);
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(atomic_load(&dead), 2 * i);
    }
    return unused;
}

TEST(what_callbacks_defer_is_followed_by_each_of_many) {
    pthread_t threads[FLUSHERS];
    for (int i = 0; i < FLUSHERS; i++) {
        threads[i] = api_thread(flush_keepers, NULL);
    }
    for (int i = 0; i < FLUSHERS; i++) {
        api_join(threads[i]);
    }
}

// Functions that callbacks add are waited for in the same way.

struct adder {
    _Atomic(size_t) *ran;
};
static void count_run(void *ran) { atomic_fetch_add((_Atomic(size_t) *)ran, 1); }
static void add_another(void *ran) {
    atomic_fetch_add((_Atomic(size_t) *)ran, 1);
    CHECK_EQ_INT(wane_defer(count_run, ran), 0);
}
static void adder_destroy(void *self) { CHECK_EQ_INT(wane_defer(add_another, ((struct adder *)self)->ran), 0); }
static wane_type adder_type = {.name = "adder", .size = sizeof(struct adder), .destroy = adder_destroy};

static void *flush_adders(void *unused) {
    _Atomic(size_t) ran = 0;
    for (size_t i = 1; i <= FLUSHES; i++) {
        struct adder *a = wane_new(&adder_type);
        CHECK(a != NULL);
        a->ran = &ran;
        wane_slot slot;
        wane_slot_init(&slot, a);
        wane_slot_clear(&slot);
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(atomic_load(&ran), 2 * i);
    }
    return unused;
}

TEST(functions_that_callbacks_add_are_followed) {
    flush_adders(NULL);
    pthread_t threads[FLUSHERS];
    for (int i = 0; i < FLUSHERS; i++) {
        threads[i] = api_thread(flush_adders, NULL);
    }
    for (int i = 0; i < FLUSHERS; i++) {
        api_join(threads[i]);
    }
}
