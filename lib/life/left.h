/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/left.h: dead objects that are left to others, because their callbacks may not run where they were found, or there
 * are more of them than the call may destroy.
 *
 * They stand in lists of the record whose thread left them, and count towards its byte bound, and nobody else's. Any
 * thread takes them, a portion at a time: the library's, one that flushes, polls or steps.
 */
#ifndef WANE_LIFE_LEFT_H
#define WANE_LIFE_LEFT_H

#include "life/death.h"

/* Leaves h, which r's thread found dead, to others, and wakes the collector thread. */
void wane__leave_dead(struct wane__record *r, struct wane__header *h);

/* The same of what is on r's lists of dead, in what r has in hand; `to` is charged with it. */
void wane__leave_rest(struct wane__record *r, struct wane__record *to);

/*
 * h was found dead by who un-pinned it: its word, which was w, says whether its death is of a wave. The caller wakes the
 * collector thread, some time.
 */
void wane__unpinned(struct wane__record *r, struct wane__header *h, uint64_t w);

/* Destroys what `from` left, of a wave's parity: what is there now, within the limit (NULL: all of it). Returns how many. */
size_t wane__reap_left(struct wane__record *r, struct wane__record *from, unsigned parity, bool may_call,
                       struct wane__limit *limit);

/* Deaths that were left and not taken up, and their bytes. */
size_t wane__dead_waiting(void);
uint64_t wane__dead_bytes(void);

/* Around a fork. In the child, what vanished threads had found dead is left to others. */
void wane__left_fork_prepare(void);
void wane__left_fork_parent(void);
void wane__left_fork_child(const struct wane__record *self);

#endif
