/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * death.c: the order of a death, the lists in which the dead wait, and where callbacks may run.
 */
#include "life/left.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <wane.h>

#include "harness.h"

__attribute__((constructor)) static void without_the_librarys_thread(void) {
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    CHECK_EQ_INT(wane_option_set("threshold0", 0), 0);
    CHECK_EQ_INT(wane_option_set("candidate_age_ms", 0), 0);
}

static struct wane__record *self(void) { return wane__record_need("death"); }

static size_t live(void) {
    wane_stats s = {.struct_size = sizeof s};
    CHECK_EQ_INT(wane_stats_get(&s), 0);
    return s.live_objects;
}

/* No list of this thread's holds anything, and no callback runs. */
static void check_idle(void) {
    const struct wane__record *r = self();
    CHECK(r->xdead == NULL && r->xouter == NULL && r->xlater == NULL);
    CHECK_EQ_UINT(wane__queue_length(&r->finals), 0);
    CHECK(!r->finals_any);
    CHECK_EQ_UINT(r->callbacks, 0);
}

void test_teardown(void) {
    CHECK_EQ_INT(wane_flush(), 0);
    check_idle();
    CHECK_EQ_UINT(wane__dead_waiting(), 0);
    CHECK_EQ_UINT(wane__dead_bytes(), 0);
    CHECK_EQ_UINT(live(), 0);
}

/* What happened, in its order: a letter for the callback and one for the object. */
static char events[256];
static void note(char what, char who) {
    size_t n = strlen(events);
    CHECK(n + 2 < sizeof events);
    events[n] = what;
    events[n + 1] = who;
}

struct thing {
    wane_slot slot;
    wane_weak *weak; /* of itself */
    char name;
    void (*in_finalize)(struct thing *t);
    void (*in_destroy)(struct thing *t);
};

static void finalize(void *obj) {
    struct thing *t = obj;
    CHECK_EQ_UINT(self()->callbacks, 1); /* never inside another */
    note('f', t->name);
    if (t->in_finalize != NULL)
        t->in_finalize(t);
}

static void destroy(void *obj) {
    struct thing *t = obj;
    CHECK_EQ_UINT(self()->callbacks, 1);
    CHECK_EQ_PTR(wane_slot_peek(&t->slot), NULL); /* emptied before */
    note('d', t->name);
    if (t->in_destroy != NULL)
        t->in_destroy(t);
}

static const size_t first[] = {0, WANE_SLOTS_END};
#define THING .size = sizeof(struct thing), .slots = first
static wane_type final_type = {.name = "final", THING, .finalize = finalize, .destroy = destroy};
static wane_type thing_type = {.name = "thing", THING, .destroy = destroy};
static wane_type plain_type = {.name = "plain", THING};

static struct thing *thing(wane_type *t, char name, void *next) {
    struct thing *n = wane_new(t);
    CHECK(n != NULL);
    n->name = name;
    wane_slot_init(&n->slot, next);
    return n;
}

static void begin(void) { memset(events, 0, sizeof events); }

/* A finalizer sees everything as it was; `destroy` finds the weak reference and the slot empty. */
static void all_is_there(struct thing *t) {
    CHECK(wane_slot_peek(&t->slot) != NULL);
    void *me = wane_weak_get(t->weak);
    CHECK_EQ_PTR(me, t);
    wane_release(me);
    note('w', '1');
}

static void nothing_is_there(struct thing *t) {
    CHECK_EQ_PTR(wane_weak_get(t->weak), NULL);
    note('w', '0');
    wane_release(t->weak);
}

TEST(the_order_of_a_death) {
    begin();
    struct thing *t = thing(&final_type, 'a', thing(&thing_type, 'b', NULL));
    t->weak = wane_weak_new(t, NULL, NULL);
    t->in_finalize = all_is_there;
    t->in_destroy = nothing_is_there;
    size_t before = live();
    wane_release(t);
    CHECK_EQ_STR(events, "faw1daw0db"); /* and what it referred to after it */
    CHECK_EQ_UINT(live(), before - 3);
}

/* The word says what has happened to an object: dead while it is destroyed, freed after that. */
static void word_in_destroy(struct thing *t) {
    uint64_t w = load_relaxed(&wane__header_of(t)->shared);
    CHECK(!wane__word_has(w, WANE__LIVE | WANE__FREED | WANE__FINAL_DUE));
    CHECK_EQ_UINT(load_relaxed(&wane__header_of(t)->owner), 0);
}

TEST(freed_after_destroy) {
    begin();
    struct thing *t = thing(&thing_type, 'a', NULL), *p = thing(&plain_type, 'p', NULL);
    t->in_destroy = word_in_destroy;
    struct wane__header *h = wane__header_of(t), *hp = wane__header_of(p);
    wane_release(t);
    wane_release(p);
    if (!TEST_ASAN) { /* the word of a freed block stays for the collector's walk */
        CHECK(wane__word_has(load_relaxed(&h->shared), WANE__FREED));
        CHECK(wane__word_has(load_relaxed(&hp->shared), WANE__FREED));
    }
    CHECK_EQ_STR(events, "da");
}

/* Resurrected once: the finalizer does not run again. */
static wane_slot rescued;
static void rescue(struct thing *t) { wane_slot_store(&rescued, t); }

TEST(a_finalizer_runs_once) {
    begin();
    struct thing *t = thing(&final_type, 'a', NULL);
    t->in_finalize = rescue;
    wane_release(t);
    CHECK_EQ_STR(events, "fa");
    CHECK_EQ_UINT(wane_refcount(t), 1);
    wane_slot_clear(&rescued);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_STR(events, "fada");
}

/* What dies inside a callback waits until that has returned, and what died outside before is not
 * lost. */
static struct thing *inner[3];

static void release_inner(struct thing *t) {
    struct wane__record *r = self();
    note('(', t->name);
    for (size_t i = 0; i < 3; i++)
        wane_release(inner[i]);
    wane_release(thing(&plain_type, 'p', NULL)); /* nothing but memory: at once */
    CHECK_EQ_UINT(wane__queue_length(&r->finals), 1);
    note(')', t->name);
}

static void check_inside(wane_type *t, bool in_finalize, const char *want) {
    begin();
    inner[0] = thing(&thing_type, 'x', NULL);
    inner[1] = thing(&final_type, 'y', NULL);
    inner[2] = thing(&thing_type, 'z', NULL);
    struct thing *outer = thing(t, 'a', thing(&thing_type, 'b', NULL));
    if (in_finalize)
        outer->in_finalize = release_inner;
    else
        outer->in_destroy = release_inner;
    wane_release(outer);
    CHECK_EQ_UINT(strlen(events), strlen(want));
    size_t n = (size_t)(strchr(want, ')') - want) + 2; /* up to here the order is certain */
    CHECK_MSG(strncmp(events, want, n) == 0, "%s", events);
    for (const char *e = "dxdzfydydb"; *e != '\0'; e += 2) { /* each once, whichever first */
        const char pair[] = {e[0], e[1], '\0'}, *found = strstr(events, pair);
        CHECK_MSG(found != NULL && found > strchr(events, ')'), "%s: %s", pair, events);
        CHECK(strstr(found + 1, pair) == NULL);
    }
    CHECK(strstr(events, "fy") < strstr(events, "dy"));
    check_idle();
}

TEST(a_death_inside_a_callback_waits) {
    check_inside(&thing_type, false, "da(a)adxdzfydydb");
    check_inside(&final_type, true, "fa(a)adadxdzfydydb");
}

/* Finals: units of many objects at once, more than a segment of the queue. */
enum { MANY = 1500 };
static struct thing *many[MANY];
static size_t finalized, destroyed;
static void count_final(struct thing *t) {
    finalized++;
    t->name = 'F';
}

static void count_destroyed(void *obj) {
    const struct thing *t = obj;
    CHECK_EQ_UINT(self()->callbacks, 1);
    destroyed++;
    CHECK(t->name == (wane_typeof(obj)->finalize != NULL ? 'F' : 'm'));
}

static void finalize_quietly(void *obj) {
    CHECK_EQ_UINT(self()->callbacks, 1);
    count_final(obj);
}

static wane_type quiet_type = {
    .name = "quiet", THING, .finalize = finalize_quietly, .destroy = count_destroyed};

static void release_many(struct thing *t) {
    (void)t;
    for (size_t i = 0; i < MANY; i++)
        wane_release(many[i]);
    CHECK_EQ_UINT(wane__queue_length(&self()->finals), MANY);
    CHECK_EQ_UINT(finalized, 0);
}

TEST(finals_run_when_the_callback_is_left) {
    begin();
    finalized = destroyed = 0;
    for (size_t i = 0; i < MANY; i++)
        many[i] = thing(&quiet_type, 'm', NULL);
    struct thing *t = thing(&thing_type, 'a', NULL);
    t->in_destroy = release_many;
    wane_release(t);
    CHECK_EQ_UINT(finalized, MANY);
    CHECK_EQ_UINT(destroyed, MANY);
    check_idle();
}

/* Slot calls run no callback: who dies of one is left to whoever does the library's work. */
TEST(dead_are_left_where_nobody_may_call) {
    begin();
    struct wane__record *r = self();
    struct thing *t = thing(&thing_type, 'a', NULL);
    uint64_t size = wane_sizeof(t);
    wane__release(r, wane__header_of(t), false, "death");
    CHECK_EQ_STR(events, "");
    CHECK_EQ_UINT(wane__dead_waiting(), 1);
    CHECK_EQ_UINT(wane__dead_bytes(), size);
    CHECK_EQ_UINT(load_relaxed(&r->xleft_n), 1); /* charged to who left it */
    CHECK_EQ_UINT(load_relaxed(&r->xleft_bytes), size);
    wane__release(r, wane__header_of(thing(&plain_type, 'p', NULL)), false,
                  "death"); /* may go at once */
    CHECK_EQ_UINT(wane__dead_waiting(), 1);
    unsigned parity = (unsigned)load_relaxed(&wane__xwave) & 1;
    CHECK_EQ_UINT(wane__reap_left(r, r, !parity, true, NULL), 0);
    CHECK_EQ_UINT(wane__reap_left(r, r, parity, true, NULL), 1);
    CHECK_EQ_STR(events, "da");
    CHECK_EQ_UINT(wane__reap_left(r, r, parity, true, NULL), 0);
}

/* A stack of 64 KiB is enough for any structure. */
static size_t chain_length;

static void *drop_chain(void *type) {
    struct thing *head = NULL;
    for (size_t i = 0; i < chain_length; i++)
        head = thing(type, 'm', head);
    wane_release(head);
    check_idle();
    return NULL;
}

TEST(a_long_chain_dies_on_a_small_stack) {
    if (TEST_ASAN || TEST_TSAN)
        SKIP("the sanitizers' frames and thread areas need more stack");
    static wane_type counted_type = {.name = "counted", THING, .destroy = count_destroyed};
    wane_type *types[] = {&plain_type, &counted_type, &quiet_type};
    pthread_attr_t small;
    CHECK_EQ_INT(pthread_attr_init(&small), 0);
    CHECK_EQ_INT(pthread_attr_setstacksize(&small, 65536), 0);
    for (size_t i = 0; i < 3; i++) {
        pthread_t thread;
        chain_length = 1000000;
        finalized = destroyed = 0;
        CHECK_EQ_INT(pthread_create(&thread, &small, drop_chain, types[i]), 0);
        CHECK_EQ_INT(pthread_join(thread, NULL), 0);
        CHECK_EQ_UINT(destroyed, i == 0 ? 0 : chain_length);
        CHECK_EQ_UINT(finalized, i == 2 ? chain_length : 0);
        CHECK_EQ_UINT(live(), 0);
    }
    pthread_attr_destroy(&small);
}
