// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// A fault injector: preloaded into a program, it makes calls fail that the library makes for memory,
// threads and to the system. Which call is the library's is told by the address that it returns to, so
// what the program allocates itself is left alone. Calls are numbered as they come, in each process.
//
//     INJECT_FIRST=N   the N-th call is the first that fails (1; 0: none fails)
//     INJECT_COUNT=K   that many fail in a row (1; 0: for ever)
//     INJECT_UNTIL=B   they fail until the library has freed B bytes since the first
//     INJECT_RATE=R    after the first R of a thousand fail, chosen by INJECT_SEED
//     INJECT_MS=T      and none any more, T milliseconds after the first (0: no such limit)
//     INJECT_KINDS=S   letters: m malloc and its like, p mmap and mremap, u munmap, d madvise, t threads,
//                      k keys, b membarrier, f futex, e event and timer descriptors (mpuke).
//                      Without t the collector thread begins, too: its first calls do not fail
//     INJECT_ERRORS=1  the program gets the errors that come of it, and asks inject.h
//     INJECT_ATTACH=1  the program's threads are attached, without faults, when they begin
//     INJECT_REPORT=F  at its end each process adds a line to the file F: how many calls there were
//     INJECT_VERBOSE=1 says on standard error which calls fail
//
// Calls that report an error to the program are made again without faults when they did, unless it
// wants the errors: what the library does when it fails is what is tested, and not what the program
// does then. So a program goes on as if nothing had happened, and whatever it asserts must hold.
#include <wane.h>

#include "inject.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

// The addresses that are the library's, and those of what it alone calls.
enum { RANGES_MAX = 16 };
static struct range {
    uintptr_t begin, end;
} ranges[RANGES_MAX];
static size_t ranges_n;

static struct {
    uint64_t first, count, until, rate, seed, ms;
    const char *kinds, *report;
    bool verbose, attach, errors;
} plan;

static atomic_bool ready, stopped;
static _Atomic(uint64_t) calls, failed, freed, freed_before, failing_since;
static __thread unsigned quiet __attribute__((tls_model("initial-exec")));
// So many calls of the collector thread do not fail: those by which it begins.
enum { CALLS_TO_BEGIN = 6 };
static __thread unsigned to_begin __attribute__((tls_model("initial-exec")));

EXPORT bool inject_reports(void) { return plan.errors; }

EXPORT uint64_t inject_failed(void) { return atomic_load(&failed); }

EXPORT void inject_stop(void) { atomic_store(&stopped, true); }

// Called by the watchdog before it looks at the threads.
void watchdog_before_end(void);
EXPORT void watchdog_before_end(void) { inject_stop(); }

static int note_range(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)size, (void)unused;
    static const char *const names[] = {"libwane.so", "libck.so", "liburcu"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strstr(info->dlpi_name, names[i]) == NULL) {
            continue;
        }
        for (size_t p = 0; p < info->dlpi_phnum && ranges_n < RANGES_MAX; p++) {
            const ElfW(Phdr) *h = &info->dlpi_phdr[p];
            if (h->p_type == PT_LOAD && (h->p_flags & PF_X) != 0) {
                ranges[ranges_n].begin = info->dlpi_addr + h->p_vaddr;
                ranges[ranges_n++].end = info->dlpi_addr + h->p_vaddr + h->p_memsz;
            }
        }
    }
    return 0;
}

static uint64_t number(const char *name, uint64_t unset) {
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? strtoull(value, NULL, 0) : unset;
}

__attribute__((constructor)) static void begin(void) {
    plan.first = number("INJECT_FIRST", 1);
    plan.count = number("INJECT_COUNT", 1);
    plan.until = number("INJECT_UNTIL", 0);
    plan.rate = number("INJECT_RATE", 0);
    plan.seed = number("INJECT_SEED", 1);
    plan.kinds = getenv("INJECT_KINDS");
    if (plan.kinds == NULL || *plan.kinds == '\0') {
        plan.kinds = "mpuke";
    }
    plan.report = getenv("INJECT_REPORT");
    plan.ms = number("INJECT_MS", 0);
    plan.attach = number("INJECT_ATTACH", 0) != 0;
    plan.errors = number("INJECT_ERRORS", 0) != 0;
    plan.verbose = number("INJECT_VERBOSE", 0) != 0;
    dl_iterate_phdr(note_range, NULL);
    atomic_store(&ready, true);
}

static long raw_syscall(long call, long a, long b, long c);

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
    char line[200];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    // Not write(2) as the C library has it, where a thread may be cancelled.
    raw_syscall(SYS_write, STDERR_FILENO, (long)(uintptr_t)line, n > 0 ? n : 0);
}

__attribute__((destructor)) static void end(void) {
    if (plan.report == NULL) {
        return;
    }
    atomic_store(&stopped, true);
    int fd = open(plan.report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd >= 0) {
        dprintf(fd, "%llu %llu\n", (unsigned long long)atomic_load(&calls),
                (unsigned long long)atomic_load(&failed));
        close(fd);
    }
}

static bool is_librarys(const void *returns_to) {
    uintptr_t at = (uintptr_t)returns_to;
    for (size_t i = 0; i < ranges_n; i++) {
        if (at >= ranges[i].begin && at < ranges[i].end) {
            return true;
        }
    }
    return false;
}

static uint64_t mix(uint64_t x) {  // splitmix64
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

// Whether the n-th call is one that fails.
static bool is_chosen(uint64_t n) {
    if (plan.first == 0 || n < plan.first) {
        return false;
    }
    if (n == plan.first) {
        atomic_store(&freed_before, atomic_load(&freed));
        atomic_store(&failing_since, now_ms());
    }
    if (plan.ms != 0 && now_ms() - atomic_load(&failing_since) > plan.ms) {
        return false;
    }
    if (plan.rate != 0) {
        return mix(plan.seed ^ n) % 1000 < plan.rate;
    }
    if (plan.until != 0) {
        return atomic_load(&freed) - atomic_load(&freed_before) < plan.until;
    }
    return plan.count == 0 || n < plan.first + plan.count;
}

// Whether a call fails that returns to that address. Errno stays.
static bool fails(char kind, const char *name, const void *returns_to) {
    if (!atomic_load(&ready) || atomic_load(&stopped) || quiet > 0 ||
        strchr(plan.kinds, kind) == NULL || !is_librarys(returns_to)) {
        return false;
    }
    if (to_begin > 0) {
        to_begin--;
        return false;
    }
    uint64_t n = atomic_fetch_add(&calls, 1) + 1;
    if (!is_chosen(n)) {
        return false;
    }
    atomic_fetch_add(&failed, 1);
    if (plan.verbose) {
        int saved = errno;
        say("inject: call %llu fails: %s for %#lx\n", (unsigned long long)n, name,
            (unsigned long)((uintptr_t)returns_to - ranges[0].begin));
        errno = saved;
    }
    return true;
}

#define FAILS(kind) fails((kind), __func__, __builtin_return_address(0))

// The function of that name behind this library.
static void *find_next(_Atomic(void *) *place, const char *name) {
    void *fn = atomic_load(place);
    if (fn == NULL) {
        fn = dlsym(RTLD_NEXT, name);
        if (fn == NULL) {
            say("inject: no %s\n", name);
            abort();
        }
        atomic_store(place, fn);
    }
    return fn;
}
#define NEXT(name)                                                                                 \
    __extension__({                                                                                \
        static _Atomic(void *) place;                                                              \
        (__typeof__(&(name)))find_next(&place, #name);                                             \
    })

// Memory. These names are the C library's own, so that nothing has to be looked up for them.

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
extern void __libc_free(void *p);

static void *out_of_memory(void) {
    errno = ENOMEM;
    return NULL;
}

EXPORT void *malloc(size_t size) { return FAILS('m') ? out_of_memory() : __libc_malloc(size); }

EXPORT void *calloc(size_t n, size_t size) {
    return FAILS('m') ? out_of_memory() : __libc_calloc(n, size);
}

EXPORT void *realloc(void *p, size_t size) {
    return FAILS('m') ? out_of_memory() : __libc_realloc(p, size);
}

EXPORT void *aligned_alloc(size_t align, size_t size) {
    return FAILS('m') ? out_of_memory() : __libc_memalign(align, size);
}

EXPORT int posix_memalign(void **ret, size_t align, size_t size) {
    if (FAILS('m')) {
        return ENOMEM;
    }
    void *p = __libc_memalign(align, size);
    if (p == NULL) {
        return ENOMEM;
    }
    *ret = p;
    return 0;
}

EXPORT void free(void *p) {
    if (p != NULL && plan.until != 0 && is_librarys(__builtin_return_address(0))) {
        atomic_fetch_add(&freed, malloc_usable_size(p));
    }
    __libc_free(p);
}

EXPORT void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset) {
    if (FAILS('p')) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return NEXT(mmap)(at, size, prot, flags, fd, offset);
}

EXPORT void *mremap(void *p, size_t size, size_t more, int flags, ...) {
    va_list ap;
    va_start(ap, flags);
    void *to = (flags & MREMAP_FIXED) != 0 ? va_arg(ap, void *) : NULL;
    va_end(ap);
    if (FAILS('p')) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return NEXT(mremap)(p, size, more, flags, to);
}

EXPORT int munmap(void *p, size_t size) {
    if (FAILS('u')) {
        errno = ENOMEM;
        return -1;
    }
    atomic_fetch_add(&freed, size);
    return NEXT(munmap)(p, size);
}

EXPORT int madvise(void *p, size_t size, int advice) {
    if (FAILS('d')) {
        errno = ENOMEM;
        return -1;
    }
    atomic_fetch_add(&freed, size);
    return NEXT(madvise)(p, size, advice);
}

// Threads, keys, descriptors, raw system calls.

static void attach(void) {
    if (ranges_n == 0) { // a program that was started by the one that is tested
        return;
    }
    quiet++;
    wane_thread_attach();
    quiet--;
}

struct start {
    void *(*fn)(void *arg);
    void *arg;
};

static struct start take_start(void *arg) {
    struct start s = *(struct start *)arg;
    free(arg);
    return s;
}

static void *begin_attached(void *arg) {
    struct start s = take_start(arg);
    attach();
    return s.fn(s.arg);
}

static void *begin_librarys(void *arg) {
    struct start s = take_start(arg);
    to_begin = CALLS_TO_BEGIN;
    return s.fn(s.arg);
}

EXPORT int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg) {
    if (FAILS('t')) {
        return EAGAIN;
    }
    struct start *s = malloc(sizeof *s);
    bool librarys = is_librarys(__builtin_return_address(0));
    bool as_it_is = librarys ? strchr(plan.kinds, 't') != NULL : !plan.attach;
    if (as_it_is || s == NULL) {
        free(s);
        return NEXT(pthread_create)(t, attr, fn, arg);
    }
    *s = (struct start){fn, arg};
    int error = NEXT(pthread_create)(t, attr, librarys ? begin_librarys : begin_attached, s);
    if (error != 0) {
        free(s);
    }
    return error;
}

// The first thread is attached by the program's first fork or option, after which it counts no threads.
EXPORT pid_t fork(void) {
    if (plan.attach) {
        attach();
    }
    return NEXT(fork)();
}

EXPORT int pthread_setspecific(pthread_key_t key, const void *value) {
    return FAILS('k') ? ENOMEM : NEXT(pthread_setspecific)(key, value);
}

EXPORT int eventfd(unsigned value, int flags) {
    if (FAILS('e')) {
        errno = EMFILE;
        return -1;
    }
    return NEXT(eventfd)(value, flags);
}

EXPORT int timerfd_create(clockid_t clock, int flags) {
    if (FAILS('e')) {
        errno = EMFILE;
        return -1;
    }
    return NEXT(timerfd_create)(clock, flags);
}

EXPORT long syscall(long call, ...) {
    long a[6];
    va_list ap;
    va_start(ap, call);
    for (int i = 0; i < 6; i++) {
        a[i] = va_arg(ap, long);
    }
    va_end(ap);
    if (call == SYS_membarrier && FAILS('b')) {
        errno = EPERM;
        return -1;
    }
    if (call == SYS_futex && FAILS('f')) {
        errno = EINTR;
        return -1;
    }
    return NEXT(syscall)(call, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static long raw_syscall(long call, long a, long b, long c) {
    return NEXT(syscall)(call, a, b, c, 0L, 0L, 0L);
}

// Calls of the program that report an error: again, without faults, when a fault made them fail.

#define IS_MADE_AGAIN() (!plan.errors && !is_librarys(__builtin_return_address(0)))

#define AGAIN_IF(failure, result, call)                                                            \
    do {                                                                                           \
        uint64_t before_ = atomic_load(&failed);                                                   \
        result = call;                                                                             \
        if ((failure) && atomic_load(&failed) != before_ && IS_MADE_AGAIN()) {                     \
            quiet++;                                                                               \
            result = call;                                                                         \
            quiet--;                                                                               \
        }                                                                                          \
    } while (0)

#undef wane_new
#undef wane_new_extra
EXPORT void *wane_new_at(wane_type *t, size_t extra, const wane_site *site) {
    void *obj;
    AGAIN_IF(obj == NULL && errno == ENOMEM, obj, NEXT(wane_new_at)(t, extra, site));
    return obj;
}

EXPORT void *wane_new(wane_type *t) { return wane_new_at(t, 0, NULL); }

EXPORT void *wane_new_extra(wane_type *t, size_t extra) { return wane_new_at(t, extra, NULL); }

EXPORT wane_weak *wane_weak_new(void *obj, void (*fn)(wane_weak *w, void *arg), void *arg) {
    wane_weak *w;
    AGAIN_IF(w == NULL && errno == ENOMEM, w, NEXT(wane_weak_new)(obj, fn, arg));
    return w;
}

EXPORT int wane_defer(void (*fn)(void *arg), void *arg) {
    int error;
    AGAIN_IF(error == -ENOMEM, error, NEXT(wane_defer)(fn, arg));
    return error;
}

EXPORT int wane_thread_attach(void) {
    int error;
    AGAIN_IF(error == -ENOMEM, error, NEXT(wane_thread_attach)());
    return error;
}

EXPORT int wane_collector_run(void) {
    int error;
    AGAIN_IF(error == -ENOMEM, error, NEXT(wane_collector_run)());
    return error;
}

EXPORT int wane_gc_run(int generation, wane_gc_event *ret) {
    int error = NEXT(wane_gc_run)(generation, ret);
    if (error != -ENOMEM || !IS_MADE_AGAIN()) {
        return error;
    }
    wane_gc_event again = {0};
    quiet++;
    error = NEXT(wane_gc_run)(generation, &again);
    quiet--;
    if (ret != NULL) {  // what was found before it was given up, too
        again.collected += ret->collected;
        again.uncollectable += ret->uncollectable;
        *ret = again;
    }
    return error;
}

EXPORT int wane_gc_step(int64_t budget_ns) {
    int left;
    AGAIN_IF(left == -ENOMEM, left, NEXT(wane_gc_step)(budget_ns));
    return left;
}

// It has no error to report: what a failed one left behind is found by another.
EXPORT size_t wane_gc_collect(int generation) {
    uint64_t before = atomic_load(&failed);
    size_t n = NEXT(wane_gc_collect)(generation);
    if (atomic_load(&failed) != before && IS_MADE_AGAIN()) {
        quiet++;
        n += NEXT(wane_gc_collect)(generation);
        quiet--;
    }
    return n;
}

EXPORT int wane_flush(void) {
    int error;
    AGAIN_IF(error == -ENOMEM, error, NEXT(wane_flush)());
    return error;
}

EXPORT int wane_flush_for(int64_t timeout_ns) {
    int error;
    AGAIN_IF(error == -ENOMEM, error, NEXT(wane_flush_for)(timeout_ns));
    return error;
}

EXPORT void wane_shutdown(void) {
    uint64_t before = atomic_load(&failed);
    NEXT(wane_shutdown)();
    if (atomic_load(&failed) != before && IS_MADE_AGAIN()) {
        quiet++;
        NEXT(wane_gc_collect)(WANE_GC_FULL);
        NEXT(wane_flush)();
        quiet--;
    }
}
