/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * thread/record.h: what the library keeps for each thread.
 *
 * A record belongs to a thread id for ever: it is never freed, and the next thread with that id inherits it, with the
 * objects biased to the id, the pages of its heap and what waits in its queues. So "the owner's bracket is clear" can
 * be asked of any id at any time. An exit and the next attach of the same id are ordered by the registry's lock.
 *
 * Id 1 is the collector thread's. User threads have 2 .. 65,001.
 */
#ifndef WANE_THREAD_RECORD_H
#define WANE_THREAD_RECORD_H

#include <pthread.h>
#include <sys/types.h>

#include "base/queue.h"
#include "base/sanitize.h"
#include "base/stack.h"
#include "heap/dead.h"
#include "heap/heap.h"

#define WANE__ID_COLLECTOR 1u
#define WANE__ID_LIMIT 65002u /* ids are below it */
#define WANE__BATCH 1024

enum wane__record_state { WANE__RECORD_FREE, WANE__RECORD_ATTACHED };

/* Dead objects that a thread left to others, of one wave's parity (life/left.h). */
struct wane__left {
    struct wane__dead_stack stack;
    struct wane__header *taken; /* from the stack, and not yet by whoever destroys them */
};

/*
 * Blocks of dead objects that were weakly referenced, which a grace period keeps from being handed out (thread/grace.h): added, noted
 * when a period began, and due. They count towards the byte bound of the record whose thread destroyed the objects.
 */
struct wane__blocks {
    struct wane__dead_stack added;
    struct wane__header *noted; /* guarded by the grace period's lock, as the next two are */
    bool ripe;                  /* `noted` may be freed, and waits until nothing else is due */
    struct wane__header *xdue;
    uint64_t xbytes; /* of all of them */
};

/* Of objects: how many, and their bytes. */
struct wane__sum {
    uint64_t xn;
    uint64_t xbytes;
};

/* Which birth is traced next (life/traced.h). */
struct wane__next_traced {
    uint64_t xat;  /* bytes of births at which; set to 0 by who starts tracing */
    uint64_t seed; /* of the random numbers that choose it; its thread only; 0: none yet */
};

struct wane__record {
    struct wane__thread head;

    /* immutable once published */
    uint32_t id;

    /* its thread only */
    unsigned exit_rounds;    /* of thread-exit destructors seen */
    unsigned callbacks;      /* depth of user code that the library called, `trace` at a death where more may be called included */
    bool applies_inside;     /* applies units inside a callback that began before: for all, and not for that callback */
    bool finals_any;         /* `finals` may hold something */
    bool may_run_queued;     /* finalizers of WANE_TYPE_FINALIZE_QUEUED, but when the program is to ask for them */
    bool runs_queued;        /* the program asked */
    size_t queued_ran;       /* such finalizers so far */
    uint8_t wave;            /* 1 + parity of the wave of what it has in hand; 0: of none (count/wave.h) */
    uint64_t calls_n;        /* callbacks that it ran: whether the time may have gone */
    uint64_t grown;          /* bytes added since it looked at the growth of all */
    uint64_t grown_births;   /* bytes of its births of which `grown` knows */
    uint64_t held_births;    /* bytes of its tracked births when it last looked whether it is to be held back */
    uint64_t settle_next;    /* position in `kept`: before it is reached the thread does not look at settling again */
    uint64_t allowance;      /* bytes deferred up to which no further wait is imposed after an overrun */
    uint64_t bound_next;     /* of `deferred.xbytes`: before it is exceeded what the thread defers cannot take it over its bound */

    /* written by its thread, read by any */
    bool xaway; /* in code of the program's that the library called, or waiting for guards */
    uint64_t xbegun[2], xended[2]; /* frames that have something of a wave in hand, by its parity */
    uint64_t xfollows[2]; /* callbacks for something of a wave, by its parity, that deferred something of the next */
    struct wane__header *xdead;  /* found dead, to be destroyed */
    struct wane__header *xouter; /* `xdead` as it was when the callback began that this thread is in */
    struct wane__header *xlater; /* what died in that callback, to be destroyed when it has returned */
    uint32_t xbatch_n; /* not 0: a frame further down the stack may be working on the batch */
    uint32_t xbatch_split; /* units below the split are of even waves */
    struct wane__queue *xbatch_of; /* where the batch comes from, and its position there */
    uint64_t xbatch_at;
    uint64_t xbatch_done; /* that queue's xbytes_done when the batch is taken */
    struct wane__sum births[2], deaths[2]; /* [1]: of tracked types */
    struct wane__next_traced traced[2]; /* of the same births */
    int64_t xexternal; /* noted by it: what it noted as gone is subtracted, whoever added it */
    uint64_t xmerges, xrevocations;
    uint64_t xstalls, xstall_ns_max, xstall_ns_total, xoverruns;
    uint64_t xstall_histogram[32];

    /* by any thread */
    struct wane__left left[2];
    uint64_t xleft_n, xleft_bytes; /* of both */
    struct wane__blocks blocks;
    uint32_t xstate;
    uint32_t xknows_fences; /* its marks are followed by fences, if they have to be */

    /* guarded by the registry's lock */
    pthread_mutex_t alive; /* robust: held by its thread while it is attached */
    uint32_t next_free;
    pid_t tid;

    /* guarded by the grace period's lock */
    uint64_t passed;       /* target of the last grace period that it was seen to let pass */
    uint64_t guard_seen;   /* the guard word that a grace period last waited for */
    uint64_t guard_since;  /* when that was first seen, in ns */
    bool guard_warned;

    /* units in slots that were removed: decremented after a grace period */
    struct wane__queue deferred;
    /* units that could not be given up where they were released: of objects biased to others, or with finalizers */
    struct wane__queue kept;
    /* units whose end is the collector thread's: wane_release_later. Made at the first use */
    struct wane__queue handed;
    /* units whose finalizers run when the callback, or the guard, that this thread is in is left. Made at the first use */
    struct wane__queue finals;
    /* units whose finalizers wait for wane_run_finalizers (life/queued.h). Made at the first use */
    struct wane__queue queued;
    /* collector thread only: positions of the queues at its last round */
    uint64_t seen_deferred, seen_kept;

    struct wane__heap heap;

    /* written by its thread, read by any. Last: of a thread that only makes and drops objects it has no memory */
    uintptr_t xbatch[WANE__BATCH]; /* units taken from a queue and not yet applied; 0 where done */
};

/* The records by id; [0] is unused. Entries are published with release and never change again. */
extern struct wane__record *wane__records[WANE__ID_LIMIT];
/* One more than the greatest id in use so far. */
extern uint32_t wane__record_end;

static inline struct wane__record *wane__record_at(uint32_t id) {
    return load_acquire(&wane__records[id]); /* [order:record] */
}

/* Each record there is; ids without one are passed over. */
#define WANE__EACH_RECORD(r)                                                                    \
    for (uint32_t r##_id = 1, r##_end = load_seq_cst(&wane__record_end); r##_id < r##_end; r##_id++) \
        for (struct wane__record *r = wane__record_at(r##_id); r != NULL; r = NULL)

/* Number of the current wave (count/wave.h): a new record's queues begin in it. */
extern uint64_t wane__xwave;

extern struct wane__thread wane__nobody;

/* The calling thread's record; NULL when it has none. */
static inline struct wane__record *wane__record_self(void) {
    struct wane__thread *t = wane__self;
    return likely(t != &wane__nobody) ? (struct wane__record *)(void *)t : NULL;
}

/* Attaches the calling thread if need be. NULL with *error set to -EAGAIN or -ENOMEM. Keeps errno. */
struct wane__record *wane__record_attach(int *error);

/* The same for calls that cannot report: ends the program when there is no record to be had. */
struct wane__record *wane__record_need_slow(const char *operation);
static inline struct wane__record *wane__record_need(const char *operation) {
    struct wane__record *r = wane__record_self();
    return likely(r != NULL) ? r : wane__record_need_slow(operation);
}

/* The record of id 1, for the collector thread to take on. NULL when memory is out. */
struct wane__record *wane__record_adopt_collector(void);
void wane__record_detach(struct wane__record *r);

/* Gives back the blocks that r's heap gathered. Outside brackets: by r's thread, or whoever detaches it. */
void wane__record_send_gathered(struct wane__record *r);

/*
 * Detaches the records of threads that have ended and were not told of it, since they attached too late in their exit.
 * Looks at each record; under no lock of the heap's.
 */
void wane__record_reap(void);

/* Threads attached now, the collector's not counted; and how many were detached so far, modulo 2^32. Wait-free. */
size_t wane__record_count(void);
uint32_t wane__record_ends(void);

void wane__record_fork_prepare(void);
void wane__record_fork_parent(void);
/* Clears the records of threads that do not exist in the child. */
void wane__record_fork_child(void);

/* Implemented by api/start.c: run once, before the first record is made. */
void wane__start(void);

/* Tracked objects that were born and have not died. Looks at all records. */
int64_t wane__tracked_alive(void);

/* The same of a little while ago: however many ask, and however many records there are, adding up takes a hundredth of the time. */
int64_t wane__tracked_lately(void);

/*
 * More tracked objects than this are taken for garbage that the collector has not come to yet: births wait a little.
 * The collector sets it; INT64_MAX while collections do not start by themselves.
 */
extern int64_t wane__xtracked_limit;

/* The id of the thread that is at a collection; 0: none is. */
extern uint32_t wane__xcollects;

/* Counters that their thread writes and any may read. */
#define wane__tally(field, n) store_relaxed(&(field), load_relaxed(&(field)) + (n))

/* Returns the sum of bytes. */
static inline uint64_t wane__tally_sum(struct wane__sum *s, uint64_t n, uint64_t bytes) {
    wane__tally(s->xn, n);
    uint64_t sum = load_relaxed(&s->xbytes) + bytes;
    store_relaxed(&s->xbytes, sum);
    return sum;
}

#endif
