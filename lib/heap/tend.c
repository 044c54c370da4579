/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/tend.c: what the background thread does for the heap.
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

/* Under the collector's lock: taken in step 3, until a wait for brackets has ended. */
static struct wane__page *going;

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

static void pass_tokens(void) {
    for (struct wane__heap *heap = wane__heap_first(); heap != NULL; heap = wane__heap_next(heap)) {
        if (load_seq_cst(&heap->xdead)) /* [order:dead] */
            wane__remote_pass_all(heap);
    }
    wane__orphan_drain();
}

/* A collection that looked at objects of the page, all dead by now, has not ended. */
static void forget_side(struct wane__page *page) { free(swap_acq_rel(&page->side, NULL)); /* [order:side] */ }

static void add_going(struct wane__page *list) {
    struct wane__page **end = &going;
    while (*end != NULL)
        end = &(*end)->next;
    *end = list;
}

static void give_going(uint64_t now_ns, bool keep) {
    while (going != NULL) {
        struct wane__page *page = going;
        going = page->next;
        forget_side(page);
        wane__arena_give(page, now_ns, keep && page->cls != WANE__CLASS_LARGE);
    }
}

/* True: the arenas have something that waits for the delay. */
static bool run(wane__bracket_waiter *waiter, void *arg, uint64_t now_ns, uint64_t delay_ns, bool all) {
    (void)swap_seq_cst(&xwork, 0u); /* [order:tend] before anything is looked at */
    pass_tokens();
    wane__silent_tend(waiter, arg, now_ns, delay_ns, all);
    bool pressure = wane__orphan_pressure();
    add_going(wane__orphan_take_idle(now_ns, delay_ns, all || pressure));
    add_going(wane__large_take_idle(now_ns, delay_ns, all));
    if (going != NULL && waiter(arg)) {
        wane__pause();
        give_going(now_ns, pressure && !all);
    }
    return wane__arena_sweep(now_ns, delay_ns, all);
}

bool wane__heap_tend(wane__bracket_waiter *waiter, void *arg, uint64_t now_ns, uint64_t trim_delay_ns) {
    if (load_relaxed(&wane__heap_xnoted))
        return true;
    bool waits = run(waiter, arg, now_ns, trim_delay_ns, false);
    store_seq_cst(&xwatching, 0u); /* [order:watch] before the heaps are looked at again */
    bool news = wane__silent_news();
    if (news)
        store_relaxed(&xwatching, 1u);
    bool left = wane__orphan_has_empty(), dead = wane__large_any_dead();
    return news || left || dead || going != NULL || waits || wane__heap_retired();
}

size_t wane__heap_trim(wane__bracket_waiter *waiter, void *arg) {
    void (*hook)(void) = load_acquire(&wane__heap_on_noted);
    if (load_relaxed(&wane__heap_xnoted) && hook != NULL)
        hook();
    if (load_relaxed(&wane__heap_xnoted))
        return 0;
    size_t before = wane__heap_bytes();
    (void)run(waiter, arg, UINT64_MAX, 0, true);
    (void)wane__orphan_has_empty();
    (void)wane__large_any_dead();
    size_t after = wane__heap_bytes();
    return before > after ? before - after : 0;
}

void wane__tend_fork_child(void) {
    store_relaxed(&xwork, 1u); /* nobody is called while the lists are made anew */
    store_relaxed(&xwatching, 0u);
    going = NULL; /* each is found by its place */
}

void wane__heap_untold(void) { store_seq_cst(&xwork, 0u); }
