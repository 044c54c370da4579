/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * count/take.c: taking units, by the slow paths of the public calls and by the library itself.
 */
#include <wane/object.h>

#include "count/count.h"
#include "thread/mode.h"

/* Above this a biased count is near its end: no object of a program has so many honest references. */
#define LOCAL_HUGE ((uint32_t)1 << 30)

_Noreturn void wane__fatal_dead(const struct wane__header *h, const char *operation) {
    if (!wane__is_ours(h))
        wane__fatal_foreign(h, operation);
    wane__fatal("%s: object %p of type \"%s\" is dead: released more often than retained, or used after its death",
                operation, (const void *)(h + 1), wane__block_type_name(h));
}

size_t wane__ximmortals;

void wane__make_immortal(struct wane__header *h) {
    uint64_t before = or_acq_rel(&h->shared, WANE__IMMORTAL); /* before `owner`: who drops decides by the word */
    if (!wane__word_has(before, WANE__IMMORTAL))
        add_relaxed(&wane__ximmortals, (size_t)1);
    store_relaxed(&h->owner, (uint16_t)WANE__OWNER_IMMORTAL);
}

static void answer(struct wane__header *h, uint64_t before, const char *operation) {
    if (!wane__word_has(before, WANE__LIVE))
        wane__fatal_dead(h, operation);
    if (wane__word_has(before, WANE__IMMORTAL | WANE__COUNT_HUGE))
        wane__make_immortal(h);
    if (wane__word_has(before, WANE__WATCHED))
        or_acq_rel(&h->shared, WANE__TOUCHED);
}

void wane__retain_odd(struct wane__header *h, uint64_t before) { answer(h, before, "wane_retain"); }

void wane__take_unit_marked(struct wane__record *r, struct wane__header *h, const char *operation) {
    wane__need_ours(h, operation);
    uint32_t owner = load_relaxed(&h->owner);
    if (owner == r->id) {
        uint32_t n = load_relaxed(&h->local) + 1;
        if (unlikely(n > LOCAL_HUGE))
            wane__make_immortal(h);
        else
            store_relaxed(&h->local, n);
        return;
    }
    if (owner == WANE__OWNER_IMMORTAL)
        return;
    uint64_t before = add_relaxed(&h->shared, WANE__COUNT_ONE);
    if (unlikely((before & (WANE__LIVE | WANE__WATCHED | WANE__IMMORTAL | WANE__COUNT_HUGE)) != WANE__LIVE))
        answer(h, before, operation);
}

void wane__take_unit(struct wane__record *r, struct wane__header *h, const char *operation) {
    wane__mark(&r->head);
    wane__take_unit_marked(r, h, operation);
    wane__unmark(&r->head);
}

void *wane__retain_slow(void *obj) {
    wane__take_unit(wane__record_need("wane_retain"), wane__header_of(obj), "wane_retain");
    return obj;
}

enum wane__upgrade wane__upgrade_marked(struct wane__header *h) {
    uint64_t w = load_acquire(&h->shared); /* [order:count] */
    for (;;) {
        if (!wane__word_has(w, WANE__LIVE))
            return WANE__UPGRADE_DEAD;
        if (wane__word_has(w, WANE__IMMORTAL))
            return WANE__UPGRADED;
        if (wane__word_has(w, WANE__MERGED) && wane__word_count(w) == 0)
            return WANE__UPGRADE_DEAD;
        if (wane__word_has(w, WANE__CLOSED))
            return WANE__UPGRADE_CLOSED;
        uint64_t to = w + WANE__COUNT_ONE;
        if (wane__word_has(w, WANE__WATCHED))
            to |= WANE__TOUCHED;
        if (wane__word_has(to, WANE__COUNT_HUGE))
            to |= WANE__IMMORTAL;
        if (cas_weak_acq_rel(&h->shared, &w, to)) { /* [order:count] */
            if (unlikely(wane__word_has(to, WANE__IMMORTAL)))
                add_relaxed(&wane__ximmortals, (size_t)1);
            return WANE__UPGRADED;
        }
    }
}
