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

/*
 * Makes a weak reference to obj.
 *
 * obj: borrowed; the caller holds a unit of it. callback, arg: for a later version; callback must be NULL.
 * Returns a new object that the caller releases, or NULL with errno ENOMEM or EAGAIN as wane_new, EINVAL when obj is
 * NULL, or ENOTSUP when callback is not.
 * Threads: any; takes a short lock; runs no user code.
 */
WANE_API wane_weak *wane_weak_new(void *obj, void (*callback)(wane_weak *w, void *arg), void *arg);

/*
 * The target as a new unit, or NULL when it is dead (or w is NULL).
 *
 * Threads: any; lock-free, but while the collector decides about the target: then it waits, in a guard too, for as long as it takes to
 * look at all weakly referenced objects of the same dead structure, which counts as a stall. Runs no user code; may be called
 * inside a guard and in every callback but `trace`.
 */
WANE_API void *wane_weak_get(wane_weak *w);

WANE__END

#endif
