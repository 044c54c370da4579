/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/generations.c: triggers and figures of the three generations.
 *
 * Generation 0 is due when threshold0 tracked objects were made more than died since the last collection: not for
 * candidates, of which a server that only reads makes many. Generations 1 and 2 are due after so many collections of
 * the one below; generation 2 also waits until a quarter as many objects as it has seen are new to it. Candidates that
 * nothing else collects are, after candidate_age_ms, as far as collector_cpu_percent allows. Generation 2 is due as well
 * when bytes have grown (life/growth.h): those of untracked objects and external ones that hang on garbage count there.
 */
#include "cycle/generations.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/option.h"
#include "cycle/collect.h"
#include "life/growth.h"
#include "os/clock.h"
#include "thread/grace.h"
#include "thread/wake.h"

/* While others go on making garbage, passes do not end by themselves. */
#define PASSES_MAX 4

/* One collection at a time: the id of the thread that has the claim. It guards what follows, but for the x fields. */
static uint32_t xclaim;
static int64_t xnet_then;      /* tracked objects alive after the last collection */
static unsigned xcount[3];     /* [0] is unused: it is counted by net births */
static int64_t long_lived;     /* tracked objects after the last collection of generation 2 */
static bool base_falls;        /* the deaths that the last one of these caused are not over */
static int64_t survivors;      /* tracked objects that were there when the last collection began and after it */
static uint64_t xlast_end;   /* read without the claim */
static uint64_t last_took;
static wane_gc_stats xstats[3];

/* Tracked objects that may always be made before anybody is held back. */
#define ROOM_LEAST 500000
#define LEAST_DELAY_NS 10000000

/* Odd while somebody has the claim. */
static uint32_t xturn;

static bool claim(uint32_t id) {
    uint32_t nobody = 0;
    if (!cas_acq_rel(&xclaim, &nobody, id)) /* [order:consumer] */
        return false;
    store_relaxed(&xturn, xturn + 1);
    wane__tsan_acquire(&xclaim);
    return true;
}

static void unclaim(void) {
    wane__tsan_release(&xclaim);
    store_release(&xturn, xturn + 1); /* [order:applying] */
    store_release(&xclaim, 0u); /* [order:consumer] */
}

uint32_t wane__collection_turn(void) {
    uint32_t turn = load_acquire(&xturn); /* [order:applying] */
    wane__tsan_acquire(&xclaim);
    return turn;
}

static uint64_t tracked_births(void) {
    uint64_t n = 0;
    WANE__EACH_RECORD(r) n += load_relaxed(&r->xtracked_births);
    return n;
}

static int64_t net_new(void) {
    int64_t n = wane__tracked_alive() - load_relaxed(&xnet_then);
    return n > 0 ? n : 0;
}

/* Under the claim. */
static struct wane__findings collect_claimed(struct wane__record *r, int generation, bool full) {
    uint64_t cpu = wane__clock(CLOCK_THREAD_CPUTIME_ID), begin = wane__now();
    int64_t before = wane__tracked_alive();
    struct wane__findings f = wane__collect(r, generation, full);
    survivors = before - (int64_t)f.collected;
    wane_gc_stats *s = &xstats[generation];
    wane__tally(s->collected, f.collected);
    wane__tally(s->uncollectable, f.uncollectable);
    wane__tally(s->candidates, f.candidates);
    wane__tally(s->suspects, f.suspects);
    wane__tally(s->aborted, f.aborted ? 1 : 0);
    wane__tally(s->cpu_ns, wane__clock(CLOCK_THREAD_CPUTIME_ID) - cpu);
    store_relaxed(&xlast_end, wane__now());
    last_took = load_relaxed(&xlast_end) - begin;
    int64_t alive = wane__tracked_alive();
    store_relaxed(&xnet_then, alive);
    for (int g = 1; g <= generation; g++)
        store_relaxed(&xcount[g], 0u);
    if (generation < WANE__OLDEST)
        wane__tally(xcount[generation + 1], 1);
    else {
        long_lived = alive;
        wane__growth_restart();
        base_falls = true;
    }
    return f;
}

static bool over(unsigned count, int64_t threshold) { return threshold > 0 && (int64_t)count > threshold; }

/* The generation that is due by its thresholds, or -1. */
static int due_by_thresholds(void) {
    int64_t threshold0 = wane__option(threshold0), fresh = net_new();
    if (threshold0 == 0 || fresh < threshold0)
        return -1;
    int64_t pending = wane__tracked_alive() - long_lived;
    if (over(load_relaxed(&xcount[2]), wane__option(threshold2)) && pending > long_lived / 4)
        return 2;
    return over(load_relaxed(&xcount[1]), wane__option(threshold1)) ? 1 : 0;
}

static bool note_dirty(struct wane__page *page, void *arg) {
    int *oldest = arg;
    for (int age = WANE__OLDEST; age > *oldest && wane__page_is_tracked(page); age--) {
        if (load_relaxed(&wane__page_marks(page)->xdirty[age]) != 0)
            *oldest = age;
    }
    return *oldest < WANE__OLDEST;
}

int64_t wane__age_delay(void) {
    int64_t age = wane__option(candidate_age_ms) * 1000000, since = (int64_t)(wane__now() - load_relaxed(&xlast_end));
    if (age == 0 || !wane__gc_automatic())
        return -1;
    int oldest = -1;
    wane__collector_lock();
    wane__heap_walk_pages(note_dirty, &oldest);
    wane__collector_unlock();
    if (oldest < 0)
        return -1;
    return age - since > LEAST_DELAY_NS ? age - since : LEAST_DELAY_NS;
}

/* The oldest generation with candidates, when none was looked at for long and the time that it takes is earned. */
static int due_by_age(void) {
    uint64_t since = wane__now() - load_relaxed(&xlast_end), age = (uint64_t)wane__option(candidate_age_ms) * 1000000u;
    if (age == 0 || since < age || since * (uint64_t)wane__option(collector_cpu_percent) < last_took * 100)
        return -1;
    int oldest = -1;
    wane__collector_lock();
    wane__heap_walk_pages(note_dirty, &oldest);
    wane__collector_unlock();
    store_relaxed(&xlast_end, wane__now()); /* nothing found: not again for as long */
    return oldest;
}

/* What births may reach before they are held back: as much garbage as there are living, and some. */
static void set_limit(bool automatic) {
    int64_t threshold0 = wane__option(threshold0), room = 8 * threshold0;
    if (room < ROOM_LEAST)
        room = ROOM_LEAST;
    store_relaxed(&wane__xtracked_limit, automatic && threshold0 > 0 ? 2 * survivors + room : INT64_MAX);
}

/* What garbage held, and others own, dies after the collection: growth is measured from what is left then. */
static void lower_base(const struct wane__record *r) {
    wane__growth_lower();
    base_falls = wane__queue_length(&r->kept) > 0 || wane__dead_waiting() > 0;
}

bool wane__collect_if_due(struct wane__record *r) {
    bool automatic = wane__gc_automatic() && wane__fences_known();
    if (!claim(r->id))
        return false;
    set_limit(automatic);
    if (!automatic) {
        unclaim();
        return false;
    }
    if (base_falls)
        lower_base(r);
    int generation = wane__growth_due() ? WANE__OLDEST : due_by_thresholds();
    if (generation < 0)
        generation = due_by_age();
    if (generation >= 0) {
        wane__tally(xstats[generation].collections, 1);
        collect_claimed(r, generation, false);
        set_limit(true);
    }
    unclaim();
    return generation >= 0;
}

int wane__collect_now(struct wane__record *r, int generation, wane_gc_event *ret) {
    uint64_t begin = wane__now();
    while (!claim(r->id))
        wane__pause_briefly();
    bool full = generation > WANE__OLDEST, aborted = false;
    if (full)
        generation = WANE__OLDEST;
    memset(ret, 0, sizeof *ret);
    size_t found;
    unsigned passes = 0;
    uint64_t births;
    do { /* what hung on garbage may be garbage now */
        births = tracked_births();
        struct wane__findings f = collect_claimed(r, generation, full);
        found = f.collected;
        aborted = f.aborted;
        ret->collected += f.collected;
        ret->uncollectable += f.uncollectable;
        ret->candidates += f.candidates;
    } while (found > 0 && !aborted && generation == WANE__OLDEST &&
             (++passes < PASSES_MAX || births == tracked_births()));
    wane__tally(xstats[generation].collections, 1);
    unclaim();
    ret->phase = WANE_GC_STOP;
    ret->generation = full ? WANE_GC_FULL : generation;
    ret->duration_ns = wane__now() - begin;
    return aborted ? -ENOMEM : 0;
}

void wane__generations_count(unsigned ret[3]) {
    int64_t fresh = net_new();
    ret[0] = fresh > INT32_MAX ? INT32_MAX : (unsigned)fresh;
    ret[1] = load_relaxed(&xcount[1]);
    ret[2] = load_relaxed(&xcount[2]);
}

void wane__generations_stats(wane_gc_stats ret[3]) {
    memset(ret, 0, 3 * sizeof *ret);
    for (int g = 0; g < 3; g++) {
        ret[g].collections = load_relaxed(&xstats[g].collections);
        ret[g].collected = load_relaxed(&xstats[g].collected);
        ret[g].uncollectable = load_relaxed(&xstats[g].uncollectable);
        ret[g].candidates = load_relaxed(&xstats[g].candidates);
        ret[g].suspects = load_relaxed(&xstats[g].suspects);
        ret[g].aborted = load_relaxed(&xstats[g].aborted);
        ret[g].cpu_ns = load_relaxed(&xstats[g].cpu_ns);
    }
}

uint64_t wane__cycles_collected(void) {
    uint64_t n = 0;
    for (int g = 0; g < 3; g++)
        n += load_relaxed(&xstats[g].collected);
    return n;
}

void wane__automatic_set(bool enabled) {
    store_relaxed(&wane__xgc_disabled, !enabled);
    if (!enabled)
        store_relaxed(&wane__xtracked_limit, INT64_MAX);
    else
        wane__hurry(); /* the collector thread may be asleep while bytes have grown */
}
bool wane__automatic_enabled(void) { return !load_relaxed(&wane__xgc_disabled); }
void wane__automatic_pause(int by) {
    add_relaxed(&wane__xgc_paused, by);
    if (by > 0)
        store_relaxed(&wane__xtracked_limit, INT64_MAX);
    else
        wane__hurry();
}

void wane__generations_fork_child(const struct wane__record *self) {
    if (self == NULL || xclaim != self->id) {
        store_relaxed(&xclaim, 0u);
        xturn += xturn & 1;
    }
}
