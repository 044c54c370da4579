/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/gc.h: the cycle collector.
 *
 * It finds groups of objects that only refer to each other, and destroys them while all other threads keep running.
 * It runs by itself, on the collector thread, when enough tracked objects were made; the calls here run it at once,
 * and tune it. An object is tracked if its type has slots and is not WANE_TYPE_ACYCLIC. docs/design/cycle.md.
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
 * Automatic collections: whether the library starts collections by itself. It does so from the beginning. Explicit
 * calls always work. enable and disable are a switch; pause and resume are a count beside it. Collections start by
 * themselves while the switch is on and the count is 0. A resume without a pause does nothing.
 * Threads: any; wait for nobody; run no user code. The calls that allow collections may wake the collector thread.
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
 * Collects generation 0, 1 or 2, each together with the younger ones, or WANE_GC_FULL. The calling thread does the
 * work, to its end: it first applies what was deferred, and when the call returns, what was found unreachable has
 * been destroyed. Generation 2 finds all cycles that are dead when it begins, unless another thread is working on
 * them.
 *
 * Returns how many unreachable objects it found and destroyed; 0 inside a callback, and for a generation that does
 * not exist. Objects that were found but kept (WANE_TYPE_UNCOLLECTABLE) are not in this number: wane_gc_run and
 * wane_gc_get_unreachable tell. If memory is out, the collection finds fewer objects or none; the next one finds the
 * rest. Threads that collect at the same time take turns: each call runs a collection that began after the call.
 * Errors: inside a guard it ends the program with one line.
 * Threads: any; waits for other collections and for guards; runs user code.
 */
WANE_API size_t wane_gc_collect(int generation);

/*
 * As wane_gc_collect, with errors.
 *
 * Returns 0, -EINVAL (no such generation), -EDEADLK (inside a callback), -EAGAIN (the thread cannot be attached), or
 * -ENOMEM: the collection was given up because memory is out, or because the system took membarrier(2) away
 * meanwhile. ret says what was found until then; it may be NULL.
 */
WANE_API int wane_gc_run(int generation, wane_gc_event *ret);

/*
 * Calls fn(e, arg) when a collection begins (WANE_GC_START) and when it is over (WANE_GC_STOP). A collection that the
 * program asks for is reported once, on the thread that asks, and STOP comes before the call returns. Automatic
 * collections are reported on the collector thread, and those of wane_gc_step on the thread that makes the step, or
 * on the one that finishes what a step left. The library divides an automatic collection of young objects into parts,
 * and reports each part.
 *
 * Callbacks are called one at a time, in the order in which they were added, under no lock of the library. Like all
 * callbacks they may allocate, retain, release and use slots; a collect inside one returns 0. A callback that is
 * added during a call hears of the next event.
 *
 * add: returns 0, -EINVAL (fn is NULL), -EEXIST (the pair is there already), -ENOMEM, or -EAGAIN (the thread cannot
 * be attached).
 * remove: returns 0, -EINVAL, or -ENOENT (there is no such pair). After it has returned, no call of fn with arg is
 * running and none will come. Inside the callback itself it returns at once, and no further call comes.
 * Threads: any, in callbacks too, these included. remove waits for a call that is running on another thread, so do
 * not call it under a lock that the callback takes. Run no user code.
 */
WANE_API int wane_gc_add_callback(void (*fn)(const wane_gc_event *e, void *arg), void *arg);
WANE_API int wane_gc_remove_callback(void (*fn)(const wane_gc_event *e, void *arg), void *arg);

/*
 * Unreachable objects that were kept: those of types with WANE_TYPE_UNCOLLECTABLE, and with WANE_GC_SAVEALL all that
 * would have been destroyed. They are alive: their finalizers have not run, and weak references yield them. Objects
 * that they keep alive are not on the list.
 *
 * Moves up to max of them to ret[], the oldest first, each with the reference that the list held. The caller releases
 * them. An object that is released while its cycle is whole will be found, and put on the list, again.
 * Returns how many it moved. If ret is NULL: how many there are.
 * Threads: any; takes a short lock; runs no user code.
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
 * Sets all tracked objects that exist now aside: no collection looks at them, not even a full one, until
 * wane_gc_unfreeze. So no collection writes to their memory. This is for servers that fork workers: collect, freeze,
 * fork; then a worker that collects copies no page that it shares with its parent. Frozen objects are still counted,
 * and die with their last reference. Dead cycles of frozen objects stay. Objects that refer to frozen ones are
 * collected as usual, and what frozen objects refer to is held by them. Objects that are made later are not frozen.
 *
 * unfreeze: makes all of them candidates again. get_freeze_count: returns how many objects are frozen now.
 * Errors: inside a guard they end the program with one line.
 * Threads: any; wait for other collections as wane_gc_collect does; look at the whole heap; may run user code,
 * because they finish what a step has left.
 */
WANE_API void wane_gc_freeze(void);
WANE_API void wane_gc_unfreeze(void);
WANE_API size_t wane_gc_get_freeze_count(void);

/*
 * Does some of the collector's work on the calling thread, for about budget_ns nanoseconds: for programs that have
 * idle moments in a loop of their own, with or without the collector thread. A step applies what was deferred,
 * destroys what is dead, and collects in slices. It continues the collection that is open, or begins one that is due.
 * If neither is there, it examines the existing candidates, the youngest generation first, then each older one once.
 * After a program has called wane_gc_wait_ns or wane_event_fd, steps that found next to nothing leave candidates
 * alone for a hundred times as long as that took, at least 10 ms.
 *
 * A step never waits. Where another thread's guard or callback is in the way, it returns, and a later step continues.
 * It ends late by what cannot be divided: one callback, the death of one structure, the last decision about weak
 * references. A budget below 20 us counts as 20 us.
 *
 * Returns 1 if it did something and another step would find more to do now; 0 if there is nothing to do, or if
 * everything that is left waits for another thread (wane_gc_wait_ns tells which). So a loop that calls it while the
 * result is 1 comes to an end. -EINVAL for a negative budget; -EDEADLK inside a callback; -EAGAIN when the thread
 * cannot be attached; -ENOMEM when memory is out, or membarrier(2) was taken away: the collection was given up, its
 * candidates are as before, and the library tries again after a pause.
 * Errors: inside a guard it ends the program with one line.
 * Threads: any; runs user code. Whoever asks for a collection or a flush finishes what a step left open.
 */
WANE_API int wane_gc_step(int64_t budget_ns);

/*
 * How long an event loop may sleep, in nanoseconds, unless the descriptor of wane_event_fd or an event of its own
 * wakes it.
 *
 * Returns 0: a step or a poll would find work now. Above 0: there is nothing to do now, and there may be something
 * after that time. While other threads have to be waited for (a guard, a callback, a collection of theirs), this is a
 * pause of 1 to 64 ms, which grows with the time that the wait has lasted; it is never 0 again and again. -1: nothing
 * is pending. Candidates count as work if a step would look at them. While the library has its own thread, that
 * thread collects, and only what was deferred or is dead counts as work here.
 *
 * Threads: any, in a guard and in callbacks too; takes a short lock, advances the grace period, looks at the queues
 * of each thread; runs no user code. A thread that cannot be attached gets a pause.
 */
WANE_API int64_t wane_gc_wait_ns(void);

/*
 * A file descriptor (an eventfd) that becomes readable when a step or a poll would find work: for epoll and its like.
 * There is one for the process. The first call makes it, close-on-exec; it is never closed. The program only polls
 * it, and does not read, write or close it. Answer it with wane_gc_step: that and wane_poll clear it, and make it
 * readable again if there is more to do now. It does not tell of work that becomes due with time, or when another
 * thread leaves a guard: sleep no longer than wane_gc_wait_ns says. While the collector thread is awake, it does the
 * work, and the descriptor stays silent.
 *
 * Returns the descriptor, or a negative errno value: -EMFILE, -ENFILE, -ENOMEM; -EAGAIN when the thread cannot be
 * attached. The child of a fork has a descriptor of its own, under the same number, which is readable at first; an
 * epoll set that was made before the fork still watches that of the parent.
 * Threads: any; short; runs no user code. docs/examples/epoll.c.
 */
WANE_API int wane_event_fd(void);

/*
 * Lends the calling thread to the library: it does the work of the collector thread and returns after wane_shutdown.
 * This is for programs that want to choose that thread's stack, priority or processor. Set the option
 * collector_thread to 0 before the first use; otherwise the library starts a thread of its own.
 *
 * Returns 0 after wane_shutdown; -EBUSY if there is a collector thread already; -EDEADLK inside a callback; -EAGAIN
 * or -ENOMEM.
 * Errors: inside a guard it ends the program with one line.
 * Threads: any; waits; runs user code. It first detaches the thread, as wane_thread_detach does; the thread's next
 * call attaches it again.
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
 * Tells the library of memory that it does not know, from malloc for example, and that hangs on obj: `bytes` more, or
 * fewer if negative. Growth of this memory starts collections as growth of the heap does (option
 * heap_growth_percent), since a few objects of a dead cycle may hold much. The library keeps one sum for the process,
 * not one for each object: nothing is subtracted when obj dies. The object's `destroy` calls this with -bytes where
 * it frees the memory.
 *
 * obj: held or borrowed, or the object that is being destroyed or finalized. If it is NULL, nothing happens.
 * bytes: the change. The sum stays within the range of its type; below zero it counts as zero.
 * Threads: any, in a guard and in callbacks too; does not wait; wakes the collector thread if a collection is due;
 * runs no user code.
 */
WANE_API void wane_note_external(void *obj, ptrdiff_t bytes);

/*
 * The thresholds of the three generations: for generation 0, new tracked objects less those that died; for the
 * others, collections of the generation below. 0 turns one off. They are also the options threshold0, threshold1 and
 * threshold2. wane_gc_get_count tells how far each count has come.
 *
 * If automatic collections free less than 1/32 of what they examine, the first threshold doubles each time, up to 256
 * times its value, but not above a quarter of the sum of 250,000 and the number of living tracked objects. A
 * productive collection or a call of this function, or of wane_option_set for it, resets it. Collections that are
 * started by age or by an explicit call are unaffected. A collection that came late, and examined what would have
 * started several, counts as that many for the generation above.
 *
 * set: returns 0, or -EINVAL above INT_MAX.
 * Threads: any; wait for nobody; run no user code.
 */
WANE_API int wane_gc_set_threshold(unsigned g0, unsigned g1, unsigned g2);
WANE_API void wane_gc_get_threshold(unsigned ret[3]);
WANE_API void wane_gc_get_count(unsigned ret[3]);

/* Figures of each generation; full collections count as generation 2. */
WANE_API void wane_gc_get_stats(wane_gc_stats ret[3]);

/*
 * For containers: moves n slots inside the storage of `container` (as memmove does; the regions may overlap), as one
 * step for the collector. Remove the references in the slots that are overwritten first. The slots that are left
 * behind keep stale pointers: overwrite them by further moves or by wane_slot_init(slot, NULL) before the next
 * collection can see them, that is, between wane_change_begin and wane_change_end, or at places that `trace` does not
 * visit.
 *
 * container: held by the caller; its `trace` visits the slots. dst, src: the first slots there and here. n: how many.
 * Threads: the caller keeps others from changing the same slots. Short: the collector waits for it.
 */
WANE_API void wane_slots_move(void *container, wane_slot *dst, wane_slot *src, size_t n);

/*
 * Around a replacement or rotation of a container's storage. Between the two the thread makes no other call of the
 * library than wane_slots_move and wane_slot_init(slot, NULL), does not wait, and does little: the collector waits
 * for it. They do not nest.
 */
WANE_API void wane_change_begin(void *container);
WANE_API void wane_change_end(void *container);

WANE__END

#endif
