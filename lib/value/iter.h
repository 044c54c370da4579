/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/iter.h: what a kind of iterator is made of.
 *
 * All iterators are of one type, so that a program can ask for it; what differs is behind `kind`.
 */
#ifndef WANE_VALUE_ITER_H
#define WANE_VALUE_ITER_H

#include <stdatomic.h>
#include <wane/iter.h>

struct wane__iter_kind {
    size_t size; /* of the kind's struct, which begins with a wane_iter */
    /* The next element as a new unit, or NULL at the end, with errno as it was (0), or for an error. */
    void *(*next)(wane_iter *it);
    /* Visits the kind's slots. NULL: it has none. */
    void (*trace)(wane_iter *it, wane_visitor *v);
    /* Frees what is no slot. NULL: nothing. */
    void (*destroy)(wane_iter *it);
};

struct wane_iter {
    _Atomic(const struct wane__iter_kind *) xkind; /* set once, by the maker */
    bool ended;                                   /* whoever uses the iterator */
};

/* An iterator with empty slots, all else zero; NULL with errno as wane_new. */
void *wane__iter_make(const struct wane__iter_kind *kind);

#endif
