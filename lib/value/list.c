/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/list.c: lists. What they share with deques is in value/seq.c.
 *
 * Sorting runs the user's `compare`, so it works on units of its own, without a lock or a guard, and puts them in the place of the list's
 * elements at the end, if nobody has changed the list meanwhile. It is a merge sort from runs of one upwards: stable, and
 * whatever `compare` answers, it ends with the same elements.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wane.h>
#include <wane/list.h>

#include "value/seq.h"

struct wane_list {
    struct wane__seq seq;
};

wane_type wane_list_type = {
    .name = "list",
    .size = sizeof(struct wane_list),
    .slots = WANE_SLOTS(struct wane_list, seq.ring),
};

wane_list *wane_list_new(size_t reserve) { return wane__seq_new(&wane_list_type, reserve); }

/* The list's own part; NULL for NULL. */
static struct wane__seq *seq_of(const wane_list *l) { return (struct wane__seq *)(uintptr_t)l; }

size_t wane_list_len(const wane_list *l) { return wane__seq_len(seq_of(l)); }

int wane_list_append(wane_list *l, void *obj) { return wane__seq_insert(seq_of(l), WANE__LAST, obj); }

int wane_list_insert(wane_list *l, size_t at, void *obj) {
    return l != NULL && obj != NULL && at == WANE__LAST ? -ERANGE : wane__seq_insert(seq_of(l), at, obj);
}

int wane_list_set(wane_list *l, size_t at, void *obj) { return wane__seq_set(seq_of(l), at, obj); }

void *wane_list_get(wane_list *l, size_t at) { return wane__seq_get(seq_of(l), at); }

void *wane_list_peek(wane_list *l, size_t at) { return wane__seq_peek(seq_of(l), at); }

void *wane_list_pop(wane_list *l, size_t at) {
    if (l != NULL && at == WANE__LAST) {
        errno = ERANGE;
        return NULL;
    }
    return wane__seq_remove(seq_of(l), at);
}

void wane_list_clear(wane_list *l) { wane__seq_clear(seq_of(l)); }

wane_iter *wane_list_iter(wane_list *l) { return wane__seq_iter(seq_of(l)); }

int wane_list_extend(wane_list *l, wane_iter *it) {
    WANE_AUTO wane_iter *held = it;
    if (l == NULL || it == NULL)
        return -EINVAL;
    for (;;) {
        WANE_AUTO void *obj = wane_iter_next(held);
        if (obj == NULL)
            return -errno;
        int error = wane_list_append(l, obj);
        if (error != 0)
            return error;
    }
}

struct order {
    int (*compare)(const void *a, const void *b, void *arg);
    void *arg;
};

/* Merges from[0 .. middle) and from[middle .. n) into to. */
static void merge(void **to, void *const *from, size_t middle, size_t n, const struct order *o) {
    size_t a = 0, b = middle;
    for (size_t i = 0; i < n; i++) {
        bool first = b == n || (a < middle && o->compare(from[a], from[b], o->arg) <= 0);
        to[i] = first ? from[a++] : from[b++];
    }
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Sorts units, with n more places behind them. */
static void merge_sort(void **units, size_t n, const struct order *o) {
    void **from = units, **to = units + n;
    for (size_t run = 1; run < n; run *= 2) {
        for (size_t i = 0; i < n; i += least(2 * run, n - i))
            merge(to + i, from + i, least(run, n - i), least(2 * run, n - i), o);
        void **swapped = from;
        from = to;
        to = swapped;
    }
    if (from != units)
        memcpy(units, from, n * sizeof *units);
}

static void release_all(void **units, size_t n) {
    for (size_t i = 0; i < n; i++)
        wane_release(units[i]);
    free(units);
}

int wane_list_sort(wane_list *l, int (*compare)(const void *a, const void *b, void *arg), void *arg) {
    void **units;
    size_t n;
    uint64_t changes;
    if (l == NULL || compare == NULL)
        return -EINVAL;
    int error = wane__seq_units(seq_of(l), &units, &n, &changes);
    if (error != 0)
        return error;
    void **larger = n > 1 ? realloc(units, 2 * n * sizeof *units) : NULL;
    if (larger == NULL) {
        release_all(units, n);
        return n > 1 ? -ENOMEM : 0;
    }
    merge_sort(larger, n, &(struct order){compare, arg});
    error = wane__seq_replace(seq_of(l), larger, n, changes);
    release_all(larger, error != 0 ? n : 0);
    return error;
}
