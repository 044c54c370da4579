/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/deque.c: deques. What they share with lists is in value/seq.c.
 */
#include <errno.h>
#include <wane.h>
#include <wane/deque.h>

#include "value/seq.h"

struct wane_deque {
    struct wane__seq seq;
};

wane_type wane_deque_type = {
    .name = "deque",
    .size = sizeof(struct wane_deque),
    .slots = WANE_SLOTS(struct wane_deque, seq.ring),
};

wane_deque *wane_deque_new(size_t max_len) {
    struct wane_deque *d = wane__seq_new(&wane_deque_type, 0);
    if (d != NULL)
        d->seq.max_len = max_len;
    return d;
}

static struct wane__seq *seq_of(const wane_deque *d) { return (struct wane__seq *)(uintptr_t)d; }

int wane_deque_push_back(wane_deque *d, void *obj) { return wane__seq_insert(seq_of(d), WANE__LAST, obj); }

int wane_deque_push_front(wane_deque *d, void *obj) { return wane__seq_insert(seq_of(d), 0, obj); }

/* An empty deque is no error. */
static void *pop(wane_deque *d, size_t n) {
    int saved = errno;
    void *obj = wane__seq_remove(seq_of(d), n);
    if (obj == NULL && errno == ERANGE)
        errno = saved;
    return obj;
}

void *wane_deque_pop_back(wane_deque *d) { return pop(d, WANE__LAST); }

void *wane_deque_pop_front(wane_deque *d) { return pop(d, 0); }

void *wane_deque_get(wane_deque *d, size_t at) { return wane__seq_get(seq_of(d), at); }

size_t wane_deque_len(const wane_deque *d) { return wane__seq_len(seq_of(d)); }

void wane_deque_rotate(wane_deque *d, ptrdiff_t n) { wane__seq_rotate(seq_of(d), n); }

void wane_deque_clear(wane_deque *d) { wane__seq_clear(seq_of(d)); }

wane_iter *wane_deque_iter(wane_deque *d) { return wane__seq_iter(seq_of(d)); }
