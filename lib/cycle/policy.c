/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/policy.c: see policy.h.
 *
 * Triggers. Generation 0 is due when threshold0 tracked objects were made more than died since the last collection: not
 * for candidates, of which a server that only reads makes many. Generations 1 and 2 are due after so many collections of
 * the one below; one that looked at several times what makes a collection due counts as several. Generation 2 also waits
 * until a quarter as many objects as it has seen are new to it. It is due as well when bytes have grown (life/growth.h):
 * untracked objects and external memory that hang on garbage count there. Candidates that nothing else collects are due
 * after candidate_age_ms, as far as collector_cpu_percent allows.
 *
 * A program that makes no cycles should not pay for them: after a collection that starts by threshold0 and frees next to
 * nothing of what it looked at, the next one waits for twice as many new objects, up to a bound well below the one at
 * which births are held back. One that frees more, whoever asked for it, brings threshold0 back.
 *
 * No generation starves. Mutators may make young garbage as fast as it is collected, so a collection in parts ends when
 * it has looked at as many candidates as there were new objects when it began, and then counts for the older generations.
 * Between two parts growth and the age of older candidates come first. Each part begins to walk where the one before
 * stopped (roots.c), so each page has its turn.
 *
 * What that bounds. Let L be the objects that must live, b the bytes that they and what hangs on them take, B those that
 * lived when generation 2 was collected last less what it freed: B <= b + what died since that collection began. With
 * heap_growth_percent = g, live bytes do not exceed
 *
 *     B + max(32 MiB, B g / 100)                               before growth makes generation 2 due,
 *     + the births of one part, at whose end that is seen,     and
 *     + the births of that collection, which end with it, since it looks at what was there when it began.
 *
 * The births in the last two lines are bounded too. Above 2 s + max(8 threshold0, 250,000) tracked objects, s those that
 * survived the last collection, each thread waits before it makes another page of tracked objects, for stall_limit_us at
 * most, and the collector works meanwhile. Usually far less lives: generation 2 is due after about threshold0 threshold1
 * threshold2 births, and what is young and dead is at most a few times that, whatever its size.
 *
 * Want of memory. What a collection cannot get it will not get a moment later. So there is a pause, longer after each
 * failure, and what failed is tried with less ambition: bounded, then in parts, then in smaller parts, which need
 * tables in proportion to their candidates. Each success takes one step back. Younger generations than the one that
 * failed go on as ever.
 */
#include "cycle/policy.h"

/* Candidates of a part: as many as fit a processor's own cache with their tables. */
#define PART 16384
/* Tracked objects that may always be made before anybody is held back. */
#define ROOM_LEAST 250000
#define LEAST_DELAY_NS 10000000
#define IDLE_GAP_LEAST_NS 200000000
/* Next to nothing: less than one of so many candidates. */
#define WORTH_ONE_OF 32
#define BACKOFF_MAX 8
/* What bounded collections left is looked at after so many times the age of other candidates. */
#define LEFT_AGES 10
/* Looks that find next to nothing take no more than one of so many parts of the time. */
#define VAIN_SHARE 100
/* Now and then a full collection instead of one of the oldest generation: a safety net. */
#define FULL_ONCE_IN 8
/* After the first failure, then twice as long each time. */
#define RETRY_LEAST_NS 100000000
#define RETRY_MOST_NS ((uint64_t)10000000000)
#define FAILURES_MAX 7
#define PART_LEAST 64

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }
static int generation_of(unsigned mark) { return mark < WANE__OLDEST ? (int)mark : WANE__OLDEST; }

/* Before that time no collection of the generation begins by itself. */
static uint64_t not_before(const struct wane__policy *p, int generation) {
    return p->failures > 0 && generation >= p->failed_generation ? p->retry : 0;
}

static bool may_try(const struct wane__policy *p, const struct wane__situation *s, int generation) {
    return s->now >= not_before(p, generation);
}

/* What births may reach above twice the survivors before they are held back. */
static int64_t room(int64_t threshold0) { return 8 * threshold0 > ROOM_LEAST ? 8 * threshold0 : ROOM_LEAST; }

/* threshold0 as it is after collections in vain: at most a quarter of what may gather until births are held back. */
static int64_t patient(const struct wane__policy *p, int64_t threshold0) {
    int64_t most = (room(threshold0) + p->survivors) / 4, t = threshold0 << p->backoff;
    return t < most ? t : most > threshold0 ? most : threshold0;
}

int64_t wane__policy_fresh(const struct wane__policy *p, const struct wane__situation *s) {
    return s->alive > p->net_then ? s->alive - p->net_then : 0;
}

int64_t wane__policy_limit(const struct wane__policy *p, const struct wane__situation *s) {
    int64_t threshold0 = s->threshold[0];
    if (!s->automatic || threshold0 == 0 || !may_try(p, s, 0))
        return INT64_MAX;
    return 2 * p->survivors + room(threshold0);
}

void wane__policy_reset(struct wane__policy *p) { p->backoff = 0; }

/* What died of itself since the last collection must not be made once more before anything is new. */
static void lower_counts(struct wane__policy *p, const struct wane__situation *s) {
    p->net_then = least(p->net_then, s->alive);
    p->long_lived = least(p->long_lived, s->alive);
}

bool wane__policy_grown(const struct wane__policy *p, const struct wane__situation *s) {
    return s->grown && s->automatic && may_try(p, s, WANE__OLDEST);
}

static bool by_growth(const struct wane__policy *p, const struct wane__situation *s, struct wane__scope *ret) {
    *ret = (struct wane__scope){.generation = WANE__OLDEST, .cause = WANE__BY_GROWTH};
    return wane__policy_grown(p, s);
}

/*
 * How long after the last look at candidates with that mark the next is due. What was left over needs a look at all that
 * it reaches, and threads that only read make candidates of all that they read: what finds nothing costs little.
 */
static uint64_t interval(const struct wane__policy *p, const struct wane__situation *s, unsigned mark) {
    uint64_t age = mark == WANE__DIRTY_LEFT ? s->age_ns * LEFT_AGES : s->age_ns;
    return later(age, p->looked_cpu[mark] * VAIN_SHARE);
}

static bool ages(const struct wane__situation *s) { return s->age_ns != 0 && s->automatic; }

static uint64_t due_at(struct wane__policy *p, const struct wane__situation *s, unsigned mark) {
    if (p->looked[mark] == 0) /* never: as if they were new */
        p->looked[mark] = s->now;
    return later(p->looked[mark] + interval(p, s, mark), not_before(p, generation_of(mark)));
}

/* Looks for the sake of age take the share of time that they are allowed. */
static uint64_t next_look(const struct wane__policy *p, const struct wane__situation *s) {
    return later(p->age_looked + s->age_ns / 8 + LEAST_DELAY_NS, p->age_end + p->age_took * 100 / s->cpu_percent);
}

/* The oldest candidates that nobody has looked at for long, but none that the next part looks at. */
static bool by_age(struct wane__policy *p, const struct wane__situation *s, struct wane__scope *ret) {
    if (!ages(s) || s->now < next_look(p, s))
        return false;
    p->age_looked = s->now;
    for (unsigned mark = WANE__MARKS; mark-- > 0;) {
        int generation = generation_of(mark);
        if ((s->marks & 1u << mark) == 0 || s->now < due_at(p, s, mark) ||
            (p->pending && generation <= p->what.generation))
            continue;
        *ret = (struct wane__scope){
            .generation = generation, .cause = WANE__BY_AGE, .bounded = mark == WANE__OLDEST};
        return true;
    }
    return false;
}

static bool by_rest(const struct wane__policy *p, const struct wane__situation *s, struct wane__scope *ret) {
    *ret = p->what;
    ret->goes_on = true;
    return p->pending && may_try(p, s, ret->generation);
}

static bool over(unsigned count, int64_t threshold) { return threshold > 0 && (int64_t)count > threshold; }

static bool by_thresholds(const struct wane__policy *p, const struct wane__situation *s, struct wane__scope *ret) {
    int64_t threshold0 = s->threshold[0], fresh = wane__policy_fresh(p, s), pending = s->alive - p->long_lived;
    *ret = (struct wane__scope){.cause = WANE__BY_THRESHOLD};
    if (threshold0 == 0 || fresh < patient(p, threshold0))
        return false;
    if (over(p->count[2], s->threshold[2]) && pending > p->long_lived / 4 && may_try(p, s, WANE__OLDEST)) {
        ret->generation = WANE__OLDEST;
        ret->full = (p->oldest_n + 1) % FULL_ONCE_IN == 0;
    } else if (over(p->count[1], s->threshold[1]) && may_try(p, s, 1)) {
        ret->generation = 1;
    }
    return may_try(p, s, ret->generation);
}

static bool by_idleness(const struct wane__policy *p, const struct wane__situation *s, struct wane__scope *ret) {
    *ret = (struct wane__scope){.generation = WANE__OLDEST, .cause = WANE__BY_IDLENESS};
    return p->idle_due && ages(s) && may_try(p, s, WANE__OLDEST);
}

/* Parts for young generations always: what a part finds is freed before the next one begins. */
static void divide(const struct wane__policy *p, struct wane__scope *scope) {
    unsigned level = scope->generation >= p->failed_generation ? p->failures : 0;
    size_t part = scope->generation < WANE__OLDEST || level >= 2 ? PART : 0;
    for (unsigned l = 2; l < level && part > PART_LEAST; l++)
        part /= 4;
    scope->part = part;
    if (level > 0) {
        scope->bounded = true;
        scope->full = false;
    }
}

bool wane__policy_due(struct wane__policy *p, const struct wane__situation *s, struct wane__scope *ret) {
    lower_counts(p, s);
    if (!s->automatic)
        return false;
    bool due = by_growth(p, s, ret) || by_age(p, s, ret) || by_rest(p, s, ret) || by_thresholds(p, s, ret) ||
               by_idleness(p, s, ret);
    if (due && !ret->goes_on)
        divide(p, ret);
    return due;
}

/* A round of steps looks at each generation once: else one beside threads that make candidates would not end. */
static unsigned marks_of_round(const struct wane__policy *p, const struct wane__situation *s) {
    return s->marks >> p->rung << p->rung;
}

/* When a loop that would rather sleep looks at candidates with that mark, to keep looks in vain cheap. */
static uint64_t step_at(const struct wane__policy *p, unsigned mark) {
    uint64_t cpu = p->looked_cpu[mark];
    if (mark >= p->rung && p->rung > 0)
        cpu = 0; /* of the round that has begun */
    uint64_t at = cpu == 0 ? 0 : p->looked[mark] + later(cpu * VAIN_SHARE, LEAST_DELAY_NS);
    return later(at, not_before(p, generation_of(mark)));
}

static bool may_step(const struct wane__policy *p, const struct wane__situation *s, unsigned mark,
                     enum wane__eagerness eagerness) {
    return eagerness == WANE__PACED ? s->now >= step_at(p, mark) : may_try(p, s, generation_of(mark));
}

bool wane__policy_step(struct wane__policy *p, const struct wane__situation *s, enum wane__eagerness eagerness,
                       struct wane__scope *ret) {
    if (wane__policy_due(p, s, ret) || by_rest(p, s, ret))
        return true;
    if (marks_of_round(p, s) == 0)
        p->rung = 0;
    unsigned marks = marks_of_round(p, s), mark = 0;
    while (mark < WANE__MARKS && ((marks & 1u << mark) == 0 || !may_step(p, s, mark, eagerness)))
        mark++;
    if (eagerness == WANE__DUE_ONLY || mark == WANE__MARKS)
        return false;
    *ret = (struct wane__scope){.generation = generation_of(mark), .cause = WANE__BY_STEP};
    divide(p, ret);
    p->rung = mark + 1;
    return true;
}

/* What a collection of the generation leaves out, as far as it is alive. */
static int64_t left_out(const struct wane__policy *p, const struct wane__situation *s, int generation) {
    return generation == WANE__OLDEST ? 0 : least(generation == 0 ? p->net_then : p->long_lived, s->alive);
}

void wane__policy_began(struct wane__policy *p, const struct wane__situation *s, const struct wane__scope *what) {
    bool goes_on = what->goes_on && p->pending;
    p->what = *what;
    p->pending = false;
    if (what->cause == WANE__BY_IDLENESS) {
        p->idle_due = false;
        p->last_idle = s->now;
    }
    if (goes_on)
        return;
    if (what->cause == WANE__BY_THRESHOLD && what->generation == WANE__OLDEST)
        p->oldest_n++;
    p->parts = 0;
    p->parts_most = what->part != 0 ? 2 + (size_t)(s->alive - left_out(p, s, what->generation)) / what->part : 1;
    p->alive_before = s->alive;
    p->patience = patient(p, s->threshold[0]);
    p->looked_at = p->found = p->freed = 0;
    p->cpu = p->took = 0;
}

static bool in_vain(const struct wane__policy *p) { return p->found * WORTH_ONE_OF < p->looked_at; }

static void note_worth(struct wane__policy *p) {
    if (p->freed > p->looked_at / WORTH_ONE_OF)
        p->backoff = 0;
    else if (p->what.cause == WANE__BY_THRESHOLD && p->backoff < BACKOFF_MAX)
        p->backoff++;
}

static void note_idle(struct wane__policy *p, const struct wane__situation *s) {
    uint64_t most = interval(p, s, 0);
    p->idle_gap = p->found > 0 ? IDLE_GAP_LEAST_NS : later(p->idle_gap, IDLE_GAP_LEAST_NS) * 4;
    if (p->idle_gap > most)
        p->idle_gap = most;
}

/* A request may be in vain without harm: who asks knows how often. */
static void note_looked(struct wane__policy *p, const struct wane__situation *s) {
    for (int g = 0; g <= p->what.generation; g++) {
        p->looked[g] = s->now;
        if (!in_vain(p))
            p->looked_cpu[g] = 0;
        else if (p->what.cause != WANE__BY_REQUEST)
            p->looked_cpu[g] = p->cpu;
    }
    if (p->what.generation == WANE__OLDEST && !p->what.bounded) {
        p->looked[WANE__DIRTY_LEFT] = s->now;
        p->looked_cpu[WANE__DIRTY_LEFT] = p->cpu;
    }
}

/* For the generation above: as many as would have been due if the collector had been in time. */
static unsigned weight(const struct wane__policy *p, const struct wane__situation *s) {
    uint64_t each = (uint64_t)p->patience;
    if (p->what.generation == 1 && s->threshold[1] > 1)
        each *= (uint64_t)s->threshold[1];
    uint64_t times = p->what.cause == WANE__BY_REQUEST || each == 0 ? 0 : p->looked_at / each;
    return times < 1 ? 1 : times < 1000 ? (unsigned)times : 1000;
}

static void note_counts(struct wane__policy *p, const struct wane__situation *s) {
    int generation = p->what.generation;
    for (int g = 1; g <= generation; g++)
        p->count[g] = 0;
    if (generation == WANE__OLDEST)
        p->long_lived = p->net_then;
    else if (p->count[generation + 1] < INT32_MAX)
        p->count[generation + 1] += weight(p, s);
}

/* Parts also find what was born meanwhile, which is not to be subtracted from what was there before. */
static void note_survivors(struct wane__policy *p, const struct wane__situation *s) {
    int64_t left = p->alive_before - (int64_t)p->found, floor = left_out(p, s, p->what.generation);
    p->survivors = left > floor ? left : floor;
    p->net_then = least(p->survivors, s->alive); /* what was born meanwhile is new */
}

static void ended(struct wane__policy *p, const struct wane__situation *s, bool whole) {
    note_survivors(p, s);
    note_worth(p);
    if (p->what.cause == WANE__BY_IDLENESS)
        note_idle(p, s);
    if (whole)
        note_looked(p, s);
    if (p->failures > 0 && p->what.generation >= p->failed_generation)
        p->failures--;
    if (p->what.cause != WANE__BY_AGE || !p->what.bounded) /* such a one may have left most of what it looked at */
        note_counts(p, s);
}

static void aborted(struct wane__policy *p, const struct wane__situation *s) {
    int generation = p->what.generation;
    if (p->failures == 0 || generation < p->failed_generation)
        p->failed_generation = generation;
    uint64_t pause = later((uint64_t)RETRY_LEAST_NS << p->failures, p->took * VAIN_SHARE);
    p->retry = s->now + (pause < RETRY_MOST_NS ? pause : RETRY_MOST_NS);
    if (p->failures < FAILURES_MAX)
        p->failures++;
}

enum wane__over wane__policy_over(struct wane__policy *p, const struct wane__situation *s, const struct wane__findings *f,
                                  uint64_t cpu, uint64_t took) {
    p->parts++;
    p->looked_at += f->candidates;
    p->found += f->collected;
    p->freed += f->collected + f->uncollectable;
    p->cpu += cpu;
    p->took += took;
    p->last_took = took;
    p->last_end = s->now;
    if (p->what.cause == WANE__BY_AGE) {
        p->age_end = s->now;
        p->age_took = p->took;
    }
    if (f->aborted) { /* it looked at nothing */
        aborted(p, s);
        return WANE__OVER_ABORTED;
    }
    if (f->rest && p->parts < p->parts_most) {
        p->pending = true;
        return WANE__OVER_PART;
    }
    ended(p, s, !f->rest);
    return WANE__OVER_ENDED;
}

/* When something becomes due of itself; UINT64_MAX: nothing does. */
static uint64_t first_due(struct wane__policy *p, const struct wane__situation *s) {
    uint64_t first = UINT64_MAX;
    if (s->automatic && p->pending)
        first = later(s->now, not_before(p, p->what.generation));
    if (s->automatic && s->grown && not_before(p, WANE__OLDEST) < first)
        first = not_before(p, WANE__OLDEST);
    for (unsigned mark = 0; ages(s) && mark < WANE__MARKS; mark++) {
        uint64_t at = (s->marks & 1u << mark) == 0 ? UINT64_MAX : later(due_at(p, s, mark), next_look(p, s));
        if (at < first)
            first = at;
    }
    return first;
}

static int64_t until(const struct wane__situation *s, uint64_t at) {
    return at > s->now + LEAST_DELAY_NS ? (int64_t)(at - s->now) : LEAST_DELAY_NS;
}

/*
 * A process that becomes idle has its candidates looked at soon, all of them, and not some seconds later: so that after that nothing
 * wakes it. No more often than a hundredth of the time allows, and ever more rarely while nothing is found: a process
 * that reads now and then makes new candidates each time.
 */
static uint64_t first_idle(const struct wane__policy *p) {
    uint64_t took = later(p->last_took, p->looked_cpu[WANE__DIRTY_LEFT]);
    uint64_t gap = later(p->idle_gap, IDLE_GAP_LEAST_NS);
    return later(later(p->last_end + took * VAIN_SHARE, p->last_idle + gap), not_before(p, WANE__OLDEST));
}

int64_t wane__policy_wait(struct wane__policy *p, const struct wane__situation *s, bool idle) {
    uint64_t first = first_due(p, s);
    if (first == UINT64_MAX)
        return -1;
    if (!idle || s->marks == 0 || !ages(s))
        return until(s, first);
    uint64_t at = first_idle(p);
    if (at <= s->now) {
        p->idle_due = true;
        return 0;
    }
    return at < first ? (int64_t)(at - s->now) : until(s, first);
}

bool wane__policy_idle_now(struct wane__policy *p, const struct wane__situation *s) {
    bool now = ages(s) && s->marks != 0 && may_try(p, s, WANE__OLDEST);
    p->idle_due |= now;
    return now;
}

int64_t wane__policy_step_wait(struct wane__policy *p, const struct wane__situation *s) {
    uint64_t first = UINT64_MAX;
    struct wane__scope unused;
    lower_counts(p, s);
    if (s->automatic && by_thresholds(p, s, &unused))
        return 0;
    if (p->pending || (s->grown && s->automatic))
        first = not_before(p, p->pending ? p->what.generation : WANE__OLDEST);
    for (unsigned mark = 0; mark < WANE__MARKS; mark++) {
        if ((s->marks & 1u << mark) != 0 && step_at(p, mark) < first)
            first = step_at(p, mark);
    }
    if (first == UINT64_MAX)
        return -1;
    return first > s->now ? (int64_t)(first - s->now) : 0;
}
