/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * trace/snapshot.c: taking snapshots, and making them of others.
 *
 * Taking walks the heap's pages as other looks do (cycle/walk.h): some at a time under the collector's lock, which collections, forks and
 * types that are to be forgotten wait for, and who waits comes first. It changes nothing: mutators go on.
 * An object is counted when its word says that it is LIVE and TRACED; its note is read between two looks at the word. A
 * block that was somebody else's between them is counted as one of the two: both were traced at a moment of the walk.
 * Blocks beside each other mostly have one size, so what one sampled object stands for is worked out when the size changes.
 *
 * A type may be forgotten between two holds of the lock, and its id be another's then. So types are kinds of the walk's own, each
 * with a copy of its name, made in the hold in which its first object is seen: a type that has an object is not forgotten.
 */
#include "trace/snapshot.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "cycle/walk.h"
#include "life/type.h"
#include "trace/sample.h"
#include "trace/sites.h"
#include "trace/trace.h"

static void destroy_snapshot(void *self) {
    wane_snapshot *s = self;
    free(s->rows);
    free(s->text);
    free(s->stacks);
}

/* The library's own: neither counted nor traced. */
static wane_type snapshot_type = {
    .name = "snapshot",
    .size = sizeof(wane_snapshot),
    .destroy = destroy_snapshot,
    .wane__private = {[WANE__TYPE_TRAITS] = WANE__TRAIT_LIBRARY},
};

static size_t text_size(const char *s) { return s != NULL ? strlen(s) + 1 : 0; }

/* Appends s to the text at *at; NULL stays NULL. */
static const char *append_text(char **at, const char *s) {
    if (s == NULL)
        return NULL;
    size_t size = text_size(s);
    char *copy = memcpy(*at, s, size);
    *at += size;
    return copy;
}

static void copy_rows(wane_snapshot *s, const wane__row *rows) {
    char *text = s->text;
    uintptr_t *stack = s->stacks;
    for (size_t i = 0; i < s->n; i++) {
        wane__row *to = &s->rows[i];
        *to = rows[i];
        to->file = append_text(&text, rows[i].file);
        to->function = append_text(&text, rows[i].function);
        to->type = append_text(&text, rows[i].type);
        to->stack = NULL;
        if (rows[i].frames > 0) {
            to->stack = memcpy(stack, rows[i].stack, rows[i].frames * sizeof *stack);
            stack += rows[i].frames;
        }
    }
}

wane_snapshot *wane__snapshot_make(const wane__row *rows, size_t n, size_t mean) {
    size_t text = 0, frames = 0;
    for (size_t i = 0; i < n; i++) {
        text += text_size(rows[i].file) + text_size(rows[i].function) + text_size(rows[i].type);
        frames += rows[i].frames;
    }
    wane_snapshot *s = wane_new(&snapshot_type);
    if (s == NULL)
        return NULL;
    s->rows = calloc(n + 1, sizeof *s->rows);
    s->text = malloc(text + 1);
    s->stacks = calloc(frames + 1, sizeof *s->stacks);
    if (s->rows == NULL || s->text == NULL || s->stacks == NULL) {
        wane_release(s);
        errno = ENOMEM;
        return NULL;
    }
    s->n = n;
    s->mean = mean;
    copy_rows(s, rows);
    return s;
}

/* What is alive of one site and kind: a place in a table that is at most half full. */
struct tally {
    uint32_t site, kind; /* kind 0: the place is free */
    double count, bytes;
};

/* A type as it was when its first object was seen. */
struct kind {
    const wane_type *type;
    char *name;
};

struct counting {
    struct tally *table;
    size_t size, used; /* size: a power of two */
    uint32_t *kind_of; /* by the types' ids: the last kind that was seen, or 0 */
    struct kind *kinds; /* [0] is unused */
    size_t kinds_n, kinds_room;
    uint32_t generation; /* of tracing, when the walk began, and its mean: what is newer is not counted */
    size_t mean;
    size_t last_bytes; /* the last size, and its weight */
    double last_weight;
    bool failed;
};

static struct tally *find(struct tally *table, size_t size, uint32_t site, uint32_t kind) {
    size_t i = (((uint64_t)site << 16 ^ kind) * 0x9E3779B97F4A7C15u) >> 20;
    for (;; i++) {
        struct tally *t = &table[i & (size - 1)];
        if (t->kind == 0 || (t->site == site && t->kind == kind))
            return t;
    }
}

static bool grow(struct counting *k) {
    size_t size = k->size == 0 ? 256 : 2 * k->size;
    struct tally *table = calloc(size, sizeof *table);
    if (table == NULL)
        return false;
    for (size_t i = 0; i < k->size; i++) {
        if (k->table[i].kind != 0)
            *find(table, size, k->table[i].site, k->table[i].kind) = k->table[i];
    }
    free(k->table);
    k->table = table;
    k->size = size;
    return true;
}

/* The kind of the type with that id, as it is now; 0: memory is out. Under the collector's lock. */
static uint32_t kind_of(struct counting *k, uint32_t id) {
    const wane_type *type = load_acquire(&wane__types[id]); /* [order:type] */
    uint32_t last = k->kind_of[id];
    if (likely(last != 0 && k->kinds[last].type == type))
        return last;
    if (k->kinds_n + 1 >= k->kinds_room) {
        size_t room = k->kinds_room == 0 ? 64 : 2 * k->kinds_room;
        struct kind *kinds = reallocarray(k->kinds, room, sizeof *kinds);
        if (kinds == NULL)
            return 0;
        k->kinds = kinds;
        k->kinds_room = room;
    }
    char *name = strdup(type != NULL ? type->name : "(none)");
    if (name == NULL)
        return 0;
    k->kinds[++k->kinds_n] = (struct kind){.type = type, .name = name};
    return k->kind_of[id] = (uint32_t)k->kinds_n;
}

static bool count(struct counting *k, uint32_t site, uint32_t kind, size_t bytes) {
    if (kind == 0 || (2 * k->used >= k->size && !grow(k)))
        return false;
    if (bytes != k->last_bytes) {
        k->last_bytes = bytes;
        k->last_weight = wane__sample_weight(bytes, k->mean);
    }
    struct tally *t = find(k->table, k->size, site, kind);
    k->used += t->kind == 0;
    t->site = site;
    t->kind = kind;
    t->count += k->last_weight;
    t->bytes += k->last_weight * (double)bytes;
    return true;
}

static bool count_object(struct wane__header *h, void *arg) {
    struct counting *k = arg;
    uint64_t w = load_acquire(&h->shared); /* [order:traced] */
    uint32_t site;
    while (wane__trace_look(h, w, k->generation, &site)) {
        uint64_t again = load_acquire(&h->shared); /* [order:traced] */
        bool same = wane__word_type(again) == wane__word_type(w);
        w = again;
        if (!same)
            continue;
        k->failed = !count(k, site, kind_of(k, wane__word_type(w)), wane__heap_block_size(h));
        break;
    }
    return !k->failed;
}

static void walk_heap(struct counting *k) {
    struct wane__walk w;
    wane__trace_state(&k->generation, &k->mean);
    k->kind_of = calloc(WANE__TYPES, sizeof *k->kind_of);
    k->failed = k->kind_of == NULL;
    bool more = wane__walk_begin(&w, false) && !k->failed;
    k->failed |= w.failed;
    while (more)
        more = wane__walk_some(&w, count_object, k) && !k->failed;
    wane__walk_end(&w);
}

/* NULL: memory is out. */
static wane__row *rows_of(const struct counting *k) {
    wane__row *rows = k->failed ? NULL : calloc(k->used + 1, sizeof *rows);
    size_t n = 0;
    for (size_t i = 0; rows != NULL && i < k->size; i++) {
        const struct tally *t = &k->table[i];
        if (t->kind == 0)
            continue;
        const wane_site *site = wane__site_at(t->site);
        rows[n++] = (wane__row){
            .file = site->file,
            .function = site->function,
            .line = site->line,
            .type = k->kinds[t->kind].name,
            .count = wane__sample_round(t->count),
            .bytes = wane__sample_round(t->bytes),
        };
    }
    return rows;
}

static void free_counting(struct counting *k) {
    for (size_t i = 1; i <= k->kinds_n; i++)
        free(k->kinds[i].name);
    free(k->kinds);
    free(k->kind_of);
    free(k->table);
}

wane_snapshot *wane_snapshot_take(void) {
    int error = 0, saved = errno;
    if (wane__record_attach(&error) == NULL) {
        errno = -error;
        return NULL;
    }
    struct counting k = {.last_weight = 1};
    walk_heap(&k);
    wane__row *rows = rows_of(&k);
    wane_snapshot *s = rows != NULL ? wane__snapshot_make(rows, k.used, k.mean) : NULL;
    error = rows != NULL ? errno : ENOMEM;
    free(rows);
    free_counting(&k);
    errno = s != NULL ? saved : error;
    return s;
}

static bool matches(const wane__row *row, const char *pattern) {
    const char *texts[] = {row->file, row->function, row->type};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i] != NULL && fnmatch(pattern, texts[i], 0) == 0)
            return true;
    }
    return false;
}

wane_snapshot *wane_snapshot_filter(wane_snapshot *s, const char *pattern, bool keep) {
    if (s == NULL || pattern == NULL) {
        errno = EINVAL;
        return NULL;
    }
    wane__row *rows = calloc(s->n + 1, sizeof *rows);
    if (rows == NULL)
        return NULL;
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (matches(&s->rows[i], pattern) == keep)
            rows[n++] = s->rows[i];
    }
    wane_snapshot *filtered = wane__snapshot_make(rows, n, s->mean);
    int error = errno;
    free(rows);
    errno = error;
    return filtered;
}
