/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/trace.h: who allocated what, and what of it is alive.
 *
 * While tracing is on, each object that is made, or one each so many bytes, is noted with the place that made it: the
 * site of its wane_new. A snapshot adds up what is alive by place and type, while other threads run; two of them are
 * compared, and both can be written to files. Objects that were made while tracing was off are not traced. Sizes are
 * those of wane_sizeof. Design: docs/design/trace.md.
 *
 * WANE_TRACE=frames[,sample_bytes] in the environment starts tracing with the program (not with setuid programs); 0 does not.
 */
#ifndef WANE_TRACE_H
#define WANE_TRACE_H

#include <stdio.h>
#include <wane/base.h>

WANE__BEGIN

/*
 * Starts tracing, and forgets what was traced before.
 *
 * frames: 1: where the object was made. 2 to 128: how the program came there, too. sample_bytes: 0: every object; else
 * one object each so many bytes on average, at random, and all figures are estimates, corrected for it.
 * Returns 0; -EINVAL for other frames; -EALREADY while tracing is on; -ENOTSUP when call stacks cannot be had, which a
 * line in the log says; -EAGAIN or -ENOMEM when the thread has no record; -EAGAIN when membarrier(2) has just stopped working.
 * Threads: any; waits for threads that are in the few instructions of a count; runs no user code.
 */
WANE_API int wane_trace_start(unsigned frames, size_t sample_bytes);

/* Traces no further objects. What is traced remains so until it dies, or wane_trace_clear. Threads: as wane_trace_start. */
WANE_API void wane_trace_stop(void);

/* Threads: any; wait-free. */
WANE_API bool wane_trace_is_on(void);

/* Forgets all traced objects, and the peak with them; tracing stays on or off. Threads: as wane_trace_start. */
WANE_API void wane_trace_clear(void);

/*
 * The bytes of the traced objects that are alive, and the most that they were since wane_trace_start, _clear or _reset_peak.
 * Exact when every object is traced; estimates else. Either pointer may be NULL. Returns 0.
 * Threads: any; wait-free.
 */
WANE_API int wane_trace_memory(size_t *ret_current, size_t *ret_peak);

/* The peak is what is alive now. Threads: any; wait-free. */
WANE_API void wane_trace_reset_peak(void);

/*
 * What a figure is of, and the figure. What a grouping does not tell is NULL or 0; `file` and `function` are NULL as well
 * of objects that were made without a site.
 */
typedef struct wane_trace_line {
    const char *file, *function, *type;
    int line;
    const uintptr_t *stack; /* return addresses, innermost first */
    unsigned frames;        /* of the stack */
    size_t bytes, count;
} wane_trace_line;

/* A line that changed: `now`, and now less before. */
typedef struct wane_trace_diff {
    wane_trace_line now;
    ptrdiff_t bytes, count;
} wane_trace_diff;

/*
 * Where obj was made, what it is and how large, with a count of 1. The strings stay; that of the type, as long as the type.
 * Returns 0; -ENOENT: it is not traced; -EINVAL: ret is NULL. Threads: any; wait-free.
 */
WANE_API int wane_trace_of(const void *obj, wane_trace_line *ret);

/* An object: wane_release. It never changes. */
typedef struct wane_snapshot wane_snapshot;

/*
 * The traced objects that are alive, added up by place and type. Of the moment: others make and release objects
 * meanwhile, and of those it has some.
 *
 * Returns NULL with errno ENOMEM, or what wane_new says. Ownership: the caller releases it.
 * Threads: any; stops none. Waits for whoever walks the heap's pages meanwhile, and looks at every page. Runs no user code.
 */
WANE_API wane_snapshot *wane_snapshot_take(void);

/* Groupings. BY_LINE: lines of one file with different functions stay apart. BY_STACK: where stacks differ. */
enum {
    WANE_BY_LINE,
    WANE_BY_FILE,
    WANE_BY_TYPE,
    WANE_BY_STACK,
};

/*
 * The snapshot's figures, added up by a grouping, most bytes first.
 *
 * s: borrowed. by: a grouping. ret: for up to max lines; their strings and stacks live as long as s. max: 0: ret may be NULL.
 * Returns how many lines there are, perhaps more than max; -EINVAL for an unknown grouping, or no s; -ENOMEM.
 * Threads: any; does not wait.
 */
WANE_API int wane_snapshot_top(wane_snapshot *s, int by, wane_trace_line *ret, size_t max);

/*
 * What changed between two snapshots, by a grouping, the greatest change in bytes first. What is gone has 0 bytes and
 * objects `now`, and its strings and stack live as long as `before`. What did not change is left out.
 * Otherwise as wane_snapshot_top.
 */
WANE_API int wane_snapshot_compare(wane_snapshot *now, wane_snapshot *before, int by, wane_trace_diff *ret, size_t max);

/*
 * A snapshot of those parts of s whose file, function or type matches the pattern (fnmatch(3), without flags), or, if
 * not `keep`, of the others.
 *
 * Returns NULL with errno EINVAL (an argument is NULL), ENOMEM, or what wane_new says. Ownership: the caller releases it; s is borrowed.
 * Threads: any; does not wait.
 */
WANE_API wane_snapshot *wane_snapshot_filter(wane_snapshot *s, const char *pattern, bool keep);

/*
 * Writes s to a file, which is made or overwritten: docs/design/trace.md has the format. After a failure the file is not whole, which
 * a reader notices.
 *
 * Returns 0, -EINVAL, or what open(2), write(2) or close(2) say: -ENOSPC on a full disk, -EPIPE on a pipe that nobody reads,
 * which raises no signal. Threads: any; waits for the file.
 */
WANE_API int wane_snapshot_write(wane_snapshot *s, const char *path);

/*
 * Reads what wane_snapshot_write wrote, on this machine or another one.
 *
 * Returns NULL with errno EBADMSG (no snapshot, cut off or damaged), ENOTSUP (of a newer version), EINVAL, ENOMEM, or what
 * open(2) and read(2) say. Ownership: the caller releases it. Threads: any; waits for the file.
 */
WANE_API wane_snapshot *wane_snapshot_read(const char *path);

/*
 * What is alive: writes to f, for each type, most bytes first, how many objects there are, how many of them are on cycles and how many are
 * held from outside, which is by anything but a slot of an object; the places that made them, as far as they are traced; the shortest
 * chain of slots that leads to one of them from an object that is held from outside. Then which slots form cycles. Immortals, and what
 * only they keep, have lines of their own. The option leak_report has wane_shutdown log the same.
 *
 * f: where the lines go; it is flushed. NULL: nothing happens. Without memory (some 100 bytes for each object) a line says so.
 * Threads: any; as wane_heap_write. Unless it is in a callback it applies first what was deferred, as wane_flush does.
 */
WANE_API void wane_leak_report(FILE *f);

/*
 * Writes all objects that are alive to a file, which is made or overwritten: address, type, bytes, units, the place that made it if it is
 * traced, and what its slots name, by the slots' names. For the program wane; docs/design/trace.md has the format. Each object is as
 * it was at some moment of the call: other threads run, and what they change meanwhile may be missing or be there twice.
 *
 * Returns 0, -EINVAL, -ENOMEM, -EAGAIN, or what open(2), write(2) or close(2) say, as wane_snapshot_write; -EDEADLK inside a callback in
 * a guard. Its memory does not depend on how many objects there are.
 * Threads: any; waits for other collections, and for the file, but holds nothing meanwhile; looks at the whole heap; runs user code. Aborts with
 * one line inside a guard.
 */
WANE_API int wane_heap_write(const char *path);

/* Forms of figures: for people, Prometheus' text format, one JSON object. */
enum {
    WANE_TEXT,
    WANE_PROMETHEUS,
    WANE_JSON,
};

/*
 * Writes the figures of wane_stats_get to f, and flushes it: for people (WANE_TEXT), in Prometheus' text format, with times
 * in seconds, or as one JSON object by the names of the fields.
 *
 * Returns 0, -EINVAL, or what the write said: a pipe that nobody reads is -EPIPE and raises no signal.
 * Threads: any; waits for the file; runs no user code.
 */
WANE_API int wane_stats_write(FILE *f, int format);

WANE__END

#endif
