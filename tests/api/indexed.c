// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Objects that an index names without a unit: upgraded or found dead, taken out at their death; functions that are called then.
// Options of libraries on top.

#include "api.h"

// An index of the simplest kind: one place, which holds no unit.
static _Atomic(struct entry *) place;
static _Atomic(size_t) destroyed, called;

struct entry {
    wane_slot self;
    uint64_t number;
};

static void entry_destroy(void *self) {
    struct entry *was = self;
    CHECK_EQ_PTR(wane_upgrade(self), NULL);
    atomic_compare_exchange_strong(&place, &was, NULL);
    atomic_fetch_add(&destroyed, 1);
}

static wane_type entry_type = {
    .name = "entry",
    .size = sizeof(struct entry),
    .slots = WANE_SLOTS(struct entry, self),
    .destroy = entry_destroy,
    .flags = WANE_TYPE_INDEXED,
};
static wane_type plain_type = {.name = "plain", .size = 8, .flags = WANE_TYPE_INDEXED};

static struct entry *find(void) {
    struct entry *e = NULL;
    WANE_GUARDED {
        e = wane_upgrade(atomic_load(&place));
    }
    return e;
}

TEST(upgrade_yields_what_lives) {
    struct entry *e = WANE_NEW(struct entry, &entry_type);
    atomic_store(&place, e);
    struct entry *got = find();
    CHECK_EQ_PTR(got, e);
    CHECK_EQ_UINT(wane_refcount(e), 2);
    wane_release(got);
    size_t before = atomic_load(&destroyed);
    wane_release(e);
    CHECK_EQ_UINT(atomic_load(&destroyed), before + 1);
    errno = 5;
    CHECK_EQ_PTR(find(), NULL);
    CHECK_EQ_PTR(wane_upgrade(NULL), NULL);
    CHECK_EQ_INT(errno, 5);
}

// The memory is nobody else's until the guard ends in which its address was read.
TEST(memory_outlives_death_by_a_grace_period) {
    enum { COUNT = 200 };
    void *p = wane_new(&plain_type), *others[COUNT];
    WANE_GUARDED {
        void *found = p;
        wane_release(p);
        for (int i = 0; i < COUNT; i++) {
            others[i] = wane_new(&plain_type);
            CHECK(others[i] != found);
            wane_poll();
        }
        CHECK_EQ_PTR(wane_upgrade(found), NULL);
    }
    for (int i = 0; i < COUNT; i++) {
        wane_release(others[i]);
    }
}

TEST(cycles_of_indexed_objects_are_found) {
    struct entry *e = WANE_NEW(struct entry, &entry_type);
    wane_slot_store(&e->self, e);
    atomic_store(&place, e);
    wane_release(e);
    struct entry *got = find();
    CHECK_EQ_PTR(got, e);
    wane_gc_collect(WANE_GC_FULL);
    CHECK_EQ_PTR(wane_slot_peek_locked(&got->self), e);
    wane_release(got);
    CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), 1);
    CHECK_EQ_PTR(find(), NULL);
}

// One thread makes and drops, others find what is there.
enum { ROUNDS = 5000, FINDERS = 2 };
static _Atomic(bool) over;

static void *find_again_and_again(void *sum) {
    while (!atomic_load(&over)) {
        struct entry *e = find();
        if (e != NULL) {
            CHECK_EQ_UINT(e->number, 77);
            *(size_t *)sum += 1;
            wane_release(e);
        }
    }
    return NULL;
}

TEST(finders_race_with_deaths) {
    pthread_t t[FINDERS];
    size_t sums[FINDERS] = {0}, before = atomic_load(&destroyed);
    atomic_store(&over, false);
    for (int i = 0; i < FINDERS; i++) {
        t[i] = api_thread(find_again_and_again, &sums[i]);
    }
    for (int i = 0; i < ROUNDS; i++) {
        struct entry *e = WANE_NEW(struct entry, &entry_type);
        e->number = 77;
        if (i % 4 == 0) {
            wane_slot_store(&e->self, e);
        }
        atomic_store(&place, e);
        wane_release(e);
    }
    atomic_store(&over, true);
    for (int i = 0; i < FINDERS; i++) {
        api_join(t[i]);
    }
    wane_gc_collect(WANE_GC_FULL);
    CHECK_EQ_UINT(atomic_load(&destroyed), before + ROUNDS);
    CHECK_EQ_PTR(find(), NULL);
}

// Functions that are called at a death.

struct call {
    wane_death_node node;
    void *obj;
    size_t destroyed_then;
};

static void note_call(void *obj, void *arg) {
    struct call *c = arg;
    CHECK_EQ_PTR(obj, c->obj);
    CHECK_EQ_PTR(wane_upgrade(obj), NULL);
    c->destroyed_then = atomic_load(&destroyed);
    atomic_fetch_add(&called, 1);
    memset(&c->node, 0xa5, sizeof c->node);  // it is the caller's again
    wane_release(node_new(1));               // callbacks may use the library
}

TEST(functions_are_called_before_destroy) {
    struct entry *e = WANE_NEW(struct entry, &entry_type);
    struct call calls[3];
    size_t called_before = atomic_load(&called), destroyed_before = atomic_load(&destroyed);
    wane_weak *w = wane_weak_new(e, NULL, NULL);
    for (int i = 0; i < 3; i++) {
        calls[i] = (struct call){.obj = e};
        CHECK_EQ_INT(wane_on_death(e, &calls[i].node, note_call, &calls[i]), 0);
    }
    CHECK(wane_off_death(e, &calls[1].node));
    CHECK(!wane_off_death(e, &calls[1].node));
    wane_release(e);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&called), called_before + 2);
    CHECK_EQ_UINT(calls[0].destroyed_then, destroyed_before);
    CHECK_EQ_UINT(calls[2].destroyed_then, destroyed_before);
    CHECK_EQ_UINT(atomic_load(&destroyed), destroyed_before + 1);
    CHECK(!wane_off_death(e, &calls[0].node));
    CHECK_EQ_PTR(wane_weak_get(w), NULL);
    wane_release(w);
}

TEST(functions_of_a_cycle) {
    struct entry *e = WANE_NEW(struct entry, &entry_type);
    struct call c = {.obj = e};
    size_t before = atomic_load(&called);
    wane_slot_store(&e->self, e);
    CHECK_EQ_INT(wane_on_death(e, &c.node, note_call, &c), 0);
    wane_release(e);
    CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), 1);
    CHECK_EQ_UINT(atomic_load(&called), before + 1);
}

TEST(wrong_arguments) {
    struct node *n = node_new(1);
    wane_death_node node = {0};
    CHECK_EQ_INT(wane_on_death(n, &node, note_call, NULL), -EINVAL);
    CHECK_EQ_INT(wane_on_death(NULL, &node, note_call, NULL), -EINVAL);
    wane_release(n);
    void *p = wane_new(&plain_type);
    CHECK_EQ_INT(wane_on_death(p, NULL, note_call, NULL), -EINVAL);
    CHECK_EQ_INT(wane_on_death(p, &node, NULL, NULL), -EINVAL);
    CHECK(!wane_off_death(p, &node) && !wane_off_death(NULL, &node) && !wane_off_death(p, NULL));
    wane_release(p);
}

// Who comes first: the function is called or taken back, never both and never neither.
static void *take_back(void *arg) {
    struct call *c = arg;
    return wane_off_death(c->obj, &c->node) ? c : NULL;
}

static void count_call(void *obj, void *arg) {
    (void)obj, (void)arg;
    atomic_fetch_add(&called, 1);
}

TEST(taking_back_races_with_death) {
    for (int i = 0; i < 300; i++) {
        void *p = wane_new(&plain_type), *taken = NULL;
        struct call c = {.obj = p};
        size_t before = atomic_load(&called);
        CHECK_EQ_INT(wane_on_death(p, &c.node, count_call, &c), 0);
        pthread_t t = api_thread(take_back, &c);
        wane_release(p);
        CHECK_EQ_INT(pthread_join(t, &taken), 0);
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(atomic_load(&called), before + (taken == NULL));
    }
}

// Many indexes over one object: in any order, and each taking back costs the same.
TEST(many_functions_of_one_object) {
    enum { COUNT = 20000 };
    static struct call calls[COUNT];
    void *p = wane_new(&plain_type);
    size_t before = atomic_load(&called);
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ_INT(wane_on_death(p, &calls[i].node, count_call, &calls[i]), 0);
    }
    size_t back = 0;
    for (size_t i = 0; i < COUNT; i++) {
        size_t other = i * 7919 % COUNT;  // each once
        back += other % 3 != 0 && wane_off_death(p, &calls[other].node);
    }
    wane_release(p);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(back, COUNT - (COUNT + 2) / 3);
    CHECK_EQ_UINT(atomic_load(&called), before + COUNT - back);
}

TEST(options_of_libraries_on_top) {
    int64_t value = 0;
    setenv("WANE_TEST_DEPTH", "7", 1);
    setenv("WANE_TEST_WIDTH", "7000", 1);  // out of range, ignored
    CHECK_EQ_INT(wane_option_get("test_depth", &value), -ENOENT);
    CHECK_EQ_INT(wane_option_register("test_depth", 1, 10, 3), 0);
    CHECK_EQ_INT(wane_option_get("test_depth", &value), 0);
    CHECK_EQ_INT(value, 7);
    CHECK_EQ_INT(wane_option_set("test_depth", 11), -EINVAL);
    CHECK_EQ_INT(wane_option_set("test_depth", 10), 0);
    CHECK_EQ_INT(wane_option_get("test_depth", &value), 0);
    CHECK_EQ_INT(value, 10);
    CHECK_EQ_INT(wane_option_register("test_width", -10, 10, -3), 0);
    CHECK_EQ_INT(wane_option_get("test_width", &value), 0);
    CHECK_EQ_INT(value, -3);
    CHECK_EQ_INT(wane_option_register("test_depth", 1, 10, 3), -EEXIST);
    CHECK_EQ_INT(wane_option_register("threshold0", 1, 10, 3), -EEXIST);
    CHECK_EQ_INT(wane_option_register("test_other", 1, 10, 11), -EINVAL);
    CHECK_EQ_INT(wane_option_register("test_other", 10, 1, 5), -EINVAL);
    CHECK_EQ_INT(wane_option_register("Test", 1, 10, 5), -EINVAL);
    CHECK_EQ_INT(wane_option_register("", 1, 10, 5), -EINVAL);
    CHECK_EQ_INT(wane_option_register(NULL, 1, 10, 5), -EINVAL);
    CHECK_EQ_INT(wane_option_get("test_other", &value), -ENOENT);
}
