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
 * Attaches the calling thread now, so that the cost and a possible failure come at a known place.
 *
 * Returns 0, also when the thread is attached already; -EAGAIN when `max_threads` threads are attached; or -ENOMEM.
 */
WANE_API int wane_thread_attach(void);

/*
 * Detaches the calling thread before its exit. Its next call attaches it again. Objects that it made stay valid.
 * Errors: inside a guard or a callback it ends the program with one line.
 *
 * When no thread is attached any more, the collector thread finishes what is pending and ends, so it keeps no process
 * alive. The library starts another one when a thread attaches again.
 */
WANE_API void wane_thread_detach(void);

/*
 * Waits until every decrement that any thread deferred before the call is applied, everything that died of that is
 * destroyed, and every deferred function that was added before has run, however long callbacks take and on whatever
 * thread they run. What other threads defer meanwhile is not waited for. What callbacks defer meanwhile is waited for
 * as well, up to three steps deep: what callbacks deferred, what callbacks of that deferred, and so on.
 *
 * Returns 0; -EDEADLK inside a callback; -ENOMEM or -EAGAIN when the thread cannot be attached. It needs no memory
 * otherwise.
 * Errors: inside a guard, outside of callbacks, it would wait for ever: it ends the program with one line.
 *
 * It waits for callbacks that other threads are running, if they are part of what it waits for. If such a callback
 * waits for the thread that flushes, by a join or for a lock that this thread holds, both wait for ever. So call it
 * under no lock that a callback takes. After `guard_warn_ms` the log names the thread that runs the callback. It also
 * waits for a collection that was open before the call, or that began at the same time, with its callbacks and the
 * guards that it waits for; it finishes a collection that somebody began in steps. It does not wait for collections
 * that begin later. If other threads extend a list faster than it can be destroyed, a flush, like any release, may
 * not finish.
 * Threads: any; waits for guards of other threads; runs user code. What it destroyed happened before its return. If
 * the system takes membarrier(2) away while the program runs, it waits until each thread has called the library once
 * more.
 */
WANE_API int wane_flush(void);

/*
 * As wane_flush, for at most timeout_ns nanoseconds. With 0 it tries once, and succeeds if nothing is pending. It may
 * be late by one callback, or by something else that cannot be divided.
 *
 * Returns 0; -ETIMEDOUT when the time was too short (what was not done stays deferred); -EINVAL when timeout_ns is
 * negative; otherwise as wane_flush.
 */
WANE_API int wane_flush_for(int64_t timeout_ns);

/*
 * For event loops: applies what this thread has deferred and may be applied by now, and runs deferred functions that
 * are due, whoever added them, unless another thread is running them. What becomes due meanwhile is left to the next
 * call. It never waits. It attaches the thread, and does nothing if that fails.
 *
 * Returns how many decrements and functions it applied. Inside a callback it does nothing and returns 0.
 * Threads: any; runs user code.
 */
WANE_API size_t wane_poll(void);

WANE__END

#endif
