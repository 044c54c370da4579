/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* bench/tree_malloc.c: binary-trees with the system's malloc and an atomic count. */
#include "tree.h"

void bench_malloc_tree(bench_run *r);

struct node {
    size_t count; /* atomic */
    struct node *left, *right;
};

static struct node *node_new(struct node *left, struct node *right) {
    struct node *n = malloc(sizeof(*n));
    if (n == NULL)
        bench_fail("out of memory");
    __atomic_store_n(&n->count, (size_t)1, __ATOMIC_RELAXED);
    n->left = left;
    n->right = right;
    return n;
}

static struct node *node_left(struct node *n) { return n->left; }
static struct node *node_right(struct node *n) { return n->right; }

static void tree_drop(struct node *n) {
    if (n == NULL || __atomic_fetch_sub(&n->count, 1u, __ATOMIC_ACQ_REL) != 1)
        return;
    tree_drop(n->left);
    tree_drop(n->right);
    free(n);
}

void bench_malloc_tree(bench_run *r) { trees(r); }
