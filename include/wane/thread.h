/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/thread.h: threads, and waiting for what was deferred.
 *
 * A thread is attached by its first call that needs a record and detached when it exits. What it leaves behind
 * (deferred decrements, memory) is taken over by the library.
 */
#ifndef WANE_THREAD_H
#define WANE_THREAD_H

#include <wane/base.h>

WANE__BEGIN

/*
 * Attaches the calling thread now, to have the cost and the possible failure at a known place.
 * Returns 0 (also when it is attached already), -EAGAIN when `max_threads` threads are attached, or -ENOMEM.
 */
WANE_API int wane_thread_attach(void);

/*
 * Detaches the calling thread before its exit. It is attached again by its next call. Objects that it made stay
 * valid. Aborts with one line inside a guard or a callback.
 *
 * When no thread is attached any more, the collector thread finishes what waits, and ends: it keeps no process alive.
 * Another is started when a thread attaches again.
 */
WANE_API void wane_thread_detach(void);

/*
 * Returns once every decrement that was deferred before the call, by any thread, is applied, and what died of it is
 * destroyed, however long callbacks take, and in whatever threads; deferred functions that were added before have run. What other
 * threads defer meanwhile does not keep it. What callbacks defer meanwhile is waited for as well, in three steps at most:
 * what is deferred by callbacks of what callbacks deferred, and so on.
 *
 * Returns 0, -EDEADLK inside a callback, or -ENOMEM or -EAGAIN when the thread cannot be attached; it needs no memory
 * otherwise. Aborts with one line inside a guard, outside of callbacks, for which it would wait for ever.
 *
 * It waits for callbacks that other threads are in, if they are part of what it waits for. A callback that waits for a thread
 * which is in wane_flush, in a join or for a lock that this thread holds, would wait for itself; so call it under no lock
 * that a callback takes. After `guard_warn_ms` of waiting the log names the threads that are in callbacks. It also waits for a
 * collection that was open before it was called, or began in the same wave: until that has ended, with its callbacks and the
 * guards that it waits for. The end of a collection that somebody began in steps is done by the flush itself. It does not wait
 * for collections that begin later.
 * Threads: any; waits for guards of other threads; runs user code; synchronizes with the deaths that it caused. If the
 * system takes membarrier(2) away while the program runs, it waits until each thread has called the library once more.
 */
WANE_API int wane_flush(void);

/*
 * As wane_flush, for at most timeout_ns nanoseconds (0: one try; 0 is returned if nothing is pending). It is late by one callback, or
 * what else cannot be divided. -ETIMEDOUT when that was too short; what was not done stays deferred. -EINVAL when negative.
 */
WANE_API int wane_flush_for(int64_t timeout_ns);

/*
 * For event loops: applies what this thread deferred and may be applied by now, and runs deferred functions that are due,
 * whoever added them, unless another thread is at it; what becomes due meanwhile is left to the next call. Never waits.
 * Attaches the thread; does nothing where that fails.
 * Returns how many decrements and functions it applied. Runs user code. Inside a callback it does nothing and returns 0.
 */
WANE_API size_t wane_poll(void);

WANE__END

#endif
