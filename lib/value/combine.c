/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/combine.c: iterators over what other iterators yield.
 *
 * One kind of struct serves all: one or two iterators in slots, and a function. What has come to its end is let go at once.
 */
#include <errno.h>
#include <wane.h>

#include "value/iter.h"

struct combined {
    struct wane_iter iter;
    wane_slot first, second; /* iterators */
    union {
        void *(*map)(void *obj, void *arg);
        bool (*keeps)(void *obj, void *arg);
        size_t left;
    } by;
    void *arg;
};

static struct combined *self(wane_iter *it) { return (struct combined *)it; }

static void combined_trace(wane_iter *it, wane_visitor *v) {
    wane_visit(v, &self(it)->first);
    wane_visit(v, &self(it)->second);
}

/* The next of the iterator in a slot, which is let go at its end. */
static void *next_of(wane_slot *s) {
    wane_iter *inner = wane_slot_peek(s);
    if (inner == NULL)
        return NULL;
    void *obj = wane_iter_next(inner);
    if (obj == NULL && errno == 0)
        wane_slot_clear(s);
    return obj;
}

static void *map_next(wane_iter *it) {
    WANE_AUTO void *obj = next_of(&self(it)->first);
    return obj != NULL ? self(it)->by.map(obj, self(it)->arg) : NULL;
}

static void *filter_next(wane_iter *it) {
    for (;;) {
        void *obj = next_of(&self(it)->first);
        if (obj == NULL || self(it)->by.keeps(obj, self(it)->arg))
            return obj;
        wane_release(obj);
    }
}

static void *take_next(wane_iter *it) {
    struct combined *c = self(it);
    void *obj = c->by.left > 0 ? next_of(&c->first) : NULL;
    if (obj != NULL && --c->by.left == 0)
        wane_slot_clear(&c->first);
    return obj;
}

static void *chain_next(wane_iter *it) {
    void *obj = next_of(&self(it)->first);
    return obj != NULL || errno != 0 ? obj : next_of(&self(it)->second);
}

#define KIND(next_) {.size = sizeof(struct combined), .next = (next_), .trace = combined_trace}
static const struct wane__iter_kind map_kind = KIND(map_next), filter_kind = KIND(filter_next),
                                    take_kind = KIND(take_next), chain_kind = KIND(chain_next);

/* Consumes both, on failure too. right: whether the caller's arguments were. */
static struct combined *combine(const struct wane__iter_kind *kind, wane_iter *first, wane_iter *second, bool right) {
    struct combined *c = right ? wane__iter_make(kind) : NULL;
    if (c == NULL) {
        int error = right ? errno : EINVAL;
        wane_release(first);
        wane_release(second);
        errno = error;
        return NULL;
    }
    wane_slot_init(&c->first, first);
    wane_slot_init(&c->second, second);
    return c;
}

wane_iter *wane_iter_map(wane_iter *it, void *(*fn)(void *obj, void *arg), void *arg) {
    struct combined *c = combine(&map_kind, it, NULL, it != NULL && fn != NULL);
    if (c == NULL)
        return NULL;
    c->by.map = fn;
    c->arg = arg;
    return &c->iter;
}

wane_iter *wane_iter_filter(wane_iter *it, bool (*fn)(void *obj, void *arg), void *arg) {
    struct combined *c = combine(&filter_kind, it, NULL, it != NULL && fn != NULL);
    if (c == NULL)
        return NULL;
    c->by.keeps = fn;
    c->arg = arg;
    return &c->iter;
}

wane_iter *wane_iter_take(wane_iter *it, size_t n) {
    struct combined *c = combine(&take_kind, it, NULL, it != NULL);
    if (c == NULL)
        return NULL;
    c->by.left = n;
    return &c->iter;
}

wane_iter *wane_iter_chain(wane_iter *a, wane_iter *b) {
    struct combined *c = combine(&chain_kind, a, b, a != NULL && b != NULL);
    return c != NULL ? &c->iter : NULL;
}
