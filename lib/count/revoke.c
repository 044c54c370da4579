/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * count/revoke.c: taking the bias of an object away, by its owner or by another thread; the calls built on that.
 *
 * Which read-modify-write decides: the compare-and-swap on `owner` makes one thread the revoker; the one that sets
 * MERGED ends it, and any later one does nothing. Between the two the shared count means nothing by itself.
 * What the owner may see: in its bracket either its own id, then the revoker's bracket wait covers its update of
 * `local`; or 0, then it counts in `shared` like everybody (tests/model/release.pml).
 */
#include <wane/object.h>

#include "count/count.h"
#include "thread/grace.h"
#include "thread/mode.h"

/* Adds n to the count field of a word that is being merged; a huge sum makes the object immortal. */
static uint64_t merged_word(uint64_t w, uint64_t n) {
    uint64_t count = wane__word_count(w) + n;
    uint64_t to = (w & ~WANE__COUNT_MASK) | WANE__MERGED;
    if (count >= (uint64_t)1 << 30)
        return to | WANE__IMMORTAL | ((uint64_t)1 << 30 << WANE__COUNT_SHIFT);
    return to | count << WANE__COUNT_SHIFT;
}

/* False: nothing happened, it was merged. */
static bool merge(struct wane__record *r, struct wane__header *h) {
    uint64_t local = load_relaxed(&h->local);
    uint64_t w = load_acquire(&h->shared), to;
    do {
        if (wane__word_has(w, WANE__MERGED | WANE__IMMORTAL))
            return false;
        to = merged_word(w, local);
    } while (!cas_weak_acq_rel(&h->shared, &w, to)); /* [order:count] */
    if (unlikely(wane__word_has(to, WANE__IMMORTAL)))
        add_relaxed(&wane__ximmortals, (size_t)1);
    wane__tally(r->xmerges, 1);
    return true;
}

void wane__revoke_end(struct wane__record *r, struct wane__header *h) {
    wane__tsan_release(&h->shared); /* what the owner did under units that it gave up, which its bracket told */
    if (merge(r, h))
        wane__tally(r->xrevocations, 1);
}

/* The owner itself, in its bracket: no waiting is needed. */
static void merge_own(struct wane__record *r, struct wane__header *h) {
    store_relaxed(&h->owner, (uint16_t)WANE__OWNER_NONE);
    wane__tsan_release(&h->shared);
    (void)merge(r, h);
}

enum wane__revoke wane__revoke_begin(struct wane__record *r, struct wane__header *h, uint32_t *owner) {
    uint16_t o = load_relaxed(&h->owner);
    if (o == WANE__OWNER_IMMORTAL || o == r->id)
        return WANE__REVOKE_NOTHING;
    wane__pause();
    if (o != WANE__OWNER_NONE && cas_acq_rel(&h->owner, &o, (uint16_t)WANE__OWNER_NONE)) {
        *owner = o;
        return WANE__REVOKE_BEGUN;
    }
    uint64_t w = load_acquire(&h->shared);
    return wane__word_has(w, WANE__MERGED | WANE__IMMORTAL) ? WANE__REVOKE_NOTHING : WANE__REVOKE_OTHERS;
}

bool wane__revoke_now(struct wane__record *r, struct wane__header *h) {
    wane__mark(&r->head);
    bool own = load_relaxed(&h->owner) == r->id;
    if (own)
        merge_own(r, h);
    wane__unmark(&r->head);
    if (own)
        return true;
    uint32_t owner = 0;
    switch (wane__revoke_begin(r, h, &owner)) {
    case WANE__REVOKE_NOTHING:
        return true;
    case WANE__REVOKE_OTHERS:
        return false;
    case WANE__REVOKE_BEGUN:
        break;
    }
    wane__heavy();
    if (!wane__bracket_clear(owner))
        return false;
    wane__revoke_end(r, h);
    return true;
}

void wane_immortalize(void *obj) {
    if (obj == NULL)
        return;
    wane__record_need("wane_immortalize");
    wane__need_alive(wane__header_of(obj), "wane_immortalize");
    wane__make_immortal(wane__header_of(obj));
}

bool wane_is_immortal(const void *obj) {
    if (obj == NULL)
        return false;
    wane__need_ours(wane__header_of(obj), "wane_is_immortal");
    return wane__word_has(load_relaxed(&wane__header_of(obj)->shared), WANE__IMMORTAL);
}

size_t wane_refcount(const void *obj) {
    if (obj == NULL)
        return 0;
    struct wane__header *h = wane__header_of(obj);
    wane__need_ours(h, "wane_refcount");
    uint64_t w = load_acquire(&h->shared);
    if (wane__word_has(w, WANE__IMMORTAL))
        return WANE_REFCOUNT_IMMORTAL;
    size_t local = wane__word_has(w, WANE__MERGED) ? 0 : load_relaxed(&h->local);
    return local + wane__word_count(w);
}
