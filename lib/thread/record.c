/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * thread/record.c: the registry of threads.
 *
 * One lock guards it; attach and detach hold it for a few lines. Exit is learnt from a pthread key's destructor, which
 * asks to be called again until the last round but one, because other destructors may still use the library.
 *
 * A thread that attaches even after that, or in the last round, is not told of its end any more, and nothing tells such a
 * thread from others. So each thread holds a robust mutex of its record: when it ends, the kernel marks that, at once and
 * whatever thread gets its number next. wane__record_reap takes back the records whose mutex is so marked. Who needs them
 * asks for it: whoever finds no record left, a grace period that does not end, and the collector thread before it sleeps
 * or ends.
 */
#include "thread/record.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/lock.h"
#include "base/option.h"
#include "os/clock.h"
#include "thread/mode.h"
#include "thread/wake.h"

#ifndef PTHREAD_DESTRUCTOR_ITERATIONS
#define PTHREAD_DESTRUCTOR_ITERATIONS 4
#endif

/* What threads without a record point to: equals no owner, and its nesting sends guards to their slow path. */
struct wane__thread wane__nobody = {.match = WANE__MATCH_NOBODY, .nest = (uint64_t)1 << 63};
__thread struct wane__thread *wane__self __attribute__((tls_model("initial-exec"))) = &wane__nobody;

/* Set when the exit destructor has run for the last time: there is no use in asking for it again. */
static __thread bool exit_over __attribute__((tls_model("initial-exec")));

struct wane__record *wane__records[WANE__ID_LIMIT];
uint32_t wane__record_end = WANE__ID_COLLECTOR + 1;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;

/* Leaf lock: guards the list of free ids, the number attached, and who holds the records' mutexes. */
static struct wane__mutex registry = WANE__MUTEX(WANE__RANK_REGISTRY);
static uint32_t free_ids;
static size_t xattached;
static uint32_t xends;

/* What that call was in the middle of is lost, and others would wait for it for ever. */
static void check_end(const struct wane__record *r) {
    if (r->callbacks > 0)
        wane__fatal("a thread ended inside a callback: by pthread_exit or cancellation");
    if (load_relaxed(&r->xbegun[0]) != load_relaxed(&r->xended[0]) || load_relaxed(&r->xbegun[1]) != load_relaxed(&r->xended[1]))
        wane__fatal("a thread ended inside a call of the library: by asynchronous cancellation, or after a jump out of the call");
}

static void on_exit_round(void *arg) {
    struct wane__record *r = arg;
    check_end(r);
    /* Not in the last round: there ThreadSanitizer takes its own state of the thread away. */
    if (++r->exit_rounds < PTHREAD_DESTRUCTOR_ITERATIONS - 1 && pthread_setspecific(exit_key, r) == 0)
        return;
    exit_over = true;
    if (wane__record_self() == r)
        wane__record_detach(r);
}

static void start_once(void) {
    if (pthread_key_create(&exit_key, on_exit_round) != 0)
        wane__fatal("pthread_key_create failed: no key is left for the library");
    wane__start();
}

uint64_t wane__xwave = 1;

/* Nobody has the record yet. Consumers do not look at a queue that holds nothing: only a cut may have the lock. */
static void begin_in_wave(struct wane__queue *q) {
    while (!wane__queue_trylock(q))
        wane__pause_briefly(); /* and no spinning, which a cutter of low priority might never come out of */
    if (load_relaxed(&q->xcut_wave) == 0)
        store_relaxed(&q->xcut_wave, load_seq_cst(&wane__xwave) - 1); /* [order:wave] */
    wane__queue_unlock(q);
}

/* The record can be found: a cut that raises the number after it is read here comes to these queues, after us. */
static void join_wave(struct wane__record *r) {
    fence_seq_cst();
    begin_in_wave(&r->deferred);
    begin_in_wave(&r->kept);
    begin_in_wave(&r->handed);
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
    if (xattached >= (size_t)wane__option(max_threads)) {
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
        join_wave(r);
    }
    store_seq_cst(&xattached, xattached + 1); /* [order:ends] */
    return r;
}

/*
 * New each time: its last holder may have died with it, or, in the child of a fork, not exist. ThreadSanitizer would take that
 * for a second lock by another thread. With it nothing is held, and a thread is known by its number alone.
 */
static void hold_alive(struct wane__record *r) {
    if (__tsan_release != NULL)
        return;
    pthread_mutexattr_t robust;
    pthread_mutexattr_init(&robust);
    pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&r->alive, &robust);
    pthread_mutexattr_destroy(&robust);
    (void)pthread_mutex_trylock(&r->alive); /* free, hence ours; a lock would look like one of wrong rank */
}

/*
 * If fences are turned on meanwhile, `match` may end as the id: the thread counts without fences then, as one does that
 * was attached before, and like that one it is waited for by xknows_fences. That word is set before xfences is read here
 * and swapped for 0 after xfences was written there. If 0 was read here, the swap is the later of the two; it reads what was
 * written here, and so whoever turned them on sees the thread attached as well.
 */
static void put_on(struct wane__record *r) {
    wane__heap_init(&r->heap);
    r->exit_rounds = 0;
    r->tid = (pid_t)syscall(SYS_gettid);
    hold_alive(r);
    store_relaxed(&r->xstate, (uint32_t)WANE__RECORD_ATTACHED);
    store_seq_cst(&r->xknows_fences, 1u); /* [order:knows] */
    bool fences = load_seq_cst(&wane__xfences) != 0;
    store_relaxed(&r->head.match, fences || WANE__OUT_OF_LINE ? WANE__MATCH_NOBODY : r->id);
    wane__self = &r->head;
}

/* Under the registry's lock: what is to be done when nobody runs as r any more. */
static void release_record_locked(struct wane__record *r) {
    r->head.nest = 0;
    store_relaxed(&r->head.bracket, 0u);
    store_release(&r->head.guard, (uint64_t)0); /* [order:guard] */
    r->callbacks = 0;
    store_relaxed(&r->xaway, false);
    r->allowance = 0;
    store_release(&r->xstate, (uint32_t)WANE__RECORD_FREE);
    if (r->id != WANE__ID_COLLECTOR) {
        store_seq_cst(&xattached, xattached - 1); /* [order:ends] */
        store_seq_cst(&xends, xends + 1);
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

/* Whether the thread of r has ended without being told of it. Where no mutex is held its number must do. */
static bool is_gone(struct wane__record *r) {
    if (load_relaxed(&r->xstate) == WANE__RECORD_FREE)
        return false;
    if (__tsan_release != NULL)
        return syscall(SYS_tgkill, getpid(), r->tid, 0) != 0 && errno == ESRCH;
    if (pthread_mutex_trylock(&r->alive) != EOWNERDEAD)
        return false;
    pthread_mutex_consistent(&r->alive);
    pthread_mutex_unlock(&r->alive);
    return true;
}

static size_t reap_locked(void) {
    size_t n = 0;
    WANE__EACH_RECORD(r) {
        if (!is_gone(r))
            continue;
        wane__tsan_acquire(&r->head.bracket); /* released at the end of its brackets and births, */
        wane__tsan_acquire(&r->head.guard);   /* its guards, */
        wane__tsan_acquire(&r->xended);       /* and when it had worked on a queue */
        check_end(r);
        abandon_heap(r);
        release_record_locked(r);
        n++;
    }
    return n;
}

struct wane__record *wane__record_attach(int *error) {
    struct wane__record *r = wane__record_self();
    if (r != NULL)
        return r;
    int saved = errno;
    pthread_once(&once, start_once);
    wane__mutex_lock(&registry);
    r = take_record_locked(error);
    if (r == NULL && reap_locked() > 0)
        r = take_record_locked(error);
    if (r != NULL)
        put_on(r);
    wane__mutex_unlock(&registry);
    if (r != NULL && !exit_over && pthread_setspecific(exit_key, r) != 0) {
        wane__record_detach(r);
        *error = -ENOMEM;
        r = NULL;
    }
    if (r != NULL)
        wane__wake_for_begin();
    errno = saved;
    wane__log_owed(); /* what the start had to say, under the lock of pthread_once */
    return r;
}

struct wane__record *wane__record_need_slow(const char *operation) {
    int error = 0;
    struct wane__record *r = wane__record_attach(&error);
    if (r == NULL)
        wane__fatal("%s: this thread cannot be attached: %s", operation,
                    error == -EAGAIN ? "max_threads threads are attached" : "out of memory");
    return r;
}

struct wane__record *wane__record_adopt_collector(void) {
    wane__mutex_lock(&registry);
    struct wane__record *r = wane__records[WANE__ID_COLLECTOR];
    if (r == NULL && (r = record_new(WANE__ID_COLLECTOR)) != NULL)
        join_wave(r);
    if (r != NULL)
        put_on(r);
    wane__mutex_unlock(&registry);
    return r;
}

static void take_off(struct wane__record *r) {
    int saved = errno;
    wane__tsan_release(&r->head.bracket);
    wane__tsan_release(&r->head.guard);
    abandon_heap(r);
    wane__mutex_lock(&registry);
    wane__self = &wane__nobody;
    release_record_locked(r);
    if (__tsan_release == NULL)
        pthread_mutex_unlock(&r->alive);
    wane__mutex_unlock(&registry);
    if (r->id != WANE__ID_COLLECTOR && !exit_over && pthread_getspecific(exit_key) == r)
        pthread_setspecific(exit_key, NULL);
    errno = saved;
}

void wane__record_detach(struct wane__record *r) {
    take_off(r);
    wane__wake_for_end();
}

void wane__record_reap(void) {
    int saved = errno;
    wane__mutex_lock(&registry);
    reap_locked();
    wane__mutex_unlock(&registry);
    errno = saved;
}

size_t wane__record_count(void) { return load_seq_cst(&xattached); /* [order:ends] */ }

uint32_t wane__record_ends(void) { return load_seq_cst(&xends); }

int64_t wane__xtracked_limit = INT64_MAX;

int64_t wane__tracked_alive(void) {
    int64_t n = 0;
    WANE__EACH_RECORD(r) n += (int64_t)(load_relaxed(&r->births[1].xn) - load_relaxed(&r->deaths[1].xn));
    return n;
}

/* One of those who ask adds up, and says how long that may stand. */
int64_t wane__tracked_lately(void) {
    static int64_t xsum;
    static uint64_t xnext;
    uint64_t now = wane__now(), next = load_relaxed(&xnext);
    if (now >= next && cas_relaxed(&xnext, &next, now + 1)) {
        store_relaxed(&xsum, wane__tracked_alive());
        uint64_t end = wane__now();
        store_relaxed(&xnext, end + 100 * (end - now));
    }
    return load_relaxed(&xsum);
}

uint32_t wane__xcollects;

void wane__record_fork_prepare(void) { wane__mutex_lock(&registry); }

void wane__record_fork_parent(void) { wane__mutex_unlock(&registry); }

void wane__record_fork_child(void) {
    struct wane__record *self = wane__record_self();
    if (self != NULL) {
        self->tid = (pid_t)syscall(SYS_gettid);
        hold_alive(self);
    }
    WANE__EACH_RECORD(r) {
        store_relaxed(&r->deferred.xlock, 0u);
        store_relaxed(&r->kept.xlock, 0u);
        store_relaxed(&r->handed.xlock, 0u);
        if (r == self || load_relaxed(&r->xstate) == WANE__RECORD_FREE)
            continue;
        wane__heap_fork_child(&r->heap);
        r->applies_inside = false;
        r->may_run_queued = r->runs_queued = false;
        if (load_relaxed(&r->xouter) == load_relaxed(&r->xdead))
            store_relaxed(&r->xouter, NULL); /* one list: it is added to before both are left to others */
        release_record_locked(r);
    }
    wane__mutex_unlock(&registry);
}
