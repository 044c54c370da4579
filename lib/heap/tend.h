/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/tend.h: how the heap's parts tell the background thread of work.
 */
#ifndef WANE_HEAP_TEND_H
#define WANE_HEAP_TEND_H

#include "heap/heap.h"

/* There is work now: calls the hook unless it was called since the last tend. Outside locks. */
void wane__tend_call(void);

/* The heap of a thread has something that the background takes if the thread stays silent: the same, later. */
void wane__tend_watch(void);

/* A child of fork(), single thread: what was on the way to be given back is not any more. */
void wane__tend_fork_child(void);

#endif
