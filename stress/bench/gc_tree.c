/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* bench/gc_tree.c: binary-trees with bdwgc. */
#include "tree.h"

#include <gc/gc.h>

struct node {
    struct node *left, *right;
};

static struct node *node_new(struct node *left, struct node *right) {
    struct node *n = GC_MALLOC(sizeof(*n));
    if (n == NULL)
        bench_fail("GC_MALLOC failed");
    n->left = left;
    n->right = right;
    return n;
}

static struct node *node_left(struct node *n) { return n->left; }
static struct node *node_right(struct node *n) { return n->right; }
static void tree_drop(struct node *n) { bench_opaque(n); }

void bench_gc_tree(bench_run *r) {
    GC_INIT();
    trees(r);
}
