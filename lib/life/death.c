/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/death.c: finalize, weak references cleared, slots read and emptied, destroy, free.
 */
#include "life/death.h"

#include <wane/guard.h>

#include "life/weak.h"
#include "thread/grace.h"
#include "thread/wake.h"

/* Found dead where their callbacks may not run. */
static struct wane__stack xwaiting;
static size_t xwaiting_n;
static uint64_t xwaiting_bytes;

static void put(struct wane__link **list, struct wane__header *h) {
    struct wane__link *link = (struct wane__link *)(void *)h;
    store_relaxed(&link->next, *list);
    *list = link;
}

static void hand_over(struct wane__record *r, struct wane__header *h) {
    if (r->callbacks > 0) {
        put(&r->dead, h);
        return;
    }
    add_relaxed(&xwaiting_n, (size_t)1);
    add_relaxed(&xwaiting_bytes, (uint64_t)wane__heap_block_size(h));
    wane__tsan_release(h);
    wane__stack_push(&xwaiting, (struct wane__link *)(void *)h);
    wane__wake();
}

size_t wane__dead_waiting(void) { return load_acquire(&xwaiting_n); }
uint64_t wane__dead_bytes(void) { return load_relaxed(&xwaiting_bytes); }

size_t wane__reap_waiting(struct wane__record *r) {
    size_t n = 0;
    struct wane__link *list = wane__stack_take(&xwaiting);
    while (list != NULL) {
        struct wane__link *next = load_relaxed(&list->next);
        struct wane__header *h = (struct wane__header *)(void *)list;
        wane__tsan_acquire(h);
        uint64_t size = wane__heap_block_size(h);
        struct wane__link *one = NULL;
        put(&one, h);
        wane__reap(r, one, true);
        sub_relaxed(&xwaiting_bytes, size);
        sub_acq_rel(&xwaiting_n, (size_t)1);
        list = next;
        n++;
    }
    return n;
}

/* Whether a finalizer of h may run on this thread now. */
static bool may_finalize(struct wane__record *r, struct wane__header *h, bool may_call) {
    uint64_t w = load_relaxed(&h->shared);
    if (!may_call || !wane__word_has(w, WANE__FINAL_DUE) || r->callbacks > 0)
        return false;
    return (wane__type_of(w)->flags & WANE_TYPE_FINALIZE_QUEUED) == 0 || r->may_run_queued;
}

void wane__keep(struct wane__record *r, struct wane__header *h) {
    while (unlikely(!wane__keep_unit(r, h))) {
        /* Memory is out: do at once what the queue would have done later. A unit that a finalizer needs must wait. */
        if (wane__revoke_now(r, h)) {
            struct wane__link *dead = NULL;
            enum wane__drop result = wane__drop_unit(r, h, false, "settling");
            if (result == WANE__DIED)
                put(&dead, h);
            wane__reap(r, dead, false);
            if (result != WANE__KEPT)
                return;
        }
        if (r->head.nest > 0)
            wane__fatal("out of memory inside a guard, with no room left to defer a decrement");
        wane__hurry();
        wane__bracket_wait();
    }
}

void wane__let_go(struct wane__record *r, struct wane__header *h, struct wane__link **dead, bool may_call,
                  const char *operation) {
    for (;;) {
        switch (wane__drop_unit(r, h, may_finalize(r, h, may_call), operation)) {
        case WANE__DROPPED:
            return;
        case WANE__DIED:
            put(dead, h);
            return;
        case WANE__KEPT:
            wane__keep(r, h);
            return;
        case WANE__FINAL:
            wane__tsan_acquire(&h->shared);
            wane__call(r, wane__type_of(load_relaxed(&h->shared))->finalize, wane__payload_of(h));
            break;
        }
    }
}

/* A visitor that empties: at death. Others have their own. */
struct emptying {
    struct wane__visit_ops ops;
    struct wane__record *r;
    struct wane__link **dead;
    bool may_call;
};

static void empty_slots(struct emptying *e, wane_slot *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        void *obj = load_relaxed(&s[i].wane__target);
        if (obj == NULL)
            continue;
        store_relaxed(&s[i].wane__target, NULL);
        wane__let_go(e->r, wane__header_of(obj), e->dead, e->may_call, "death of its referrer");
    }
}

static void visit_emptying(struct wane__visit_ops *ops, wane_slot *s, size_t n) {
    empty_slots((struct emptying *)(void *)ops, s, n);
}

void wane_visit(wane_visitor *v, wane_slot *s) { wane_visit_n(v, s, 1); }

void wane_visit_n(wane_visitor *v, wane_slot *s, size_t n) {
    struct wane__visit_ops *ops = (struct wane__visit_ops *)(void *)v;
    ops->slots(ops, s, n);
}

void wane__visit_slots(wane_type *t, struct wane__header *h, struct wane__visit_ops *ops) {
    char *payload = wane__payload_of(h);
    for (size_t i = 0; i < t->wane__private[WANE__TYPE_SLOTS_N]; i++)
        ops->slots(ops, (wane_slot *)(void *)(payload + t->slots[i]), 1);
    if ((t->flags & WANE_TYPE_EXTRA_SLOTS) != 0) {
        size_t n;
        wane_slot *s = wane__extra_slots(t, h, &n);
        ops->slots(ops, s, n);
    }
    if (t->trace != NULL) {
        wane_guard_enter();
        t->trace(payload, (wane_visitor *)(void *)ops);
        wane_guard_leave();
    }
}

/* Slots at fixed offsets are by far the most frequent: no call through a pointer for them. */
static void empty(struct wane__record *r, wane_type *t, struct wane__header *h, struct wane__link **dead,
                  bool may_call) {
    struct emptying e = {.ops.slots = visit_emptying, .r = r, .dead = dead, .may_call = may_call};
    if (t->trace != NULL) {
        e.may_call = false; /* finalizers do not run inside a guard of the library's */
        wane__visit_slots(t, h, &e.ops);
        return;
    }
    for (size_t i = 0; i < t->wane__private[WANE__TYPE_SLOTS_N]; i++)
        empty_slots(&e, (wane_slot *)(void *)((char *)wane__payload_of(h) + t->slots[i]), 1);
    if ((t->flags & WANE_TYPE_EXTRA_SLOTS) != 0) {
        size_t n;
        wane_slot *s = wane__extra_slots(t, h, &n);
        empty_slots(&e, s, n);
    }
}

static void destroy(struct wane__record *r, struct wane__header *h, uint64_t w, struct wane__link **dead,
                    bool may_call) {
    wane_type *t = wane__type_of(w);
    store_relaxed((uint64_t *)(void *)h, (uint64_t)0); /* no owner: a further use is found out */
    if (wane__word_has(w, WANE__WEAKREFD))
        wane__weak_clear(h);
    if (wane__type_has(t, WANE__TRAIT_SCANNED))
        empty(r, t, h, dead, may_call);
    if (t->destroy != NULL)
        wane__call(r, t->destroy, wane__payload_of(h));
    if (!wane__type_has(t, WANE__TRAIT_LIBRARY)) {
        wane__tally(r->xdeaths, 1);
        wane__tally(r->xdeath_bytes, wane__heap_block_size(h));
    }
    if (wane__word_has(w, WANE__WEAKREFD)) {
        wane__blocks_add(h); /* an upgrade may be looking at the word: no stranger may be born there yet */
        return;
    }
    wane__free_block(r, h);
}

static struct wane__link *joined(struct wane__link *first, struct wane__link *then) {
    if (first == NULL)
        return then;
    if (then != NULL) {
        struct wane__link *last = first;
        while (load_relaxed(&last->next) != NULL)
            last = load_relaxed(&last->next);
        store_relaxed(&last->next, then);
    }
    return first;
}

void wane__reap(struct wane__record *r, struct wane__link *dead, bool may_call) {
    may_call = may_call && wane__may_call(r);
    for (;;) {
        if (may_call && r->dead != NULL) {
            struct wane__link *inside = r->dead;
            r->dead = NULL;
            dead = joined(inside, dead);
        }
        if (dead == NULL)
            return;
        struct wane__header *h = (struct wane__header *)(void *)dead;
        dead = load_relaxed(&dead->next);
        uint64_t w = load_relaxed(&h->shared);
        if (!may_call && (wane__word_has(w, WANE__WEAKREFD) || wane__type_has(wane__type_of(w), WANE__TRAIT_CALLS)))
            hand_over(r, h);
        else
            destroy(r, h, w, &dead, may_call);
    }
}

void wane__release(struct wane__record *r, struct wane__header *h, bool may_call, const char *operation) {
    struct wane__link *dead = NULL;
    may_call = may_call && wane__may_call(r);
    wane__let_go(r, h, &dead, may_call, operation);
    wane__reap(r, dead, may_call);
}
