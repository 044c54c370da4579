/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/callbacks.h: telling the program that a collection begins or is over.
 */
#ifndef WANE_CYCLE_CALLBACKS_H
#define WANE_CYCLE_CALLBACKS_H

#include <wane/gc.h>

#include "thread/record.h"

/* Calls the program's functions on r's thread, which has the claim on collecting, between collections and in no callback. */
void wane__tell_event(struct wane__record *r, const wane_gc_event *e);

/* 0, -EEXIST, -ENOMEM. */
int wane__callback_add(void (*fn)(const wane_gc_event *e, void *arg), void *arg);
/* 0, -ENOENT. Waits for a call that another thread is in. */
int wane__callback_remove(const struct wane__record *self, void (*fn)(const wane_gc_event *e, void *arg), void *arg);

void wane__callbacks_fork_prepare(void);
void wane__callbacks_fork_parent(void);
void wane__callbacks_fork_child(const struct wane__record *self);

#endif
