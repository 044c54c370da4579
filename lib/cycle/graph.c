/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/graph.c: see graph.h.
 *
 * One walk over the heap, in pieces under the claim: objects with slots are pinned while they are looked at, others are
 * only counted by their word. Afterwards edges are led to nodes by a hash table, and no object is looked at any more.
 */
#include "cycle/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cycle/generations.h"
#include "cycle/table.h"
#include "cycle/ties.h"
#include "heap/notes.h"
#include "life/apply.h"

/* Pieces of the walk in one claim. */
#define PIECES 64

struct reading {
    struct wane__visit_ops ops;
    struct wane__graph *g;
    struct wane__header *h;
    wane_type *type;
};

/* What is traced has one. */
static uint64_t note_of(const struct wane__header *h, uint64_t w) {
    const uint64_t *note = wane__word_has(w, WANE__TRACED) ? wane__note_of(h) : NULL;
    return note != NULL ? load_relaxed(note) : 0;
}

static void add_node(struct wane__graph *g, struct wane__header *h) {
    uint64_t w = load_acquire(&h->shared); /* [order:count], [order:traced] */
    g->failed |= g->n >= WANE__NO_NODE - 1 || g->edges_n >= UINT32_MAX ||
                 !wane__vector_grow((void **)&g->nodes, &g->room, g->n + 1, sizeof *g->nodes);
    if (g->failed)
        return;
    g->nodes[g->n++] = (struct wane__node){.h = h,
                                           .units = wane__units_of(h, w),
                                           .edges = (uint32_t)g->edges_n,
                                           .note = note_of(h, w),
                                           .bytes = wane__heap_block_size(h),
                                           .type = (uint16_t)wane__word_type(w),
                                           .immortal = wane__word_has(w, WANE__IMMORTAL)};
}

static void visit_reading(struct wane__visit_ops *ops, wane_slot *s, size_t n) {
    struct reading *k = (struct reading *)(void *)ops;
    struct wane__graph *g = k->g;
    for (size_t i = 0; i < n && !g->failed; i++) {
        void *obj = load_relaxed(&s[i].wane__target);
        if (obj == NULL)
            continue;
        g->failed = !wane__vector_grow((void **)&g->edges, &g->edges_room, g->edges_n, sizeof *g->edges);
        if (!g->failed)
            g->edges[g->edges_n++] =
                (struct wane__edge){.target = wane__header_of(obj), .place = wane__slot_place(k->type, k->h, &s[i])};
    }
}

static void read_object(struct wane__header *h, void *graph) {
    struct wane__graph *g = graph;
    struct reading k = {.ops.slots = visit_reading, .g = g, .h = h, .type = wane__type_of(load_relaxed(&h->shared))};
    add_node(g, h);
    if (!g->failed)
        wane__visit_slots(k.type, h, &k.ops);
}

/* Those without slots: nothing of them is read but the header. */
static bool read_leaf(struct wane__header *h, void *graph) {
    const wane_type *t = wane__type_of(load_relaxed(&h->shared));
    if (t != NULL && !wane__type_has(t, WANE__TRAIT_SCANNED) && !wane__type_has(t, WANE__TRAIT_LIBRARY))
        add_node(graph, h);
    return true;
}

static int read_objects(struct wane__graph *g, struct wane__record *r) {
    struct wane__walk w;
    bool more = wane__walk_begin(&w, false), known = true;
    g->failed = w.failed;
    while (more && known && !g->failed) {
        bool claimed = wane__collector_claim(r);
        known = wane__pins_begin(r, WANE__PINS_SCANNED);
        for (unsigned i = 0; i < PIECES && more && known && !g->failed; i++)
            more = wane__walk_pinned(r, &w, read_object, g);
        wane__pins_end();
        wane__collector_unclaim(claimed);
        wane__reap(r, true);
    }
    wane__walk_end(&w);
    return g->failed ? -ENOMEM : known ? 0 : -EAGAIN;
}

static int read_leaves(struct wane__graph *g) {
    struct wane__walk w;
    if (wane__walk_begin(&w, false)) {
        while (wane__walk_some(&w, read_leaf, g) && !g->failed) {
        }
    }
    g->failed |= w.failed;
    wane__walk_end(&w);
    return g->failed ? -ENOMEM : 0;
}

/* The place of h in the table, or where it would be. */
static size_t place_of(const struct wane__graph *g, const struct wane__header *h) {
    uint64_t x = (uintptr_t)h * 0x9E3779B97F4A7C15u;
    size_t at = (size_t)(x ^ x >> 29) & (g->hash_room - 1);
    while (g->hash[at] != WANE__NO_NODE && g->nodes[g->hash[at]].h != h)
        at = (at + 1) & (g->hash_room - 1);
    return at;
}

uint32_t wane__graph_find(const struct wane__graph *g, const struct wane__header *h) { return g->hash[place_of(g, h)]; }

/* What other threads freed and made again may be there twice: the first one stands for both. */
static int index_nodes(struct wane__graph *g) {
    g->hash_room = 64;
    while (g->hash_room < 2 * g->n)
        g->hash_room *= 2;
    g->hash = malloc(g->hash_room * sizeof *g->hash);
    g->to = malloc((g->edges_n + 1) * sizeof *g->to);
    if (g->hash == NULL || g->to == NULL)
        return -ENOMEM;
    memset(g->hash, 0xff, g->hash_room * sizeof *g->hash);
    for (uint32_t i = 0; i < g->n; i++) {
        size_t at = place_of(g, g->nodes[i].h);
        if (g->hash[at] == WANE__NO_NODE)
            g->hash[at] = i;
    }
    for (size_t e = 0; e < g->edges_n; e++) {
        g->to[e] = wane__graph_find(g, g->edges[e].target);
        if (g->to[e] != WANE__NO_NODE)
            g->nodes[g->to[e]].inner++;
    }
    return 0;
}

int wane__graph_read(struct wane__graph *g, struct wane__record *r, bool all, struct wane__header *target) {
    *g = (struct wane__graph){.n = 0};
    int error = read_objects(g, r);
    if (error == 0 && all)
        error = read_leaves(g);
    if (error == 0 && target != NULL && !wane__type_has(wane__type_of(load_relaxed(&target->shared)), WANE__TRAIT_SCANNED))
        add_node(g, target);
    if (error == 0 && !g->failed && wane__vector_grow((void **)&g->nodes, &g->room, g->n, sizeof *g->nodes)) {
        g->nodes[g->n] = (struct wane__node){.edges = (uint32_t)g->edges_n};
        return index_nodes(g);
    }
    return error != 0 ? error : -ENOMEM;
}

void wane__graph_free(struct wane__graph *g) {
    wane__vector_free((void **)&g->nodes, &g->room, sizeof *g->nodes);
    wane__vector_free((void **)&g->edges, &g->edges_room, sizeof *g->edges);
    free(g->to);
    free(g->hash);
    *g = (struct wane__graph){.n = 0};
}
