/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * base/lock.h: the library's mutexes, and the order in which a thread may take them.
 *
 * Each lock has a rank. A thread waits for a lock only while every lock that it holds has a smaller rank, so threads
 * that wait for each other cannot form a circle. A try-lock waits for nobody and may be taken in any order. Builds with
 * full checks keep a bit for each rank that the thread holds, and end the program at the first lock that is taken out of
 * order, whether or not another thread is there to make it a deadlock. They also check that no lock is held while a
 * callback of the program runs (wane__call).
 *
 * fork takes all locks, in the order of their ranks. The child inherits the thread's bits together with the locks. It has no
 * other thread yet, so until it has let all of them go it may take locks in any order (wane__locks_unordered).
 */
#ifndef WANE_BASE_LOCK_H
#define WANE_BASE_LOCK_H

#include <pthread.h>

#include "base/check.h"

/* From the top down. docs/architecture.md says what each lock protects. */
enum wane__rank {
    WANE__RANK_START,
    WANE__RANK_TRACING,
    WANE__RANK_COLLECTOR,
    WANE__RANK_ARMING,
    WANE__RANK_TABLE,
    WANE__RANK_POLICY,
    WANE__RANK_CALLBACKS,
    WANE__RANK_KEPT,
    WANE__RANK_LEFT,
    WANE__RANK_FINALIZERS,
    WANE__RANK_TYPES,
    WANE__RANK_WEAK, /* of 16 locks; who takes several of them does so in the order of the array */
    WANE__RANK_REGISTRY,
    WANE__RANK_SILENT,
    WANE__RANK_ORPHANS,
    WANE__RANK_LARGE,
    WANE__RANK_MAP,
    WANE__RANK_QUARANTINE,
    WANE__RANK_THREAD_START, /* work may come up, and the collector thread be started, under any lock */
    WANE__RANK_SITES,
    WANE__RANKS
};

struct wane__mutex {
    pthread_mutex_t mutex;
    enum wane__rank rank;
};

#define WANE__MUTEX(of_rank) {.mutex = PTHREAD_MUTEX_INITIALIZER, .rank = (of_rank)}

#if WANE_CHECKS >= 2
void wane__lock_check(const struct wane__mutex *m);
void wane__lock_note(const struct wane__mutex *m);
void wane__unlock_note(const struct wane__mutex *m);
/* A bit for each rank of which the calling thread holds a lock. */
uint32_t wane__locks_held(void);
/* While true, the calling thread takes locks that nobody else can hold: their order is not checked. */
void wane__locks_unordered(bool yes);
#else
static inline void wane__lock_check(const struct wane__mutex *m) { (void)m; }
static inline void wane__lock_note(const struct wane__mutex *m) { (void)m; }
static inline void wane__unlock_note(const struct wane__mutex *m) { (void)m; }
static inline uint32_t wane__locks_held(void) { return 0; }
static inline void wane__locks_unordered(bool yes) { (void)yes; }
#endif

static inline void wane__mutex_lock(struct wane__mutex *m) {
    wane__lock_check(m); /* before it waits, perhaps for ever */
    pthread_mutex_lock(&m->mutex);
    wane__lock_note(m);
}

static inline bool wane__mutex_trylock(struct wane__mutex *m) {
    if (pthread_mutex_trylock(&m->mutex) != 0)
        return false;
    wane__lock_note(m);
    return true;
}

static inline void wane__mutex_unlock(struct wane__mutex *m) {
    wane__unlock_note(m);
    pthread_mutex_unlock(&m->mutex);
}

#endif
