/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/type.h: registered types and what is known of each.
 */
#ifndef WANE_LIFE_TYPE_H
#define WANE_LIFE_TYPE_H

#include <wane/type.h>

#include "count/word.h"

#define WANE__TYPES 65536
#define WANE__SLOTS_MAX 32 /* at fixed offsets */

/* The places of wane_type.wane__private. Written under the lock of registration, before the id is published. */
enum {
    WANE__TYPE_COPY,    /* atomic, written last: address in the copy of the library that registered it; 0: not registered */
    WANE__TYPE_TRAITS,  /* WANE__TRAIT_ flags */
    WANE__TYPE_CLASS,   /* size class without extra bytes */
    WANE__TYPE_BLOCK,   /* block size asked for without extra bytes */
    WANE__TYPE_ZERO,    /* bytes of a block of that class behind the header */
    WANE__TYPE_BIRTH,   /* `shared` at birth */
    WANE__TYPE_FIRST,   /* first header word at birth, without the owner */
    WANE__TYPE_BIN,     /* WANE__BIN of the class; that of no page: born in the slow path */
    WANE__TYPE_SLOTS_N, /* how many fixed slots */
    WANE__TYPE_ID,      /* 0: not registered */
};

enum {
    WANE__TRAIT_TRACKED = 1,  /* may be part of a cycle; 1: births add it to a count */
    WANE__TRAIT_SCANNED = 2,  /* has slots to empty at death */
    WANE__TRAIT_CALLS = 4,    /* has `destroy`: its death runs user code */
    WANE__TRAIT_MERGED = 8,   /* born without owner */
    WANE__TRAIT_LIBRARY = 16, /* the library's own: not counted as live */
    WANE__TRAIT_CANDIDATE = 64, /* born a candidate: tracked, with slots that are empty from the start */
    WANE__TRAIT_SIMPLE = 32,  /* dies of itself: at most slots at fixed offsets to empty, no `destroy` */
};

/* By id, atomic. */
extern wane_type *wane__types[WANE__TYPES];

/* Its address differs between two copies of the library in one process. */
extern const char wane__this_copy;

/*
 * Whether t is registered, and with this copy of the library: one question, so that births of another copy's types are found
 * out at no cost.
 */
static inline bool wane__type_is_ours(const wane_type *t) {
    return likely(load_acquire(&t->wane__private[WANE__TYPE_COPY]) == (uintptr_t)&wane__this_copy); /* [order:type] */
}

/* The id, registering t at its first use; 0 when all ids are taken. */
uint32_t wane__type_register(wane_type *t);

static inline wane_type *wane__type_of(uint64_t word) {
    return load_acquire(&wane__types[wane__word_type(word)]); /* [order:type] */
}

static inline bool wane__type_has(const wane_type *t, uintptr_t trait) {
    return (t->wane__private[WANE__TYPE_TRAITS] & trait) != 0;
}

/* Where the extra bytes begin that are slots, and how many slots they hold. */
wane_slot *wane__extra_slots(const wane_type *t, struct wane__header *h, size_t *ret_n);

/* What a wane_visitor is inside: handed slots, n in a row. */
struct wane__visit_ops {
    void (*slots)(struct wane__visit_ops *v, wane_slot *s, size_t n);
    /* of those that let go, see life/death.h */
    bool gathers; /* finalizers that come due wait in `finals` */
    bool again;   /* a unit had to stay in its slot */
};

/* Hands all slots of an object to ops, those of `trace` inside a guard. */
void wane__visit_slots(wane_type *t, struct wane__header *h, struct wane__visit_ops *ops);

/* The same for loops over many objects: `slots` is ops->slots, known where it is called, for the slots at fixed offsets. */
static inline __attribute__((always_inline)) void
wane__visit_quick(wane_type *t, struct wane__header *h, struct wane__visit_ops *ops,
                  void (*slots)(struct wane__visit_ops *v, wane_slot *s, size_t n)) {
    if (unlikely((t->flags & WANE_TYPE_EXTRA_SLOTS) != 0 || t->trace != NULL)) {
        wane__visit_slots(t, h, ops);
        return;
    }
    char *payload = wane__payload_of(h);
    for (size_t i = 0, n = t->wane__private[WANE__TYPE_SLOTS_N]; i < n; i++)
        slots(ops, (wane_slot *)(void *)(payload + t->slots[i]), 1);
}

/* The type of any object, static ones included, whose word has none, and whose type need not be registered. NULL: of no object. */
wane_type *wane__type_of_any(const struct wane__header *h);

/* The name of an object's type, for messages; works on dead objects, whose word keeps the type. */
const char *wane__name_of(const struct wane__header *h);

void wane__type_fork_prepare(void);
void wane__type_fork_release(void);

#endif
