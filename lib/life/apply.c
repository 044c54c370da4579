/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/apply.c: the consumer's side of the queues.
 *
 * A thread applies its own units in its slow paths: often it owns the objects, and then it is a plain subtraction.
 * The collector thread applies those of threads that stay silent.
 */
#include "life/apply.h"

#include "count/wave.h"
#include "life/ahead.h"
#include "life/quick.h"
#include "thread/grace.h"
#include "thread/mode.h"
#include "thread/wake.h"

/*
 * One unit: as a rule a subtraction, or the death of an object that nobody else ever counted, which may end in place. Returns
 * whether one did.
 */
static inline bool give_up_one(struct wane__record *r, struct wane__header *h, bool may_call, bool in_place,
                               const char *operation) {
    enum wane__drop result = WANE__KEPT;
    if (likely(__tsan_release == NULL)) {
        wane__mark(&r->head);
        result = wane__quick_drop(r, h, operation);
        if (result == WANE__DIED && in_place) {
            wane__end(r, h, may_call);
            return true;
        }
        if (result == WANE__DIED)
            wane__bury(r, h);
        wane__bracket_leave(&r->head);
    }
    if (result == WANE__KEPT)
        wane__let_go(r, h, may_call, operation);
    return false;
}

/* Units of the batch, of one wave. */
static void give_up_wave(struct wane__record *r, struct wane__record *from, size_t at, size_t end, bool may_call,
                         struct wane__limit *limit, const char *operation) {
    /* Who has little time looks at it now and then: what died is worked off below. */
    bool in_place = limit == NULL || (limit->deaths != SIZE_MAX && limit->deaths > end - at);
    size_t deaths = 0;
    for (; at < end; at++) {
        struct wane__header *h = wane__batch_unit(r, at);
        if (h != NULL)
            deaths += give_up_one(r, h, may_call && !wane__is_over(r, limit), in_place, operation);
    }
    if (limit != NULL)
        limit->deaths -= deaths;
    wane__reap_within(r, may_call, limit, from);
}

/* Gives up the units of r's batch, which are of `from`, wave by wave, destroys what dies of each, and ends the batch. */
static void give_up(struct wane__record *r, struct wane__record *from, size_t n, bool may_call, struct wane__limit *limit,
                    const char *operation) {
    bool inside = r->applies_inside;
    uint8_t wave = r->wave;
    size_t split = load_relaxed(&r->xbatch_split);
    r->applies_inside = r->callbacks > 0;
    for (unsigned parity = 0; parity < 2; parity++) {
        size_t at = parity == 0 ? 0 : split, end = parity == 0 ? split : n;
        if (at == end)
            continue;
        r->wave = (uint8_t)(parity + 1);
        give_up_wave(r, from, at, end, may_call, limit, operation);
    }
    r->wave = wave;
    r->applies_inside = inside;
    wane__batch_end(r);
}

size_t wane__apply_deferred(struct wane__record *r, struct wane__record *from, uint64_t limit, bool may_call,
                            struct wane__limit *within) {
    size_t n = wane__batch_deferred(r, from, limit);
    if (n > 0)
        give_up(r, from, n, may_call, within, "a deferred decrement");
    return n;
}

/* The owners from whom a batch took objects: few as a rule; more than fit make the wait one for everybody. */
#define OWNERS_MAX 16
struct owners {
    unsigned n;
    bool everybody;
    bool any;
    uint32_t id[OWNERS_MAX];
};

static void add_owner(struct owners *o, uint32_t id) {
    o->any = true;
    for (unsigned i = o->n; i-- > 0;) {
        if (o->id[i] == id)
            return;
    }
    if (o->n == OWNERS_MAX)
        o->everybody = true;
    else
        o->id[o->n++] = id;
}

static bool owners_clear(const struct owners *o) {
    if (o->everybody)
        return wane__brackets_clear();
    for (unsigned i = 0; i < o->n; i++) {
        if (!wane__bracket_clear(o->id[i]))
            return false;
    }
    return true;
}

/* A batch this small is worth a look at what its deaths will need next. */
#define SMALL_BATCH 64

static void owner_begun(void *arg, uint32_t owner) { add_owner(arg, owner); }

/* Step 1 for the batch. Returns whether somebody else is revoking one of its objects. */
static bool begin_batch(struct wane__record *r, size_t n, struct owners *owners) {
    bool others = false;
    for (size_t i = 0; i < n; i++) {
        uint32_t owner = 0;
        switch (wane__revoke_begin(r, (struct wane__header *)r->xbatch[i], &owner)) {
        case WANE__REVOKE_BEGUN:
            add_owner(owners, owner);
            break;
        case WANE__REVOKE_OTHERS:
            others = true;
            break;
        case WANE__REVOKE_NOTHING:
            break;
        }
    }
    return others;
}

/*
 * Step 2. Returns whether step 3 may be done. An object that somebody else is revoking can be merged only after a wait
 * for everybody: which bracket matters for it is not known here.
 */
static bool wait_for_owners(const struct owners *owners, bool others, bool may_wait) {
    if (!owners->any && !others)
        return true;
    if (may_wait)
        return wane__bracket_wait(); /* in a guard of this thread's, perhaps: it waits for brackets, and no guard is one */
    wane__heavy();
    return others ? wane__brackets_clear() : owners_clear(owners);
}

/*
 * Step 3: an object whose only unit is the batch's dies of it, the others are merged. If there are two waves in the batch, those
 * of the second are merged only: what dies is of the wave whose turn it is.
 */
static void end_batch(struct wane__record *r, size_t n) {
    size_t split = load_relaxed(&r->xbatch_split), first = split > 0 ? split : n;
    uint8_t wave = r->wave;
    r->wave = split > 0 ? 1 : 2;
    for (size_t i = 0; i < n; i++) {
        struct wane__header *h = (struct wane__header *)load_relaxed(&r->xbatch[i]);
        if (load_relaxed(&h->owner) != WANE__OWNER_NONE)
            continue;
        if (i >= first) {
            wane__revoke_end(r, h);
            continue;
        }
        store_relaxed(&r->xbatch[i], (uintptr_t)0); /* a child of fork() loses the unit in hand; it never has two */
        switch (wane__revoke_last(r, h)) {
        case WANE__DIED:
            wane__bury(r, h);
            break;
        case WANE__DROPPED:
            break;
        default:
            store_relaxed(&r->xbatch[i], (uintptr_t)h);
            wane__revoke_end(r, h);
        }
    }
    r->wave = wave;
}

static void revoke_batch(struct wane__record *r, size_t n, bool may_wait) {
    struct owners owners = {0};
    bool others = begin_batch(r, n, &owners);
    if (n > SMALL_BATCH) {
        if (wait_for_owners(&owners, others, may_wait))
            end_batch(r, n);
        return;
    }
    struct wane__ahead ahead = {.r = r, .begun = owner_begun, .arg = &owners};
    wane__guard_enter();
    wane__ahead_begin(&ahead, n);
    if (wait_for_owners(&owners, others, may_wait)) {
        wane__ahead_end(&ahead); /* first: what it holds on to hangs on the batch, which may die */
        end_batch(r, n);
    }
    wane__guard_leave();
}

size_t wane__settle(struct wane__record *r, struct wane__record *from, struct wane__queue *q, uint64_t limit, bool may_call,
                    bool may_wait, struct wane__limit *within) {
    size_t n = wane__batch_kept(r, q, limit);
    if (n > 0) {
        revoke_batch(r, n, may_wait);
        give_up(r, from, n, may_call, within, "wane_release");
    }
    return n;
}

size_t wane__settle_all(struct wane__record *r, struct wane__record *from, struct wane__queue *q, bool may_call,
                        bool may_wait) {
    uint64_t limit = load_acquire(&q->xtail);
    size_t n = 0, batch;
    while (load_acquire(&q->xhead) < limit && (batch = wane__settle(r, from, q, limit, may_call, may_wait, NULL)) > 0)
        n += batch;
    return n;
}

/* False: it is too late to run anything. */
static bool put_in_order(const struct wane__record *r, struct wane__limit *limit) {
    while (wane__calls_turn_some()) {
        if (limit != NULL && wane__passed(r, limit))
            return false;
    }
    return true;
}

size_t wane__run_due(struct wane__record *r, struct wane__limit *limit) {
    size_t n = 0;
    if (!wane__calls_due() || !wane__calls_begin(r->id))
        return 0;
    if (!put_in_order(r, limit)) {
        wane__calls_end();
        return 1;
    }
    uint8_t wave = r->wave;
    for (wane_defer_node *node; (n == 0 || !wane__is_over(r, limit)) && (node = wane__calls_next()) != NULL; n++) {
        unsigned parity = wane__wave_of_call(wane__calls_run() + 1);
        r->wave = (uint8_t)(parity + 1);
        wane__wave_begin(r, parity);
        wane__call(r, node->wane__fn, node->wane__arg); /* may free the node */
        wane__reap_within(r, true, limit, r);
        wane__record_send_gathered(r);
        wane__calls_done(); /* last: a flush waits for what comes of it too */
        wane__wave_end(r, parity);
    }
    r->wave = wave;
    wane__calls_end();
    return n;
}

/* Blocks that are freed in one bracket, while steps and forks wait. */
#define PORTION 64

/* Returns their bytes; 0: none is due, or a step is under way. */
static uint64_t free_portion(struct wane__record *r, struct wane__record *from) {
    uint64_t bytes = 0;
    if (!wane__blocks_begin(from))
        return 0;
    wane__mark(&r->head);
    struct wane__header *h;
    for (unsigned n = 0; n < PORTION && (h = wane__blocks_next(from)) != NULL; n++) {
        bytes += wane__heap_block_size(h);
        wane__heap_free(&r->heap, h);
    }
    wane__unmark(&r->head);
    wane__blocks_end(from);
    wane__after_frees(r);
    return bytes;
}

/* Whether another portion is over the limit. A block that is freed counts as a death. */
static bool portion_is_over(struct wane__record *r, struct wane__limit *limit) {
    if (limit == NULL)
        return false;
    if (limit->deaths < PORTION || wane__passed(r, limit))
        return true;
    if (limit->deaths != SIZE_MAX)
        limit->deaths -= PORTION;
    return false;
}

/* No more than there was when it began: others may add as fast. */
bool wane__free_due(struct wane__record *r, struct wane__record *from, struct wane__limit *limit) {
    uint64_t most = load_relaxed(&from->blocks.xbytes), done = 0, some;
    if (most == 0)
        return false;
    while (done < most && (some = free_portion(r, from)) > 0) {
        done += some;
        if (portion_is_over(r, limit))
            break;
    }
    return done > 0;
}
