/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * trace/snapshot.h: what a snapshot holds.
 */
#ifndef WANE_TRACE_SNAPSHOT_H
#define WANE_TRACE_SNAPSHOT_H

#include <wane/trace.h>

/* The objects of one place and type, with all that is known of them. A snapshot has one row for each. */
typedef wane_trace_line wane__row;

/* Never changes once it is made. */
struct wane_snapshot {
    wane__row *rows;
    size_t n;
    size_t mean; /* bytes between samples; 0: every object was traced */
    char *text;  /* the rows' strings */
    uintptr_t *stacks; /* the rows' stacks */
};

/* A snapshot of copies of these rows, and of all that they point to. NULL with errno. */
wane_snapshot *wane__snapshot_make(const wane__row *rows, size_t n, size_t mean);

#endif
