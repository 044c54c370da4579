/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * count/word.h: reading the header's words, and the candidate mark.
 */
#ifndef WANE_COUNT_WORD_H
#define WANE_COUNT_WORD_H

#include "base/atomic.h"
#include "base/check.h"
#include "heap/origin.h"
#include "thread/mode.h"
#include "thread/record.h"
#include "thread/wake.h"

/*
 * `candidate` of objects of untracked types, which are never candidates. These and 1, of a candidate, are odd; even are those
 * of other objects, 0, and of all dead ones (heap/dead.h): who gives one to a slot looks further.
 */
#define WANE__CANDIDATE_NEVER 3u
/* The same, and their death is nothing but the end of their memory. */
#define WANE__CANDIDATE_PLAIN 5u

static inline uint64_t wane__word_count(uint64_t w) { return (w & WANE__COUNT_MASK) >> WANE__COUNT_SHIFT; }
static inline uint32_t wane__word_type(uint64_t w) { return (uint32_t)(w >> WANE__TYPE_SHIFT); }
static inline bool wane__word_has(uint64_t w, uint64_t flag) { return (w & flag) != 0; }

/*
 * Whether anybody may pin objects now: from a bracket wait before the first pin until after the last un-pinning. For
 * deaths that look at nothing else (life/quick.h). Written by cycle/collect.c and cycle/walk.c, under the claim.
 * The collector pins tracked objects; who looks for referrers all that have slots.
 */
enum { WANE__PINS_NONE = 0, WANE__PINS_TRACKED = WANE__CANDIDATE_NEVER, WANE__PINS_SCANNED = WANE__CANDIDATE_PLAIN };
extern uint32_t wane__xpinning;

/* Whether an object with that candidate byte may be pinned then: never one whose death is only the end of its memory. */
static inline bool wane__may_be_pinned(uint32_t pinning, uint8_t candidate) { return candidate < pinning; }

/*
 * Marks of pages, summed up: 0 while no page has a mark of that number. Whoever sets a page's mark sets its flag too; a
 * collection clears the flags, makes a heavy barrier and then clears pages' marks (cycle/roots.c). So whoever found a flag
 * set that was about to be cleared had set the page's mark before the barrier, and the collection sees it; whoever comes
 * later finds the flag cleared (tests/model/idle.pml). A flag may stand without any mark: that costs a look.
 */
extern uint8_t wane__xmarked[4];
void wane__first_mark(unsigned mark);

static inline void wane__set_mark(struct wane__page_marks *marks, unsigned mark) {
    store_relaxed(&marks->xdirty[mark], (uint8_t)1);
    if (wane__fences_on())
        fence_seq_cst();
    compiler_barrier();
    if (unlikely(load_relaxed(&wane__xmarked[mark]) == 0))
        wane__first_mark(mark);
}

/* Whether the page of a candidate of that age has to be marked. */
static inline bool wane__page_lacks_mark(const struct wane__header *h, unsigned age) {
    /* without membarrier the load may be too early */
    return unlikely(load_relaxed(&wane__marks_of(h)->xdirty[age]) == 0 || wane__fences_on());
}

/* Marks the page of a candidate of that age. */
static inline void wane__mark_page(struct wane__header *h, unsigned age) {
    if (wane__page_lacks_mark(h, age))
        wane__set_mark(wane__marks_of(h), age);
}

/*
 * Makes h a candidate, which it is from birth (life/birth.c) until a collection has looked at it: the byte, then the mark of
 * its page. Inside a bracket, and before the unit leaves the stack:
 * afterwards the block may be somebody else's, and the collector, which clears the marks, waits for brackets and then
 * looks at counts, must not miss the change that the mark announces. A byte that is set already needs nothing: whoever
 * leaves it set sees to the page's mark (tests/model/mark.pml).
 */
static inline void wane__make_candidate(struct wane__header *h) {
    if (likely(load_relaxed(&h->candidate) != 0))
        return;
    store_relaxed(&h->candidate, (uint8_t)1);
    wane__mark_page(h, load_relaxed(&h->age) & 3);
}

/* Ends the program: operation on an object that is not alive. */
_Noreturn void wane__fatal_dead(const struct wane__header *h, const char *operation);

/* In calls that are rare, of the caller's unit or borrow of h. */
static inline void wane__need_alive(const struct wane__header *h, const char *operation) {
    wane__need_ours(h, operation);
    if (unlikely(!wane__word_has(load_relaxed(&h->shared), WANE__LIVE)))
        wane__fatal_dead(h, operation);
}

/* wane__make_candidate for a unit that leaves the stack: what is no candidate may be because it is dead. */
static inline void wane__leave_stack(struct wane__header *h, const char *operation) {
    wane__need_ours(h, operation);
    if (likely((load_relaxed(&h->candidate) & 1) != 0))
        return;
    wane__need_alive(h, operation);
    wane__make_candidate(h);
}

#endif
