/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * ahead.c: what hangs on a batch's dying objects loses its owner together with them.
 *
 * Objects are made by a thread that then sleeps: it never gives up a bias itself, and each unit
 * that is released here is kept. Nothing is measured but numbers of objects and batches.
 */
#include "life/ahead.h"

#include <pthread.h>
#include <stdlib.h>
#include <wane.h>

#include "harness.h"
#include "life/apply.h"
#include "thread/grace.h"

__attribute__((constructor)) static void without_the_librarys_thread(void) {
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    CHECK_EQ_INT(wane_option_set("threshold0", 0), 0);
    CHECK_EQ_INT(wane_option_set("candidate_age_ms", 0), 0);
}

struct node {
    wane_slot next;
};
static wane_type node_type = {
    .name = "node", .size = sizeof(struct node), .slots = WANE_SLOTS(struct node, next)};
static wane_type shared_type = {.name = "shared",
                                .size = sizeof(struct node),
                                .slots = WANE_SLOTS(struct node, next),
                                .flags = WANE_TYPE_SHARED};
static void finalize(void *self) { (void)self; }
static wane_type final_type = {.name = "final",
                               .size = sizeof(struct node),
                               .slots = WANE_SLOTS(struct node, next),
                               .finalize = finalize};
struct wide {
    size_t n;
    wane_slot to[];
};
static wane_type wide_type = {
    .name = "wide", .size = sizeof(struct wide), .flags = WANE_TYPE_EXTRA_SLOTS};

static wane_stats stats(void) {
    wane_stats s = {.struct_size = sizeof s};
    CHECK_EQ_INT(wane_stats_get(&s), 0);
    return s;
}

static struct wane__record *self(void) { return wane__record_need("ahead"); }

/* A thread that makes something, and then sleeps until the test ends. */
static struct sleeper {
    pthread_t thread;
    pthread_barrier_t step;
    void *(*make)(void *arg);
    void *arg, *made;
    uint32_t id;
} sleeper;

static void *make_and_sleep(void *unused) {
    sleeper.made = sleeper.make(sleeper.arg);
    sleeper.id = self()->id;
    pthread_barrier_wait(&sleeper.step);
    pthread_barrier_wait(&sleeper.step);
    return unused;
}

static void *made_elsewhere(void *(*make)(void *arg), void *arg) {
    (void)self();
    sleeper.make = make;
    sleeper.arg = arg;
    CHECK_EQ_INT(pthread_barrier_init(&sleeper.step, NULL, 2), 0);
    CHECK_EQ_INT(pthread_create(&sleeper.thread, NULL, make_and_sleep, NULL), 0);
    pthread_barrier_wait(&sleeper.step);
    return sleeper.made;
}

static void wake(void) {
    pthread_barrier_wait(&sleeper.step);
    CHECK_EQ_INT(pthread_join(sleeper.thread, NULL), 0);
    pthread_barrier_destroy(&sleeper.step);
}

/* Everything is released, and dies while the thread that made it sleeps. */
static void all_dies(void) {
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(stats().live_objects, 0);
    wake();
}

/* The next object of the list that keeps the unit of `next`. */
static struct node *before(wane_type *t, void *next) {
    struct node *n = wane_new(t);
    CHECK(n != NULL);
    wane_slot_init(&n->next, next);
    return n;
}

static void *list(void *length) {
    struct node *head = NULL;
    for (size_t i = 0; i < (size_t)(uintptr_t)length; i++)
        head = before(&node_type, head);
    return head;
}

static void *after(const void *obj) {
    return load_acquire(&((struct node *)(uintptr_t)obj)->next.wane__target);
}

static bool owned(const void *obj) {
    return load_relaxed(&wane__header_of(obj)->owner) != WANE__OWNER_NONE;
}
static bool merged(const void *obj) {
    return wane__word_has(load_relaxed(&wane__header_of(obj)->shared), WANE__MERGED);
}

/* The three steps for a batch of these objects; their units stay the caller's. */
static struct wane__ahead ahead;
static size_t told;

static void begun(void *arg, uint32_t owner) {
    CHECK_EQ_PTR(arg, &told);
    CHECK_EQ_UINT(owner, sleeper.id);
    told++;
}

static size_t look_ahead(void *const *objects, size_t n) {
    struct wane__record *r = self();
    ahead.r = r;
    ahead.begun = begun;
    ahead.arg = &told;
    told = 0;
    for (size_t i = 0; i < n; i++)
        store_relaxed(&r->xbatch[i], (uintptr_t)wane__header_of(objects[i]));
    uint64_t revocations = stats().revocations;
    wane_guard_enter();
    wane__ahead_begin(&ahead, n);
    CHECK_EQ_UINT(stats().revocations, revocations); /* not before the brackets were waited for */
    CHECK(wane__bracket_wait());
    wane__ahead_end(&ahead);
    wane_guard_leave();
    for (size_t i = 0; i < n; i++)
        store_relaxed(&r->xbatch[i], (uintptr_t)0);
    CHECK_EQ_UINT(told, ahead.n);
    CHECK_EQ_UINT(stats().revocations, revocations + ahead.n);
    return ahead.n;
}

#define NEEDS_OWNERS()                                                                             \
    do {                                                                                           \
        (void)self();                                                                              \
        if (wane__fences_on())                                                                     \
            SKIP("objects have no owners without membarrier");                                     \
    } while (0)

TEST(a_list_is_followed_to_its_end) {
    NEEDS_OWNERS();
    void *head = made_elsewhere(list, (void *)100);
    CHECK_EQ_UINT(look_ahead(&head, 1), 99);
    CHECK(owned(head) && !merged(head)); /* the batch's own are the caller's to revoke */
    size_t i = 0;
    for (void *n = after(head); n != NULL; n = after(n), i++) {
        CHECK_EQ_PTR(ahead.objects[i], wane__header_of(n));
        CHECK(merged(n) && !owned(n));
        CHECK_EQ_UINT(wane_refcount(n), 1);
    }
    CHECK_EQ_UINT(i, 99);
    wane_release(head);
    all_dies();
}

TEST(up_to_the_limit) {
    NEEDS_OWNERS();
    void *head = made_elsewhere(list, (void *)(WANE__AHEAD_MAX + 100));
    CHECK_EQ_UINT(look_ahead(&head, 1), WANE__AHEAD_MAX);
    void *n = head;
    for (size_t i = 0; i < WANE__AHEAD_MAX; i++)
        CHECK(merged(n = after(n)));
    for (size_t i = 1; i < 100; i++)
        CHECK(owned(n = after(n)) && !merged(n));
    CHECK_EQ_PTR(after(n), NULL);
    wane_release(head);
    all_dies();
}

static struct wide *wide(size_t n) {
    struct wide *w = wane_new_extra(&wide_type, n * sizeof(wane_slot));
    CHECK(w != NULL);
    w->n = n;
    return w;
}

/* The limit may fall among the slots of one object. */
static void *tree(void *width) {
    size_t n = (size_t)(uintptr_t)width;
    struct wide *root = wide(n);
    for (size_t i = 0; i < n; i++) {
        struct wide *child = wide(n);
        for (size_t j = 0; j < n; j++)
            wane_slot_init(&child->to[j], before(&node_type, NULL));
        wane_slot_init(&root->to[i], child);
    }
    return root;
}

TEST(up_to_the_limit_in_the_middle_of_an_object) {
    NEEDS_OWNERS();
    enum { WIDTH = 37 };
    struct wide *root = made_elsewhere(tree, (void *)WIDTH);
    CHECK_EQ_UINT(look_ahead((void *[]){root}, 1), WANE__AHEAD_MAX);
    size_t n = 0;
    for (size_t i = 0; i < WIDTH; i++) {
        struct wide *child = wane_slot_peek(&root->to[i]);
        n += merged(child);
        CHECK(merged(child)); /* what dies first comes first */
        for (size_t j = 0; j < WIDTH; j++)
            n += merged(wane_slot_peek(&child->to[j]));
    }
    CHECK_EQ_UINT(n, WANE__AHEAD_MAX);
    wane_release(root);
    all_dies();
}

/* Several objects in a batch, of which each leads somewhere. */
static void *lists(void *unused) {
    (void)unused;
    struct wide *all = wide(10);
    for (size_t i = 0; i < 10; i++)
        wane_slot_init(&all->to[i], list((void *)(i + 1)));
    return all;
}

TEST(each_object_of_the_batch_is_looked_at) {
    NEEDS_OWNERS();
    struct wide *all = made_elsewhere(lists, NULL);
    void *heads[10];
    for (size_t i = 0; i < 10; i++)
        heads[i] = wane_slot_peek(&all->to[i]);
    CHECK_EQ_UINT(look_ahead(heads, 0), 0);
    CHECK_EQ_UINT(look_ahead(heads, 10), 45);
    for (size_t i = 0; i < 10; i++) {
        for (void *n = after(heads[i]); n != NULL; n = after(n))
            CHECK(merged(n));
    }
    CHECK_EQ_UINT(look_ahead(heads, 10), 0); /* once */
    wane_release(all);
    all_dies();
}

/* Held by others: the second unit of `middle` is the sleeper's, that of `last` in an object of its
 * own. */
static struct {
    void *middle, *last;
    void *holder;
    void *twice; /* two units of a list whose other nodes have one */
} held;

static void *list_that_is_held(void *unused) {
    (void)unused;
    held.last = before(&node_type, list((void *)3));
    held.holder = before(&node_type, wane_retain(held.last));
    held.twice = wane_retain(list((void *)3));
    held.middle = wane_retain(before(&node_type, held.last));
    return before(&node_type, before(&node_type, held.middle));
}

TEST(what_others_hold_is_left_alone) {
    NEEDS_OWNERS();
    void *head = made_elsewhere(list_that_is_held, NULL);
    CHECK_EQ_UINT(look_ahead(&head, 1), 1);
    CHECK(merged(after(head)));
    CHECK(owned(held.middle) && owned(held.last) && owned(after(held.last)));
    CHECK_EQ_UINT(look_ahead(&held.middle, 1), 0); /* two units: not about to die */
    CHECK_EQ_UINT(look_ahead(&held.holder, 1), 0); /* it is, and what hangs on it is not */
    CHECK(owned(held.last));
    CHECK_EQ_UINT(look_ahead(&held.twice, 1), 0); /* what hangs on what lives on lives on */
    CHECK(owned(after(held.twice)));
    void *both[] = {head, held.middle, held.holder};
    CHECK_EQ_UINT(look_ahead(both, 3), 0);
    wane_release(head);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(wane_refcount(held.middle), 1); /* and lives */
    CHECK_EQ_UINT(wane_refcount(held.last), 2);
    wane_release(held.middle);
    wane_release(held.holder);
    wane_release(held.twice);
    wane_release(held.twice);
    all_dies();
}

/* A unit that another thread took is counted in the other word. */
TEST(what_another_thread_retained_is_left_alone) {
    NEEDS_OWNERS();
    void *head = made_elsewhere(list, (void *)5);
    void *second = wane_retain(after(head));
    CHECK_EQ_UINT(look_ahead(&head, 1), 0);
    CHECK(owned(second));
    wane_release(second);
    wane_release(head);
    all_dies();
}

/* Those that have no owner to lose, immortals, one's own; a finalizer that is due is no reason to
 * stop. */
static void *mixed(void *unused) {
    (void)unused;
    return before(&final_type, before(&final_type, list((void *)2)));
}

TEST(only_what_has_another_owner) {
    NEEDS_OWNERS();
    void *finals = made_elsewhere(mixed, NULL);
    struct node *mine = before(&node_type, before(&node_type, NULL));
    struct node *nobodys = before(&shared_type, before(&shared_type, NULL));
    void *heads[] = {mine, nobodys, finals};
    CHECK_EQ_UINT(look_ahead(heads, 3), 3);
    CHECK(owned(mine) && owned(after(mine)) && merged(after(nobodys)));
    wane_release(mine);
    wane_release(nobodys);
    wane_release(finals);
    all_dies();
}

/* A sleeping thread's list dies in a few batches, each with one barrier, not in one for each of its
 * nodes. */
static size_t batches_of(size_t length) {
    struct wane__record *r = self();
    void *head = made_elsewhere(list, (void *)length);
    uint64_t revocations = stats().revocations;
    wane_release(head);
    CHECK_EQ_UINT(wane__queue_length(&r->kept), 1);
    size_t batches = 0;
    while (wane__queue_length(&r->kept) > 0) {
        CHECK(wane__settle(r, r, &r->kept, UINT64_MAX, true, true, NULL) > 0);
        batches++;
    }
    CHECK_EQ_UINT(stats().live_objects, 0);
    /* The head dies of its own unit, without a merge; all others lost their bias once. */
    CHECK(stats().revocations - revocations <= length);
    wake();
    return batches;
}

TEST(a_list_of_a_sleeping_thread_takes_few_barriers) {
    NEEDS_OWNERS();
    CHECK_EQ_UINT(batches_of(1), 1);
    CHECK(batches_of(300) <= 3);
    CHECK(batches_of(WANE__AHEAD_MAX) <= 4);
    CHECK(batches_of(5000) <= 2 * 5000 / WANE__AHEAD_MAX);
}

/* An owner that was stopped in the middle of counting: it has looked at `owner`, and not yet added.
 */
static struct {
    pthread_barrier_t step;
    void *head, *second;
    bool patient; /* it is waited for, so nobody tells it to go on */
} slow;

static void *count_slowly(void *unused) {
    struct wane__record *r = self();
    slow.head = list((void *)4);
    slow.second = after(slow.head);
    struct wane__header *h = wane__header_of(slow.second);
    wane__bracket_enter(&r->head);
    CHECK_EQ_UINT(load_relaxed(&h->owner), r->id);
    uint32_t local = load_relaxed(&h->local);
    pthread_barrier_wait(&slow.step);
    if (slow.patient)
        test_sleep_ns(20000000); /* time for a mistake; a slow machine fails never */
    else
        pthread_barrier_wait(&slow.step);
    store_relaxed(&h->local, local + 1);
    wane__bracket_leave(&r->head);
    pthread_barrier_wait(&slow.step);
    return unused;
}

static void beside_a_slow_owner(bool patient) {
    struct wane__record *r = self();
    pthread_t owner;
    slow.patient = patient;
    CHECK_EQ_INT(pthread_barrier_init(&slow.step, NULL, 2), 0);
    CHECK_EQ_INT(pthread_create(&owner, NULL, count_slowly, NULL), 0);
    pthread_barrier_wait(&slow.step);
    wane_release(slow.head);
    CHECK_EQ_UINT(wane__settle(r, r, &r->kept, UINT64_MAX, true, patient, NULL), 1);
    if (!patient) {
        CHECK_EQ_UINT(wane__queue_length(&r->kept), 1); /* kept again */
        CHECK(!merged(slow.head) && !merged(slow.second));
        pthread_barrier_wait(&slow.step);
    }
    pthread_barrier_wait(&slow.step);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(wane_refcount(slow.second), 1); /* the unit that was being added */
    CHECK_EQ_UINT(stats().live_objects, 3);
    wane_release(slow.second);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(stats().live_objects, 0);
    CHECK_EQ_INT(pthread_join(owner, NULL), 0);
    pthread_barrier_destroy(&slow.step);
}

TEST(an_owner_in_its_bracket_is_waited_for) {
    NEEDS_OWNERS();
    beside_a_slow_owner(true);
    beside_a_slow_owner(false);
}

/* An owner that counts while its objects' biases are taken: each unit is counted once, whoever sees
 * it. */
enum { ROUNDS = 60, LENGTH = 40 };
static void *xhead;
static bool xover;

static void *count_and_hand_over(void *unused) {
    test_rng rng = test_rng_make(1);
    for (int round = 0; round < ROUNDS; round++) {
        void *nodes[LENGTH];
        struct node *head = NULL;
        for (int i = 0; i < LENGTH; i++)
            nodes[i] = wane_retain(head = before(&node_type, head));
        while (load_acquire(&xhead) != NULL)
            (void)wane_poll();
        store_release(&xhead, head);
        for (int i = 0; i < 2000; i++) { /* beside the other thread's revocations */
            void *n = nodes[test_below(&rng, LENGTH)];
            wane_release(wane_retain(n));
        }
        /* One by one, so that some are held and their neighbours not. */
        for (int i = 0; i < LENGTH; i++) {
            int j = (i * 7) % LENGTH;
            wane_release(nodes[j]);
        }
    }
    store_release(&xover, true);
    return unused;
}

TEST(beside_an_owner_that_counts) {
    pthread_t owner;
    CHECK_EQ_INT(pthread_create(&owner, NULL, count_and_hand_over, NULL), 0);
    struct wane__record *r = self();
    for (;;) {
        bool over = load_acquire(&xover);
        void *head = load_acquire(&xhead);
        if (head != NULL) {
            wane_release(head);
            (void)wane__settle_all(r, r, &r->kept, true, true);
            store_release(&xhead, NULL);
        } else if (over) {
            break;
        }
    }
    CHECK_EQ_INT(pthread_join(owner, NULL), 0);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(stats().live_objects, 0);
}
