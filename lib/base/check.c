/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * base/check.c: the log and its fatal lines.
 *
 * A line is formatted on the stack and handed to the program's function, or written to standard error with one
 * write(2), so that it is whole and works in any state of the process.
 */
#include "base/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"

struct sink {
    void (*fn)(int level, const char *line, void *arg);
    void *arg;
};

/* Two places, so that a reader sees fn and arg of one call: the writer fills the unused one and then switches. */
static struct sink sinks[2];
static unsigned xcurrent;

void wane__log_set(void (*fn)(int level, const char *line, void *arg), void *arg) {
    unsigned next = 1 - load_relaxed(&xcurrent);
    store_relaxed(&sinks[next].fn, fn);
    store_relaxed(&sinks[next].arg, arg);
    store_release(&xcurrent, next); /* [order:log] */
}

static void emit(int level, const char *line) {
    struct sink *s = &sinks[load_acquire(&xcurrent)]; /* [order:log] */
    void (*fn)(int, const char *, void *) = load_relaxed(&s->fn);
    if (fn != NULL) {
        fn(level, line, load_relaxed(&s->arg));
        return;
    }
    char out[600];
    int n = snprintf(out, sizeof out, "wane: %s\n", line);
    size_t size = (size_t)n < sizeof out ? (size_t)n : sizeof out - 1;
    ssize_t ignored = write(STDERR_FILENO, out, size);
    (void)ignored;
}

__attribute__((format(printf, 2, 0))) static void vlog(int level, const char *format, va_list ap) {
    int saved = errno;
    char line[512];
    vsnprintf(line, sizeof line, format, ap);
    emit(level, line);
    errno = saved;
}

void wane__log(int level, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    vlog(level, format, ap);
    va_end(ap);
}

_Noreturn void wane__fatal(const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    vlog(WANE__LOG_ERROR, format, ap);
    va_end(ap);
    abort();
}

_Noreturn void wane__check_failed(const char *condition, const char *file, int line) {
    wane__fatal("check failed: %s (%s:%d)", condition, file, line);
}

#ifdef WANE__PAUSE_ENABLED
void wane__pause(void) {
    static uint64_t xstate;
    uint64_t x = load_relaxed(&xstate);
    if (x == 0) {
        const char *seed = getenv("WANE_STRESS_SEED");
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        x = seed != NULL ? strtoull(seed, NULL, 0) : (uint64_t)now.tv_nsec;
    }
    x += 0x9E3779B97F4A7C15u; /* splitmix64 */
    store_relaxed(&xstate, x);
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    x ^= x >> 31;
    if (x % 64 == 0)
        usleep((unsigned)(x >> 32) % 200);
}
#endif
