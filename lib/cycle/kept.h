/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/kept.h: objects that were found unreachable and are kept: of uncollectable types, and all of them with
 * WANE_GC_SAVEALL. The list holds a unit of each, until the program takes it.
 */
#ifndef WANE_CYCLE_KEPT_H
#define WANE_CYCLE_KEPT_H

#include "count/count.h"

/* Makes room for n more. Under the claim: nobody else adds. False: memory is out. */
bool wane__kept_reserve(size_t n);
/* No more are added for which room was made. */
void wane__kept_done(void);

/* Adds h, for which there is room, with a unit of its own, unless it has died; it is pinned by r's collection. */
void wane__kept_add(struct wane__record *r, struct wane__header *h);

size_t wane__kept_count(void);

/* Moves up to `max` of them to ret, the oldest first. Any thread. Returns how many. */
size_t wane__kept_take(void **ret, size_t max);

void wane__kept_fork_prepare(void);
void wane__kept_fork_release(void);

#endif
