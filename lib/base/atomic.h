/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * base/atomic.h: atomic operations with their order in the name, beside those of wane/base.h.
 *
 * Fields that other threads touch begin with `x` and are read and written only through these. Orders stronger than
 * relaxed carry a tag that docs/memory-orders.md explains. There are no bare fences but fence_seq_cst, which only the
 * mode without membarrier(2) uses: ThreadSanitizer does not see fences.
 */
#ifndef WANE_BASE_ATOMIC_H
#define WANE_BASE_ATOMIC_H

#include <wane/base.h>

#define load_relaxed(p) wane__load_relaxed(p)
#define load_acquire(p) wane__load_acquire(p)
#define load_seq_cst(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define store_relaxed(p, v) wane__store_relaxed(p, v)
#define store_release(p, v) wane__store_release(p, v)
#define store_seq_cst(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define swap_acq_rel(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define swap_acquire(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define swap_seq_cst(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define add_acq_rel(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
#define sub_relaxed(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_RELAXED)
#define sub_acq_rel(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL)
#define or_relaxed(p, v) __atomic_fetch_or((p), (v), __ATOMIC_RELAXED)
#define or_acq_rel(p, v) __atomic_fetch_or((p), (v), __ATOMIC_ACQ_REL)
#define and_acq_rel(p, v) __atomic_fetch_and((p), (v), __ATOMIC_ACQ_REL)
/* Compare-and-swap; on failure *expected is what was found, loaded with acquire where success acquires. */
#define cas_acq_rel(p, expected, v) \
    __atomic_compare_exchange_n((p), (expected), (v), 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define cas_weak_acq_rel(p, expected, v) \
    __atomic_compare_exchange_n((p), (expected), (v), 1, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define cas_weak_release(p, expected, v) \
    __atomic_compare_exchange_n((p), (expected), (v), 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define cas_relaxed(p, expected, v) \
    __atomic_compare_exchange_n((p), (expected), (v), 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define fence_seq_cst() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define compiler_barrier() wane__compiler_barrier()

#define likely(x) wane__likely(x)
#define unlikely(x) wane__unlikely(x)

#endif
