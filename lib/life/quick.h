/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/quick.h: how most objects die: their owner gives up the last unit while nobody else counts, watches or holds them.
 *
 * It shows in one look: the owner's count is one, and `shared` is as at birth: no units, no flags but LIVE (and TRACED). What
 * wane__drop_unit decides step by step is then one compare-and-swap, or, if nobody can come by the object at all, a store.
 *
 * Who could come by it is the collector: it pins what nobody gave it a unit of. Before its first pin it sets wane__xpinning
 * and waits until it has seen each bracket clear; it resets it after its last un-pinning. So a death that reads 0, in its
 * bracket, is over before the first pin, which finds no LIVE and pins nothing; a later one reads 1 and swaps
 * (tests/model/pin.pml). Whatever else comes to walk the heap and change headers has to raise wane__xpinning too.
 */
#ifndef WANE_LIFE_QUICK_H
#define WANE_LIFE_QUICK_H

#include "count/count.h"
#include "count/word.h"

/* The owner's count is one: whether it is the last unit, and then takes it. */
static inline bool wane__quick_end(struct wane__header *h) {
    const uint64_t all_but_type = (((uint64_t)1 << WANE__TYPE_SHIFT) - 1) & ~WANE__TRACED;
    uint32_t pinning = load_acquire(&wane__xpinning); /* [order:pinning] */
    uint64_t w = load_acquire(&h->shared);            /* [order:count] */
    if ((w & all_but_type) != WANE__LIVE)
        return false;
    wane__pause(); /* what pins beside this must have waited for the bracket */
    uint64_t to = (w & ~WANE__LIVE) | WANE__MERGED;
    if (wane__may_be_pinned(pinning, load_relaxed(&h->candidate)))
        return cas_acq_rel(&h->shared, &w, to); /* [order:count] */
    store_relaxed(&h->shared, to);
    return true;
}

/*
 * Takes the last unit of h from its owner. In the bracket of r's thread. True: h is dead, nobody else has it, and the
 * caller destroys it. False: nothing happened. Not in programs with ThreadSanitizer.
 *
 * `owner` and `local` stay until the caller overwrites them: they are stored after the read-modify-write because,
 * unlike in a merge, no unit is left by which another thread could come to look at them. A pin that came before
 * makes the swap fail; one that comes after finds no LIVE and pinned nothing.
 */
static inline bool wane__quick_last(const struct wane__record *r, struct wane__header *h) {
    return load_relaxed(&h->owner) == r->id && load_relaxed(&h->local) == 1 && wane__quick_end(h);
}

/* Takes a unit of h, merged: by a subtraction, if it is not the last one. */
static inline enum wane__drop wane__quick_merged(struct wane__record *r, struct wane__header *h, const char *operation) {
    const uint64_t flags = WANE__LIVE | WANE__MERGED | WANE__IMMORTAL | WANE__FINAL_DUE;
    wane__pause();
    uint64_t w = load_acquire(&h->shared); /* [order:count] */
    if ((w & flags) != (WANE__LIVE | WANE__MERGED) || wane__word_count(w) <= 1 || load_relaxed(&h->candidate) == 0)
        return WANE__KEPT;
    uint64_t before = sub_acq_rel(&h->shared, WANE__COUNT_ONE); /* [order:count] */
    return likely(wane__word_count(before) > 1) ? WANE__DROPPED : wane__drop_counted(r, h, before, operation);
}

/*
 * What wane__drop_unit_marked does, where that is a subtraction, or the owner's last unit. KEPT: nothing happened. Not in
 * programs with ThreadSanitizer.
 */
static inline enum wane__drop wane__quick_drop(struct wane__record *r, struct wane__header *h, const char *operation) {
    if (load_relaxed(&h->owner) != r->id)
        return wane__quick_merged(r, h, operation);
    uint32_t n = load_relaxed(&h->local);
    if (n <= 1)
        return likely(n == 1) && wane__quick_end(h) ? WANE__DIED : WANE__KEPT;
    wane__make_candidate(h);
    store_relaxed(&h->local, n - 1);
    return WANE__DROPPED;
}

#endif
