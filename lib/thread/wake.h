/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * thread/wake.h: telling the collector thread that there is work, and how it may sleep.
 *
 * It announces its sleep (xasleep = 1), makes a heavy barrier and looks at every queue once more before it sleeps
 * without a limit. Whoever adds work stores it first and then loads xasleep: with the barrier on the other side either
 * the sleeper sees the work or the adder sees the announcement. While there is work the thread does not announce, but
 * naps with a limit: so a busy program makes no futex call for it.
 */
#ifndef WANE_THREAD_WAKE_H
#define WANE_THREAD_WAKE_H

#include "os/doze.h"
#include "thread/mode.h"
#include "thread/record.h"

/* ENDED: there was a thread, and it ended since nobody was attached. Whoever is starts it, needed or not: cycles are possible. */
enum { WANE__AWAKE, WANE__ASLEEP, WANE__UNSTARTED, WANE__ENDED };
extern uint32_t wane__xasleep;

/* Set by the layer that has the thread: starts it if it may be started; called when xasleep is UNSTARTED or ENDED. */
extern void (*wane__collector_start)(void);

void wane__wake_slow(void);
void wane__wake_thread_slow(void);

/* After work was added. Not inside a bracket. Keeps errno. */
static inline void wane__wake(void) {
    compiler_barrier();
    if (wane__fences_on())
        fence_seq_cst();
    if (unlikely(load_relaxed(&wane__xasleep) != WANE__AWAKE))
        wane__wake_slow();
}

/*
 * After a bracket in which blocks were freed: a thread may be woken inside, but not made; and memory of large objects is
 * given back by system calls.
 */
void wane__after_frees_slow(struct wane__record *r);
static inline void wane__after_frees(struct wane__record *r) {
    if (unlikely(r->heap.news))
        wane__after_frees_slow(r);
}

/* The same for what is the thread's alone to do, or to start for: an event loop of the program's is not told. */
static inline void wane__wake_thread(void) {
    compiler_barrier();
    if (wane__fences_on())
        fence_seq_cst();
    if (unlikely(load_relaxed(&wane__xasleep) != WANE__AWAKE))
        wane__wake_thread_slow();
}

/*
 * True while the collector thread sleeps and there is nothing that becomes due by itself. A candidate
 * does: whoever sets the first mark of a page while this is true wakes it (count/word.h). As above: the mark first, then this; on
 * the other side this, a heavy barrier, then the marks. May be called inside a bracket: it starts no thread.
 */
extern bool wane__xidle;
void wane__wake_idle(void);

/* After a thread was attached. */
static inline void wane__wake_for_begin(void) {
    compiler_barrier();
    if (wane__fences_on())
        fence_seq_cst();
    if (unlikely(load_relaxed(&wane__xasleep) == WANE__ENDED))
        wane__wake_slow();
}

/*
 * After a thread was detached: a collector thread that sleeps without a limit looks at that, and any that sleeps if it was the
 * last. Starts none.
 */
void wane__wake_for_end(void);

/* Cuts a nap short: for threads that are over a bound. */
void wane__hurry(void);

/* The collector thread: naps for up to limit_ns, without announcing: work does not end it. */
void wane__nap(int64_t limit_ns);
/*
 * Sleeps until there is work, or for limit_ns (negative: no limit), after announcing it and looking again. idle: nothing
 * becomes due by itself, as is said of wane__xidle. True: woken.
 */
bool wane__sleep(bool (*anything_to_do)(void), int64_t limit_ns, bool idle);

/*
 * The collector's lock: held by whoever walks pages, carves them anew or gives them back. No user code under it.
 * Rank: above the locks of types, the registry and the heap.
 */
void wane__collector_lock(void);
bool wane__collector_trylock(void);
void wane__collector_unlock(void);
/* After it was let go, by who takes it again and again: who waits for it comes first. */
void wane__collector_yield(void);
/* The child of a fork has the lock, and nobody else waits for it. */
void wane__collector_fork_child(void);

#endif
