/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane.h: reference counted objects for threaded programs.
 *
 * What each call promises. "Wait-free": a bounded number of steps, whatever others do, once the thread is attached;
 * "lock-free": waits for no other thread, but where it asks malloc for memory; "short lock": waits at most for threads that
 * are in as short a piece of the library; "waits": as the call's comment says.
 *
 *   call                             waits      user code  in a guard  in a callback  in a signal handler
 *   wane_retain                      wait-free  no         yes         yes            no
 *   wane_release, wane_clear,
 *     wane_set, AUTO, wane_abandon   (1)        yes        yes         yes (2)        no
 *   wane_steal                       wait-free  no         yes         yes            no
 *   wane_release_later               (1)        no         yes         yes            no
 *   wane_new, _new_extra, _new_at,
 *     _new_sized, WANE_NEW,
 *     _new_..._or_abort              (1)        no         yes         yes            no
 *   wane_share, wane_is_unique,
 *     wane_immortalize               lock-free  no         yes         yes            no
 *   wane_refcount, _typeof, _sizeof,
 *     _is_immortal                   wait-free  no         yes         yes            yes
 *   wane_slot_load, _init, _peek,
 *     _peek_locked                   wait-free  no         yes         yes            peek only
 *   wane_slot_store, _give, _swap,
 *     _take, _clear, _cas            (1)        no         yes         yes            no
 *   wane_guard_enter, _leave,
 *     WANE_GUARDED                   wait-free  no         yes         yes            no
 *   wane_defer, wane_defer_node_add  lock-free  no         yes         yes            no
 *   wane_visit, wane_visit_n         wait-free  no         -           trace only     no
 *   wane_weak_new, _new_free,
 *     _count, wane_weak_slot_set,
 *     wane_weak_slot_clear           short lock no         yes         yes            no
 *   wane_weak_get, wane_upgrade,
 *     wane_weak_slot_get             (6)        no         yes         yes            no
 *   wane_on_death, wane_off_death    short lock no         yes         yes            no
 *   wane_thread_attach               short lock no         yes         yes            no
 *   wane_thread_detach               short lock no         aborts      no             no
 *   wane_flush, wane_flush_for       waits (7)  yes        aborts (3)  -EDEADLK       no
 *   wane_poll                        no         yes        yes         returns 0      no
 *   wane_option_set                  (4)        no         yes         yes            no
 *   wane_option_get, _register       (4)        no         yes         yes            no
 *   wane_set_log                     lock-free  no         yes         yes            no
 *   wane_stats_get                   no         no         yes         yes            no
 *   wane_trim                        (5)        no         yes         yes            no
 *   wane_trace_start, _stop, _clear  short lock no         yes         yes            no
 *   wane_trace_is_on, _memory,
 *     _reset_peak, _of               wait-free  no         yes         yes            no
 *   wane_snapshot_take               (5)        no         yes         yes            no
 *   wane_snapshot_top, _compare,
 *     _filter                        lock-free  no         yes         yes            no
 *   wane_snapshot_write, _read,
 *     wane_stats_write               the file   no         yes         yes            no
 *   wane_type_forget                 (5)        no         yes         yes            no
 *   wane_gc_collect, wane_gc_run     waits (7)  yes        aborts      returns 0      no
 *                                                              / -EDEADLK
 *   wane_gc_step                     no         yes        aborts      -EDEADLK       no
 *   wane_gc_wait_ns, wane_event_fd   short lock no         yes         yes            no
 *   wane_collector_run               waits      yes        aborts      -EDEADLK       no
 *   wane_gc_remove_callback          (8)        no         yes         yes            no
 *   wane_gc_add_callback,
 *     _get_unreachable               short lock no         yes         yes            no
 *   wane_gc_get_objects,
 *     _get_referrers, _explain       (9)        yes        aborts      yes (10)       no
 *   wane_leak_report, wane_heap_write (9)     yes        aborts      yes (10)       no
 *   wane_gc_freeze, _unfreeze,
 *     _get_freeze_count              (9)        yes        aborts      yes (10)       no
 *   wane_gc_get_referents            no         yes        yes         yes            no
 *   wane_gc_is_tracked,
 *     _is_finalized                  wait-free  no         yes         yes            no
 *   wane_run_finalizers              no         yes        yes         returns 0      no
 *   wane_set_finalizer_notify        (8)        no         yes         yes            no
 *   other wane_gc_ calls,
 *     WANE_GC_PAUSED                 (4)        no         yes         yes            no
 *   wane_note_external               lock-free  no         yes         yes            no
 *   wane_slots_move,
 *     wane_change_begin, _end        wait-free  no         yes         yes            no
 *   wane_shutdown                    waits (7)  yes        aborts      does nothing   no
 *   wane_version                     wait-free  no         yes         yes            yes
 *
 * (1) Lock-free, except that a thread which has deferred more than `deferred_bytes`, or left as much to others, first helps
 *     and then waits for up to `stall_limit_us`. It never waits inside a guard. A slot call destroys about a thousand
 *     objects at most, and leaves the rest to others. wane_new of a tracked type waits a quarter of that time after
 *     every 64 KiB that the thread makes, while a running collector is far behind with garbage. Outside of guards wane_new
 *     waits until empty memory is given back, as wane_trim does, before it reports that there is none. All of these waits
 *     are counted as stalls.
 *     No call waits for memory otherwise, or ends the program for want of it: if there is no room elsewhere, the objects
 *     themselves have room for what a release or a slot call leaves for later.
 * (2) What dies of it dies when the callback has returned: no callback is called inside a release of another one.
 *     Finalizers of what is released there, or of what `trace` visits in a dying object, run then too, in no guard of
 *     the library's, before the outermost call returns. If there is no memory to remember them, they run later, like
 *     deferred work.
 * (3) Calls that abort in a guard, and return -EDEADLK or nothing in a callback, do the latter in a callback that is in a guard.
 * (4) Waits for nobody, except that the first call of the process reads the environment. Calls that change something may
 *     make a system call, to wake the collector thread or to start it.
 * (5) Waits for whoever is walking the heap's pages: the same calls by other threads, and the collector while it looks for
 *     candidates. wane_trim makes system calls. wane_type_forget and wane_snapshot_take look at every object that there is.
 * (6) Lock-free, except while the collector decides whether the target and what is joined to it are garbage. Then it waits for
 *     the decision, and counts that as a stall.
 * (7) For guards and callbacks of other threads. If a callback waits for a thread that is in such a call, for its end or for a
 *     lock that it holds, both wait for ever. After `guard_warn_ms` the log names the thread that is in the callback.
 * (8) For a call of that callback that another thread is in.
 * (9) For collections of other threads; looks at the whole heap. wane_gc_explain and wane_leak_report also wait as
 *     wane_flush does, except in a callback. wane_heap_write waits for the file, too.
 * (10) In a callback that runs in a guard they show nothing, do nothing, or return -EDEADLK.
 *
 * User code means finalize, destroy, callbacks of weak references, functions of wane_on_death, deferred functions, callbacks
 * of collections, notify functions, and callbacks that are shown objects. It runs only in the calls marked so, and on the
 * collector thread, never under a lock of the library. `trace` may run anywhere, and calls nothing but wane_visit and wane_visit_n.
 *
 * A thread's first call attaches it, which takes a short lock and memory. If it cannot be attached, a call that cannot
 * report that ends the program with one line.
 *
 * No call is a cancellation point; a thread that was cancelled continues to the end of the call that it is in. Leaving a call
 * or a callback by longjmp, pthread_exit or cancellation is an error. Cancellation can do so in two ways: a callback reaches a
 * cancellation point in a thread that was cancelled, since callbacks run with the caller's cancellation state; or the
 * cancellation is asynchronous. A thread that ends inside a callback ends the program, with one line.
 */
#ifndef WANE_H
#define WANE_H

#include <wane/base.h>
#include <wane/control.h>
#include <wane/gc.h>
#include <wane/guard.h>
#include <wane/inspect.h>
#include <wane/object.h>
#include <wane/slot.h>
#include <wane/thread.h>
#include <wane/trace.h>
#include <wane/type.h>
#include <wane/weak.h>

#endif
