/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/list.h: lists of objects, which any thread reads and writes.
 *
 * Threads, for all: any. Reading (len, get, peek, an iterator's steps) is lock-free. Writers of one list exclude each other for as long as
 * the change takes, and run no user code meanwhile. A read beside an insertion or removal in the middle finds at its index
 * what was there before or what is there after. A list may hold itself: cycles through lists are found.
 * Objects are borrowed, and the list takes a unit of its own; NULL is no element. In a guard all may be called but sort and
 * extend, which run user code. NULL for the list: EINVAL.
 * Errors of what needs memory: ENOMEM, EAGAIN, EOVERFLOW as wane_new; then the list is as it was.
 */
#ifndef WANE_LIST_H
#define WANE_LIST_H

#include <wane/iter.h>

WANE__BEGIN

/* A list, and the type of all of them. */
typedef struct wane_list wane_list;
extern WANE_API wane_type wane_list_type;

/* An empty list with room for so many elements. Returns a new unit, or NULL with errno. */
WANE_API wane_list *wane_list_new(size_t reserve);

/* How many elements there are; 0 for NULL. */
WANE_API size_t wane_list_len(const wane_list *l);

/*
 * Adds obj at the end; before element `at`, which is at most the length; in the place of element `at`.
 * Return 0, -EINVAL (obj is NULL), -ERANGE (beyond the end), or what memory says. insert moves all elements behind it.
 */
WANE_API int wane_list_append(wane_list *l, void *obj);
WANE_API int wane_list_insert(wane_list *l, size_t at, void *obj);
WANE_API int wane_list_set(wane_list *l, size_t at, void *obj);

/* Element `at`: as a new unit; borrowed, inside a guard. NULL and ERANGE beyond the end. */
WANE_API void *wane_list_get(wane_list *l, size_t at);
WANE_API void *wane_list_peek(wane_list *l, size_t at);

/*
 * Takes element `at` out; moves those behind it, but for the first and the last. Returns it as a new unit, or NULL and ERANGE
 * beyond the end. Of a list that is iterated on, taking one out of the middle needs memory.
 */
WANE_API void *wane_list_pop(wane_list *l, size_t at);

/*
 * Adds what an iterator (consumed) yields; of the same list, what was there at the start. 0, -EINVAL (l or it is NULL), or the
 * first error, the iterator's or of memory: what was added until then stays. Runs the iterator's user code.
 */
WANE_API int wane_list_extend(wane_list *l, wane_iter *it);

/* Empties the list. What dies of it dies after a grace period. */
WANE_API void wane_list_clear(wane_list *l);

/*
 * Sorts the list by `compare`, which says below 0, 0, or above 0; equal ones keep their order. `compare` runs in no guard and under no
 * lock, and may use the list.
 * Returns 0; -EBUSY when the list was changed meanwhile, and then it is as it was changed; -EINVAL; or -ENOMEM: it takes
 * 24 bytes an element while it sorts. O(n log n).
 */
WANE_API int wane_list_sort(wane_list *l, int (*compare)(const void *a, const void *b, void *arg), void *arg);

/*
 * An iterator over the elements that the list has now; see wane/iter.h. An element that stays is yielded exactly once, whatever other
 * threads, or the loop's body, do to the list; one that was removed, or set to another, may or may not be. While an iterator has not come to
 * its end, or was released before it, the next change in the middle copies the list. NULL and EINVAL for NULL.
 */
WANE_API wane_iter *wane_list_iter(wane_list *l);

WANE__END

#endif
