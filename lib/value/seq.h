/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/seq.h: what lists and deques have in common, which is nearly all.
 *
 * A container with its ring in a slot. Reads take no lock; writers take the container's. A ring that an iterator stands on is
 * changed at its ends only; what else changes goes to a copy of it, which is the container's from then on, and the iterator keeps
 * what it began with. So is a ring that is too small replaced by a larger one, to which, without iterators, its units move.
 */
#ifndef WANE_VALUE_SEQ_H
#define WANE_VALUE_SEQ_H

#include "value/ring.h"

#include <wane/iter.h>

struct wane__seq {
    wane_slot ring;   /* NULL: empty. Changes under the lock */
    uint64_t changes; /* under the lock */
    size_t max_len;   /* immutable after birth; 0: no limit */
};

/* As n: the last element, or behind it. */
#define WANE__LAST SIZE_MAX

void *wane__seq_new(wane_type *t, size_t reserve);
size_t wane__seq_len(const struct wane__seq *q);
/* NULL and ERANGE beyond the end. peek: inside a guard. */
void *wane__seq_get(struct wane__seq *q, size_t n);
void *wane__seq_peek(struct wane__seq *q, size_t n);
/* obj is borrowed. Over max_len the other end falls off. 0, -EINVAL, -ERANGE, or as errno of wane_new. */
int wane__seq_insert(struct wane__seq *q, size_t n, void *obj);
int wane__seq_set(struct wane__seq *q, size_t n, void *obj);
/* A new unit, or NULL with errno. */
void *wane__seq_remove(struct wane__seq *q, size_t n);
void wane__seq_rotate(struct wane__seq *q, ptrdiff_t n);
void wane__seq_clear(struct wane__seq *q);
/* All elements as units of a malloc'ed array, and the number of changes before; *ret_n may be 0. */
int wane__seq_units(struct wane__seq *q, void ***ret_units, size_t *ret_n, uint64_t *ret_changes);
/* Puts units (consumed when it returns 0) in place of all elements, if nothing was changed since: else -EBUSY. */
int wane__seq_replace(struct wane__seq *q, void **units, size_t n, uint64_t changes);
/* The ring as it is now with a unit of the caller's, counted as iterated on, and the positions in it; NULL: there is none. */
struct wane__ring *wane__seq_hold(struct wane__seq *q, uint64_t *ret_head, uint64_t *ret_tail);
wane_iter *wane__seq_iter(struct wane__seq *q);

#endif
