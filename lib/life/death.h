/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/death.h: what happens to objects that were found dead, and where user code may run.
 *
 * Dead objects stand in lists of the record (heap/dead.h). A list is worked off in a loop: what dies of a death is put on it, so the stack does not grow with the structure.
 *
 * may_call says that user code may run here. Inside a callback it may not: what dies there and has a callback of its
 * own waits in `xlater` until the callback has returned, or, at slot calls and the like, is left to others (life/left.h).
 * Last units of objects whose finalizers are due wait beside it, in `finals`.
 */
#ifndef WANE_LIFE_DEATH_H
#define WANE_LIFE_DEATH_H

#include <errno.h>

#include "base/lock.h"
#include "count/defer.h"
#include "life/type.h"
#include "thread/wake.h"

/* Gives up one unit of h for good: drops it, runs a finalizer that is due, keeps it, or puts h among r's dead. */
void wane__let_go(struct wane__record *r, struct wane__header *h, bool may_call, const char *operation);

/* Puts h, which is dead and nobody's, among r's dead. */
static inline void wane__bury(struct wane__record *r, struct wane__header *h) { wane__dead_put(&r->xdead, h); }

/*
 * Whether the end of an object is nothing but the end of its memory, once nobody is owed what its slots name. Weak
 * references, tracing, and sanitizers that want to be told, make it less simple.
 */
static inline bool wane__ends_simply(const wane_type *t, uint64_t w) {
    return (t->wane__private[WANE__TYPE_TRAITS] & (WANE__TRAIT_SIMPLE | WANE__TRAIT_LIBRARY)) == WANE__TRAIT_SIMPLE &&
           !wane__word_has(w, WANE__WEAKREFD | WANE__TRACED) && __tsan_release == NULL;
}

/* n objects of t died, of block_size bytes each. */
static inline void wane__count_deaths(struct wane__record *r, const wane_type *t, size_t n, size_t block_size) {
    wane__tally_sum(&r->deaths[wane__type_has(t, WANE__TRAIT_TRACKED)], n, n * block_size);
}

/* Destroys r's dead, and all that dies of it. */
void wane__reap(struct wane__record *r, bool may_call);

/*
 * h was just found dead, in r's bracket, which ends here: destroys it, if that is simple, or puts it among r's dead, as what dies
 * of it.
 */
void wane__end(struct wane__record *r, struct wane__header *h, bool may_call);

/* The same, and wane__reap, where user code may run. */
void wane__die(struct wane__record *r, struct wane__header *h);

/* How far a call goes: until a time, or so many deaths. It is late by what cannot be divided, a callback as a rule. */
struct wane__limit {
    uint64_t deadline; /* UINT64_MAX: none */
    size_t deaths;     /* SIZE_MAX: any number */
    bool over;
    uint64_t calls_seen; /* `calls_n` of the record when the time was looked at after a callback */
};

static inline struct wane__limit wane__until(const struct wane__record *r, uint64_t deadline) {
    return (struct wane__limit){.deadline = deadline, .deaths = SIZE_MAX, .calls_seen = r->calls_n};
}

static inline struct wane__limit wane__at_most(size_t deaths) {
    return (struct wane__limit){.deadline = UINT64_MAX, .deaths = deaths};
}

/* Looks at the time: whether it has passed. */
bool wane__passed(const struct wane__record *r, struct wane__limit *limit);

/* Whether a limit is known to be reached; NULL: there is none. Looks at the time only after callbacks. */
static inline bool wane__is_over(const struct wane__record *r, struct wane__limit *limit) {
    if (limit == NULL)
        return false;
    if (unlikely(limit->calls_seen != r->calls_n) && limit->deadline != UINT64_MAX)
        return wane__passed(r, limit);
    return limit->over;
}

/* The same within a limit, in what r has in hand; what is over it is left to others, and charged to `to`. */
void wane__reap_within(struct wane__record *r, bool may_call, struct wane__limit *limit, struct wane__record *to);

/* let_go and reap. */
void wane__release(struct wane__record *r, struct wane__header *h, bool may_call, const char *operation);

/*
 * Visits the slots of h, which is dying, for ops, whose functions let go. What `trace` visits is visited inside a guard:
 * finalizers that come due there run when it is left, if they may (may_call); ops is then told not to call. A slot that
 * ops leaves full, because wane__finals_full said so, is visited again.
 */
void wane__visit_dying(struct wane__record *r, wane_type *t, struct wane__header *h, struct wane__visit_ops *ops,
                       bool may_call);

/* Whether the unit of h in a slot has to stay there until finalizers have run: memory is out. While ops->gathers. */
bool wane__finals_full(struct wane__record *r, struct wane__header *h, struct wane__visit_ops *ops);

/* What a callback left undestroyed, for want of memory, waits with the rest that died in it. */
void wane__call_left(struct wane__record *r);

/* Calls a function of the user's. Follow with wane__reap(r, true): it destroys what died inside. */
static inline void wane__call(struct wane__record *r, void (*fn)(void *arg), void *arg) {
    WANE__CHECK_FULL(wane__locks_held() == 0);
    /* What the callback releases must not look through what died outside: a call takes a step, however long the list. */
    store_relaxed(&r->xouter, load_relaxed(&r->xdead));
    compiler_barrier(); /* a child of fork() finds the list in one of them, or in both */
    store_relaxed(&r->xdead, NULL);
    int saved = errno; /* of who called wane_release */
    uint64_t deferred = load_relaxed(&r->deferred.xtail);
    r->callbacks++;
    store_relaxed(&r->xaway, true);
    fn(arg);
    store_relaxed(&r->xaway, --r->callbacks > 0);
    r->calls_n++;
    errno = saved;
    if (unlikely(r->wave != 0 && load_relaxed(&r->deferred.xtail) != deferred))
        wane__wave_follows(r);
    if (unlikely(load_relaxed(&r->xdead) != NULL))
        wane__call_left(r);
    store_relaxed(&r->xdead, load_relaxed(&r->xouter));
    compiler_barrier();
    store_relaxed(&r->xouter, NULL);
}

static inline bool wane__may_call(const struct wane__record *r) { return r->callbacks == 0; }

/* FINAL_DUE was taken from h's word, and a unit of it is held: runs its finalizer. As wane__call. */
static inline void wane__finalize(struct wane__record *r, struct wane__header *h) {
    const wane_type *t = wane__type_of(load_relaxed(&h->shared));
    r->queued_ran += (t->flags & WANE_TYPE_FINALIZE_QUEUED) != 0;
    wane__call(r, t->finalize, wane__payload_of(h));
}

/* Frees a block. Others that free into the same page's heap are waited for by their brackets before it is given back. */
static inline void wane__free_block(struct wane__record *r, struct wane__header *h) {
    wane__mark(&r->head);
    wane__heap_free(&r->heap, h);
    wane__unmark(&r->head);
    wane__after_frees(r);
}

/* Frees all blocks that are kept back (heap/quarantine.h). Outside brackets; waits for nothing. False: there was none. */
bool wane__end_quarantine(struct wane__record *r);
/* The same with some of those that are too many since the option was lowered. */
bool wane__shrink_quarantine(struct wane__record *r);

/* Keeps a unit: pushes it to r's `kept` queue, or, when memory is out and that is full, parks it. */
void wane__keep(struct wane__record *r, struct wane__header *h);

/* In the child of a fork: what vanished threads kept for later. */
void wane__death_fork_child(const struct wane__record *self);

#endif
