// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Finalizers of what is released inside a callback, or dies with a container that has `trace`: they
// run on the spot, but not inside that callback, and before the outermost release has returned.

#include "api.h"

static _Thread_local int inside;   // of a callback
static _Thread_local bool tracing;
static _Atomic(size_t) finalized, destroyed;
static _Atomic(pthread_t) finalized_by;
static wane_slot refuge;

// Holds a unit in a plain field, which `destroy` releases, and one in a slot.
struct link {
    wane_slot slot;
    void *plain;
    bool resurrects;
    unsigned finals;
    unsigned ends;
};

static void enter(void) {
    CHECK(!tracing);
    CHECK_EQ_INT(inside++, 0);
    // In a guard this would end the program.
    CHECK_EQ_INT(wane_flush(), -EDEADLK);
}

static void link_finalize(void *self) {
    enter();
    struct link *l = self;
    CHECK_EQ_UINT(l->finals++, 0);
    CHECK_EQ_UINT(l->ends, 0);
    atomic_store(&finalized_by, pthread_self());
    if (l->resurrects) {
        wane_slot_store(&refuge, l);
    }
    atomic_fetch_add(&finalized, 1);
    inside--;
}

static void link_destroy(void *self) {
    enter();
    struct link *l = self;
    CHECK_EQ_UINT(l->ends++, 0);
    CHECK_EQ_PTR(wane_slot_peek(&l->slot), NULL);
    wane_release(l->plain);
    atomic_fetch_add(&destroyed, 1);
    inside--;
}

static wane_type link_type = {
    .name = "link",
    .size = sizeof(struct link),
    .slots = WANE_SLOTS(struct link, slot),
    .finalize = link_finalize,
    .destroy = link_destroy,
};
static wane_type queued_type = {
    .name = "queued link",
    .size = sizeof(struct link),
    .slots = WANE_SLOTS(struct link, slot),
    .finalize = link_finalize,
    .destroy = link_destroy,
    .flags = WANE_TYPE_FINALIZE_QUEUED,
};

// The collector does not look at these: never part of its garbage.
static wane_type outside_type = {
    .name = "outside link",
    .size = sizeof(struct link),
    .slots = WANE_SLOTS(struct link, slot),
    .finalize = link_finalize,
    .destroy = link_destroy,
    .flags = WANE_TYPE_ACYCLIC,
};

// Slots that only `trace` knows.
struct bag {
    wane_slot *slots;
    size_t n;
};

static void bag_trace(void *self, wane_visitor *v) {
    struct bag *b = self;
    tracing = true;
    wane_visit_n(v, b->slots, b->n);
    tracing = false;
}

static void bag_destroy(void *self) {
    enter();
    struct bag *b = self;
    for (size_t i = 0; i < b->n; i++) {
        CHECK_EQ_PTR(wane_slot_peek(&b->slots[i]), NULL);
    }
    free(b->slots);
    atomic_fetch_add(&destroyed, 1);
    inside--;
}

static void bag_finalize(void *self) {
    (void)self;
    enter();
    atomic_fetch_add(&finalized, 1);
    inside--;
}

static wane_type bag_type = {
    .name = "bag", .size = sizeof(struct bag), .trace = bag_trace, .destroy = bag_destroy};
static wane_type final_bag_type = {.name = "bag with a finalizer",
                                   .size = sizeof(struct bag),
                                   .trace = bag_trace,
                                   .finalize = bag_finalize,
                                   .destroy = bag_destroy};

static struct link *link_new(void *plain) {
    struct link *l = wane_new(&link_type);
    CHECK(l != NULL);
    l->plain = plain;
    return l;
}

static struct bag *bag_new(wane_type *type, size_t n) {
    struct bag *b = wane_new(type);
    CHECK(b != NULL);
    b->slots = calloc(n, sizeof *b->slots);
    CHECK(b->slots != NULL);
    b->n = n;
    return b;
}

// The deaths of what a collection holds are the collection's: none here but where they are wanted.
static void reset(void) {
    wane_gc_disable();
    wane_gc_collect(0);  // after one that runs already
    atomic_store(&finalized, 0);
    atomic_store(&destroyed, 0);
}

static void check_all(size_t finals, size_t deaths) {
    CHECK_EQ_UINT(atomic_load(&finalized), finals);
    CHECK_EQ_UINT(atomic_load(&destroyed), deaths);
    CHECK(pthread_equal(atomic_load(&finalized_by), pthread_self()));
}

TEST(released_in_destroy) {
    reset();
    wane_release(link_new(link_new(NULL)));
    check_all(2, 2);
}

TEST(dies_with_a_traced_container) {
    reset();
    struct bag *b = bag_new(&bag_type, 5000);
    for (size_t i = 0; i < b->n; i++) {
        wane_slot_give(&b->slots[i], link_new(i % 2 == 0 ? link_new(NULL) : NULL));
    }
    wane_release(b);
    check_all(7500, 7501);
}

// Released in a finalizer, which runs because of a finalizer.
static void chain_finalize(void *self) {
    CHECK_EQ_INT(inside++, 0);
    struct link *l = self;
    wane_clear(&l->plain);
    atomic_fetch_add(&finalized, 1);
    inside--;
}

TEST(released_in_finalizers) {
    static wane_type type = {
        .name = "releases in finalize", .size = sizeof(struct link), .finalize = chain_finalize};
    reset();
    struct link *first = NULL;
    for (int i = 0; i < 1000; i++) {
        struct link *l = wane_new(&type);
        l->plain = first;
        first = l;
    }
    wane_release(first);
    CHECK_EQ_UINT(atomic_load(&finalized), 1000);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

static void release_it(void *arg) {
    inside++;
    size_t before = atomic_load(&finalized);
    wane_release(arg);
    CHECK_EQ_UINT(atomic_load(&finalized), before);
    inside--;
}

TEST(released_in_a_deferred_function) {
    reset();
    CHECK_EQ_INT(wane_defer(release_it, link_new(link_new(NULL))), 0);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&finalized), 2);
    CHECK_EQ_UINT(atomic_load(&destroyed), 2);
}

TEST(resurrection_out_of_a_callback) {
    reset();
    struct link *l = link_new(NULL);
    l->resurrects = true;
    wane_weak *w = wane_weak_new(l, NULL, NULL);
    wane_release(link_new(l));
    check_all(2, 1);
    CHECK_EQ_PTR(wane_weak_get(w), l);
    wane_release(l);
    struct bag *b = bag_new(&bag_type, 1);
    wane_slot_give(&b->slots[0], wane_slot_swap(&refuge, NULL));
    CHECK_EQ_INT(wane_flush(), 0);
    wane_release(b);
    check_all(2, 3);
    CHECK_EQ_PTR(wane_weak_get(w), NULL);
    wane_release(w);
}

// Not the last unit at the time: nothing happens.
TEST(one_of_several_units_in_a_callback) {
    reset();
    struct link *l = link_new(NULL);
    wane_release(link_new(wane_retain(l)));
    check_all(1, 1);
    wane_release(l);
    check_all(2, 2);
}

TEST(queued_ones_run_elsewhere) {
    reset();
    struct link *l = wane_new(&queued_type);
    wane_release(link_new(l));
    api_wait_count(&destroyed, 2);
    CHECK_EQ_UINT(atomic_load(&finalized), 2);
    CHECK(!pthread_equal(atomic_load(&finalized_by), pthread_self()));
}

// Found by a collection: what hangs on garbage by `trace` is finalized where that runs.
TEST(hanging_on_a_garbage_cycle) {
    reset();
    struct bag *b = bag_new(&bag_type, 3);
    wane_slot_store(&b->slots[0], b);
    struct link *l = wane_new(&outside_type);
    l->plain = link_new(NULL);
    wane_slot_give(&b->slots[1], l);
    wane_slot_give(&b->slots[2], wane_new(&outside_type));
    wane_release(b);
    CHECK_EQ_UINT(wane_gc_collect(2), 1);
    CHECK_EQ_UINT(atomic_load(&finalized), 3);
    CHECK_EQ_UINT(atomic_load(&destroyed), 4);
}

// Long ones, on a stack that any recursion would use up. WANE_TEST_LONG: ten million.

static size_t length(void) {
    return api_long() ? 10000000 : TEST_TSAN || TEST_ASAN ? 30000 : 300000;
}

static void *chain_of_fields(void *unused) {
    struct link *first = NULL;
    for (size_t i = 0; i < length(); i++) {
        first = link_new(first);
    }
    wane_release(first);
    return unused;
}

static void *chain_of_bags(void *unused) {
    struct bag *first = NULL;
    for (size_t i = 0; i < length(); i++) {
        struct bag *b = bag_new(&final_bag_type, 1);
        wane_slot_init(&b->slots[0], first);
        first = b;
    }
    wane_release(first);
    return unused;
}

static void *chain_of_slots(void *unused) {
    struct link *first = NULL;
    for (size_t i = 0; i < length(); i++) {
        struct link *l = link_new(NULL);
        wane_slot_init(&l->slot, first);
        first = l;
    }
    wane_release(first);
    return unused;
}

static void check_chain(void *(*fn)(void *)) {
    reset();
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    size_t size = TEST_ASAN || TEST_TSAN ? 512 << 10 : 64 << 10;
    CHECK_EQ_INT(pthread_attr_setstacksize(&attr, size), 0);
    pthread_t t;
    CHECK_EQ_INT(pthread_create(&t, &attr, fn, NULL), 0);
    pthread_attr_destroy(&attr);
    api_join(t);
    CHECK_EQ_INT(wane_flush(), 0);  // a collection may have held some of them
    CHECK_EQ_UINT(atomic_load(&finalized), length());
    CHECK_EQ_UINT(atomic_load(&destroyed), length());
}

TEST(long_chain_of_fields) { check_chain(chain_of_fields); }
TEST(long_chain_of_bags) { check_chain(chain_of_bags); }
TEST(long_chain_of_slots) { check_chain(chain_of_slots); }

// Without memory: what does not fit in the queue stays in its slot until there is room.

static void without_memory(void *bag) {
    struct rlimit bound = {1 << 20, 1 << 20};
    CHECK_EQ_INT(setrlimit(RLIMIT_AS, &bound), 0);
    static void *volatile last; // the compiler must not know that nobody uses it
    do {
        last = malloc(16);
    } while (last != NULL);
    wane_release(bag);
    CHECK_EQ_UINT(atomic_load(&finalized), ((size_t)1 << 16) + 1);
    CHECK_EQ_UINT(atomic_load(&destroyed), ((size_t)1 << 16) + 3);
}

TEST(without_memory) {
    if (TEST_TSAN || TEST_ASAN) {
        SKIP("sanitizers need memory");
    }
    reset();
    wane_release(link_new(link_new(NULL)));  // the queue is made here
    reset();
    struct bag *b = bag_new(&bag_type, 1 << 16);
    for (size_t i = 0; i < b->n; i++) {
        wane_slot_init(&b->slots[i], link_new(NULL));
    }
    struct link *l = link_new(b);
    struct bag *outer = bag_new(&bag_type, 1);
    wane_slot_init(&outer->slots[0], l);
    check_in_child(without_memory, outer);
    wane_release(outer);
}

// A fork inside a callback, and one beside a thread that is in one.

static struct link *released_there;
static bool forks;
static struct gate door = GATE_CLOSED;
static _Atomic(size_t) at_door;
static void fork_or_wait(void *self) {
    (void)self;
    for (int i = 0; i < 10; i++) {
        wane_release(link_new(link_new(NULL)));
    }
    wane_release(released_there);
    if (!forks) {
        atomic_fetch_add(&at_door, 1);
        gate_wait(&door);
        return;
    }
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        return;  // the child finishes what the parent has begun, and so does the parent
    }
    int status;
    CHECK_EQ_INT(waitpid(child, &status, 0), child);
    CHECK_EQ_INT(status, 0);
}
static wane_type forking_type = {.name = "forks", .size = 8, .destroy = fork_or_wait};

TEST(fork_inside_a_callback) {
    if (TEST_TSAN || TEST_ASAN) {
        SKIP("forks in callbacks");
    }
    reset();
    forks = true;
    released_there = link_new(NULL);
    pid_t parent = getpid();
    wane_release(wane_new(&forking_type));
    check_all(21, 21);
    if (getpid() != parent) {
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(api_stats().live_objects, 0);
        _exit(0);
    }
}

static void *run_there(void *unused) {
    wane_release(wane_new(&forking_type));
    return unused;
}

static void in_child(void *unused) {
    (void)unused;
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&finalized), 21);
    CHECK_EQ_UINT(atomic_load(&destroyed), 21);
    // The object whose callback the vanished thread was in.
    CHECK_EQ_UINT(api_stats().live_objects, 1);
}

TEST(fork_beside_a_callback) {
    if (TEST_TSAN || TEST_ASAN) {
        SKIP("a fork beside a busy thread");
    }
    reset();
    forks = false;
    released_there = link_new(NULL);
    pthread_t t = api_thread(run_there, NULL);
    api_wait_count(&at_door, 1);
    if (!api_fences()) {
        // The one that belongs to this thread is the collector thread's: not to be in its hands.
        // With fences it has no owner, and is finalized by the other thread, after its callback.
        api_wait_count(&destroyed, 1);
    }
    test_sleep_ns(API_MS);
    check_in_child(in_child, NULL);
    gate_set(&door, true);
    api_join(t);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&finalized), 21);
    CHECK_EQ_UINT(atomic_load(&destroyed), 21);
}

// Several threads, objects that they share, each finalized once.

enum { THREADS = 4, ROUNDS = TEST_TSAN || TEST_ASAN ? 500 : 3000 };
static wane_slot places[8];
static _Atomic(size_t) made;

static void *work(void *seed) {
    test_rng r = test_rng_make((uint64_t)(uintptr_t)seed);
    for (int i = 0; i < ROUNDS; i++) {
        wane_slot *place = &places[test_below(&r, 8)];
        struct bag *b = bag_new(&bag_type, 4);
        for (size_t j = 0; j < b->n; j++) {
            struct link *shared = wane_slot_load(&places[test_below(&r, 8)]);
            struct link *l = link_new(shared);
            atomic_fetch_add(&made, 1);
            if (test_below(&r, 2) == 0) {
                wane_slot_store(place, l);
            }
            wane_slot_give(&b->slots[j], l);
        }
        wane_release(b);
        if (test_below(&r, 4) == 0) {
            wane_slot_clear(place);
        }
    }
    return NULL;
}

TEST(many_threads) {
    reset();
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        threads[i] = api_thread(work, (void *)(i + 1));
    }
    for (size_t i = 0; i < THREADS; i++) {
        api_join(threads[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        wane_slot_clear(&places[i]);
    }
    CHECK(test_wait_until(api_is_quiet, NULL, API_PATIENCE));
    CHECK_EQ_UINT(atomic_load(&finalized), atomic_load(&made));
    CHECK_EQ_UINT(atomic_load(&destroyed), atomic_load(&made) + (size_t)THREADS * ROUNDS);
}
