// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// A watchdog: a thread that ends the process by abort() when nothing made progress for a while,
// after it has printed the stacks of all threads. Any test program has it with
// WANE_TEST_WATCHDOG=SECONDS in the environment: there each test that begins is progress.
//
// The file needs the C library alone, so that a preloaded library may have it inside.
#ifndef WANE_TESTS_WATCHDOG_H
#define WANE_TESTS_WATCHDOG_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Begins to watch, or goes on with another limit. In the child of a fork it must be called again:
// the thread is not there. Errno stays. Without a thread it says so on standard error, and nobody
// watches.
void watchdog_start(uint64_t limit_ns);

// Something made progress: the limit begins anew. From any thread, signal handlers too.
void watchdog_alive(void);

// From now on no limit. A program that measures how it ends may want it.
void watchdog_stop(void);

// Prints the stacks of all threads on standard error, at once; allocates nothing. A thread that
// blocks every signal shows what the system says of it. In a signal handler, too.
void watchdog_stacks(void);

// A program may define this: called before the watchdog prints and ends the process. The place to
// stop whatever would stand in its way, such as planted failures of system calls.
void watchdog_before_end(void) __attribute__((weak));

#ifdef __cplusplus
}
#endif

#endif
