/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/garbage.c: steps 7 and 8: finalizers, the end.
 */
#include <wane/guard.h>

#include "base/check.h"
#include "cycle/collect.h"
#include "heap/remote.h"
#include "life/apply.h"
#include "life/growth.h"
#include "life/queued.h"
#include "life/weak.h"
#include "thread/grace.h"
#include "thread/wake.h"

/* Takes FINAL_DUE and, in the same step, a unit to run the finalizer under. */
static bool take_final(struct wane__header *h) {
    uint64_t w = load_acquire(&h->shared); /* [order:count] */
    do {
        if (!wane__word_has(w, WANE__FINAL_DUE) || !wane__word_has(w, WANE__LIVE))
            return false;
    } while (!cas_weak_acq_rel(&h->shared, &w, (w & ~WANE__FINAL_DUE) + WANE__COUNT_ONE)); /* [order:count] */
    return true;
}

/* A unit of h for who runs its finalizer later: it lives until then, with what it reaches. */
static bool take_unit_for_later(struct wane__header *h) {
    uint64_t w = load_acquire(&h->shared); /* [order:count] */
    do {
        if (!wane__word_has(w, WANE__FINAL_DUE) || !wane__word_has(w, WANE__LIVE))
            return false;
    } while (!cas_weak_acq_rel(&h->shared, &w, w + WANE__COUNT_ONE)); /* [order:count] */
    return true;
}

/* The finalizer of h, which is garbage but for it: now, or when the program asks. Without memory for that h lives, and is found again. */
static void finalize_garbage(struct wane__collection *c, struct wane__header *h) {
    bool later = wane__queued_on_call() && wane__finalized_elsewhere(c->r, load_relaxed(&h->shared));
    if (!(later ? take_unit_for_later(h) : take_final(h)))
        return;
    c->finalized = true;
    if (later) {
        if (!wane__queue_final_found(c->r, h))
            wane__keep(c->r, h);
        return;
    }
    wane__tsan_acquire(&h->shared);
    wane__finalize(c->r, h);
    wane__release(c->r, h, true, "wane_gc_collect");
    wane__reap(c->r, true);
}

bool wane__run_finalizers_of_garbage(struct wane__collection *c) {
    for (struct wane__suspect *s; c->finals > 0 && (s = wane__next_suspect(c)) != NULL;) {
        if (!wane__in_doubt(s) || (s->flags & WANE__SUSPECT_FINAL) == 0)
            continue;
        finalize_garbage(c, s->h);
        if (c->deadline != 0 && wane__now() >= c->deadline)
            break; /* each may take long */
    }
    return c->finals == 0 || wane__no_suspect_left(c);
}

/* How long a collection that nobody asked for waits for guards. */
#define GUARDS_NS 2000000
/* Steps of a grace period before it naps between them: most guards last for some nanoseconds. */
#define GRACE_LOOKS 64

/* A wait that is held up by a guard is nothing that a birth could shorten. */
static void nap(struct wane__record *r) {
    store_relaxed(&r->xaway, true);
    wane__pause_briefly();
    store_relaxed(&r->xaway, false);
}

/*
 * A grace period, guards included. Who asked for the collection waits as long as guards last, as in wane_flush; others only
 * for so long, and go on without. True: no more is waited for.
 */
static bool await_guards(struct wane__collection *c) {
    if (c->at == 0) {
        c->grace = wane__grace_want();
        c->grace_since = wane__now();
    }
    c->at = 1;
    bool asked = c->deadline == 0 && c->r->id != WANE__ID_COLLECTOR;
    for (unsigned look = 0; wane__grace_ended() <= c->grace; look++) {
        wane__grace_want(); /* again: a period that began meanwhile has cleared the wish */
        wane__grace_step();
        if (look < GRACE_LOOKS)
            continue;
        uint64_t now = wane__now();
        if (!asked && now - c->grace_since >= GUARDS_NS)
            break;
        if (c->deadline != 0 && now >= c->deadline)
            return false;
        nap(c->r);
    }
    return true;
}

/*
 * What finalizers removed from slots would look like units from outside: it is applied first. What a long guard keeps from
 * being applied acquits: it is found by a later collection.
 */
bool wane__settle_finalizers(struct wane__collection *c) {
    struct wane__record *r = c->r;
    if (!c->finalized)
        return true;
    if (!await_guards(c))
        return false;
    while (wane__deferred_ready(r) > 0 && wane__apply_deferred(r, r, UINT64_MAX, true, NULL) > 0) {
    }
    wane__settle_all(r, r, &r->kept, true, true);
    return true;
}

struct emptying {
    struct wane__visit_ops ops;
    struct wane__collection *c;
    bool may_call;
};

/* Edges within R just go: their units end with their targets. Others are released. */
static void visit_emptying(struct wane__visit_ops *ops, wane_slot *s, size_t n) {
    struct emptying *e = (struct emptying *)(void *)ops;
    e->c->slots += n;
    for (size_t i = 0; i < n; i++) {
        void *obj = load_relaxed(&s[i].wane__target);
        if (obj == NULL)
            continue;
        struct wane__header *h = wane__header_of(obj);
        uint32_t to = wane__table_find(h);
        bool outside = to == WANE__NO_SUSPECT || (e->c->table.suspects[to].flags & WANE__SUSPECT_GARBAGE) == 0;
        if (unlikely(outside && ops->gathers && wane__finals_full(e->c->r, h, ops)))
            continue;
        store_relaxed(&s[i].wane__target, NULL);
        if (outside)
            wane__let_go(e->c->r, h, e->may_call, "death of its referrer");
    }
}

/*
 * LIVE is cleared by a store: nobody has a reference by which to write the word, but for weak ones, and those found
 * their targets dead already.
 */
static void empty(struct wane__collection *c, struct wane__header *h) {
    uint64_t w = load_relaxed(&h->shared);
    wane__tsan_acquire(&h->shared);
    if (wane__word_has(w, WANE__LIVE))
        store_relaxed(&h->shared, w & ~WANE__LIVE);
    store_relaxed((uint64_t *)(void *)h, (uint64_t)0); /* no candidate: giving it to a slot is found out */
    if (wane__word_has(w, WANE__WEAKREFD))
        wane__weak_clear(h);
    wane_type *t = wane__type_of(w);
    struct emptying e = {.ops.slots = visit_emptying, .c = c, .may_call = t->trace == NULL};
    wane__visit_dying(c->r, t, h, &e.ops, true);
}

/* What this thread has ended since it had ended so much. */
static void note_freed(struct wane__collection *c, int64_t ended) {
    c->freed = (int64_t)((uint64_t)c->freed + (uint64_t)wane__bytes_ended(c->r) - (uint64_t)ended);
}

/* Whether a slot names what is no garbage: nobody could change it since the edges were recorded. */
static bool leads_out(const struct wane__collection *c, const struct wane__suspect *s) {
    if ((s->flags & WANE__SUSPECT_OUTSIDE) != 0)
        return true;
    if (c->dropped_in_all == 0)
        return false;
    const struct wane__table *t = &c->table;
    for (size_t i = 0; i < s->edges_n; i++) {
        if ((t->suspects[wane__edge_at(&t->edges, s->edges + i)].flags & WANE__SUSPECT_GARBAGE) == 0)
            return true;
    }
    return false;
}

/* Its slots name nothing but garbage, which is owed nothing, and no code of the user's sees them any more. */
static bool need_not_be_emptied(const struct wane__collection *c, const struct wane__suspect *s) {
    uint64_t w = load_relaxed(&s->h->shared);
    return !leads_out(c, s) && wane__ends_simply(wane__type_of(w), w);
}

/* All slots before anything is freed: a slot names its target only as long as the block is not somebody else's. */
bool wane__empty_garbage(struct wane__collection *c) {
    int64_t ended = wane__bytes_ended(c->r);
    for (struct wane__suspect *s; (s = wane__next_suspect(c)) != NULL;) {
        if ((s->flags & WANE__SUSPECT_GARBAGE) == 0 || need_not_be_emptied(c, s))
            continue;
        empty(c, s->h);
        if (load_relaxed(&c->r->xdead) != NULL)
            wane__reap(c->r, true);
    }
    note_freed(c, ended);
    return wane__no_suspect_left(c);
}

/*
 * What garbage held, and others own, was kept. A weak reference with a callback may hang on it: it is garbage with its target then, and
 * dies before that, so that the callback is not run.
 */
bool wane__settle_emptied(struct wane__collection *c) {
    if (c->weak_n > 0)
        wane__settle_all(c->r, c->r, &c->r->kept, true, true);
    return true;
}

/*
 * Objects of one page whose end is only that of their memory, in a chain: neighbours in the table are neighbours in a
 * page as a rule. Their types are not looked at any more: once they are FREED those may be forgotten, and unmapped. They are GONE before the chain is freed: the child of a fork in between loses their blocks, and frees none twice.
 */
struct chain {
    struct wane__collection *c;
    struct wane__page *page;
    struct wane__header *first, *last;
    uint32_t n;
    size_t from; /* in the table */
};

/* At most so many: others wait for brackets. */
#define CHAIN_MAX 256

static void mark_gone(struct chain *k) {
    for (size_t i = k->from; i < k->c->at; i++)
        k->c->table.suspects[i].flags |= WANE__SUSPECT_GONE;
    k->from = k->c->at;
}

/* Suspects are of tracked types. */
static void count_deaths(struct wane__record *r, size_t n, size_t block_size) {
    wane__tally_sum(&r->deaths[1], n, n * block_size);
}

/* Up to the suspect before the one that the step is at. */
static void free_chain(struct chain *k) {
    struct wane__record *r = k->c->r;
    mark_gone(k);
    compiler_barrier();
    if (k->n == 0)
        return;
    count_deaths(r, k->n, load_relaxed(&k->page->xblock_size));
    wane__mark(&r->head);
    wane__remote_free_chain(k->page, k->first, k->last, k->n);
    wane__unmark(&r->head);
    wane__after_frees(r);
    k->n = 0;
}

static bool fits(const struct chain *k, const struct wane__page *page) {
    return k->n > 0 && k->n < CHAIN_MAX && k->page == page;
}

/* Whether freeing h would be the same as freeing a block of any other thread's. */
static bool is_remote(const struct wane__record *r, const struct wane__page *page) {
    return load_relaxed(&page->xheap) != wane__heap_key(&r->heap) && load_relaxed(&page->xstate) == WANE__PAGE_SMALL &&
           load_relaxed(&wane__xheap_odd) == 0;
}

static void add_to_chain(struct chain *k, struct wane__page *page, struct wane__header *h) {
    if (k->n == 0) {
        k->page = page;
        k->last = h;
    } else {
        wane__link_set(h, wane__link_of(k->first));
    }
    k->first = h;
    k->n++;
}

/* An object that is FREED already was in the chain of a thread that the child of a fork lacks. */
static bool may_end_simply(uint64_t w) {
    return wane__word_has(w, WANE__FREED) || wane__ends_simply(wane__type_of(w), w);
}

/* The slots of an object that ends simply are not looked at: they may still name garbage that is gone. */
static void end(struct chain *k, struct wane__header *h) {
    struct wane__record *r = k->c->r;
    struct wane__page *page = wane__page_of(h);
    uint64_t w = load_relaxed(&h->shared) & ~WANE__LIVE;
    bool simply = may_end_simply(w), chained = simply && is_remote(r, page);
    if (k->n > 0 && !(chained && fits(k, page))) {
        k->c->at--;
        free_chain(k);
        k->c->at++;
    }
    if (simply) {
        store_relaxed((uint64_t *)(void *)h, (uint64_t)0); /* no owner: a further use is found out */
        store_release(&h->shared, w | WANE__FREED);        /* [order:forget] */
    }
    if (chained) {
        add_to_chain(k, page, h);
        return;
    }
    free_chain(k); /* nothing but that h is GONE */
    if (simply) {
        count_deaths(r, 1, wane__heap_block_size(h));
        wane__free_block(r, h);
    } else {
        wane__bury(r, h);
        wane__reap(r, true);
    }
}

bool wane__destroy_garbage(struct wane__collection *c) {
    int64_t ended = wane__bytes_ended(c->r);
    struct chain k = {.c = c, .from = c->at};
    for (struct wane__suspect *s; (s = wane__next_suspect(c)) != NULL;) {
        if ((s->flags & (WANE__SUSPECT_GARBAGE | WANE__SUSPECT_GONE)) != WANE__SUSPECT_GARBAGE)
            continue;
        end(&k, s->h);
        if (c->deadline != 0 && k.n == 0 && wane__now() >= c->deadline)
            break; /* what the user's code did may have taken long */
    }
    free_chain(&k);
    note_freed(c, ended);
    return wane__no_suspect_left(c);
}
