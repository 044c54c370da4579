/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/tend.h: what the background does for the heap, in pieces; and how the heap's parts tell it of work.
 */
#ifndef WANE_HEAP_TEND_H
#define WANE_HEAP_TEND_H

#include "heap/heap.h"

/*
 * One round. Each piece of it is done under the collector's lock, and takes about a tenth of a millisecond; between two the
 * lock is free, for collections, forks and rounds of others. What a piece leaves is here, or in what the locks of the heap
 * guard; pages in hand are found by their place by the child of a fork.
 */
struct wane__tend {
    /* Set by the caller, the rest zero. */
    uint64_t now_ns, delay_ns;    /* CLOCK_MONOTONIC, and how long what goes has been empty */
    bool all;                     /* whatever is empty goes, at once */
    wane__bracket_waiter *waiter;
    void *arg;

    bool left;       /* the result: come again after the delay */
    size_t returned; /* the result of a round with `all`: bytes that went back to the system */

    bool unclear; /* the bracket wait has failed once: it is not tried again */
    unsigned phase;
    int budget;                /* of the piece that is under way: what it may still do */
    bool pressure;             /* what is empty in some classes is wanted in others: it stays warm */
    size_t bytes;              /* of the heap when the round began */
    struct wane__heap *heap;   /* the next one to be looked at */
    bool more_of_heap;         /* it was looked at, and has more to take */
    struct wane__link *tokens; /* in hand */
    struct wane__page *taken;  /* in hand: to be given back after the bracket wait */
    unsigned arena;            /* where the sweep goes on */
};

/* The bracket wait: others need the locks that it is made under, so it fails once a round at most. */
static inline bool wane__tend_wait(struct wane__tend *t) {
    t->unclear = t->unclear || !t->waiter(t->arg);
    return !t->unclear;
}

/* Costs of what a piece does: one is less than half a microsecond. */
enum { WANE__TEND_PIECE = 256, WANE__TEND_PAGE = 1, WANE__TEND_HEAP = 2, WANE__TEND_ZEROING = 32 };

/* Any thread, not under the collector's lock, before the first piece. */
void wane__heap_tend_begin(struct wane__tend *t);

/*
 * Background: one piece. It drains what nobody else drains, takes pages that were empty for the delay, calls t->waiter(t->arg) if
 * there are any, and gives their memory back. True: there is more to do. False: the round is over, and the results are
 * there. While somebody has noted pages (wane__heap_xnoted) the round ends early; one with `all` asks for that to end before
 * each piece. A round of another that is open is finished first, and its thread finds it over; but where pages are noted, one with `all`, whose
 * thread asks for that to end, is left to it.
 */
bool wane__heap_tend_some(struct wane__tend *t);

/* There is work now: calls the hook unless it was called since the last round began. Outside locks of the heap. */
void wane__tend_call(void);

/* The heap of a thread has something that the collector thread takes if the thread stays silent: the same, later. */
void wane__tend_watch(void);

/* A child of fork(), single thread: what was on the way to be given back is not any more. */
void wane__tend_fork_child(void);

#endif
