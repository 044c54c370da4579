/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * trace/heapfile.h: all objects of the heap and their references, as a file.
 */
#ifndef WANE_TRACE_HEAPFILE_H
#define WANE_TRACE_HEAPFILE_H

#include "thread/record.h"

/*
 * 0, -EINVAL, -ENOMEM, -EAGAIN when threads do not know of fences yet, or what the file said. r is the caller's record, in no guard.
 * Under no claim but that of a callback; runs user code.
 */
int wane__heap_write(struct wane__record *r, const char *path);

#endif
