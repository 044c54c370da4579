/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/inspect.h: who refers to whom, while other threads run.
 *
 * Each call sees a state of each object that there was during the call, and not one state of all. Objects whose maker has not
 * filled them yet are seen too: a callback reads no payload that it does not know to be published.
 *
 * The functions with a callback hold the object during the call of `each`, which ends the walk by returning false;
 * they return how many calls they made. `each` is called under no lock and may do what any callback may; a collect inside returns 0.
 * Afterwards the objects that were shown are candidates of the collector.
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
 * All tracked objects of a generation (0, 1, 2), or of all (-1), frozen ones included. A generation that does not exist: 0.
 *
 * Threads: any; waits for other collections, looks at the whole heap, runs user code. Inside a guard it aborts with one
 * line; in a callback in a guard it shows nothing. Without memory: errno is ENOMEM, and it ends early.
 */
WANE_API size_t wane_gc_get_objects(int generation, bool (*each)(void *obj, void *arg), void *arg);

/*
 * The objects that have a slot with obj in it, each once, of types with WANE_TYPE_ACYCLIC too. Slots that are in no object, and units
 * on stacks, have no referrer.
 *
 * obj: held or borrowed by the caller; NULL: 0.
 * each: called with each referrer, which is held meanwhile; false ends the walk.
 * arg: given to each.
 * Returns how many calls it made. Threads and errors: as wane_gc_get_objects.
 */
WANE_API size_t wane_gc_get_referrers(void *obj, bool (*each)(void *referrer, void *arg), void *arg);

/*
 * What obj's slots name, each slot for itself: what two slots name comes twice; untracked objects too.
 *
 * obj: held or borrowed by the caller; NULL: 0.
 * each: called with what a slot names, which is held meanwhile; false ends the walk.
 * arg: given to each.
 * Returns how many calls it made.
 * Threads: any, in a guard and in callbacks too; waits for nobody; runs user code.
 */
WANE_API size_t wane_gc_get_referents(void *obj, bool (*each)(void *referent, void *arg), void *arg);

/*
 * Why obj is alive: writes to `out` how many units of it there are, and how many of them are held from outside, which is by
 * anything but a slot of an object: by the caller, by other stacks, by slots that are in no object. Then the shortest chain of objects and slots that
 * leads to it from another object which is held from outside, with the same figures of that.
 *
 * obj: held or borrowed; an object of a dead cycle too, as long as nothing is collected.
 * out: where the text goes.
 * Returns 0; -ESRCH when nothing from outside holds it, so that it is garbage, or when it is dead (or NULL); -EINVAL when out is NULL;
 * -ENOMEM (it needs some 60 bytes for each object that has slots); -EAGAIN; -EDEADLK inside a callback in a guard.
 * Threads: any; as wane_gc_get_objects. What other threads change meanwhile may show as units from outside. Applies what
 * was deferred first, but in a callback.
 */
WANE_API int wane_gc_explain(void *obj, FILE *out);

WANE__END

#endif
