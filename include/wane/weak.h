/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/weak.h: references that do not keep their target alive.
 *
 * A weak reference is an object itself: retain, release and slots work on it. It never yields a dead object, and never
 * NULL for one that stays alive.
 */
#ifndef WANE_WEAK_H
#define WANE_WEAK_H

#include <wane/object.h>

WANE__BEGIN

typedef struct wane_weak wane_weak;

/* How a weak reference, or whoever waits for a death, hangs on its target. Private. */
struct wane__weak_link {
    struct wane__header *wane__target; /* atomic */
    struct wane__weak_link *wane__next, *wane__previous, *wane__chain;
};

/*
 * Makes a weak reference to obj. As many as are wanted may refer to one object.
 *
 * obj: borrowed; the caller holds a unit of it. callback: NULL, or called once with the reference and arg when obj has died: its
 * finalizer has run, its slots are empty, and this and all other references to it say so. It is not called when the reference
 * died before obj, or is garbage together with it. It runs where `destroy` may, outside of all locks, and may release the reference's
 * units. arg: handed to callback and free_arg. free_arg: NULL, or called once with arg: after the callback, or when the
 * reference is destroyed without one.
 * Returns a new object that the caller releases, or NULL with errno ENOMEM or EAGAIN as wane_new, or EINVAL when obj is
 * NULL: then arg stays the caller's.
 * Threads: any; takes a short lock; runs no user code.
 */
WANE_API wane_weak *wane_weak_new(void *obj, void (*callback)(wane_weak *w, void *arg), void *arg);
WANE_API wane_weak *wane_weak_new_free(void *obj, void (*callback)(wane_weak *w, void *arg), void *arg,
                                       void (*free_arg)(void *arg));

/*
 * How many weak references and weak slots refer to obj now; 0 for NULL.
 * Threads: any; takes a short lock, under which they are counted.
 */
WANE_API size_t wane_weak_count(const void *obj);

/*
 * A weak reference that is a field, without an object of its own and without a callback. All zero bytes are an empty one. Any thread
 * may use it at any time, as a wane_slot, while what it is in stays. The library does not empty it when that dies: `destroy`
 * does, with wane_weak_slot_clear, and whoever frees malloc'ed memory that it is in. It must not be copied or moved.
 */
typedef struct wane_weak_slot {
    struct wane__weak_link wane__link;
} wane_weak_slot;
#define WANE_WEAK_SLOT_EMPTY {{NULL, NULL, NULL, NULL}}

/*
 * set: makes the slot refer to obj (borrowed, and held; NULL empties it). Returns 0; no memory is needed.
 * get: as wane_weak_get; somebody who gets while another sets finds one or the other. clear: empties it.
 * Threads: any; set and clear take a short lock, get waits as wane_weak_get; run no user code. get and clear leave errno alone.
 */
WANE_API int wane_weak_slot_set(wane_weak_slot *s, void *obj);
WANE_API void *wane_weak_slot_get(wane_weak_slot *s);
WANE_API void wane_weak_slot_clear(wane_weak_slot *s);

/*
 * The target as a new unit, or NULL when it is dead (or w is NULL).
 *
 * Threads: any; lock-free, but while the collector decides about the target: then it waits, in a guard too, for as long as it takes to
 * look at all weakly referenced objects of the same dead structure, which counts as a stall. Runs no user code; may be called
 * inside a guard and in every callback but `trace`.
 */
WANE_API void *wane_weak_get(wane_weak *w);

/*
 * For objects of types with WANE_TYPE_INDEXED, found in an index that holds no unit: a new unit, or NULL when obj is dead
 * (or NULL). Never a dead object, and never NULL for one that stays alive.
 *
 * obj: read from the index inside the guard that the caller is in, and removed from there by the object's `destroy` or by a function
 * of wane_on_death; or borrowed or held. Ownership: the caller releases the unit.
 * Threads, waiting: as wane_weak_get. Leaves errno alone.
 */
WANE_API void *wane_upgrade(void *obj);

/* The caller's memory, for wane_on_death. */
typedef struct wane_death_node {
    struct wane__weak_link wane__link;
    void (*wane__fn)(void *obj, void *arg);
    void *wane__arg;
} wane_death_node;

/*
 * Calls fn(obj, arg) once, when obj has died and before its `destroy`: for an index over objects of somebody else's type. obj
 * is dead, its weak references are cleared and its slots empty; fn may look at the rest of it, and must not retain it.
 *
 * obj: held; of a type with WANE_TYPE_INDEXED. node: stays until fn is called, which may free it if nobody takes it back, or until
 * wane_off_death has returned. fn, arg: several functions for one object are called in no order that is promised, each where `destroy` may run.
 * Returns 0, or -EINVAL (obj, node or fn is NULL, or the type is not INDEXED); no memory is needed.
 * Threads: any; takes a short lock; runs no user code.
 */
WANE_API int wane_on_death(void *obj, wane_death_node *node, void (*fn)(void *obj, void *arg), void *arg);

/*
 * Takes that back. True: fn will not be called, and the node is the caller's again. False: it was or is being called.
 *
 * obj: the same address; it may be dead, and is not looked at. node: what was added, or all zero bytes. It is looked at: who may call this
 * leaves its memory alone until it has returned, in fn too.
 * Threads: any; takes a short lock, whose length does not depend on how many nodes there are; runs no user code.
 */
WANE_API bool wane_off_death(void *obj, wane_death_node *node);

WANE__END

#endif
