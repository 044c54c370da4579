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
 *
 * A program that makes no cycles should not pay for them: after a collection that starts by threshold0 and frees next to
 * nothing of what it looked at, the next one waits for twice as many new objects, up to a bound well below the one at
 * which births are held back (set_limit). One that frees more, whoever asked for it, brings threshold0 back.
 */
#include "cycle/generations.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/option.h"
#include "cycle/collect.h"
#include "life/apply.h"
#include "life/flushing.h"
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
static uint64_t xlast_took, xlast_end; /* the last collection */
static uint64_t xlast_look;  /* for candidates that are due by age, when none was */
static uint64_t slices_took, slices_cpu; /* of the collection that is open */
static struct wane__scope rest;  /* of the last collection in parts: it goes first */
static int64_t alive_before; /* tracked objects when it, or its first part, began */
static size_t found_so_far;  /* by its parts */
static int64_t bytes_before;   /* the same of bytes */
static struct wane__scope scope; /* of it */
static uint64_t xlooked[WANE__DIRTY_LEFT + 1]; /* when the candidates of each dirty mark were last looked at */
/* CPU time of that, if they were the oldest and next to nothing was found; for those left over, whatever was. Else 0. */
static uint64_t xlooked_took[WANE__DIRTY_LEFT + 1];
static unsigned oldest_n;    /* collections of the oldest generation that came of themselves */
static unsigned xbackoff;    /* collections in a row that were due by thresholds and freed next to nothing */
static size_t looked_at, freed; /* by the collection that runs in parts, so far */
static wane_gc_stats xstats[3];

/* Parts of a young collection that are done without a look at other work. */
#define PARTS_MAX 4

/* Tracked objects that may always be made before anybody is held back. */
#define ROOM_LEAST 500000
#define LEAST_DELAY_NS 10000000
#define IDLE_GAP_LEAST_NS 200000000
/* Next to nothing: less than one of so many candidates. */
#define WORTH_ONE_OF 32
#define BACKOFF_MAX 8
/* What bounded collections left is looked at after so many times the age of other candidates. */
#define LEFT_AGES 10

/* Odd while somebody has the claim. */
static uint32_t xturn;

/* A collection was begun, and nobody is at it. */
static bool xopen;

static bool claim(const struct wane__record *r) {
    uint32_t nobody = 0;
    if (wane__flushing_holds(r) || !cas_acq_rel(&xclaim, &nobody, r->id)) /* [order:consumer] */
        return false;
    store_relaxed(&xturn, xturn + 1);
    wane__tsan_acquire(&xclaim);
    return true;
}

static void unclaim(void) {
    store_relaxed(&xopen, wane__collection_is_open());
    wane__tsan_release(&xclaim);
    store_release(&xturn, xturn + 1); /* [order:applying] */
    store_release(&xclaim, 0u); /* [order:consumer] */
    fence_seq_cst(); /* marks that were left, and what is open, before the look whether the thread sleeps */
    if (load_relaxed(&wane__xidle))
        wane__wake_idle();
}

uint32_t wane__collection_turn(void) {
    uint32_t turn = load_acquire(&xturn); /* [order:applying] */
    wane__tsan_acquire(&xclaim);
    return turn;
}

static uint64_t tracked_births(void) {
    uint64_t n = 0;
    WANE__EACH_RECORD(r) n += load_relaxed(&r->births[1].xn);
    return n;
}

static int64_t net_new(void) {
    int64_t n = wane__tracked_alive() - load_relaxed(&xnet_then);
    return n > 0 ? n : 0;
}

/* All that a collection's end changes. Under the claim. */
static void account(const struct wane__findings *f) {
    int generation = scope.generation;
    uint64_t now = wane__now();
    int64_t alive = wane__tracked_alive();
    wane_gc_stats *s = &xstats[generation];
    wane__tally(s->collected, f->collected);
    wane__tally(s->uncollectable, f->uncollectable);
    wane__tally(s->candidates, f->candidates);
    wane__tally(s->suspects, f->suspects);
    wane__tally(s->aborted, f->aborted ? 1 : 0);
    store_relaxed(&xlast_took, slices_took);
    store_relaxed(&xlast_end, now);
    found_so_far += f->collected;
    if (f->rest || f->aborted) /* an aborted one looked at nothing */
        return;
    survivors = alive_before - (int64_t)found_so_far;
    for (int g = 0; g <= generation; g++)
        store_relaxed(&xlooked[g], now);
    if (generation == WANE__OLDEST)
        store_relaxed(&xlooked_took[generation], found_so_far * WORTH_ONE_OF < f->candidates ? slices_cpu : 0);
    store_relaxed(&xnet_then, survivors < alive ? survivors : alive); /* what was born meanwhile is new */
    if (scope.bounded)
        return;
    for (int g = 1; g <= generation; g++)
        store_relaxed(&xcount[g], 0u);
    if (generation < WANE__OLDEST) {
        wane__tally(xcount[generation + 1], 1);
        return;
    }
    store_relaxed(&xlooked[WANE__DIRTY_LEFT], now);
    store_relaxed(&xlooked_took[WANE__DIRTY_LEFT], slices_cpu);
    long_lived = alive;
    wane__growth_restart(bytes_before, f->freed);
    base_falls = true;
}

/* Under the claim, as what follows. */
static void begin(const struct wane__scope *what) {
    scope = *what;
    slices_took = slices_cpu = 0;
    if (!rest.part) {
        alive_before = wane__tracked_alive();
        found_so_far = 0;
        bytes_before = wane__bytes_alive();
    }
    wane__collection_begin(what);
}

/* Goes on with the open collection until the deadline; 0: to its end. True: it has ended, and is accounted for. */
static bool go_on(struct wane__record *r, uint64_t deadline, struct wane__findings *ret) {
    uint64_t cpu = wane__clock(CLOCK_THREAD_CPUTIME_ID), since = wane__now();
    bool ended = wane__collection_go_on(r, deadline, ret);
    cpu = wane__clock(CLOCK_THREAD_CPUTIME_ID) - cpu;
    wane__tally(xstats[scope.generation].cpu_ns, cpu);
    slices_cpu += cpu;
    slices_took += wane__now() - since;
    if (ended && !scope.trial)
        account(ret);
    return ended;
}

/* In builds with full checks: nothing that is garbage may be out of reach of the collections to come. */
static void run_oracle(struct wane__record *r) {
    struct wane__findings unused;
    if (!wane__oracle_is_due())
        return;
    wane__collection_begin(&(struct wane__scope){.generation = WANE__OLDEST, .full = true, .trial = true});
    wane__collection_go_on(r, 0, &unused);
}

/* What somebody began in slices, or had decided when the process was forked. */
static void finish_open(struct wane__record *r) {
    struct wane__findings unused;
    if (wane__collection_is_open())
        go_on(r, 0, &unused);
}

static struct wane__findings collect_claimed(struct wane__record *r, const struct wane__scope *what) {
    struct wane__findings f;
    begin(what);
    go_on(r, 0, &f);
    run_oracle(r);
    return f;
}

/* What births may reach above twice the survivors before they are held back. */
static int64_t room(int64_t threshold0) { return 8 * threshold0 > ROOM_LEAST ? 8 * threshold0 : ROOM_LEAST; }

/* threshold0 as it is after collections in vain: at most a quarter of what may gather until births are held back. */
static int64_t patient(int64_t threshold0) {
    int64_t most = (room(threshold0) + survivors) / 4, t = threshold0 << load_relaxed(&xbackoff);
    return t < most ? t : most > threshold0 ? most : threshold0;
}

static void note_findings(const struct wane__findings *f) {
    looked_at += f->candidates;
    freed += f->collected + f->uncollectable;
}

/* At the end of a collection; due: by thresholds. */
static void note_worth(bool due) {
    if (freed > looked_at / WORTH_ONE_OF)
        store_relaxed(&xbackoff, 0u);
    else if (due && load_relaxed(&xbackoff) < BACKOFF_MAX)
        store_relaxed(&xbackoff, load_relaxed(&xbackoff) + 1);
    looked_at = freed = 0;
}

void wane__generations_reset(void) { store_relaxed(&xbackoff, 0u); }

static bool over(unsigned count, int64_t threshold) { return threshold > 0 && (int64_t)count > threshold; }

/* Now and then a full collection instead of one of the oldest generation: a safety net. */
#define FULL_ONCE_IN 8

/* What died of itself since the last collection must not be made once more before anything is new. */
static void lower_counts(void) {
    int64_t alive = wane__tracked_alive();
    if (alive < load_relaxed(&xnet_then))
        store_relaxed(&xnet_then, alive);
    if (alive < long_lived)
        long_lived = alive;
}

/* Whether a generation is due by its thresholds. */
static bool due_by_thresholds(struct wane__scope *ret) {
    int64_t threshold0 = wane__option(threshold0), fresh = net_new();
    *ret = (struct wane__scope){0};
    if (threshold0 == 0 || fresh < patient(threshold0))
        return false;
    int64_t pending = wane__tracked_alive() - long_lived;
    if (over(load_relaxed(&xcount[2]), wane__option(threshold2)) && pending > long_lived / 4) {
        ret->generation = WANE__OLDEST;
        ret->full = ++oldest_n % FULL_ONCE_IN == 0;
    } else if (over(load_relaxed(&xcount[1]), wane__option(threshold1))) {
        ret->generation = 1;
    }
    ret->due = true;
    return true;
}

static bool due_by_growth(struct wane__scope *ret) {
    *ret = (struct wane__scope){.generation = WANE__OLDEST};
    return wane__growth_due();
}

/* A bit for each dirty mark that a page has. */
static bool note_dirty(struct wane__page *page, void *arg) {
    unsigned *marks = arg;
    for (int mark = 0; mark <= WANE__DIRTY_LEFT && wane__page_is_tracked(page); mark++) {
        if (load_relaxed(&wane__page_marks(page)->xdirty[mark]) != 0)
            *marks |= 1u << mark;
    }
    return *marks != (2u << WANE__DIRTY_LEFT) - 1;
}

static unsigned dirty_marks(void) {
    unsigned marks = 0;
    wane__collector_lock();
    wane__heap_walk_pages(note_dirty, &marks);
    wane__collector_unlock();
    return marks;
}

/*
 * How long after the last look at candidates with that mark the next is due. What was left over needs a look at all that
 * it reaches, and threads that only read make candidates of all that they read: what finds nothing costs the collector no
 * more than a hundredth of its time.
 */
static uint64_t interval(int mark) {
    uint64_t age = (uint64_t)wane__option(candidate_age_ms) * 1000000u;
    uint64_t took = load_relaxed(&xlooked_took[mark]);
    if (mark == WANE__DIRTY_LEFT)
        age *= LEFT_AGES;
    return age > took * 100 ? age : took * 100;
}

static bool ages(void) {
    return wane__option(candidate_age_ms) != 0 && wane__gc_automatic();
}

/* When candidates with that mark are due. */
static uint64_t due_at(int mark, uint64_t now) {
    uint64_t looked = load_relaxed(&xlooked[mark]);
    if (looked == 0) /* never: as if they were new */
        store_relaxed(&xlooked[mark], looked = now);
    return looked + interval(mark);
}

/* Not so often that looking for marks takes long, and as the collector's share of the time allows. */
static uint64_t next_look(void) {
    uint64_t look = load_relaxed(&xlast_look) + interval(0) / 8 + LEAST_DELAY_NS;
    uint64_t earned = load_relaxed(&xlast_end) +
                      load_relaxed(&xlast_took) * 100 / (uint64_t)wane__option(collector_cpu_percent);
    return look > earned ? look : earned;
}

int64_t wane__age_delay(void) {
    if (load_relaxed(&xopen))
        return LEAST_DELAY_NS;
    if (!ages())
        return -1;
    uint64_t now = wane__now(), first = UINT64_MAX, look = next_look();
    unsigned marks = dirty_marks();
    for (int mark = 0; mark <= WANE__DIRTY_LEFT; mark++) {
        if ((marks & 1u << mark) != 0 && due_at(mark, now) < first)
            first = due_at(mark, now);
    }
    if (first == UINT64_MAX)
        return -1;
    if (first < look)
        first = look;
    return first > now + LEAST_DELAY_NS ? (int64_t)(first - now) : LEAST_DELAY_NS;
}

/*
 * A process that becomes idle has its candidates looked at soon, all of them, and not some seconds later: so that after that nothing
 * wakes it. No more often than a hundredth of the time allows, and ever more rarely while nothing is found: a process
 * that reads now and then makes new candidates each time.
 */
static bool idle_is_due; /* the collector thread, as idle_gap */
static uint64_t idle_gap = IDLE_GAP_LEAST_NS;
static uint64_t last_idle;

int64_t wane__idle_delay(void) {
    int64_t delay = wane__age_delay();
    if (delay < 0 || load_relaxed(&xopen))
        return delay;
    uint64_t now = wane__now(), took = load_relaxed(&xlast_took);
    if (took < load_relaxed(&xlooked_took[WANE__DIRTY_LEFT]))
        took = load_relaxed(&xlooked_took[WANE__DIRTY_LEFT]);
    uint64_t first = load_relaxed(&xlast_end) + took * 100;
    if (first < last_idle + idle_gap)
        first = last_idle + idle_gap;
    if (now >= first) {
        idle_is_due = true;
        return 0;
    }
    return first - now < (uint64_t)delay ? (int64_t)(first - now) : delay;
}

bool wane__idle_now(void) {
    if (wane__age_delay() < 0)
        return false;
    idle_is_due = true;
    return true;
}

/* Under the claim, as what it asks for. */
static bool due_by_idleness(struct wane__scope *ret) {
    if (!idle_is_due)
        return false;
    idle_is_due = false;
    last_idle = wane__now();
    *ret = (struct wane__scope){.generation = WANE__OLDEST, .idle = true};
    return ages();
}

static void note_idle(size_t found) {
    idle_gap = found > 0 ? IDLE_GAP_LEAST_NS : idle_gap * 4;
    if (idle_gap > interval(0))
        idle_gap = interval(0);
}

/* The oldest candidates that nobody has looked at for long. */
static bool due_by_age(struct wane__scope *ret) {
    uint64_t now = wane__now();
    if (!ages() || now < next_look())
        return false;
    store_relaxed(&xlast_look, now);
    unsigned marks = dirty_marks();
    for (int mark = WANE__DIRTY_LEFT; mark >= 0; mark--) {
        if ((marks & 1u << mark) == 0 || now < due_at(mark, now))
            continue;
        *ret = (struct wane__scope){.generation = mark < WANE__OLDEST ? mark : WANE__OLDEST, .bounded = mark == WANE__OLDEST};
        return true;
    }
    return false;
}

/* What births may reach before they are held back: as much garbage as there are living, and some. */
static void set_limit(bool automatic) {
    int64_t threshold0 = wane__option(threshold0);
    store_relaxed(&wane__xtracked_limit, automatic && threshold0 > 0 ? 2 * survivors + room(threshold0) : INT64_MAX);
}

/* What garbage held, and others own, dies after the collection: growth is measured from what is left then. */
static void lower_base(const struct wane__record *r) {
    wane__growth_lower();
    base_falls = wane__queue_length(&r->kept) > 0 || wane__dead_waiting() > 0;
}

static bool rest_due(struct wane__scope *ret) {
    *ret = rest;
    return rest.part;
}

/* A young collection, a part at a time: what a part finds is freed before the next one begins. */
static void collect_in_parts(struct wane__record *r, struct wane__scope *what) {
    static bool by_thresholds; /* of the collection whose parts they are */
    if (!rest.part) {
        by_thresholds = what->due;
        wane__tally(xstats[what->generation].collections, 1);
    }
    what->part = what->generation < WANE__OLDEST;
    bool more = true;
    for (unsigned part = 0; part < PARTS_MAX && more; part++) {
        struct wane__findings f = collect_claimed(r, what);
        note_findings(&f);
        more = f.rest;
        rest = *what;
        rest.part = more;
        set_limit(true);
    }
    if (!more)
        note_worth(by_thresholds);
}

bool wane__collect_if_due(struct wane__record *r) {
    bool automatic = wane__gc_automatic() && wane__fences_known();
    if (!claim(r))
        return false;
    finish_open(r);
    set_limit(automatic);
    if (!automatic) {
        unclaim();
        return false;
    }
    if (base_falls)
        lower_base(r);
    lower_counts();
    struct wane__scope what;
    bool due = rest_due(&what) || due_by_growth(&what) || due_by_thresholds(&what) || due_by_idleness(&what) ||
               due_by_age(&what);
    if (due)
        collect_in_parts(r, &what);
    if (what.idle)
        note_idle(found_so_far);
    unclaim();
    return due;
}

/* What a step takes up when no collection is open: what is due, or else the youngest candidates that there are. */
static bool next_scope(struct wane__scope *ret) {
    if (due_by_growth(ret) || due_by_thresholds(ret))
        return true;
    unsigned marks = dirty_marks();
    if (marks == 0)
        return false;
    int mark = __builtin_ctz(marks);
    *ret = (struct wane__scope){.generation = mark < WANE__OLDEST ? mark : WANE__OLDEST};
    return true;
}

int wane__collect_slice(struct wane__record *r, uint64_t deadline) {
    if (!claim(r))
        return 0;
    struct wane__scope what;
    struct wane__findings f = {0};
    bool more = wane__collection_is_open();
    if (!more && next_scope(&what)) {
        wane__tally(xstats[what.generation].collections, 1);
        begin(&what);
        more = true;
    }
    if (more && go_on(r, deadline, &f)) {
        run_oracle(r);
        more = dirty_marks() != 0;
    }
    unclaim();
    return f.aborted ? -ENOMEM : more;
}

bool wane__collection_unfinished(void) { return load_relaxed(&xopen); }

bool wane__collect_rest(struct wane__record *r, uint64_t deadline) {
    struct wane__findings unused;
    if (!load_relaxed(&xopen) || !claim(r))
        return true;
    bool ended = !wane__collection_is_open() || go_on(r, deadline, &unused);
    unclaim();
    return ended;
}

int wane__collect_now(struct wane__record *r, int generation, wane_gc_event *ret) {
    uint64_t since = wane__now();
    while (!claim(r))
        wane__pause_briefly();
    finish_open(r);
    struct wane__scope what = {.generation = generation, .full = generation > WANE__OLDEST};
    if (what.full)
        what.generation = WANE__OLDEST;
    memset(ret, 0, sizeof *ret);
    struct wane__findings f;
    unsigned passes = 0;
    uint64_t births;
    do { /* what hung on garbage may be garbage now */
        births = tracked_births();
        f = collect_claimed(r, &what);
        note_findings(&f);
        ret->collected += f.collected;
        ret->uncollectable += f.uncollectable;
        ret->candidates += f.candidates;
        wane__settle_all(r, &r->kept, true, true); /* what those held may be garbage after this */
    } while (f.collected > 0 && !f.aborted && what.generation == WANE__OLDEST &&
             (++passes < PASSES_MAX || births == tracked_births()));
    note_worth(false);
    if (ret->collected > 0) /* the last pass alone found nothing */
        store_relaxed(&xlooked_took[WANE__OLDEST], (uint64_t)0);
    wane__tally(xstats[what.generation].collections, 1);
    unclaim();
    ret->phase = WANE_GC_STOP;
    ret->generation = generation;
    ret->duration_ns = wane__now() - since;
    return f.aborted ? -ENOMEM : 0;
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
        xopen = wane__collection_is_open();
    }
}
