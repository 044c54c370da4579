/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/control.h: options, the log, statistics, giving memory back, the end.
 */
#ifndef WANE_CONTROL_H
#define WANE_CONTROL_H

#include <wane/base.h>

WANE__BEGIN

/*
 * Sets or reads an option. Each may be changed at any time. Each may also be set by WANE_<NAME> in the environment, which
 * the library reads before its first use (not in setuid programs).
 *
 *   name                   unit     default   range               what
 *   deferred_bytes         bytes    33554432  65536 .. 2^40       how much a thread may defer before it helps, and then waits
 *   stall_limit_us         us       1000      0 .. 10^7           the longest single wait imposed on a thread
 *   guard_warn_ms          ms       10000     0 (never) .. 10^9   guards, and waits for callbacks, that last longer are logged
 *   trim_delay_ms          ms       1000      0 .. 10^9           how long empty memory is kept before it is given back
 *   max_threads            threads  65000     1 .. 65000          how many threads may be attached at the same time
 *   collector_thread       0/1      1         0 .. 1              whether the library may have a thread of its own
 *   membarrier             0/1      1         0 .. 1              0: fences instead of membarrier(2); before the first use only
 *   leak_report            0/1/2    0         0 .. 2              1: wane_shutdown names what is alive. 2 ("fatal" in the
 *                                                                 environment): then it also calls exit(1), unless all of it is
 *                                                                 immortal or kept by immortal objects
 *   quarantine_bytes       bytes    0 (1 MiB  0 (none) .. 2^40    dead objects that are kept back, to find their misuse.
 *                                   with full                     Whether there is a quarantine is decided at the first
 *                                   checks)                       use; its size may change later
 *   threshold0             objects  10000     0 (off) .. 2^31-1   new tracked objects, less the dead, that start a collection
 *   threshold1             runs     10        0 (off) .. 2^31-1   collections of generation 0 before one of generation 1
 *   threshold2             runs     10        0 (off) .. 2^31-1   collections of generation 1 before one of generation 2
 *   candidate_age_ms       ms       5000      0 (never) .. 10^9   candidates that are older start a collection; after one that
 *                                                                 freed nothing, not before a hundred times its duration
 *   collector_cpu_percent  %        100       1 .. 100            the share of a core, over a second, that the collector
 *                                                                 thread may use; at most 20 for what age alone starts
 *   heap_growth_percent    %        100       0 (off) .. 10000    growth of live and external bytes since the last collection of
 *                                                                 generation 2 that starts another, from 32 MiB of growth on
 *
 * Returns 0; -ENOENT for an unknown name; -EINVAL out of range, or for NULL; -EBUSY for what can no longer be changed.
 * Threads: any; wait for nobody, except that the first call of a process reads the environment; run no user code. wane_option_set
 * wakes the collector thread.
 */
WANE_API int wane_option_set(const char *name, int64_t value);
WANE_API int wane_option_get(const char *name, int64_t *ret);

/*
 * Adds an option, for libraries on top of this one. From then on it is set and read by its name; if WANE_<NAME> is
 * set in the environment, it takes that value at once. It stays for good.
 *
 * name: a-z, 0-9 and _, at most 56 bytes; copied. least, most: its range. initial: its value until it is set.
 * Returns 0; -EEXIST (there is an option of that name); -EINVAL (the name is not allowed, or initial is out of
 * range); -ENOMEM.
 * Threads: any; lock-free except for its malloc and the first call of a process; runs no user code.
 */
WANE_API int wane_option_register(const char *name, int64_t least, int64_t most, int64_t initial);

enum { WANE_LOG_ERROR = 1, WANE_LOG_WARNING = 2, WANE_LOG_INFO = 3 };

/*
 * Sends the library's lines, without newline, to fn; NULL sends them to standard error again. Any thread may call fn,
 * inside any call, but never under a lock of the library. fn must not call the library. It always gets the arg of the
 * same call of wane_set_log. When this returns, another thread may still be in a call of the old fn. Each different
 * pair of fn and arg takes a few bytes for good; if there is no memory for them, nothing changes, and a line says so.
 * Threads: any; lock-free.
 */
WANE_API void wane_set_log(void (*fn)(int level, const char *line, void *arg), void *arg);

#define WANE_STALL_BUCKETS 32

/* Figures of the process. May grow: the caller sets struct_size to sizeof(wane_stats) and gets that much. */
typedef struct wane_stats {
    size_t struct_size;
    size_t live_objects;       /* born and not yet dead; the library's own are not counted, weak references are */
    size_t live_bytes;         /* their blocks, headers and rounding included */
    size_t heap_bytes;         /* from the system and not given back */
    size_t deferred_pending;   /* units and functions that wait: for a grace period, for settling, for the collector */
    size_t deferred_bytes;     /* what the objects that wait take, and the dead whose memory may not be handed out yet */
    uint64_t epochs;           /* grace periods that ended */
    uint64_t merges;           /* objects whose owner's count was added to the shared one */
    uint64_t revocations;      /* those of them that were done without the owner */
    uint64_t cycles_collected; /* objects freed by the cycle collector */
    uint64_t stalls;           /* waits imposed on threads that did not ask to wait */
    uint64_t stall_ns_max;
    uint64_t stall_ns_total;
    uint64_t overruns;         /* how often a thread went on over the byte bound: after such a wait, or where it may not wait */
    uint64_t oldest_guard_ns;  /* age of the oldest open guard, as the collector saw it; 0: none that anybody waits for */
    uint64_t collector_cpu_ns; /* CPU time of the collector thread */
    uint64_t stall_histogram[WANE_STALL_BUCKETS]; /* bucket i: stalls of 2^i to 2^(i+1) - 1 ns */
    size_t threads;            /* attached now */
    size_t external_bytes;     /* noted by wane_note_external */
    uint64_t births;           /* objects ever made, counted as in live_objects */
    uint64_t deaths;           /* objects ever freed */
    size_t quarantined_bytes;  /* blocks of dead objects that are kept back: option quarantine_bytes */
    size_t immortal_objects;   /* of live_objects: immortal */
} wane_stats;

/* What a wane_stats is before it is handed over: wane_stats s = WANE_STATS_INIT; */
#ifdef __cplusplus
#define WANE_STATS_INIT (wane__stats_init())
#else
#define WANE_STATS_INIT {.struct_size = sizeof(wane_stats)}
#endif

/*
 * Fills *ret.
 *
 * Returns 0, or -EINVAL when ret is NULL or its struct_size is smaller than that of the first version (up to and
 * including collector_cpu_ns).
 * Threads: any; looks at each thread's record without waiting, so the figures are those of slightly different
 * moments.
 */
WANE_API int wane_stats_get(wane_stats *ret);

/*
 * Gives all empty memory back to the system now.
 *
 * Returns how many bytes.
 * Threads: any; may wait for another call of it, and for the collector while it looks for candidates; runs no user
 * code.
 */
WANE_API size_t wane_trim(void);

/*
 * Ends the library's work in an orderly way: applies what is deferred, collects all cycles, stops the collector
 * thread and, if `leak_report` is set, logs what is alive. For each type the report says how many objects there are,
 * how many of them are on cycles, and how many are held from outside, by references that are in no slot of an object;
 * then which slots form the cycles. Immortal objects, and what only they keep alive, have lines of their own. Calling
 * it is optional. Calls of the library still work afterwards, but the thread does not start again. In a callback it
 * does nothing.
 * Errors: inside a guard it ends the program with one line.
 * Threads: any; waits; runs user code.
 */
WANE_API void wane_shutdown(void);

/* "0.1.0": of the library that is linked, not of the header. */
WANE_API const char *wane_version(void);

WANE__END

#ifdef __cplusplus
constexpr wane_stats wane__stats_init() {
    wane_stats s = {};
    s.struct_size = sizeof s;
    return s;
}
#endif

#endif
