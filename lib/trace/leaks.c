/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * trace/leaks.c: what is alive, by type: how many objects, how many of them are on cycles, how many are held
 * from outside, by units that are in no object's slot: who looks for a leak begins with those. Then the places that made
 * them, as far as they are traced, and a shortest chain of slots from an object that is held from outside to one of those that are not.
 *
 * Immortals are no leaks, and what only they lead to is none; those have lines of their own.
 *
 * The chains of all types come of one search in breadth, from all leaks that are held from outside at once: the first object of
 * a type that it comes to has the shortest chain of its type.
 */
#include "trace/leaks.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "cycle/components.h"
#include "cycle/graph.h"
#include "cycle/kept.h"
#include "cycle/ties.h"
#include "trace/output.h"
#include "trace/sites.h"
#include "trace/trace.h"

/* Places told of one type, and slots of one chain. */
#define SITES_MAX 10
#define CHAIN_MAX 30

struct figures {
    uint32_t alive, cyclic, outside; /* leaks */
    uint32_t immortal, behind;       /* and what those keep */
    uint32_t reached;                /* leaks that others lead to */
    uint32_t example;                /* the first of those; NO_NODE: there is none */
    uint64_t bytes;                  /* of leaks */
};

/* How the search came to a node. */
struct way {
    uint32_t from; /* NO_NODE: not at all, or it began there */
    uint32_t edge;
};

struct report {
    struct wane__output *out; /* NULL: the log */
    struct wane__graph g;
    struct wane__components cycles;
    struct figures *types; /* by id */
    uint32_t *order;       /* room for all ids */
    bool *behind;          /* nodes that immortals lead to */
    struct way *ways;
    struct wane__ties ties;
    struct wane__ties sites; /* from: type, place: number of the site */
    size_t leaks, traced;
};

__attribute__((format(printf, 3, 4))) static void say(struct report *t, int level, const char *format, ...) {
    char line[480];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    if (t->out != NULL)
        wane__output_print(t->out, "%s\n", line);
    else
        wane__log(level, "%s", line);
}

static void say_line(void *report, int level, const char *line) { say(report, level, "%s", line); }

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

static void count_site(struct report *t, const struct wane__node *n) {
    if (n->note == 0)
        return;
    t->traced++;
    wane__ties_add(&t->sites, n->type, (uint32_t)n->note, 0);
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
        f->bytes += n->bytes;
        t->leaks++;
        if (t->cycles.of[i] != 0)
            count_ties(t, i);
        count_site(t, n);
    }
}

static bool is_leak(const struct report *t, uint32_t i) {
    return is_mortal(&t->g, i) && (!t->behind[i] || wane__node_outside(&t->g.nodes[i]) > 0);
}

/* One step of the search: what `node` leads to goes on the list. */
static size_t follow(struct report *t, uint32_t node, uint32_t *list, size_t n, bool *seen) {
    const struct wane__graph *g = &t->g;
    for (uint32_t e = g->nodes[node].edges; e < g->nodes[node + 1].edges; e++) {
        uint32_t to = g->to[e];
        if (to == WANE__NO_NODE || seen[to] || !is_leak(t, to))
            continue;
        struct figures *f = &t->types[g->nodes[to].type];
        seen[to] = true;
        t->ways[to] = (struct way){.from = node, .edge = e};
        list[n++] = to;
        f->reached++;
        if (f->example == WANE__NO_NODE)
            f->example = to;
    }
    return n;
}

static bool find_chains(struct report *t) {
    size_t n = 0;
    uint32_t *list = malloc((t->g.n + 1) * sizeof *list);
    bool *seen = calloc(t->g.n + 1, sizeof *seen);
    t->ways = malloc((t->g.n + 1) * sizeof *t->ways);
    bool done = list != NULL && seen != NULL && t->ways != NULL;
    for (uint32_t i = 0; done && i < t->g.n; i++) {
        t->ways[i].from = WANE__NO_NODE;
        seen[i] = is_leak(t, i) && wane__node_outside(&t->g.nodes[i]) > 0;
        if (seen[i])
            list[n++] = i;
    }
    for (size_t at = 0; done && at < n; at++)
        n = follow(t, list[at], list, n, seen);
    free(list);
    free(seen);
    return done;
}

/* The places of one type, the most frequent first. */
static void say_sites(struct report *t, uint32_t id) {
    size_t told = 0;
    for (size_t i = 0; i < t->sites.room && t->sites.of[i].n > 0; i++) {
        const struct wane__tie *s = &t->sites.of[i];
        const wane_site *site = wane__site_at(s->place);
        if (s->from != id)
            continue;
        if (++told > SITES_MAX)
            break;
        if (site->file == NULL)
            say(t, WANE__LOG_WARNING, "leak:   %u of them made at a place that is not known", s->n);
        else
            say(t, WANE__LOG_WARNING, "leak:   %u of them made at %.200s:%d, in %.100s", s->n, site->file, site->line,
                site->function != NULL ? site->function : "?");
    }
}

static void say_link(struct report *t, uint32_t node) {
    const struct wane__graph *g = &t->g;
    const struct wane__node *from = &g->nodes[t->ways[node].from];
    char slot[WANE__SLOT_NAME_MAX], name[WANE__TYPE_NAME_MAX] = "(forgotten)";
    wane__copy_slot_name(from->type, g->edges[t->ways[node].edge].place, slot);
    wane__copy_type_name(g->nodes[node].type, name);
    say(t, WANE__LOG_WARNING, "leak:     slot `%s` -> object of type \"%s\"", slot, name);
}

/* From the object that is held from outside to that one; of a long chain the end is left out. */
static void say_chain(struct report *t, uint32_t example) {
    uint32_t chain[CHAIN_MAX]; /* the last CHAIN_MAX that were passed on the way back */
    size_t length = 0;
    uint32_t node = example;
    for (; t->ways[node].from != WANE__NO_NODE; node = t->ways[node].from)
        chain[length++ % CHAIN_MAX] = node;
    char name[WANE__TYPE_NAME_MAX] = "(forgotten)";
    wane__copy_type_name(t->g.nodes[node].type, name);
    say(t, WANE__LOG_WARNING, "leak:   one is held by an object of type \"%s\", of which %u units are held from outside", name,
        wane__node_outside(&t->g.nodes[node]));
    size_t told = length < CHAIN_MAX ? length : CHAIN_MAX;
    for (size_t i = 0; i < told; i++)
        say_link(t, chain[(length - 1 - i) % CHAIN_MAX]);
    if (told < length)
        say(t, WANE__LOG_WARNING, "leak:     and %zu slots more", length - told);
}

static void say_type(struct report *t, uint32_t id) {
    const struct figures *f = &t->types[id];
    char name[WANE__TYPE_NAME_MAX];
    if ((f->alive == 0 && f->immortal == 0 && f->behind == 0) || !wane__copy_type_name(id, name))
        return;
    if (f->alive > 0) {
        say(t, WANE__LOG_WARNING, "leak: %u objects of type \"%s\" are alive, %u of them on cycles, %u held from outside; %llu bytes",
            f->alive, name, f->cyclic, f->outside, (unsigned long long)f->bytes);
        say_sites(t, id);
        if (f->example != WANE__NO_NODE)
            say_chain(t, f->example);
        if (f->outside + f->reached < f->alive)
            say(t, WANE__LOG_WARNING, "leak:   %u of them are on dead cycles, or held by some, which nothing outside holds",
                f->alive - f->outside - f->reached);
    }
    if (f->immortal > 0 || f->behind > 0)
        say(t, WANE__LOG_INFO, "immortal: %u objects of type \"%s\"; immortal objects keep %u more alive", f->immortal, name, f->behind);
}

static bool fill(struct report *t, struct wane__record *r) {
    t->types = calloc(WANE__TYPES, sizeof *t->types);
    t->order = malloc(WANE__TYPES * sizeof *t->order);
    if (t->types == NULL || t->order == NULL || wane__graph_read(&t->g, r, true, NULL) != 0 || !find_cycles(t) || !look_behind_immortals(t))
        return false;
    wane__trace_check_notes(&t->g);
    for (uint32_t id = 0; id < WANE__TYPES; id++)
        t->types[id].example = WANE__NO_NODE;
    for (uint32_t i = 0; i < t->g.n; i++)
        count(t, i);
    wane__ties_sort(&t->sites);
    return find_chains(t);
}

/* Types in the order of their bytes. */
static int by_bytes(const void *a, const void *b, void *report) {
    const struct figures *types = ((const struct report *)report)->types;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return types[x].bytes < types[y].bytes ? 1 : types[x].bytes > types[y].bytes ? -1 : (x > y) - (x < y);
}

static void say_all(struct report *t) {
    uint32_t *ids = t->order, n = 0;
    for (uint32_t id = 1; id < WANE__TYPES; id++) {
        if (t->types[id].alive + t->types[id].immortal + t->types[id].behind > 0)
            ids[n++] = id;
    }
    qsort_r(ids, n, sizeof *ids, by_bytes, t);
    for (uint32_t i = 0; i < n; i++)
        say_type(t, ids[i]);
    if (t->leaks > 0 && t->traced == 0 && t->out != NULL)
        say(t, WANE__LOG_WARNING, "leak: no object is traced; WANE_TRACE=1 in the environment tells the places that made them");
    wane__ties_tell(&t->ties, WANE__LOG_WARNING, "leak", say_line, t);
}

size_t wane__report_leaks(struct wane__record *r, FILE *out) {
    struct wane__output output;
    struct report t = {.out = out != NULL ? &output : NULL};
    if (out != NULL)
        wane__output_to(&output, out);
    if (fill(&t, r)) {
        say_all(&t);
    } else {
        say(&t, WANE__LOG_WARNING, "leak: out of memory: no report of what is alive");
        t.leaks = 1;
    }
    size_t kept = wane__kept_count();
    if (kept > 0)
        say(&t, WANE__LOG_WARNING, "leak: %zu unreachable objects were kept: see wane_gc_get_unreachable", kept);
    if (t.leaks == 0 && out != NULL)
        say(&t, WANE__LOG_INFO, "leak: no object is alive that is not immortal, or kept by one that is");
    if (out != NULL)
        (void)wane__output_close(&output);
    free(t.types);
    free(t.order);
    free(t.behind);
    free(t.ways);
    wane__ties_clear(&t.ties);
    wane__ties_clear(&t.sites);
    wane__components_free(&t.cycles);
    wane__graph_free(&t.g);
    return t.leaks;
}
