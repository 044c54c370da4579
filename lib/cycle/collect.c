/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/collect.c: one collection, as a list of its steps.
 *
 * Garbage is stable: nobody can reach a dead cycle, so nobody can change it. The collector guesses, then proves the
 * guess while all other threads run, and drops the guess when in doubt; what it drops stays a candidate.
 * Runs on the collector thread, or on threads that ask for it, in slices if they like; one collection at a time.
 */
#include "cycle/collect.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/lock.h"
#include "cycle/debug.h"
#include "cycle/kept.h"
#include "cycle/phases.h"
#include "thread/grace.h"
#include "thread/wake.h"

/* What a step does, and what it is called in a profile (cycle/phases.h). */
struct step {
    bool (*work)(struct wane__collection *c);
    const char *name;
};

/* From here on no object that this collection could pin dies by a plain store (life/quick.h). */
static bool announce_pins(struct wane__collection *c) {
    store_relaxed(&wane__xpinning, (uint32_t)WANE__PINS_TRACKED);
    wane__announce_roots(c);
    if (!wane__bracket_wait())
        c->table.failed = true;
    return true;
}

/* Nothing is pinned any more. */
static void no_pins(void) { store_release(&wane__xpinning, (uint32_t)WANE__PINS_NONE); /* [order:pinning] */ }

/* Steps 1 and 2: the candidates, what they reach, and which of it looks dead. */
static const struct step search[] = {
    {announce_pins, "announce"},
    {wane__find_roots, "find roots"},
    {wane__trace_roots, "trace roots"},
    {wane__trace_explained, "trace explained"},
    {wane__note_undecided, "note undecided"},
    {wane__trace_undecided, "trace undecided"},
    {wane__find_held, "find held"},
    {wane__drop_reach, "reach of held"},
    {wane__let_held_live, "let held live"},
};

/* Steps 3 to 6: arm, count, only then trace, a wait for brackets, the verdict. */
static const struct step proof[] = {
    {wane__arm_and_count, "arm and count"}, /* 3, 4 */
    {wane__begin_tracing, "begin tracing"},
    {wane__trace_again, "trace again"},
    {wane__await_brackets, "await brackets"}, /* 5 */
    {wane__acquit, "acquit"},                 /* 6 */
    {wane__drop_reach, "reach of acquitted"},
    {wane__let_acquitted_live, "let acquitted live"},
    {wane__find_cycles_in_doubt, "find cycles"},
    {wane__keep_uncollectable, "keep"},
    {wane__drop_reach, "reach of kept"},
    {wane__report_kept, "report kept"},
    {wane__let_kept_live, "let kept live"},
};

/* Step 7: finalizers; the proof again if any ran. */
static const struct step finalize[] = {
    {wane__run_finalizers_of_garbage, "finalizers"},
    {wane__settle_finalizers, "settle finalizers"},
};

/* Steps 7 and 8: weak references closed and the last word spoken, group by group; the end. */
static const struct step end[] = {
    {wane__join_groups, "join groups"},
    {wane__note_weak, "note weak references"},
    {wane__decide, "decide"},
    {wane__let_upgraded_live, "let upgraded live"},
    {wane__mark_garbage, "mark garbage"},
    {wane__find_cycles_of_garbage, "find cycles of garbage"},
    {wane__report_garbage, "report garbage"},
    {wane__empty_garbage, "empty"},
    {wane__settle_emptied, "settle"},
    {wane__destroy_garbage, "destroy"},
};

#define STAGE(steps) {steps, sizeof(steps) / sizeof *(steps)}
static const struct {
    const struct step *steps;
    size_t n;
} stages[] = {STAGE(search), STAGE(proof), STAGE(finalize), STAGE(end)};

/* The one that runs; static, so that the child of a fork can undo it. */
static struct wane__collection current = {.stage = WANE__STAGE_OVER};

/* Held while objects are between the two halves of a revocation, or CLOSED: a fork waits for that. */
static struct wane__mutex arming = WANE__MUTEX(WANE__RANK_ARMING);

static uint32_t xarming_wanted; /* by a fork */

void wane__arming_lock(void) { wane__mutex_lock(&arming); }

void wane__arming_unlock(void) {
    wane__mutex_unlock(&arming);
    wane__give_way(&xarming_wanted);
}

void wane__list_add(struct wane__collection *c, uint32_t number) {
    if (wane__vector_grow((void **)&c->list, &c->list_room, c->list_n, sizeof *c->list))
        c->list[c->list_n++] = number;
    else
        c->table.failed = true;
}

static void make_candidate_again(struct wane__header *h, unsigned age) {
    store_relaxed(&h->candidate, (uint8_t)1);
    wane__set_mark(wane__marks_of(h), age);
}

/*
 * Only a collection that looked at everything discharges a mark: an older object may hold this one, and be dead. What
 * a bounded search left is set aside for one that is not: a new release makes it a candidate beside that.
 */
static void grow_older(struct wane__collection *c, const struct wane__suspect *s, bool again) {
    struct wane__header *h = s->h;
    uint8_t age = load_relaxed(&h->age);
    if (c->table.failed) { /* nothing was decided, not even that it lives: the same collection is to find it again */
        make_candidate_again(h, age & 3);
        return;
    }
    if ((age & 3) < WANE__OLDEST)
        store_relaxed(&h->age, ++age);
    bool root = (s->flags & WANE__SUSPECT_ROOT) != 0;
    if (again || (root && c->what.generation < WANE__OLDEST)) {
        make_candidate_again(h, age & 3);
    } else if (root && c->undecided) {
        store_relaxed(&h->age, (uint8_t)(age | WANE__AGE_LEFT));
        wane__set_mark(wane__marks_of(h), WANE__DIRTY_LEFT);
    }
}

/* What a suspect may bear beside the pin. */
#define ARMED (WANE__WATCHED | WANE__TOUCHED | WANE__CLOSED)

void wane__let_live(struct wane__collection *c, struct wane__suspect *s, bool again) {
    struct wane__header *h = s->h;
    if (!c->what.trial)
        grow_older(c, s, again);
    uint64_t before = wane__take_pin_off(h, ARMED);
    compiler_barrier(); /* afterwards: a fork in between un-pins twice, which is nothing; never would be a loss */
    s->flags |= WANE__SUSPECT_GONE;
    if (!wane__word_has(before, WANE__LIVE))
        wane__unpinned(c->r, h, before);
}

void wane__collection_begin(const struct wane__scope *what) {
    wane__wave_collection_begin();
    current = (struct wane__collection){.what = *what};
    if (!what->trial)
        current.debug = load_relaxed(&wane__xgc_debug);
}

bool wane__collection_is_open(void) { return current.stage != WANE__STAGE_OVER; }

/*
 * Whether what is in doubt has been judged: from the verdict on nobody looks at its counts again, unless a finalizer ran,
 * after which the proof is made again.
 */
static bool has_judged(const struct wane__collection *c) {
    switch (c->stage) {
    case WANE__STAGE_PROOF:
        for (size_t i = 0; i <= c->step; i++) {
            if (proof[i].work == wane__acquit)
                return true;
        }
        return false;
    case WANE__STAGE_FINALIZE:
        return !c->finalized;
    default:
        return c->stage == WANE__STAGE_END;
    }
}

/* Some of it is acquitted yet, or upgraded: that may be taken when it is not in doubt any more. */
bool wane__collection_dooms(const struct wane__header *h) {
    const struct wane__collection *c = &current;
    uint32_t number = has_judged(c) ? wane__table_find(h) : WANE__NO_SUSPECT;
    return number != WANE__NO_SUSPECT && wane__in_doubt(&c->table.suspects[number]);
}

/* After the last step of a stage. */
static enum wane__stage next_stage(struct wane__collection *c) {
    switch (c->stage) {
    case WANE__STAGE_SEARCH:
        return c->suspects > 0 ? WANE__STAGE_PROOF : WANE__STAGE_OVER;
    case WANE__STAGE_PROOF:
        if (c->what.trial) {
            wane__check_no_candidate_lost(c);
            return WANE__STAGE_OVER;
        }
        return c->proved_again ? WANE__STAGE_END : WANE__STAGE_FINALIZE;
    case WANE__STAGE_FINALIZE:
        c->proved_again = c->finalized;
        return c->finalized ? WANE__STAGE_PROOF : WANE__STAGE_END;
    default:
        return WANE__STAGE_OVER;
    }
}

/*
 * To the next step. Each store leaves a step that there is, since the child of a fork goes on with it: only of the last stage,
 * and after that there is nothing but the end.
 */
static void turn_to_next(struct wane__collection *c) {
    c->at = 0;
    compiler_barrier();
    if (c->step + 1 < stages[c->stage].n) {
        c->step++;
        return;
    }
    c->stage = next_stage(c);
    wane__pause();
    compiler_barrier();
    c->step = 0;
}

/* One step, or as much of it as the time allows. */
static bool advance(struct wane__collection *c) {
    const struct step *step = &stages[c->stage].steps[c->step];
    bool profiled = wane__phases_on();
    uint64_t since = profiled ? wane__now() : 0;
    bool finished = step->work(c);
    if (unlikely(profiled))
        wane__phase(step->name, since, "\"suspects\":%zu", c->table.n);
    if (finished)
        turn_to_next(c);
    if (c->table.failed)
        c->stage = WANE__STAGE_OVER;
    wane__reap(c->r, true); /* who died while it was pinned */
    return finished;
}

/* What is left in the table lives; after the end of the last step nothing is, but that a collection can be given up. */
static void close(struct wane__collection *c, struct wane__findings *ret) {
    for (size_t i = 0; i < c->table.n; i++) {
        if ((c->table.suspects[i].flags & WANE__SUSPECT_GONE) == 0)
            wane__let_live(c, &c->table.suspects[i], true);
    }
    no_pins();
    wane__kept_done();
    if (c->table.failed)
        wane__keep_flags();
    *ret = (struct wane__findings){.collected = c->garbage,
                                   .uncollectable = c->uncollectable,
                                   .candidates = c->candidates,
                                   .suspects = c->suspects,
                                   .freed = c->freed,
                                   .aborted = c->table.failed,
                                   .rest = c->rest && !c->table.failed};
    struct wane__record *r = c->r;
    wane__table_free(&c->table);
    wane__vector_free((void **)&c->pages, &c->pages_room, sizeof *c->pages);
    wane__vector_free((void **)&c->list, &c->list_room, sizeof *c->list);
    wane__vector_free((void **)&c->weak, &c->weak_room, sizeof *c->weak);
    wane__components_free(&c->cycles);
    *c = (struct wane__collection){.stage = WANE__STAGE_OVER};
    wane__reap(r, true);
    wane__wave_collection_end();
    if (wane__dead_waiting() > 0) /* somebody died while it was pinned, perhaps */
        wane__wake();
}

bool wane__collection_go_on(struct wane__record *r, uint64_t deadline, struct wane__findings *ret) {
    struct wane__collection *c = &current;
    uint8_t wave = r->wave;
    c->r = r;
    c->deadline = deadline;
    r->wave = wane__wave_of_collection(); /* what comes of it is of the wave in which it began */
    store_relaxed(&wane__xcollects, r->id);
    while (c->stage != WANE__STAGE_OVER && advance(c)) {
    }
    bool over = c->stage == WANE__STAGE_OVER;
    if (over)
        close(c, ret);
    store_relaxed(&wane__xcollects, 0u);
    r->wave = wave;
    return over;
}

/* Whether a thread is at the pages that are noted, and will have walked them soon. */
static bool walked_by_another(void) {
    uint32_t id = load_relaxed(&wane__xcollects);
    const struct wane__record *r = id != 0 ? wane__record_at(id) : NULL;
    return r != NULL && r != wane__record_self() && !load_relaxed(&r->xaway);
}

void wane__collection_leave_roots(void) {
    while (load_relaxed(&wane__heap_xnoted) && walked_by_another()) {
        wane__collector_unlock();
        wane__pause_briefly();
        wane__collector_lock();
    }
    if (load_relaxed(&wane__heap_xnoted))
        wane__leave_roots(&current);
}

void wane__collect_fork_prepare(void) {
    add_relaxed(&xarming_wanted, 1u);
    wane__mutex_lock(&arming);
    sub_relaxed(&xarming_wanted, 1u);
    wane__table_fork_prepare();
}

void wane__collect_fork_parent(void) {
    wane__table_fork_release();
    wane__mutex_unlock(&arming);
}

static bool is_pinned(struct wane__header *h) { return wane__word_has(load_relaxed(&h->shared), WANE__PINNED); }

static bool in_table(const struct wane__collection *c, const struct wane__header *h) {
    uint32_t number = wane__table_find(h);
    return number != WANE__NO_SUSPECT && (c->table.suspects[number].flags & WANE__SUSPECT_GONE) == 0;
}

static void undo(struct wane__collection *c) {
    for (size_t i = 0; i < c->table.n; i++) {
        struct wane__suspect *s = &c->table.suspects[i];
        if ((s->flags & WANE__SUSPECT_GONE) != 0)
            continue;
        if (!is_pinned(s->h)) /* un-pinned a moment ago: it may be dead, and its first word a link */
            continue;
        make_candidate_again(s->h, load_relaxed(&s->h->age) & 3);
        wane__un_pin(c, s->h, ARMED);
    }
    if (load_relaxed(&wane__heap_xnoted))
        wane__leave_roots(c);
    wane__keep_flags();
    no_pins();
    wane__table_free(&c->table);
    *c = (struct wane__collection){.stage = WANE__STAGE_OVER};
}

/* No group is half decided; what was half emptied is emptied again, and what is not GONE destroyed. */
static void resume(struct wane__collection *c) {
    c->r = NULL;
    if (stages[c->stage].steps[c->step].work != wane__decide)
        c->at = 0;
}

/* What was decided stays open: whoever collects next in the child finishes it. The rest is undone. */
void wane__collect_fork_child(const struct wane__record *self) {
    wane__table_fork_release();
    wane__mutex_unlock(&arming);
    struct wane__collection *c = &current;
    bool idle = c->stage == WANE__STAGE_OVER && c->r == NULL;
    if (self != NULL && c->r == self)
        return;
    store_relaxed(&wane__xcollects, 0u);
    if (idle)
        return;
    if (c->pinning != NULL && is_pinned(c->pinning) && !in_table(c, c->pinning))
        wane__un_pin(c, c->pinning, ARMED);
    c->pinning = NULL;
    if (c->stage == WANE__STAGE_END && c->decided)
        resume(c);
    else
        undo(c);
}
