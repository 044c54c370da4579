/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/abandon.c: the end of an object that was not completed.
 *
 * Its type changes to one without callbacks, by a compare-and-swap on the word that has the id; then it is released like
 * any other. Nothing that was decided by the old type has to be decided again: both have the same size, the same
 * slots and the same traits but for the callbacks, and what the header says of the callbacks at birth (`candidate`) is
 * only ever too careful for the new one.
 */
#include "life/type.h"
#include <wane/object.h>

static bool same_slots(const wane_type *a, const wane_type *b) {
    size_t n = a->wane__private[WANE__TYPE_SLOTS_N];
    if (b->wane__private[WANE__TYPE_SLOTS_N] != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (a->slots[i] != b->slots[i])
            return false;
    }
    return true;
}

static bool is_bare(const wane_type *bare, const wane_type *t) {
    return bare->finalize == NULL && bare->destroy == NULL && bare->size == t->size && bare->flags == t->flags &&
           (bare->trace == NULL) == (t->trace == NULL) && same_slots(bare, t);
}

void(wane_abandon)(void *obj, wane_type *bare) {
    if (obj == NULL)
        return;
    struct wane__header *h = wane__header_of(obj);
    wane__need_ours(h, "wane_abandon");
    uint64_t w = load_acquire(&h->shared); /* [order:count] */
    if (!wane__word_has(w, WANE__LIVE))
        wane__fatal_dead(h, "wane_abandon");
    if (wane__word_is_static(w))
        wane__fatal("wane_abandon: object %p of type \"%s\" is a static object", obj, wane__name_of(h));
    const wane_type *t = wane__type_of(w);
    if (!wane__type_is_ours(bare) && wane__type_register(bare) == 0)
        wane__fatal("wane_abandon: object %p of type \"%s\": no type id is left", obj, t->name);
    if (!is_bare(bare, t))
        wane__fatal("wane_abandon: object %p: type \"%s\" is not \"%s\" without callbacks", obj, bare->name, t->name);
    uint64_t id = (uint64_t)bare->wane__private[WANE__TYPE_ID] << WANE__TYPE_SHIFT;
    uint64_t kept = (((uint64_t)1 << WANE__TYPE_SHIFT) - 1) & ~WANE__FINAL_DUE;
    do {
        if (!wane__word_has(w, WANE__LIVE))
            wane__fatal_dead(h, "wane_abandon");
    } while (!cas_weak_acq_rel(&h->shared, &w, (w & kept) | id)); /* [order:count] */
    wane_release(obj);
}
