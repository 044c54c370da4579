/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * mm_atomic.h: the back end that many servers are written with: malloc, one atomic count an object,
 * and a lock for each place that threads share. The locks are striped by the slot's address. A
 * guard keeps a list of what was read in it and releases that at its end. Cycles leak.
 */
#ifndef MM_ATOMIC_H
#define MM_ATOMIC_H

#include <stdatomic.h>

#define MM_BACKEND "atomic"
#define MM_COLLECTS 0
#define MM_COUNTS_LIVE 1
#define MM_EXTRA_SLOTS 1u
#define MM_SLOTS_END ((size_t)-1)

typedef struct mm_slot {
    void *_Atomic target; /* written under the stripe's lock */
} mm_slot;

typedef struct mm_type {
    const char *name;
    size_t size;
    const size_t *slots;
    void (*destroy)(void *self);
    unsigned flags;
} mm_type;

#define MM_SLOTS(...) MM__SLOTS_OF(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0)(__VA_ARGS__)
#define MM__SLOTS_OF(t, a, b, c, d, e, f, g, h, n, ...) MM__SLOTS_JOIN(n)
#define MM__SLOTS_JOIN(n) MM__SLOTS_##n
#define MM__SLOTS_1(t, a) ((const size_t[]){offsetof(t, a), MM_SLOTS_END})
#define MM__SLOTS_2(t, a, b) ((const size_t[]){offsetof(t, a), offsetof(t, b), MM_SLOTS_END})
#define MM__SLOTS_3(t, a, b, c)                                                                    \
    ((const size_t[]){offsetof(t, a), offsetof(t, b), offsetof(t, c), MM_SLOTS_END})

struct mm_head {
    const mm_type *type;
    size_t extra;
    uint32_t _Atomic count;
};
#define MM_HEAD_SIZE ((sizeof(struct mm_head) + 15) & ~(size_t)15)

static inline struct mm_head *mm__head_of(void *obj) {
    return (struct mm_head *)(void *)((char *)obj - MM_HEAD_SIZE);
}

void mm__die(void *obj);

static inline void *mm_retain(void *obj) {
    if (obj != NULL) {
        atomic_fetch_add_explicit(&mm__head_of(obj)->count, 1, memory_order_relaxed);
    }
    return obj;
}

static inline void mm_release(void *obj) {
    if (obj != NULL &&
        atomic_fetch_sub_explicit(&mm__head_of(obj)->count, 1, memory_order_acq_rel) == 1) {
        mm__die(obj);
    }
}

#define mm_share(obj) (obj)
#define mm_poll() ((void)0)
#define mm_flush() ((void)0)

/* Nobody else may change the slot: no lock. */
static inline void *mm_slot_held(mm_slot *s) {
    return atomic_load_explicit(&s->target, memory_order_acquire);
}

static inline void mm_slot_init(mm_slot *s, void *obj) {
    atomic_store_explicit(&s->target, obj, memory_order_release);
}

void *mm_new_extra(const mm_type *type, size_t extra);
#define mm_new(type) mm_new_extra((type), 0)
void *mm_slot_load(mm_slot *s);
void *mm_slot_peek(mm_slot *s);
void *mm_slot_take(mm_slot *s);
void mm_slot_give(mm_slot *s, void *obj);
bool mm_slot_cas(mm_slot *s, void *expected, void *desired);
void mm_guard_enter(void);
void mm_guard_leave(void);

static inline void mm_slot_store(mm_slot *s, void *obj) { mm_slot_give(s, mm_retain(obj)); }
static inline void mm_slot_clear(mm_slot *s) { mm_slot_give(s, NULL); }

#endif
