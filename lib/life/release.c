/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/release.c: the public calls that give units up, and those that need a revocation.
 */
#include <errno.h>
#include <string.h>
#include <wane/object.h>

#include "life/apply.h"
#include "life/quick.h"
#include "thread/mode.h"

static void release(struct wane__header *h, const char *operation) {
    struct wane__record *r = wane__record_need(operation);
    uint64_t kept = load_relaxed(&r->kept.xtail), handed = load_relaxed(&r->handed.xtail);
    wane__release(r, h, true, operation);
    if (unlikely(load_relaxed(&r->kept.xtail) != kept))
        wane__kept(r, true);
    else if (unlikely(load_relaxed(&r->handed.xtail) != handed || load_relaxed(&r->blocks.xbytes) > 0))
        wane__left(r);
}

/*
 * What most calls of wane_release that are not inline turn out to be, without a call: decided as wane__drop_unit decides
 * and in its order. Each says false when nothing happened. Threads that need fences and programs with ThreadSanitizer do
 * not come here.
 */

static __attribute__((noinline)) void release_any(struct wane__header *h) { release(h, "wane_release"); }

/* Biased to another thread, and no unit in the shared count to give up. */
static __attribute__((noinline)) void keep_quick(struct wane__record *r, struct wane__header *h) {
    wane__keep(r, h);
    wane__kept(r, true);
}

/* The subtraction returned something odd. In the bracket, which ends here. */
static __attribute__((noinline)) void drop_odd(struct wane__record *r, struct wane__header *h, uint64_t before) {
    enum wane__drop result = wane__drop_counted(r, h, before, "wane_release");
    if (result == WANE__DIED)
        wane__die(r, h);
    else
        wane__bracket_leave(&r->head);
}

/*
 * A unit of a merged object whose finalizer is not due, which it stays, and that is not the last one as it seems: by
 * subtraction, which unlike a compare-and-swap need not wait for the load. Nothing is saved on the stack here, because
 * what is read back after a locked instruction waits for it: hence calls at the end only.
 */
static inline void drop_counted(struct wane__record *r, struct wane__header *h) {
    uint64_t before = sub_acq_rel(&h->shared, WANE__COUNT_ONE); /* [order:count] */
    if (likely(wane__word_count(before) > 1))
        wane__bracket_leave(&r->head);
    else
        drop_odd(r, h, before);
}

/* A unit that is not the last one, by a thread that is not the owner. */
static inline void quick_drop(struct wane__record *r, struct wane__header *h) {
    const uint64_t flags = WANE__LIVE | WANE__MERGED | WANE__IMMORTAL | WANE__FINAL_DUE;
    wane__bracket_enter(&r->head);
    wane__pause();
    uint64_t w = load_acquire(&h->shared); /* [order:count] */
    bool marked = load_relaxed(&h->candidate) != 0;
    if (likely((w & flags) == (WANE__LIVE | WANE__MERGED) && wane__word_count(w) > 1 && marked)) {
        drop_counted(r, h);
        return;
    }
    bool done = (w & flags) == WANE__LIVE && wane__word_count(w) > 0 && marked &&
                cas_acq_rel(&h->shared, &w, w - WANE__COUNT_ONE); /* [order:count] */
    wane__bracket_leave(&r->head);
    if (likely(done))
        return;
    if ((w & flags) == WANE__LIVE && wane__word_count(w) == 0)
        keep_quick(r, h);
    else
        release_any(h);
}

/* The end of a bracket in which a block is freed that takes more than a look. */
static __attribute__((noinline)) void free_slow(struct wane__record *r, struct wane__header *h) {
    wane__heap_free(&r->heap, h);
    wane__bracket_leave(&r->head);
    wane__after_frees(r);
}

/* In the bracket, which ends here: any unit of h, or none of the owner's any more. */
static __attribute__((noinline)) void release_marked(struct wane__record *r, struct wane__header *h) {
    wane__bracket_leave(&r->head);
    release_any(h);
}

/*
 * The owner's last unit, as wane__quick_last; if the object's death is nothing but the end of its memory, that follows in the
 * same bracket, and nobody can have come by it.
 */
static __attribute__((noinline)) void release_own(struct wane__record *r, struct wane__header *h) {
    const uint64_t all_but_type = ((uint64_t)1 << WANE__TYPE_SHIFT) - 1;
    wane__bracket_enter(&r->head);
    uint64_t w = load_acquire(&h->shared); /* [order:count] */
    bool last = load_relaxed(&h->owner) == r->id && load_relaxed(&h->local) == 1;
    if (likely(last && load_relaxed(&h->candidate) == WANE__CANDIDATE_PLAIN && (w & all_but_type) == WANE__LIVE)) {
        store_relaxed(&h->shared, (w & ~WANE__LIVE) | WANE__MERGED | WANE__FREED);
        wane__tally_sum(&r->deaths[0], 1, wane__heap_block_size(h));
        if (likely(wane__heap_free_quick(&r->heap, h)))
            wane__bracket_leave(&r->head);
        else
            free_slow(r, h);
    } else if (likely(last && wane__quick_end(h))) {
        wane__die(r, h);
    } else {
        release_marked(r, h);
    }
}

void wane__release_slow(void *obj) {
    struct wane__thread *t = wane__self;
    struct wane__header *h = wane__header_of(obj);
    wane__need_ours(h, "wane_release");
    uint32_t match = load_relaxed(&t->match);
    if (unlikely(__tsan_release != NULL || match == WANE__MATCH_NOBODY)) {
        release_any(h);
    } else if (load_relaxed(&h->owner) == match) { /* nobody else makes this thread an owner */
        release_own((struct wane__record *)(void *)t, h);
    } else {
        quick_drop((struct wane__record *)(void *)t, h);
    }
}

/* Only a unit that cannot be given up here waits in a queue: of an object of another thread's, or with a finalizer. */
void(wane_release_later)(void *obj) {
    if (obj == NULL)
        return;
    struct wane__record *r = wane__record_need("wane_release_later");
    struct wane__header *h = wane__header_of(obj);
    enum wane__drop result = wane__drop_unit(r, h, false, "wane_release_later");
    if (result == WANE__DROPPED)
        return;
    if (result == WANE__DIED) {
        wane__leave_dead(r, h);
    } else if (unlikely(!wane__hand_unit(r, h))) {
        wane__keep(r, h); /* memory is out: whoever comes first */
    }
    wane__left(r);
}

void(wane_clear)(void *var) {
    void *obj;
    memcpy(&obj, var, sizeof obj);
    if (obj == NULL)
        return;
    memset(var, 0, sizeof obj);
    if (unlikely(__tsan_release != NULL) || !wane__release_marked(wane__self, wane__header_of(obj)))
        release(wane__header_of(obj), "wane_clear"); /* ThreadSanitizer does not see the inline path in here */
}

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
    wane__need_alive(wane__header_of(obj), "wane_share");
    revoke_or_leave(r, wane__header_of(obj), "wane_share");
    return obj;
}

bool wane_is_unique(const void *obj) {
    if (obj == NULL)
        return false;
    struct wane__header *h = wane__header_of(obj);
    struct wane__record *r = wane__record_need("wane_is_unique");
    wane__need_alive(h, "wane_is_unique");
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
