// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Finalizers: called once, before anything of the object is taken apart, by whoever gives up the
// last unit and in whatever way; what they bring back to life lives, and dies later without them.

#include "api.h"

struct mortal {
    wane_slot friend;
    uint64_t number;
    bool resurrects;
    unsigned finalized;
    unsigned destroyed;
};

static wane_slot refuge;  // where a finalizer puts what it saves
static _Atomic(size_t) finalized, destroyed;
static pthread_t finalized_by;
static uint64_t friend_seen;

static void mortal_finalize(void *self) {
    struct mortal *m = self;
    finalized_by = pthread_self();
    CHECK_EQ_UINT(++m->finalized, 1);
    CHECK_EQ_UINT(m->destroyed, 0);
    struct node *f = wane_slot_load(&m->friend);
    friend_seen = f != NULL ? f->number : 0;
    CHECK(f == NULL || f->canary == NODE_CANARY);
    wane_release(f);
    if (m->resurrects) {
        wane_slot_store(&refuge, m);
    }
    atomic_fetch_add(&finalized, 1);
}

static void mortal_destroy(void *self) {
    struct mortal *m = self;
    CHECK_EQ_UINT(m->finalized, 1);
    CHECK_EQ_UINT(++m->destroyed, 1);
    atomic_fetch_add(&destroyed, 1);
}

static wane_type mortal_type = {
    .name = "mortal",
    .size = sizeof(struct mortal),
    .slots = WANE_SLOTS(struct mortal, friend),
    .finalize = mortal_finalize,
    .destroy = mortal_destroy,
};

static struct mortal *mortal_new(bool resurrects) {
    struct mortal *m = wane_new(&mortal_type);
    CHECK(m != NULL);
    m->resurrects = resurrects;
    wane_slot_give(&m->friend, node_new(77));
    friend_seen = 0;
    return m;
}

// Expects the death of one more object than `before` says, finalized with its friend alive.
static void check_one_died(size_t before) {
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&finalized), before + 1);
    CHECK_EQ_UINT(atomic_load(&destroyed), before + 1);
    CHECK_EQ_UINT(friend_seen, 77);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

TEST(called_once_on_the_spot) {
    size_t before = atomic_load(&destroyed);
    struct mortal *m = mortal_new(false);
    wane_retain(m);
    wane_release(m);
    CHECK_EQ_UINT(atomic_load(&finalized), before);
    wane_release(m);
    CHECK_EQ_UINT(atomic_load(&finalized), before + 1);
    CHECK(pthread_equal(finalized_by, pthread_self()));
    check_one_died(before);
}

TEST(last_release_of_a_shared_object) {
    size_t before = atomic_load(&destroyed);
    struct mortal *m = wane_share(mortal_new(false));
    api_elsewhere(api_release_it, m);
    check_one_died(before);
}

TEST(last_release_by_another_thread) {
    size_t before = atomic_load(&destroyed);
    api_elsewhere(api_release_it, mortal_new(false));
    check_one_died(before);
}

TEST(last_release_by_the_owner_after_others) {
    size_t before = atomic_load(&destroyed);
    struct mortal *m = mortal_new(false);
    wane_retain(m);
    wane_retain(m);
    api_elsewhere(api_release_it, m);
    wane_release(m);
    wane_release(m);
    check_one_died(before);
}

static void *mortal_of_my_own(void *ret) {
    *(struct mortal **)ret = mortal_new(false);
    return NULL;
}

TEST(last_release_after_the_owner_has_gone) {
    size_t before = atomic_load(&destroyed);
    struct mortal *m = NULL;
    api_elsewhere(mortal_of_my_own, &m);
    wane_release(m);
    check_one_died(before);
}

TEST(last_unit_in_a_slot) {
    size_t before = atomic_load(&destroyed);
    wane_slot place = WANE_SLOT_EMPTY;
    wane_slot_give(&place, mortal_new(false));
    wane_slot_clear(&place);
    check_one_died(before);
}

static void *give_and_clear(void *place) {
    wane_slot_give(place, mortal_new(false));
    wane_slot_clear(place);
    return NULL;
}

TEST(last_unit_left_by_an_exited_thread) {
    size_t before = atomic_load(&destroyed);
    wane_slot place = WANE_SLOT_EMPTY;
    api_elsewhere(give_and_clear, &place);
    check_one_died(before);
}

TEST(last_unit_in_a_slot_of_a_dying_object) {
    size_t before = atomic_load(&destroyed);
    struct node *n = node_new(1);
    wane_slot_give(&n->right, mortal_new(false));
    wane_release(n);
    check_one_died(before);
}

TEST(a_weak_unit_is_the_last) {
    size_t before = atomic_load(&destroyed);
    struct mortal *m = mortal_new(false);
    wane_weak *w = wane_weak_new(m, NULL, NULL);
    struct mortal *second = wane_weak_get(w);
    wane_release(m);
    CHECK_EQ_UINT(atomic_load(&finalized), before);
    wane_release(second);
    wane_release(w);
    check_one_died(before);
}

// Resurrection.

static void check_resurrected(size_t before, wane_weak *w, struct mortal *m) {
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&finalized), before + 1);
    CHECK_EQ_UINT(atomic_load(&destroyed), before);
    // Whole, with all that hangs on it, and weak references never said that it was dead.
    CHECK_EQ_PTR(wane_weak_get(w), m);
    struct node *f = wane_slot_load(&m->friend);
    CHECK_EQ_UINT(f->number, 77);
    wane_release(f);
    wane_release(m);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(wane_refcount(m), 1);
    // The second death is the last, and without a finalizer.
    wane_slot_clear(&refuge);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&finalized), before + 1);
    CHECK_EQ_UINT(atomic_load(&destroyed), before + 1);
    CHECK_EQ_PTR(wane_weak_get(w), NULL);
    wane_release(w);
}

TEST(resurrection_by_the_owner) {
    size_t before = atomic_load(&destroyed);
    struct mortal *m = mortal_new(true);
    wane_weak *w = wane_weak_new(m, NULL, NULL);
    wane_release(m);
    check_resurrected(before, w, m);
}

TEST(resurrection_by_another_thread) {
    size_t before = atomic_load(&destroyed);
    struct mortal *m = mortal_new(true);
    wane_weak *w = wane_weak_new(m, NULL, NULL);
    api_elsewhere(api_release_it, m);
    check_resurrected(before, w, m);
}

TEST(resurrection_of_a_shared_object) {
    size_t before = atomic_load(&destroyed);
    struct mortal *m = wane_share(mortal_new(true));
    wane_weak *w = wane_weak_new(m, NULL, NULL);
    wane_release(m);
    check_resurrected(before, w, m);
}

TEST(resurrection_out_of_a_slot) {
    size_t before = atomic_load(&destroyed);
    struct mortal *m = mortal_new(true);
    wane_weak *w = wane_weak_new(m, NULL, NULL);
    wane_slot place = WANE_SLOT_EMPTY;
    wane_slot_give(&place, m);
    wane_slot_clear(&place);
    check_resurrected(before, w, m);
}

TEST(resurrection_out_of_a_dying_object) {
    size_t before = atomic_load(&destroyed);
    struct mortal *m = mortal_new(true);
    wane_weak *w = wane_weak_new(m, NULL, NULL);
    struct node *n = node_new(1);
    wane_slot_give(&n->left, m);
    wane_release(n);
    check_resurrected(before, w, m);
}

// A plain retain in the finalizer is a resurrection as well; so is a unit from a weak reference.

static struct node *kept;
static void keep_by_retain(void *self) { kept = wane_retain(self); }

static wane_weak *kept_weak;
static void keep_by_weak(void *self) {
    kept = wane_weak_get(kept_weak);
    CHECK_EQ_PTR(kept, self);
}

TEST(resurrection_by_retain_and_by_weak_get) {
    static wane_type types[] = {
        {.name = "retains", .size = 8, .finalize = keep_by_retain},
        {.name = "upgrades", .size = 8, .finalize = keep_by_weak},
    };
    for (size_t i = 0; i < 2; i++) {
        void *o = wane_new(&types[i]);
        kept_weak = wane_weak_new(o, NULL, NULL);
        wane_release(o);
        CHECK_EQ_PTR(kept, o);
        CHECK_EQ_UINT(wane_refcount(kept), 1);
        wane_clear(&kept);
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_PTR(kept, NULL);
        CHECK_EQ_PTR(wane_weak_get(kept_weak), NULL);
        wane_release(kept_weak);
    }
}

// Finalizers in a chain: each runs with the next one alive.

struct bead {
    wane_slot next;
    uint64_t number;
    bool finalized;
};
static _Atomic(size_t) beads_finalized;
static _Atomic(size_t) beads_destroyed;
static _Thread_local int callback_depth;

static void bead_finalize(void *self) {
    CHECK_EQ_INT(callback_depth++, 0);
    struct bead *b = self;
    CHECK(!b->finalized);
    b->finalized = true;
    struct bead *next = wane_slot_load(&b->next);
    CHECK(next == NULL || (next->number == b->number + 1 && !next->finalized));
    wane_release(next);
    atomic_fetch_add(&beads_finalized, 1);
    callback_depth--;
}

static void bead_destroy(void *self) {
    struct bead *b = self;
    CHECK_EQ_INT(callback_depth, 0);
    CHECK(b->finalized);
    atomic_fetch_add(&beads_destroyed, 1);
}

static wane_type bead_type = {
    .name = "bead",
    .size = sizeof(struct bead),
    .slots = WANE_SLOTS(struct bead, next),
    .finalize = bead_finalize,
    .destroy = bead_destroy,
};

TEST(chains_of_finalizers) {
    enum { LENGTH = 100000 };
    struct bead *first = NULL;
    for (size_t i = LENGTH; i > 0; i--) {
        struct bead *b = wane_new(&bead_type);
        b->number = i;
        wane_slot_init(&b->next, first);
        first = b;
    }
    wane_release(first);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&beads_finalized), LENGTH);
    CHECK_EQ_UINT(atomic_load(&beads_destroyed), LENGTH);
}

// The same of a thread that sleeps: the collector thread settles each link by itself, and must not
// rest between them. At a link a round, as it once was, this would take a minute.
static struct gate over = GATE_CLOSED;
static void *make_and_sleep(void *ret) {
    struct bead *first = NULL;
    for (size_t i = TEST_TSAN || TEST_ASAN ? 20000 : 200000; i > 0; i--) {
        struct bead *b = wane_new(&bead_type);
        b->number = i;
        wane_slot_init(&b->next, first);
        first = b;
    }
    atomic_store((_Atomic(struct bead *) *)ret, first);
    gate_wait(&over);
    return NULL;
}

TEST(chains_of_a_sleeping_owner) {
    enum { LENGTH = TEST_TSAN || TEST_ASAN ? 20000 : 200000 };
    size_t before = atomic_load(&beads_destroyed);
    _Atomic(struct bead *) first = NULL;
    pthread_t owner = api_thread(make_and_sleep, &first);
    while (atomic_load(&first) == NULL) {
        test_sleep_ns(API_MS);
    }
    wane_release(atomic_load(&first));
    api_wait_count(&beads_destroyed, before + LENGTH);
    gate_set(&over, true);
    api_join(owner);
}

// Finalizers may use the library: make objects, use slots, start threads.

static void *make_in_thread(void *unused) {
    wane_release(node_new(9));
    return unused;
}

static void busy_finalize(void *self) {
    struct node *n = self;
    struct node *m = node_new(5);
    wane_slot_store(&m->left, n);
    wane_slot_clear(&m->left);
    wane_weak *w = wane_weak_new(m, NULL, NULL);
    wane_release(m);
    wane_release(w);
    api_elsewhere(make_in_thread, NULL);
    CHECK_EQ_INT(wane_flush(), -EDEADLK);
    n->number = 6;
}

static uint64_t number_at_destroy;
static void note_number(void *self) { number_at_destroy = ((struct node *)self)->number; }

TEST(a_finalizer_may_use_the_library) {
    static wane_type type = {
        .name = "busy",
        .size = sizeof(struct node),
        .finalize = busy_finalize,
        .destroy = note_number,
    };
    wane_release(wane_new(&type));
    CHECK(test_wait_until(api_is_quiet, NULL, API_PATIENCE));
    CHECK_EQ_UINT(number_at_destroy, 6);
}

static _Atomic(size_t) queued_ran;
static pthread_t queued_by;
static void queued_finalize(void *self) {
    (void)self;
    queued_by = pthread_self();
    atomic_fetch_add(&queued_ran, 1);
}

static wane_type queued_type = {
    .name = "queued",
    .size = 8,
    .finalize = queued_finalize,
    .flags = WANE_TYPE_FINALIZE_QUEUED,
};

TEST(queued_finalizers_run_elsewhere) {
    wane_release(wane_new(&queued_type));
    api_wait_count(&queued_ran, 1);
    CHECK(!pthread_equal(queued_by, pthread_self()));
}

// The thread that released it may come by its queue all the time.
static bool ran_beside_polls(size_t want) {
    uint64_t end = test_now_ns() + API_PATIENCE;
    while (atomic_load(&queued_ran) != want) {
        wane_poll();
        if (test_now_ns() > end)
            return false;
    }
    return true;
}

TEST(polls_do_not_put_queued_finalizers_off) {
    size_t want = atomic_load(&queued_ran);
    for (int i = 0; i < 10; i++) {
        wane_release(wane_new(&queued_type));
        want++;
        CHECK(ran_beside_polls(want));
        CHECK(!pthread_equal(queued_by, pthread_self()));
    }
}
