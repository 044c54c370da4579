/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/guard.h: read-side sections, and functions that run after all sections that were open have ended.
 *
 * Inside a guard a pointer borrowed from a slot (wane_slot_peek) stays valid until the guard ends, provided that the
 * reference under which it was read is not released, given away or handed over meanwhile. Guards nest and never wait.
 * They delay nothing but the reclamation of memory.
 */
#ifndef WANE_GUARD_H
#define WANE_GUARD_H

#include <wane/layout.h>

WANE__BEGIN

WANE_API void wane__guard_enter_slow(void);
WANE_API void wane__guard_leave_slow(void);

/*
 * Enters a guard.
 * Threads: any; wait-free after the thread's first call; no memory barrier where membarrier(2) works. May be called
 * inside a guard and in every callback but `trace`.
 */
WANE_INLINE void wane_guard_enter(void) {
    struct wane__thread *t = wane__self;
    uint64_t epoch = wane__load_acquire(&wane__epoch); /* [order:guard] */
    if (wane__likely(t->nest == 0 && (int64_t)epoch > 0)) {
        wane__store_relaxed(&t->guard, epoch);
        wane__compiler_barrier();
        t->nest = 1;
        return;
    }
    wane__guard_enter_slow();
}

/*
 * Leaves the guard that was entered last. A thread that exits inside a guard leaves it.
 * Errors: leaving without having entered ends the program with one line.
 */
WANE_INLINE void wane_guard_leave(void) {
    struct wane__thread *t = wane__self;
    if (wane__likely(t->nest == 1)) {
        t->nest = 0;
        wane__told_release(&t->guard);
        wane__store_release(&t->guard, (uint64_t)0); /* [order:guard] */
        return;
    }
    wane__guard_leave_slow();
}

WANE__HELPER struct wane__once wane__guarded_begin(void) {
    struct wane__once s = {true};
    wane_guard_enter();
    return s;
}

WANE__HELPER void wane__guarded_end(struct wane__once *s) {
    (void)s;
    wane_guard_leave();
}

/*
 * WANE_GUARDED { ... }: the block is a guard, which is left at its end, and by return, goto and C++ exceptions; break and
 * continue leave the block itself, not a loop around it. Leaving it by longjmp is an error. Compilers see a loop: where the block
 * returns a value, they may want another return behind it.
 */
#define WANE_GUARDED WANE__ONCE(wane__guarded_begin, wane__guarded_end)

/*
 * Runs fn(arg) after every guard that is open now, in any thread, has ended: for memory that readers may still see.
 * What one thread adds runs in the order of its calls, on the collector thread or wherever the table in wane.h says
 * that user code may run.
 *
 * fn: not NULL. arg: what it is called with.
 * Returns 0, -ENOMEM, -EAGAIN (no thread record), or -EINVAL when fn is NULL.
 * Threads: any; lock-free except for its malloc; may be called inside a guard.
 */
WANE_API int wane_defer(void (*fn)(void *arg), void *arg);

/* As wane_defer, with memory of the caller's, which cannot fail: the node must stay until fn is called, which may free it. */
typedef struct wane_defer_node {
    struct wane_defer_node *wane__next;
    void (*wane__fn)(void *arg);
    void *wane__arg;
} wane_defer_node;
WANE_API void wane_defer_node_add(wane_defer_node *node, void (*fn)(void *arg), void *arg);

WANE__END

#endif
