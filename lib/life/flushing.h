/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/flushing.h: what others leave to the thread that flushes.
 *
 * A flush has the kept units to itself: others settle none meanwhile but their own, when those come to their byte
 * bound, and the collector thread takes on few. So what a death keeps ends in the flushing thread's own queue, and not in
 * hands that it would have to wait for again and again. For a while it may keep collections from beginning too, which
 * hold what dies.
 *
 * Only politeness: what is safe does not depend on it, and it ends by itself. A flush that has not been seen at work for
 * a while is in a callback of the user's, and then the others go on as if there was none.
 */
#ifndef WANE_LIFE_FLUSHING_H
#define WANE_LIFE_FLUSHING_H

#include "thread/record.h"

/* One at a time; false: another is. */
bool wane__flushing_begin(const struct wane__record *r);

/* r's flush is at work: to be said again at every batch. */
void wane__flushing_goes_on(void);

/* No collection by others begins for a second; less, when this flush ends, or is not seen at work. */
void wane__flushing_hold_collections(void);

void wane__flushing_end(void);

/* Whether another has the claim, and is at work. */
bool wane__flushing_other(const struct wane__record *r);

/* Whether another keeps collections from beginning. */
bool wane__flushing_holds(const struct wane__record *r);

void wane__flushing_fork_child(const struct wane__record *self);

#endif
