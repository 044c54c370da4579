/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * count/drop.c: giving up a unit.
 *
 * Which read-modify-write decides: the one that takes the count to zero with MERGED set tells its caller, and nobody
 * else, that the object is dead; the one that clears LIVE, often the same, tells whether the collector holds it
 * (PINNED), whose un-pinning then finds LIVE missing and destroys. While FINAL_DUE shows, all are compare-and-swaps,
 * and the last unit is exchanged for the flag. Nothing is concluded from a second load.
 */
#include "count/count.h"
#include "thread/event.h"

#include "count/wave.h"
#include "thread/mode.h"

uint32_t wane__xpinning;
uint8_t wane__xmarked[4];

/* The flag, then whether the collector sleeps: as with the page's mark, the sleeper makes the barrier. */
void wane__first_mark(unsigned mark) {
    store_relaxed(&wane__xmarked[mark], (uint8_t)1);
    if (wane__fences_on())
        fence_seq_cst();
    compiler_barrier();
    if (unlikely(load_relaxed(&wane__xidle)))
        wane__wake_idle();
    if (load_relaxed(&wane__xasleep) == WANE__UNSTARTED)
        wane__event_raise(); /* an event loop that steps looks at candidates */
}

static enum wane__drop died(struct wane__header *h, uint64_t before) {
    if (wane__word_has(before, WANE__PINNED))
        return WANE__DROPPED;
    wane__tsan_acquire(&h->shared);
    return WANE__DIED;
}

/* The same in what a flush may wait for: if a newer collection holds it, the word says which wave its death is of. */
static enum wane__drop bury_in_wave(struct wane__record *r, struct wane__header *h) {
    uint64_t w = load_acquire(&h->shared); /* [order:count] */
    for (;;) {
        uint64_t flag = wane__wave_pin(r, w);
        if (cas_weak_acq_rel(&h->shared, &w, (w & ~WANE__LIVE) | flag)) /* [order:count] */
            return died(h, w);
        wane__wave_unpin(flag);
    }
}

/* The count reached zero by a subtraction: clear LIVE. */
static enum wane__drop bury(struct wane__record *r, struct wane__header *h) {
    if (unlikely(r->wave != 0))
        return bury_in_wave(r, h);
    return died(h, and_acq_rel(&h->shared, ~WANE__LIVE)); /* [order:count] */
}

/* The owner's last local unit: it merges, and the object is dead if nobody else counts on it. */
static enum wane__drop drop_owners_last(struct wane__record *r, struct wane__header *h, bool final_ok) {
    uint64_t w = load_acquire(&h->shared); /* [order:count] */
    if (wane__word_has(w, WANE__IMMORTAL))
        return WANE__DROPPED;
    /* Untracked and as at birth: no other unit, no weak reference, no collector. Nobody can look at it. */
    if ((w & ~((uint64_t)0xFFFF << WANE__TYPE_SHIFT | WANE__TRACED)) == WANE__LIVE &&
        load_relaxed(&h->candidate) >= WANE__CANDIDATE_NEVER &&
        !wane__may_be_pinned(load_acquire(&wane__xpinning), load_relaxed(&h->candidate))) { /* [order:pinning] */
        store_relaxed(&h->owner, (uint16_t)WANE__OWNER_NONE);
        store_relaxed(&h->shared, (w & ~WANE__LIVE) | WANE__MERGED);
        wane__tsan_acquire(&h->shared); /* others may have been here, and have left the word as it was */
        return WANE__DIED;
    }
    bool last_final = wane__word_count(w) == 0 && wane__word_has(w, WANE__FINAL_DUE);
    if (last_final && !final_ok)
        return WANE__KEPT;
    /*
     * From here on a thread that revokes sees "owner = 0, not MERGED" and waits for this bracket. Stores before the
     * read-modify-write: after MERGED another thread may drop the last unit, and the block is no longer ours.
     */
    wane__tsan_release(&h->shared);
    if (wane__word_count(w) > 0)
        wane__make_candidate(h); /* before the unit is gone, for the child of a fork too */
    compiler_barrier();
    store_relaxed(&h->local, 0u);
    store_relaxed(&h->owner, (uint16_t)WANE__OWNER_NONE);
    wane__pause();
    for (;;) {
        WANE__CHECK_FULL(!wane__word_has(w, WANE__MERGED));
        uint64_t to = w | WANE__MERGED, flag = 0;
        bool last = wane__word_count(w) == 0;
        if (wane__word_has(w, WANE__IMMORTAL))
            return WANE__DROPPED;
        if (last && wane__word_has(w, WANE__FINAL_DUE))
            /* The unit stays; without final_ok it is kept with the flag, for somebody who may run the finalizer. */
            to = (w | WANE__MERGED) + WANE__COUNT_ONE - (final_ok ? WANE__FINAL_DUE : 0);
        else if (last)
            to = (to & ~WANE__LIVE) | (flag = wane__wave_pin(r, w));
        else
            wane__make_candidate(h);
        if (cas_weak_acq_rel(&h->shared, &w, to)) { /* [order:count] */
            wane__tally(r->xmerges, 1);
            if (!last)
                return WANE__DROPPED;
            if (wane__word_has(w, WANE__FINAL_DUE))
                return final_ok ? WANE__FINAL : WANE__KEPT;
            return died(h, w);
        }
        wane__wave_unpin(flag);
    }
}

enum wane__drop wane__revoke_last(struct wane__record *r, struct wane__header *h) {
    const uint64_t flags = WANE__LIVE | WANE__MERGED | WANE__IMMORTAL | WANE__FINAL_DUE;
    enum wane__drop result = WANE__KEPT;
    wane__mark(&r->head);
    uint64_t w = load_acquire(&h->shared); /* [order:count] */
    if ((w & flags) == WANE__LIVE && wane__word_count(w) + load_relaxed(&h->local) == 1) {
        wane__tsan_release(&h->shared);
        wane__pause();
        uint64_t flag = wane__wave_pin(r, w), to = (w & ~(WANE__COUNT_MASK | WANE__LIVE)) | WANE__MERGED | flag;
        if (cas_acq_rel(&h->shared, &w, to)) { /* [order:count] */
            wane__tally(r->xmerges, 1);
            wane__tally(r->xrevocations, 1);
            result = died(h, w);
        } else {
            wane__wave_unpin(flag);
        }
    }
    wane__unmark(&r->head);
    return result;
}

enum wane__drop wane__drop_counted(struct wane__record *r, struct wane__header *h, uint64_t before,
                                   const char *operation) {
    if (wane__word_has(before, WANE__IMMORTAL))
        return WANE__DROPPED;
    if (wane__word_count(before) == 0 || !wane__word_has(before, WANE__LIVE)) {
        add_relaxed(&h->shared, WANE__COUNT_ONE); /* the type stands above the count */
        wane__fatal_dead(h, operation);
    }
    return wane__word_count(before) == 1 ? bury(r, h) : WANE__DROPPED;
}

/* Merged: the shared count is the whole one. Returns false to be called again with the word that is there now. */
static bool drop_merged(struct wane__record *r, struct wane__header *h, uint64_t *w, bool final_ok,
                        const char *operation, enum wane__drop *ret) {
    uint64_t count = wane__word_count(*w);
    bool final_due = wane__word_has(*w, WANE__FINAL_DUE);
    if (count == 0)
        wane__fatal_dead(h, operation);
    if (count == 1) {
        if (final_due && !final_ok) {
            *ret = WANE__KEPT;
            return true;
        }
        uint64_t flag = final_due ? 0 : wane__wave_pin(r, *w);
        uint64_t to = final_due ? *w & ~WANE__FINAL_DUE : ((*w - WANE__COUNT_ONE) & ~WANE__LIVE) | flag;
        if (!cas_weak_acq_rel(&h->shared, w, to)) { /* [order:count] */
            wane__wave_unpin(flag);
            return false;
        }
        *ret = final_due ? WANE__FINAL : died(h, *w);
        return true;
    }
    wane__make_candidate(h);
    *ret = WANE__DROPPED;
    if (final_due)
        return cas_weak_acq_rel(&h->shared, w, *w - WANE__COUNT_ONE); /* [order:count] */
    *ret = wane__drop_counted(r, h, sub_acq_rel(&h->shared, WANE__COUNT_ONE), operation); /* [order:count] */
    return true;
}

static enum wane__drop drop_shared(struct wane__record *r, struct wane__header *h, bool final_ok, const char *operation) {
    enum wane__drop result;
    wane__tsan_release(&h->shared);
    uint64_t w = load_acquire(&h->shared); /* [order:count] */
    for (;;) {
        if (!wane__word_has(w, WANE__LIVE))
            wane__fatal_dead(h, operation);
        if (wane__word_has(w, WANE__IMMORTAL))
            return WANE__DROPPED;
        if (wane__word_has(w, WANE__MERGED)) {
            if (drop_merged(r, h, &w, final_ok, operation, &result))
                return result;
        } else if (wane__word_count(w) == 0) {
            return WANE__KEPT;
        } else {
            wane__make_candidate(h);
            if (cas_weak_acq_rel(&h->shared, &w, w - WANE__COUNT_ONE)) /* [order:count] */
                return WANE__DROPPED;
        }
    }
}

enum wane__drop wane__drop_unit_marked(struct wane__record *r, struct wane__header *h, bool final_ok,
                                       const char *operation) {
    wane__need_ours(h, operation);
    uint32_t owner = load_relaxed(&h->owner);
    if (owner != r->id) {
        if (owner == WANE__OWNER_IMMORTAL)
            return WANE__DROPPED;
        wane__pause();
        return drop_shared(r, h, final_ok, operation);
    }
    uint32_t n = load_relaxed(&h->local);
    if (likely(n == 1))
        return drop_owners_last(r, h, final_ok);
    if (unlikely(n == 0))
        wane__fatal_dead(h, operation);
    wane__make_candidate(h);
    store_relaxed(&h->local, n - 1);
    return WANE__DROPPED;
}

enum wane__drop wane__drop_unit(struct wane__record *r, struct wane__header *h, bool final_ok,
                                const char *operation) {
    wane__mark(&r->head);
    enum wane__drop result = wane__drop_unit_marked(r, h, final_ok, operation);
    wane__unmark(&r->head);
    return result;
}
