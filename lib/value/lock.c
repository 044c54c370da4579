/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/lock.c: a table of small locks, of which each container has one by its address.
 *
 * Why a table and not a lock in each container: fork must find every container whole, so it takes all locks, and it could
 * not find them in the containers. Two containers may share a lock; nobody holds two, so that costs a wait of an
 * instant and no more. Why no pthread_mutex: leaving is one store here, and a writer is inside for some dozens of
 * instructions. Who waits spins, then sleeps in naps; there is no wake-up to send, so a holder that lost its processor
 * costs a waiter one nap after it has come back.
 *
 * The guard comes first: in a guard libwane waits for nothing, so no writer is held up by a stall of another one.
 *
 * Fork. The handlers are registered after libwane's own, so theirs run nearer to the fork: writers still get libwane's
 * locks while we wait for them.
 */
#include "value/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <wane.h>

#define LOCK_BITS 8
#define LOCKS (1u << LOCK_BITS)
#define SPINS 200
#define NAP_NS 50000

static struct lock {
    _Alignas(64) _Atomic(uint32_t) xheld;
} locks[LOCKS];

static struct lock *lock_of(const void *container) {
    uint64_t mixed = (uint64_t)(uintptr_t)container * UINT64_C(0x9E3779B97F4A7C15);
    return &locks[mixed >> (64 - LOCK_BITS)];
}

static bool try_lock(struct lock *l) {
    return atomic_exchange_explicit(&l->xheld, 1, memory_order_acquire) == 0; /* [order:value-lock] */
}

/* syscall() is no cancellation point, as nanosleep would be. */
static void nap(struct lock *l) {
    struct timespec t = {0, NAP_NS};
    int saved = errno;
    syscall(SYS_futex, &l->xheld, FUTEX_WAIT_PRIVATE, 1, &t, NULL, 0);
    errno = saved;
}

static void lock(struct lock *l) {
    for (unsigned tries = 0; !try_lock(l); tries++) {
        for (unsigned i = 0; i < SPINS && atomic_load_explicit(&l->xheld, memory_order_relaxed) != 0; i++)
            __asm__ volatile("" ::: "memory");
        if (tries > 0)
            nap(l);
    }
}

static void unlock(struct lock *l) {
    atomic_store_explicit(&l->xheld, 0, memory_order_release); /* [order:value-lock] */
}

void wane__value_enter(const void *container) {
    wane_guard_enter();
    lock(lock_of(container));
}

void wane__value_leave(const void *container) {
    unlock(lock_of(container));
    wane_guard_leave();
}

static void before_fork(void) {
    for (unsigned i = 0; i < LOCKS; i++)
        lock(&locks[i]);
}

static void after_fork(void) {
    for (unsigned i = 0; i < LOCKS; i++)
        unlock(&locks[i]);
}

/*
 * When the library is loaded: handlers that the program registers are called before these take the locks, and may use containers. A
 * failure, for want of memory so early, leaves a child of a fork with locks that may be held.
 */
__attribute__((constructor)) static void at_fork(void) { pthread_atfork(before_fork, after_fork, after_fork); }
