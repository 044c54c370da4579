/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/slot.h: shared places for references.
 *
 * Any thread may use any slot at any time. A unit that leaves a slot is not decremented at once but after a grace
 * period, so that readers in guards need not count (deferred decrements, docs/design/count.md). An object stored in a slot
 * is published: what was written to it before is visible to whoever reads it from the slot.
 *
 * Threads, for all: any; lock-free; run no user code; leave errno alone. Those that remove a unit (store, give, swap,
 * take, clear, cas) never fail, with or without memory; they may wait up to `stall_limit_us` outside guards, when this thread has deferred more than `deferred_bytes`.
 * A slot inside an object may be used only while that object is held or borrowed.
 */
#ifndef WANE_SLOT_H
#define WANE_SLOT_H

#include <wane/object.h>

WANE__BEGIN

WANE_API void *wane__slot_load_slow(wane_slot *s);

WANE_API void wane__slot_init_slow(wane_slot *s, void *obj);

/* Puts obj (consumed) into a slot that nobody else sees yet and that is empty: no old unit to remove. Wait-free. */
WANE_INLINE void wane_slot_init(wane_slot *s, void *obj) {
    struct wane__thread *t = wane__self;
    bool done = false;
    if (obj == NULL) { /* perhaps between wane_change_begin and wane_change_end, whose bracket it must leave alone */
        wane__store_relaxed(&s->wane__target, obj);
        return;
    }
    wane__bracket_enter(t);
    if (wane__likely((wane__load_relaxed(&wane__header_of(obj)->candidate) & 1) != 0 &&
                     wane__load_relaxed(&t->match) != WANE__MATCH_NOBODY)) {
        wane__told_release(&s->wane__target);
        wane__store_release(&s->wane__target, obj); /* [order:slot] */
        done = true;
    }
    wane__bracket_leave(t);
    if (wane__unlikely(!done))
        wane__slot_init_slow(s, obj);
}

/* What the slot refers to, as a new unit for the caller, or NULL. Needs no guard. Wait-free. */
WANE_INLINE void *wane_slot_load(wane_slot *s) {
    struct wane__thread *t = wane__self;
    if (wane__unlikely(wane__load_relaxed(&t->match) == WANE__MATCH_NOBODY))
        return wane__slot_load_slow(s);
    wane__bracket_enter(t);
    void *obj = wane__load_acquire(&s->wane__target); /* [order:slot] */
    bool counted = obj == NULL || wane__retain_marked(t, wane__header_of(obj));
    wane__bracket_leave(t);
    wane__told_acquire(&s->wane__target);
    return wane__likely(counted) ? obj : wane__slot_load_slow(s);
}

/*
 * What the slot refers to, borrowed: valid inside the guard that the caller is in. Wait-free. Without a guard it is valid
 * while a lock of the program's keeps the slot as it is: when each change of it, by whomever, is made under that lock, and
 * what the slot is in stays. It ends with the lock, and with the holder's own change of the slot.
 */
WANE_INLINE void *wane_slot_peek(wane_slot *s) {
    void *obj = wane__load_acquire(&s->wane__target); /* [order:slot] */
    wane__told_acquire(&s->wane__target);
    return obj;
}

/* Makes the slot refer to obj (borrowed: the slot takes a unit of its own). */
WANE_API void wane_slot_store(wane_slot *s, void *obj);

/* Makes the slot refer to obj (consumed: the caller's unit moves into the slot). */
WANE_API void wane_slot_give(wane_slot *s, void *obj);

/* As give; returns what the slot referred to as a new unit for the caller, or NULL. */
WANE_API void *wane_slot_swap(wane_slot *s, void *obj);

/* Empties the slot; returns what it referred to as a new unit for the caller, or NULL. */
WANE_API void *wane_slot_take(wane_slot *s);

/* Empties the slot. */
WANE_API void wane_slot_clear(wane_slot *s);

/*
 * If the slot refers to `expected`, makes it refer to `desired`; both are borrowed and may be NULL, and the slot takes
 * a unit of its own of `desired`. Returns whether it did. `expected` must be held or borrowed, so that its address means it.
 */
WANE_API bool wane_slot_cas(wane_slot *s, void *expected, void *desired);

WANE__END

/* The object and the slot cannot change places: a slot is no object. */
#if !defined(__cplusplus) && !defined(WANE__EMIT)
#define wane_slot_init(s, obj) wane_slot_init((s), WANE__OBJECT(obj))
#define wane_slot_store(s, obj) wane_slot_store((s), WANE__OBJECT(obj))
#define wane_slot_give(s, obj) wane_slot_give((s), WANE__OBJECT(obj))
#define wane_slot_swap(s, obj) wane_slot_swap((s), WANE__OBJECT(obj))
#define wane_slot_cas(s, expected, desired) wane_slot_cas((s), WANE__OBJECT(expected), WANE__OBJECT(desired))
#elif defined(__cplusplus)
void wane_slot_init(wane_slot *, wane_slot *) = delete;
void wane_slot_store(wane_slot *, wane_slot *) = delete;
void wane_slot_give(wane_slot *, wane_slot *) = delete;
void *wane_slot_swap(wane_slot *, wane_slot *) = delete;
#endif

#endif
