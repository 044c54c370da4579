// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Making, holding and letting go of objects: birth, counts, clear, AUTO, is_unique, share, what can
// be asked of an object. Immortals are in immortal.c, failures for want of memory in memory.c.

#include "api.h"

TEST(new_is_zeroed_and_aligned) {
    // Twice, so that the second round gets memory that was used and dirtied before.
    enum { COUNT = 3000 };
    static unsigned char *objects[COUNT];
    static wane_type types[] = {
        {.name = "0", .size = 0},       {.name = "1", .size = 1},
        {.name = "24", .size = 24},     {.name = "100", .size = 100},
        {.name = "1000", .size = 1000}, {.name = "40000", .size = 40000},
    };
    for (int round = 0; round < 2; round++) {
        for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
            size_t count = types[k].size > 1000 ? 50 : COUNT;
            for (size_t i = 0; i < count; i++) {
                unsigned char *p = wane_new(&types[k]);
                CHECK(p != NULL);
                CHECK_EQ_UINT((uintptr_t)p % 16, 0);
                for (size_t b = 0; b < types[k].size; b++) {
                    CHECK_EQ_UINT(p[b], 0);
                }
                memset(p, 0xa5, types[k].size);
                objects[i] = p;
            }
            for (size_t i = 0; i < count; i++) {
                for (size_t b = 0; b < types[k].size; b++) {
                    CHECK_EQ_UINT(objects[i][b], 0xa5);
                }
                wane_release(objects[i]);
            }
        }
    }
}

TEST(extra_bytes_are_zeroed_and_ones_own) {
    enum { COUNT = 64 };
    unsigned char *objects[COUNT];
    static const size_t extras[] = {0, 1, 7, 8, 100, 5000, 70000, 3000000};
    for (size_t k = 0; k < sizeof extras / sizeof *extras; k++) {
        size_t count = extras[k] > 100000 ? 4 : COUNT;
        size_t size = leaf_type.size + extras[k];
        for (size_t i = 0; i < count; i++) {
            objects[i] = wane_new_extra(&leaf_type, extras[k]);
            CHECK(objects[i] != NULL);
            CHECK_EQ_UINT((uintptr_t)objects[i] % 16, 0);
            CHECK(wane_sizeof(objects[i]) >= size + 16);
            for (size_t b = 0; b < size; b++) {
                CHECK_EQ_UINT(objects[i][b], 0);
            }
            memset(objects[i], (int)(i + 1), size);
        }
        for (size_t i = 0; i < count; i++) {
            CHECK_EQ_UINT(objects[i][0], i + 1);
            CHECK_EQ_UINT(objects[i][size - 1], i + 1);
            wane_release(objects[i]);
        }
    }
}

TEST(new_at_takes_a_site_or_none) {
    static const wane_site site = {__FILE__, __LINE__, "here"};
    void *a = wane_new_at(&leaf_type, 0, &site);
    void *b = wane_new_at(&leaf_type, 16, NULL);
    CHECK(a != NULL && b != NULL && a != b);
    wane_release(a);
    wane_release(b);
}

TEST(the_functions_behind_the_macros_exist) {
    void *a = (wane_new)(&leaf_type);
    void *b = (wane_new_extra)(&leaf_type, 64);
    CHECK_EQ_PTR((wane_retain)(a), a);
    CHECK_EQ_PTR((wane_share)(b), b);
    CHECK_EQ_UINT(wane_refcount(a), 2);
    (wane_release)(a);
    (wane_release)(a);
    (wane_clear)(&b);
    CHECK_EQ_PTR(b, NULL);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

TEST(every_object_argument_may_be_null) {
    errno = 77;
    CHECK_EQ_PTR(wane_retain(NULL), NULL);
    wane_release(NULL);
    struct node *none = NULL;
    wane_clear(&none);
    CHECK_EQ_PTR(wane_share(NULL), NULL);
    CHECK(!wane_is_unique(NULL));
    wane_immortalize(NULL);
    CHECK(!wane_is_immortal(NULL));
    CHECK_EQ_UINT(wane_refcount(NULL), 0);
    CHECK_EQ_PTR(wane_typeof(NULL), NULL);
    CHECK_EQ_UINT(wane_sizeof(NULL), 0);
    CHECK_EQ_INT(errno, 77);
}

TEST(retain_and_release_count) {
    struct node *n = node_new(1);
    CHECK_EQ_UINT(wane_refcount(n), 1);
    for (size_t i = 2; i <= 1000; i++) {
        CHECK_EQ_PTR(wane_retain(n), n);
        CHECK_EQ_UINT(wane_refcount(n), i);
    }
    size_t dead = atomic_load(&nodes_dead);
    for (size_t i = 999; i > 0; i--) {
        wane_release(n);
        CHECK_EQ_UINT(wane_refcount(n), i);
    }
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead);
    CHECK_EQ_UINT(api_stats().live_objects, 1);
    wane_release(n);
    // The owner's last release destroys at once, on the spot.
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

TEST(release_leaves_errno_alone) {
    errno = 78;
    struct node *n = node_new(1);
    wane_retain(n);
    wane_release(n);
    wane_release(n);
    CHECK_EQ_INT(errno, 78);
}

TEST(clear_releases_and_sets_null) {
    struct node *var = node_new(3);
    struct node *other = wane_retain(var);
    wane_clear(&var);
    CHECK_EQ_PTR(var, NULL);
    CHECK_EQ_UINT(wane_refcount(other), 1);
    wane_clear(&other);
    CHECK_EQ_PTR(other, NULL);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

static struct node *cleared_variable;
static struct node *seen_in_destroy;

static void look_at_variable(void *self) {
    (void)self;
    seen_in_destroy = cleared_variable;
}

TEST(destroy_sees_the_variable_empty) {
    static wane_type type = {.name = "looker", .size = 8, .destroy = look_at_variable};
    void *object = wane_new(&type);
    cleared_variable = object;
    seen_in_destroy = object;
    wane_clear(&cleared_variable);
    CHECK_EQ_PTR(seen_in_destroy, NULL);
}

static size_t inner_scope(struct node *n) {
    WANE_AUTO struct node *held = wane_retain(n);
    WANE_AUTO struct node *none = NULL;
    (void)none;
    return wane_refcount(held);
}

TEST(auto_releases_at_the_end_of_the_scope) {
    size_t dead = atomic_load(&nodes_dead);
    {
        WANE_AUTO struct node *n = node_new(1);
        CHECK_EQ_UINT(inner_scope(n), 2);
        CHECK_EQ_UINT(wane_refcount(n), 1);
        CHECK_EQ_UINT(atomic_load(&nodes_dead), dead);
    }
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
}

TEST(typeof_and_sizeof) {
    struct node *n = node_new(1);
    struct leaf *l = leaf_new(1);
    CHECK_EQ_PTR(wane_typeof(n), &node_type);
    CHECK_EQ_PTR(wane_typeof(l), &leaf_type);
    CHECK(wane_sizeof(n) >= sizeof *n + 16);
    CHECK(wane_sizeof(n) <= 2 * sizeof *n + 64);
    CHECK(wane_sizeof(l) >= sizeof *l + 16);
    wane_release(n);
    wane_release(l);
}

TEST(live_counts_follow) {
    wane_stats before = api_stats();
    struct node *n[100];
    size_t bytes = 0;
    for (size_t i = 0; i < 100; i++) {
        n[i] = node_new(i);
        bytes += wane_sizeof(n[i]);
    }
    wane_stats with = api_stats();
    CHECK_EQ_UINT(with.live_objects, before.live_objects + 100);
    CHECK_EQ_UINT(with.live_bytes, before.live_bytes + bytes);
    CHECK(with.heap_bytes >= with.live_bytes);
    for (size_t i = 0; i < 100; i++) {
        wane_release(n[i]);
    }
    wane_stats after = api_stats();
    CHECK_EQ_UINT(after.live_objects, before.live_objects);
    CHECK_EQ_UINT(after.live_bytes, before.live_bytes);
}

// What another thread sees and does.

static void *check_not_unique(void *obj) {
    CHECK(!wane_is_unique(obj));
    return NULL;
}

static void *check_unique_then_release(void *obj) {
    CHECK(wane_is_unique(obj));
    wane_retain(obj);
    CHECK(!wane_is_unique(obj));
    wane_release(obj);
    CHECK_EQ_UINT(wane_refcount(obj), 1);
    wane_release(obj);
    return NULL;
}

TEST(is_unique_by_the_owner) {
    struct node *n = node_new(1);
    CHECK(wane_is_unique(n));
    wane_retain(n);
    CHECK(!wane_is_unique(n));
    wane_release(n);
    CHECK(wane_is_unique(n));
    wane_slot place = WANE_SLOT_EMPTY;
    wane_slot_store(&place, n);
    CHECK(!wane_is_unique(n));
    wane_slot_clear(&place);
    // Pending until the flush.
    CHECK(!wane_is_unique(n));
    CHECK_EQ_UINT(wane_refcount(n), 2);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK(wane_is_unique(n));
    wane_release(n);
}

TEST(is_unique_by_others) {
    struct node *n = node_new(1);
    wane_retain(n);
    api_elsewhere(check_not_unique, n);
    wane_release(n);
    size_t dead = atomic_load(&nodes_dead);
    api_elsewhere(check_unique_then_release, n);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
}

TEST(is_unique_of_a_shared_object) {
    struct node *n = wane_share(node_new(1));
    CHECK(wane_is_unique(n));
    wane_retain(n);
    CHECK(!wane_is_unique(n));
    api_elsewhere(check_not_unique, n);
    wane_release(n);
    CHECK(wane_is_unique(n));
    wane_release(n);
}

static void *retain_99_release_49(void *obj) {
    for (int i = 0; i < 99; i++) {
        wane_retain(obj);
    }
    for (int i = 0; i < 49; i++) {
        wane_release(obj);
    }
    return NULL;
}

TEST(counts_of_owner_and_others_add_up) {
    struct node *n = node_new(1);
    wane_retain(n);
    api_elsewhere(retain_99_release_49, n);
    CHECK_EQ_UINT(wane_refcount(n), 52);
    for (int i = 0; i < 51; i++) {
        wane_release(n);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(wane_refcount(n), 1);
    CHECK(wane_is_unique(n));
    size_t dead = atomic_load(&nodes_dead);
    wane_release(n);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
}

static void *release_three(void *obj) {
    wane_release(obj);
    wane_release(obj);
    wane_release(obj);
    return NULL;
}

// Units of the owner that others give up wait in a queue, and count as long as they do.
TEST(foreign_releases_are_settled) {
    struct node *n = node_new(1);
    for (int i = 0; i < 3; i++) {
        wane_retain(n);
    }
    api_elsewhere(release_three, n);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(wane_refcount(n), 1);
    n->number = 5;
    size_t dead = atomic_load(&nodes_dead);
    wane_release(n);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
}

TEST(share_keeps_the_count) {
    struct node *n = node_new(1);
    wane_retain(n);
    wane_retain(n);
    CHECK_EQ_PTR(wane_share(n), n);
    CHECK_EQ_UINT(wane_refcount(n), 3);
    CHECK_EQ_PTR(wane_share(n), n);
    api_elsewhere(api_release_it, n);
    CHECK_EQ_UINT(wane_refcount(n), 2);
    wane_release(n);
    size_t dead = atomic_load(&nodes_dead);
    // The last unit of a merged object is nobody's business but the releaser's: dead on the spot.
    api_elsewhere(api_release_it, n);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
}

static void *share_it(void *obj) {
    CHECK_EQ_PTR(wane_share(obj), obj);
    wane_release(obj);
    return NULL;
}

TEST(share_by_another_thread) {
    struct node *n = node_new(1);
    wane_retain(n);
    wane_retain(n);
    api_elsewhere(share_it, n);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(wane_refcount(n), 2);
    wane_release(n);
    CHECK(wane_is_unique(n));
    wane_release(n);
}

TEST(objects_of_a_shared_type_are_born_without_owner) {
    static wane_type type = {.name = "common", .size = 8, .flags = WANE_TYPE_SHARED};
    uint64_t revocations = api_stats().revocations;
    void *o = wane_new(&type);
    wane_retain(o);
    api_elsewhere(api_release_it, o);
    CHECK_EQ_UINT(wane_refcount(o), 1);
    api_elsewhere(api_release_it, o);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
    CHECK_EQ_UINT(api_stats().revocations, revocations);
}

static void *make_node(void *ret) {
    *(struct node **)ret = node_new(42);
    return NULL;
}

// The owner is gone when the object is used: whoever comes next must be able to end it.
TEST(objects_outlive_the_thread_that_made_them) {
    struct node *n = NULL;
    api_elsewhere(make_node, &n);
    CHECK_EQ_UINT(n->number, 42);
    wane_retain(n);
    CHECK_EQ_UINT(wane_refcount(n), 2);
    wane_release(n);
    CHECK(wane_is_unique(n));
    size_t dead = atomic_load(&nodes_dead);
    wane_release(n);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
}
