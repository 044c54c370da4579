/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/queued.h: finalizers of types with WANE_TYPE_FINALIZE_QUEUED that wait for wane_run_finalizers.
 *
 * Without a notify function there are none: who does the collector thread's work runs such finalizers where they come due. With one, the
 * last unit of an object whose finalizer is due goes to the queue `queued` of the thread that would have dropped it, flag and all, and the
 * object is alive until wane_run_finalizers takes it out. A unit there is of no wave: a flush does not wait for the program.
 */
#ifndef WANE_LIFE_QUEUED_H
#define WANE_LIFE_QUEUED_H

#include "life/type.h"

/* Whether a notify function is set. */
extern bool wane__xqueued_on_call;
static inline bool wane__queued_on_call(void) { return unlikely(load_relaxed(&wane__xqueued_on_call)); }

/* Whether r's thread leaves the finalizer of an object with that word to others, wherever it is. */
static inline bool wane__finalized_elsewhere(const struct wane__record *r, uint64_t w) {
    if ((wane__type_of(w)->flags & WANE_TYPE_FINALIZE_QUEUED) == 0)
        return false;
    return wane__queued_on_call() ? !r->runs_queued : !r->may_run_queued;
}

/*
 * h has a finalizer that is due, and r's thread one unit of it, which it could not drop: if that is the last, it waits with the
 * flag. False: it is not the last, or memory is out.
 */
bool wane__queue_final(struct wane__record *r, struct wane__header *h);

/* h was found in garbage, and r has taken a unit of it for that: the same, whatever else refers to h. False: memory is out. */
bool wane__queue_final_found(struct wane__record *r, struct wane__header *h);

/* Runs what waits now. Returns how many finalizers ran. May call. */
size_t wane__run_queued(struct wane__record *r);

/*
 * Calls the notify function if finalizers wait that it was not told of; if there is none any more, runs them. For who does the collector
 * thread's work. Returns whether anything was done. May call.
 */
bool wane__tell_queued(struct wane__record *r);
/* Whether that would do something. */
bool wane__queued_untold(void);

/* NULL: none. Waits for a call of the one before that another thread is in. */
void wane__queued_set_notify(const struct wane__record *r, void (*fn)(void *arg), void *arg);

void wane__queued_fork_prepare(void);
void wane__queued_fork_parent(void);
void wane__queued_fork_child(const struct wane__record *self);

#endif
