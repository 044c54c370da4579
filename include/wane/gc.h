/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/gc.h: the cycle collector.
 *
 * It finds groups of objects that only refer to each other and destroys them, while every other thread keeps running.
 * It works by itself, on the collector thread, when enough tracked objects were made; these calls run it at once and
 * tune it. A tracked object is one of a type that has slots and is not WANE_TYPE_ACYCLIC. docs/design/cycle.md.
 */
#ifndef WANE_GC_H
#define WANE_GC_H

#include <wane/type.h>

WANE__BEGIN

/* A collection that takes every tracked object for a candidate. */
#define WANE_GC_FULL 3

/* What was done to one generation. May grow into `reserved`. */
typedef struct wane_gc_stats {
    size_t collections;   /* of this generation */
    size_t collected;     /* objects found unreachable and destroyed */
    size_t uncollectable; /* found unreachable and kept: WANE_TYPE_UNCOLLECTABLE, WANE_GC_SAVEALL */
    size_t candidates;    /* looked at first */
    size_t suspects;      /* armed */
    size_t aborted;       /* for want of memory */
    uint64_t cpu_ns;      /* of the threads that collected */
    size_t reserved[9];
} wane_gc_stats;

enum { WANE_GC_START, WANE_GC_STOP };

/* One collection. With START all figures are 0. */
typedef struct wane_gc_event {
    int phase; /* WANE_GC_START or WANE_GC_STOP */
    int generation; /* 0, 1, 2, WANE_GC_FULL: the same with START and STOP */
    size_t collected, uncollectable, candidates; /* as in wane_gc_stats */
    uint64_t duration_ns; /* since START */
} wane_gc_event;

/*
 * Whether collections start by themselves (they do at first). Explicit ones always work. pause and resume nest, beside
 * enable and disable: collections start by themselves while it is enabled and not paused. A resume without a pause does
 * nothing.
 * Threads: any; wait for nobody; run no user code. What starts collections may wake the collector thread.
 */
WANE_API void wane_gc_enable(void);
WANE_API void wane_gc_disable(void);
WANE_API bool wane_gc_is_enabled(void);
WANE_API void wane_gc_pause(void);
WANE_API void wane_gc_resume(void);

WANE__HELPER struct wane__once wane__gc_paused_begin(void) {
    struct wane__once s = {true};
    wane_gc_pause();
    return s;
}

WANE__HELPER void wane__gc_paused_end(struct wane__once *s) {
    (void)s;
    wane_gc_resume();
}

/*
 * WANE_GC_PAUSED { ... }: no collection starts by itself while a thread is in the block: wane_gc_pause before it, and
 * wane_gc_resume however it is left. As WANE_GUARDED otherwise (wane/guard.h).
 */
#define WANE_GC_PAUSED WANE__ONCE(wane__gc_paused_begin, wane__gc_paused_end)

/*
 * Collects generation 0, 1 or 2 (each with the younger ones) or WANE_GC_FULL, on the calling thread, to the end: what
 * was deferred is applied first, and what is found unreachable is destroyed when the call returns. Generation 2 finds
 * all cycles that are dead when it begins, as far as no other thread works on them.
 *
 * Returns how many unreachable objects it found and destroyed; 0 inside a callback and for a generation that does not exist. What it
 * kept (WANE_TYPE_UNCOLLECTABLE) is not among them: wane_gc_run and wane_gc_get_unreachable tell. When memory is
 * out it finds fewer, or none: the rest stays as it was, to be found by the next. Where several threads collect at once
 * they take turns: each has a collection of its own that began after the call.
 * Aborts with one line inside a guard. Threads: any; waits for other collections and guards; runs user code.
 */
WANE_API size_t wane_gc_collect(int generation);

/*
 * As wane_gc_collect, with errors: 0, -EINVAL (no such generation), -EDEADLK (inside a callback), -ENOMEM (given up for want of
 * memory, or because the system took membarrier(2) away meanwhile; what ret says was found before), -EAGAIN. ret may be NULL.
 */
WANE_API int wane_gc_run(int generation, wane_gc_event *ret);

/*
 * fn(e, arg) is called when a collection begins (WANE_GC_START) and when it is over (WANE_GC_STOP): those that are asked for,
 * once each, on the thread that asks, and STOP comes before the call returns, with what it returns; those that start by themselves, on
 * the collector thread, and those of wane_gc_step, on the thread that steps, or that finishes what a step left. A young
 * collection that starts by itself is done in parts, and told of in parts. Callbacks are called in the order of adding, one at a time,
 * under no lock of the library; as every callback they may allocate, retain, release, use slots, and a collect in one returns 0.
 * One that is added during a call hears of the next event.
 *
 * add: 0, -EINVAL (fn is NULL), -EEXIST (the pair is there), -ENOMEM, -EAGAIN (the thread cannot be attached).
 * remove: 0, -EINVAL, -ENOENT (there is no such pair). When it has returned fn is not called with arg any more, and no
 * call is running; inside the call itself: no further one comes. It waits for a call on another thread: not under a lock that the
 * callback takes. Threads: any, in callbacks too, in these as well; run no user code.
 */
WANE_API int wane_gc_add_callback(void (*fn)(const wane_gc_event *e, void *arg), void *arg);
WANE_API int wane_gc_remove_callback(void (*fn)(const wane_gc_event *e, void *arg), void *arg);

/*
 * What was found unreachable but kept: objects of types with WANE_TYPE_UNCOLLECTABLE, and all objects that would have been
 * destroyed, with WANE_GC_SAVEALL. They are alive, their finalizers have not run, weak references yield them. What else
 * they keep alive is not on the list.
 *
 * Moves up to max of them to ret[], the oldest first, with the list's unit of each, which the caller releases; who
 * releases one without breaking its cycle will find it on the list again. Returns how many it moved. ret NULL: returns
 * how many there are. Threads: any; short lock; runs no user code.
 */
WANE_API size_t wane_gc_get_unreachable(void **ret, size_t max);

/*
 * Lines to the log about each collection, by or'ed flags, from the next one on:
 *
 *   WANE_GC_DEBUG_STATS          when it begins and when it is over, with figures
 *   WANE_GC_DEBUG_COLLECTABLE    what it destroys: objects by type, and which slots of which types formed the cycles, by count
 *   WANE_GC_DEBUG_UNCOLLECTABLE  the same of what it keeps
 *   WANE_GC_SAVEALL              no line: all that it finds is kept, see wane_gc_get_unreachable
 *   WANE_GC_DEBUG_LEAK           the last three
 *
 * The lines about slots cost a look at each object found. Threads: any; wait-free; run no user code.
 */
#define WANE_GC_DEBUG_STATS 1u
#define WANE_GC_DEBUG_COLLECTABLE 2u
#define WANE_GC_DEBUG_UNCOLLECTABLE 4u
#define WANE_GC_SAVEALL 32u
#define WANE_GC_DEBUG_LEAK (WANE_GC_DEBUG_COLLECTABLE | WANE_GC_DEBUG_UNCOLLECTABLE | WANE_GC_SAVEALL)
WANE_API void wane_gc_set_debug(unsigned flags);
WANE_API unsigned wane_gc_get_debug(void);

/*
 * Sets all tracked objects that there are aside: no collection looks at them any more, a full one neither, until
 * wane_gc_unfreeze; so it does not write to their memory. For servers that fork: collect, freeze, fork; a child that collects copies
 * no page of what it inherited. What is frozen is counted as ever, and dies with its last unit; dead cycles of it stay. What refers
 * to it from outside is collected, what it refers to is held by it. Objects that are made afterwards are not frozen.
 *
 * unfreeze: all of them are candidates again. get_freeze_count: how many frozen objects there are now.
 * Threads: any; wait for other collections as wane_gc_collect does, and look at the whole heap; may run user code (what a step left
 * is finished first). Inside a guard they abort with one line.
 */
WANE_API void wane_gc_freeze(void);
WANE_API void wane_gc_unfreeze(void);
WANE_API size_t wane_gc_get_freeze_count(void);

/*
 * Some of the collector's work, on the calling thread, for about budget_ns nanoseconds: for programs that have idle moments in
 * a loop of their own, with or without the collector thread. Applies what was deferred, destroys what is dead, and collects in
 * slices: goes on with the collection that is open, or begins one that is due, or, when there is nothing else to do, one for the
 * candidates that there are, the youngest generation first, then each older one once. Once the program has called wane_gc_wait_ns or
 * wane_event_fd, steps leave candidates alone after a look that found next to nothing, until a hundred times what that took
 * (and 10 ms) has passed. Never waits: where another thread's guard
 * or callback is in the way it returns, and a later step goes on. A slice ends late by
 * what cannot be divided: a callback, the death of one structure, the last decision about weak references; less than 20 us are
 * taken for 20 us.
 *
 * Returns 1 if it did something and another step would find more to do now; 0 if not: there is nothing to do, or what there is waits
 * for another thread (wane_gc_wait_ns tells the two apart). So a loop that steps while the result is 1 ends: it does not spin beside another
 * thread's guard. -EINVAL for a negative budget, -EDEADLK inside a callback, -EAGAIN when the thread cannot be attached, -ENOMEM for
 * want of memory, or of membarrier(2) that was taken away meanwhile (a collection that was given up leaves its candidates as they were, and is
 * tried again after a pause). Aborts with one line inside a guard. Whoever asks for a collection or a flush meanwhile finishes what a step left open. Threads: any; runs user code.
 */
WANE_API int wane_gc_step(int64_t budget_ns);

/*
 * How long a step or a poll would find nothing to do, in nanoseconds: for how long an event loop may sleep, unless
 * wane_event_fd's descriptor or an event of its own wakes it.
 *
 * Returns 0: there is work now. Above 0: nothing can be done now, and there may be something after that time; as long as other threads have
 * to be waited for (a guard, a callback, a collection of theirs) that is a pause of 1 to 64 ms, which grows with the time it lasts, and
 * never 0 again and again. -1: nothing is pending. Candidates count as work when a step would look at them.
 * While the library has its thread, collections are left to that, and only what was deferred or is dead counts.
 *
 * Threads: any, in a guard and in callbacks too; takes a short lock, pushes a grace period on, looks at each thread's queues; runs
 * no user code. A thread that cannot be attached gets a pause.
 */
WANE_API int64_t wane_gc_wait_ns(void);

/*
 * A descriptor (an eventfd) that becomes readable when a step or a poll would find work, for epoll and its like. There is
 * one for the process, made by the first call and never closed; close-on-exec. The program only polls it: it does not read, write or
 * close it. Answer it with wane_gc_step: that, and wane_poll, clear it, and make it readable again if there is more to do now. What
 * becomes due with time, or when another thread leaves a guard, is not told: sleep no longer than wane_gc_wait_ns says.
 * While the collector thread is awake it does the work itself, and the descriptor says nothing.
 *
 * Returns the descriptor, or a negative errno value: -EMFILE, -ENFILE, -ENOMEM; -EAGAIN when the thread cannot be
 * attached. The child of a fork has one of its own, under the same number, which is readable at first; an epoll set that was made before the
 * fork still watches the parent's.
 * Threads: any; short; runs no user code. docs/examples/epoll.c.
 */
WANE_API int wane_event_fd(void);

/*
 * Lends the calling thread to the library: it does the work of the collector thread until wane_shutdown, and then
 * returns. For programs that want to make that thread themselves (its stack, priority, processor); with the option collector_thread
 * set to 0 before the first use, since otherwise the library starts its own.
 *
 * Returns 0 after wane_shutdown; -EBUSY if there is a collector thread already; -EDEADLK inside a callback; -EAGAIN or
 * -ENOMEM. Aborts with one line inside a guard. The thread is detached first, as by wane_thread_detach,
 * and attached again by its next call afterwards.
 */
WANE_API int wane_collector_run(void);

/*
 * Runs the finalizers of types with WANE_TYPE_FINALIZE_QUEUED that wait for it, on the calling thread: in a loop of the program's own,
 * whose data they may touch without locks. Several threads may be in it at once.
 *
 * Returns how many ran; 0 also inside a callback.
 * Threads: any; waits for no lock of the program's; runs user code. What such a finalizer releases dies here too. May be called in a guard.
 */
WANE_API size_t wane_run_finalizers(void);

/*
 * Says that such finalizers run in wane_run_finalizers only, and how the program hears that some wait: fn(arg) is called, on the collector
 * thread, when finalizers wait and since the last wane_run_finalizers none did. It should write to an eventfd, or the like, and return. Where
 * there is no collector thread, the calls that do its work call fn: wane_flush, wane_poll, wane_gc_step, wane_gc_collect.
 *
 * An object whose finalizer waits is alive with all that it refers to: weak references yield it. If one that waits since its last unit was
 * given up is held again by then, its finalizer waits for the next time; one that was found in a dead cycle is finalized in any case. The flush and the collection that
 * found it do not wait for that, and what is left of the cycle is found by a later collection.
 *
 * fn: NULL: they run where they did again, what waits now included. arg: handed to fn.
 * Returns 0, or -EAGAIN or -ENOMEM when the thread cannot be attached.
 * Threads: any; waits for a call of the function before that another thread is in, but not inside fn itself. Runs no user code.
 */
WANE_API int wane_set_finalizer_notify(void (*fn)(void *arg), void *arg);

/*
 * Notes that memory which the library does not know, malloc'ed for instance, hangs on obj: `bytes` more, or less if
 * negative. It counts for the collections that growth in bytes starts (option heap_growth_percent): a few objects of a
 * dead cycle may hold much. The sum is kept for the process and not for the object: when obj dies nothing is subtracted
 * by itself; its `destroy` notes the bytes as gone, with -bytes, where it frees them.
 *
 * obj: held or borrowed, or the object that is being destroyed or finalized. NULL: nothing happens. bytes: the change.
 * Sums that do not fit stay at the limit; a sum below zero counts as zero.
 * Threads: any, in a guard and in callbacks too; does not wait, wakes the collector thread if a collection is due; runs no user code.
 */
WANE_API void wane_note_external(void *obj, ptrdiff_t bytes);

/*
 * The thresholds of the three generations: net new tracked objects for the youngest, collections of the generation
 * below for the others; 0 turns one off. Changeable at any time. Also the options threshold0, threshold1, threshold2.
 * wane_gc_get_count tells how far each has come. set: 0, or -EINVAL above INT_MAX.
 *
 * While collections that start by themselves free next to nothing, they start later: after up to 256 times the first
 * threshold, and never later than at a quarter of 250,000 objects and those that live (or at the threshold, if that is
 * more). The first that frees more than one of 32 that it looked at ends that, and so does set, also by the option's name. Age and
 * asking start them as ever. A collection that came late and looked at what would have started several counts as so many
 * for the generation above.
 */
WANE_API int wane_gc_set_threshold(unsigned g0, unsigned g1, unsigned g2);
WANE_API void wane_gc_get_threshold(unsigned ret[3]);
WANE_API void wane_gc_get_count(unsigned ret[3]);

/* Figures of each generation; full collections count as generation 2. */
WANE_API void wane_gc_get_stats(wane_gc_stats ret[3]);

/*
 * For containers: moves n slots inside the storage of `container` (memmove; the regions may overlap), as one step for
 * the collector. The units in overwritten slots must have been removed before; the slots left behind keep stale
 * pointers, which the caller overwrites by further moves or with wane_slot_init(slot, NULL) before the next collection can
 * see them, that is: between wane_change_begin and wane_change_end, or at places beyond what `trace` visits.
 *
 * container: held by the caller, whose `trace` visits the slots. dst, src: the first slots there and here. n: how many.
 * Threads: the caller keeps others from changing the
 * same slots. Short: the collector waits for it.
 */
WANE_API void wane_slots_move(void *container, wane_slot *dst, wane_slot *src, size_t n);

/*
 * Around a replacement or rotation of a container's storage. Between the two no other wane_ call but wane_slots_move
 * and wane_slot_init(slot, NULL), no waiting and little work: the collector waits for it. They do not nest.
 */
WANE_API void wane_change_begin(void *container);
WANE_API void wane_change_end(void *container);

WANE__END

#endif
