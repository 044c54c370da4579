/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* life/weak.h: weak references, seen from the death of their target. */
#ifndef WANE_LIFE_WEAK_H
#define WANE_LIFE_WEAK_H

#include "count/word.h"

/* Empties all weak references to h, which is dead. Takes a short lock. */
void wane__weak_clear(struct wane__header *h);

void wane__weak_fork_prepare(void);
void wane__weak_fork_release(void);

#endif
