/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * trace/leaks.h: the leak report.
 */
#ifndef WANE_TRACE_LEAKS_H
#define WANE_TRACE_LEAKS_H

#include <stdio.h>

#include "thread/record.h"

/*
 * What is alive, to `out`, or, if that is NULL, to the log. Returns how many objects that is, without immortals and what those keep.
 * r is the caller's record, in no guard. Under no claim but that of a callback; runs user code.
 */
size_t wane__report_leaks(struct wane__record *r, FILE *out);

#endif
