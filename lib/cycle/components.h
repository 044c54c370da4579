/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/components.h: which nodes of a graph are on cycles, and on the same one: strongly connected components.
 */
#ifndef WANE_CYCLE_COMPONENTS_H
#define WANE_CYCLE_COMPONENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A graph of nodes 0 .. n - 1. Nodes that `member` refuses, and edges to them, are left out. */
struct wane__digraph {
    const void *of;
    size_t n;
    size_t (*edges)(const void *of, uint32_t node); /* how many */
    uint32_t (*edge)(const void *of, uint32_t node, size_t i);
    bool (*member)(const void *of, uint32_t node);
};

struct wane__visit_frame {
    uint32_t node;
    uint32_t edge; /* the next one to be followed */
};

struct wane__components {
    uint32_t *of; /* result: the same number, not 0, for nodes that are on a cycle with each other; 0: on none */

    /* until it is finished */
    uint32_t *order, *low; /* 0: not visited yet */
    struct wane__visit_frame *frames;
    uint32_t *open; /* visited, and their component is not known yet */
    size_t frames_n, open_n;
    uint32_t next, visited;
};

/* False: memory is out. Follow with go_on until that is true, then free. */
bool wane__components_begin(struct wane__components *c, size_t n);
bool wane__components_go_on(struct wane__components *c, const struct wane__digraph *g, uint64_t deadline); /* 0: to the end */
void wane__components_free(struct wane__components *c);

#endif
