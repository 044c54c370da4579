/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * base/sanitize.h: what the library tells the sanitizers of the program that it is linked to.
 *
 * The runtimes' entry points are weak symbols, called when the program has them: an ordinary build of the library,
 * itself not instrumented, is quiet under a user's ThreadSanitizer and lets AddressSanitizer see use after death.
 * Each call costs one load and a branch when there is no sanitizer, so they stay out of the inline paths.
 */
#ifndef WANE_BASE_SANITIZE_H
#define WANE_BASE_SANITIZE_H

#include <stddef.h>

#if defined(__SANITIZE_THREAD__)
#define WANE__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WANE__TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WANE__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WANE__ASAN 1
#endif
#endif

/* A function that reads or writes memory that is poisoned for everybody else. */
#ifdef WANE__ASAN
#define WANE__NO_ASAN __attribute__((no_sanitize("address"), noinline))
#else
#define WANE__NO_ASAN
#endif

extern __attribute__((weak)) void __tsan_acquire(void *addr);
extern __attribute__((weak)) void __tsan_release(void *addr);
extern __attribute__((weak)) void __asan_poison_memory_region(void const volatile *addr, size_t size);
extern __attribute__((weak)) void __asan_unpoison_memory_region(void const volatile *addr, size_t size);
extern __attribute__((weak)) void __lsan_register_root_region(const void *addr, size_t size);
extern __attribute__((weak)) void __lsan_unregister_root_region(const void *addr, size_t size);

/* What happened before a wane__tsan_release(p) happened before what follows a later wane__tsan_acquire(p). */
static inline void wane__tsan_acquire(void *p) {
    if (__builtin_expect(__tsan_acquire != NULL, 0))
        __tsan_acquire(p);
}

static inline void wane__tsan_release(void *p) {
    if (__builtin_expect(__tsan_release != NULL, 0))
        __tsan_release(p);
}

/* Memory of the pool that belongs to nobody: a program's access to it is an error. */
static inline void wane__poison(void *p, size_t size) {
    if (__builtin_expect(__asan_poison_memory_region != NULL, 0))
        __asan_poison_memory_region(p, size);
}

static inline void wane__unpoison(void *p, size_t size) {
    if (__builtin_expect(__asan_unpoison_memory_region != NULL, 0))
        __asan_unpoison_memory_region(p, size);
}

/* Memory that may hold the only pointer to something malloc'ed. */
static inline void wane__lsan_root_add(void *p, size_t size) {
    if (__lsan_register_root_region != NULL)
        __lsan_register_root_region(p, size);
}

static inline void wane__lsan_root_remove(void *p, size_t size) {
    if (__lsan_unregister_root_region != NULL)
        __lsan_unregister_root_region(p, size);
}

#endif
