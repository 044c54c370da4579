/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/death.c: finalize, weak references cleared, slots read and emptied, destroy, free.
 */
#include "life/death.h"

#include "base/option.h"
#include "heap/quarantine.h"
#include "life/left.h"
#include "life/queued.h"
#include "life/quick.h"
#include "life/traced.h"
#include "life/weak.h"
#include "os/clock.h"
#include "thread/grace.h"
#include "thread/mode.h"
#include "thread/wake.h"

/* One by one: the child of a fork in between finds none in both lists. */
void wane__call_left(struct wane__record *r) {
    for (struct wane__header *h; (h = load_relaxed(&r->xdead)) != NULL;) {
        wane__dead_skip(&r->xdead);
        wane__dead_put(&r->xlater, h);
    }
}

static void hand_over(struct wane__record *r, struct wane__header *h) {
    if (r->callbacks > 0 && !r->applies_inside)
        wane__dead_put(&r->xlater, h);
    else
        wane__leave_dead(r, h);
}

static bool drain_quarantine(struct wane__record *r, size_t most, uint64_t until) {
    wane__mark(&r->head);
    bool more = wane__quarantine_drain(&r->heap, most, until);
    wane__unmark(&r->head);
    wane__after_frees(r);
    return more;
}

/* Not those that come meanwhile: others may free as fast. */
bool wane__end_quarantine(struct wane__record *r) {
    uint64_t until = wane__quarantine_end();
    bool any = wane__quarantine_bytes() > 0;
    while (any && drain_quarantine(r, 0, until)) {
    }
    return any;
}

bool wane__shrink_quarantine(struct wane__record *r) {
    bool over = wane__quarantine_over();
    if (over)
        drain_quarantine(r, (size_t)wane__option(quarantine_bytes), UINT64_MAX);
    return over;
}

/* In the child of a fork. */
static void keep_finals(struct wane__record *gone) {
    uintptr_t unit;
    while (wane__queue_length(&gone->finals) > 0 && wane__queue_copy(&gone->finals, UINT64_MAX, &unit, 1) == 1) {
        wane__queue_skip(&gone->finals, 1);
        wane__keep_silently(gone, (struct wane__header *)unit);
    }
    gone->finals_any = false;
}

void wane__death_fork_child(const struct wane__record *self) {
    WANE__EACH_RECORD(gone) {
        if (gone != self)
            keep_finals(gone);
    }
}

/* Whether a finalizer of h may run on this thread now. */
static bool may_finalize(struct wane__record *r, struct wane__header *h, bool may_call) {
    uint64_t w = load_relaxed(&h->shared);
    return may_call && wane__word_has(w, WANE__FINAL_DUE) && r->callbacks == 0 && !wane__finalized_elsewhere(r, w);
}

void wane__keep(struct wane__record *r, struct wane__header *h) {
    if (likely(wane__keep_unit(r, h)))
        return;
    wane__park(r, h);
    wane__wake();
}

/* Whether h is kept for its finalizer, and that may run on this thread once the frame that it is in has been left. */
static bool finalized_here_soon(const struct wane__record *r, struct wane__header *h) {
    if (r->applies_inside || r->callbacks == 0)
        return false;
    uint64_t w = load_relaxed(&h->shared);
    if (!wane__word_has(w, WANE__FINAL_DUE) || (!wane__word_has(w, WANE__MERGED) && load_relaxed(&h->owner) != r->id))
        return false;
    return !wane__finalized_elsewhere(r, w);
}

/* The unit of h goes to `finals`, which a frame further down this stack works off. False: it cannot be there. */
static bool await_final(struct wane__record *r, struct wane__header *h) {
    if (!finalized_here_soon(r, h) || !wane__queue_ready(&r->finals) || !wane__queue_push(&r->finals, (uintptr_t)h))
        return false;
    r->finals_any = true;
    return true;
}

/*
 * Its own thread settles what it keeps, again and again: a unit whose finalizer only others run would turn over there, and
 * each time come later for those who take what was there a round ago.
 */
static bool hand_final(struct wane__record *r, struct wane__header *h) {
    uint64_t w = load_relaxed(&h->shared);
    return wane__word_has(w, WANE__FINAL_DUE) && wane__finalized_elsewhere(r, w) && wane__hand_unit(r, h);
}

bool wane__finals_full(struct wane__record *r, struct wane__header *h, struct wane__visit_ops *ops) {
    if (!finalized_here_soon(r, h) || !wane__queue_ready(&r->finals))
        return false;
    if (!ops->again && wane__queue_room(&r->finals))
        return false;
    ops->again = true; /* malloc is not asked again before there is room */
    return true;
}

/*
 * Runs the finalizers that had to wait: in no callback, and where user code may run. Finalizers may add to them. When the time
 * is over the units are kept.
 */
static void run_finals(struct wane__record *r, struct wane__limit *limit) {
    while (wane__queue_length(&r->finals) > 0) {
        uintptr_t unit;
        wane__queue_copy(&r->finals, UINT64_MAX, &unit, 1);
        wane__queue_skip(&r->finals, 1); /* a child of fork() loses the unit in hand; it never has two */
        wane__let_go(r, (struct wane__header *)unit, !wane__is_over(r, limit), "the end of a callback");
    }
    r->finals_any = false;
}

void wane__let_go(struct wane__record *r, struct wane__header *h, bool may_call, const char *operation) {
    wane__need_ours(h, operation); /* before its type is looked at */
    for (;;) {
        switch (wane__drop_unit(r, h, may_finalize(r, h, may_call), operation)) {
        case WANE__DROPPED:
            return;
        case WANE__DIED:
            wane__bury(r, h);
            return;
        case WANE__KEPT:
            if (!await_final(r, h) && !wane__queue_final(r, h) && !hand_final(r, h))
                wane__keep(r, h);
            return;
        case WANE__FINAL:
            wane__tsan_acquire(&h->shared);
            wane__finalize(r, h);
            break;
        }
    }
}

/* A visitor that empties: at death. Others have their own. */
struct emptying {
    struct wane__visit_ops ops;
    struct wane__record *r;
    bool may_call;
};

static void empty_slots(struct emptying *e, wane_slot *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        void *obj = load_relaxed(&s[i].wane__target);
        if (obj == NULL)
            continue;
        if (unlikely(e->ops.gathers && wane__finals_full(e->r, wane__header_of(obj), &e->ops)))
            continue;
        store_relaxed(&s[i].wane__target, NULL);
        wane__let_go(e->r, wane__header_of(obj), e->may_call, "death of its referrer");
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
        wane__guard_enter();
        t->trace(payload, (wane_visitor *)(void *)ops);
        wane__guard_leave();
    }
}

void wane__visit_dying(struct wane__record *r, wane_type *t, struct wane__header *h, struct wane__visit_ops *ops,
                       bool may_call) {
    ops->gathers = may_call && t->trace != NULL;
    do {
        ops->again = false;
        r->callbacks += ops->gathers; /* `trace` is one: finalizers that come due wait until it has returned */
        wane__visit_slots(t, h, ops);
        r->callbacks -= ops->gathers;
        if (unlikely(r->finals_any && may_call))
            run_finals(r, NULL);
    } while (unlikely(ops->again));
}

/* Slots at fixed offsets are by far the most frequent: no call through a pointer for them. */
static void empty(struct wane__record *r, wane_type *t, struct wane__header *h, bool may_call) {
    struct emptying e = {.ops.slots = visit_emptying, .r = r, .may_call = may_call};
    if (t->trace != NULL) {
        e.may_call = false;
        wane__visit_dying(r, t, h, &e.ops, may_call);
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

static void call_on_death(void *on_death) {
    const struct wane__on_death *d = on_death;
    d->fn(d->obj, d->arg);
}

/* Calls whoever wants to know that h has died, once nothing of its garbage has a reference any more. User code may run here. */
static void tell(struct wane__record *r, struct wane__header *h) {
    for (wane_weak *weak; (weak = wane__next_caller(r, h)) != NULL;) {
        wane__call(r, wane__weak_call, weak);
        wane__let_go(r, wane__header_of(weak), true, "the callback of a weak reference");
    }
    for (struct wane__on_death d; wane__next_on_death(h, &d);)
        wane__call(r, call_on_death, &d);
}

static void destroy(struct wane__record *r, struct wane__header *h, uint64_t w, bool may_call) {
    wane_type *t = wane__type_of(w);
    store_relaxed((uint64_t *)(void *)h, (uint64_t)0); /* no owner: a further use is found out */
    if (wane__word_has(w, WANE__WEAKREFD))
        wane__weak_clear(h);
    if (wane__type_has(t, WANE__TRAIT_SCANNED))
        empty(r, t, h, may_call);
    if (wane__word_has(w, WANE__WEAKREFD))
        tell(r, h);
    if (t->destroy != NULL)
        wane__call(r, t->destroy, wane__payload_of(h));
    if (!wane__type_has(t, WANE__TRAIT_LIBRARY))
        wane__count_deaths(r, t, 1, wane__heap_block_size(h));
    if (unlikely(wane__word_has(w, WANE__TRACED)))
        wane__tracer.death(r, h, wane__heap_block_size(h));
    /* LIVE is gone: nobody else writes the word but in vain. */
    store_release(&h->shared, w | WANE__FREED); /* [order:forget] */
    if (wane__word_has(w, WANE__WEAKREFD)) {
        wane__blocks_add(r, h); /* an upgrade may be looking at the word: no stranger may be born there yet */
        wane__wake();
        return;
    }
    wane__free_block(r, h);
}

/*
 * The same for types that have nothing but fixed slots, in one bracket, which the caller began and which ends here: what the
 * object was the last to refer to dies with it and goes on the list; other units are given up afterwards.
 */
static inline __attribute__((always_inline)) void destroy_simple(struct wane__record *r, wane_type *t, struct wane__header *h,
                                                                 uint64_t w, bool may_call) {
    struct wane__header *others[WANE__SLOTS_MAX];
    size_t n = t->wane__private[WANE__TYPE_SLOTS_N], others_n = 0;
    for (size_t i = 0; i < n; i++) {
        wane_slot *s = (wane_slot *)(void *)((char *)wane__payload_of(h) + t->slots[i]);
        void *obj = load_relaxed(&s->wane__target);
        if (obj == NULL)
            continue;
        store_relaxed(&s->wane__target, NULL);
        if (likely(wane__quick_last(r, wane__header_of(obj))))
            wane__bury(r, wane__header_of(obj));
        else
            others[others_n++] = wane__header_of(obj);
    }
    wane__count_deaths(r, t, 1, wane__heap_block_size(h));
    /* LIVE is gone: nobody else writes the word but in vain. */
    store_release(&h->shared, w | WANE__FREED); /* [order:forget] */
    wane__heap_free(&r->heap, h);
    wane__bracket_leave(&r->head);
    wane__after_frees(r);
    for (size_t i = 0; i < others_n; i++)
        wane__let_go(r, others[i], may_call, "death of its referrer");
}

bool wane__passed(const struct wane__record *r, struct wane__limit *limit) {
    limit->calls_seen = r->calls_n;
    if (limit->deadline != UINT64_MAX && !limit->over)
        limit->over = wane__now() >= limit->deadline;
    return limit->over;
}

/* Deaths between two looks at the time. */
#define DEATHS_A_LOOK 64
/* Blocks of so many bytes count as two deaths, since their slots take as long. */
#define BYTES_A_DEATH 1024

/* How many more deaths before this is asked again; 0: it is over. */
static size_t some_deaths(const struct wane__record *r, struct wane__limit *limit) {
    if (limit->deaths == SIZE_MAX)
        return wane__passed(r, limit) ? 0 : DEATHS_A_LOOK;
    size_t n = limit->deaths < DEATHS_A_LOOK ? limit->deaths : DEATHS_A_LOOK;
    limit->deaths -= n;
    limit->over = n == 0;
    return n;
}

/* Whether h, with many slots, is more than a call with that limit may do. */
static bool is_too_much(struct wane__limit *limit, struct wane__header *h) {
    if (limit->deaths == SIZE_MAX)
        return false;
    size_t cost = wane__heap_block_size(h) / BYTES_A_DEATH;
    limit->over = cost > limit->deaths;
    limit->deaths -= limit->over ? 0 : cost;
    return limit->over;
}

/* What died in a callback joins the rest when it has returned. */
static __attribute__((noinline)) void join_later(struct wane__record *r) {
    for (struct wane__header *h; (h = load_relaxed(&r->xlater)) != NULL;) {
        wane__dead_skip(&r->xlater);
        wane__bury(r, h);
    }
}

static inline __attribute__((always_inline)) void work_off(struct wane__record *r, bool may_call, struct wane__limit *limit,
                                                           struct wane__record *to) {
    may_call = may_call && wane__may_call(r);
    /* Something is done before the first look at the time: else a call with too little would never get anywhere. */
    size_t some = limit != NULL && limit->deaths == SIZE_MAX ? DEATHS_A_LOOK : 0;
    for (;; some--) {
        if (unlikely(r->finals_any) && may_call)
            run_finals(r, limit);
        if (unlikely(load_relaxed(&r->xlater) != NULL) && may_call)
            join_later(r);
        struct wane__header *h = load_relaxed(&r->xdead);
        if (h == NULL)
            return;
        uint64_t w = load_relaxed(&h->shared);
        wane_type *t = wane__type_of(w);
        bool simply = wane__ends_simply(t, w);
        if (limit != NULL && (wane__is_over(r, limit) || (some == 0 && (some = some_deaths(r, limit)) == 0) ||
                              (!simply && is_too_much(limit, h)))) {
            wane__leave_rest(r, to);
            return;
        }
        wane__dead_skip(&r->xdead);
        if (likely(simply)) {
            wane__mark(&r->head);
            destroy_simple(r, t, h, w, may_call);
        } else if (!may_call && (wane__word_has(w, WANE__WEAKREFD) || wane__type_has(t, WANE__TRAIT_CALLS))) {
            hand_over(r, h);
        } else {
            destroy(r, h, w, may_call);
        }
    }
}

static inline __attribute__((always_inline)) void end_or_bury(struct wane__record *r, struct wane__header *h, bool may_call) {
    uint64_t w = load_relaxed(&h->shared);
    wane_type *t = wane__type_of(w);
    if (likely(wane__ends_simply(t, w))) {
        destroy_simple(r, t, h, w, may_call);
    } else {
        wane__bury(r, h);
        wane__bracket_leave(&r->head);
    }
}

void wane__end(struct wane__record *r, struct wane__header *h, bool may_call) { end_or_bury(r, h, may_call); }

void wane__die(struct wane__record *r, struct wane__header *h) {
    end_or_bury(r, h, wane__may_call(r));
    if (unlikely(load_relaxed(&r->xdead) != NULL || load_relaxed(&r->xlater) != NULL || r->finals_any))
        wane__reap(r, true);
}

void wane__reap(struct wane__record *r, bool may_call) { work_off(r, may_call, NULL, NULL); }

void wane__reap_within(struct wane__record *r, bool may_call, struct wane__limit *limit, struct wane__record *to) {
    if (limit == NULL)
        work_off(r, may_call, NULL, NULL);
    else
        work_off(r, may_call, limit, to);
}

void wane__release(struct wane__record *r, struct wane__header *h, bool may_call, const char *operation) {
    may_call = may_call && wane__may_call(r);
    wane__let_go(r, h, may_call, operation);
    wane__reap(r, may_call);
}
