/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * base/stack.h: an intrusive list that any thread pushes to and whoever drains takes whole.
 *
 * Push is one successful compare-and-swap, take is one exchange; nothing is ever popped singly, so the ABA problem of
 * Treiber's stack cannot arise and no reclamation scheme is needed. Both are written with C11 atomics rather than
 * taken from a library, because ThreadSanitizer must see them: they hand memory from thread to thread.
 * A fork leaves a consistent stack in the child whatever the vanished threads were doing.
 */
#ifndef WANE_BASE_STACK_H
#define WANE_BASE_STACK_H

#include "base/atomic.h"

struct wane__link {
    struct wane__link *next;
};

struct wane__stack {
    struct wane__link *xtop;
};

/* Pushes the chain first..last (linked by `next`, last->next is overwritten). Returns whether it was empty. */
static inline bool wane__stack_push_chain(struct wane__stack *s, struct wane__link *first,
                                          struct wane__link *last) {
    struct wane__link *top = load_relaxed(&s->xtop);
    do {
        store_relaxed(&last->next, top);
    } while (!__atomic_compare_exchange_n(&s->xtop, &top, first, 1, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED)); /* [order:stack] */
    return top == NULL;
}

static inline bool wane__stack_push(struct wane__stack *s, struct wane__link *link) {
    return wane__stack_push_chain(s, link, link);
}

/* Takes everything, last pushed first. */
static inline struct wane__link *wane__stack_take(struct wane__stack *s) {
    if (load_seq_cst(&s->xtop) == NULL) /* no write to a line that nobody pushed to */
        return NULL;
    return swap_seq_cst(&s->xtop, (struct wane__link *)NULL); /* [order:stack] */
}

/* The order of pushing: for lists whose users expect first in, first out. */
static inline struct wane__link *wane__stack_reverse(struct wane__link *list) {
    struct wane__link *turned = NULL;
    while (list != NULL) {
        struct wane__link *next = list->next;
        list->next = turned;
        turned = list;
        list = next;
    }
    return turned;
}

#endif
