/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/slot.c: slots.
 *
 * A unit moves from the stack into a slot, and from a slot into the deferred queue, never from a slot to the stack:
 * what is taken out is an increment and a deferred decrement, so that each new stack unit is visible as an increment
 * and whoever borrowed the pointer in a guard may go on using it.
 * Increments come before publication. A unit given to a slot leaves the stack: the object becomes a candidate first,
 * in the same bracket.
 */
#include <wane/slot.h>

#include "life/apply.h"
#include "thread/mode.h"

/* Puts obj into the slot; returns what was there. In r's bracket. */
static void *exchange(wane_slot *s, void *obj) {
    wane__tsan_release(&s->wane__target);
    void *old = swap_acq_rel(&s->wane__target, obj); /* [order:slot] */
    wane__tsan_acquire(&s->wane__target);
    return old;
}

static inline void defer_old(struct wane__record *r, void *old, const char *operation) {
    if (old == NULL)
        return;
    wane__need_ours(wane__header_of(old), operation);
    wane__defer(r, wane__header_of(old));
}

void wane__slot_init_slow(wane_slot *s, void *obj) {
    struct wane__record *r = wane__record_need("wane_slot_init");
    wane__mark(&r->head);
    wane__leave_stack(wane__header_of(obj), "wane_slot_init");
    wane__tsan_release(&s->wane__target);
    store_release(&s->wane__target, obj); /* [order:slot] */
    wane__unmark(&r->head);
}

void *wane__slot_load_slow(wane_slot *s) {
    struct wane__record *r = wane__record_need("wane_slot_load");
    wane__mark(&r->head);
    void *obj = load_acquire(&s->wane__target); /* [order:slot] */
    if (obj != NULL)
        wane__take_unit_marked(r, wane__header_of(obj), "wane_slot_load");
    wane__unmark(&r->head);
    wane__tsan_acquire(&s->wane__target);
    return obj;
}

/*
 * Whether a call needs no record to be made, no fences, and nothing told to ThreadSanitizer: as most. What remains is short, and
 * what goes on from there does so by a jump: nothing is saved on the stack.
 */
static inline bool is_quick(const struct wane__thread *t) {
    return likely(__tsan_release == NULL && load_relaxed(&t->match) != WANE__MATCH_NOBODY);
}

/* Ends the call, and the bracket. */
static inline void replace(struct wane__thread *t, wane_slot *s, void *obj, const char *operation) {
    void *old = swap_acq_rel(&s->wane__target, obj); /* [order:slot] */
    wane__bracket_leave(t);
    defer_old((struct wane__record *)(void *)t, old, operation);
}

static __attribute__((noinline)) void store_slow(wane_slot *s, void *obj) {
    struct wane__record *r = wane__record_need("wane_slot_store");
    wane__mark(&r->head);
    if (obj != NULL)
        wane__take_unit_marked(r, wane__header_of(obj), "wane_slot_store");
    void *old = exchange(s, obj);
    wane__unmark(&r->head);
    defer_old(r, old, "wane_slot_store");
}

void(wane_slot_store)(wane_slot *s, void *obj) {
    struct wane__thread *t = wane__self;
    if (is_quick(t)) {
        wane__bracket_enter(t);
        if (obj != NULL)
            wane__take_unit_marked((struct wane__record *)(void *)t, wane__header_of(obj), "wane_slot_store");
        replace(t, s, obj, "wane_slot_store");
        return;
    }
    store_slow(s, obj);
}

static __attribute__((noinline)) void give_slow(wane_slot *s, void *obj) {
    struct wane__record *r = wane__record_need("wane_slot_give");
    wane__mark(&r->head);
    if (obj != NULL)
        wane__leave_stack(wane__header_of(obj), "wane_slot_give");
    void *old = exchange(s, obj);
    wane__unmark(&r->head);
    defer_old(r, old, "wane_slot_give");
}

void(wane_slot_give)(wane_slot *s, void *obj) {
    struct wane__thread *t = wane__self;
    if (is_quick(t)) {
        wane__bracket_enter(t);
        if (obj == NULL || (load_relaxed(&wane__header_of(obj)->candidate) & 1) != 0) {
            replace(t, s, obj, "wane_slot_give");
            return;
        }
    }
    give_slow(s, obj); /* perhaps in the bracket, which is marked again there */
}

void *(wane_slot_swap)(wane_slot *s, void *obj) {
    struct wane__record *r = wane__record_need("wane_slot_swap");
    wane__mark(&r->head);
    if (obj != NULL)
        wane__leave_stack(wane__header_of(obj), "wane_slot_swap");
    void *old = exchange(s, obj);
    if (old != NULL)
        wane__take_unit_marked(r, wane__header_of(old), "wane_slot_swap"); /* the slot's own unit is still there: it is not yet deferred */
    wane__unmark(&r->head);
    defer_old(r, old, "wane_slot_swap");
    return old;
}

void *(wane_slot_take)(wane_slot *s) {
    return load_relaxed(&s->wane__target) == NULL ? NULL : (wane_slot_swap)(s, NULL);
}

void(wane_slot_clear)(wane_slot *s) {
    if (load_relaxed(&s->wane__target) != NULL)
        (wane_slot_give)(s, NULL);
}

bool(wane_slot_cas)(wane_slot *s, void *expected, void *desired) {
    struct wane__record *r = wane__record_need("wane_slot_cas");
    void *found = expected;
    wane__mark(&r->head);
    if (desired != NULL)
        wane__take_unit_marked(r, wane__header_of(desired), "wane_slot_cas");
    wane__tsan_release(&s->wane__target);
    bool done = cas_acq_rel(&s->wane__target, &found, desired); /* [order:slot] */
    wane__unmark(&r->head);
    if (done)
        defer_old(r, expected, "wane_slot_cas");
    else if (desired != NULL)
        wane__release(r, wane__header_of(desired), false, "wane_slot_cas");
    return done;
}
