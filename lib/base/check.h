/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * base/check.h: assertions by level, the log, and the end of a program that misuses the library.
 *
 * WANE_CHECKS is 0 (none), 1 (cheap: constant time, off the fast paths) or 2 (full: anything).
 */
#ifndef WANE_BASE_CHECK_H
#define WANE_BASE_CHECK_H

#include <stdbool.h>

#include "base/atomic.h"

#ifndef WANE_CHECKS
#define WANE_CHECKS 1
#endif

/* Levels of log lines, as wane_set_log documents them. */
enum { WANE__LOG_ERROR = 1, WANE__LOG_WARNING = 2, WANE__LOG_INFO = 3 };

/* One line to the log. Any thread; formats on the stack; takes no lock. */
void wane__log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * A warning for which this is not the place, since the caller may hold a lock: wane__log_owed says it later. Each line is
 * one of these and said once; it may be owed again.
 */
enum wane__owed { WANE__OWED_FENCES, WANE__OWED_THREAD, WANE__OWED_IMMORTAL, WANE__OWED_KINDS };
void wane__log_owe(enum wane__owed line);
/* The same with a text of its own; for lines of which a process has few. After the first WANE__OWED_LINES they are left out. */
enum { WANE__OWED_LINES = 16 };
void wane__log_owe_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern uint32_t wane__xowed; /* a bit each: kinds, then lines */
void wane__log_owed_slow(void);
/* The caller holds no lock: the log is the program's. */
static inline void wane__log_owed(void) {
    if (unlikely(load_relaxed(&wane__xowed) != 0))
        wane__log_owed_slow();
}

/* One line to the log, then abort(). */
_Noreturn void wane__fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Where log lines go: fn and arg are set together; NULL means standard error. */
void wane__log_set(void (*fn)(int level, const char *line, void *arg), void *arg);

_Noreturn void wane__check_failed(const char *condition, const char *file, int line);

#if WANE_CHECKS >= 1
#define WANE__CHECK(cond) ((cond) ? (void)0 : wane__check_failed(#cond, __FILE__, __LINE__))
#else
#define WANE__CHECK(cond) ((void)sizeof(cond))
#endif
#if WANE_CHECKS >= 2
#define WANE__CHECK_FULL(cond) ((cond) ? (void)0 : wane__check_failed(#cond, __FILE__, __LINE__))
#else
#define WANE__CHECK_FULL(cond) ((void)sizeof(cond))
#endif

/*
 * A random pause at a critical point, in builds with gc_stress: widens the windows that a test must hit.
 * Seeded by WANE_STRESS_SEED in the environment.
 */
#ifdef WANE_GC_STRESS
#if WANE_GC_STRESS
#define WANE__PAUSE_ENABLED 1
#endif
#endif
/*
 * Whether all counting goes out of line, where every object that a call is handed is looked at: in builds with full checks, but
 * for those with pauses, which are for races on all paths.
 */
#ifdef WANE__PAUSE_ENABLED
#define WANE__OUT_OF_LINE 0
#else
#define WANE__OUT_OF_LINE (WANE_CHECKS >= 2)
#endif

#ifdef WANE__PAUSE_ENABLED
void wane__pause(void);
#else
static inline void wane__pause(void) {}
#endif

#endif
