/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * thread/grace.c: grace periods.
 *
 * Why it is sound. A removal from a slot comes before the push of the removed unit, the push before the note of the
 * queue's tail (release and acquire on it), the note before the new epoch and the heavy barrier. A reader whose guard
 * word (or bracket) is not visible after the barrier therefore reads the slot after the removal. One whose mark is
 * visible is waited for: a guard word that is clear or holds the new epoch, or a bracket seen clear, means that the
 * section which could have read the old pointer has ended, because un-marking is a release store.
 * A guard that loads the epoch before its change and stores it after counts as an old one: more waiting, no harm.
 */
#include "thread/grace.h"

#include <sched.h>

#include "base/check.h"
#include "base/option.h"
#include "os/clock.h"
#include "thread/mode.h"
#include "thread/wake.h"

/* A try-lock guards all of this but the x fields. */
static uint32_t xlock;
static bool waiting;
static uint64_t target;
static struct wane__link *noted_calls;
static bool ripe; /* noted_calls are safe, and wait for those before them to be taken */
static uint64_t reap_at, reap_pause; /* when those that hold the period up are looked after: 0, not yet known */

static uint64_t xbegun, xended;
static bool xwanted; /* by somebody who has nothing in a queue */
static uint64_t xoldest_guard;
static struct wane__stack new_calls;
static struct wane__link *xdue_calls; /* written under the lock */
static uint64_t xcalls_added, xcalls_done;

/*
 * Functions that are due run one after another, whoever runs them: so those of one thread stay in order. The turn is
 * the runner's id; what it has taken stands here and not on its stack: the child of a fork goes on there. It is taken
 * newest first, and turned round a portion at a time, since there may be millions of them.
 */
static uint32_t xcalls_turn;
static struct wane__link *xcalls_taken; /* newest first */
static struct wane__link *xcalls_left;  /* in order of adding; to be run when nothing is left of the other */

static bool trylock(void) {
    uint32_t unlocked = 0;
    return load_relaxed(&xlock) == 0 && cas_acq_rel(&xlock, &unlocked, 1u); /* [order:consumer] */
}

static void unlock(void) { store_release(&xlock, 0u); /* [order:consumer] */ }

static uint32_t xlock_wanted; /* by a fork */

/* By who takes the lock again and again; outside brackets. */
static void unlock_for_fork(void) {
    unlock();
    wane__give_way(&xlock_wanted);
}

static bool anything_waits(void) {
    if (load_relaxed(&xwanted))
        return true;
    if ((load_relaxed(&new_calls.xtop) != NULL && noted_calls == NULL))
        return true;
    WANE__EACH_RECORD(r) {
        if (load_relaxed(&r->deferred.xtail) != load_relaxed(&r->deferred.xsafe) ||
            (load_relaxed(&r->blocks.added.xtop) != NULL && r->blocks.noted == NULL))
            return true;
    }
    return false;
}

static void begin(void) {
    store_seq_cst(&xwanted, false); /* first: a wish that is lost was made before the number was raised */
    /* Then: whoever reads the number before it is raised, and pushed before that, is noted below. */
    store_seq_cst(&xbegun, load_relaxed(&xbegun) + 1);
    WANE__EACH_RECORD(r) r->deferred.noted = load_acquire(&r->deferred.xtail); /* [order:queue] */
    if (noted_calls == NULL) /* else they are ripe, and new ones wait for the next period after they are due */
        noted_calls = wane__stack_take(&new_calls);
    WANE__EACH_RECORD(from) {
        if (from->blocks.noted == NULL) /* the same */
            from->blocks.noted = wane__dead_take(&from->blocks.added);
    }
    reap_at = 0;
    target = (__atomic_add_fetch(&wane__epoch, 1, __ATOMIC_ACQ_REL)) & ~WANE__EPOCH_FENCES; /* [order:guard] */
    wane__heavy();
    waiting = true;
}

/* Whether r has passed: remembered, so that a busy thread must be seen clear of each only once. */
static bool passed(struct wane__record *r, uint64_t now) {
    if (r->passed == target || load_acquire(&r->xstate) == WANE__RECORD_FREE)
        return true;
    if (wane__fences_on() && load_seq_cst(&r->xknows_fences) == 0)
        return false;
    uint64_t guard = load_acquire(&r->head.guard); /* [order:guard] */
    uint64_t epoch = guard & ~WANE__EPOCH_FENCES;
    if (epoch != 0 && epoch < target) {
        if (r->guard_seen != guard) {
            r->guard_seen = guard;
            r->guard_since = now;
            r->guard_warned = false;
        }
        return false;
    }
    r->guard_seen = 0;
    if (load_acquire(&r->head.bracket) != 0) /* [order:bracket] */
        return false;
    r->passed = target;
    return true;
}

/* Of a guard that is old: one a step; said when the step has let go of the lock. */
static struct warning {
    pid_t tid; /* 0: none */
    uint64_t ms;
} owed;

static void warn_of_guard(struct wane__record *r, uint64_t now) {
    int64_t limit = wane__option(guard_warn_ms);
    if (limit == 0 || r->guard_warned || owed.tid != 0 || now - r->guard_since < (uint64_t)limit * 1000000u)
        return;
    r->guard_warned = true;
    owed = (struct warning){.tid = r->tid, .ms = (now - r->guard_since) / 1000000u};
}

/* Under no lock: the log is the program's. */
static void warn(const struct warning *w) {
    if (unlikely(w->tid != 0))
        wane__log(WANE__LOG_WARNING, "thread %d has been inside a guard for %llu ms: no memory can be reclaimed until it leaves",
                  (int)w->tid, (unsigned long long)w->ms);
    wane__log_owed();
}

/*
 * Who holds the period up may be a thread that has ended inside its guard and was not told of it. Asked soon, and ever
 * more rarely.
 */
#define REAP_LEAST_NS 10000000
#define REAP_MOST_NS 1000000000

static bool reaping_is_due(uint64_t now) {
    if (now < reap_at)
        return false;
    bool due = reap_at != 0;
    reap_pause = !due ? REAP_LEAST_NS : reap_pause * 2 < REAP_MOST_NS ? reap_pause * 2 : REAP_MOST_NS;
    reap_at = now + reap_pause;
    return due;
}

static bool all_passed(uint64_t now) {
    uint64_t oldest = 0;
    bool all = true;
    WANE__EACH_RECORD(r) {
        if (passed(r, now))
            continue;
        all = false;
        if (r->guard_seen != 0) {
            warn_of_guard(r, now);
            if (now - r->guard_since > oldest)
                oldest = now - r->guard_since;
        }
    }
    store_relaxed(&xoldest_guard, oldest);
    return all;
}

/* Lists are not joined, which would take as long as they are. */
static void calls_become_due(void) {
    if (!ripe || load_relaxed(&xdue_calls) != NULL)
        return;
    store_seq_cst(&xdue_calls, noted_calls);
    noted_calls = NULL;
    ripe = false;
}

static void calls_ripen(void) {
    for (struct wane__link *l = noted_calls; l != NULL && __tsan_release != NULL; l = l->next)
        wane__tsan_release(l);
    ripe = noted_calls != NULL;
    calls_become_due();
}

static void blocks_become_due(struct wane__blocks *blocks) {
    if (!blocks->ripe || load_relaxed(&blocks->xdue) != NULL)
        return;
    store_relaxed(&blocks->xdue, blocks->noted);
    blocks->noted = NULL;
    blocks->ripe = false;
}

static void blocks_ripen(struct wane__blocks *blocks) {
    for (struct wane__header *h = blocks->noted; h != NULL && __tsan_release != NULL; h = wane__dead_next(h))
        wane__tsan_release(h);
    blocks->ripe = blocks->noted != NULL;
    blocks_become_due(blocks);
}

static void end(void) {
    /* Here and not where each was seen to pass: that may have been another thread's step, or its exit. */
    WANE__EACH_RECORD(reader) {
        wane__tsan_acquire(&reader->head.guard);
        wane__tsan_acquire(&reader->head.bracket);
    }
    WANE__EACH_RECORD(r) {
        wane__tsan_release(&r->deferred.xsafe);
        store_release(&r->deferred.xsafe, r->deferred.noted); /* [order:safe] */
        blocks_ripen(&r->blocks);
    }
    calls_ripen();
    waiting = false;
    store_release(&xended, load_relaxed(&xbegun)); /* [order:safe] */
}

enum wane__grace wane__grace_step(void) {
    if (wane__fences_on())
        wane__learn_fences(wane__self); /* who only waits must not be who is waited for */
    if (!trylock())
        return WANE__GRACE_BUSY;
    enum wane__grace result = WANE__GRACE_WAITING;
    if (!waiting) {
        if (anything_waits())
            begin();
        else
            result = WANE__GRACE_IDLE;
    }
    uint64_t now = waiting ? wane__now() : 0;
    if (waiting && all_passed(now))
        end();
    bool reap = waiting && reaping_is_due(now);
    struct warning w = owed;
    owed.tid = 0;
    unlock();
    warn(&w);
    if (unlikely(reap))
        wane__record_reap();
    return result;
}

uint64_t wane__grace_want(void) {
    uint64_t begun = load_acquire(&xbegun);
    store_relaxed(&xwanted, true);
    return begun;
}

uint64_t wane__grace_begun(void) { return load_acquire(&xbegun); }

uint64_t wane__grace_ended(void) { return load_acquire(&xended); /* [order:safe] */ }

uint64_t wane__oldest_guard(void) { return load_relaxed(&xoldest_guard); }

static bool bracket_clear_of(struct wane__record *r) {
    if (load_acquire(&r->xstate) != WANE__RECORD_FREE && wane__fences_on() && load_seq_cst(&r->xknows_fences) == 0)
        return false;
    if (load_acquire(&r->head.bracket) != 0) /* [order:bracket] */
        return false;
    wane__tsan_acquire(&r->head.bracket);
    return true;
}

/*
 * A bracket is some instructions long: only a thread that lost its processor inside one is met more than a few times. One
 * that counts all the time is in a bracket as often as not.
 */
#define LOOKS_WITHOUT_WAIT 16

static bool clear_at_some_look(struct wane__record *r) {
    for (unsigned look = 0; look < LOOKS_WITHOUT_WAIT; look++) {
        if (bracket_clear_of(r))
            return true;
    }
    return false;
}

bool wane__bracket_clear(uint32_t id) {
    struct wane__record *r = wane__record_at(id);
    return r == NULL || clear_at_some_look(r);
}

bool wane__brackets_clear(void) {
    WANE__EACH_RECORD(r) {
        if (!clear_at_some_look(r))
            return false;
    }
    return true;
}

static bool clear_of_heap(const struct wane__heap *heap) {
    return clear_at_some_look((struct wane__record *)((uintptr_t)heap - offsetof(struct wane__record, heap)));
}

const struct wane__bracket_looks wane__bracket_looks = {wane__heavy, clear_of_heap};

/*
 * Threads that make marks without fences learn of it in their next call: those that run get some time to.
 */
#define LOOKS_BEFORE_NAPS 100
#define REAP_LOOKS 1000
#define IGNORANCE_NS 10000000

static bool wait_for_brackets(bool may_reap) {
    wane__heavy();
    uint64_t begin = wane__fences_known() ? 0 : wane__now();
    WANE__EACH_RECORD(r) {
        for (unsigned looks = 0; !bracket_clear_of(r); looks++) {
            if (looks < LOOKS_BEFORE_NAPS)
                sched_yield();
            else
                wane__pause_briefly();
            if (unlikely(looks % REAP_LOOKS == REAP_LOOKS - 1)) { /* it may have ended inside of it */
                if (!may_reap)
                    return false;
                wane__record_reap();
            }
            if (unlikely(!wane__fences_known())) {
                if (begin == 0)
                    begin = wane__now();
                if (wane__now() - begin > IGNORANCE_NS)
                    return false;
            }
        }
    }
    return true;
}

bool wane__bracket_wait(void) { return wait_for_brackets(true); }

bool wane__bracket_wait_under_lock(void) { return wait_for_brackets(false); }

void wane__calls_add(wane_defer_node *node) {
    add_relaxed(&xcalls_added, (uint64_t)1);
    wane__tsan_release(node);
    wane__stack_push(&new_calls, (struct wane__link *)node);
}

/* Under the lock, which a fork waits for: it finds a function in one of the lists. A step by another thread is not waited for. */
static void take_due(void) {
    if (load_relaxed(&xdue_calls) == NULL || !trylock())
        return;
    store_relaxed(&xcalls_taken, load_relaxed(&xdue_calls));
    store_relaxed(&xdue_calls, (struct wane__link *)NULL);
    calls_become_due();
    unlock();
}

#define TURNED_AT_ONCE 1024

bool wane__calls_turn_some(void) {
    if (load_relaxed(&xcalls_taken) == NULL || !trylock())
        return false;
    struct wane__link *l = load_relaxed(&xcalls_taken), *left = load_relaxed(&xcalls_left);
    for (unsigned n = 0; l != NULL && n < TURNED_AT_ONCE; n++) {
        struct wane__link *next = l->next;
        wane__tsan_acquire(l);
        l->next = left;
        left = l;
        l = next;
    }
    store_relaxed(&xcalls_left, left);
    store_relaxed(&xcalls_taken, l);
    unlock_for_fork();
    return l != NULL;
}

bool wane__calls_begin(uint32_t id) {
    uint32_t nobody = 0;
    if (!cas_acq_rel(&xcalls_turn, &nobody, id))
        return false;
    wane__tsan_acquire(&xcalls_turn); /* of what is left somebody else has taken the tokens */
    if (load_relaxed(&xcalls_left) == NULL && load_relaxed(&xcalls_taken) == NULL) /* else somebody had no time left */
        take_due();
    return true;
}

void wane__calls_end(void) {
    wane__tsan_release(&xcalls_turn);
    store_release(&xcalls_turn, 0u);
}

wane_defer_node *wane__calls_next(void) {
    struct wane__link *l = load_relaxed(&xcalls_left);
    if (l == NULL || load_relaxed(&xcalls_taken) != NULL)
        return NULL;
    store_relaxed(&xcalls_left, l->next);
    return (wane_defer_node *)(void *)l;
}

bool wane__calls_due(void) {
    return load_seq_cst(&xdue_calls) != NULL || load_relaxed(&xcalls_taken) != NULL || load_relaxed(&xcalls_left) != NULL ||
           load_seq_cst(&xcalls_turn) != 0;
}

uint64_t wane__calls_waiting(void) {
    uint64_t done = load_acquire(&xcalls_done);
    return load_acquire(&xcalls_added) - done;
}

uint64_t wane__calls_run(void) { return load_acquire(&xcalls_done); }

uint64_t wane__calls_added(void) { return load_acquire(&xcalls_added); }

bool wane__calls_cut(uint64_t *xcut, unsigned bit) {
    if (!trylock())
        return false;
    store_release(xcut, 2 * load_relaxed(&xcalls_added) + bit); /* [order:wave] */
    unlock();
    return true;
}

void wane__calls_done(void) { add_acq_rel(&xcalls_done, (uint64_t)1); }

static uint64_t count(struct wane__link *list) {
    uint64_t n = 0;
    for (; list != NULL; list = list->next)
        n++;
    return n;
}

/* The function that a vanished thread was in the middle of is not called again. */
static void calls_fork_child(uint32_t self) {
    uint64_t left = count(new_calls.xtop) + count(noted_calls) + count(xdue_calls) + count(xcalls_taken) +
                    count(xcalls_left);
    bool mine = xcalls_turn != 0 && xcalls_turn == self;
    if (!mine)
        xcalls_turn = 0;
    xcalls_done = xcalls_added - left - (mine ? 1 : 0);
}

/* The bytes first: who takes the block subtracts them. */
void wane__blocks_add(struct wane__record *r, struct wane__header *h) {
    add_relaxed(&r->blocks.xbytes, (uint64_t)wane__heap_block_size(h));
    wane__tsan_release(h);
    wane__dead_push(&r->blocks.added, h);
}

/* Under the lock, which a fork waits for: it finds each block in one of the lists, or free. */
bool wane__blocks_begin(const struct wane__record *from) { return load_relaxed(&from->blocks.xdue) != NULL && trylock(); }

struct wane__header *wane__blocks_next(struct wane__record *from) {
    struct wane__header *h = load_relaxed(&from->blocks.xdue);
    if (h == NULL)
        return NULL;
    wane__tsan_acquire(h);
    sub_relaxed(&from->blocks.xbytes, (uint64_t)wane__heap_block_size(h));
    store_relaxed(&from->blocks.xdue, wane__dead_next(h));
    return h;
}

void wane__blocks_end(struct wane__record *from) {
    blocks_become_due(&from->blocks);
    unlock_for_fork();
}

uint64_t wane__blocks_bytes(void) {
    uint64_t bytes = 0;
    WANE__EACH_RECORD(r) bytes += load_relaxed(&r->blocks.xbytes);
    return bytes;
}

static uint64_t weigh(const struct wane__header *list) {
    uint64_t bytes = 0;
    for (; list != NULL; list = wane__dead_next(list))
        bytes += wane__heap_block_size(list);
    return bytes;
}

/* A vanished thread may have been between the bytes and the push. */
static void blocks_fork_child(void) {
    WANE__EACH_RECORD(r) {
        struct wane__blocks *b = &r->blocks;
        b->xbytes = weigh(b->added.xtop) + weigh(b->noted) + weigh(b->xdue);
    }
}

void wane__grace_fork_prepare(void) {
    add_relaxed(&xlock_wanted, 1u);
    while (!trylock())
        sched_yield();
    sub_relaxed(&xlock_wanted, 1u);
}

void wane__grace_fork_parent(void) { unlock(); }

void wane__grace_fork_child(uint32_t self) {
    calls_fork_child(self);
    blocks_fork_child();
    unlock();
}
