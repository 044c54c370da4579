/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * thread/mode.h: brackets and guards as the library's own functions mark them, and which side fences.
 *
 * Normally membarrier(2) completes the compiler barriers of brackets and guards. Where it does not work, or stops to
 * (a sandbox that was entered after the start), fences are on: the global epoch carries the top bit, which sends
 * guards to their slow path, and each record's `match` is WANE__MATCH_NOBODY, which sends counting to its own. There
 * every mark is followed by a sequentially consistent fence. A thread whose marks may still lack it, because it has
 * taken no slow path since, holds up all grace periods and bracket waits: xknows_fences is 0 until it has.
 */
#ifndef WANE_THREAD_MODE_H
#define WANE_THREAD_MODE_H

#include <wane/guard.h>

#include "base/atomic.h"
#include "base/sanitize.h"

struct wane__record;

#define WANE__EPOCH_FENCES ((uint64_t)1 << 63)

extern uint32_t wane__xfences;

static inline bool wane__fences_on(void) { return unlikely(load_relaxed(&wane__xfences) != 0); }

/* Chosen once, before the first record; `works` as wane__barrier_init said. */
void wane__mode_init(bool works);

/* The heavy barrier. If it fails now, fences are turned on for good, and it is complete by the rule above. */
void wane__heavy(void);

/*
 * The thread of t, which is the caller, has seen that fences are on. At any point, in marks without fence too: whoever
 * reads the new xknows_fences reads these marks as well, and waits for them.
 */
void wane__learn_fences(struct wane__thread *t);

/* Whether all threads know what marks they have to make. If not, no bracket wait would end before they call. */
bool wane__fences_known(void);

/* The bracket, for functions of the library. They do not nest. */
static inline void wane__mark(struct wane__thread *t) {
    wane__bracket_enter(t);
    if (wane__fences_on()) {
        wane__learn_fences(t);
        fence_seq_cst();
    }
}

static inline void wane__unmark(struct wane__thread *t) {
    wane__tsan_release(&t->bracket);
    wane__bracket_leave(t);
}

/*
 * The guard, for functions of the library, which call `trace` in it. A program's own guards are instrumented with it; of these a
 * ThreadSanitizer in the program must be told, or it takes what `trace` reads for a race with what frees it afterwards.
 */
static inline void wane__guard_enter(void) { wane_guard_enter(); }

static inline void wane__guard_leave(void) {
    wane__tsan_release(&wane__self->guard);
    wane_guard_leave();
}

#endif
