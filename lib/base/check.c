/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * base/check.c: the log and its fatal lines.
 *
 * A line is formatted on the stack and handed to the program's function, or written to standard error with one
 * write(2), so that it is whole and works in any state of the process. The system calls are bare ones: write() and
 * usleep() are cancellation points, and no call of the library is one.
 */
#include "base/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/sanitize.h"

/*
 * A function and its argument, never changed once it is on the list: whoever reads a pointer to one has a pair of one
 * call. A pair stays for good, since a thread may be about to use it; one that comes again is found and used again.
 */
struct sink {
    struct sink *next;
    void (*fn)(int level, const char *line, void *arg);
    void *arg;
};

static struct sink *xall;
static struct sink *xcurrent; /* NULL: standard error */
/* Enough for most programs without malloc. */
static struct sink some[8];
static unsigned xsome_used;

static struct sink *sink_find(void (*fn)(int level, const char *line, void *arg), void *arg) {
    struct sink *s = load_acquire(&xall); /* [order:log] */
    while (s != NULL && (s->fn != fn || s->arg != arg))
        s = s->next;
    return s;
}

static struct sink *sink_new(void) {
    unsigned n = load_relaxed(&xsome_used);
    while (n < sizeof some / sizeof some[0]) {
        if (cas_relaxed(&xsome_used, &n, n + 1))
            return &some[n];
    }
    int saved = errno;
    struct sink *s = malloc(sizeof *s);
    errno = saved;
    return s;
}

void wane__log_set(void (*fn)(int level, const char *line, void *arg), void *arg) {
    struct sink *s = fn == NULL ? NULL : sink_find(fn, arg);
    if (fn != NULL && s == NULL) {
        s = sink_new();
        if (s == NULL) {
            wane__log(WANE__LOG_WARNING, "wane_set_log: out of memory: the log function was not changed");
            return;
        }
        s->fn = fn;
        s->arg = arg;
        s->next = load_relaxed(&xall);
        while (!cas_weak_release(&xall, &s->next, s)) { /* [order:log] */
        }
    }
    wane__tsan_release(&xcurrent);
    store_release(&xcurrent, s); /* [order:log] */
}

static void emit(int level, const char *line) {
    const struct sink *s = load_acquire(&xcurrent); /* [order:log] */
    if (s != NULL) {
        wane__tsan_acquire(&xcurrent); /* what its arg points to was written before the call of wane_set_log */
        s->fn(level, line, s->arg);
        return;
    }
    char out[600];
    int n = snprintf(out, sizeof out, "wane: %s\n", line);
    size_t size = (size_t)n < sizeof out ? (size_t)n : sizeof out - 1;
    long ignored = syscall(SYS_write, STDERR_FILENO, out, size);
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

uint32_t wane__xowed;

static const char *const owed_lines[WANE__OWED_KINDS] = {
    [WANE__OWED_FENCES] = "membarrier(2) stopped working: counting and guards use memory fences from now on",
    [WANE__OWED_THREAD] = "the collector thread could not be created: the program's own calls do its work, and the library "
                          "will try again",
    [WANE__OWED_IMMORTAL] = "an object was made immortal: memory is exhausted, membarrier(2) stopped working, and a thread "
                            "that has made no call since may still be counting the object",
};

void wane__log_owe(enum wane__owed line) { or_relaxed(&wane__xowed, 1u << line); }

/* Each place is written once, before its bit is set. */
static char own_lines[WANE__OWED_LINES][200];
static uint32_t xown_lines_used;
_Static_assert(WANE__OWED_KINDS + WANE__OWED_LINES <= 32, "a bit each");

void wane__log_owe_line(const char *format, ...) {
    uint32_t place = add_relaxed(&xown_lines_used, 1u);
    if (place >= WANE__OWED_LINES)
        return;
    int saved = errno;
    va_list ap;
    va_start(ap, format);
    vsnprintf(own_lines[place], sizeof own_lines[place], format, ap);
    va_end(ap);
    errno = saved;
    or_acq_rel(&wane__xowed, 1u << (WANE__OWED_KINDS + place)); /* [order:owed] */
}

void wane__log_owed_slow(void) {
    uint32_t owed = swap_acquire(&wane__xowed, 0u); /* [order:owed] */
    for (unsigned i = 0; i < WANE__OWED_KINDS; i++) {
        if ((owed & 1u << i) != 0)
            wane__log(WANE__LOG_WARNING, "%s", owed_lines[i]);
    }
    for (unsigned i = 0; i < WANE__OWED_LINES; i++) {
        if ((owed & 1u << (WANE__OWED_KINDS + i)) != 0)
            wane__log(WANE__LOG_WARNING, "%s", own_lines[i]);
    }
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
    if (x % 64 != 0)
        return;
    int saved = errno; /* a signal may end the sleep */
    syscall(SYS_nanosleep, &(struct timespec){.tv_nsec = (long)((x >> 32) % 200) * 1000}, NULL);
    errno = saved;
}
#endif
