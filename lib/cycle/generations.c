/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/generations.c: who collects, and in what pieces; the figures of the three generations.
 *
 * One collection at a time, by whoever has the claim: the collector thread when the policy (cycle/policy.h) says that one
 * is due, a thread that asks, or one that lends a moment (wane_gc_step). One that was begun in slices may be open while
 * nobody has the claim: whoever has it next finishes it first.
 *
 * The policy's lock is held for a few lines: transitions are made under the claim, but anybody may ask when something is
 * due. It is the lowest lock of this folder, and nothing else is taken under it.
 */
#include "cycle/generations.h"

#include <errno.h>
#include <string.h>

#include "base/lock.h"
#include "base/option.h"
#include "cycle/callbacks.h"
#include "cycle/collect.h"
#include "cycle/debug.h"
#include "cycle/phases.h"
#include "cycle/policy.h"
#include "cycle/share.h"
#include "life/apply.h"
#include "life/growth.h"
#include "os/clock.h"
#include "thread/event.h"
#include "thread/grace.h"
#include "thread/wake.h"

/* While others go on making garbage, passes do not end by themselves. */
#define PASSES_MAX 4
/* Parts of a young collection that are done without a look at other work. */
#define PARTS_MAX 4
/* As long the collector thread leaves a collection to whoever began it in slices. */
#define OPEN_DELAY_NS 10000000

/* The id of the thread that has the claim. It guards what follows, but for the x fields. */
static uint32_t xclaim;
static uint64_t slices_took, slices_cpu; /* of the collection or part that is open */
static struct wane__scope scope;         /* of it */
static int64_t bytes_before;             /* that lived when it, or its first part, began */
static int64_t bytes_freed;              /* by its parts */
static uint64_t event_since;             /* when the program was told that it, or the run of passes that it is of, began */
static bool base_falls;                  /* the deaths that the oldest generation's last collection caused are not over */
static uint64_t library_cpu;             /* that collections by the library's thread took */

/* A collection was begun, and nobody is at it; the library's thread left it so, which goes on when it has credit again. */
static bool xopen, xopen_in_library;

/* Who had the claim last looks at the heap, a piece at a time, and collects nothing. */
static bool xlooking;

static struct wane__mutex policy_lock = WANE__MUTEX(WANE__RANK_POLICY);
static struct wane__policy policy;
static int64_t xnet_then; /* of the policy, for who asks without the lock */
static unsigned xcount[3];
static wane_gc_stats xstats[3];

static bool claim(const struct wane__record *r) {
    uint32_t nobody = 0;
    if (!cas_acq_rel(&xclaim, &nobody, r->id)) /* [order:consumer] */
        return false;
    wane__tsan_acquire(&xclaim);
    store_relaxed(&xlooking, false);
    return true;
}

static void unclaim(void) {
    store_relaxed(&xopen_in_library, load_relaxed(&xclaim) == WANE__ID_COLLECTOR);
    store_relaxed(&xopen, wane__collection_is_open());
    wane__tsan_release(&xclaim);
    store_release(&xclaim, 0u); /* [order:consumer] */
    fence_seq_cst(); /* marks that were left, and what is open, before the look whether the thread sleeps */
    if (load_relaxed(&wane__xidle))
        wane__wake_idle();
}

static uint32_t xclaim_wanted; /* by so many, who wait */

static void wait_for_claim(const struct wane__record *r) {
    add_relaxed(&xclaim_wanted, 1u);
    while (!claim(r))
        wane__pause_briefly();
    sub_relaxed(&xclaim_wanted, 1u);
}

/* So long the library's thread waits for such a one: more than a piece takes. */
#define LOOKERS_NS 20000000

/* By who does without while somebody collects. Who looks at the heap again and again would have the claim each time. */
static bool claim_from_lookers(const struct wane__record *r, uint64_t deadline) {
    if (claim(r))
        return true;
    add_relaxed(&xclaim_wanted, 1u);
    bool got = false;
    while (load_relaxed(&xlooking) && !(got = claim(r)) && wane__now() < deadline)
        wane__pause_briefly();
    sub_relaxed(&xclaim_wanted, 1u);
    return got;
}

/* By who may come again at once, and is awake: who waits comes first. */
static void unclaim_for_others(void) {
    unclaim();
    wane__give_way(&xclaim_wanted);
}

static uint64_t tracked_births(void) {
    uint64_t n = 0;
    WANE__EACH_RECORD(r) n += load_relaxed(&r->births[1].xn);
    return n;
}

static int64_t tracked_alive(void) {
    int64_t n = wane__tracked_alive();
    return n > 0 ? n : 0;
}

/* Of a core, for what age alone starts. */
#define AGE_PERCENT 20

static unsigned age_percent(unsigned percent) { return percent < AGE_PERCENT ? percent : AGE_PERCENT; }

static struct wane__situation situation(void) {
    struct wane__situation s = {
        .now = wane__now(),
        .alive = tracked_alive(),
        .grown = wane__growth_due(),
        .automatic = wane__gc_automatic() && wane__fences_known(),
        .threshold = {wane__option(threshold0), wane__option(threshold1), wane__option(threshold2)},
        .age_ns = (uint64_t)wane__option(candidate_age_ms) * 1000000u,
        .cpu_percent = age_percent((unsigned)wane__option(collector_cpu_percent)),
    };
    for (unsigned mark = 0; mark < WANE__MARKS; mark++)
        s.marks |= load_relaxed(&wane__xmarked[mark]) != 0 ? 1u << mark : 0;
    return s;
}

/* After a transition: what others read without the lock. */
static void publish_locked(void) {
    store_relaxed(&xnet_then, policy.net_then);
    for (int g = 1; g < 3; g++)
        store_relaxed(&xcount[g], policy.count[g]);
}

/* All that a collection's end changes. Under the claim. */
static void account(const struct wane__findings *f) {
    struct wane__situation s = situation();
    wane_gc_stats *stats = &xstats[scope.generation];
    wane__tally(stats->collected, f->collected);
    wane__tally(stats->uncollectable, f->uncollectable);
    wane__tally(stats->candidates, f->candidates);
    wane__tally(stats->suspects, f->suspects);
    wane__tally(stats->aborted, f->aborted ? 1 : 0);
    wane__mutex_lock(&policy_lock);
    enum wane__over over = wane__policy_over(&policy, &s, f, slices_cpu, slices_took);
    publish_locked();
    wane__mutex_unlock(&policy_lock);
    bytes_freed += f->freed;
    bool judged = !scope.bounded || scope.cause != WANE__BY_AGE;
    if (over == WANE__OVER_ENDED && scope.generation == WANE__OLDEST && judged) {
        wane__growth_restart(bytes_before, bytes_freed);
        base_falls = true;
    }
}

/* The program is told, before a collection or after it: no object is pinned then. */
static void tell(struct wane__record *r, wane_gc_event *e) {
    if (e->phase == WANE_GC_START) {
        event_since = wane__now();
    } else {
        e->duration_ns = wane__now() - event_since;
        if (wane__phases_on())
            wane__phase("collection", event_since, "\"generation\":%d,\"candidates\":%zu,\"collected\":%zu,\"uncollectable\":%zu",
                        e->generation, e->candidates, e->collected, e->uncollectable);
    }
    wane__debug_event(e);
    wane__tell_event(r, e);
}

static int generation_of(const struct wane__scope *what) { return what->full ? WANE_GC_FULL : what->generation; }

/* Under the claim, as what follows. Who asks for several passes tells of all of them at once. */
static void begin(struct wane__record *r, const struct wane__scope *what) {
    if (what->cause != WANE__BY_REQUEST)
        tell(r, &(wane_gc_event){.phase = WANE_GC_START, .generation = generation_of(what)});
    struct wane__situation s = situation();
    scope = *what;
    slices_took = slices_cpu = 0;
    if (!what->goes_on) {
        bytes_before = wane__bytes_alive();
        bytes_freed = 0;
        if (what->cause != WANE__BY_REQUEST)
            wane__tally(xstats[what->generation].collections, 1);
    }
    wane__mutex_lock(&policy_lock);
    wane__policy_began(&policy, &s, what);
    wane__mutex_unlock(&policy_lock);
    wane__collection_begin(what);
}

/* Goes on with the open collection until the deadline; 0: to its end. True: it has ended, and is accounted for. */
static bool go_on(struct wane__record *r, uint64_t deadline, struct wane__findings *ret) {
    uint64_t cpu = wane__clock(CLOCK_THREAD_CPUTIME_ID), since = wane__now();
    bool ended = wane__collection_go_on(r, deadline, ret);
    cpu = wane__clock(CLOCK_THREAD_CPUTIME_ID) - cpu;
    wane__tally(xstats[scope.generation].cpu_ns, cpu);
    slices_cpu += cpu;
    if (r->id == WANE__ID_COLLECTOR)
        library_cpu += cpu;
    slices_took += wane__now() - since;
    if (!ended)
        return false;
    account(ret);
    if (scope.cause != WANE__BY_REQUEST)
        tell(r, &(wane_gc_event){.phase = WANE_GC_STOP,
                                 .generation = generation_of(&scope),
                                 .collected = ret->collected,
                                 .uncollectable = ret->uncollectable,
                                 .candidates = ret->candidates});
    return true;
}

/* In builds with full checks: nothing that is garbage may be out of reach of the collections to come. */
static void run_oracle(struct wane__record *r) {
    struct wane__findings unused;
    if (!wane__oracle_is_due())
        return;
    wane__collection_begin(&(struct wane__scope){.generation = WANE__OLDEST, .full = true, .trial = true});
    wane__collection_go_on(r, 0, &unused);
}

/* What is open, if anything is. False: the time is up. */
static bool go_on_with_open(struct wane__record *r, uint64_t deadline) {
    struct wane__findings unused;
    return !wane__collection_is_open() || go_on(r, deadline, &unused);
}

/* What somebody began in slices, or had decided when the process was forked. */
static void finish_open(struct wane__record *r) { go_on_with_open(r, 0); }

/* deadline 0: to the end. False: it is left open. */
static bool collect_until(struct wane__record *r, const struct wane__scope *what, uint64_t deadline, struct wane__findings *ret) {
    begin(r, what);
    bool ended = go_on(r, deadline, ret);
    if (ended)
        run_oracle(r);
    return ended;
}

/* What garbage held, and others own, dies after the collection: growth is measured from what is left then. */
static void lower_base(const struct wane__record *r) {
    wane__growth_lower();
    base_falls = wane__queue_length(&r->kept) > 0 || wane__dead_waiting() > 0;
}

/* Births are held back for the sake of the thread that asks this again and again. */
static bool next_due(struct wane__scope *ret) {
    struct wane__situation s = situation();
    wane__mutex_lock(&policy_lock);
    bool due = wane__policy_due(&policy, &s, ret);
    publish_locked();
    store_relaxed(&wane__xtracked_limit, wane__policy_limit(&policy, &s));
    wane__mutex_unlock(&policy_lock);
    return due;
}

/* Between two looks at what the collector thread has used, where it may not use a whole core. */
#define SHARE_SLICE_NS 2000000

/* Until when it may go on with collections; 0: to their end. False: it has used its share. Under the claim. */
static bool has_share(uint64_t *ret_deadline) {
    static struct wane__share share; /* the collector thread's */
    unsigned percent = (unsigned)wane__option(collector_cpu_percent);
    *ret_deadline = 0;
    if (percent >= 100)
        return true;
    uint64_t now = wane__now(), cpu = wane__clock(CLOCK_THREAD_CPUTIME_ID);
    uint64_t left = wane__share_left(&share, now, cpu, library_cpu, percent);
    if (left == 0) /* no birth waits for a collection that does not come */
        store_relaxed(&wane__xtracked_limit, INT64_MAX);
    *ret_deadline = now + (left < SHARE_SLICE_NS ? left : SHARE_SLICE_NS);
    return left > 0;
}

bool wane__collect_if_due(struct wane__record *r) {
    struct wane__scope what;
    struct wane__findings unused;
    uint64_t deadline;
    if (!claim_from_lookers(r, wane__now() + LOOKERS_NS))
        return false;
    bool did = false, more = has_share(&deadline);
    if (more && !go_on_with_open(r, deadline)) {
        did = true;
        more = false;
    }
    if (base_falls)
        lower_base(r);
    for (unsigned part = 0; more && part < PARTS_MAX && next_due(&what) && (part == 0 || what.goes_on); part++) {
        more = collect_until(r, &what, deadline, &unused);
        did = true;
    }
    unclaim();
    return did;
}

/* The open collection, or one that is begun, as far as the time goes. */
static void slice(struct wane__record *r, uint64_t deadline, struct wane__findings *ret) {
    if (go_on(r, deadline, ret))
        run_oracle(r);
}

static bool next_of_step(enum wane__eagerness eagerness, struct wane__scope *ret) {
    struct wane__situation s = situation();
    wane__mutex_lock(&policy_lock);
    bool found = wane__policy_step(&policy, &s, eagerness, ret);
    wane__mutex_unlock(&policy_lock);
    return found;
}

int wane__collect_slice(struct wane__record *r, uint64_t deadline, enum wane__eagerness eagerness) {
    struct wane__scope what;
    struct wane__findings f = {0};
    if (!claim_from_lookers(r, deadline))
        return 0;
    bool open = wane__collection_is_open(), did = open;
    if (!open && next_of_step(eagerness, &what)) {
        begin(r, &what);
        did = open = true;
    }
    if (open)
        slice(r, deadline, &f);
    unclaim();
    return f.aborted ? -ENOMEM : did;
}

bool wane__collector_claim(struct wane__record *r) {
    if (load_relaxed(&xclaim) == r->id)
        return false;
    wait_for_claim(r);
    if (r->callbacks == 0) /* else what is open stays so */
        finish_open(r);
    store_relaxed(&xlooking, true);
    return true;
}

void wane__collector_unclaim(bool claimed) {
    if (claimed)
        unclaim_for_others();
}

bool wane__collection_unfinished(void) { return load_relaxed(&xopen) && !load_relaxed(&xopen_in_library); }

bool wane__collect_rest(struct wane__record *r, uint64_t deadline) {
    struct wane__findings unused;
    if (!load_relaxed(&xopen) || !claim(r))
        return true;
    bool ended = !wane__collection_is_open() || go_on(r, deadline, &unused);
    unclaim();
    return ended;
}

int wane__collect_now(struct wane__record *r, int generation, wane_gc_event *ret) {
    wait_for_claim(r);
    finish_open(r);
    struct wane__scope what = {.generation = generation, .full = generation > WANE__OLDEST};
    if (what.full)
        what.generation = WANE__OLDEST;
    tell(r, &(wane_gc_event){.phase = WANE_GC_START, .generation = generation});
    *ret = (wane_gc_event){.phase = WANE_GC_STOP, .generation = generation};
    struct wane__findings f;
    unsigned passes = 0;
    uint64_t births;
    do { /* what hung on garbage may be garbage now */
        births = tracked_births();
        collect_until(r, &what, 0, &f);
        ret->collected += f.collected;
        ret->uncollectable += f.uncollectable;
        ret->candidates += f.candidates;
        wane__settle_all(r, r, &r->kept, true, true); /* what those held may be garbage after this */
    } while (f.collected > 0 && !f.aborted && what.generation == WANE__OLDEST &&
             (++passes < PASSES_MAX || births == tracked_births()));
    wane__tally(xstats[what.generation].collections, 1);
    tell(r, ret);
    unclaim_for_others();
    return f.aborted ? -ENOMEM : 0;
}

static int64_t delay(bool idle) {
    if (load_relaxed(&xopen))
        return OPEN_DELAY_NS;
    struct wane__situation s = situation();
    wane__mutex_lock(&policy_lock);
    int64_t ns = wane__policy_wait(&policy, &s, idle);
    wane__mutex_unlock(&policy_lock);
    return ns;
}

int64_t wane__age_delay(void) { return delay(false); }
int64_t wane__idle_delay(void) { return delay(true); }

bool wane__idle_now(void) {
    struct wane__situation s = situation();
    wane__mutex_lock(&policy_lock);
    bool now = wane__policy_idle_now(&policy, &s);
    wane__mutex_unlock(&policy_lock);
    return now;
}

bool wane__growth_calls(void) {
    if (!wane__growth_due())
        return false;
    struct wane__situation s = situation();
    wane__mutex_lock(&policy_lock);
    bool calls = wane__policy_grown(&policy, &s);
    wane__mutex_unlock(&policy_lock);
    return calls;
}

int64_t wane__step_delay(bool *ret_waits) {
    *ret_waits = load_acquire(&xclaim) != 0; /* [order:consumer] */
    if (*ret_waits)
        return -1;
    if (load_relaxed(&xopen))
        return 0;
    struct wane__situation s = situation();
    wane__mutex_lock(&policy_lock);
    int64_t ns = wane__policy_step_wait(&policy, &s);
    wane__mutex_unlock(&policy_lock);
    return ns;
}

void wane__generations_reset(void) {
    wane__mutex_lock(&policy_lock);
    wane__policy_reset(&policy);
    wane__mutex_unlock(&policy_lock);
}

void wane__generations_count(unsigned ret[3]) {
    int64_t fresh = tracked_alive() - load_relaxed(&xnet_then);
    ret[0] = fresh > INT32_MAX ? INT32_MAX : fresh > 0 ? (unsigned)fresh : 0;
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

/* Whoever sleeps, while bytes have grown perhaps. */
static void look_again(void) {
    wane__hurry();
    wane__event_raise();
}

void wane__automatic_set(bool enabled) {
    store_relaxed(&wane__xgc_disabled, !enabled);
    if (!enabled)
        store_relaxed(&wane__xtracked_limit, INT64_MAX);
    else
        look_again();
}
bool wane__automatic_enabled(void) { return !load_relaxed(&wane__xgc_disabled); }

void wane__automatic_pause(void) {
    add_relaxed(&wane__xgc_paused, 1);
    store_relaxed(&wane__xtracked_limit, INT64_MAX);
}

/* One too many does nothing: the next pause must be one. */
void wane__automatic_resume(void) {
    int paused = load_relaxed(&wane__xgc_paused);
    while (paused > 0 && !cas_relaxed(&wane__xgc_paused, &paused, paused - 1)) {
    }
    look_again();
}

void wane__generations_fork_prepare(void) { wane__mutex_lock(&policy_lock); }
void wane__generations_fork_parent(void) { wane__mutex_unlock(&policy_lock); }

void wane__generations_fork_child(const struct wane__record *self) {
    wane__mutex_unlock(&policy_lock);
    store_relaxed(&xclaim_wanted, 0u);
    if (self == NULL || xclaim != self->id) {
        store_relaxed(&xclaim, 0u);
        xopen = wane__collection_is_open();
        if (!xopen) /* undone, over, or not yet begun: what died of it is left to others */
            wane__wave_collection_end();
    }
}
