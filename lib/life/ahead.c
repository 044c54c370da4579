/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "life/ahead.h"

#include "count/count.h"

/*
 * Whether it looks as if the next unit given up were the last. A guess: a wrong one costs the owner its bias. A finalizer
 * that is due may save the object; most do not.
 */
static bool about_to_die(const struct wane__header *h) {
    uint64_t w = load_acquire(&h->shared);
    if ((w & (WANE__LIVE | WANE__IMMORTAL)) != WANE__LIVE)
        return false;
    uint64_t count = wane__word_count(w);
    if (!wane__word_has(w, WANE__MERGED))
        count += load_relaxed(&h->local);
    return count == 1;
}

struct looking {
    struct wane__visit_ops ops;
    struct wane__ahead *a;
};

static void visit_looking(struct wane__visit_ops *ops, wane_slot *s, size_t n) {
    struct wane__ahead *a = ((struct looking *)(void *)ops)->a;
    for (size_t i = 0; i < n && a->n < WANE__AHEAD_MAX; i++) {
        void *obj = load_acquire(&s[i].wane__target); /* [order:slot] */
        if (obj == NULL)
            continue;
        struct wane__header *h = wane__header_of(obj);
        uint32_t owner;
        if (!about_to_die(h) || wane__revoke_begin(a->r, h, &owner) != WANE__REVOKE_BEGUN)
            continue;
        a->objects[a->n++] = h;
        a->begun(a->arg, owner);
    }
}

static void look_into(struct wane__ahead *a, struct wane__header *h) {
    struct looking l = {.ops.slots = visit_looking, .a = a};
    wane_type *t = wane__type_of(load_relaxed(&h->shared));
    if (wane__type_has(t, WANE__TRAIT_SCANNED))
        wane__visit_slots(t, h, &l.ops);
}

void wane__ahead_begin(struct wane__ahead *a, size_t n) {
    a->n = 0;
    a->batch_n = n;
    for (size_t i = 0; i < n && a->n < WANE__AHEAD_MAX; i++) {
        struct wane__header *h = (struct wane__header *)load_relaxed(&a->r->xbatch[i]);
        if (about_to_die(h))
            look_into(a, h);
    }
    for (size_t i = 0; i < a->n && a->n < WANE__AHEAD_MAX; i++)
        look_into(a, a->objects[i]);
}

void wane__ahead_end(struct wane__ahead *a) {
    for (size_t i = 0; i < a->batch_n; i++)
        WANE__CHECK_FULL(load_relaxed(&a->r->xbatch[i]) != 0); /* not given up */
    for (size_t i = 0; i < a->n; i++)
        wane__revoke_end(a->r, a->objects[i]);
}
