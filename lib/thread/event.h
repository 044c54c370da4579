/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * thread/event.h: a descriptor that tells a program's event loop of work.
 *
 * An eventfd. It is armed by who looks for work and finds none; whoever adds work while it is armed makes it readable,
 * once. The looker clears and arms it, makes a heavy barrier, and looks; the adder stores its work and then looks
 * whether it is armed: so either the looker sees the work, or the adder sees that it is armed (as in thread/wake.h). The read-modify-write
 * that decides who writes is the exchange of `armed`. A write may come late, after the descriptor was cleared again: that
 * wakes the loop for nothing, and the next look clears it, as each does.
 */
#ifndef WANE_THREAD_EVENT_H
#define WANE_THREAD_EVENT_H

#include <stdbool.h>

#include "base/atomic.h"
#include "base/check.h"

extern bool wane__xevent_armed;

/* The descriptor, made by the first call; or a negative errno value. */
int wane__event_fd(void);
bool wane__event_exists(void);

/* Clears it and arms it: before a look for work. Outside brackets. */
void wane__event_clear(void);
/* The look found nothing but what waits for others: nobody who adds more to that need tell. */
void wane__event_disarm(void);

/* After work was added. Perhaps inside a bracket. Keeps errno. */
void wane__event_raise_slow(void);
static inline void wane__event_raise(void) {
    if (unlikely(load_relaxed(&wane__xevent_armed)))
        wane__event_raise_slow();
}

/* The child of a fork: a descriptor of its own under the same number. */
void wane__event_fork_child(void);

#endif
