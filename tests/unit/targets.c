/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * targets.c: the table of weakly referenced objects, against a plain list, while it grows and shrinks.
 */
#include "life/targets.h"

#include <stdlib.h>

#include "base/atomic.h"
#include "harness.h"

enum { TARGETS = 5000, REFERENCES = 20000 };

static struct wane__targets table;
static struct wane__header headers[TARGETS];
static struct wane__weak_link references[REFERENCES];
static unsigned count_of[TARGETS];

static void add(size_t i, size_t target) {
    CHECK(references[i].wane__target == NULL);
    store_relaxed(&references[i].wane__target, &headers[target]);
    wane__targets_add(&table, &references[i]);
    count_of[target]++;
}

static void remove_one(size_t i) {
    count_of[references[i].wane__target - headers]--;
    wane__targets_remove(&table, &references[i]);
    store_relaxed(&references[i].wane__target, NULL);
}

static void take(size_t target) {
    unsigned n = 0;
    struct wane__weak_link *first = wane__targets_first(&table, &headers[target]);
    struct wane__weak_link *w = wane__targets_take(&table, &headers[target]);
    CHECK_EQ_PTR(w, first);
    CHECK_EQ_PTR(wane__targets_first(&table, &headers[target]), NULL);
    for (struct wane__weak_link *before = NULL; w != NULL; before = w, w = w->wane__next) {
        CHECK_EQ_PTR(w->wane__target, &headers[target]);
        CHECK_EQ_PTR(w->wane__previous, before);
        store_relaxed(&w->wane__target, NULL);
        n++;
    }
    CHECK_EQ_UINT(n, count_of[target]);
    count_of[target] = 0;
}

/* Bounds of the size; no segment beyond the last bucket's. */
static void check_size(void) {
    size_t targets = 0;
    for (size_t i = 0; i < TARGETS; i++)
        targets += count_of[i] != 0;
    CHECK_EQ_UINT(table.xtargets, targets);
    size_t least = WANE__TARGETS_LEAST;
    CHECK(table.buckets >= least && table.buckets + 1 >= targets);
    CHECK(table.buckets == least || table.buckets <= 2 * targets);
    for (unsigned s = 1; s < WANE__TARGETS_SEGMENTS; s++)
        CHECK_EQ_INT(table.segments[s] != NULL, table.buckets > least << (s - 1));
}

static void empty_all(void) {
    for (size_t i = 0; i < TARGETS; i++)
        take(i);
    CHECK_EQ_UINT(table.xtargets, 0);
}

TEST(an_empty_table_has_nothing_to_take) {
    CHECK_EQ_PTR(wane__targets_take(&table, &headers[0]), NULL);
    take(1);
}

TEST(it_grows_with_its_targets_and_shrinks) {
    for (size_t i = 0; i < TARGETS; i++) {
        add(i, i);
        check_size();
    }
    CHECK_EQ_UINT(table.buckets, TARGETS);
    for (size_t i = 0; i < TARGETS; i++) {
        size_t before = table.buckets;
        take(i);
        CHECK(before - table.buckets <= 2);
        check_size();
    }
    CHECK_EQ_UINT(table.buckets, WANE__TARGETS_LEAST);
}

TEST(many_references_of_one_target) {
    for (size_t i = 0; i < REFERENCES; i++)
        add(i, 7);
    CHECK_EQ_UINT(table.xtargets, 1);
    for (size_t i = 0; i < REFERENCES; i += 3)
        remove_one(i);
    take(7);
    CHECK_EQ_UINT(table.buckets, WANE__TARGETS_LEAST);
}

/* Adding, removing and taking at random, while the number of targets rises and falls. */
TEST(random_use) {
    test_rng rng = test_rng_make(0);
    for (unsigned step = 0; step < 400000; step++) {
        size_t i = test_below(&rng, REFERENCES);
        size_t span = step / 50000 % 2 == 0 ? TARGETS : 40;
        if (references[i].wane__target == NULL)
            add(i, test_below(&rng, span));
        else if (test_below(&rng, 8) != 0)
            remove_one(i);
        else
            take(test_below(&rng, TARGETS));
        if (step % 1000 == 0)
            check_size();
    }
    empty_all();
    CHECK_EQ_UINT(table.buckets, WANE__TARGETS_LEAST);
}
