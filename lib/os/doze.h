/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * os/doze.h: a short sleep that is no cancellation point.
 *
 * nanosleep(3), usleep(3) and write(2) as the C library has them end a thread that was cancelled, in the middle of what it
 * does: with claims that nobody lets go, and units that nobody has. The library makes such system calls itself.
 */
#ifndef WANE_OS_DOZE_H
#define WANE_OS_DOZE_H

#include <stdint.h>

/* Sleeps for so long, or until a signal. Keeps errno. */
void wane__doze(int64_t ns);

/* Where a thread that asked for it waits for others: a short sleep. Keeps errno. */
void wane__pause_briefly(void);

/*
 * After a lock was let go, by who takes it again and again: those who wait for it, and are counted in *xwanted until they have it, come
 * first. It returns when nobody waits, or after some tenths of a millisecond.
 */
void wane__give_way(const uint32_t *xwanted);

#endif
