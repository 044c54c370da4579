/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/inspect.h: who refers to whom, while other threads run.
 *
 * A call sees each object in some state that it had during the call; it does not see all of them at the same moment.
 * It also sees objects that their makers have not filled yet, so a callback must not read a payload unless it knows
 * that the object was published.
 *
 * The functions that take a callback hold the object while `each` runs, and return how many calls they made. `each`
 * ends the walk by returning false. It is called under no lock and may do what any callback may; a collect inside
 * returns 0. Afterwards the objects that were shown are candidates of the collector.
 */
#ifndef WANE_INSPECT_H
#define WANE_INSPECT_H

#include <stdio.h>
#include <wane/base.h>

WANE__BEGIN

/* Whether obj may be part of a cycle, so that the collector looks at it. NULL: false. Threads: any; wait-free. */
WANE_API bool wane_gc_is_tracked(const void *obj);

/*
 * Whether obj's finalizer has run (or was given to a thread to run). NULL, and objects without one: false.
 * Threads: any; wait-free.
 */
WANE_API bool wane_gc_is_finalized(const void *obj);

/*
 * Shows all tracked objects of a generation (0, 1, 2), or of all generations (-1), frozen ones included. Returns 0
 * for a generation that does not exist.
 * Errors: inside a guard it ends the program with one line. In a callback that runs in a guard it shows nothing. If
 * memory is out, errno is ENOMEM and the walk ends early.
 * Threads: any; waits for other collections; looks at the whole heap; runs user code.
 */
WANE_API size_t wane_gc_get_objects(int generation, bool (*each)(void *obj, void *arg), void *arg);

/*
 * Shows the objects that have a slot with obj in it, each once, also those of types with WANE_TYPE_ACYCLIC.
 * References in variables, and in slots that are in no object, have no referrer.
 *
 * obj: held or borrowed by the caller. NULL: 0.
 * each: called with each referrer, which is held meanwhile; false ends the walk.
 * arg: given to each.
 * Returns how many calls it made. Threads and errors: as wane_gc_get_objects.
 */
WANE_API size_t wane_gc_get_referrers(void *obj, bool (*each)(void *referrer, void *arg), void *arg);

/*
 * Shows what obj's slots refer to, slot by slot: an object that two slots refer to is shown twice. Untracked objects
 * are shown too.
 *
 * obj: held or borrowed by the caller. NULL: 0.
 * each: called with what a slot refers to, which is held meanwhile; false ends the walk.
 * arg: given to each.
 * Returns how many calls it made.
 * Threads: any, in a guard and in callbacks too; waits for nobody; runs user code.
 */
WANE_API size_t wane_gc_get_referents(void *obj, bool (*each)(void *referent, void *arg), void *arg);

/*
 * Writes to `out` why obj is alive: how many references to it there are, and how many of them are held from outside,
 * that is, by anything but a slot of an object: the caller, other stacks, slots that are in no object. Then it writes
 * the shortest chain of objects and slots that leads to obj from another object which is held from outside, with the
 * same figures for that one.
 *
 * obj: held or borrowed. It may belong to a dead cycle, as long as nothing is collected.
 * out: where the text goes.
 * Returns 0; -ESRCH when nothing from outside holds obj, so that it is garbage, or when it is dead or NULL; -EINVAL
 * when out is NULL; -ENOMEM (it needs some 60 bytes for each object that has slots); -EAGAIN; -EDEADLK in a callback
 * that runs in a guard.
 * Threads: any; as wane_gc_get_objects. Changes that other threads make meanwhile may show as references from
 * outside. It first applies what was deferred, except in a callback.
 */
WANE_API int wane_gc_explain(void *obj, FILE *out);

WANE__END

#endif
