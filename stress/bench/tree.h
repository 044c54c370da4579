/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/tree.h: the binary-trees program of the well-known benchmark collections, the same text for us and the peers:
 * a stretch tree, one that lives long, and many that are made, walked and dropped. A file defines struct node,
 * node_new(left, right), which consumes both, node_left, node_right and tree_drop before it includes this.
 */
#ifndef BENCH_TREE_H
#define BENCH_TREE_H

#include "peers.h"

#define DEPTH_MIN 4
#define DEPTH 18
#define DEPTH_QUICK 6

struct node;
static struct node *node_new(struct node *left, struct node *right);
static struct node *node_left(struct node *n);
static struct node *node_right(struct node *n);
static void tree_drop(struct node *n);

static struct node *tree_make(int depth) {
    if (depth == 0)
        return node_new(NULL, NULL);
    struct node *left = tree_make(depth - 1);
    return node_new(left, tree_make(depth - 1));
}

static long tree_count(struct node *n) {
    struct node *left = node_left(n);
    return left == NULL ? 1 : 1 + tree_count(left) + tree_count(node_right(n));
}

static void tree_cycle(int depth) {
    struct node *n = tree_make(depth);
    if (tree_count(n) != (1L << (depth + 1)) - 1)
        bench_fail("a tree of depth %d has not all its nodes", depth);
    tree_drop(n);
}

static void trees(bench_run *r) {
    int max = (int)bench_size(r, DEPTH, DEPTH_QUICK);
    bench_begin(r);
    tree_cycle(max + 1);
    struct node *long_lived = tree_make(max);
    for (int depth = DEPTH_MIN; depth <= max; depth += 2) {
        long n = 1L << (max - depth + DEPTH_MIN);
        for (long i = 0; i < n; i++)
            tree_cycle(depth);
    }
    if (tree_count(long_lived) != (1L << (max + 1)) - 1)
        bench_fail("the long-lived tree lost nodes");
    tree_drop(long_lived);
    r->ops = 1;
    bench_end(r);
}

#endif
