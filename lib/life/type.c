/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/type.c: registration of types.
 *
 * A type's id is its place in a table, so that an object's word leads to its type without a search. One lock guards
 * registration and forgetting; readers load the table's entries.
 */
#include "life/type.h"

#include <errno.h>
#include <wane/object.h>

#include "base/lock.h"
#include "thread/wake.h"

wane_type *wane__types[WANE__TYPES];

/* Leaf lock: registration, forgetting. */
static struct wane__mutex lock = WANE__MUTEX(WANE__RANK_TYPES);
static uint32_t ids_used; /* ids below and including it were given out at least once */

const char wane__this_copy = 'w'; /* a constant that is not 0 shares its place with nothing */

/* Before it is registered. */
static const char *name_of(const wane_type *t) { return t->name != NULL ? t->name : "(unnamed)"; }

static size_t count_slots(const wane_type *t) {
    size_t n = 0;
    while (t->slots != NULL && t->slots[n] != WANE_SLOTS_END && t->slots[n] != WANE__SLOTS_NAMED) {
        if (n == WANE__SLOTS_MAX)
            wane__fatal("type \"%s\" at %p: more than %d slots, or no WANE_SLOTS_END", name_of(t), (void *)t, WANE__SLOTS_MAX);
        size_t offset = t->slots[n++];
        if (offset % sizeof(wane_slot) != 0)
            wane__fatal("type \"%s\" at %p: slot at offset %zu is not aligned", name_of(t), (void *)t, offset);
        if (offset > t->size || t->size - offset < sizeof(wane_slot))
            wane__fatal("type \"%s\" at %p: slot at offset %zu lies outside of its %zu bytes", name_of(t), (void *)t,
                        offset, t->size);
    }
    return n;
}

static uintptr_t traits_of(const wane_type *t, size_t slots) {
    uintptr_t traits = 0;
    if (slots > 0 || t->trace != NULL || (t->flags & WANE_TYPE_EXTRA_SLOTS) != 0) {
        traits |= WANE__TRAIT_SCANNED;
        if ((t->flags & WANE_TYPE_ACYCLIC) == 0)
            traits |= t->trace == NULL ? WANE__TRAIT_TRACKED | WANE__TRAIT_CANDIDATE : WANE__TRAIT_TRACKED;
    }
    if (t->destroy != NULL)
        traits |= WANE__TRAIT_CALLS;
    else if (t->trace == NULL && (t->flags & WANE_TYPE_EXTRA_SLOTS) == 0)
        traits |= WANE__TRAIT_SIMPLE;
    if ((t->flags & WANE_TYPE_SHARED) != 0)
        traits |= WANE__TRAIT_MERGED;
    return traits;
}

static uint32_t free_id_locked(void) {
    if (ids_used < WANE__TYPES - 1)
        return ++ids_used;
    for (uint32_t id = 1; id < WANE__TYPES; id++) {
        if (wane__types[id] == NULL)
            return id;
    }
    return 0;
}

static void describe(wane_type *t, uint32_t id, size_t slots) {
    uintptr_t *p = t->wane__private;
    if (t->name == NULL)
        t->name = "(unnamed)";
    uintptr_t traits = traits_of(t, slots) | (p[WANE__TYPE_TRAITS] & WANE__TRAIT_LIBRARY);
    size_t block = t->size > SIZE_MAX / 2 ? SIZE_MAX : sizeof(struct wane__header) + t->size;
    p[WANE__TYPE_TRAITS] = traits;
    p[WANE__TYPE_BLOCK] = block;
    p[WANE__TYPE_CLASS] = wane__heap_class(block);
    if (p[WANE__TYPE_CLASS] != WANE__CLASS_LARGE)
        p[WANE__TYPE_ZERO] = wane__heap_class_size((unsigned)p[WANE__TYPE_CLASS]) - sizeof(struct wane__header);
    p[WANE__TYPE_BIRTH] = (uint64_t)id << WANE__TYPE_SHIFT | WANE__LIVE | (t->finalize != NULL ? WANE__FINAL_DUE : 0);
    if ((t->flags & WANE_TYPE_INDEXED) != 0)
        p[WANE__TYPE_BIRTH] |= WANE__WEAKREFD; /* whoever finds one in an index upgrades as through a weak reference */
    uint64_t candidate = WANE__CANDIDATE_NEVER;
    if ((traits & WANE__TRAIT_TRACKED) != 0)
        candidate = (traits & WANE__TRAIT_CANDIDATE) != 0 ? 1 : 0;
    if ((traits & ~WANE__TRAIT_MERGED) == WANE__TRAIT_SIMPLE)
        candidate = WANE__CANDIDATE_PLAIN;
    p[WANE__TYPE_FIRST] = candidate << 16;
    bool quick = (traits & (WANE__TRAIT_MERGED | WANE__TRAIT_LIBRARY)) == 0 && block <= WANE__HEAP_ZERO_QUICK;
    p[WANE__TYPE_BIN] = quick ? WANE__BIN(p[WANE__TYPE_CLASS], (traits & WANE__TRAIT_TRACKED) != 0) : WANE__BIN_NONE;
    p[WANE__TYPE_SLOTS_N] = slots;
}

static _Noreturn void is_foreign(const wane_type *t) {
    wane__fatal("type \"%s\" at %p belongs to another copy of the library in this process", name_of(t), (const void *)t);
}

uint32_t wane__type_register(wane_type *t) {
    size_t slots = count_slots(t); /* before the lock, under which nothing is logged */
    wane__mutex_lock(&lock);
    uint32_t id = (uint32_t)load_relaxed(&t->wane__private[WANE__TYPE_ID]);
    bool strange = id != 0 && !wane__type_is_ours(t);
    if (id == 0 && (id = free_id_locked()) != 0) {
        describe(t, id, slots);
        store_release(&wane__types[id], t); /* [order:type] */
        store_relaxed(&t->wane__private[WANE__TYPE_ID], (uintptr_t)id);
        store_release(&t->wane__private[WANE__TYPE_COPY], (uintptr_t)&wane__this_copy); /* [order:type] */
    }
    wane__mutex_unlock(&lock);
    if (strange)
        is_foreign(t);
    if (id != 0 && wane__type_has(t, WANE__TRAIT_TRACKED))
        wane__wake(); /* cycles become possible: the collector thread starts */
    return id;
}

wane_type *wane__type_of_any(const struct wane__header *h) {
    uint64_t w = load_relaxed(&h->shared);
    return unlikely(wane__word_is_static(w)) ? wane__immortal_of(h)->type : wane__type_of(w);
}

const char *wane__name_of(const struct wane__header *h) {
    const wane_type *t = wane__type_of_any(h);
    return t != NULL ? name_of(t) : "(none)";
}

wane_type *wane_typeof(const void *obj) {
    if (obj == NULL)
        return NULL;
    wane__need_ours(wane__header_of(obj), "wane_typeof");
    return wane__type_of_any(wane__header_of(obj));
}

size_t wane_sizeof(const void *obj) {
    if (obj == NULL)
        return 0;
    wane__need_ours(wane__header_of(obj), "wane_sizeof");
    struct wane__header *h = wane__header_of(obj);
    if (unlikely(wane__word_is_static(load_relaxed(&h->shared))))
        return sizeof *h + wane__immortal_of(h)->type->size;
    return wane__heap_block_size(h);
}

wane_slot *wane__extra_slots(const wane_type *t, struct wane__header *h, size_t *ret_n) {
    size_t begin = (t->size + sizeof(wane_slot) - 1) & ~(sizeof(wane_slot) - 1), end = 0;
    if (!wane__word_is_static(load_relaxed(&h->shared))) /* which has no room behind its fields */
        end = wane__heap_block_size(h) - sizeof *h;
    *ret_n = end > begin ? (end - begin) / sizeof(wane_slot) : 0;
    return (wane_slot *)(void *)((char *)wane__payload_of(h) + begin);
}

struct search {
    uint32_t id;
    bool found;
};

static bool page_has_type(struct wane__page *page, void *arg) {
    struct search *s = arg;
    for (uint32_t i = 0; i < wane__page_capacity(page) && !s->found; i++) {
        uint64_t w = load_acquire(&wane__page_block(page, i)->shared); /* [order:forget] */
        s->found = !wane__word_has(w, WANE__FREED) && wane__word_type(w) == s->id;
    }
    return !s->found;
}

int wane_type_forget(wane_type *t) {
    if (t == NULL)
        return 0;
    uintptr_t copy = load_acquire(&t->wane__private[WANE__TYPE_COPY]); /* [order:type] */
    if (copy != (uintptr_t)&wane__this_copy && copy != 0)
        is_foreign(t);
    if (copy == 0)
        return 0;
    wane__collector_lock();
    wane__mutex_lock(&lock);
    struct search s = {.id = (uint32_t)t->wane__private[WANE__TYPE_ID]};
    if (s.id != 0)
        wane__heap_walk_pages(page_has_type, &s);
    if (s.id != 0 && !s.found) {
        store_release(&t->wane__private[WANE__TYPE_COPY], (uintptr_t)0);
        store_relaxed(&t->wane__private[WANE__TYPE_ID], (uintptr_t)0);
        store_release(&wane__types[s.id], (wane_type *)NULL);
    }
    wane__mutex_unlock(&lock);
    wane__collector_unlock();
    return s.found ? -EBUSY : 0;
}

void wane__type_fork_prepare(void) { wane__mutex_lock(&lock); }
void wane__type_fork_release(void) { wane__mutex_unlock(&lock); }
