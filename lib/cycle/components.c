/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/components.c: Tarjan's algorithm, with a stack of its own, in pieces.
 *
 * A depth-first search numbers the nodes (`order`); `low` is the least number that a node reaches by its descendants and
 * one edge back. A node whose `low` is its own number is the first of its component, which is then all that was visited
 * since and is still open. A component of one node is on a cycle if the node has an edge to itself.
 * While a node is open `of` is 0, and afterwards its component, or NONE until the end if it is on no cycle.
 */
#include "cycle/components.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "os/clock.h"

#define NONE UINT32_MAX
/* Edges between two looks at the clock. */
#define EDGES_A_LOOK 4096

bool wane__components_begin(struct wane__components *c, size_t n) {
    memset(c, 0, sizeof *c);
    c->of = calloc(n + 1, sizeof *c->of);
    c->order = calloc(n + 1, sizeof *c->order);
    c->low = malloc((n + 1) * sizeof *c->low);
    c->frames = malloc((n + 1) * sizeof *c->frames);
    c->open = malloc((n + 1) * sizeof *c->open);
    if (c->of != NULL && c->order != NULL && c->low != NULL && c->frames != NULL && c->open != NULL)
        return true;
    wane__components_free(c);
    return false;
}

void wane__components_free(struct wane__components *c) {
    struct wane__components gone = *c;
    memset(c, 0, sizeof *c);
    compiler_barrier(); /* the child of a fork may lose memory, and frees none twice */
    free(gone.of);
    free(gone.order);
    free(gone.low);
    free(gone.frames);
    free(gone.open);
}

static void visit(struct wane__components *c, uint32_t node) {
    c->order[node] = c->low[node] = ++c->visited;
    c->open[c->open_n++] = node;
    c->frames[c->frames_n++] = (struct wane__visit_frame){.node = node};
}

static void lower(struct wane__components *c, uint32_t node, uint32_t to) {
    if (to < c->low[node])
        c->low[node] = to;
}

static bool refers_to_itself(const struct wane__digraph *g, uint32_t node) {
    size_t n = g->edges(g->of, node);
    for (size_t i = 0; i < n; i++) {
        if (g->edge(g->of, node, i) == node)
            return true;
    }
    return false;
}

/* All that `node` leads to was visited. */
static void leave(struct wane__components *c, const struct wane__digraph *g, uint32_t node) {
    c->frames_n--;
    if (c->frames_n > 0)
        lower(c, c->frames[c->frames_n - 1].node, c->low[node]);
    if (c->low[node] != c->order[node])
        return;
    bool cycle = c->open[c->open_n - 1] != node || refers_to_itself(g, node);
    uint32_t one;
    do {
        one = c->open[--c->open_n];
        c->of[one] = cycle ? node + 1 : NONE;
    } while (one != node);
}

/* Up to `edges` of them, from the node on top. */
static size_t follow(struct wane__components *c, const struct wane__digraph *g, size_t edges) {
    struct wane__visit_frame *f = &c->frames[c->frames_n - 1];
    size_t n = g->edges(g->of, f->node), done = 0;
    while (f->edge < n && done < edges) {
        uint32_t node = g->edge(g->of, f->node, f->edge++);
        done++;
        if (!g->member(g->of, node))
            continue;
        if (c->order[node] == 0) {
            visit(c, node);
            return done;
        }
        if (c->of[node] == 0)
            lower(c, f->node, c->order[node]);
    }
    if (f->edge == n)
        leave(c, g, f->node);
    return done + 1;
}

static void finish(struct wane__components *c, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (c->of[i] == NONE)
            c->of[i] = 0;
    }
}

bool wane__components_go_on(struct wane__components *c, const struct wane__digraph *g, uint64_t deadline) {
    do {
        for (size_t left = EDGES_A_LOOK, done; left > 0; left -= done) {
            done = 1;
            if (c->frames_n > 0) {
                done = follow(c, g, left);
            } else if (c->next == g->n) {
                finish(c, g->n);
                return true;
            } else {
                uint32_t node = c->next++;
                if (c->order[node] == 0 && g->member(g->of, node))
                    visit(c, node);
            }
            done = done < left ? done : left;
        }
    } while (deadline == 0 || wane__now() < deadline);
    return false;
}
