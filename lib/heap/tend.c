/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/tend.c: what the collector thread does for the heap.
 *
 * Only here pages that were published become free, under the collector's lock, so a walk never meets a change:
 *
 * 1. Pass on tokens of heaps whose thread is gone, look at those of the orphan heap.
 * 2. Take pages from heaps of silent threads, wait for all brackets, and make them orphans (heap/silent.h).
 * 3. Take pages that are empty long enough off the orphan heap's lists, and runs of large objects that are dead so long.
 *    Nobody else can reach them now, but a thread in a bracket may have found one earlier: its objects' headers, its marks.
 * 4. Wait for all brackets.
 * 5. Zero what shall stay warm, and give the memory of the rest to the system, neighbouring pages in one call.
 *
 * Empty pages wake nobody but for the first one: tend then says that something is left, and its caller comes again
 * after the trim delay, until nothing is left.
 */
#include "heap/tend.h"

#include <stdlib.h>

#include "base/check.h"
#include "heap/arena.h"
#include "heap/large.h"
#include "heap/orphan.h"
#include "heap/remote.h"
#include "heap/silent.h"

void (*wane__heap_on_retired)(void);
bool wane__heap_xnoted;
void (*wane__heap_on_noted)(void);

static uint32_t xwork; /* something happened since tend last began */

/* Under the collector's lock. */
static struct wane__page *going; /* taken, by rounds that were given up */
static struct wane__tend *open; /* the round that is between two pieces, on the stack of its thread */

static uint32_t xwatching; /* tend comes again by itself */

void wane__tend_watch(void) {
    if (load_seq_cst(&xwatching) == 0) /* [order:watch] */
        wane__tend_call();
}

void wane__tend_call(void) {
    if (load_seq_cst(&xwork) != 0 || swap_seq_cst(&xwork, 1u) != 0) /* [order:tend] */
        return;
    void (*hook)(void) = load_acquire(&wane__heap_on_retired);
    if (hook != NULL)
        hook();
}

bool wane__heap_retired(void) { return load_seq_cst(&xwork) != 0; }

static void join(struct wane__page **list, struct wane__page *more) {
    while (*list != NULL)
        list = &(*list)->next;
    *list = more;
}

static bool start(struct wane__tend *t) {
    (void)swap_seq_cst(&xwork, 0u); /* [order:tend] before anything is looked at */
    t->pressure = wane__orphan_pressure() && !t->all;
    t->heap = wane__heap_first();
    t->taken = going;
    going = NULL;
    return true;
}

static void pass_token(struct wane__tend *t) {
    struct wane__link *link = t->tokens;
    t->tokens = link->next; /* the next holder of the token writes it */
    wane__remote_pass(wane__page_of_notify(link));
}

/* Tokens of heaps whose thread is gone. */
static bool pass_tokens(struct wane__tend *t) {
    for (; t->heap != NULL; t->heap = wane__heap_next(t->heap), t->budget -= WANE__TEND_HEAP) {
        if (t->tokens == NULL && load_seq_cst(&t->heap->xdead)) /* [order:dead] */
            t->tokens = wane__stack_take(&t->heap->xnotify);
        for (; t->tokens != NULL && t->budget > 0; t->budget -= WANE__TEND_PAGE)
            pass_token(t);
        if (t->budget <= 0)
            return false;
    }
    t->heap = wane__heap_first();
    t->tokens = wane__stack_take(&wane__orphans.xnotify);
    return true;
}

static bool drain_orphans(struct wane__tend *t) {
    wane__orphan_drain(&t->tokens, &t->budget);
    return t->tokens == NULL;
}

static bool take_idle(struct wane__tend *t) {
    return wane__orphan_take_idle(&t->taken, &t->budget, t->now_ns, t->delay_ns, t->all || t->pressure);
}

static bool take_dead(struct wane__tend *t) {
    return wane__large_take_idle(&t->taken, &t->budget, t->now_ns, t->delay_ns, t->all);
}

static bool await_brackets(struct wane__tend *t) {
    if (t->taken != NULL && !wane__tend_wait(t)) {
        join(&going, t->taken);
        t->taken = NULL;
    }
    wane__pause();
    return true;
}

/* A collection that looked at objects of the page, all dead by now, has not ended. */
static void forget_side(struct wane__page *page) { free(swap_acq_rel(&page->side, NULL)); /* [order:side] */ }

/* Somebody has begun to look at the heap since it was taken: its mapping is for the next round. */
static bool is_looked_at(const struct wane__page *page) { return page->run == 0 && wane__arena_is_noted(page); }

static bool give(struct wane__tend *t) {
    for (struct wane__page *page; (page = t->taken) != NULL && t->budget > 0;) {
        if (is_looked_at(page)) {
            t->taken = page->next;
            page->next = going;
            going = page;
            t->budget -= WANE__TEND_PAGE;
            continue;
        }
        if (wane__arena_shrink(page)) {
            t->budget -= WANE__TEND_PIECE;
            continue;
        }
        bool keep = t->pressure && page->cls != WANE__CLASS_LARGE;
        t->taken = page->next;
        t->budget -= keep ? WANE__TEND_ZEROING : WANE__TEND_PAGE;
        forget_side(page);
        wane__arena_give(page, t->now_ns, keep);
    }
    return t->taken == NULL;
}

static bool claim_warm(struct wane__tend *t) {
    wane__arena_claim_warm(t->now_ns, t->delay_ns);
    return true;
}

static bool discard(struct wane__tend *t) {
    bool more = wane__arena_discard_some(&t->arena);
    t->budget -= more ? WANE__TEND_PIECE : WANE__TEND_PAGE;
    return !more;
}

/* The last look tells whether some are left for later. */
static bool unmap(struct wane__tend *t) {
    bool more = wane__arena_unmap_one(t->now_ns, t->delay_ns, t->all, &t->left);
    t->budget -= WANE__TEND_PIECE;
    return !more;
}

static void note_returned(struct wane__tend *t) {
    size_t bytes = wane__heap_bytes();
    t->returned = t->bytes > bytes ? t->bytes - bytes : 0;
}

/* The next news calls, if nothing is left that the caller comes again for. */
static bool finish(struct wane__tend *t) {
    bool news = false;
    if (!t->all) {
        store_seq_cst(&xwatching, 0u); /* [order:watch] before the heaps are looked at again */
        news = wane__silent_news();
        if (news)
            store_relaxed(&xwatching, 1u);
    }
    bool empty = wane__orphan_has_empty(), dead = wane__large_any_dead();
    t->left |= news || empty || dead || going != NULL || wane__heap_retired();
    note_returned(t);
    return true;
}

/* Each returns true when it is finished. */
static bool (*const phases[])(struct wane__tend *t) = {
    start,     pass_tokens,    drain_orphans, wane__silent_tend, take_idle, take_dead,
    await_brackets, give, claim_warm,    discard,           unmap,     finish,
};
enum { PHASES = sizeof phases / sizeof *phases };

void wane__heap_tend_begin(struct wane__tend *t) {
    if (t->all) {
        t->now_ns = UINT64_MAX;
        t->delay_ns = 0;
    }
    t->bytes = wane__heap_bytes();
    wane__large_settle();
}

/* Whether pages are noted still. */
static bool are_noted(const struct wane__tend *t) {
    void (*hook)(void) = load_acquire(&wane__heap_on_noted);
    if (load_relaxed(&wane__heap_xnoted) && t->all && hook != NULL)
        hook();
    return load_relaxed(&wane__heap_xnoted);
}

/* What is in hand waits for the next round. */
static void give_up(struct wane__tend *t) {
    while (t->tokens != NULL)
        pass_token(t);
    join(&going, t->taken);
    t->taken = NULL;
    t->left = true;
    note_returned(t);
    bool begun = t->phase > 0;
    t->phase = PHASES;
    if (begun) /* what called for this round was not seen to */
        wane__tend_call();
}

/* What another round has in hand is seen to first: who finds memory short asks for all there is. */
bool wane__heap_tend_some(struct wane__tend *t) {
    bool noted = t->phase < PHASES && are_noted(t);
    if (t->phase == PHASES) /* by another; perhaps while the lock was let go */
        return false;
    struct wane__tend *round = open != NULL ? open : t;
    if (noted && round != t && round->all) {
        give_up(t);
        return false;
    }
    open = round;
    if (noted) {
        give_up(round);
    } else {
        round->budget = WANE__TEND_PIECE;
        while (round->phase < PHASES && round->budget > 0)
            round->phase += phases[round->phase](round);
    }
    if (round->phase == PHASES)
        open = NULL;
    return t->phase < PHASES;
}

void wane__tend_fork_child(void) {
    store_relaxed(&xwork, 1u); /* nobody is called while the lists are made anew */
    store_relaxed(&xwatching, 0u);
    going = NULL; /* each is found by its place, those of the round that was open as well */
    open = NULL;
}

void wane__heap_untold(void) { store_seq_cst(&xwork, 0u); }
