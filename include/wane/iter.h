/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/iter.h: iterators: one item at a time, in constant memory.
 *
 * An iterator is an object; one that is released halfway lets go of what it holds, and one that hangs on itself is collected. It is used by one thread at a
 * time and may be handed on. Arguments of this header that are iterators are consumed, on failure too.
 */
#ifndef WANE_ITER_H
#define WANE_ITER_H

#include <errno.h>
#include <stdio.h>
#include <wane/object.h>

WANE__BEGIN

/* An iterator, and the type of all of them, of whatever kind. */
typedef struct wane_iter wane_iter;
extern WANE_API wane_type wane_iter_type;

/*
 * The next item as a new unit, or NULL: at the end with errno 0, and else with errno for why. NULL for `it`: EINVAL. After its
 * end an iterator stays there; after an error it may be asked again.
 *
 * Threads: any, one at a time. Runs the user code that the iterator is made of (generators, map, filter), in no guard and under no
 * lock; may wait as far as that does, or as the file that wane_lines reads. Over a list or deque: lock-free.
 */
WANE_API void *wane_iter_next(wane_iter *it);

/*
 * A generator: each item is what next(frame) returns: a new unit, or NULL at the end or with errno for an error; errno is 0 when it is called.
 *
 * frame_type: the type of frame, which is checked; NULL: any.
 * next: the program's function, to which frame is borrowed.
 * frame: an object of the caller's with whatever the generator remembers (consumed); its slots take part in cycles.
 * Returns a new unit, or NULL with errno EINVAL (next or frame NULL, or of another type) or as wane_new; the frame is released then.
 * Threads: any; may run user code only when the frame is released.
 */
WANE_API wane_iter *wane_iter_new(wane_type *frame_type, void *(*next)(void *frame), void *frame);

/*
 * A generator's `next` as a body that goes on where it left off. The frame has a field `int wane_state`, and all variables
 * that must outlive a yield:
 *
 *     static void *count_next(void *self) {
 *         struct count *f = self;
 *         WANE_GENERATOR_BEGIN(f)
 *         for (f->i = 0; f->i < 3; f->i++)
 *             WANE_YIELD(f, wane_int_new(f->i));
 *         WANE_GENERATOR_END(f)
 *     }
 *
 * WANE_YIELD consumes the object. Not two on one line; none in a `switch` of the body's, inside WANE_FOR, or where a
 * WANE_AUTO variable is in scope: it returns, and the next call jumps back to it.
 */
#define WANE_GENERATOR_BEGIN(f)  \
    switch ((f)->wane_state) {   \
    case 0:
#define WANE_YIELD(f, obj)               \
    do {                                 \
        {                                \
            void *wane__yielded = (obj); \
            (f)->wane_state = __LINE__;  \
            return wane__yielded;        \
        }                                \
    case __LINE__:;                      \
    } while (0)
#define WANE_GENERATOR_END(f) \
    }                         \
    (f)->wane_state = -1;     \
    errno = 0;                \
    return NULL;

/* The integers (wane_int) from start up to and without stop; down for a negative step. step 0: NULL and EINVAL. */
WANE_API wane_iter *wane_range(int64_t start, int64_t stop, int64_t step);

/*
 * The lines of a file as strings (wane_str), without the line feed. Takes memory for one line at a time.
 * f: stays the caller's, who closes it after the iterator's last use. NULL: NULL and EINVAL.
 */
WANE_API wane_iter *wane_lines(FILE *f);

/*
 * map: what fn makes of each item (borrowed to fn): a new unit; NULL ends it, with errno for an error.
 * filter: the items (borrowed to fn) for which fn is true. take: the first n. chain: the items of a, then those of b.
 *
 * Return a new unit, or NULL with errno EINVAL (an iterator or fn is NULL) or as wane_new.
 * Threads: any; releasing what was consumed may run user code.
 */
WANE_API wane_iter *wane_iter_map(wane_iter *it, void *(*fn)(void *obj, void *arg), void *arg);
WANE_API wane_iter *wane_iter_filter(wane_iter *it, bool (*fn)(void *obj, void *arg), void *arg);
WANE_API wane_iter *wane_iter_take(wane_iter *it, size_t n);
WANE_API wane_iter *wane_iter_chain(wane_iter *a, wane_iter *b);

/*
 * For each item: WANE_FOR(struct node, n, wane_list_iter(l)) { use n; }. The iterator is consumed. n is released at the
 * end of each turn, and both are when the block is left by break, return or goto; wane_steal keeps n's unit. After the
 * loop errno is 0 if the items were all, or says why there were no more.
 */
#define WANE_FOR(type, var, iterator)                                                                             \
    for (struct wane__for wane__for_##var __attribute__((cleanup(wane__for_end))) = {(iterator), true};           \
         wane__for_##var.once; wane__for_##var.once = false)                                                      \
        for (type *var __attribute__((cleanup(wane__auto))) = NULL; wane__for_next(&wane__for_##var, &var);)

/* Of WANE_FOR alone. */
struct wane__for {
    wane_iter *it;
    bool once;
};
WANE_API bool wane__for_next(struct wane__for *f, void *ret_var);
WANE_API void wane__for_end(struct wane__for *f);

WANE__END

#endif
