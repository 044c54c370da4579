/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/left.c: see left.h.
 *
 * Who leaves pushes without a lock; who takes moves all of the stack to a second list, from which portions are taken first
 * in, first out by and large: so nothing waits for ever below what comes later. Taking is under a lock, which a fork takes
 * as well: it finds each object in one list.
 */
#include "life/left.h"

#include "base/lock.h"
#include "count/wave.h"
#include "thread/wake.h"

/* Held while objects move from what was left to the list of whom destroys them, or back. */
static struct wane__mutex moving = WANE__MUTEX(WANE__RANK_LEFT);

#define PORTION 64

static void push(struct wane__record *to, unsigned parity, struct wane__header *h) {
    add_relaxed(&to->xleft_n, (uint64_t)1);
    add_relaxed(&to->xleft_bytes, (uint64_t)wane__heap_block_size(h));
    wane__tsan_release(h);
    wane__dead_push(&to->left[parity].stack, h);
}

void wane__leave_dead(struct wane__record *r, struct wane__header *h) {
    if (r->wave != 0) {
        push(r, r->wave - 1u, h);
    } else {
        unsigned parity = wane__wave_begin_new(r);
        push(r, parity, h);
        wane__wave_end(r, parity);
    }
    wane__wake();
}

/* Adds up the bytes of a list. */
static uint64_t weigh(struct wane__header *list, uint64_t *ret_n) {
    uint64_t bytes = 0, n = 0;
    for (struct wane__header *h = list; h != NULL; h = wane__dead_next(h), n++) {
        wane__tsan_acquire(h);
        bytes += wane__heap_block_size(h);
    }
    *ret_n = n;
    return bytes;
}

/* Others wait for a portion at most: a list may be as long as an object has slots. */
static void leave_list(struct wane__header **list, struct wane__record *to, unsigned parity) {
    while (load_relaxed(list) != NULL) {
        wane__mutex_lock(&moving);
        struct wane__header *h = load_relaxed(list);
        for (unsigned n = 0; h != NULL && n < PORTION; n++) {
            struct wane__header *next = wane__dead_next(h);
            push(to, parity, h);
            store_relaxed(list, h = next);
        }
        wane__mutex_unlock(&moving);
    }
}

void wane__leave_rest(struct wane__record *r, struct wane__record *to) {
    leave_list(&r->xdead, to, r->wave - 1u);
    if (r->callbacks == 0)
        leave_list(&r->xlater, to, r->wave - 1u);
    wane__wake();
}

/* The flag stays in the count until the object can be found in a list. */
void wane__unpinned(struct wane__record *r, struct wane__header *h, uint64_t w) {
    uint64_t flag = w & WANE__WAVE_FLAGS;
    wane__tsan_acquire(&h->shared);
    if (likely(flag == 0)) {
        wane__bury(r, h);
        return;
    }
    push(r, flag == WANE__WAVE_FLAG(1), h);
    wane__wave_unpin(flag);
}

/* In a frame of r's of that parity. */
static size_t take(struct wane__record *r, struct wane__record *from, unsigned parity) {
    struct wane__left *left = &from->left[parity];
    uint64_t n = 0, bytes = 0;
    wane__mutex_lock(&moving);
    struct wane__header *h = load_relaxed(&left->taken);
    if (h == NULL)
        h = wane__dead_take(&left->stack);
    for (struct wane__header *next; h != NULL && n < PORTION; h = next, n++) {
        wane__tsan_acquire(h);
        next = wane__dead_next(h);
        bytes += wane__heap_block_size(h);
        wane__bury(r, h);
    }
    store_release(&left->taken, h); /* [order:wave] */
    sub_relaxed(&from->xleft_n, n);
    sub_relaxed(&from->xleft_bytes, bytes);
    wane__mutex_unlock(&moving);
    return n;
}

static bool holds_any(const struct wane__left *left) {
    return load_relaxed(&left->taken) != NULL || load_relaxed(&left->stack.xtop) != NULL;
}

size_t wane__reap_left(struct wane__record *r, struct wane__record *from, unsigned parity, bool may_call,
                       struct wane__limit *limit) {
    size_t n = 0, portion, most = load_relaxed(&from->xleft_n);
    uint8_t wave = r->wave;
    bool inside = r->applies_inside;
    while (holds_any(&from->left[parity]) && n < most && !(limit != NULL && limit->over)) {
        r->wave = (uint8_t)(parity + 1);
        r->applies_inside = r->callbacks > 0;
        wane__wave_begin(r, parity);
        portion = take(r, from, parity);
        wane__reap_within(r, may_call, limit, from);
        wane__record_send_gathered(r);
        wane__wave_end(r, parity);
        r->applies_inside = inside;
        r->wave = wave;
        if (portion == 0)
            break;
        n += portion;
    }
    return n;
}

size_t wane__dead_waiting(void) {
    size_t n = 0;
    WANE__EACH_RECORD(r) n += load_relaxed(&r->xleft_n);
    return n;
}

uint64_t wane__dead_bytes(void) {
    uint64_t n = 0;
    WANE__EACH_RECORD(r) n += load_relaxed(&r->xleft_bytes);
    return n;
}

void wane__left_fork_prepare(void) { wane__mutex_lock(&moving); }

void wane__left_fork_parent(void) { wane__mutex_unlock(&moving); }

/* Somebody may have been between the count and the push. */
static void count_again(struct wane__record *r) {
    r->xleft_n = r->xleft_bytes = 0;
    for (int parity = 0; parity < 2; parity++) {
        uint64_t n, bytes = weigh(r->left[parity].stack.xtop, &n);
        r->xleft_bytes += bytes;
        r->xleft_n += n;
        r->xleft_bytes += weigh(r->left[parity].taken, &n);
        r->xleft_n += n;
    }
}

void wane__left_fork_child(const struct wane__record *self) {
    unsigned parity = wane__wave_oldest() & 1;
    wane__mutex_unlock(&moving);
    WANE__EACH_RECORD(gone) {
        count_again(gone);
        if (gone == self)
            continue;
        leave_list(&gone->xouter, gone, parity);
        leave_list(&gone->xdead, gone, parity);
        leave_list(&gone->xlater, gone, parity);
    }
}
