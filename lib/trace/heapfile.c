/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * trace/heapfile.c: see heapfile.h; docs/design/trace.md has the format.
 *
 * Two walks over the heap, as for a report (cycle/graph.c): objects with slots are pinned while their slots are read, some at a time
 * under the claim; of the others only the header is read, under the collector's lock. Each object becomes a line at once, and
 * nothing is kept of it: the reader puts the graph together. Lines are gathered while the claim or the lock is held, and
 * written after it was let go: nobody waits for the disk.
 */
#include "trace/heapfile.h"

#include <errno.h>
#include <stdlib.h>

#include "cycle/generations.h"
#include "cycle/graph.h"
#include "cycle/ties.h"
#include "cycle/walk.h"
#include "life/apply.h"
#include "trace/output.h"
#include "trace/sites.h"
#include "trace/trace.h"

#define VERSION 1

/* Gathered in one claim: pieces of the walk, and bytes of lines after which it ends sooner. */
#define PIECES 64
#define GATHERED ((size_t)1 << 20)

struct writing {
    struct wane__output out;
    const wane_type **types; /* by id: as they were told last */
    bool *sites;             /* by number: told */
    size_t sites_room;
    uint32_t generation; /* of tracing */
    uint64_t objects;
};

static void write_type(struct writing *k, uint32_t id, const wane_type *t) {
    if (k->types[id] == t)
        return;
    k->types[id] = t;
    wane__output_bytes(&k->out, "t", 1);
    wane__output_number(&k->out, id, 10);
    wane__output_text(&k->out, t->name);
    wane__output_bytes(&k->out, "\n", 1);
}

static bool is_told(struct writing *k, uint32_t site) {
    if (site >= k->sites_room) {
        size_t room = (size_t)site * 2;
        bool *sites = realloc(k->sites, room);
        if (sites == NULL) {
            wane__output_fail(&k->out, -ENOMEM);
            return true;
        }
        for (size_t i = k->sites_room; i < room; i++)
            sites[i] = false;
        k->sites = sites;
        k->sites_room = room;
    }
    bool told = k->sites[site];
    k->sites[site] = true;
    return told;
}

static void write_site(struct writing *k, uint32_t number) {
    if (number == 0 || is_told(k, number))
        return;
    const wane_site *site = wane__site_at(number);
    wane__output_bytes(&k->out, "p", 1);
    wane__output_number(&k->out, number, 10);
    wane__output_number(&k->out, (uint64_t)(site->line > 0 ? site->line : 0), 10);
    wane__output_text(&k->out, site->file);
    wane__output_text(&k->out, site->function);
    wane__output_bytes(&k->out, "\n", 1);
}

/* All of an object's line but its references and the end. */
static void begin_object(struct writing *k, const struct wane__header *h, const wane_type *t) {
    uint64_t w = load_acquire(&h->shared); /* [order:traced] */
    uint32_t site = 0;
    if (!wane__trace_look(h, w, k->generation, &site))
        site = 0;
    write_type(k, wane__word_type(w), t);
    write_site(k, site);
    wane__output_bytes(&k->out, "o", 1);
    wane__output_number(&k->out, (uintptr_t)(h + 1), 16);
    wane__output_number(&k->out, wane__word_type(w), 10);
    wane__output_number(&k->out, wane__heap_block_size(h), 10);
    wane__output_number(&k->out, wane__units_of(h, w), 10);
    wane__output_text(&k->out, wane__word_has(w, WANE__IMMORTAL) ? "immortal" : NULL);
    wane__output_number(&k->out, site, 10);
    k->objects++;
}

struct reading {
    struct wane__visit_ops ops;
    struct writing *k;
    struct wane__header *h;
    const wane_type *type;
};

static void visit_writing(struct wane__visit_ops *ops, wane_slot *s, size_t n) {
    struct reading *r = (struct reading *)(void *)ops;
    char name[WANE__SLOT_NAME_MAX];
    for (size_t i = 0; i < n && r->k->out.error == 0; i++) {
        const void *obj = load_relaxed(&s[i].wane__target);
        if (obj == NULL)
            continue;
        wane__output_text(&r->k->out, wane__slot_name(r->type, wane__slot_place(r->type, r->h, &s[i]), name));
        wane__output_number(&r->k->out, (uintptr_t)obj, 16);
    }
}

/* Pinned: it is alive, and so is its type. */
static void write_object(struct wane__header *h, void *writing) {
    struct writing *k = writing;
    wane_type *t = wane__type_of(load_relaxed(&h->shared));
    struct reading r = {.ops.slots = visit_writing, .k = k, .h = h, .type = t};
    begin_object(k, h, t);
    wane__visit_slots(t, h, &r.ops);
    wane__output_bytes(&k->out, "\n", 1);
}

/* Under the collector's lock nobody forgets a type. */
static bool write_leaf(struct wane__header *h, void *writing) {
    struct writing *k = writing;
    const wane_type *t = wane__type_of(load_relaxed(&h->shared));
    if (t == NULL || wane__type_has(t, WANE__TRAIT_SCANNED) || wane__type_has(t, WANE__TRAIT_LIBRARY))
        return true;
    begin_object(k, h, t);
    wane__output_bytes(&k->out, "\n", 1);
    return k->out.held_n < GATHERED && k->out.error == 0;
}

static void write_objects(struct writing *k, struct wane__record *r) {
    struct wane__walk w;
    bool more = wane__walk_begin(&w, false), known = true;
    if (w.failed)
        wane__output_fail(&k->out, -ENOMEM);
    while (more && known && k->out.error == 0) {
        bool claimed = wane__collector_claim(r);
        known = wane__pins_begin(r, WANE__PINS_SCANNED);
        wane__output_hold(&k->out);
        for (unsigned i = 0; i < PIECES && more && known && k->out.held_n < GATHERED && k->out.error == 0; i++)
            more = wane__walk_pinned(r, &w, write_object, k);
        wane__pins_end();
        wane__collector_unclaim(claimed);
        wane__reap(r, true);
        wane__output_let(&k->out);
    }
    wane__walk_end(&w);
    if (!known)
        wane__output_fail(&k->out, -EAGAIN);
}

static void write_leaves(struct writing *k) {
    struct wane__walk w;
    bool more = wane__walk_begin(&w, false);
    if (w.failed)
        wane__output_fail(&k->out, -ENOMEM);
    while (more && k->out.error == 0) {
        wane__output_hold(&k->out);
        more = wane__walk_some(&w, write_leaf, k);
        wane__output_let(&k->out);
    }
    wane__walk_end(&w);
}

int wane__heap_write(struct wane__record *r, const char *path) {
    struct writing k = {.objects = 0};
    size_t mean;
    wane__trace_state(&k.generation, &mean);
    wane__output_open(&k.out, path);
    k.types = calloc(WANE__TYPES, sizeof(const wane_type *));
    if (k.types == NULL)
        wane__output_fail(&k.out, -ENOMEM);
    wane__output_print(&k.out, "wane-heap\t%d\n", VERSION);
    if (k.out.error == 0)
        write_objects(&k, r);
    if (k.out.error == 0)
        write_leaves(&k);
    wane__output_bytes(&k.out, "end", 3);
    wane__output_number(&k.out, k.objects, 10);
    wane__output_bytes(&k.out, "\n", 1);
    free(k.types);
    free(k.sites);
    return wane__output_close(&k.out);
}
