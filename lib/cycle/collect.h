/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/collect.h: one collection, and its steps.
 */
#ifndef WANE_CYCLE_COLLECT_H
#define WANE_CYCLE_COLLECT_H

#include "base/sanitize.h"
#include "cycle/components.h"
#include "cycle/scope.h"
#include "cycle/table.h"
#include "life/death.h"
#include "life/left.h"
#include "life/type.h"
#include "os/clock.h"

/* Marks in `age`, above the generation. */
#define WANE__AGE_LEFT 8u /* a candidate whose reach was too much for a bounded collection */

/* Suspects between two looks at the clock, and traced in one guard: no guard of the collector is long. */
#define WANE__SPAN 256
/* So many slots are as good as a span of suspects. */
#define WANE__SLOTS_SPAN 2048

enum wane__stage { WANE__STAGE_SEARCH, WANE__STAGE_PROOF, WANE__STAGE_FINALIZE, WANE__STAGE_END, WANE__STAGE_OVER };

struct wane__weak_suspect {
    uint32_t suspect;
    uint32_t next; /* another one of its group in `weak`, and one; 0: none */
};

struct wane__collection {
    struct wane__record *r; /* of the thread that collects */
    struct wane__scope what;
    enum wane__stage stage;
    size_t step;       /* of the stage */
    size_t at;         /* where the step goes on */
    size_t slots;      /* visited, and edges followed, since the clock was looked at or a guard entered */
    uint64_t deadline; /* of this slice; 0: it goes on to the end */
    uint64_t grace, grace_since; /* grace periods begun when the one was asked for that is waited for, and when that was */
    unsigned debug;    /* flags of wane_gc_set_debug when it began; 0 for a trial */
    bool noted;        /* the pages are: what is left of them changes under the collector's lock only */
    bool rest;         /* not all candidates are roots of this one */
    bool undecided;    /* some of what was left out of a bounded search may hold candidates */
    bool finalized;    /* finalizers ran */
    bool proved_again; /* after that */
    bool decided;      /* of some that are in doubt it was said that they are garbage: no way back */
    struct wane__header *pinning; /* perhaps pinned, perhaps not yet in the table: for the child of a fork */
    struct wane__table table;
    struct wane__page **pages; /* that may hold roots */
    size_t pages_n, pages_room;
    struct wane__weak_suspect *weak; /* suspects with weak references, a chain for each group */
    size_t weak_n, weak_room;
    uint32_t *list; /* of suspects: work lists of several steps */
    size_t list_n, list_room;
    size_t list_first; /* where it is taken from in order */
    size_t roots_n; /* the first suspects of the table */
    size_t effort;  /* suspects that may still be traced for the undecided ones */
    struct wane__components cycles; /* suspects that are on cycles, if that was asked */

    /* How many suspects, so that a step which has none passes over no table. */
    size_t dropped;             /* HELD and not yet GONE */
    size_t dropped_in_all;      /* since suspects were traced again */
    size_t finals, weaks, keeps; /* in doubt and FINAL, WEAK, KEEP */

    size_t candidates, suspects, garbage, uncollectable;
    int64_t freed; /* bytes, by the end of the garbage */
};

/*
 * One collection at a time, by whoever has the claim on collecting, in no guard, bracket or callback, where user code
 * may run. It may be begun by one thread and finished by another.
 */
void wane__collection_begin(const struct wane__scope *what);
bool wane__collection_is_open(void);
/*
 * Whether h, which is PINNED, is as good as dead though it may still be LIVE: the collection that is open has said so, and
 * is at its end. For who walks the heap under the claim, between steps of that.
 */
bool wane__collection_dooms(const struct wane__header *h);
/*
 * No pages are noted any more: memory can be given back. Under the collector's lock, which it may let go: it waits for a thread that is
 * walking them, but not for one that has left off, or is in a callback; then those that are left keep their marks.
 */
void wane__collection_leave_roots(void);
/* Goes on until the deadline (0: to the end). True: it is over, and *ret is set. */
bool wane__collection_go_on(struct wane__record *r, uint64_t deadline, struct wane__findings *ret);
/* The steps; roots.c, suspects.c, verdict.c, keep.c, weaks.c, garbage.c. True: finished; false: the time is up. */
void wane__announce_roots(const struct wane__collection *c); /* before the bracket wait that announces pins */
void wane__keep_flags(void); /* nobody knows which pages have marks */
bool wane__find_roots(struct wane__collection *c);
void wane__leave_roots(struct wane__collection *c); /* those of pages that were not walked keep their marks */
bool wane__trace_roots(struct wane__collection *c);
bool wane__trace_explained(struct wane__collection *c);
bool wane__note_undecided(struct wane__collection *c);
bool wane__trace_undecided(struct wane__collection *c);
bool wane__find_held(struct wane__collection *c);
bool wane__let_held_live(struct wane__collection *c);
bool wane__arm_and_count(struct wane__collection *c);
bool wane__begin_tracing(struct wane__collection *c);
bool wane__trace_again(struct wane__collection *c);
bool wane__await_brackets(struct wane__collection *c);
bool wane__acquit(struct wane__collection *c);
bool wane__let_acquitted_live(struct wane__collection *c);
bool wane__find_cycles_in_doubt(struct wane__collection *c); /* keep.c */
bool wane__keep_uncollectable(struct wane__collection *c);
bool wane__report_kept(struct wane__collection *c);
bool wane__let_kept_live(struct wane__collection *c);
bool wane__run_finalizers_of_garbage(struct wane__collection *c);
bool wane__settle_finalizers(struct wane__collection *c);
bool wane__join_groups(struct wane__collection *c);
bool wane__note_weak(struct wane__collection *c);
bool wane__decide(struct wane__collection *c);
bool wane__let_upgraded_live(struct wane__collection *c);
bool wane__mark_garbage(struct wane__collection *c);
bool wane__find_cycles_of_garbage(struct wane__collection *c); /* keep.c */
bool wane__report_garbage(struct wane__collection *c);
bool wane__empty_garbage(struct wane__collection *c);
bool wane__settle_emptied(struct wane__collection *c);
bool wane__destroy_garbage(struct wane__collection *c);
/* Drops a suspect: it is held and on c->list. */
void wane__drop_suspect(struct wane__collection *c, struct wane__suspect *s);
/* The next one that was dropped and not let live yet. */
struct wane__suspect *wane__next_dropped(struct wane__collection *c);
/* Marks as held what the suspects in c->list reach by recorded edges. */
bool wane__drop_reach(struct wane__collection *c);

/* Oracles of builds with full checks, under the claim; others do nothing. */
bool wane__oracle_is_due(void);
void wane__check_no_edge_into_garbage(struct wane__collection *c);
void wane__check_no_candidate_lost(struct wane__collection *c);

/* Un-arms and un-pins; destroys who died meanwhile. again: makes it a candidate, since nothing was decided about it. */
void wane__let_live(struct wane__collection *c, struct wane__suspect *s, bool again);

/*
 * Sets PINNED and `marks`; returns the word before. Without LIVE nothing was pinned. What the maker of h did comes before what is
 * done with it now, if it was never given away yet as well: it is a candidate from birth.
 */
static inline uint64_t wane__put_pin_on(struct wane__header *h, uint64_t marks) {
    uint64_t before = or_acq_rel(&h->shared, WANE__PINNED | marks); /* [order:count] */
    wane__tsan_acquire(&h->shared);
    return before;
}

/*
 * Takes PINNED and `marks` off; returns the word before. What this thread read of h comes before the end of h, which may be
 * another's as soon as the pin is gone: ThreadSanitizer is told. If h was not LIVE its end is the caller's: wane__unpinned.
 */
static inline uint64_t wane__take_pin_off(struct wane__header *h, uint64_t marks) {
    wane__tsan_release(&h->shared);
    return and_acq_rel(&h->shared, ~(WANE__PINNED | marks)); /* [order:count] */
}

/* The same, and buries h if it died meanwhile. */
static inline void wane__un_pin(struct wane__collection *c, struct wane__header *h, uint64_t marks) {
    uint64_t before = wane__take_pin_off(h, marks);
    if (!wane__word_has(before, WANE__LIVE))
        wane__unpinned(c->r, h, before);
}

void wane__list_add(struct wane__collection *c, uint32_t number);

/* Between the two halves of a revocation, and from CLOSED to the decision: a fork waits for it. */
void wane__arming_lock(void);
void wane__arming_unlock(void);

/* Whether a step that is at c->at may go on: the clock is looked at now and then. */
static inline bool wane__in_time(struct wane__collection *c) {
    if (c->deadline == 0 || (c->at % WANE__SPAN != 0 && c->slots < WANE__SLOTS_SPAN))
        return true;
    c->slots = 0;
    return wane__now() < c->deadline;
}

/* Suspects that are neither held nor gone nor dropped: W, and after the verdict R. */
static inline bool wane__in_doubt(const struct wane__suspect *s) {
    return (s->flags & (WANE__SUSPECT_HELD | WANE__SUSPECT_GONE)) == 0;
}

/* The suspect that the step is at, which then goes to the next; NULL: there are no more, or the time is up. */
static inline struct wane__suspect *wane__next_suspect(struct wane__collection *c) {
    if (c->at >= c->table.n || c->table.failed || !wane__in_time(c))
        return NULL;
    return &c->table.suspects[c->at++];
}

/* The same for steps that write the object's header, which is far away as a rule. */
static inline struct wane__suspect *wane__next_object(struct wane__collection *c) {
    if (c->at + 16 < c->table.n)
        __builtin_prefetch(c->table.suspects[c->at + 16].h, 1);
    return wane__next_suspect(c);
}

static inline bool wane__no_suspect_left(const struct wane__collection *c) {
    return c->at >= c->table.n || c->table.failed;
}

/* Around a fork: the undoing of a collection whose thread vanished. */
void wane__collect_fork_prepare(void);
void wane__collect_fork_parent(void);
void wane__collect_fork_child(const struct wane__record *self);

#endif
