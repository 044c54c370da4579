/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * mm_gc.h: the back end that is the Boehm-Demers-Weiser collector. It finds references by itself,
 * wherever they look like one, so counting and guards do nothing; it stops all threads to do so.
 */
#ifndef MM_GC_H
#define MM_GC_H

#include <stdatomic.h>

#define MM_BACKEND "bdwgc"
#define MM_COLLECTS 1
#define MM_COUNTS_LIVE 0
#define MM_EXTRA_SLOTS 1u

typedef struct mm_slot {
    void *_Atomic target;
} mm_slot;

typedef struct mm_type {
    const char *name;
    size_t size;
    const size_t *slots; /* NULL and no MM_EXTRA_SLOTS: the object is not searched for references */
    void (*destroy)(void *self);
    unsigned flags;
} mm_type;

/* Only whether there are any matters here. */
#define MM_SLOTS(t, ...) ((const size_t[]){0})

void *mm_new_extra(const mm_type *type, size_t extra);
#define mm_new(type) mm_new_extra((type), 0)

#define mm_retain(obj) (obj)
#define mm_release(obj) ((void)(obj))
#define mm_share(obj) (obj)
#define mm_guard_enter() ((void)0)
#define mm_guard_leave() ((void)0)
#define mm_poll() ((void)0)
#define mm_flush() ((void)0)

static inline void *mm_slot_load(mm_slot *s) {
    return atomic_load_explicit(&s->target, memory_order_acquire);
}
#define mm_slot_peek(s) mm_slot_load(s)
#define mm_slot_held(s) mm_slot_load(s)

static inline void mm_slot_give(mm_slot *s, void *obj) {
    atomic_store_explicit(&s->target, obj, memory_order_release);
}
#define mm_slot_init(s, obj) mm_slot_give((s), (obj))
#define mm_slot_store(s, obj) mm_slot_give((s), (obj))
#define mm_slot_clear(s) mm_slot_give((s), NULL)

static inline void *mm_slot_take(mm_slot *s) {
    return atomic_exchange_explicit(&s->target, NULL, memory_order_acq_rel);
}

static inline bool mm_slot_cas(mm_slot *s, void *expected, void *desired) {
    return atomic_compare_exchange_strong_explicit(&s->target, &expected, desired,
                                                   memory_order_acq_rel, memory_order_acquire);
}

#endif
