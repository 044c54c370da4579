// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// The conveniences: variables that are set, stolen and released, blocks that are left in every way, typed results
// and slots, births that end the program, objects in static storage. The exported function behind each macro as well.

#include "api.h"

static size_t evaluated;

static struct node **once(struct node **var) {
    evaluated++;
    return var;
}

TEST(steal_leaves_nothing) {
    struct node *n = node_new(1), *was = n;
    evaluated = 0;
    struct node *got = wane_steal(once(&n));
    CHECK_EQ_UINT(evaluated, 1);
    CHECK_EQ_PTR(got, was);
    CHECK_EQ_PTR(n, NULL);
    CHECK_EQ_PTR(wane_steal(&n), NULL);
    CHECK_EQ_UINT(wane_refcount(got), 1);
    void *any = got;
    CHECK_EQ_PTR((wane_steal)(&any), was);
    CHECK_EQ_PTR(any, NULL);
    wane_release(got);
}

static struct node *made_with_care(bool good) {
    WANE_AUTO struct node *n = node_new(7);
    if (!good) {
        return NULL;
    }
    return wane_steal(&n);
}

TEST(an_auto_variable_is_returned_by_stealing) {
    size_t dead = atomic_load(&nodes_dead);
    CHECK_EQ_PTR(made_with_care(false), NULL);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
    struct node *n = made_with_care(true);
    CHECK_EQ_UINT(n->number, 7);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
    wane_release(n);
}

TEST(set_retains_before_it_releases) {
    struct node *var = NULL, *a = node_new(1), *b = node_new(2);
    evaluated = 0;
    wane_set(once(&var), a);
    CHECK_EQ_UINT(evaluated, 1);
    CHECK_EQ_PTR(var, a);
    CHECK_EQ_UINT(wane_refcount(a), 2);
    wane_set(&var, b);
    CHECK_EQ_UINT(wane_refcount(a), 1);
    CHECK_EQ_UINT(wane_refcount(b), 2);
    // The variable's unit is the only one of what it is set to.
    wane_release(b);
    size_t dead = atomic_load(&nodes_dead);
    wane_set(&var, var);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead);
    CHECK_EQ_UINT(wane_refcount(var), 1);
    // What it held is all that holds the new one.
    wane_slot_store(&var->left, a);
    wane_release(a);
    wane_set(&var, a);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(wane_refcount(a), 1);
    wane_set(&var, NULL);
    CHECK_EQ_PTR(var, NULL);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 2);
    struct leaf *l = leaf_new(1);
    void *any = NULL;
    (wane_set)(&any, l);
    CHECK_EQ_UINT(wane_refcount(l), 2);
    (wane_set)(&any, NULL);
    wane_release(l);
}

TEST(clear_evaluates_once) {
    struct node *n = node_new(1), *array[2] = {NULL, n};
    int i = 1;
    wane_clear(&array[i++]);
    CHECK_EQ_INT(i, 2);
    CHECK_EQ_PTR(array[1], NULL);
}

// Returns the number of the variable's own destructions.
static size_t leave_scope(struct node *n) {
    size_t dead = atomic_load(&nodes_dead);
    {
        WANE_AUTO struct node *a = n;
        WANE_AUTO struct node *nothing = NULL;
        WANE_AUTO const struct node *held = wane_retain(a);
        CHECK(held == a && nothing == NULL);
    }
    return atomic_load(&nodes_dead) - dead;
}

TEST(auto_releases) {
    CHECK_EQ_UINT(leave_scope(node_new(1)), 1);
    struct node *n = node_new(1);
    CHECK_EQ_UINT(leave_scope(wane_retain(n)), 0);
    wane__auto(&n);
}

static wane_slot guarded_place;

// Whether nothing dies that left a slot, for a while: so it is in a guard.
static bool nothing_dies(void) {
    size_t dead = atomic_load(&nodes_dead);
    wane_slot_give(&guarded_place, node_new(1));
    wane_slot_clear(&guarded_place);
    for (int i = 0; i < 20 && atomic_load(&nodes_dead) == dead; i++) {
        wane_poll();
        usleep(1000);
    }
    return atomic_load(&nodes_dead) == dead;
}

static int by_return(void) {
    WANE_GUARDED {
        return 1;
    }
    return 2;
}

static int by_goto(void) {
    WANE_GUARDED {
        goto out;
    }
    return 1;
out:
    return 2;
}

TEST(a_guard_is_left_in_every_way) {
    WANE_GUARDED {
        CHECK(nothing_dies());
    }
    CHECK_EQ_INT(wane_flush(), 0);  // ends the program inside a guard
    CHECK_EQ_INT(by_return(), 1);
    CHECK_EQ_INT(by_goto(), 2);
    CHECK_EQ_INT(wane_flush(), 0);
    int turns = 0;
    for (int i = 0; i < 3; i++) {
        WANE_GUARDED {
            if (i == 1) {
                break;
            }
            if (i == 2) {
                continue;
            }
            turns += 10;
        }
        turns++;
        CHECK_EQ_INT(wane_flush(), 0);
    }
    CHECK_EQ_INT(turns, 13);  // break and continue left the block, not the loop
}

TEST(guards_nest) {
    WANE_GUARDED {
        WANE_GUARDED {
            break;
        }
        CHECK(nothing_dies());
    }
    CHECK_EQ_INT(wane_flush(), 0);
}

// Makes garbage, more than the threshold, until a collection has begun by itself.
static bool collects_by_itself(int turns) {
    wane_gc_stats before[3], now[3];
    wane_gc_collect(0);  // none is open that began before
    wane_gc_get_stats(before);
    for (int i = 0; i < turns; i++) {
        for (int j = 0; j < 100; j++) {
            wane_release(node_pair());
        }
        usleep(1000);
        wane_gc_get_stats(now);
        if (now[0].collections != before[0].collections) {
            return true;
        }
    }
    return false;
}

enum { A_WHILE = 20, PATIENCE = 20000 };

static int paused_and_returned(void) {
    WANE_GC_PAUSED {
        WANE_GC_PAUSED {
            CHECK(!collects_by_itself(A_WHILE));
        }
        CHECK(!collects_by_itself(A_WHILE));
        return 1;
    }
    return 2;
}

TEST(collections_are_paused_in_a_block) {
    CHECK_EQ_INT(wane_gc_set_threshold(100, 10, 10), 0);
    CHECK_EQ_INT(paused_and_returned(), 1);
    CHECK(collects_by_itself(PATIENCE));
    WANE_GC_PAUSED {
        break;
    }
    CHECK(collects_by_itself(PATIENCE));
    wane_gc_collect(WANE_GC_FULL);
}

TEST(results_keep_their_types) {
    struct node *const n = node_new(1);
    _Static_assert(_Generic(wane_retain(n), struct node *: 1, default: 0), "retain");
    _Static_assert(_Generic(wane_share(n), struct node *: 1, default: 0), "share");
    _Static_assert(_Generic(wane_retain(NULL), void *: 1, default: 0), "retain NULL");
    struct node *m = wane_share(wane_retain(n));
    CHECK_EQ_PTR(m, n);
    wane_release(m);
    wane_retain(n);  // the result may be left alone
    wane_release(n);
    wane_release(n);
}

TEST(new_is_typed) {
    _Static_assert(_Generic(WANE_NEW(struct node, &node_type), struct node *: 1, default: 0), "WANE_NEW");
    struct node *n = WANE_NEW(struct node, &node_type);
    CHECK_EQ_PTR(wane_typeof(n), &node_type);
    n->canary = NODE_CANARY;
    wane_release(n);
    void *l = wane_new_sized(&leaf_type, 4, NULL);
    CHECK_EQ_PTR(wane_typeof(l), &leaf_type);
    wane_release(l);
}

static void too_small(void *unused) {
    (void)unused;
    WANE_NEW(struct node, &leaf_type);
}

TEST(new_of_a_smaller_type_is_refused) {
    api_dies_with(too_small, NULL, "handy.c", "\"leaf\" have 8 bytes, and are used as 32", NULL);
}

static void too_much(void *unused) {
    (void)unused;
    wane_release(wane_new_extra_or_abort(&leaf_type, 10));
    wane_release(wane_new_or_abort(&leaf_type));
    wane_release((wane_new_extra_or_abort)(&leaf_type, 10));
    wane_release((wane_new_or_abort)(&leaf_type));
    wane_new_extra_or_abort(&leaf_type, SIZE_MAX / 2);
}

TEST(new_ends_the_program) {
    api_dies_with(too_much, NULL, "handy.c", "no object of type \"leaf\"", NULL);
}

// Slots that know what they refer to.

struct tree {
    WANE_SLOT(struct tree) next;
    WANE_SLOT(struct leaf) leaf;
    wane_slot anything;
};

static void tree_trace(void *self, wane_visitor *v) {
    struct tree *t = self;
    wane_visit(v, &t->anything);
    wane_visit_n(v, &t->leaf, 1);
}

static wane_type tree_type = {
    .name = "tree",
    .size = sizeof(struct tree),
    .slots = WANE_SLOTS(struct tree, next),
    .trace = tree_trace,
};

_Static_assert(sizeof(struct tree) == 3 * sizeof(wane_slot), "a typed slot is a slot");

TEST(typed_slots) {
    struct tree *t = WANE_NEW(struct tree, &tree_type);
    struct leaf *l = leaf_new(1);
    _Static_assert(_Generic(wane_slot_load(&t->leaf), struct leaf *: 1, default: 0), "load");
    _Static_assert(_Generic(wane_slot_peek(&t->next), struct tree *: 1, default: 0), "peek");
    _Static_assert(_Generic(wane_slot_take(&t->anything), void *: 1, default: 0), "any");
    wane_slot_init(&t->anything, wane_retain(l));
    wane_slot_init(&t->leaf, wane_retain(l));
    wane_slot_store(&t->leaf, l);
    wane_slot_give(&t->leaf, wane_retain(l));
    CHECK_EQ_PTR(wane_slot_peek_locked(&t->leaf), l);
    struct leaf *got = wane_slot_load(&t->leaf);
    CHECK_EQ_PTR(got, l);
    wane_release(got);
    WANE_GUARDED {
        CHECK_EQ_UINT(wane_slot_peek(&t->leaf)->number, 1);
        const struct tree *fixed = t;
        CHECK_EQ_PTR(wane_slot_peek(&fixed->leaf), l);
        CHECK_EQ_PTR(wane_slot_peek(&fixed->anything), l);
        CHECK_EQ_PTR(wane_slot_peek_locked(&fixed->anything), l);
    }
    got = wane_slot_swap(&t->leaf, NULL);
    wane_release(got);
    CHECK(wane_slot_cas(&t->leaf, NULL, l));
    CHECK(!wane_slot_cas(&t->leaf, NULL, l));
    got = wane_slot_take(&t->leaf);
    wane_release(got);
    wane_slot_clear(&t->leaf);
    void *place = &t->anything;  // as threads hand it on
    wane_slot_store(place, l);
    CHECK_EQ_PTR((wane_slot_peek_locked)(place), l);
    wane_slot many[2] = {WANE_SLOT_EMPTY, WANE_SLOT_EMPTY};
    wane_slot_store(many + 1, l);
    wane_slot_clear(&many[1]);
    wane_slot_store(many, l);
    wane_slot_clear(many);
    wane_slot_store(&t->next, t);  // a cycle, through a typed slot
    wane_release(l);
    wane_release(t);
    CHECK(wane_gc_collect(WANE_GC_FULL) >= 1);
}

TEST(statistics_have_a_beginning) {
    wane_stats s = WANE_STATS_INIT;
    CHECK_EQ_UINT(s.struct_size, sizeof s);
    CHECK_EQ_INT(wane_stats_get(&s), 0);
}

// Objects in static storage.

static WANE_IMMORTAL(struct node) nil = WANE_IMMORTAL_INIT(&node_type, {.number = 42, .canary = NODE_CANARY});
static WANE_IMMORTAL(struct leaf) digits[3] = {WANE_IMMORTAL_INIT(&leaf_type, {0}), WANE_IMMORTAL_INIT(&leaf_type, {1}),
                                               WANE_IMMORTAL_INIT(&leaf_type, {2})};

TEST(an_object_in_static_storage) {
    struct node *n = &nil.object;
    CHECK_EQ_UINT(n->number, 42);
    CHECK(wane_is_immortal(n) && !wane_is_unique(n) && !wane_gc_is_tracked(n) && !wane_gc_is_finalized(n));
    CHECK_EQ_PTR(wane_typeof(n), &node_type);
    CHECK_EQ_UINT(wane_sizeof(n), sizeof *n + 16);
    CHECK_EQ_UINT(wane_refcount(n), WANE_REFCOUNT_IMMORTAL);
    CHECK_EQ_PTR(wane_share(wane_retain(n)), n);
    for (int i = 0; i < 5; i++) {
        wane_release(n);
        wane_release_later(n);
    }
    wane_immortalize(n);
    wane_slot s = WANE_SLOT_EMPTY;
    wane_slot_init(&s, n);
    wane_slot_store(&s, n);
    wane_slot_give(&s, n);
    CHECK_EQ_PTR(wane_slot_swap(&s, n), n);
    CHECK(wane_slot_cas(&s, n, n));
    CHECK_EQ_PTR(wane_slot_take(&s), n);
    struct node *var = n;
    wane_clear(&var);
    wane_weak *w = wane_weak_new(n, NULL, NULL);
    CHECK_EQ_PTR(wane_weak_get(w), n);
    CHECK_EQ_PTR(wane_typeof(n), &node_type);
    wane_release(w);
    wane_note_external(n, 0);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ_UINT(digits[i].object.number, i);
        CHECK_EQ_PTR(wane_typeof(&digits[i].object), &leaf_type);
    }
}

// The collector meets it: in slots of candidates that die, of those that live, and in every pass.
TEST(the_collector_meets_static_objects) {
    struct node *alive = node_new(3);
    wane_slot_store(&alive->left, &nil.object);
    wane_slot_store(&alive->right, &digits[1].object);
    for (int i = 0; i < 1000; i++) {
        struct node *a = node_pair();
        wane_slot_store(&a->right, i % 2 == 0 ? &nil.object : (void *)&digits[2].object);
        wane_release(a);
    }
    size_t dead = atomic_load(&nodes_dead);
    CHECK(wane_gc_collect(WANE_GC_FULL) > 0 || atomic_load(&nodes_dead) > dead);
    CHECK_EQ_INT(wane_flush(), 0);
    for (int i = 0; i < 4; i++) {
        wane_gc_collect(i);
    }
    CHECK_EQ_UINT(nil.object.canary, NODE_CANARY);
    // A slot of a static object is a place as a global's: what it holds lives.
    wane_slot_store(&nil.object.left, alive);
    wane_slot_store(&alive->right, alive);
    wane_release(alive);
    wane_gc_collect(WANE_GC_FULL);
    CHECK_EQ_PTR(wane_slot_peek_locked(&nil.object.left), alive);
    CHECK_EQ_UINT(alive->canary, NODE_CANARY);
    wane_slot_clear(&nil.object.left);
    CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), 1);
}

static void *use_static(void *unused) {
    (void)unused;
    for (int i = 0; i < 10000; i++) {
        struct node *n = wane_slot_load(&guarded_place);
        wane_release(n);
        wane_slot_store(&guarded_place, i % 2 == 0 ? &nil.object : (void *)&digits[i % 3].object);
        WANE_GUARDED {
            CHECK(wane_typeof(wane_slot_peek(&guarded_place)) != NULL);
        }
    }
    return NULL;
}

TEST(threads_share_static_objects) {
    wane_slot_store(&guarded_place, &nil.object);
    pthread_t t[3];
    for (int i = 0; i < 3; i++) {
        t[i] = api_thread(use_static, NULL);
    }
    for (int i = 0; i < 3; i++) {
        api_join(t[i]);
    }
    wane_slot_clear(&guarded_place);
}
