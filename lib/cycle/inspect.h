/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/inspect.h: objects, who refers to them, and what they refer to, shown to a callback. r is the caller's record, in no
 * guard but for the referents.
 */
#ifndef WANE_CYCLE_INSPECT_H
#define WANE_CYCLE_INSPECT_H

#include <stdio.h>

#include "thread/record.h"

typedef bool wane__each(void *obj, void *arg);

size_t wane__show_objects(struct wane__record *r, int generation, wane__each *each, void *arg);
size_t wane__show_referrers(struct wane__record *r, const void *obj, wane__each *each, void *arg);
size_t wane__show_referents(struct wane__record *r, void *obj, wane__each *each, void *arg);

/* explain.c: 0, -ESRCH, -ENOMEM, -EAGAIN. */
int wane__explain(struct wane__record *r, void *obj, FILE *out);

/* frozen.c */
void wane__freeze(struct wane__record *r);
void wane__unfreeze(struct wane__record *r);
size_t wane__count_frozen(struct wane__record *r);
void wane__frozen_fork_child(const struct wane__record *self);

#endif
