/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/birth.c: making objects.
 *
 * The payload is zero, then the first header word is written, then `shared` with release: from that store on the
 * walking collector may pin the object. A pin that lands on the word before it pinned nothing and is overwritten.
 *
 * Objects with slots are born candidates: nearly all become one anyway, when they are given to a slot, and that costs
 * more there. The byte is part of the first word; the page's mark is looked at after `shared`: a collector that
 * cleared it before that look, and whose heavy barrier comes before it, is answered by setting it again; one whose
 * barrier comes later finds the object LIVE. But not objects with a `trace` callback: while their maker fills them there
 * is nothing to be found yet.
 */
#include <errno.h>
#include <string.h>
#include <wane/object.h>

#include "life/apply.h"
#include "life/growth.h"
#include "life/traced.h"
#include "life/type.h"
#include "os/clock.h"
#include "thread/give.h"
#include "thread/grace.h"
#include "thread/wake.h"

struct wane__tracer wane__tracer;

static void *fail(int error) {
    errno = error;
    return NULL;
}

static struct wane__header *allocate_small(struct wane__record *r, unsigned bin) {
    wane__mark(&r->head);
    struct wane__header *h = wane__heap_pop(&r->heap, bin);
    wane__unmark(&r->head);
    if (unlikely(h == NULL))
        return wane__heap_alloc_slow(&r->heap, bin);
    wane__heap_zero(h, wane__heap_class_size(bin % WANE__CLASSES) - sizeof *h);
    return h;
}

static struct wane__header *allocate(struct wane__record *r, const wane_type *t, size_t extra) {
    const uintptr_t *p = t->wane__private;
    bool tracked = (p[WANE__TYPE_TRAITS] & WANE__TRAIT_TRACKED) != 0;
    size_t block = p[WANE__TYPE_BLOCK];
    unsigned cls = (unsigned)p[WANE__TYPE_CLASS];
    if (unlikely(extra > 0)) {
        if (block > SIZE_MAX / 4 || extra > SIZE_MAX / 4 - block)
            return fail(EOVERFLOW);
        if ((t->flags & WANE_TYPE_EXTRA_SLOTS) != 0)
            block = (block + sizeof(wane_slot) - 1) & ~(sizeof(wane_slot) - 1);
        block += extra;
        cls = wane__heap_class(block);
    }
    struct wane__header *h;
    if (likely(cls != WANE__CLASS_LARGE))
        h = allocate_small(r, WANE__BIN(cls, tracked));
    else if (block > SIZE_MAX / 4)
        return fail(EOVERFLOW);
    else
        h = wane__heap_alloc_large(&r->heap, block, tracked);
    return likely(h != NULL) ? h : fail(ENOMEM);
}

/*
 * Before memory is said to be out, all that is empty is made free: pages of other classes and threads, and those that the
 * collector thread has in its hands just now. Not inside a guard, where nothing is waited for.
 */
static __attribute__((noinline)) struct wane__header *allocate_at_last(struct wane__record *r, const wane_type *t,
                                                                       size_t extra) {
    if (errno != ENOMEM)
        return NULL;
    struct wane__header *h = wane__end_quarantine(r) ? allocate(r, t, extra) : NULL;
    if (h != NULL || r->head.nest > 0)
        return h;
    uint64_t since = wane__now();
    wane__record_send_gathered(r);
    wane__heap_shed(&r->heap);
    bool more;
    (void)wane__give_back(true, &more);
    wane__stalled(r, since);
    return allocate(r, t, extra);
}

static struct wane__header *born(struct wane__record *r, const wane_type *t, struct wane__header *h, const wane_site *site) {
    const uintptr_t *p = t->wane__private;
    uint64_t first = p[WANE__TYPE_FIRST], word = p[WANE__TYPE_BIRTH];
    if (unlikely((p[WANE__TYPE_TRAITS] & WANE__TRAIT_MERGED) != 0 || wane__fences_on()))
        word |= WANE__MERGED | WANE__COUNT_ONE;
    else
        first |= r->id | (uint64_t)1 << 32;
    store_relaxed((uint64_t *)(void *)h, first);
    wane__tsan_release(&h->shared); /* for who comes by it without being given it: the collector */
    store_release(&h->shared, word); /* [order:birth] */
    if ((p[WANE__TYPE_TRAITS] & WANE__TRAIT_CANDIDATE) != 0) {
        compiler_barrier();
        if (wane__fences_on())
            fence_seq_cst(); /* in place of the heavy barrier */
        wane__mark_page(h, 0);
    }
    if ((p[WANE__TYPE_TRAITS] & WANE__TRAIT_TRACKED) != 0) {
        wane__wake_thread(); /* now and then: most births do not come here */
    }
    if (likely((p[WANE__TYPE_TRAITS] & WANE__TRAIT_LIBRARY) == 0)) {
        bool tracked = (p[WANE__TYPE_TRAITS] & WANE__TRAIT_TRACKED) != 0;
        uint64_t bytes = wane__tally_sum(&r->births[tracked], 1, wane__heap_block_size(h));
        if (wane__trace_wants(r, tracked, bytes))
            wane__tracer.birth(r, h, tracked, site);
    }
    wane__tsan_release(&r->head.bracket); /* for who takes over the heap, should the thread end without being seen to */
    return h;
}

/* For the triggers by bytes. Most births do not come here: this one speaks for those since the last that did. */
static void *grew(struct wane__record *r, struct wane__header *h) {
    uint64_t born = load_relaxed(&r->births[0].xbytes) + load_relaxed(&r->births[1].xbytes);
    uint64_t more = born - r->grown_births;
    r->grown_births = born;
    wane__grew(r, more);
    return wane__payload_of(h);
}

static void *new_slow(wane_type *t, size_t extra, const wane_site *site) {
    int error = 0;
    struct wane__record *r = wane__record_attach(&error);
    if (r == NULL)
        return fail(-error);
    if (!wane__type_is_ours(t) && wane__type_register(t) == 0)
        return fail(ENOSPC);
    struct wane__header *h = allocate(r, t, extra);
    if (unlikely(h == NULL))
        h = allocate_at_last(r, t, extra);
    return h == NULL ? NULL : grew(r, born(r, t, h, site));
}

static __attribute__((noinline)) void *new_any(wane_type *t, size_t extra, const wane_site *site) {
    struct wane__record *r = wane__record_self();
    if (unlikely(r == NULL || !wane__type_is_ours(t)))
        return new_slow(t, extra, site);
    if (wane__type_has(t, WANE__TRAIT_TRACKED))
        wane__hold_birth(r);
    struct wane__header *h = allocate(r, t, extra);
    if (unlikely(h == NULL))
        h = allocate_at_last(r, t, extra);
    return likely(h != NULL) ? grew(r, born(r, t, h, site)) : NULL;
}

/* The rest of a birth of a tracked type, if the page has to be marked. */
static __attribute__((noinline)) void *mark_and_trace(struct wane__record *r, struct wane__header *h, const wane_site *site,
                                                      uint64_t bytes) {
    wane__mark_page(h, 0);
    return wane__trace_wants(r, true, bytes) ? wane__tracer.birth(r, h, true, site) : wane__payload_of(h);
}

/*
 * What nearly all births are: a thread with a record, a registered type of a small size, born with an owner, and a
 * block on the current page's list. A thread without record, or that needs fences, matches nobody. Calls stand at the end
 * only, so that nothing is saved on the stack.
 */
static inline bool is_quick(uint32_t match, const wane_type *t) {
    return likely(match != WANE__MATCH_NOBODY && wane__type_is_ours(t));
}

_Static_assert(WANE__HEAP_ZERO_QUICK == WANE__CLASS_16_MAX, "blocks that are zeroed inline are of these classes");

/* A block of that bin, with so many bytes behind the header; else by the slow path, which does it all again. */
static inline __attribute__((always_inline)) void *born_quick(wane_type *t, size_t extra, const wane_site *site,
                                                              uint32_t match, unsigned bin, size_t payload) {
    const uintptr_t *p = t->wane__private;
    struct wane__record *r = (struct wane__record *)(void *)wane__self;
    wane__bracket_enter(&r->head);
    struct wane__header *h = wane__heap_pop(&r->heap, bin);
    wane__bracket_leave(&r->head);
    if (unlikely(h == NULL))
        return new_any(t, extra, site);
    wane__heap_zero_quick(h, payload);
    store_relaxed((uint64_t *)(void *)h, p[WANE__TYPE_FIRST] | (uint64_t)1 << 32 | match);
    store_release(&h->shared, p[WANE__TYPE_BIRTH]); /* [order:birth] */
    bool tracked = (p[WANE__TYPE_TRAITS] & WANE__TRAIT_TRACKED) != 0;
    uint64_t bytes = wane__tally_sum(&r->births[tracked], 1, payload + sizeof *h);
    if (tracked) {
        compiler_barrier();
        if ((p[WANE__TYPE_TRAITS] & WANE__TRAIT_CANDIDATE) != 0 && wane__page_lacks_mark(h, 0))
            return mark_and_trace(r, h, site, bytes);
    }
    if (wane__trace_wants(r, tracked, bytes))
        return wane__tracer.birth(r, h, tracked, site);
    return wane__payload_of(h);
}

/* The same of sizes that the type does not know: of the classes that are 16 bytes apart, which need no table. */
static __attribute__((noinline)) void *new_extra_quick(wane_type *t, size_t extra, const wane_site *site, uint32_t match) {
    const uintptr_t *p = t->wane__private;
    size_t block = p[WANE__TYPE_BLOCK];
    if ((t->flags & WANE_TYPE_EXTRA_SLOTS) != 0)
        block = (block + sizeof(wane_slot) - 1) & ~(sizeof(wane_slot) - 1);
    if (unlikely(p[WANE__TYPE_BIN] == WANE__BIN_NONE || extra > WANE__HEAP_ZERO_QUICK - block))
        return new_any(t, extra, site);
    unsigned cls = WANE__CLASS_OF_16(block + extra);
    bool tracked = (p[WANE__TYPE_TRAITS] & WANE__TRAIT_TRACKED) != 0;
    return born_quick(t, extra, site, match, WANE__BIN(cls, tracked), WANE__CLASS_16_SIZE(cls) - sizeof(struct wane__header));
}

void *wane_new_at(wane_type *t, size_t extra, const wane_site *site) {
    uint32_t match = load_relaxed(&wane__self->match);
    if (!is_quick(match, t))
        return new_any(t, extra, site);
    if (extra != 0)
        return new_extra_quick(t, extra, site, match);
    const uintptr_t *p = t->wane__private;
    return born_quick(t, 0, site, match, (unsigned)p[WANE__TYPE_BIN], p[WANE__TYPE_ZERO]);
}

void *(wane_new)(wane_type *t) { return wane_new_at(t, 0, NULL); }

void *(wane_new_extra)(wane_type *t, size_t extra) { return wane_new_at(t, extra, NULL); }

static const char *file_of(const wane_site *site) { return site != NULL ? site->file : "(unknown place)"; }
static int line_of(const wane_site *site) { return site != NULL ? site->line : 0; }

void *wane_new_at_or_abort(wane_type *t, size_t extra, const wane_site *site) {
    void *obj = wane_new_at(t, extra, site);
    if (unlikely(obj == NULL))
        wane__fatal("%s:%d: no object of type \"%s\", %zu and %zu bytes: %s", file_of(site), line_of(site),
                    t->name != NULL ? t->name : "(unnamed)", t->size, extra, strerrordesc_np(errno));
    return obj;
}

void *(wane_new_or_abort)(wane_type *t) { return wane_new_at_or_abort(t, 0, NULL); }

void *(wane_new_extra_or_abort)(wane_type *t, size_t extra) { return wane_new_at_or_abort(t, extra, NULL); }

void wane__new_misfit(const wane_type *t, size_t size, const wane_site *site) {
    wane__fatal("%s:%d: objects of type \"%s\" have %zu bytes, and are used as %zu", file_of(site), line_of(site),
                t->name != NULL ? t->name : "(unnamed)", t->size, size);
}
