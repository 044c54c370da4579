/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/base.h: version, export marks and the small set of atomic operations that the inline paths need.
 *
 * The public headers need neither <stdatomic.h> nor any library: they use the compilers' __atomic built-ins, so
 * that the same text is C17 and C++17. Loads and stores are named by their order.
 */
#ifndef WANE_BASE_H
#define WANE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WANE_VERSION_MAJOR 0
#define WANE_VERSION_MINOR 1
#define WANE_VERSION_PATCH 0

#if UINTPTR_MAX != 0xffffffffffffffffu
#error "libwane needs a 64-bit machine: its object header keeps count, flags and type in one 64-bit word"
#endif

#ifdef __cplusplus
#define WANE__BEGIN extern "C" {
#define WANE__END }
#else
#define WANE__BEGIN
#define WANE__END
#endif

#define WANE_API __attribute__((visibility("default")))

/*
 * An inline function of the API is also an exported symbol: a compiler that does not inline it calls the library's.
 * One file of the library defines WANE__EMIT and so gives each its body there.
 */
#ifdef WANE__EMIT
#define WANE_INLINE WANE_API
#else
#define WANE_INLINE extern inline __attribute__((gnu_inline))
#endif
#define WANE__HELPER extern inline __attribute__((gnu_inline, always_inline))

/* Where those bodies tell ThreadSanitizer what it sees by itself in a program that is instrumented and inlines them. */
#ifndef WANE__EMIT
#define wane__told_acquire(p) ((void)0)
#define wane__told_release(p) ((void)0)
#endif

/*
 * A block that begins something and ends it however it is left: a loop of one turn, so that `break` leaves the block, over a
 * variable whose cleanup is the end. Each has a name of its own, since such blocks nest.
 */
struct wane__once {
    bool open;
};
#define WANE__JOIN_OF(a, b) a##b
#define WANE__JOIN(a, b) WANE__JOIN_OF(a, b)
#define WANE__ONCE_OF(v, begin, end) \
    for (struct wane__once v __attribute__((cleanup(end))) = begin(); v.open; v.open = false)
#define WANE__ONCE(begin, end) WANE__ONCE_OF(WANE__JOIN(wane__once_, __COUNTER__), begin, end)

/* The type of an expression, not evaluated and without the qualifiers of a variable. */
#define WANE__TYPE_OF(x) __typeof__(1 ? (x) : (x))
/* A value of type void * as one of another pointer type. An assignment, since an unused cast is warned of. */
#define WANE__AS(type, value) ((type){0} = (value))

#define wane__likely(x) __builtin_expect(!!(x), 1)
#define wane__unlikely(x) __builtin_expect(!!(x), 0)

/* Orders memory accesses for the compiler only: what membarrier(2) completes on the other side. */
#define wane__compiler_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)

#define wane__load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define wane__load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define wane__store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define wane__store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

#endif
