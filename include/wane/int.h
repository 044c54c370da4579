/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/int.h: integers as objects. Immutable.
 */
#ifndef WANE_INT_H
#define WANE_INT_H

#include <wane/object.h>

WANE__BEGIN

/* An integer, and the type of all of them. */
typedef struct wane_int wane_int;
extern WANE_API wane_type wane_int_type;

/*
 * An integer as an object. Those from -5 to 256, or to what the option `small_int_max` said at the first call (0 to
 * 65,535), are immortal, made once, and always the same object.
 *
 * Returns the object, or NULL with errno as wane_new.
 * Ownership: the caller releases it; for a small one that does nothing.
 * Threads: any; as wane_new. A small one that exists: wait-free, no memory, nothing is written.
 */
WANE_API wane_int *wane_int_new(int64_t value);

/* Its value; 0 for NULL. Threads: any; wait-free. */
WANE_API int64_t wane_int_value(const wane_int *i);

WANE__END

#endif
