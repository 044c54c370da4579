/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * count/park.c: units that no queue has room for, since memory is out.
 *
 * The object's own header holds one: while the flag PARKED is set it has a unit that is in nobody's hands. Which
 * read-modify-write decides: the compare-and-swap that sets the flag parks the unit; the one that clears it takes the unit
 * out, and whoever does pushes it to a queue `deferred`, so that it is dropped after a grace period that begins afterwards.
 *
 * The unit stays of its wave (count/wave.h): a second flag, set and cleared with the first, says which, and goes with the unit
 * into the queue. A flush waits until no unit of the wave is parked. A dead object has the same flags of its own, and is never PARKED.
 *
 * A second unit of the same object is dropped at once: inside one bracket the flag is seen set, then the unit goes. The
 * parked one cannot be dropped before that bracket has ended: it was taken out after the flag was seen set, and the
 * grace period after that waits for brackets. So the second is not the last, no finalizer is due, and no death comes of it.
 * A guard in which the pointer was read from a slot before its unit was removed is waited for in the same way, by the
 * grace period of the parked unit: who borrows does not notice which of two units goes first (tests/model/park.pml).
 *
 * To the collector a parked unit is one from outside of slots, like one that waits in a queue: c(w) > e(w).
 * An object is not found dead while it is PARKED. So the flag never outlives its object, and nobody else clears it.
 *
 * Units are found by walking the pages that are marked. The mark is stored after the flag, and taken by an exchange
 * before the page is looked at: the later of the two leaves a mark, or sees the flag. Both in the bracket of the parking
 * thread: as soon as the flag is set the object may die, and its page go back to the system.
 */
#include "count/defer.h"
#include "thread/grace.h"
#include "thread/wake.h"

/* Of either wave. From before the flag is set until the unit is in a queue: a unit that waits shows. */
static uint64_t xparked[2];
uint64_t wane__xparked_bytes; /* asked for at each deferral */

uint64_t wane__parked_of(unsigned parity) { return load_acquire(&xparked[parity]); }

uint64_t wane__parked(void) { return wane__parked_of(0) + wane__parked_of(1); }

static void count_in(unsigned parity, uint64_t bytes) {
    add_relaxed(&wane__xparked_bytes, bytes);
    add_acq_rel(&xparked[parity], (uint64_t)1); /* [order:wave] */
}

static void count_out(unsigned parity, uint64_t bytes) {
    sub_relaxed(&wane__xparked_bytes, bytes);
    sub_acq_rel(&xparked[parity], (uint64_t)1); /* [order:wave] */
}

/* Sets the flag, and that of the unit's wave beside it, unless it is set. Returns the word before. */
static uint64_t set_flag(struct wane__header *h, unsigned parity) {
    uint64_t w = load_acquire(&h->shared), to; /* [order:count] */
    do {
        to = wane__word_has(w, WANE__PARKED) ? w : w | WANE__PARKED | WANE__WAVE_FLAG(parity);
    } while (!cas_weak_acq_rel(&h->shared, &w, to)); /* [order:count] */
    return w;
}

/* False: another unit is parked, and this one is still the caller's: the object is biased to another thread. */
static bool park_or_drop(struct wane__record *r, struct wane__header *h, unsigned parity) {
    bool done = true;
    uint64_t bytes = wane__heap_block_size(h);
    count_in(parity, bytes);
    wane__mark(&r->head);
    wane__tsan_release(&h->shared);
    uint64_t before = set_flag(h, parity);
    wane__pause();
    if (!wane__word_has(before, WANE__PARKED)) {
        store_release(&wane__page_of(h)->xparked, (uint8_t)1); /* [order:parked] */
    } else {
        enum wane__drop result = wane__drop_unit_marked(r, h, false, "parking");
        WANE__CHECK(result == WANE__DROPPED || result == WANE__KEPT);
        done = result == WANE__DROPPED;
    }
    wane__unmark(&r->head);
    if (wane__word_has(before, WANE__PARKED))
        count_out(parity, bytes);
    return done;
}

/*
 * What cannot be dropped is merged first. Where membarrier(2) stopped working and there is a thread that has not called
 * since, nobody can, and for that thread no call may wait: the object stays for good.
 */
static void park(struct wane__record *r, struct wane__header *h, unsigned parity) {
    while (!park_or_drop(r, h, parity)) {
        if (wane__revoke_now(r, h))
            continue;
        if (!wane__bracket_wait()) {
            wane__make_immortal(h);
            wane__log_owe(WANE__OWED_IMMORTAL);
            return;
        }
        if (load_relaxed(&h->owner) == WANE__OWNER_NONE)
            wane__revoke_end(r, h); /* begun by whomever: the wait was one for everybody */
    }
}

void wane__park(struct wane__record *r, struct wane__header *h) {
    if (r->wave != 0)
        park(r, h, r->wave - 1u);
    else
        wane__park_new(r, h);
}

void wane__park_new(struct wane__record *r, struct wane__header *h) {
    unsigned parity = wane__wave_begin_new(r);
    park(r, h, parity);
    wane__wave_end(r, parity);
}

struct sweep {
    struct wane__record *r;
    size_t n;
    const struct wane__page *from; /* pages before it are passed over */
    bool full;
};

/* Where room ended the last time: else low addresses would always come first. Under the collector's lock. */
static const struct wane__page *stopped_at;

static unsigned parity_of(uint64_t w) { return wane__word_has(w, WANE__WAVE_FLAG(1)); }

/* False: there is no room for it. */
static bool take_out(struct sweep *s, struct wane__header *h) {
    struct wane__record *r = s->r;
    if (!wane__queue_room(&r->deferred))
        return false;
    uint64_t bytes = wane__heap_block_size(h), w = load_acquire(&h->shared); /* [order:count] */
    do {
        if (!wane__word_has(w, WANE__PARKED))
            return true; /* somebody else has */
    } while (!cas_weak_acq_rel(&h->shared, &w, w & ~(WANE__PARKED | WANE__WAVE_FLAGS))); /* [order:count] */
    wane__pause();
    wane__tsan_acquire(&h->shared);
    bool pushed = wane__defer_unit_of(r, h, parity_of(w));
    WANE__CHECK(pushed);
    (void)pushed;
    count_out(parity_of(w), bytes);
    s->n++;
    return true;
}

static bool sweep_page(struct wane__page *page, void *arg) {
    struct sweep *s = arg;
    if (s->from == page)
        s->from = NULL;
    if (s->from != NULL || load_relaxed(&page->xparked) == 0)
        return true;
    (void)swap_acq_rel(&page->xparked, (uint8_t)0); /* [order:parked] */
    for (unsigned i = 0, n = wane__page_capacity(page); i < n; i++) {
        struct wane__header *h = wane__page_block(page, i);
        if (!wane__word_has(load_acquire(&h->shared), WANE__PARKED) || take_out(s, h))
            continue;
        store_relaxed(&page->xparked, (uint8_t)1);
        stopped_at = page;
        s->full = true;
        return false;
    }
    return true;
}

size_t wane__unpark(struct wane__record *r) {
    struct sweep s = {.r = r};
    if (wane__parked() == 0 || !wane__queue_room(&r->deferred) || !wane__collector_trylock())
        return 0;
    s.from = stopped_at;
    wane__heap_walk_pages(sweep_page, &s);
    s.from = NULL;
    if (!s.full)
        wane__heap_walk_pages(sweep_page, &s);
    if (!s.full)
        stopped_at = NULL;
    wane__collector_unlock();
    return s.n;
}

static bool count_page(struct wane__page *page, void *arg) {
    (void)arg;
    for (unsigned i = 0, n = wane__page_capacity(page); i < n; i++) {
        struct wane__header *h = wane__page_block(page, i);
        if (!wane__word_has(h->shared, WANE__PARKED))
            continue;
        page->xparked = 1;
        xparked[parity_of(h->shared)]++;
        wane__xparked_bytes += wane__heap_block_size(h);
    }
    return true;
}

void wane__park_fork_child(void) {
    bool any = wane__parked() > 0;
    xparked[0] = xparked[1] = 0;
    wane__xparked_bytes = 0; /* a vanished thread may have added to this and not yet to the number */
    if (any)
        wane__heap_walk_pages(count_page, NULL);
}
