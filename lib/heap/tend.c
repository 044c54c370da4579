/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/tend.c: what the background thread does for the heap.
 *
 * Only here pages that were published become free, under the collector's lock, so a walk never meets a change:
 *
 * 1. Pass on tokens of heaps whose thread is gone, look at those of the orphan heap.
 * 2. Take pages that are empty long enough off the orphan heap's lists, and large objects that were retired. Nobody
 *    else can reach them now, but a thread in a bracket may have found one earlier: its objects' headers, its marks.
 * 3. Wait for all brackets.
 * 4. Zero what shall stay warm, and give the memory of the rest to the system, neighbouring pages in one call.
 *
 * Empty pages wake nobody but for the first one: tend then says that something is left, and its caller comes again
 * after the trim delay, until nothing is left.
 */
#include "heap/tend.h"

#include <stdlib.h>

#include "base/check.h"
#include "heap/arena.h"
#include "heap/orphan.h"
#include "heap/remote.h"

void (*wane__heap_on_retired)(void);

static struct wane__stack xretired; /* large objects, through page->notify */
static uint32_t xwork;              /* something happened since tend last began */

void wane__tend_call(void) {
    if (load_seq_cst(&xwork) != 0 || swap_seq_cst(&xwork, 1u) != 0) /* [order:tend] */
        return;
    void (*hook)(void) = load_acquire(&wane__heap_on_retired);
    if (hook != NULL)
        hook();
}

bool wane__heap_retired(void) { return load_seq_cst(&xwork) != 0; }

void wane__tend_retire(struct wane__page *page) {
    wane__stack_push(&xretired, &page->notify);
    wane__tend_call();
}

static void pass_tokens(void) {
    for (struct wane__heap *heap = wane__heap_first(); heap != NULL; heap = wane__heap_next(heap)) {
        if (load_seq_cst(&heap->xdead)) /* [order:dead] */
            wane__remote_pass_all(heap);
    }
    wane__orphan_drain();
}

/* A collection that looked at objects of the page, all dead by now, has not ended. */
static void forget_side(struct wane__page *page) { free(swap_acq_rel(&page->side, NULL)); /* [order:side] */ }

static void give_retired(struct wane__page *page, uint64_t now_ns) {
    if (page->run == 0 && load_relaxed(&page->side) != NULL) {
        wane__tend_retire(page); /* the page entry goes with the mapping, and the collection knows it */
        return;
    }
    forget_side(page);
    wane__arena_give(page, now_ns, false);
}

static void run(void (*bracket_wait)(void *), void *arg, uint64_t now_ns, uint64_t delay_ns, bool all) {
    (void)swap_seq_cst(&xwork, 0u); /* [order:tend] before anything is looked at */
    pass_tokens();
    bool pressure = wane__orphan_pressure();
    struct wane__page *idle = wane__orphan_take_idle(now_ns, delay_ns, all || pressure);
    struct wane__link *retired = wane__stack_take(&xretired);
    if (idle != NULL || retired != NULL)
        bracket_wait(arg);
    wane__pause();
    while (idle != NULL) {
        struct wane__page *page = idle;
        idle = page->next;
        forget_side(page);
        wane__arena_give(page, now_ns, pressure && !all);
    }
    while (retired != NULL) {
        struct wane__page *page = wane__page_of_notify(retired);
        retired = retired->next;
        give_retired(page, now_ns);
    }
    wane__arena_sweep(now_ns, delay_ns);
}

bool wane__heap_tend(void (*bracket_wait)(void *), void *arg, uint64_t now_ns, uint64_t trim_delay_ns) {
    run(bracket_wait, arg, now_ns, trim_delay_ns, false);
    bool left = wane__orphan_has_empty();
    return left || wane__arena_has_warm() || wane__heap_retired();
}

size_t wane__heap_trim(void (*bracket_wait)(void *), void *arg) {
    size_t before = wane__heap_bytes();
    run(bracket_wait, arg, UINT64_MAX, 0, true);
    (void)wane__orphan_has_empty();
    size_t after = wane__heap_bytes();
    return before > after ? before - after : 0;
}

void wane__tend_fork_child(void) {
    store_relaxed(&xretired.xtop, (struct wane__link *)NULL);
    store_relaxed(&xwork, 1u);
}
