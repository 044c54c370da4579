/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/generations.h: when which generation is collected.
 */
#ifndef WANE_CYCLE_GENERATIONS_H
#define WANE_CYCLE_GENERATIONS_H

#include <wane/gc.h>

#include "cycle/policy.h"
#include "thread/record.h"

/* The collector thread, each round: collects if it is time. Returns whether it did. */
bool wane__collect_if_due(struct wane__record *r);

/* Nanoseconds until something may be due of itself; negative: nothing will be as things are. The collector thread. */
int64_t wane__age_delay(void);

/* The same in a process that is idle; 0: the next call of collect_if_due looks at all candidates. */
int64_t wane__idle_delay(void);

/* The same by order of the collector thread, however busy the process is. False: there are none, or they may not be looked at yet. */
bool wane__idle_now(void);

/* Whether bytes have grown so much that a collection is due, and it may be tried: not soon after one failed. */
bool wane__growth_calls(void);

/*
 * Any thread: some of a collection, until the deadline; one that is open, or one that is due, or one for candidates,
 * as wane__policy_step says. Returns 1 if there was one, 0 if not or when another thread collects, -ENOMEM when it was given up.
 */
int wane__collect_slice(struct wane__record *r, uint64_t deadline, enum wane__eagerness eagerness);

/*
 * Nanoseconds until that would find something to do; negative: nothing is known of. *ret_waits: another
 * thread is at a collection.
 */
int64_t wane__step_delay(bool *ret_waits);

/* Whether one is open that nobody is at. */
bool wane__collection_unfinished(void);

/*
 * Goes on with a collection that somebody left open, unless another thread does, until the deadline. False: there is
 * more.
 */
bool wane__collect_rest(struct wane__record *r, uint64_t deadline);

/* A thread that asks: waits for its turn, collects until nothing more is found. 0 or -ENOMEM. */
int wane__collect_now(struct wane__record *r, int generation, wane_gc_event *ret);

/*
 * The claim on collecting, for who looks at the heap without: waits for whoever has it, and finishes a collection that is
 * open. True: the caller gives it back; false: it is the caller's already, whose callback this is. In a callback a
 * collection may be open, between two of its steps. In no guard.
 */
bool wane__collector_claim(struct wane__record *r);
void wane__collector_unclaim(bool claimed);

/* Forgets that collections were in vain: threshold0 means what it says again. */
void wane__generations_reset(void);

void wane__generations_count(unsigned ret[3]);
void wane__generations_stats(wane_gc_stats ret[3]);
uint64_t wane__cycles_collected(void);

/* Whether collections may start by themselves: enable and disable set, pause and resume count. */
void wane__automatic_set(bool enabled);
bool wane__automatic_enabled(void);
void wane__automatic_pause(void);
void wane__automatic_resume(void);

void wane__generations_fork_prepare(void);
void wane__generations_fork_parent(void);
void wane__generations_fork_child(const struct wane__record *self);

#endif
