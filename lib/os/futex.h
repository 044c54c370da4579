/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * os/futex.h: waiting for a word to change.
 *
 * ThreadSanitizer does not see bare futexes: what they order is ordered by the words themselves, which are read and
 * written with acquire and release around them.
 */
#ifndef WANE_OS_FUTEX_H
#define WANE_OS_FUTEX_H

#include <stdint.h>

/* Returns when *word is not `value`, on a wake, a signal, or after timeout_ns (negative: never). Keeps errno. */
void wane__futex_wait(uint32_t *word, uint32_t value, int64_t timeout_ns);

/* Wakes up to n waiters. Keeps errno. */
void wane__futex_wake(uint32_t *word, int n);

#endif
