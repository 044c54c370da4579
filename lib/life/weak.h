/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* life/weak.h: weak references, and who waits for a death, seen from the death of their target. Each takes a short lock. */
#ifndef WANE_LIFE_WEAK_H
#define WANE_LIFE_WEAK_H

#include <wane/weak.h>

#include "count/word.h"

/* Empties all weak references without a callback to h, which is dead. The others say that it is dead, as its word does. */
void wane__weak_clear(struct wane__header *h);

/*
 * Takes one weak reference with a callback from h, which is dead, and a unit of the reference. NULL: there is none left.
 * wane__weak_call then calls its callback and is done with its argument; as wane__call wants it.
 */
wane_weak *wane__next_caller(struct wane__record *r, struct wane__header *h);
void wane__weak_call(void *weak);

/* A function of the user's that is to be called for a dead object. */
struct wane__on_death {
    void (*fn)(void *obj, void *arg);
    void *obj, *arg;
};

/* Takes one such function from h, which is dead. False: there is none left. */
bool wane__next_on_death(struct wane__header *h, struct wane__on_death *ret);

void wane__weak_fork_prepare(void);
void wane__weak_fork_release(void);

#endif
