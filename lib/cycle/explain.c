/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/explain.c: who keeps an object alive.
 *
 * The graph of the heap, turned round; then a search in breadth from the object to those that refer to it, which ends at
 * the first one that has a unit in no slot: the way back is a shortest chain.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>

#include "cycle/graph.h"
#include "cycle/inspect.h"
#include "cycle/ties.h"

struct search {
    const struct wane__graph *g;
    uint32_t *first; /* for each node where its referrers begin, */
    uint32_t *from;  /* in this list of nodes; */
    uint32_t *edge;  /* and by which edge */
    uint32_t *way;   /* for each node that was reached: the edge that leads on to the object */
    uint32_t *list;  /* those that were reached, in order */
};

#define NOT_REACHED UINT32_MAX
#define IS_OBJECT (UINT32_MAX - 1)

static bool allocate(struct search *s) {
    size_t n = s->g->n, edges = s->g->edges_n;
    s->first = calloc(n + 2, sizeof *s->first);
    s->from = malloc((edges + 1) * sizeof *s->from);
    s->edge = malloc((edges + 1) * sizeof *s->edge);
    s->way = malloc((n + 1) * sizeof *s->way);
    s->list = malloc((n + 1) * sizeof *s->list);
    return s->first != NULL && s->from != NULL && s->edge != NULL && s->way != NULL && s->list != NULL;
}

static void free_all(struct search *s) {
    free(s->first);
    free(s->from);
    free(s->edge);
    free(s->way);
    free(s->list);
}

/* Sorted by counting: first[i + 1] grows from where node i's referrers begin to where they end, which is where i + 1's begin. */
static void turn_round(struct search *s) {
    const struct wane__graph *g = s->g;
    for (size_t e = 0; e < g->edges_n; e++) {
        if (g->to[e] != WANE__NO_NODE)
            s->first[g->to[e] + 2]++;
    }
    for (size_t i = 2; i < g->n + 2; i++)
        s->first[i] += s->first[i - 1];
    for (uint32_t i = 0; i < g->n; i++) {
        for (uint32_t e = g->nodes[i].edges; e < g->nodes[i + 1].edges; e++) {
            if (g->to[e] == WANE__NO_NODE)
                continue;
            uint32_t at = s->first[g->to[e] + 1]++;
            s->from[at] = i;
            s->edge[at] = e;
        }
    }
}

static bool is_held(const struct wane__node *n) { return n->immortal || wane__node_outside(n) > 0; }

/* The nearest node that is held from outside and leads to `object`, which is not asked; NO_NODE: there is none. */
static uint32_t find_holder(struct search *s, uint32_t object) {
    const struct wane__graph *g = s->g;
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++)
        s->way[i] = NOT_REACHED;
    s->way[object] = IS_OBJECT;
    s->list[n++] = object;
    for (size_t done = 0; done < n; done++) {
        uint32_t node = s->list[done];
        for (uint32_t at = s->first[node]; at < s->first[node + 1]; at++) {
            uint32_t from = s->from[at];
            if (s->way[from] != NOT_REACHED)
                continue;
            s->way[from] = s->edge[at];
            if (is_held(&g->nodes[from]))
                return from;
            s->list[n++] = from;
        }
    }
    return WANE__NO_NODE;
}

/* The caller holds the stream's lock. */
__attribute__((format(printf, 2, 3))) static void say(FILE *out, const char *format, ...) {
    char text[512];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    size_t ignored = fwrite_unlocked(text, 1, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1, out);
    (void)ignored;
}

static void print_node(FILE *out, const struct wane__node *n) {
    char name[WANE__TYPE_NAME_MAX] = "(forgotten)";
    wane__copy_type_name(n->type, name);
    say(out, "object %p of type \"%s\"", (void *)(n->h + 1), name);
}

static void print_units(FILE *out, const struct wane__node *n) {
    if (n->immortal)
        say(out, ": immortal\n");
    else
        say(out, ": %u units, %u of them held from outside\n", n->units, wane__node_outside(n));
}

/* In the words of the type of the object that the slot is in. */
static void print_slot(FILE *out, const struct wane__node *in, uint32_t place) {
    char name[WANE__SLOT_NAME_MAX];
    wane__copy_slot_name(in->type, place, name);
    say(out, "  slot `%s` -> ", name);
}

static void print_chain(FILE *out, const struct search *s, uint32_t holder) {
    const struct wane__graph *g = s->g;
    say(out, "kept by ");
    print_node(out, &g->nodes[holder]);
    print_units(out, &g->nodes[holder]);
    for (uint32_t node = holder; s->way[node] != IS_OBJECT;) {
        uint32_t edge = s->way[node];
        print_slot(out, &g->nodes[node], g->edges[edge].place);
        node = g->to[edge];
        print_node(out, &g->nodes[node]);
        say(out, "\n");
    }
}

/* Writing to a stream may be a cancellation point, and no call of the library is one. */
static void print(FILE *out, const struct search *s, uint32_t object, uint32_t holder) {
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    flockfile(out);
    print_node(out, &s->g->nodes[object]);
    print_units(out, &s->g->nodes[object]);
    if (holder != WANE__NO_NODE)
        print_chain(out, s, holder);
    else
        say(out, "kept by no other object that is held from outside\n");
    funlockfile(out);
    pthread_setcancelstate(state, NULL);
}

static int explain_in(const struct wane__graph *g, uint32_t object, FILE *out) {
    struct search s = {.g = g};
    int result = -ENOMEM;
    if (allocate(&s)) {
        turn_round(&s);
        uint32_t holder = find_holder(&s, object);
        result = is_held(&g->nodes[object]) || holder != WANE__NO_NODE ? 0 : -ESRCH;
        if (result == 0)
            print(out, &s, object, holder);
    }
    free_all(&s);
    return result;
}

int wane__explain(struct wane__record *r, void *obj, FILE *out) {
    struct wane__header *h = wane__header_of(obj);
    struct wane__graph g;
    int saved = errno;
    if (!wane__word_has(load_acquire(&h->shared), WANE__LIVE)) /* [order:count] */
        return -ESRCH;
    if (wane__word_is_static(load_relaxed(&h->shared))) {
        say(out, "%p, of type \"%s\", is a static object: it is immortal, and nobody keeps it alive\n", obj, wane__name_of(h));
        return 0;
    }
    int result = wane__graph_read(&g, r, false, h);
    uint32_t object = result == 0 ? wane__graph_find(&g, h) : WANE__NO_NODE;
    if (result == 0)
        result = object != WANE__NO_NODE ? explain_in(&g, object, out) : -ESRCH;
    wane__graph_free(&g);
    errno = saved;
    return result;
}
