/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/deque.h: queues with two ends, which any thread reads and writes.
 *
 * Threads, ownership and errors as in wane/list.h. Pushing and popping take the same time at both ends and in every size, but where
 * storage grows.
 */
#ifndef WANE_DEQUE_H
#define WANE_DEQUE_H

#include <wane/iter.h>

WANE__BEGIN

/* A deque, and the type of all of them. */
typedef struct wane_deque wane_deque;
extern WANE_API wane_type wane_deque_type;

/* An empty deque. max_len: most elements that it holds; a push beyond that drops the one at the other end. 0: no limit. */
WANE_API wane_deque *wane_deque_new(size_t max_len);

/* Adds obj (borrowed) at an end. 0, -EINVAL (obj is NULL), or what memory says: then nothing was dropped either. */
WANE_API int wane_deque_push_back(wane_deque *d, void *obj);
WANE_API int wane_deque_push_front(wane_deque *d, void *obj);

/* Takes the element at an end out, as a new unit. NULL: the deque is empty; errno stays as it was. */
WANE_API void *wane_deque_pop_back(wane_deque *d);
WANE_API void *wane_deque_pop_front(wane_deque *d);

/* The element `at` places behind the front, as a new unit. NULL and ERANGE beyond the end. */
WANE_API void *wane_deque_get(wane_deque *d, size_t at);

/* How many elements there are; 0 for NULL. */
WANE_API size_t wane_deque_len(const wane_deque *d);

/*
 * Brings the last n to the front; for n below 0, the first -n to the back. Others may see it in parts, each a rotation. Of a deque
 * that is iterated on it needs memory: without any, errno says so and nothing is moved.
 */
WANE_API void wane_deque_rotate(wane_deque *d, ptrdiff_t n);

/* Empties the deque. What dies of it dies after a grace period. */
WANE_API void wane_deque_clear(wane_deque *d);

/* As wane_list_iter. */
WANE_API wane_iter *wane_deque_iter(wane_deque *d);

WANE__END

#endif
