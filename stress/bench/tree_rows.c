/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/tree_rows.c: binary-trees with slots. The walk borrows: the tree is held and nobody changes it, and one guard
 * stands around it. "acyclic": of a type that the collector does not look at.
 */
#include "tree.h"

#include <wane.h>

struct node {
    wane_slot left, right;
};

static wane_type tracked_type = {
    .name = "bench node", .size = sizeof(struct node), .slots = WANE_SLOTS(struct node, left, right)};
static wane_type acyclic_type = {.name = "bench acyclic node",
                                 .size = sizeof(struct node),
                                 .slots = WANE_SLOTS(struct node, left, right),
                                 .flags = WANE_TYPE_ACYCLIC};
static wane_type *type = &tracked_type;

static struct node *node_new(struct node *left, struct node *right) {
    struct node *n = wane_new(type);
    if (n == NULL)
        bench_fail("wane_new failed");
    if (left != NULL) {
        wane_slot_init(&n->left, left);
        wane_slot_init(&n->right, right);
    }
    return n;
}

static struct node *node_left(struct node *n) { return wane_slot_peek(&n->left); }
static struct node *node_right(struct node *n) { return wane_slot_peek(&n->right); }
static void tree_drop(struct node *n) { wane_release(n); }

static void trees_acyclic(bench_run *r) {
    type = &acyclic_type;
    trees(r);
}

void bench_malloc_tree(bench_run *r);

/* The bar is 1.0 s, the goal 0.75, on a machine where the count on glibc took 1.09. */
#define BAR (1.0 / 1.09)
#define GOAL (0.75 / 1.09)

const bench_row bench_tree_rows[] = {
    {"trees", "binary-trees, depth 18", "s", 1e9, BENCH_WALL, -1, -1,
     {{"wane", trees, NULL, 0, 0},
      {"malloc+atomic", bench_malloc_tree, NULL, BAR, GOAL},
      BENCH_BDWGC(bench_gc_tree)}},
    {"trees-acyclic", "the same, of an acyclic type", "s", 1e9, BENCH_WALL, -1, -1,
     {{"wane", trees_acyclic, NULL, 0, 0}, {"malloc+atomic", bench_malloc_tree, NULL, BAR, GOAL}}},
    BENCH_ROWS_END,
};
