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
 * Makes a weak reference to obj. An object may have any number of them.
 *
 * obj: borrowed; the caller holds a reference to it. callback: NULL, or called once with the weak reference and arg
 * when obj has died. By then obj's finalizer has run, its slots are empty, and all weak references to it yield NULL.
 * It is not called if the weak reference died before obj, or is garbage together with it. It runs where `destroy` may
 * run, outside of all locks, and may release references to the weak reference. arg: handed to callback and free_arg.
 * free_arg: NULL, or called once with arg, after the callback, or when the weak reference is destroyed without one.
 * Returns a new object that the caller releases, or NULL with errno ENOMEM or EAGAIN as wane_new, or EINVAL when obj
 * is NULL. After a failure arg is still the caller's.
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
 * A weak reference that is a field: without an object of its own, and without a callback. All zero bytes are an empty
 * one. Any thread may use it at any time, like a wane_slot, while what it is in stays. The library does not empty it
 * when that dies: call wane_weak_slot_clear in `destroy`, and before freeing malloc'ed memory that contains one. It
 * must not be copied or moved.
 */
typedef struct wane_weak_slot {
    struct wane__weak_link wane__link;
} wane_weak_slot;
#define WANE_WEAK_SLOT_EMPTY {{NULL, NULL, NULL, NULL}}

/*
 * set: makes the slot refer to obj (borrowed, and held; NULL empties it). Returns 0; needs no memory.
 * get: as wane_weak_get. Beside a set it finds the old target or the new one. clear: empties the slot.
 * Threads: any; set and clear take a short lock, get waits as wane_weak_get does; run no user code. get and clear
 * leave errno alone.
 */
WANE_API int wane_weak_slot_set(wane_weak_slot *s, void *obj);
WANE_API void *wane_weak_slot_get(wane_weak_slot *s);
WANE_API void wane_weak_slot_clear(wane_weak_slot *s);

/*
 * The target as a new reference, or NULL when it is dead, or w is NULL.
 *
 * Threads: any; lock-free, except while the collector decides about the target. Then it waits, in a guard too, for as
 * long as it takes to look at all weakly referenced objects of the same dead structure; that counts as a stall. Runs
 * no user code. May be called inside a guard and in every callback except `trace`.
 */
WANE_API void *wane_weak_get(wane_weak *w);

/*
 * For objects of types with WANE_TYPE_INDEXED that were found in an index which holds no reference. Returns a new
 * reference, or NULL when obj is dead or NULL. It never returns a dead object, and never NULL for one that stays
 * alive.
 *
 * obj: read from the index inside the guard that the caller is in, and removed from the index by the object's
 * `destroy` or by a function of wane_on_death; or borrowed or held. Ownership: the caller releases the reference.
 * Threads: any; waits as wane_weak_get does. Leaves errno alone.
 */
WANE_API void *wane_upgrade(void *obj);

/* The caller's memory, for wane_on_death. */
typedef struct wane_death_node {
    struct wane__weak_link wane__link;
    void (*wane__fn)(void *obj, void *arg);
    void *wane__arg;
} wane_death_node;

/*
 * Calls fn(obj, arg) once, when obj has died and before its `destroy`: for an index over objects of somebody else's
 * type. By then weak references to obj are cleared and its slots are empty. fn may look at the rest of obj, and must
 * not retain it.
 *
 * obj: held; of a type with WANE_TYPE_INDEXED. node: stays until fn is called, which may free it if nobody takes it
 * back, or until wane_off_death has returned. fn, arg: if an object has several functions, their order is not
 * promised; each is called where `destroy` may run.
 * Returns 0, or -EINVAL (obj, node or fn is NULL, or the type is not INDEXED); needs no memory.
 * Threads: any; takes a short lock; runs no user code.
 */
WANE_API int wane_on_death(void *obj, wane_death_node *node, void (*fn)(void *obj, void *arg), void *arg);

/*
 * Takes back a wane_on_death. True: fn will not be called, and the node is the caller's again. False: fn was called
 * or is being called.
 *
 * obj: the same address. The object may be dead; it is not looked at.
 * node: what was added, or all zero bytes. It is looked at: whoever may call this leaves the node's memory alone until
 * it has returned, in fn too.
 * Threads: any; takes a short lock, whose length does not depend on how many nodes there are; runs no user code.
 */
WANE_API bool wane_off_death(void *obj, wane_death_node *node);

WANE__END

#endif
