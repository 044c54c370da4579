/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * garbage.c: which of the garbage is emptied slot by slot.
 *
 * What leads to nothing but garbage need not be: its slots still name their targets when its memory is free. That is looked at here,
 * in memory that nobody has been given again, so not where a sanitizer or full checks watch over it.
 */
#include "thread_util.h"

static wane_type kept_type = {
    .name = "kept", .size = sizeof(struct node), .slots = WANE_SLOTS(struct node, next), .flags = WANE_TYPE_UNCOLLECTABLE};
struct referrer {
    wane_slot itself, other;
};
static wane_type referrer_type = {
    .name = "referrer", .size = sizeof(struct referrer), .slots = WANE_SLOTS(struct referrer, itself, other)};

enum { RINGS = 1000 };

/* Each of two nodes; the first ones are returned. */
static void drop_rings(struct node *ret[RINGS]) {
    for (int i = 0; i < RINGS; i++) {
        struct node *a = wane_new(&node_type), *b = wane_new(&node_type);
        CHECK(a != NULL && b != NULL);
        wane_slot_store(&a->next, b);
        wane_slot_give(&b->next, a);
        wane_release(b);
        ret[i] = a;
    }
}

static unsigned emptied(struct node *const freed[RINGS]) {
    unsigned n = 0;
    for (int i = 0; i < RINGS; i++)
        n += load_relaxed(&freed[i]->next.wane__target) == NULL;
    return n;
}

static bool freed_memory_is_watched(void) { return TEST_ASAN || TEST_TSAN || WANE_CHECKS >= 2; }

TEST(nothing_is_emptied_that_leads_to_garbage_only) {
    if (freed_memory_is_watched())
        SKIP("freed memory is not to be read");
    static struct node *rings[RINGS];
    drop_rings(rings);
    CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), 2 * RINGS);
    CHECK_EQ_UINT(emptied(rings), 0);
}

/* One suspect that turns out not to be garbage, and one of the garbage that leads to it: that one is emptied, and no other. */
TEST(one_that_is_kept_has_only_its_referrer_emptied) {
    if (freed_memory_is_watched())
        SKIP("freed memory is not to be read");
    static struct node *rings[RINGS];
    struct node *kept = wane_new(&kept_type);
    struct referrer *referrer = wane_new(&referrer_type);
    CHECK(kept != NULL && referrer != NULL);
    wane_slot_store(&kept->next, kept); /* a cycle of an uncollectable type: unreachable, and kept */
    wane_slot_store(&referrer->itself, referrer);
    wane_slot_give(&referrer->other, kept);
    wane_release(referrer);
    drop_rings(rings);
    CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), 2 * RINGS + 1);
    void *listed = NULL;
    CHECK_EQ_UINT(wane_gc_get_unreachable(&listed, 1), 1);
    CHECK_EQ_PTR(listed, kept);
    CHECK_EQ_UINT(wane_refcount(kept), 2);
    CHECK_EQ_PTR(load_relaxed(&referrer->other.wane__target), NULL);
    CHECK_EQ_UINT(emptied(rings), 0);
    wane_slot_clear(&kept->next);
    wane_release(listed);
    CHECK_EQ_INT(wane_flush(), 0);
}
