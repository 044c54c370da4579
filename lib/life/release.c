/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/release.c: the public calls that give units up, and those that need a revocation.
 */
#include <errno.h>
#include <string.h>
#include <wane/object.h>

#include "life/apply.h"
#include "thread/mode.h"

static void release(struct wane__header *h, const char *operation) {
    struct wane__record *r = wane__record_need(operation);
    uint64_t kept = load_relaxed(&r->kept.xtail);
    wane__release(r, h, true, operation);
    if (unlikely(load_relaxed(&r->kept.xtail) != kept))
        wane__kept(r, true);
}

void wane__release_slow(void *obj) { release(wane__header_of(obj), "wane_release"); }

void(wane_clear)(void *var) {
    void *obj;
    memcpy(&obj, var, sizeof obj);
    if (obj == NULL)
        return;
    memset(var, 0, sizeof obj);
    if (!wane__release_marked(wane__self, wane__header_of(obj)))
        release(wane__header_of(obj), "wane_clear");
}

void wane__auto(void *var) { (wane_clear)(var); }

/*
 * One object, by a thread that may not own it. What cannot be finished at once is left to a unit in the `kept` queue:
 * whoever settles it merges the object.
 */
static bool revoke_or_leave(struct wane__record *r, struct wane__header *h, const char *operation) {
    if (wane__revoke_now(r, h))
        return true;
    wane__take_unit(r, h, operation);
    wane__keep(r, h);
    return false;
}

void *(wane_share)(void *obj) {
    if (obj == NULL)
        return NULL;
    struct wane__record *r = wane__record_need("wane_share");
    revoke_or_leave(r, wane__header_of(obj), "wane_share");
    return obj;
}

bool wane_is_unique(const void *obj) {
    if (obj == NULL)
        return false;
    struct wane__header *h = wane__header_of(obj);
    struct wane__record *r = wane__record_need("wane_is_unique");
    uint64_t w = load_acquire(&h->shared); /* [order:count] */
    if (wane__word_has(w, WANE__IMMORTAL))
        return false;
    if (wane__word_has(w, WANE__MERGED))
        return wane__word_count(w) == 1;
    uint64_t local = load_relaxed(&h->local);
    if (load_relaxed(&h->owner) == r->id)
        return local == 1 && wane__word_count(w) == 0;
    /*
     * Two words of another thread's cannot be read as one: when they look like one unit, take the bias away and
     * read the one that is left. Exact, unless the owner is in its bracket: then not unique for now.
     */
    if (local + wane__word_count(w) > 1)
        return false;
    if (!revoke_or_leave(r, h, "wane_is_unique"))
        return false;
    return wane__word_count(load_acquire(&h->shared)) == 1;
}
