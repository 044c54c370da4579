/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/background.h: the collector thread.
 */
#ifndef WANE_CYCLE_BACKGROUND_H
#define WANE_CYCLE_BACKGROUND_H

#include <stdbool.h>
#include <stdint.h>

#include "thread/record.h"

/* Lets lower layers start the thread when there is work; once. */
void wane__background_init(void);

/*
 * Ends the thread, after what it is doing. Joins it for up to limit_ns (negative: for ever), unless the caller is that
 * thread. It does not start again. Any thread.
 */
void wane__background_stop(int64_t limit_ns);

/* Whether there is such a thread: what is left to it is done by it. */
bool wane__background_running(void);

/* CPU time of the thread, past and present ones of this process. */
uint64_t wane__background_cpu(void);

/* One round of the collector's work for all records: returns whether anything was done. r is applying nothing. */
bool wane__work(struct wane__record *r);

/* Whether r, which did such a round, need not rest before the next. */
bool wane__work_left(const struct wane__record *r);

/*
 * The same until the deadline, for every record, by a thread that does not want to wait for anybody. Returns whether
 * anything was done.
 */
bool wane__work_slice(struct wane__record *r, uint64_t deadline);

/* Lends the calling thread: it does the collector thread's work until wane__background_stop. 0 or -EBUSY. */
int wane__background_lend(void);

void wane__background_fork_prepare(void);
void wane__background_fork_parent(void);
void wane__background_fork_child(void);

#endif
