// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Objects, referrers, referents, and why an object is alive: what they show, beside other threads, in callbacks,
// and after forks.

#include "api.h"

static void begin(void) {
    wane_gc_disable();
    wane_gc_collect(2);
}

// What a callback was shown.
struct shown {
    size_t n;
    void *objects[64];
    size_t enough;  // ends the walk
};

static bool note(void *obj, void *arg) {
    struct shown *s = arg;
    CHECK(wane_refcount(obj) > 0);
    if (s->n < 64) {
        s->objects[s->n] = obj;
    }
    return ++s->n != s->enough;
}

static size_t times(const struct shown *s, const void *obj) {
    size_t n = 0;
    for (size_t i = 0; i < s->n && i < 64; i++) {
        n += s->objects[i] == obj;
    }
    return n;
}

TEST(objects_by_generation) {
    begin();
    struct node *n = node_new(1);
    struct leaf *l = leaf_new(2);
    for (int age = 0; age < 4; age++) {
        int generation = age < 2 ? age : 2;
        for (int g = -1; g < 3; g++) {
            struct shown s = {0};
            size_t calls = wane_gc_get_objects(g, note, &s);
            CHECK_EQ_UINT(calls, s.n);
            CHECK_EQ_UINT(s.n, g == generation || g == -1);
            CHECK_EQ_UINT(times(&s, n), s.n);
        }
        wane_gc_collect(age);
    }
    struct shown s = {0};
    CHECK_EQ_UINT(wane_gc_get_objects(3, note, &s) + wane_gc_get_objects(-2, note, &s), 0);
    CHECK_EQ_UINT(wane_gc_get_objects(-1, NULL, &s), 0);
    CHECK_EQ_UINT(wane_refcount(n), 1);
    CHECK_EQ_UINT(wane_refcount(l), 1);
    wane_gc_freeze();
    CHECK_EQ_UINT(wane_gc_get_objects(2, note, &s), 0);
    CHECK_EQ_UINT(wane_gc_get_objects(-1, note, &s), 1);
    wane_gc_unfreeze();
    wane_release(n);
    wane_release(l);
}

TEST(a_walk_that_is_ended) {
    begin();
    struct node *n[1000];
    for (uint64_t i = 0; i < 1000; i++) {
        n[i] = node_new(i);
    }
    struct shown s = {.enough = 7};
    CHECK_EQ_UINT(wane_gc_get_objects(-1, note, &s), 7);
    s = (struct shown){0};
    CHECK_EQ_UINT(wane_gc_get_objects(-1, note, &s), 1000);
    for (uint64_t i = 0; i < 1000; i++) {
        CHECK_EQ_UINT(wane_refcount(n[i]), 1);
        wane_release(n[i]);
    }
}

static wane_type acyclic_type = {
    .name = "acyclic",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, left, right),
    .flags = WANE_TYPE_ACYCLIC,
};

struct vector {
    size_t n;
    wane_slot *slots;
};
static void vector_trace(void *self, wane_visitor *v) {
    struct vector *vec = self;
    wane_visit_n(v, vec->slots, vec->n);
}
static void vector_destroy(void *self) { free(((struct vector *)self)->slots); }
static wane_type vector_type = {
    .name = "vector", .size = sizeof(struct vector), .trace = vector_trace, .destroy = vector_destroy};

static wane_type array_type = {.name = "array", .size = 8, .flags = WANE_TYPE_EXTRA_SLOTS};

static wane_slot *array_slots(void *array) { return (wane_slot *)((uint64_t *)array + 1); }

static struct vector *vector_new(size_t n) {
    struct vector *v = wane_new(&vector_type);
    v->slots = calloc(n, sizeof *v->slots);
    CHECK(v->slots != NULL);
    v->n = n;
    return v;
}

static wane_slot global;

TEST(referrers) {
    begin();
    struct leaf *l = leaf_new(1);
    struct node *twice = node_new(1), *other = node_new(2), *acyclic = wane_new(&acyclic_type);
    struct vector *v = vector_new(3);
    void *array = wane_new_extra(&array_type, 4 * sizeof(wane_slot));
    wane_slot_store(&twice->left, l);
    wane_slot_store(&twice->right, l);
    wane_slot_store(&other->left, twice);
    wane_slot_store(&acyclic->right, l);
    wane_slot_store(&v->slots[1], l);
    wane_slot_store(&array_slots(array)[3], l);
    wane_slot_store(&global, l);
    struct shown s = {0};
    CHECK_EQ_UINT(wane_gc_get_referrers(l, note, &s), 4);
    CHECK(times(&s, twice) == 1 && times(&s, acyclic) == 1 && times(&s, v) == 1 && times(&s, array) == 1);
    s = (struct shown){0};
    CHECK_EQ_UINT(wane_gc_get_referrers(twice, note, &s), 1);
    CHECK_EQ_UINT(times(&s, other), 1);
    CHECK_EQ_UINT(wane_gc_get_referrers(other, note, &s), 0);
    CHECK_EQ_UINT(wane_gc_get_referrers(NULL, note, &s), 0);
    s = (struct shown){.enough = 2};
    CHECK_EQ_UINT(wane_gc_get_referrers(l, note, &s), 2);
    wane_slot_store(&twice->left, twice);
    s = (struct shown){0};
    CHECK_EQ_UINT(wane_gc_get_referrers(twice, note, &s), 2);
    CHECK_EQ_UINT(times(&s, twice), 1);
    wane_slot_clear(&twice->left);
    wane_slot_clear(&global);
    wane_release(twice);
    wane_release(other);
    wane_release(acyclic);
    wane_release(v);
    wane_release(array);
    wane_release(l);
}

TEST(referents) {
    begin();
    struct leaf *l = leaf_new(1);
    struct node *n = node_new(1);
    struct shown s = {0};
    CHECK_EQ_UINT(wane_gc_get_referents(n, note, &s), 0);
    wane_slot_store(&n->left, l);
    CHECK_EQ_UINT(wane_gc_get_referents(n, note, &s), 1);
    wane_slot_store(&n->right, l);
    wane_guard_enter();
    s = (struct shown){0};
    CHECK_EQ_UINT(wane_gc_get_referents(n, note, &s), 2);
    wane_guard_leave();
    CHECK_EQ_UINT(times(&s, l), 2);
    CHECK_EQ_UINT(wane_gc_get_referents(l, note, &s), 0);
    CHECK_EQ_UINT(wane_gc_get_referents(NULL, note, &s), 0);
    CHECK_EQ_UINT(wane_gc_get_referents(n, NULL, &s), 0);
    struct vector *v = vector_new(5000);
    for (size_t i = 0; i < 5000; i += 2) {
        wane_slot_store(&v->slots[i], l);
    }
    s = (struct shown){0};
    CHECK_EQ_UINT(wane_gc_get_referents(v, note, &s), 2500);
    s = (struct shown){.enough = 300};
    CHECK_EQ_UINT(wane_gc_get_referents(v, note, &s), 300);
    wane_release(v);
    wane_release(n);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(wane_refcount(l), 1);
    wane_release(l);
}

// explain.

static char text[16384];

static int explain(void *obj) {
    FILE *f = tmpfile();
    CHECK(f != NULL);
    int result = wane_gc_explain(obj, f);
    rewind(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    return result;
}

static void expect(const char *what) { CHECK_MSG(strstr(text, what) != NULL, "no \"%s\" in:\n%s", what, text); }

static const size_t by_hand[] = {offsetof(struct node, right), WANE_SLOTS_END};
static wane_type hand_type = {.name = "by hand", .size = sizeof(struct node), .slots = by_hand};

TEST(why_an_object_is_alive) {
    begin();
    CHECK_EQ_INT(explain(NULL), -ESRCH);
    struct leaf *l = leaf_new(1);
    CHECK_EQ_INT(wane_gc_explain(l, NULL), -EINVAL);
    CHECK_EQ_INT(explain(l), 0);
    expect("of type \"leaf\": 1 units, 1 of them held from outside");
    expect("kept by no other object");

    // The way through `far` is longer than that through `near`.
    struct node *near = node_new(1), *middle = node_new(2), *far = node_new(3);
    struct node *hand = wane_new(&hand_type);
    wane_slot_give(&middle->left, wane_retain(l));
    wane_slot_give(&hand->right, middle);
    wane_slot_store(&near->right, hand);
    wane_slot_store(&far->left, near);
    wane_slot_store(&global, near);
    wane_release(hand);
    CHECK_EQ_INT(explain(l), 0);
    expect("of type \"leaf\": 2 units, 1 of them held from outside");
    expect("of type \"node\": 3 units, 2 of them held from outside\n  slot `right` -> ");  // near
    expect("of type \"by hand\"\n  slot `+8` -> ");
    expect("of type \"node\"\n  slot `left` -> ");
    CHECK(strstr(text, "near") == NULL);
    wane_slot_clear(&global);
    wane_release(near);
    CHECK_EQ_INT(explain(l), 0);
    expect("of type \"node\": 1 units, 1 of them held from outside\n  slot `left` -> ");  // far
    wane_release(far);
    CHECK_EQ_INT(explain(l), 0);
    expect("kept by no other object");
    wane_release(l);
}

TEST(objects_without_a_reason) {
    begin();
    struct node *pair = node_pair(), *hanging = node_new(3);
    wane_slot_give(&pair->right, hanging);
    CHECK_EQ_INT(explain(hanging), 0);
    expect("of type \"node\": 1 units, 0 of them held from outside");
    wane_release(pair);
    CHECK_EQ_INT(explain(pair), -ESRCH);
    CHECK_EQ_INT(explain(hanging), -ESRCH);
    CHECK_EQ_STR(text, "");
    CHECK_EQ_UINT(wane_gc_collect(2), 3);
}

TEST(through_extra_slots_and_trace) {
    begin();
    struct leaf *l = leaf_new(1);
    void *array = wane_new_extra(&array_type, 4 * sizeof(wane_slot));
    struct vector *v = vector_new(3);
    wane_slot_store(&array_slots(array)[2], l);
    wane_slot_give(&v->slots[1], array);
    wane_release(wane_retain(l));
    CHECK_EQ_INT(explain(l), 0);
    expect("of type \"vector\": 1 units, 1 of them held from outside\n  slot `(trace)` -> ");
    expect("of type \"array\"\n  slot `[extra]` -> ");
    wane_release(v);
    wane_release(l);
}

// A long chain, and one that is a tree: found in one pass.
TEST(a_long_chain) {
    begin();
    struct node *first = node_new(0), *last = first;
    for (uint64_t i = 1; i < 20000; i++) {
        struct node *n = node_new(i);
        wane_slot_give(&last->left, n);
        last = n;
    }
    FILE *f = tmpfile();
    CHECK(f != NULL);
    CHECK_EQ_INT(wane_gc_explain(last, f), 0);
    CHECK(ftell(f) > 20000 * 20);
    fclose(f);
    wane_release(first);
}

// Beside threads that change all that there is.

static _Atomic(bool) stop;
static struct node *roots[8];
static struct leaf *a_leaf;

static void *change(void *arg) {
    test_rng rng = test_rng_make((uint64_t)(uintptr_t)arg);
    while (!atomic_load(&stop)) {
        struct node *a = roots[test_below(&rng, 8)], *b = node_new(1), *c = wane_slot_load(&a->left);
        wane_slot_store(&b->left, a);
        if (test_below(&rng, 4) > 0) {
            wane_slot_store(&b->right, c);
        }
        wane_slot_store(&a->left, b);
        struct node *acyclic = wane_new(&acyclic_type);  // dies at once, or in the slot
        wane_slot_store(&acyclic->left, a_leaf);
        if (test_below(&rng, 2) == 0) {
            wane_slot_store(&a->right, acyclic);
        }
        wane_release(acyclic);
        if (test_below(&rng, 16) == 0) {
            wane_slot_clear(&a->left);
        }
        wane_release(b);
        wane_release(c);
        if (test_below(&rng, 8) == 0) {
            test_sleep_ns(1000);  // others shall come to the processor
        }
    }
    return NULL;
}

static bool look_at(void *obj, void *arg) {
    wane_type *t = wane_typeof(obj);
    CHECK(t == &node_type || t == &acyclic_type || t == &vector_type || t == &leaf_type);
    struct shown s = {0};
    if (++*(size_t *)arg % 16 == 0) {
        wane_gc_get_referents(obj, note, &s);
        CHECK_EQ_UINT(wane_gc_collect(2), 0);
    }
    return *(size_t *)arg < 3000;
}

TEST(beside_other_threads) {
    begin();
    a_leaf = leaf_new(1);
    for (uint64_t i = 0; i < 8; i++) {
        roots[i] = node_new(i);
    }
    pthread_t threads[2];
    atomic_store(&stop, false);
    wane_gc_enable();
    for (size_t i = 0; i < 2; i++) {
        threads[i] = api_thread(change, &threads[i]);
    }
    FILE *f = fopen("/dev/null", "w");
    CHECK(f != NULL);
    uint64_t end = test_now_ns() + 300 * API_MS;
    for (int i = 0; i < 3 || test_now_ns() < end; i++) {
        size_t n = 0;
        wane_gc_get_objects(i % 4 - 1, look_at, &n);
        n = 0;
        wane_gc_get_referrers(i % 2 == 0 ? (void *)a_leaf : roots[i % 8], look_at, &n);
        CHECK_EQ_INT(wane_gc_explain(roots[i % 8], f), 0);
        wane_gc_collect(i % 4);
    }
    fclose(f);
    atomic_store(&stop, true);
    for (size_t i = 0; i < 2; i++) {
        api_join(threads[i]);
    }
    wane_gc_disable();
    for (size_t i = 0; i < 8; i++) {
        wane_release(roots[i]);
    }
    wane_gc_collect(2);
    wane_release(a_leaf);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

// In finalizers of garbage, in `destroy`, in callbacks of collections: what is found to be dead is not shown.

static unsigned inside_calls;

static bool not_garbage(void *obj, void *arg) {
    (void)arg;
    CHECK(wane_refcount(obj) > 0);
    if (wane_typeof(obj) == &node_type) {
        CHECK_EQ_UINT(((struct node *)obj)->canary, NODE_CANARY);
    }
    return true;
}

static void look_inside(void *self) {
    inside_calls++;
    wane_gc_get_objects(-1, not_garbage, NULL);
    wane_gc_get_referrers(self, not_garbage, NULL);
    FILE *f = fopen("/dev/null", "w");
    CHECK(f != NULL);
    int result = wane_gc_explain(self, f);
    CHECK(result == 0 || result == -ESRCH);
    fclose(f);
}

static wane_type finalized_type = {
    .name = "finalized",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, left, right),
    .finalize = look_inside,
};
static wane_type destroyed_type = {
    .name = "destroyed",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, left, right),
    .destroy = look_inside,
};

static void tell_inside(const wane_gc_event *e, void *arg) {
    (void)e;
    look_inside(arg);
}

TEST(in_callbacks) {
    begin();
    struct node *held = node_new(1);
    wane_type *types[] = {&finalized_type, &destroyed_type};
    for (int i = 0; i < 2; i++) {
        inside_calls = 0;
        wane_release(wane_new(types[i]));
        CHECK_EQ_UINT(inside_calls, 1);
        for (int j = 0; j < 5; j++) {
            struct node *a = wane_new(types[i]), *b = node_pair();
            wane_slot_store(&a->left, a);
            wane_slot_store(&a->right, b);
            wane_slot_give(&b->right, a);
            wane_release(b);
        }
        wane_gc_collect(2);
        wane_gc_collect(2);
        CHECK_EQ_UINT(inside_calls, 6);
        CHECK_EQ_UINT(api_stats().live_objects, 1);
    }
    CHECK_EQ_INT(wane_gc_add_callback(tell_inside, held), 0);
    wane_release(node_pair());
    wane_gc_collect(2);
    CHECK_EQ_INT(wane_gc_remove_callback(tell_inside, held), 0);
    wane_release(held);
    wane_gc_collect(2);
}

static void look_in_guard(void *unused) {
    wane_guard_enter();
    wane_gc_get_objects(-1, not_garbage, unused);
}

TEST(in_guards) { check_aborts(look_in_guard, NULL, "guard"); }

// A fork in the middle of a walk.
static bool fork_once(void *obj, void *arg) {
    (void)obj;
    if (++*(size_t *)arg == 10) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            size_t n = 0;
            wane_gc_get_objects(-1, look_at, &n);
            CHECK(n >= 300);
            wane_gc_unfreeze();
            _exit(wane_gc_collect(2) == 0 ? 0 : 1);  // a collect in the callback
        }
        int status = 0;
        CHECK_EQ_INT(waitpid(child, &status, 0), child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    return true;
}

static void *walk_all_the_time(void *leaf) {
    FILE *f = fopen("/dev/null", "w");
    CHECK(f != NULL);
    while (!atomic_load(&stop)) {
        size_t n = 0;
        wane_gc_get_referrers(leaf, look_at, &n);
        wane_gc_explain(leaf, f);
    }
    fclose(f);
    return NULL;
}

static void walk_in_child(void *first) {
    wane_gc_collect(2);
    size_t n = 0;
    wane_gc_get_objects(-1, look_at, &n);
    CHECK(n >= 300);
    wane_release(node_pair());
    CHECK(wane_gc_collect(2) >= 2);
    wane_release(wane_retain(first));
}

TEST(forks) {
    if (TEST_ASAN || TEST_TSAN) {
        SKIP("the sanitizer's allocator may be locked by a thread that the child lacks");
    }
    begin();
    struct leaf *l = leaf_new(1);
    struct node *n[300];
    for (uint64_t i = 0; i < 300; i++) {
        n[i] = node_new(i);
        wane_slot_store(&n[i]->left, l);
    }
    size_t calls = 0;
    CHECK_EQ_UINT(wane_gc_get_objects(-1, fork_once, &calls), 300);
    atomic_store(&stop, false);
    pthread_t thread = api_thread(walk_all_the_time, l);
    for (int i = 0; i < 20; i++) {
        test_sleep_ns(API_MS);
        check_in_child(walk_in_child, n[0]);
    }
    atomic_store(&stop, true);
    api_join(thread);
    for (uint64_t i = 0; i < 300; i++) {
        wane_release(n[i]);
    }
    wane_release(l);
}
