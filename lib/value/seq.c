/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/seq.c: what lists and deques have in common.
 *
 * A change needs memory only for a new ring, which is made outside of the lock: wane_new may wait. Then everything is looked at
 * again. Nothing is released under the lock either.
 */
#include "value/seq.h"

#include <errno.h>
#include <stdlib.h>

#include "value/lock.h"

void *wane__seq_new(wane_type *t, size_t reserve) {
    struct wane__seq *q = wane_new(t);
    if (q == NULL)
        return NULL;
    struct wane__ring *r = reserve > 0 ? wane__ring_new(reserve) : NULL;
    if (reserve > 0 && r == NULL) {
        int error = errno;
        wane_release(r);
        wane_release(q);
        errno = error;
        return NULL;
    }
    wane_slot_init(&q->ring, r);
    return q;
}

static struct wane__ring *ring_of(const struct wane__seq *q) {
    return wane_slot_peek((wane_slot *)(uintptr_t)&q->ring);
}

static void *refuse(int error) {
    errno = error;
    return NULL;
}

size_t wane__seq_len(const struct wane__seq *q) {
    if (q == NULL)
        return 0;
    wane_guard_enter();
    struct wane__ring *r = ring_of(q);
    size_t len = r != NULL ? wane__ring_len(r) : 0;
    wane_guard_leave();
    return len;
}

void *wane__seq_peek(struct wane__seq *q, size_t n) {
    if (q == NULL)
        return refuse(EINVAL);
    struct wane__ring *r = ring_of(q);
    void *obj = r != NULL ? wane__ring_peek(r, n) : NULL;
    return obj != NULL ? obj : refuse(ERANGE);
}

void *wane__seq_get(struct wane__seq *q, size_t n) {
    wane_guard_enter();
    void *obj = wane_retain(wane__seq_peek(q, n));
    wane_guard_leave();
    return obj;
}

/* A change of a container, from its begin to its end. */
struct change {
    struct wane__seq *q;
    struct wane__ring *ring;  /* the container's; NULL: it has none and none is needed */
    size_t n;                 /* where */
    size_t len;
    struct wane__ring *fresh; /* made, and perhaps not needed */
};

/* Whether a ring will do for a change that adds `more` elements, and moves those that are there, or not. */
static bool suits(const struct wane__ring *r, size_t need, bool moves) {
    if (r == NULL)
        return need == 0;
    return need <= wane__ring_cells(r) &&
           (!moves || atomic_load_explicit(&r->xiterators, memory_order_acquire) == 0); /* [order:ring-iterators] */
}

/* Under the lock: puts c->fresh in the place of the container's ring. */
static void replace_ring(struct change *c) {
    if (c->ring != NULL && atomic_load_explicit(&c->ring->xiterators, memory_order_acquire) == 0) /* [order:ring-iterators] */
        wane__ring_move(c->fresh, c->ring);
    else if (c->ring != NULL)
        wane__ring_copy(c->fresh, c->ring);
    c->ring = c->fresh;
    wane_slot_give(&c->q->ring, c->fresh);
    c->fresh = NULL;
}

static void end(struct change *c) {
    wane__value_leave(c->q);
    wane_release(c->fresh);
}

/*
 * Begins a change at n: the n-th element (more = 0), or before it (more = 1), or of all (everything). 0: the caller has the lock, and a
 * ring that suits. Else it has neither.
 */
static int begin(struct change *c, struct wane__seq *q, size_t n, size_t more, bool everything) {
    *c = (struct change){.q = q};
    for (;;) {
        wane__value_enter(q);
        c->ring = ring_of(q);
        c->len = c->ring != NULL ? wane__ring_len(c->ring) : 0;
        c->n = n != WANE__LAST ? n : c->len + more - 1;
        if (!everything && c->n >= c->len + more) {
            end(c);
            return -ERANGE;
        }
        bool full = q->max_len > 0 && c->len >= q->max_len; /* then one falls off */
        size_t need = full ? c->len : c->len + more;
        if (suits(c->ring, need, everything || (c->n > 0 && c->n + 1 < c->len + more)))
            return 0;
        if (c->fresh != NULL && need <= wane__ring_cells(c->fresh)) {
            replace_ring(c);
            return 0;
        }
        end(c);
        c->fresh = wane__ring_new(need);
        if (c->fresh == NULL)
            return -errno;
    }
}

int wane__seq_insert(struct wane__seq *q, size_t n, void *obj) {
    struct change c;
    if (q == NULL || obj == NULL)
        return -EINVAL;
    int error = begin(&c, q, n, 1, false);
    if (error != 0)
        return error;
    if (q->max_len > 0 && c.len >= q->max_len) {
        bool front = c.n != 0; /* what falls off */
        wane_slot_clear(wane__ring_remove(c.ring, front ? 0 : c.len - 1));
        c.n -= front ? 1 : 0;
    }
    wane__ring_insert(c.ring, c.n, wane_retain(obj));
    q->changes++;
    end(&c);
    return 0;
}

int wane__seq_set(struct wane__seq *q, size_t n, void *obj) {
    int error = -ERANGE;
    if (q == NULL || obj == NULL)
        return -EINVAL;
    wane__value_enter(q);
    struct wane__ring *r = ring_of(q);
    if (r != NULL && n < wane__ring_len(r)) {
        wane_slot_store(wane__ring_cell(r, wane__ring_head(r) + n), obj);
        q->changes++;
        error = 0;
    }
    wane__value_leave(q);
    return error;
}

void *wane__seq_remove(struct wane__seq *q, size_t n) {
    struct change c;
    if (q == NULL)
        return refuse(EINVAL);
    int error = begin(&c, q, n, 0, false);
    if (error != 0)
        return refuse(-error);
    void *obj = wane_slot_take(wane__ring_remove(c.ring, c.n));
    q->changes++;
    end(&c);
    return obj;
}

void wane__seq_rotate(struct wane__seq *q, ptrdiff_t n) {
    struct change c;
    if (q == NULL)
        return;
    int error = begin(&c, q, 0, 0, true);
    if (error != 0) {
        errno = -error;
        return;
    }
    if (c.ring != NULL)
        wane__ring_rotate(c.ring, n);
    q->changes++;
    end(&c);
}

void wane__seq_clear(struct wane__seq *q) {
    if (q == NULL)
        return;
    wane__value_enter(q);
    wane_slot_clear(&q->ring);
    q->changes++;
    wane__value_leave(q);
}

int wane__seq_units(struct wane__seq *q, void ***ret_units, size_t *ret_n, uint64_t *ret_changes) {
    size_t room = 0;
    for (;;) {
        void **units = room > 0 ? malloc(room * sizeof *units) : NULL;
        if (room > 0 && units == NULL)
            return -ENOMEM;
        wane__value_enter(q);
        struct wane__ring *r = ring_of(q);
        size_t n = r != NULL ? wane__ring_len(r) : 0;
        for (size_t i = 0; i < n && n <= room; i++)
            units[i] = wane_slot_load(wane__ring_cell(r, wane__ring_head(r) + i));
        *ret_changes = q->changes;
        wane__value_leave(q);
        if (n <= room) {
            *ret_units = units;
            *ret_n = n;
            return 0;
        }
        free(units);
        room = n;
    }
}

int wane__seq_replace(struct wane__seq *q, void **units, size_t n, uint64_t changes) {
    struct wane__ring *r = wane__ring_new(n);
    if (r == NULL)
        return -errno;
    for (size_t i = 0; i < n; i++)
        wane_retain(units[i]);
    wane__ring_fill(r, units, n);
    wane__value_enter(q);
    bool same = q->changes == changes;
    if (same) {
        wane_slot_give(&q->ring, r);
        q->changes++;
    }
    wane__value_leave(q);
    if (!same) {
        wane_release(r);
        return -EBUSY;
    }
    for (size_t i = 0; i < n; i++)
        wane_release(units[i]);
    return 0;
}

struct wane__ring *wane__seq_hold(struct wane__seq *q, uint64_t *ret_head, uint64_t *ret_tail) {
    wane__value_enter(q);
    struct wane__ring *r = wane_retain(ring_of(q));
    if (r != NULL) {
        atomic_fetch_add_explicit(&r->xiterators, 1, memory_order_relaxed);
        *ret_head = wane__ring_head(r);
        *ret_tail = wane__ring_tail(r);
    }
    wane__value_leave(q);
    return r;
}
