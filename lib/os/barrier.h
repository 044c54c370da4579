/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * os/barrier.h: the heavy half of the asymmetric barrier.
 *
 * Readers and counters order their mark before what they look at with a compiler barrier only. The other side calls
 * wane__barrier_heavy: membarrier(2), PRIVATE_EXPEDITED, is a full fence in each running thread of the process. After
 * it, a mark that is not visible was made, or will be, by a thread that sees all that the caller wrote before.
 *
 * Without membarrier both sides fence: wane__barrier_init returns false, and marks are followed by fence_seq_cst.
 */
#ifndef WANE_OS_BARRIER_H
#define WANE_OS_BARRIER_H

#include <stdbool.h>

/* Registers the process; allowed = false acts as if the kernel had refused. Returns whether membarrier works. */
bool wane__barrier_init(bool allowed);

/* A full fence here and, where membarrier works, in all threads. False: it failed now, and not only for want of memory; nothing was ordered elsewhere. */
bool wane__barrier_heavy(bool works);

#endif
