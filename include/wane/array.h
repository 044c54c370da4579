/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/array.h: arrays of numbers, without boxes: Python's array module.
 *
 * Threads: one changes an array at a time, which is the program's to see to; any others read beside it, inside a guard:
 * they load the length first, and then the data, which has at least so many items. Items that are changed while they are
 * read are the program's to order. Wait-free but for memory; no user code.
 * Errors, for all: -EINVAL (a pointer is NULL), -ERANGE (beyond the end), and of what needs memory -ENOMEM, -EAGAIN or
 * -EOVERFLOW as wane_new; then the array is as it was. Storage grows and is never given back before the array dies.
 */
#ifndef WANE_ARRAY_H
#define WANE_ARRAY_H

#include <wane/object.h>

WANE__BEGIN

/* An array, and the type of all of them. */
typedef struct wane_array wane_array;
extern WANE_API wane_type wane_array_type;

/* Integers with and without sign, by bits; float and double. */
typedef enum { WANE_I8, WANE_U8, WANE_I16, WANE_U16, WANE_I32, WANE_U32, WANE_I64, WANE_U64, WANE_F32, WANE_F64 } wane_item;

/* An array of n zeros. Returns a new unit, or NULL with errno (EINVAL: no such kind). */
WANE_API wane_array *wane_array_new(wane_item kind, size_t n);

/* The kind of the items, their size in bytes, their number. For NULL: WANE_I8, 0, 0. */
WANE_API wane_item wane_array_kind(const wane_array *a);
WANE_API size_t wane_array_item_size(const wane_array *a);
WANE_API size_t wane_array_len(const wane_array *a);

/*
 * The items, in a row, 16-aligned. Good until the next call that changes the length, and inside a guard until that ends. NULL
 * where there never was an item.
 */
WANE_API void *wane_array_data(wane_array *a);

/* Makes the length n; new items are zero. Makes room for n items, so that no call needs memory up to there. */
WANE_API int wane_array_resize(wane_array *a, size_t n);
WANE_API int wane_array_reserve(wane_array *a, size_t n);

/* Adds one item, or n, at the end, or before item `at`. They are copied, and may be items of the array itself. */
WANE_API int wane_array_append(wane_array *a, const void *item);
WANE_API int wane_array_extend(wane_array *a, const void *items, size_t n);
WANE_API int wane_array_insert(wane_array *a, size_t at, const void *items, size_t n);

/* Takes n items out, from item `at` on: -ERANGE if there are not so many, and nothing is done. */
WANE_API int wane_array_remove(wane_array *a, size_t at, size_t n);

/* Copies item `at` out, or in. get: also beside the thread that changes the array. */
WANE_API int wane_array_get(const wane_array *a, size_t at, void *ret_item);
WANE_API int wane_array_set(wane_array *a, size_t at, const void *item);

WANE__END

#endif
