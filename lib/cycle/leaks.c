/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/leaks.c: what is alive at the end, by type: how many objects, how many of them are on cycles, how many are held
 * from outside, by units that are in no object's slot: who looks for a leak begins with those.
 *
 * Immortals are no leaks, and what only they lead to is none; those have lines of their own.
 */
#include <stdlib.h>

#include "cycle/components.h"
#include "cycle/graph.h"
#include "cycle/inspect.h"
#include "cycle/kept.h"
#include "cycle/ties.h"

struct figures {
    uint32_t alive, cyclic, outside; /* leaks */
    uint32_t immortal, behind;       /* and what those keep */
};

struct report {
    struct wane__graph g;
    struct wane__components cycles;
    struct figures *types; /* by id */
    bool *behind;          /* nodes that immortals lead to */
    struct wane__ties ties;
    size_t leaks;
};

static size_t edges_of(const void *graph, uint32_t node) {
    const struct wane__node *n = ((const struct wane__graph *)graph)->nodes + node;
    return n[1].edges - n[0].edges;
}

static uint32_t edge_of(const void *graph, uint32_t node, size_t i) {
    const struct wane__graph *g = graph;
    return g->to[g->nodes[node].edges + i];
}

static bool is_mortal(const void *graph, uint32_t node) {
    const struct wane__graph *g = graph;
    return node < g->n && !g->nodes[node].immortal;
}

static bool find_cycles(struct report *t) {
    const struct wane__digraph d = {.of = &t->g, .n = t->g.n, .edges = edges_of, .edge = edge_of, .member = is_mortal};
    return wane__components_begin(&t->cycles, t->g.n) && wane__components_go_on(&t->cycles, &d, 0);
}

/* Marks what immortals lead to. */
static bool look_behind_immortals(struct report *t) {
    const struct wane__graph *g = &t->g;
    size_t n = 0;
    uint32_t *list = malloc((g->n + 1) * sizeof *list);
    t->behind = calloc(g->n + 1, sizeof *t->behind);
    bool done = list != NULL && t->behind != NULL;
    for (uint32_t i = 0; done && i < g->n; i++) {
        if (g->nodes[i].immortal)
            list[n++] = i;
    }
    while (done && n > 0) {
        uint32_t node = list[--n];
        for (size_t e = 0; e < edges_of(g, node); e++) {
            uint32_t to = edge_of(g, node, e);
            if (!is_mortal(g, to) || t->behind[to])
                continue;
            t->behind[to] = true;
            list[n++] = to;
        }
    }
    free(list);
    return done;
}

/* References that are on a cycle with their object. */
static void count_ties(struct report *t, uint32_t node) {
    const struct wane__graph *g = &t->g;
    for (uint32_t e = g->nodes[node].edges; e < g->nodes[node + 1].edges; e++) {
        if (is_mortal(g, g->to[e]) && t->cycles.of[g->to[e]] == t->cycles.of[node])
            wane__ties_add(&t->ties, g->nodes[node].type, g->edges[e].place, g->nodes[g->to[e]].type);
    }
}

static void count(struct report *t, uint32_t i) {
    const struct wane__node *n = &t->g.nodes[i];
    struct figures *f = &t->types[n->type];
    bool outside = wane__node_outside(n) > 0;
    if (n->immortal) {
        f->immortal++;
    } else if (t->behind[i] && !outside) {
        f->behind++;
    } else {
        f->alive++;
        f->outside += outside;
        f->cyclic += t->cycles.of[i] != 0;
        t->leaks++;
        if (t->cycles.of[i] != 0)
            count_ties(t, i);
    }
}

static void log_type(const struct figures *f, uint32_t id) {
    char name[WANE__TYPE_NAME_MAX];
    if ((f->alive == 0 && f->immortal == 0 && f->behind == 0) || !wane__copy_type_name(id, name))
        return;
    if (f->alive > 0)
        wane__log(WANE__LOG_WARNING, "leak: %u objects of type \"%s\" are alive, %u of them on cycles, %u held from outside",
                  f->alive, name, f->cyclic, f->outside);
    if (f->immortal > 0 || f->behind > 0)
        wane__log(WANE__LOG_INFO, "immortal: %u objects of type \"%s\"; immortal objects keep %u more alive", f->immortal, name, f->behind);
}

static bool fill(struct report *t, struct wane__record *r) {
    t->types = calloc(WANE__TYPES, sizeof *t->types);
    if (t->types == NULL || wane__graph_read(&t->g, r, true, NULL) != 0 || !find_cycles(t) || !look_behind_immortals(t))
        return false;
    for (uint32_t i = 0; i < t->g.n; i++)
        count(t, i);
    return true;
}

size_t wane__report_leaks(struct wane__record *r) {
    struct report t = {.leaks = 0};
    if (!fill(&t, r)) {
        wane__log(WANE__LOG_WARNING, "leak: out of memory: no report of what is alive");
        t.leaks = 1;
    }
    for (uint32_t id = 1; t.types != NULL && id < WANE__TYPES; id++)
        log_type(&t.types[id], id);
    wane__ties_log(&t.ties, WANE__LOG_WARNING, "leak");
    size_t kept = wane__kept_count();
    if (kept > 0)
        wane__log(WANE__LOG_WARNING, "leak: %zu unreachable objects were kept: see wane_gc_get_unreachable", kept);
    free(t.types);
    free(t.behind);
    wane__components_free(&t.cycles);
    wane__graph_free(&t.g);
    return t.leaks;
}
