/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/collect.c: one collection, as a list of its steps.
 *
 * Garbage is stable: nobody can reach a dead cycle, so nobody can change it. The collector guesses, then proves the
 * guess while all other threads run, and drops the guess when in doubt; what it drops stays a candidate.
 * Runs on the collector thread, or on a thread that asked for it; one at a time.
 */
#include "cycle/collect.h"

#include <pthread.h>
#include <stdlib.h>

#include "cycle/background.h"
#include "thread/grace.h"
#include "thread/wake.h"

/* The one that runs; static, so that the child of a fork can undo it. n is 0 between collections. */
static struct wane__collection current;

/* Held from arming to merging: the one span that a fork waits for. */
static pthread_mutex_t arming = PTHREAD_MUTEX_INITIALIZER;

void wane__list_add(struct wane__collection *c, uint32_t number) {
    if (wane__vector_grow((void **)&c->list, &c->list_room, c->list_n, sizeof *c->list))
        c->list[c->list_n++] = number;
    else
        c->table.failed = true;
}

static void make_candidate_again(struct wane__header *h, unsigned age) {
    store_relaxed(&h->candidate, (uint8_t)1);
    store_relaxed(&wane__marks_of(h)->xdirty[age], (uint8_t)1);
}

void wane__let_live(struct wane__collection *c, struct wane__suspect *s, bool again) {
    struct wane__header *h = s->h;
    unsigned age = load_relaxed(&h->age) & 3;
    if (age < WANE__OLDEST) {
        store_relaxed(&h->age, (uint8_t)(load_relaxed(&h->age) + 1));
        age++;
    }
    /* Only a collection that looked at everything discharges a mark: an older object may hold this one, and be dead. */
    if (again || ((s->flags & WANE__SUSPECT_ROOT) != 0 && c->generation < WANE__OLDEST))
        make_candidate_again(h, age);
    uint64_t mine = WANE__PINNED;
    if ((s->flags & WANE__SUSPECT_ARMED) != 0)
        mine |= WANE__WATCHED | WANE__TOUCHED | WANE__CLOSED;
    uint64_t before = and_acq_rel(&h->shared, ~mine); /* [order:count] */
    compiler_barrier(); /* afterwards: a fork in between un-pins twice, which is nothing; never would be a loss */
    s->flags |= WANE__SUSPECT_GONE;
    if (!wane__word_has(before, WANE__LIVE)) {
        wane__tsan_acquire(&h->shared);
        wane__bury(c->r, h);
    }
}

void wane__wait_for_grace(struct wane__collection *c) {
    uint64_t begun = wane__grace_want();
    while (wane__grace_ended() <= begun) {
        wane__grace_want(); /* again: a period that began meanwhile has cleared the wish */
        wane__record_reap_late();
        wane__grace_step();
        if (wane__grace_ended() > begun)
            break;
        if (c->r->id == WANE__ID_COLLECTOR)
            wane__work(c->r, true); /* a long guard holds up the verdict, nothing else */
        wane__pause_briefly();
    }
}

static void prove(struct wane__collection *c) {
    pthread_mutex_lock(&arming);
    wane__arm(c);
    pthread_mutex_unlock(&arming);
    if (c->table.failed)
        return;
    wane__count_then_trace(c);
    if (c->table.failed)
        return;
    wane__wait_for_grace(c);
    wane__judge(c);
}

static void steps(struct wane__collection *c) {
    wane__find_roots(c);
    if (!c->table.failed)
        wane__find_suspects(c);
    if (c->table.failed || c->suspects == 0)
        return;
    prove(c);
    if (!c->table.failed && wane__run_finalizers_of_garbage(c))
        prove(c);
    if (!c->table.failed)
        wane__close_weak(c);
    if (!c->table.failed)
        wane__destroy_garbage(c);
}

struct wane__findings wane__collect(struct wane__record *r, int generation, bool full) {
    struct wane__collection *c = &current;
    *c = (struct wane__collection){.r = r, .generation = generation, .full = full};
    steps(c);
    for (size_t i = 0; i < c->table.n; i++) {
        if ((c->table.suspects[i].flags & WANE__SUSPECT_GONE) == 0)
            wane__let_live(c, &c->table.suspects[i], true);
    }
    struct wane__findings f = {c->garbage, c->uncollectable, c->candidates, c->suspects, c->table.failed};
    wane__table_free(&c->table);
    free(c->pages);
    free(c->list);
    *c = (struct wane__collection){0};
    wane__reap(r, true);
    return f;
}

void wane__collect_fork_prepare(void) {
    pthread_mutex_lock(&arming);
    wane__table_fork_prepare();
}

void wane__collect_fork_parent(void) {
    wane__table_fork_release();
    pthread_mutex_unlock(&arming);
}

static bool is_pinned(struct wane__header *h) { return wane__word_has(load_relaxed(&h->shared), WANE__PINNED); }

/* For the child of a fork: the dead are found by wane__death_fork_child. */
static void un_pin(struct wane__collection *c, struct wane__header *h) {
    uint64_t mine = WANE__PINNED | WANE__WATCHED | WANE__TOUCHED | WANE__CLOSED;
    if (!wane__word_has(and_acq_rel(&h->shared, ~mine), WANE__LIVE)) /* [order:count] */
        wane__bury(c->r, h);
}

/* What was decided stays dead, undestroyed: the vanished thread had its hands in it. The rest goes on as before. */
void wane__collect_fork_child(const struct wane__record *self) {
    wane__table_fork_release();
    pthread_mutex_unlock(&arming);
    struct wane__collection *c = &current;
    if (c->r == NULL || c->r == self)
        return;
    for (size_t i = 0; i < c->table.n; i++) {
        struct wane__suspect *s = &c->table.suspects[i];
        if ((s->flags & WANE__SUSPECT_GONE) != 0)
            continue;
        if (c->decided && wane__in_doubt(s)) { /* R as a whole: one refers to the other */
            and_acq_rel(&s->h->shared, ~WANE__LIVE);
            continue;
        }
        if (!is_pinned(s->h)) /* un-pinned a moment ago: it may be dead, and its first word a link */
            continue;
        make_candidate_again(s->h, load_relaxed(&s->h->age) & 3);
        un_pin(c, s->h);
    }
    if (c->pinning != NULL && is_pinned(c->pinning))
        un_pin(c, c->pinning);
    wane__table_free(&c->table);
    *c = (struct wane__collection){0};
}
