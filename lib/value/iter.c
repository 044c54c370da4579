/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/iter.c: iterators, those over lists and deques, generators, and what WANE_FOR is made of.
 *
 * An iterator is used by one thread at a time, and its slots are changed by that thread alone; so what they hold is looked at
 * without a guard. The slots make it, and what it holds, part of cycles that are found.
 */
#include "value/iter.h"

#include <errno.h>
#include <string.h>
#include <wane.h>

#include "value/seq.h"

/* The collector may come by before the maker has set the kind: then all slots are empty. */
static const struct wane__iter_kind *kind_of(wane_iter *it) {
    return atomic_load_explicit(&it->xkind, memory_order_relaxed);
}

static void iter_trace(void *self, wane_visitor *v) {
    const struct wane__iter_kind *kind = kind_of(self);
    if (kind != NULL && kind->trace != NULL)
        kind->trace(self, v);
}

static void iter_destroy(void *self) {
    const struct wane__iter_kind *kind = kind_of(self);
    if (kind != NULL && kind->destroy != NULL)
        kind->destroy(self);
}

wane_type wane_iter_type = {
    .name = "iterator",
    .size = sizeof(struct wane_iter),
    .trace = iter_trace,
    .destroy = iter_destroy,
};

void *wane__iter_make(const struct wane__iter_kind *kind) {
    struct wane_iter *it = wane_new_extra(&wane_iter_type, kind->size - sizeof(struct wane_iter));
    if (it != NULL)
        atomic_store_explicit(&it->xkind, kind, memory_order_relaxed);
    return it;
}

void *wane_iter_next(wane_iter *it) {
    if (it == NULL) {
        errno = EINVAL;
        return NULL;
    }
    errno = 0;
    if (it->ended)
        return NULL;
    void *obj = kind_of(it)->next(it);
    it->ended = obj == NULL && errno == 0;
    return obj;
}

/* Generators: a frame of the program's. */

struct generator {
    struct wane_iter iter;
    void *(*next)(void *frame);
    wane_slot frame;
};

static void *generator_next(wane_iter *it) {
    struct generator *g = (struct generator *)it;
    return g->next(wane_slot_peek(&g->frame));
}

static void generator_trace(wane_iter *it, wane_visitor *v) { wane_visit(v, &((struct generator *)it)->frame); }

static const struct wane__iter_kind generator_kind = {
    .size = sizeof(struct generator),
    .next = generator_next,
    .trace = generator_trace,
};

wane_iter *wane_iter_new(wane_type *frame_type, void *(*next)(void *frame), void *frame) {
    bool right = frame != NULL && next != NULL && (frame_type == NULL || wane_typeof(frame) == frame_type);
    struct generator *g = right ? wane__iter_make(&generator_kind) : NULL;
    if (g == NULL) {
        int error = right ? errno : EINVAL;
        wane_release(frame);
        errno = error;
        return NULL;
    }
    g->next = next;
    wane_slot_init(&g->frame, frame);
    return &g->iter;
}

/* Lists and deques. The iterator stands on a ring, and yields what is at the positions that there were when it was made. */

struct over_ring {
    struct wane_iter iter;
    uint64_t position, end; /* of the next one; behind the last one that there was at the start */
    wane_slot ring;          /* NULL: nothing to yield, or the end was reached */
};

static void *over_ring_next(wane_iter *it) {
    struct over_ring *o = (struct over_ring *)it;
    struct wane__ring *r = wane_slot_peek(&o->ring);
    if (r == NULL)
        return NULL;
    wane_guard_enter();
    void *obj = wane_retain(wane__ring_next(r, &o->position, o->end));
    wane_guard_leave();
    if (obj == NULL) {
        /* What this iterator has read comes before a writer's changes of the ring. */
        atomic_fetch_sub_explicit(&r->xiterators, 1, memory_order_release); /* [order:ring-iterators] */
        wane_slot_clear(&o->ring);
    }
    return obj;
}

static void over_ring_trace(wane_iter *it, wane_visitor *v) { wane_visit(v, &((struct over_ring *)it)->ring); }

static const struct wane__iter_kind over_ring_kind = {
    .size = sizeof(struct over_ring),
    .next = over_ring_next,
    .trace = over_ring_trace,
};

wane_iter *wane__seq_iter(struct wane__seq *q) {
    if (q == NULL) {
        errno = EINVAL;
        return NULL;
    }
    struct over_ring *o = wane__iter_make(&over_ring_kind);
    if (o == NULL)
        return NULL;
    struct wane__ring *r = wane__seq_hold(q, &o->position, &o->end);
    if (r != NULL)
        wane_slot_init(&o->ring, r);
    return &o->iter;
}

/* WANE_FOR. */

bool wane__for_next(struct wane__for *f, void *ret_var) {
    void *old, *obj;
    memcpy(&old, ret_var, sizeof old);
    memset(ret_var, 0, sizeof old);
    wane_release(old);
    obj = wane_iter_next(f->it);
    memcpy(ret_var, &obj, sizeof obj);
    return obj != NULL;
}

void wane__for_end(struct wane__for *f) {
    int saved = errno;
    wane_iter *it = f->it;
    f->it = NULL;
    wane_release(it);
    errno = saved;
}
