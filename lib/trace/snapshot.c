/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * trace/snapshot.c: taking snapshots, and making them of others.
 *
 * Taking walks the heap's pages under the collector's lock, as whoever walks them, and changes nothing: mutators go on.
 * An object is counted when its word says that it is LIVE and TRACED; its note is read between two looks at the word. A
 * block that was somebody else's between them is counted as one of the two: both were traced at a moment of the walk.
 * All blocks of a page have one size, so what one sampled object stands for is worked out once a page.
 */
#include "trace/snapshot.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "life/type.h"
#include "thread/wake.h"
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

/* What is alive of one site and type: a place in a table that is at most half full. */
struct tally {
    uint32_t site, type; /* type 0: the place is free */
    double count, bytes;
};

struct walk {
    struct tally *table;
    size_t size, used; /* size: a power of two */
    uint32_t generation; /* of tracing, when the walk began, and its mean: what is newer is not counted */
    size_t mean;
    bool failed;
};

static struct tally *find(struct tally *table, size_t size, uint32_t site, uint32_t type) {
    size_t i = (((uint64_t)site << 16 ^ type) * 0x9E3779B97F4A7C15u) >> 20;
    for (;; i++) {
        struct tally *t = &table[i & (size - 1)];
        if (t->type == 0 || (t->site == site && t->type == type))
            return t;
    }
}

static bool grow(struct walk *k) {
    size_t size = k->size == 0 ? 256 : 2 * k->size;
    struct tally *table = calloc(size, sizeof *table);
    if (table == NULL)
        return false;
    for (size_t i = 0; i < k->size; i++) {
        if (k->table[i].type != 0)
            *find(table, size, k->table[i].site, k->table[i].type) = k->table[i];
    }
    free(k->table);
    k->table = table;
    k->size = size;
    return true;
}

static bool count(struct walk *k, uint32_t site, uint32_t type, double weight, size_t bytes) {
    if (2 * k->used >= k->size && !grow(k))
        return false;
    struct tally *t = find(k->table, k->size, site, type);
    k->used += t->type == 0;
    t->site = site;
    t->type = type;
    t->count += weight;
    t->bytes += weight * (double)bytes;
    return true;
}

static bool count_page(struct wane__page *page, void *arg) {
    struct walk *k = arg;
    size_t bytes = 0;
    double weight = 1;
    for (uint32_t i = 0; i < wane__page_capacity(page) && !k->failed; i++) {
        const struct wane__header *h = wane__page_block(page, i);
        uint64_t w = load_acquire(&h->shared); /* [order:traced] */
        uint32_t site;
        while (wane__trace_look(h, w, k->generation, &site)) {
            uint64_t again = load_acquire(&h->shared); /* [order:traced] */
            bool same = wane__word_type(again) == wane__word_type(w);
            w = again;
            if (!same)
                continue;
            if (bytes == 0) {
                bytes = wane__heap_block_size(h);
                weight = wane__sample_weight(bytes, k->mean);
            }
            k->failed = !count(k, site, wane__word_type(w), weight, bytes);
            break;
        }
    }
    return !k->failed;
}

/* The types' names are copied under the lock: then none is forgotten that has an object. */
static bool name_rows(const struct walk *k, wane__row *rows) {
    size_t n = 0;
    for (size_t i = 0; i < k->size; i++) {
        const struct tally *t = &k->table[i];
        if (t->type == 0)
            continue;
        const wane_type *type = load_acquire(&wane__types[t->type]); /* [order:type] */
        const wane_site *site = wane__site_at(t->site);
        wane__row *row = &rows[n++];
        row->file = site->file;
        row->function = site->function;
        row->line = site->line;
        row->type = strdup(type != NULL ? type->name : "(none)");
        row->count = wane__sample_round(t->count);
        row->bytes = wane__sample_round(t->bytes);
        if (row->type == NULL)
            return false;
    }
    return true;
}

static wane__row *walk_heap(struct walk *k) {
    wane__row *rows = NULL;
    wane__trace_state(&k->generation, &k->mean);
    wane__collector_lock();
    wane__heap_walk_pages(count_page, k);
    if (!k->failed)
        rows = calloc(k->used + 1, sizeof *rows);
    if (rows != NULL && !name_rows(k, rows))
        k->failed = true;
    wane__collector_unlock();
    return rows;
}

wane_snapshot *wane_snapshot_take(void) {
    int error = 0;
    if (wane__record_attach(&error) == NULL) {
        errno = -error;
        return NULL;
    }
    struct walk k = {.mean = 0};
    wane__row *rows = walk_heap(&k);
    wane_snapshot *s = NULL;
    errno = ENOMEM;
    if (rows != NULL && !k.failed)
        s = wane__snapshot_make(rows, k.used, k.mean);
    error = errno;
    for (size_t i = 0; rows != NULL && i < k.used; i++)
        free((char *)(uintptr_t)rows[i].type);
    free(rows);
    free(k.table);
    if (s == NULL)
        errno = error;
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
