/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * thread/record.c: the registry of threads.
 *
 * One lock guards it; attach and detach hold it for a few lines. Exit is learnt from a pthread key's destructor, which
 * asks to be called again until the last round but one, because other destructors may still use the library; a thread that
 * attaches even after that is marked LATE, and its record is taken back when the kernel no longer knows the thread.
 */
#include "thread/record.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/option.h"
#include "thread/mode.h"
#include "thread/wake.h"

#ifndef PTHREAD_DESTRUCTOR_ITERATIONS
#define PTHREAD_DESTRUCTOR_ITERATIONS 4
#endif

/* What threads without a record point to: equals no owner, and its nesting sends guards to their slow path. */
struct wane__thread wane__nobody = {.match = WANE__MATCH_NOBODY, .nest = (uint64_t)1 << 63};
__thread struct wane__thread *wane__self __attribute__((tls_model("initial-exec"))) = &wane__nobody;

/* Set when the exit destructor has run for the last time: a record taken after it is LATE. */
static __thread bool exit_over __attribute__((tls_model("initial-exec")));

struct wane__record *wane__records[WANE__ID_LIMIT];
uint32_t wane__record_end = WANE__ID_COLLECTOR + 1;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;

/* Leaf lock: guards the list of free ids, the number attached, `late`. */
static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static uint32_t free_ids;
static size_t attached;
static size_t late;

/*
 * The thread is in its exit. Whether another round comes cannot be known, since the record may have been taken in a late
 * one: should none come, the record is taken back when the thread is gone.
 */
static void expect_exit(struct wane__record *r) {
    pthread_mutex_lock(&registry);
    if (load_relaxed(&r->xstate) == WANE__RECORD_ATTACHED) {
        store_relaxed(&r->xstate, (uint32_t)WANE__RECORD_LATE);
        store_relaxed(&late, late + 1);
    }
    pthread_mutex_unlock(&registry);
}

static void on_exit_round(void *arg) {
    struct wane__record *r = arg;
    if (r->callbacks > 0) /* what that call was in the middle of is lost, and a flush would wait for it for ever */
        wane__fatal("a thread ended inside a callback of the library: by pthread_exit, or cancelled");
    expect_exit(r);
    /* Not in the last round: there ThreadSanitizer takes its own state of the thread away. */
    if (++r->exit_rounds < PTHREAD_DESTRUCTOR_ITERATIONS - 1 && pthread_setspecific(exit_key, r) == 0)
        return;
    exit_over = true;
    if (wane__record_self() == r)
        wane__record_detach(r);
}

static void start_once(void) {
    if (pthread_key_create(&exit_key, on_exit_round) != 0)
        wane__fatal("no thread-specific key is left for the library");
    wane__start();
}

/* A record with memory of its own: zero pages, known to LeakSanitizer, since queues and objects hang on it. */
static struct wane__record *record_new(uint32_t id) {
    size_t size = (sizeof(struct wane__record) + 4095) & ~(size_t)4095;
    struct wane__record *r = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (r == MAP_FAILED)
        return NULL;
    wane__lsan_root_add(r, size); /* first: the process may end before the queues are ready */
    if (!wane__queue_init(&r->deferred) || !wane__queue_init(&r->kept)) {
        wane__lsan_root_remove(r, size);
        munmap(r, size); /* a queue that was made stays behind: memory is out anyway */
        return NULL;
    }
    r->id = id;
    store_release(&wane__records[id], r); /* [order:record] */
    return r;
}

/* Under the registry's lock. */
static struct wane__record *take_record_locked(int *error) {
    if (attached >= (size_t)wane__option(max_threads)) {
        *error = -EAGAIN;
        return NULL;
    }
    struct wane__record *r;
    if (free_ids != 0) {
        r = wane__records[free_ids];
        free_ids = r->next_free;
    } else if (wane__record_end == WANE__ID_LIMIT) {
        *error = -EAGAIN;
        return NULL;
    } else {
        r = record_new(wane__record_end);
        if (r == NULL) {
            *error = -ENOMEM;
            return NULL;
        }
        store_seq_cst(&wane__record_end, r->id + 1);
    }
    attached++;
    return r;
}

/*
 * If fences are turned on meanwhile, `match` may end as the id: the thread counts without fences then, as one does that
 * was attached before, and like that one it is waited for by xknows_fences. That word is set before xfences is read here
 * and cleared after it was written there: if 0 was read here, the clearing is the later.
 */
static void put_on(struct wane__record *r, enum wane__record_state state) {
    wane__heap_init(&r->heap);
    r->exit_rounds = 0;
    r->tid = (pid_t)syscall(SYS_gettid);
    store_seq_cst(&r->xknows_fences, 1u);
    store_relaxed(&r->head.match, load_seq_cst(&wane__xfences) != 0 ? WANE__MATCH_NOBODY : r->id);
    store_relaxed(&r->xstate, (uint32_t)state);
    wane__self = &r->head;
}

struct wane__record *wane__record_attach(int *error) {
    struct wane__record *r = wane__record_self();
    if (r != NULL)
        return r;
    int saved = errno;
    pthread_once(&once, start_once);
    for (int tries = 0; tries < 2 && r == NULL; tries++) {
        pthread_mutex_lock(&registry);
        r = take_record_locked(error);
        if (r != NULL) {
            if (exit_over)
                store_relaxed(&late, late + 1); /* read without the lock */
            put_on(r, exit_over ? WANE__RECORD_LATE : WANE__RECORD_ATTACHED);
        }
        pthread_mutex_unlock(&registry);
        if (r == NULL)
            wane__record_reap_late();
    }
    if (r != NULL && !exit_over && pthread_setspecific(exit_key, r) != 0) {
        wane__record_detach(r);
        *error = -ENOMEM;
        r = NULL;
    }
    errno = saved;
    return r;
}

struct wane__record *wane__record_need_slow(const char *operation) {
    int error = 0;
    struct wane__record *r = wane__record_attach(&error);
    if (r == NULL)
        wane__fatal("%s: this thread cannot be attached: %s", operation,
                    error == -EAGAIN ? "max_threads threads are" : "out of memory");
    return r;
}

struct wane__record *wane__record_adopt_collector(void) {
    pthread_mutex_lock(&registry);
    struct wane__record *r = wane__records[WANE__ID_COLLECTOR];
    if (r == NULL)
        r = record_new(WANE__ID_COLLECTOR);
    if (r != NULL)
        put_on(r, WANE__RECORD_ATTACHED);
    pthread_mutex_unlock(&registry);
    return r;
}

/* Under the registry's lock: what is to be done when nobody runs as r any more. */
static void release_record_locked(struct wane__record *r) {
    r->head.nest = 0;
    store_relaxed(&r->head.bracket, 0u);
    store_release(&r->head.guard, (uint64_t)0); /* [order:guard] */
    r->callbacks = 0;
    r->allowance = 0;
    if (load_relaxed(&r->xstate) == WANE__RECORD_LATE)
        store_relaxed(&late, late - 1);
    store_release(&r->xstate, (uint32_t)WANE__RECORD_FREE);
    if (r->id != WANE__ID_COLLECTOR) {
        attached--;
        r->next_free = free_ids;
        free_ids = r->id;
    }
}

void wane__record_send_gathered(struct wane__record *r) {
    if (r->heap.gathered.n == 0)
        return;
    wane__mark(&r->head);
    wane__heap_send_gathered(&r->heap);
    wane__unmark(&r->head);
    wane__after_frees(r);
}

static void abandon_heap(struct wane__record *r) {
    wane__record_send_gathered(r);
    wane__heap_abandon(&r->heap);
}

void wane__record_detach(struct wane__record *r) {
    int saved = errno;
    wane__tsan_release(&r->head.bracket);
    wane__tsan_release(&r->head.guard);
    abandon_heap(r);
    pthread_mutex_lock(&registry);
    wane__self = &wane__nobody;
    release_record_locked(r);
    pthread_mutex_unlock(&registry);
    if (r->id != WANE__ID_COLLECTOR && !exit_over && pthread_getspecific(exit_key) == r)
        pthread_setspecific(exit_key, NULL);
    errno = saved;
}

void wane__record_reap_late(void) {
    if (load_relaxed(&late) == 0)
        return;
    int saved = errno;
    pthread_mutex_lock(&registry);
    WANE__EACH_RECORD(r) {
        if (load_relaxed(&r->xstate) == WANE__RECORD_LATE && syscall(SYS_tgkill, getpid(), r->tid, 0) != 0 &&
            errno == ESRCH) {
            wane__tsan_acquire(&r->head.bracket); /* released at the end of its brackets and births, */
            wane__tsan_acquire(&r->head.guard);   /* its guards, */
            wane__tsan_acquire(&r->xapplying);    /* and when it had worked on a queue */
            abandon_heap(r);
            release_record_locked(r);
        }
    }
    pthread_mutex_unlock(&registry);
    errno = saved;
}

size_t wane__record_count(void) {
    pthread_mutex_lock(&registry);
    size_t n = attached;
    pthread_mutex_unlock(&registry);
    return n;
}

int64_t wane__xtracked_limit = INT64_MAX;

int64_t wane__tracked_alive(void) {
    int64_t n = 0;
    WANE__EACH_RECORD(r) n += (int64_t)(load_relaxed(&r->births[1].xn) - load_relaxed(&r->deaths[1].xn));
    return n;
}

void wane__record_fork_prepare(void) { pthread_mutex_lock(&registry); }

void wane__record_fork_parent(void) { pthread_mutex_unlock(&registry); }

void wane__record_fork_child(void) {
    struct wane__record *self = wane__record_self();
    if (self != NULL)
        self->tid = (pid_t)syscall(SYS_gettid);
    WANE__EACH_RECORD(r) {
        store_relaxed(&r->deferred.xlock, 0u);
        store_relaxed(&r->kept.xlock, 0u);
        store_relaxed(&r->handed.xlock, 0u);
        if (r == self || load_relaxed(&r->xstate) == WANE__RECORD_FREE)
            continue;
        wane__heap_fork_child(&r->heap);
        r->applies_inside = false;
        r->may_run_queued = false;
        store_relaxed(&r->xapplying, 0u);
        release_record_locked(r);
    }
    pthread_mutex_unlock(&registry);
}
