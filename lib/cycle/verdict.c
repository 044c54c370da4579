/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/verdict.c: steps 3 to 6: arm, count, then trace, wait for brackets, judge.
 *
 * Why nothing alive is judged dead: suppose z in R still had a unit outside of R's slots. No increment of z happened
 * since it was armed: it would be TOUCHED, set inside the bracket of the increment, which was waited for.
 * So the unit existed when c(z) was read, and was in no slot of W when the slots were read afterwards; each edge
 * counted in e(z) is another unit that existed when c(z) was read too. So c(z) > e(z), and z was dropped.
 *
 * Guards are not waited for, though a reader may be in the middle of one. What it borrows it found along units, of which
 * the first was in no slot of R's; each of them stays in its slot, or pending, until the guard ends. Where that chain enters R there
 * is a unit from outside, as above: c is greater than e, or the slot that it is in is one of W that is not R, and the edge
 * was recorded (docs/design/cycle.md; tests/model/cycle.pml, epochs.pml, borrow.pml).
 */
#include "cycle/collect.h"
#include "thread/grace.h"
#include "thread/mode.h"

/* Suspects armed with one bracket wait: their headers are still in a cache when they are merged. Forks wait for a span. */
#define ARM_SPAN (4 * WANE__SPAN)

/*
 * WATCHED since it was pinned, as a rule. TOUCHED goes: whatever set it came before the count is read. A later increment
 * sees WATCHED, in a bracket that ends before the verdict.
 */
static void watch(struct wane__header *h) {
    uint64_t w = load_relaxed(&h->shared);
    if ((w & (WANE__WATCHED | WANE__TOUCHED)) == WANE__WATCHED)
        return;
    while (!cas_weak_acq_rel(&h->shared, &w, (w | WANE__WATCHED) & ~WANE__TOUCHED)) { /* [order:count] */
    }
}

static void arm(struct wane__collection *c, struct wane__header *h) {
    watch(h);
    uint32_t owner;
    if (load_relaxed(&h->owner) == c->r->id)
        wane__revoke_now(c->r, h);
    else
        wane__revoke_begin(c->r, h, &owner);
}

/* After the bracket wait: merges, whoever began it, and reads c(w). */
static void count(struct wane__collection *c, struct wane__suspect *s) {
    struct wane__header *h = s->h;
    if (load_relaxed(&h->owner) == WANE__OWNER_NONE)
        wane__revoke_end(c->r, h);
    s->count = (uint32_t)wane__word_count(load_seq_cst(&h->shared)); /* [order:count] */
    s->inner = 0;
}

/* Steps 3 and 4, first half: no slot is read again before all counts were. */
bool wane__arm_and_count(struct wane__collection *c) {
    struct wane__table *t = &c->table;
    while (c->at < t->n && !t->failed && wane__in_time(c)) {
        size_t end = c->at + ARM_SPAN < t->n ? c->at + ARM_SPAN : t->n;
        wane__arming_lock();
        for (size_t i = c->at; i < end; i++) {
            if (wane__in_doubt(&t->suspects[i]))
                arm(c, t->suspects[i].h);
        }
        t->failed = !wane__bracket_wait();
        for (size_t i = c->at; i < end && !t->failed; i++) {
            if (wane__in_doubt(&t->suspects[i]))
                count(c, &t->suspects[i]);
        }
        wane__arming_unlock();
        c->at = end;
    }
    return c->at >= t->n || t->failed;
}

struct counting {
    struct wane__visit_ops ops;
    struct wane__collection *c;
    uint32_t from;
    const uint32_t *hint, *hint_end; /* edges of `from` in the tracing before, as far as they are in one segment; */
    uint64_t next_hint;              /* where the others begin, */
    size_t more_hints;               /* and how many they are */
};

static inline void take_hints(struct counting *k, uint64_t at, size_t n) {
    size_t here = WANE__SEGMENT - at % WANE__SEGMENT;
    if (likely(here > n))
        here = n;
    k->hint = k->hint_end = NULL;
    if (here > 0) {
        k->hint = wane__edge_place(&k->c->table.old_edges, at);
        k->hint_end = k->hint + here;
    }
    k->next_hint = at + here;
    k->more_hints = n - here;
}

__attribute__((noinline)) static uint32_t find_slow(struct counting *k, const struct wane__header *h) {
    if (k->hint == k->hint_end && k->more_hints > 0) {
        take_hints(k, k->next_hint, k->more_hints);
        uint32_t to = *k->hint++;
        if (k->c->table.suspects[to].h == h)
            return to;
    }
    return wane__table_find(h);
}

/* The suspect that h is: as a rule the one that the same slot led to before. */
static inline uint32_t find(struct counting *k, const struct wane__header *h) {
    if (likely(k->hint < k->hint_end)) {
        uint32_t to = *k->hint++;
        if (likely(k->c->table.suspects[to].h == h))
            return to;
    }
    return find_slow(k, h);
}

static inline void visit_counting(struct wane__visit_ops *ops, wane_slot *s, size_t n) {
    struct counting *k = (struct counting *)(void *)ops;
    struct wane__table *t = &k->c->table;
    k->c->slots += n;
    for (size_t i = 0; i < n; i++) {
        void *obj = load_acquire(&s[i].wane__target); /* [order:slot] */
        if (obj == NULL)
            continue;
        uint32_t to = find(k, wane__header_of(obj));
        if (unlikely(to == WANE__NO_SUSPECT || !wane__in_doubt(&t->suspects[to]))) {
            t->suspects[k->from].flags |= WANE__SUSPECT_OUTSIDE;
            continue;
        }
        t->suspects[to].inner++;
        wane__table_add_edge(t, &t->suspects[k->from], to);
    }
}

static void trace(struct counting *k, uint32_t number) {
    struct wane__table *t = &k->c->table;
    struct wane__suspect *s = &t->suspects[number];
    k->from = number;
    take_hints(k, s->edges, s->edges_n);
    s->edges = t->edges.n;
    s->edges_n = 0;
    s->flags &= (uint16_t)~WANE__SUSPECT_OUTSIDE;
    wane__visit_quick(wane__type_of(load_relaxed(&s->h->shared)), s->h, &k->ops, visit_counting);
}

/* What was recorded so far becomes the hints of the next tracing. */
bool wane__begin_tracing(struct wane__collection *c) {
    wane__table_begin_tracing(&c->table);
    c->dropped_in_all = 0;
    return true;
}

/* Suspects whose table is too large for a processor's own cache; and how far ahead they are fetched. */
#define LARGE_TABLE 16384
#define AHEAD 8

/*
 * A suspect that is traced soon: its object, and the suspects that its first slots led to. One that is dropped already was not traced
 * last time, so its edges are not among old_edges. Always inline: gcc 12 takes a function that does nothing but prefetch for one
 * without effect, and drops the call.
 */
__attribute__((always_inline)) static inline void prefetch(const struct wane__table *t, const struct wane__suspect *s) {
    if (!wane__in_doubt(s))
        return;
    __builtin_prefetch(s->h);
    for (size_t i = 0; i < s->edges_n && i < 4; i++)
        __builtin_prefetch(&t->suspects[wane__edge_at(&t->old_edges, s->edges + i)], 1);
}

/* Step 4, second half: units end in between, and slots before counts would count an edge that is gone. */
bool wane__trace_again(struct wane__collection *c) {
    struct wane__table *t = &c->table;
    struct counting k = {.ops.slots = visit_counting, .c = c};
    while (c->at < t->n && !t->failed && wane__in_time(c)) {
        wane__guard_enter();
        c->slots = 0;
        for (size_t end = c->at + WANE__SPAN; c->at < end && c->at < t->n && c->slots < WANE__SLOTS_SPAN; c->at++) {
            if (t->n > LARGE_TABLE && c->at + AHEAD < t->n)
                prefetch(t, &t->suspects[c->at + AHEAD]);
            if (wane__in_doubt(&t->suspects[c->at]))
                trace(&k, (uint32_t)c->at);
        }
        wane__guard_leave();
    }
    return c->at >= t->n || t->failed;
}

/* Step 5. An increment in a bracket that was open shows as TOUCHED from here on. */
bool wane__await_brackets(struct wane__collection *c) {
    if (!wane__bracket_wait())
        c->table.failed = true;
    return true;
}

/* Drops it and, with the next step, what it reaches. */
void wane__drop_suspect(struct wane__collection *c, struct wane__suspect *s) {
    s->flags |= WANE__SUSPECT_HELD;
    c->dropped++;
    c->dropped_in_all++;
    wane__list_add(c, (uint32_t)(s - c->table.suspects));
}

static bool is_acquitted(const struct wane__suspect *s, uint64_t w) {
    return s->count == 0 || s->count != s->inner ||
           (w & (WANE__LIVE | WANE__MERGED | WANE__TOUCHED | WANE__IMMORTAL)) != (WANE__LIVE | WANE__MERGED);
}

/* What later steps have to do with a suspect. */
static void note_traits(struct wane__collection *c, struct wane__suspect *s, uint64_t w) {
    s->flags &= (uint16_t)~(WANE__SUSPECT_FINAL | WANE__SUSPECT_WEAK);
    if (wane__word_has(w, WANE__FINAL_DUE)) {
        s->flags |= WANE__SUSPECT_FINAL;
        c->finals++;
    }
    if (wane__word_has(w, WANE__WEAKREFD)) {
        s->flags |= WANE__SUSPECT_WEAK;
        c->weaks++;
    }
    if ((wane__type_of(w)->flags & WANE_TYPE_UNCOLLECTABLE) != 0) {
        s->flags |= WANE__SUSPECT_KEEP;
        c->keeps++;
    }
}

bool wane__acquit(struct wane__collection *c) {
    if (c->at == 0)
        c->finals = c->weaks = c->keeps = 0;
    for (struct wane__suspect *s; (s = wane__next_object(c)) != NULL;) {
        if (!wane__in_doubt(s))
            continue;
        uint64_t w = load_acquire(&s->h->shared); /* [order:count] */
        if (is_acquitted(s, w)) {
            wane__drop_suspect(c, s);
        } else {
            note_traits(c, s, w);
            s->group = (uint32_t)(c->at - 1);
            s->weaks = 0;
        }
    }
    return wane__no_suspect_left(c);
}

bool wane__drop_reach(struct wane__collection *c) {
    struct wane__table *t = &c->table;
    for (; c->list_n > 0 && !t->failed && wane__in_time(c); c->at++) {
        struct wane__suspect s = t->suspects[c->list[--c->list_n]];
        c->slots += s.edges_n;
        for (uint64_t e = s.edges; e < s.edges + s.edges_n; e++) {
            uint32_t number = wane__edge_at(&t->edges, e);
            struct wane__suspect *to = &t->suspects[number];
            if (!wane__in_doubt(to))
                continue;
            to->flags |= WANE__SUSPECT_HELD;
            c->dropped++;
            wane__list_add(c, number);
        }
    }
    return c->list_n == 0 || t->failed;
}

struct wane__suspect *wane__next_dropped(struct wane__collection *c) {
    for (struct wane__suspect *s; c->dropped > 0 && (s = wane__next_suspect(c)) != NULL;) {
        if ((s->flags & (WANE__SUSPECT_GONE | WANE__SUSPECT_HELD)) == WANE__SUSPECT_HELD) {
            c->dropped--;
            return s;
        }
    }
    return NULL;
}

bool wane__let_acquitted_live(struct wane__collection *c) {
    for (struct wane__suspect *s; (s = wane__next_dropped(c)) != NULL;)
        wane__let_live(c, s, true);
    return c->dropped == 0 || c->table.failed;
}
