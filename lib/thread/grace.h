/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * thread/grace.h: grace periods, and what waits for them.
 *
 * A grace period is a span in which every guard and bracket that was open at its start has ended. It is a state
 * machine that anybody may push on (wane__grace_step): start it when something waits, look whether all threads have
 * passed, end it. Nobody blocks in it; a long guard only keeps it from ending.
 *
 * What waits: the words in each record's `deferred` queue, deferred functions, and blocks whose memory must not be
 * handed out while a weak reference may still be looking at it.
 */
#ifndef WANE_THREAD_GRACE_H
#define WANE_THREAD_GRACE_H

#include <wane/guard.h>

#include "thread/record.h"

enum wane__grace { WANE__GRACE_IDLE, WANE__GRACE_WAITING, WANE__GRACE_BUSY };

/*
 * One step. Returns IDLE when nothing waits for a grace period, WAITING while one is under way, BUSY when another
 * thread is stepping. Any thread outside a bracket; never blocks.
 */
enum wane__grace wane__grace_step(void);

/* Asks for a grace period though nothing waits in a queue. Returns those begun so far: it has ended when `ended` exceeds that. */
uint64_t wane__grace_want(void);

/* Grace periods begun and ended so far. What was deferred before `begun` was read is safe when `ended` exceeds it. */
uint64_t wane__grace_begun(void);
uint64_t wane__grace_ended(void);

/* Whether each thread's bracket was seen clear, after a heavy barrier that the caller made: a few looks, no waiting. */
bool wane__brackets_clear(void);
/* Of one owner, after a barrier that the caller made. */
bool wane__bracket_clear(uint32_t id);
extern const struct wane__bracket_looks wane__bracket_looks;
/*
 * Heavy barrier and wait until each bracket was seen clear once. Not inside a bracket; inside a guard it may be, since
 * it waits for no guard. False: membarrier(2) stopped working, and there is a thread that has not called since; then
 * nothing is known of brackets, and the caller tries again later.
 */
bool wane__bracket_wait(void);
/*
 * The same under a lock of the heap's, where no record can be reaped. False, too: some bracket has lasted for so long that its thread may
 * have ended inside of it. The caller lets go of the lock, and reaps.
 */
bool wane__bracket_wait_under_lock(void);

/* Functions: added by any thread, due after a grace period, taken by whoever may run user code. */
void wane__calls_add(wane_defer_node *node);
uint64_t wane__calls_waiting(void); /* added and not yet reported as done */
/*
 * One thread at a time runs those that are due: begin (false: another does), next, its call, done, next ..., end. A turn
 * runs what was due when it began: what becomes due meanwhile, of functions that add themselves again, is for the next.
 * Who ends it before that leaves the rest to the next.
 */
bool wane__calls_begin(uint32_t id);
wane_defer_node *wane__calls_next(void); /* in order of adding; NULL: none is left, or not all that the turn took are in order */
/* Puts some of what the turn took in order. False: nothing is left to do, or it cannot be done just now. */
bool wane__calls_turn_some(void);
void wane__calls_done(void);
void wane__calls_end(void);
bool wane__calls_due(void); /* or being run */
/*
 * They run in the order in which they were pushed. One whose adding was over when so many had been added is among so many
 * that have run first.
 */
uint64_t wane__calls_added(void);
uint64_t wane__calls_run(void);
/* Sets *xcut to twice the number added, plus bit, while nobody takes those that are due. False: somebody does. */
bool wane__calls_cut(uint64_t *xcut, unsigned bit);

/* Blocks: added by the thread of r, to be freed by any when they are due (life/apply.h). The caller wakes the collector thread. */
void wane__blocks_add(struct wane__record *r, struct wane__header *h);
uint64_t wane__blocks_bytes(void); /* of those that are not freed */
/*
 * Takes blocks of `from` that are due: begin (false: there are none, or a step is under way), next, which the caller frees before it
 * asks for another, end. Forks and steps wait meanwhile: a few blocks at a time. Outside brackets.
 */
bool wane__blocks_begin(const struct wane__record *from);
struct wane__header *wane__blocks_next(struct wane__record *from); /* NULL: there is no more */
void wane__blocks_end(struct wane__record *from);

/* Age of the oldest guard that a grace period waits for, in ns; 0 when none does. */
uint64_t wane__oldest_guard(void);

void wane__grace_fork_prepare(void);
void wane__grace_fork_parent(void);
void wane__grace_fork_child(uint32_t self); /* id of the thread that forked, 0: not attached */

#endif
