/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/slot.h: shared places for references.
 *
 * Any thread may use any slot at any time. A reference that leaves a slot is released after a grace period, not at
 * once, so that readers in guards need not count (deferred decrements, docs/design/count.md). Storing an object in a
 * slot publishes it: what was written to it before is visible to whoever reads it from the slot. A slot inside an
 * object may be used only while that object is held or borrowed.
 *
 * Threads, for all calls: any; lock-free; run no user code; leave errno alone. Calls that remove a reference (store,
 * give, swap, take, clear, cas) never fail, with or without memory. Outside of guards they may wait up to
 * `stall_limit_us` when this thread has deferred more than `deferred_bytes`.
 */
#ifndef WANE_SLOT_H
#define WANE_SLOT_H

#include <wane/object.h>

WANE__BEGIN

WANE_API void *wane__slot_load_slow(wane_slot *s);

WANE_API void wane__slot_init_slow(wane_slot *s, void *obj);

/* Puts obj (consumed) into an empty slot that no other thread sees yet. Wait-free. */
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

/* Returns what the slot refers to, as a new reference for the caller, or NULL. Needs no guard. Wait-free. */
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
 * Returns what the slot refers to, borrowed: it is valid inside the guard that the caller is in. Wait-free. It may
 * also be used without a guard under a lock of the program's, if every change of the slot is made under that lock and
 * what the slot is in stays. Then the pointer is valid until the lock is released, or until its holder changes the
 * slot.
 */
WANE_INLINE void *wane_slot_peek(const wane_slot *s) {
    void *obj = wane__load_acquire(&s->wane__target); /* [order:slot] */
    wane__told_acquire((void *)(uintptr_t)&s->wane__target);
    return obj;
}

/*
 * The same where such a lock of the program's is held: each change of the slot is made under it. It says so to the reader, and to
 * checks that look for a guard around wane_slot_peek. A slot that never changes after its object was published is like one
 * under a lock that everybody holds. Wait-free.
 */
WANE_INLINE void *wane_slot_peek_locked(const wane_slot *s) {
    void *obj = wane__load_acquire(&s->wane__target); /* [order:slot] */
    wane__told_acquire((void *)(uintptr_t)&s->wane__target);
    return obj;
}

/* Makes the slot refer to obj (borrowed: the slot takes a reference of its own). */
WANE_API void wane_slot_store(wane_slot *s, void *obj);

/* Makes the slot refer to obj (consumed: the caller's reference moves into the slot). */
WANE_API void wane_slot_give(wane_slot *s, void *obj);

/* As give; returns what the slot referred to, as a new reference for the caller, or NULL. */
WANE_API void *wane_slot_swap(wane_slot *s, void *obj);

/* Empties the slot; returns what it referred to, as a new reference for the caller, or NULL. */
WANE_API void *wane_slot_take(wane_slot *s);

/* Empties the slot. */
WANE_API void wane_slot_clear(wane_slot *s);

/*
 * If the slot refers to `expected`, makes it refer to `desired`. Both are borrowed and may be NULL; the slot takes a
 * reference of its own to `desired`. Returns whether it did. Hold or borrow `expected`, so that its address cannot
 * have become that of another object.
 */
WANE_API bool wane_slot_cas(wane_slot *s, void *expected, void *desired);

WANE__END

/*
 * WANE_SLOT(struct node) next; is a slot that refers to objects of one C type. All calls of this header work on it: storing something
 * else in it is refused when compiling, and what is read from it has the type. void * goes everywhere. Optional: a wane_slot
 * refers to anything. Layout and rules are those of a wane_slot; WANE_SLOTS and wane_visit take both.
 *
 * The object and the slot cannot change places: a slot is no object.
 */
#if defined(__cplusplus)
template <class T> struct wane_slot_of {
    wane_slot wane__slot;
};
template <class T> struct wane__same {
    using type = T;
};
#define WANE_SLOT(type) wane_slot_of<type>

void wane_slot_init(wane_slot *, wane_slot *) = delete;
void wane_slot_store(wane_slot *, wane_slot *) = delete;
void wane_slot_give(wane_slot *, wane_slot *) = delete;
void *wane_slot_swap(wane_slot *, wane_slot *) = delete;

template <class T> inline void wane_slot_init(wane_slot_of<T> *s, typename wane__same<T>::type *obj) {
    wane_slot_init(&s->wane__slot, static_cast<void *>(obj));
}
template <class T> inline T *wane_slot_load(wane_slot_of<T> *s) {
    return static_cast<T *>(wane_slot_load(&s->wane__slot));
}
template <class T> inline T *wane_slot_peek(const wane_slot_of<T> *s) {
    return static_cast<T *>(wane_slot_peek(&s->wane__slot));
}
template <class T> inline T *wane_slot_peek_locked(const wane_slot_of<T> *s) {
    return static_cast<T *>(wane_slot_peek_locked(&s->wane__slot));
}
template <class T> inline void wane_slot_store(wane_slot_of<T> *s, typename wane__same<T>::type *obj) {
    wane_slot_store(&s->wane__slot, static_cast<void *>(obj));
}
template <class T> inline void wane_slot_give(wane_slot_of<T> *s, typename wane__same<T>::type *obj) {
    wane_slot_give(&s->wane__slot, static_cast<void *>(obj));
}
template <class T> inline T *wane_slot_swap(wane_slot_of<T> *s, typename wane__same<T>::type *obj) {
    return static_cast<T *>(wane_slot_swap(&s->wane__slot, static_cast<void *>(obj)));
}
template <class T> inline T *wane_slot_take(wane_slot_of<T> *s) {
    return static_cast<T *>(wane_slot_take(&s->wane__slot));
}
template <class T> inline void wane_slot_clear(wane_slot_of<T> *s) { wane_slot_clear(&s->wane__slot); }
template <class T>
inline bool wane_slot_cas(wane_slot_of<T> *s, typename wane__same<T>::type *expected,
                          typename wane__same<T>::type *desired) {
    return wane_slot_cas(&s->wane__slot, static_cast<void *>(expected), static_cast<void *>(desired));
}
template <class T> inline void wane_visit(wane_visitor *v, wane_slot_of<T> *s) { wane_visit(v, &s->wane__slot); }
template <class T> inline void wane_visit_n(wane_visitor *v, wane_slot_of<T> *s, size_t n) {
    wane_visit_n(v, &s->wane__slot, n);
}
#else
#define WANE_SLOT(type)        \
    union {                    \
        type *wane__target;    \
        wane_slot wane__slot;  \
    }
#endif
#if !defined(__cplusplus) && !defined(WANE__EMIT)
/* What a wane_slot, or a void * to one, is taken for, so that both kinds of slots have the same members. */
typedef WANE_SLOT(void) wane__slot_of_any;
#define WANE__ANY_SLOT(s)                                                                                     \
    ((__typeof__(_Generic((s),                                                                                \
         wane_slot *: (wane__slot_of_any *)0,                                                                 \
         const wane_slot *: (const wane__slot_of_any *)0,                                                     \
         void *: (wane__slot_of_any *)0,                                                                      \
         default: (1 ? (s) : (s)))))(s))
#define WANE__SLOT(s) (&WANE__ANY_SLOT(s)->wane__slot)
#define WANE__OF_SLOT(s, value) WANE__AS(WANE__TYPE_OF(WANE__ANY_SLOT(s)->wane__target), value)
#define WANE__FOR_SLOT(s, obj) WANE__FITTING(WANE__ANY_SLOT(s)->wane__target, obj)
#define wane_slot_init(s, obj) wane_slot_init(WANE__SLOT(s), WANE__FOR_SLOT(s, obj))
#define wane_slot_load(s) WANE__OF_SLOT(s, wane_slot_load(WANE__SLOT(s)))
#define wane_slot_peek(s) WANE__OF_SLOT(s, wane_slot_peek(WANE__SLOT(s)))
#define wane_slot_peek_locked(s) WANE__OF_SLOT(s, wane_slot_peek_locked(WANE__SLOT(s)))
#define wane_slot_store(s, obj) wane_slot_store(WANE__SLOT(s), WANE__FOR_SLOT(s, obj))
#define wane_slot_give(s, obj) wane_slot_give(WANE__SLOT(s), WANE__FOR_SLOT(s, obj))
#define wane_slot_swap(s, obj) WANE__OF_SLOT(s, wane_slot_swap(WANE__SLOT(s), WANE__FOR_SLOT(s, obj)))
#define wane_slot_take(s) WANE__OF_SLOT(s, wane_slot_take(WANE__SLOT(s)))
#define wane_slot_clear(s) wane_slot_clear(WANE__SLOT(s))
#define wane_slot_cas(s, expected, desired) \
    wane_slot_cas(WANE__SLOT(s), WANE__FOR_SLOT(s, expected), WANE__FOR_SLOT(s, desired))
#define wane_visit(v, s) wane_visit((v), WANE__SLOT(s))
#define wane_visit_n(v, s, n) wane_visit_n((v), WANE__SLOT(s), (n))
#endif

#endif
