/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/str.h: strings. Immutable bytes with their length, a NUL behind the last one, and a hash that is kept.
 *
 * A string may hold any bytes, NUL among them; its length decides. Hashes are keyed with random bytes of the process: they are
 * the same in a child of fork, and differ from run to run.
 *
 * Threads, for all: any; they run no user code. Those that make a string are lock-free but for memory, as wane_new; the others
 * are wait-free. Errors of those that make one: NULL with errno as wane_new, EOVERFLOW when it would be longer than SIZE_MAX/2.
 */
#ifndef WANE_STR_H
#define WANE_STR_H

#include <wane/object.h>

WANE__BEGIN

/* A string, and the type of all of them. */
typedef struct wane_str wane_str;
extern WANE_API wane_type wane_str_type;

/* A string of bytes, which are copied: n of them. NULL with n above 0 is EINVAL. Returns a new unit. */
WANE_API wane_str *wane_str_new(const void *bytes, size_t n);

/* A string of the bytes before the NUL. cstr: NULL is EINVAL. Returns a new unit. */
WANE_API wane_str *wane_str_from(const char *cstr);

/* A string as printf would write it. format: NULL is EINVAL; what printf refuses has printf's errno. Returns a new unit. */
WANE_API wane_str *wane_str_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The bytes of a and then those of b. Both are borrowed; NULL is EINVAL. Returns a new unit, perhaps of a or b itself. */
WANE_API wane_str *wane_str_concat(const wane_str *a, const wane_str *b);

/*
 * A part of a string.
 *
 * s: borrowed; NULL is EINVAL.
 * from: the first byte of it. to: the byte behind its last one. Both are clipped to the length, and from > to gives the
 * empty string.
 * Returns a new unit, of s itself when that is all of it.
 */
WANE_API wane_str *wane_str_slice(const wane_str *s, size_t from, size_t to);

/* Its bytes, good as long as s is held; NULL for NULL. */
WANE_API const char *wane_str_bytes(const wane_str *s);

/* Its length in bytes; 0 for NULL. */
WANE_API size_t wane_str_len(const wane_str *s);

/* Its hash, never 0; 0 for NULL. Computed once. */
WANE_API uint64_t wane_str_hash(const wane_str *s);

/* Whether both have the same bytes; NULL equals NULL alone. */
WANE_API bool wane_str_equal(const wane_str *a, const wane_str *b);

/* Below 0, 0, or above 0, as memcmp; a string comes before those that it begins, and NULL before all. */
WANE_API int wane_str_compare(const wane_str *a, const wane_str *b);

/*
 * The one string of these bytes: the same object for the same bytes, as long as anybody holds it. So two interned strings
 * are equal if and only if their pointers are. The table holds none of them: what nobody holds is gone.
 *
 * bytes: copied if the string is new. n: how many; NULL with n above 0 is EINVAL.
 * Returns a new unit, or NULL with errno as wane_str_new.
 * Threads: finding one that exists takes no lock; a new one takes a short lock, in which the table may grow.
 */
WANE_API wane_str *wane_intern(const void *bytes, size_t n);

/*
 * The one string of the bytes of s, which is consumed, on failure too: s itself, where it is the first. Errors and threads as
 * wane_intern.
 */
WANE_API wane_str *wane_intern_str(wane_str *s);

/* Whether s is the one string of its bytes that wane_intern finds. False for NULL. */
WANE_API bool wane_str_is_interned(const wane_str *s);

/* How many interned strings there are; what has died and is not yet destroyed is among them. */
WANE_API size_t wane_intern_count(void);

WANE__END

#endif
