/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/lock.h: what excludes the writers of one container.
 */
#ifndef WANE_VALUE_LOCK_H
#define WANE_VALUE_LOCK_H

/*
 * Between the two the caller is in a guard and the only writer of the container. Short: no user code, no wane_new, no
 * wane_release; slot calls wait for nothing in a guard. One container at a time. A fork waits for
 * writers.
 */
void wane__value_enter(const void *container);
void wane__value_leave(const void *container);

#endif
