// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Callbacks of weak references, their arguments, how many refer to an object, and weak references that are fields.

#include "api.h"

struct seen {
    wane_weak *w;
    _Atomic(size_t) calls, frees;
    size_t dead_then;
    bool keeps;  // the callback keeps a unit of the reference
};

static void see(wane_weak *w, void *arg) {
    struct seen *s = arg;
    CHECK_EQ_PTR(wane_weak_get(w), NULL);
    CHECK_EQ_UINT(atomic_load(&s->frees), 0);
    s->dead_then = atomic_load(&nodes_dead);
    atomic_fetch_add(&s->calls, 1);
    CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), 0);  // nested
    CHECK_EQ_INT(wane_flush(), -EDEADLK);
    wane_release(node_new(9));
    if (s->keeps) {
        s->w = wane_retain(w);
    }
}

static void let_go(void *arg) { atomic_fetch_add(&((struct seen *)arg)->frees, 1); }

TEST(a_callback_runs_once_when_the_target_is_dead) {
    struct node *n = node_new(1);
    struct seen s = {0};
    wane_weak *w = wane_weak_new_free(n, see, &s, let_go);
    CHECK_EQ_PTR(wane_weak_get(w), n);
    wane_release(n);
    CHECK_EQ_UINT(atomic_load(&s.calls), 0);
    size_t dead = atomic_load(&nodes_dead);
    wane_release(n);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&s.calls), 1);
    CHECK_EQ_UINT(atomic_load(&s.frees), 1);
    CHECK_EQ_UINT(s.dead_then, dead);  // before destroy
    wane_release(w);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&s.frees), 1);
}

TEST(a_reference_that_dies_first_is_silent) {
    struct node *n = node_new(1);
    struct seen s = {0};
    wane_release(wane_weak_new_free(n, see, &s, let_go));
    CHECK_EQ_UINT(atomic_load(&s.frees), 1);
    wane_release(n);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&s.calls), 0);
    CHECK_EQ_UINT(atomic_load(&s.frees), 1);
}

TEST(an_argument_without_a_callback_goes_with_the_reference) {
    struct node *n = node_new(1);
    struct seen s = {0};
    wane_weak *w = wane_weak_new_free(n, NULL, &s, let_go);
    CHECK_EQ_PTR(wane_weak_get(w), n);
    wane_release(n);
    wane_release(n);
    CHECK_EQ_UINT(atomic_load(&s.frees), 0);
    wane_release(w);
    CHECK_EQ_UINT(atomic_load(&s.frees), 1);
}

TEST(a_callback_may_keep_or_release_its_reference) {
    struct node *n = node_new(1);
    struct seen s = {.keeps = true};
    wane_slot place = WANE_SLOT_EMPTY;
    wane_slot_give(&place, wane_weak_new(n, see, &s));
    wane_release(n);
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&s.calls), 1);
    CHECK_EQ_PTR(wane_weak_get(s.w), NULL);
    wane_release(s.w);
}

TEST(many_callbacks_of_one_object) {
    enum { COUNT = 100 };
    struct node *n = node_new(1);
    static struct seen seen[COUNT];
    wane_weak *w[COUNT];
    for (int i = 0; i < COUNT; i++) {
        w[i] = wane_weak_new(n, see, &seen[i]);
    }
    CHECK_EQ_UINT(wane_weak_count(n), COUNT);
    wane_clear(&w[3]);
    CHECK_EQ_UINT(wane_weak_count(n), COUNT - 1);
    wane_release(n);
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ_UINT(atomic_load(&seen[i].calls), i != 3);
        wane_release(w[i]);
    }
    CHECK_EQ_UINT(wane_weak_count(NULL), 0);
}

// In a cycle: called for references from outside, not for those that are garbage with their target.

static void make_cycle(struct seen *inside, struct seen *outside, wane_weak **ret) {
    struct node *a = node_new(1);
    wane_slot_store(&a->left, a);
    wane_slot_give(&a->right, wane_weak_new_free(a, see, inside, let_go));
    *ret = wane_weak_new_free(a, see, outside, let_go);
    wane_release(a);
}

static void *make_cycles(void *seen) {
    struct seen *s = seen;
    make_cycle(&s[0], &s[1], &s[1].w);
    return NULL;
}

static void check_cycle(struct seen *s) {
    wane_gc_collect(WANE_GC_FULL);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&s[0].calls), 0);
    CHECK_EQ_UINT(atomic_load(&s[0].frees), 1);
    CHECK_EQ_UINT(atomic_load(&s[1].calls), 1);
    CHECK_EQ_UINT(atomic_load(&s[1].frees), 1);
    wane_release(s[1].w);
}

TEST(references_in_garbage_are_silent) {
    struct seen s[2] = {{0}, {0}};
    make_cycle(&s[0], &s[1], &s[1].w);
    check_cycle(s);
}

TEST(references_in_garbage_of_another_thread_are_silent) {
    struct seen s[2] = {{0}, {0}};
    api_elsewhere(make_cycles, s);
    check_cycle(s);
}

// The reference hangs on the garbage through an object that is none of the collector's, and another thread's.
struct holder {
    wane_slot held;
};
static wane_type holder_type = {.name = "holder",
                                .size = sizeof(struct holder),
                                .slots = WANE_SLOTS(struct holder, held),
                                .flags = WANE_TYPE_ACYCLIC};
static pthread_barrier_t made;

static void *hold_in_garbage(void *seen) {
    struct node *n = node_new(1);
    struct holder *h = wane_new(&holder_type);
    wane_slot_store(&n->left, n);
    wane_slot_give(&h->held, wane_weak_new_free(n, see, seen, let_go));
    wane_slot_give(&n->right, h);
    wane_release(n);
    pthread_barrier_wait(&made);
    pthread_barrier_wait(&made);
    return NULL;
}

TEST(references_that_garbage_holds_are_silent) {
    static struct seen s;
    pthread_barrier_init(&made, NULL, 2);
    pthread_t t = api_thread(hold_in_garbage, &s);
    pthread_barrier_wait(&made);
    wane_gc_collect(WANE_GC_FULL);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&s.calls), 0);
    CHECK_EQ_UINT(atomic_load(&s.frees), 1);
    pthread_barrier_wait(&made);
    api_join(t);
    pthread_barrier_destroy(&made);
}

// Each target's last release races with the last one of its reference: one call or none, and the argument goes once.
enum { ROUNDS = 2000 };
static pthread_barrier_t start;
static wane_weak *contended;

static void count_calls(wane_weak *w, void *arg) {
    CHECK_EQ_PTR(wane_weak_get(w), NULL);
    atomic_fetch_add(&((struct seen *)arg)->calls, 1);
}

static void *release_references(void *unused) {
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&start);
        wane_release(contended);
        pthread_barrier_wait(&start);
    }
    return unused;
}

TEST(deaths_race) {
    static struct seen s;
    pthread_barrier_init(&start, NULL, 2);
    pthread_t t = api_thread(release_references, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        struct node *n = node_new(1);
        contended = wane_weak_new_free(n, count_calls, &s, let_go);
        pthread_barrier_wait(&start);
        wane_release(n);
        pthread_barrier_wait(&start);
    }
    api_join(t);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&s.frees), ROUNDS);
    CHECK(atomic_load(&s.calls) <= ROUNDS);
    pthread_barrier_destroy(&start);
}

// All references to a target say that it is dead before the callback of any of them runs.
enum { SIBLINGS = 20 };
static wane_weak *siblings[SIBLINGS];

static void ask_siblings(wane_weak *w, void *calls) {
    (void)w;
    for (int i = 0; i < SIBLINGS; i++) {
        CHECK_EQ_PTR(wane_weak_get(siblings[i]), NULL);
    }
    atomic_fetch_add((_Atomic(size_t) *)calls, 1);
}

TEST(all_references_are_dead_before_any_callback) {
    _Atomic(size_t) called = 0;
    for (int cyclic = 0; cyclic < 2; cyclic++) {
        struct node *n = node_new(1);
        for (int i = 0; i < SIBLINGS; i++) {
            siblings[i] = wane_weak_new(n, i % 2 == 0 ? ask_siblings : NULL, &called);
        }
        if (cyclic != 0) {
            wane_slot_store(&n->left, n);
        }
        wane_release(n);
        wane_gc_collect(2);
        CHECK_EQ_UINT(atomic_load(&called), (size_t)(cyclic + 1) * SIBLINGS / 2);
        for (int i = 0; i < SIBLINGS; i++) {
            wane_release(siblings[i]);
        }
    }
}

// References to references: one from outside is called when the garbage that the other is in dies, one inside is not.
TEST(references_to_references) {
    struct seen inner = {0}, outer = {0};
    struct node *n = node_new(1);
    wane_slot_store(&n->left, n);
    wane_weak *in = wane_weak_new_free(n, see, &inner, let_go), *out = wane_weak_new_free(in, see, &outer, let_go);
    wane_slot_give(&n->right, in);
    CHECK_EQ_PTR(wane_weak_get(out), in);
    wane_release(in);
    wane_release(n);
    wane_gc_collect(2);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&inner.calls), 0);
    CHECK_EQ_UINT(atomic_load(&outer.calls), 1);
    CHECK_EQ_UINT(atomic_load(&inner.frees), 1);
    CHECK_EQ_PTR(wane_weak_get(out), NULL);
    wane_release(out);
}

// A long chain dies from its head; each callback asks for the next one, which may be dying.
enum { CHAIN = 2000 };
static wane_weak *chain[CHAIN];

static void ask_for_next(wane_weak *w, void *number) {
    size_t i = (size_t)(uintptr_t)number;
    CHECK_EQ_PTR(wane_weak_get(w), NULL);
    struct node *next = i + 1 < CHAIN ? wane_weak_get(chain[i + 1]) : NULL;
    if (next != NULL) {
        CHECK_EQ_UINT(next->canary, NODE_CANARY);
        wane_release(next);
    }
}

TEST(callbacks_ask_along_a_dying_chain) {
    struct node *first = NULL;
    for (size_t i = CHAIN; i-- > 0;) {
        struct node *n = node_new(i);
        wane_slot_init(&n->left, first);
        first = n;
        chain[i] = wane_weak_new(n, ask_for_next, (void *)i);
    }
    wane_release(first);
    CHECK_EQ_INT(wane_flush(), 0);
    for (size_t i = 0; i < CHAIN; i++) {
        CHECK_EQ_PTR(wane_weak_get(chain[i]), NULL);
        wane_release(chain[i]);
    }
}

// References are made while collections run.
static void *collect_often(void *stop) {
    while (!atomic_load((_Atomic(bool) *)stop)) {
        wane_gc_collect(2);
    }
    return NULL;
}

TEST(references_are_made_beside_collections) {
    _Atomic(bool) stop = false;
    static struct seen s;
    pthread_t t = api_thread(collect_often, &stop);
    for (int i = 0; i < 2000; i++) {
        struct node *n = node_new(1);
        wane_slot_store(&n->left, n);
        wane_slot_give(&n->right, wane_weak_new(n, count_calls, &s));
        wane_weak *w = wane_weak_new(n, count_calls, &s);
        struct node *got = wane_weak_get(w);
        CHECK_EQ_PTR(got, n);
        wane_release(got);
        wane_release(w);
        wane_release(n);
    }
    atomic_store(&stop, true);
    api_join(t);
    wane_gc_collect(WANE_GC_FULL);
    CHECK_EQ_UINT(atomic_load(&s.calls), 0);
}

// A reference that is made in the finalizer: of an object that dies after it, and of one that is saved.
static wane_weak *made_there;

static void finalize_and_refer(void *self) { made_there = wane_weak_new(self, NULL, NULL); }

TEST(a_reference_that_a_finalizer_makes) {
    static wane_type type = {.name = "referring", .size = 8, .finalize = finalize_and_refer};
    wane_release(wane_new(&type));
    CHECK(made_there != NULL);
    CHECK_EQ_PTR(wane_weak_get(made_there), NULL);
    wane_clear(&made_there);
}

// A reference whose argument is the last to hold its target: it dies first, and is silent.
static void release_arg(void *obj) { wane_release(obj); }
static void never(wane_weak *w, void *arg) { CHECK_MSG(w == NULL && arg == NULL, "called"); }

TEST(an_argument_that_holds_the_target) {
    struct node *n = node_new(1);
    size_t dead = atomic_load(&nodes_dead);
    wane_release(wane_weak_new_free(n, never, n, release_arg));
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
}

// Fields.

TEST(weak_slots) {
    static wane_weak_slot s = WANE_WEAK_SLOT_EMPTY, other;
    struct node *n = node_new(1), *m = node_new(2);
    CHECK_EQ_PTR(wane_weak_slot_get(&s), NULL);
    CHECK_EQ_INT(wane_weak_slot_set(&s, n), 0);
    CHECK_EQ_INT(wane_weak_slot_set(&s, n), 0);
    CHECK_EQ_INT(wane_weak_slot_set(&other, n), 0);
    CHECK_EQ_UINT(wane_weak_count(n), 2);
    CHECK_EQ_UINT(wane_refcount(n), 1);
    struct node *got = wane_weak_slot_get(&s);
    CHECK_EQ_PTR(got, n);
    wane_release(got);
    CHECK_EQ_INT(wane_weak_slot_set(&s, m), 0);
    CHECK_EQ_UINT(wane_weak_count(n), 1);
    CHECK_EQ_UINT(wane_weak_count(m), 1);
    wane_release(n);
    CHECK_EQ_PTR(wane_weak_slot_get(&other), NULL);
    wane_weak_slot_clear(&s);
    wane_weak_slot_clear(&s);
    CHECK_EQ_UINT(wane_weak_count(m), 0);
    CHECK_EQ_INT(wane_weak_slot_set(&s, m), 0);
    CHECK_EQ_INT(wane_weak_slot_set(&s, NULL), 0);
    CHECK_EQ_PTR(wane_weak_slot_get(&s), NULL);
    wane_release(m);
}

static wane_weak_slot shared_place;
static struct node *both[2];
static _Atomic(bool) over;

static void *get_again_and_again(void *unused) {
    while (!atomic_load(&over)) {
        struct node *n = wane_weak_slot_get(&shared_place);
        CHECK(n == both[0] || n == both[1]);  // never NULL: both live, and one of them is always there
        wane_release(n);
    }
    return unused;
}

static void *set_again_and_again(void *unused) {
    for (int i = 0; i < 10000; i++) {
        CHECK_EQ_INT(wane_weak_slot_set(&shared_place, both[i % 2]), 0);
    }
    return unused;
}

TEST(threads_share_a_weak_slot) {
    both[0] = node_new(1);
    both[1] = node_new(2);
    CHECK_EQ_INT(wane_weak_slot_set(&shared_place, both[0]), 0);
    pthread_t reader = api_thread(get_again_and_again, NULL);
    pthread_t a = api_thread(set_again_and_again, NULL), b = api_thread(set_again_and_again, NULL);
    api_join(a);
    api_join(b);
    atomic_store(&over, true);
    api_join(reader);
    CHECK_EQ_UINT(wane_weak_count(both[0]) + wane_weak_count(both[1]), 1);
    wane_weak_slot_clear(&shared_place);
    wane_release(both[0]);
    wane_release(both[1]);
}

// An empty one is in no table yet: of those that set it at once, one puts it there.
enum { TARGETS = 64, CHANGES = TEST_TSAN ? 3000 : 100000, SETTERS = 3 };
static struct node *targets[TARGETS];
static wane_weak_slot emptied;

static void *set_and_clear(void *first) {
    for (size_t i = (size_t)(uintptr_t)first; i < CHANGES; i++) {
        if (i % 3 == 0) {
            wane_weak_slot_clear(&emptied);
        } else {
            CHECK_EQ_INT(wane_weak_slot_set(&emptied, targets[i * 7 % TARGETS]), 0);
        }
        wane_release(wane_weak_slot_get(&emptied));
    }
    return NULL;
}

TEST(threads_fill_an_empty_weak_slot) {
    pthread_t setters[SETTERS];
    for (size_t i = 0; i < TARGETS; i++) {
        targets[i] = node_new(i);
    }
    for (size_t i = 0; i < SETTERS; i++) {
        setters[i] = api_thread(set_and_clear, (void *)(uintptr_t)i);
    }
    for (size_t i = 0; i < SETTERS; i++) {
        api_join(setters[i]);
    }
    wane_weak_slot_clear(&emptied);
    for (size_t i = 0; i < TARGETS; i++) {
        CHECK_EQ_UINT(wane_weak_count(targets[i]), 0);
        wane_release(targets[i]);
    }
}
