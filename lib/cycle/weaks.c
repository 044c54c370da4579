/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/weaks.c: step 7, second half: weak references to what is to be garbage, and the last word.
 *
 * An upgrade is the only way back for what the verdict found, and brings back what its target reaches. So a suspect is
 * garbage when all weakly referenced ones that reach it were CLOSED before they were upgraded (tests/model/closed.pml).
 * Suspects that the recorded edges join, in whichever direction, are a group: groups are decided one at a time, since upgrades
 * wait while their target is CLOSED. They wait for as many words as the group has weak references, and not for the table.
 *
 * For a group: each of its weak suspects is CLOSED. If none of the words that this returned shows TOUCHED, LIVE is cleared in
 * all of them, by which the upgrades that wait are answered, and the group is garbage. Else all are opened again; those
 * that were touched are dropped with their recorded reach, and the rest is tried once more. A try that fails drops one at least.
 *
 * Between CLOSED and that the collector waits for nobody, runs no user code and takes no lock; a fork waits for it.
 * After the first decision there is no way back: nothing here may fail for want of memory.
 */
#include "cycle/collect.h"

static uint32_t find(struct wane__table *t, uint32_t number) {
    struct wane__suspect *s = t->suspects;
    while (s[number].group != number) {
        s[number].group = s[s[number].group].group;
        number = s[number].group;
    }
    return number;
}

/* The later one stands for both: as a rule an edge leads to one that has joined nothing yet. */
static void unite(struct wane__table *t, uint32_t a, uint32_t b) {
    a = find(t, a);
    b = find(t, b);
    if (a < b)
        t->suspects[b].group = a;
    else
        t->suspects[a].group = b;
}

bool wane__join_groups(struct wane__collection *c) {
    if (c->weaks == 0)
        return true;
    struct wane__table *t = &c->table;
    for (const struct wane__suspect *s; (s = wane__next_suspect(c)) != NULL;) {
        c->slots += s->edges_n;
        for (size_t i = 0; i < s->edges_n && wane__in_doubt(s); i++) {
            uint32_t to = wane__edge_at(&t->edges, s->edges + i);
            if (wane__in_doubt(&t->suspects[to]))
                unite(t, (uint32_t)(s - t->suspects), to);
        }
    }
    return wane__no_suspect_left(c);
}

bool wane__note_weak(struct wane__collection *c) {
    struct wane__table *t = &c->table;
    for (const struct wane__suspect *s; c->weaks > 0 && (s = wane__next_suspect(c)) != NULL;) {
        if (!wane__in_doubt(s) || (s->flags & WANE__SUSPECT_WEAK) == 0)
            continue;
        if (!wane__vector_grow((void **)&c->weak, &c->weak_room, c->weak_n, sizeof *c->weak)) {
            t->failed = true;
            break;
        }
        uint32_t number = (uint32_t)(s - t->suspects);
        uint32_t *last = &t->suspects[find(t, number)].weaks;
        c->weak[c->weak_n++] = (struct wane__weak_suspect){.suspect = number, .next = *last};
        *last = (uint32_t)c->weak_n;
    }
    return c->weaks == 0 || wane__no_suspect_left(c);
}

/* Each suspect in doubt on the chain that begins at `first`. */
#define EACH_WEAK(c, s, first)                                                                        \
    for (const struct wane__weak_suspect *w_ = (first); w_ != NULL;                                   \
         w_ = w_->next == 0 ? NULL : &(c)->weak[w_->next - 1])                                        \
        for (struct wane__suspect *s = &(c)->table.suspects[w_->suspect]; s != NULL; s = NULL)        \
            if (wane__in_doubt(s))

/* True: all of them are dead. Else they are open, and those that were upgraded are on the list, yet to be dropped. */
static bool close(struct wane__collection *c, const struct wane__weak_suspect *first) {
    bool upgraded = false;
    EACH_WEAK (c, s, first) {
        upgraded |= wane__word_has(or_acq_rel(&s->h->shared, WANE__CLOSED), WANE__TOUCHED); /* [order:count] */
    }
    uint64_t gone = upgraded ? WANE__CLOSED : WANE__LIVE;
    EACH_WEAK (c, s, first) {
        and_acq_rel(&s->h->shared, ~gone); /* [order:count] */
    }
    return !upgraded;
}

static void drop(struct wane__collection *c, struct wane__suspect *s) {
    s->flags |= WANE__SUSPECT_HELD;
    c->dropped++;
    c->dropped_in_all++;
}

static void drop_group(struct wane__collection *c, uint32_t group) {
    for (uint32_t i = 0; i < c->table.n; i++) {
        struct wane__suspect *s = &c->table.suspects[i];
        if (wane__in_doubt(s) && find(&c->table, i) == group)
            drop(c, s);
    }
}

/* Those that were upgraded, with their reach; with all of their group, if the list has no room. */
static void drop_upgraded(struct wane__collection *c, const struct wane__weak_suspect *first) {
    EACH_WEAK (c, s, first) {
        if (!wane__word_has(load_acquire(&s->h->shared), WANE__TOUCHED)) /* [order:count] */
            continue;
        drop(c, s);
        wane__list_add(c, (uint32_t)(s - c->table.suspects));
    }
    wane__drop_reach(c);
    if (c->table.failed) {
        c->table.failed = false;
        c->list_n = 0;
        drop_group(c, find(&c->table, first->suspect));
    }
}

/* The group whose last entry is the one that the step is at. No fork finds it half decided. */
static void decide_group(struct wane__collection *c) {
    size_t at = c->at;
    const struct wane__weak_suspect *first = &c->weak[at];
    wane__arming_lock();
    while (!close(c, first))
        drop_upgraded(c, first);
    c->at = at + 1;
    wane__arming_unlock();
}

/* Interrupted between groups only, however little time there is. */
bool wane__decide(struct wane__collection *c) {
    uint64_t deadline = c->deadline;
    store_relaxed(&c->decided, true);
    compiler_barrier();
    while (c->at < c->weak_n && wane__in_time(c)) {
        if (c->table.suspects[find(&c->table, c->weak[c->at].suspect)].weaks != c->at + 1) {
            c->at++;
            continue;
        }
        c->deadline = 0;
        decide_group(c);
        c->deadline = deadline;
    }
    return c->at >= c->weak_n;
}

bool wane__let_upgraded_live(struct wane__collection *c) { return wane__let_acquitted_live(c); }

/* R is garbage for good. The child of a fork may do it again. */
bool wane__mark_garbage(struct wane__collection *c) {
    for (struct wane__suspect *s; (s = wane__next_suspect(c)) != NULL;) {
        if (!wane__in_doubt(s) || (s->flags & WANE__SUSPECT_GARBAGE) != 0)
            continue;
        s->flags |= WANE__SUSPECT_GARBAGE;
        c->garbage++;
    }
    bool finished = wane__no_suspect_left(c);
    if (finished)
        wane__check_no_edge_into_garbage(c);
    return finished;
}
