/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * policy.c: when collections begin, on a clock of the test's own: each trigger, their order, parts,
 * aborts, steps; and years of random loads in which no generation may starve.
 */
#include "cycle/policy.h"

#include "harness.h"

#define MS ((uint64_t)1000000)
#define SECOND (1000 * MS)
#define PART 16384

/* The world as it is now, and what the policy says to it. */
static struct wane__policy p;
static struct wane__situation s;

static void start(void) {
    p = (struct wane__policy){0};
    s = (struct wane__situation){.now = 1000 * SECOND,
                                 .automatic = true,
                                 .threshold = {10000, 10, 10},
                                 .age_ns = 5 * SECOND,
                                 .cpu_percent = 20};
}

static bool due(struct wane__scope *ret) { return wane__policy_due(&p, &s, ret); }

static bool nothing_due(void) {
    struct wane__scope unused;
    return !due(&unused);
}

/* A whole collection that took `took` of CPU and found `found` of `candidates`. */
static enum wane__over collect(const struct wane__scope *what, size_t candidates, size_t found, uint64_t took) {
    wane__policy_began(&p, &s, what);
    s.now += took;
    s.alive -= (int64_t)found;
    return wane__policy_over(&p, &s, &(struct wane__findings){.candidates = candidates, .collected = found}, took, took);
}

static enum wane__over part(const struct wane__scope *what, size_t found, bool rest) {
    wane__policy_began(&p, &s, what);
    s.now += MS;
    s.alive -= (int64_t)found;
    return wane__policy_over(&p, &s, &(struct wane__findings){.candidates = PART, .collected = found, .rest = rest}, MS, MS);
}

static enum wane__over fail(const struct wane__scope *what) {
    wane__policy_began(&p, &s, what);
    s.now += MS;
    return wane__policy_over(&p, &s, &(struct wane__findings){.aborted = true}, MS, MS);
}

static struct wane__scope request(int generation) {
    return (struct wane__scope){.generation = generation, .cause = WANE__BY_REQUEST};
}

/* Takes what is due, which must be of that generation and for that reason. */
static struct wane__scope expect(int generation, enum wane__cause cause) {
    struct wane__scope what;
    CHECK(due(&what));
    CHECK_EQ_INT(what.generation, generation);
    CHECK_EQ_INT(what.cause, cause);
    return what;
}

TEST(the_first_threshold) {
    start();
    s.alive = 9999;
    CHECK(nothing_due());
    s.alive = 10000;
    struct wane__scope what = expect(0, WANE__BY_THRESHOLD);
    CHECK(!what.full && !what.bounded && !what.goes_on);
    CHECK_EQ_UINT(what.part, PART);
    CHECK_EQ_INT(collect(&what, 10000, 9000, MS), WANE__OVER_ENDED);
    CHECK_EQ_INT(p.net_then, 1000);
    CHECK_EQ_INT(wane__policy_fresh(&p, &s), 0);
    s.alive = 10999;
    CHECK(nothing_due());
    s.alive = 11000;
    expect(0, WANE__BY_THRESHOLD);
    s.threshold[0] = 0;
    CHECK(nothing_due());
    s.threshold[0] = 10000;
    s.automatic = false;
    CHECK(nothing_due());
    s.automatic = true;
    s.alive = 200; /* what died of itself need not be made once more */
    CHECK(nothing_due());
    s.alive = 10200;
    expect(0, WANE__BY_THRESHOLD);
}

/* Makes young collections due until one of another generation is; returns how many there were. */
static unsigned young_until(int generation, struct wane__scope *ret) {
    for (unsigned n = 0; n < 10000; n++) {
        s.alive += 10000;
        s.now += SECOND / 100;
        if (!due(ret))
            continue;
        if (ret->generation >= generation)
            return n;
        collect(ret, 10000, 10000, MS);
    }
    test_fail(__FILE__, __LINE__, "generation %d is never due", generation);
}

TEST(older_generations_after_so_many_of_the_younger) {
    start();
    struct wane__scope what;
    CHECK_EQ_UINT(young_until(1, &what), 11);
    CHECK_EQ_INT(what.generation, 1);
    collect(&what, 10000, 10000, MS);
    CHECK(p.count[1] == 0 && p.count[2] == 1);
    for (int i = 0; i < 10; i++) {
        young_until(1, &what);
        collect(&what, 10000, 10000, MS);
    }
    young_until(2, &what);
    CHECK_EQ_INT(what.generation, 2);
    CHECK(!what.full);
    CHECK_EQ_UINT(what.part, 0);
    collect(&what, 10000, 10000, MS);
    CHECK(p.count[1] == 0 && p.count[2] == 0);
    s.threshold[1] = 0;
    for (int i = 0; i < 100; i++) {
        s.alive += 10000;
        what = expect(0, WANE__BY_THRESHOLD);
        collect(&what, 10000, 10000, MS);
    }
    s.threshold[1] = 10;
    s.alive += 10000;
    expect(1, WANE__BY_THRESHOLD);
}

/* A quarter as many as it has seen must be new to the oldest; the eighth that thresholds begin is full. */
TEST(the_oldest_waits_for_a_quarter) {
    start();
    s.alive = 100000;
    struct wane__scope what = request(2);
    collect(&what, 100000, 0, MS);
    CHECK_EQ_INT(p.long_lived, 100000);
    p.count[2] = 11;
    s.alive = 125000;
    CHECK_EQ_INT(expect(0, WANE__BY_THRESHOLD).generation, 0);
    s.alive = 125001;
    for (int i = 1; i <= 16; i++) {
        what = expect(2, WANE__BY_THRESHOLD);
        CHECK_EQ_INT(what.full, i % 8 == 0);
        CHECK(due(&what)); /* asking alone counts for nothing */
        CHECK_EQ_INT(what.full, i % 8 == 0);
        collect(&what, 10000, 25001, MS);
        p.count[2] = 11;
        s.alive = 125001;
    }
}

/* A collector that is behind: one collection looks at what would have made many due. */
TEST(a_late_collection_counts_as_several) {
    start();
    s.alive = 200000;
    struct wane__scope what = expect(0, WANE__BY_THRESHOLD);
    collect(&what, 200000, 200000, 20 * MS);
    CHECK_EQ_UINT(p.count[1], 20);
    s.alive = 200000;
    what = expect(1, WANE__BY_THRESHOLD);
    collect(&what, 400000, 200000, 20 * MS);
    CHECK_EQ_UINT(p.count[2], 4);
    s.alive = 300000; /* but who asks counts as one */
    what = request(0);
    collect(&what, 300000, 300000, 20 * MS);
    CHECK_EQ_UINT(p.count[1], 1);
}

TEST(collections_in_vain_come_later) {
    start();
    struct wane__scope what;
    int64_t before = 10000;
    for (int i = 0; i < 20; i++) {
        int64_t fresh = 0;
        while (nothing_due()) {
            s.alive += 100;
            fresh += 100;
        }
        CHECK(fresh <= (250000 + p.survivors) / 4 + 100);
        CHECK(i == 0 || fresh >= before || fresh >= (250000 + p.survivors) / 4 - 100);
        before = fresh;
        CHECK(due(&what));
        collect(&what, (size_t)fresh, 0, MS);
    }
    CHECK(before > 60000);
    wane__policy_reset(&p);
    s.alive += 10000;
    what = expect(0, WANE__BY_THRESHOLD);
    collect(&what, 10000, 0, MS);
    s.alive += 10000;
    CHECK(nothing_due());
    what = request(0); /* one that is worth it ends that, whoever asked */
    collect(&what, 10000, 5000, MS);
    s.alive += 10000;
    expect(0, WANE__BY_THRESHOLD);
}

TEST(growth) {
    start();
    s.grown = true;
    struct wane__scope what = expect(2, WANE__BY_GROWTH);
    CHECK(!what.bounded && !what.full && what.part == 0);
    CHECK(wane__policy_grown(&p, &s));
    CHECK_EQ_INT(wane__policy_step_wait(&p, &s), 0);
    s.automatic = false;
    CHECK(nothing_due());
    CHECK(!wane__policy_grown(&p, &s));
    CHECK_EQ_INT(wane__policy_step_wait(&p, &s), -1);
}

/* Parts. */

TEST(parts_go_on_until_all_is_looked_at) {
    start();
    s.alive = 100000;
    struct wane__scope what = expect(0, WANE__BY_THRESHOLD);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ_INT(part(&what, 16000, true), WANE__OVER_PART);
        CHECK_EQ_UINT(p.count[1], 0);
        what = expect(0, WANE__BY_THRESHOLD);
        CHECK(what.goes_on);
    }
    CHECK_EQ_INT(part(&what, 16000, false), WANE__OVER_ENDED);
    CHECK_EQ_INT(p.net_then, 4000);
    CHECK_EQ_INT(p.survivors, 4000);
    CHECK(nothing_due());
}

/* As many are born as die: there is always a rest, and the collection ends all the same. */
TEST(parts_end_beside_a_load_that_does_not) {
    start();
    s.alive = 500000;
    struct wane__scope what = expect(0, WANE__BY_THRESHOLD);
    unsigned n = 1;
    while (part(&what, PART, true) == WANE__OVER_PART) {
        s.alive += PART;
        CHECK(due(&what) && what.goes_on);
        CHECK(++n < 40);
    }
    CHECK(n >= 500000 / PART);
    CHECK(p.count[1] > 10);
    CHECK(p.survivors >= 0 && p.net_then >= 0 && p.net_then <= s.alive);
    CHECK_EQ_UINT(p.looked[0], 0); /* not all were looked at */
    s.alive = 500000;
    expect(1, WANE__BY_THRESHOLD);
}

/* What lives is not forgotten because more was found in parts than there was. */
TEST(parts_of_a_heap_that_lives) {
    start();
    s.alive = 1000000;
    struct wane__scope what = request(2);
    collect(&what, 1000000, 0, MS);
    s.alive += 300000;
    what = expect(0, WANE__BY_THRESHOLD);
    while (part(&what, 10 * PART, true) == WANE__OVER_PART) {
        s.alive += 10 * PART;
        CHECK(due(&what));
    }
    CHECK_EQ_INT(p.survivors, 1000000);
    CHECK(wane__policy_limit(&p, &s) > 2000000);
}

TEST(growth_and_older_candidates_go_before_the_next_part) {
    start();
    s.alive = 500000;
    struct wane__scope what = expect(0, WANE__BY_THRESHOLD);
    part(&what, PART, true);
    s.grown = true;
    what = expect(2, WANE__BY_GROWTH);
    s.grown = false;
    CHECK(expect(0, WANE__BY_THRESHOLD).goes_on);
    s.marks = 0xf;
    s.now += SECOND;
    CHECK(due(&what)); /* they are seen for the first time */
    s.now += 6 * SECOND;
    what = expect(2, WANE__BY_AGE);
    CHECK(what.bounded && !what.goes_on);
    collect(&what, 100, 0, MS);
    CHECK(!p.pending);
}

TEST(a_request_takes_the_place_of_pending_parts) {
    start();
    s.alive = 500000;
    struct wane__scope what = expect(0, WANE__BY_THRESHOLD);
    for (int i = 0; i < 10; i++)
        part(&what, PART, true);
    CHECK(p.pending);
    what = request(2);
    size_t left = (size_t)s.alive - 1000;
    CHECK_EQ_INT(collect(&what, left, left, MS), WANE__OVER_ENDED);
    CHECK_EQ_INT(p.survivors, 1000);
    CHECK_EQ_INT(p.net_then, 1000);
    CHECK_EQ_INT(p.long_lived, 1000);
    CHECK(!p.pending);
    CHECK(nothing_due());
    CHECK_EQ_UINT(p.count[1], 0);
}

/* Age. */

TEST(candidates_of_an_age) {
    start();
    for (unsigned mark = 0; mark < WANE__MARKS; mark++) {
        start();
        s.marks = 1u << mark;
        uint64_t begin = s.now, age = mark == WANE__DIRTY_LEFT ? 50 * SECOND : 5 * SECOND;
        struct wane__scope what;
        while (!due(&what)) {
            int64_t wait = wane__policy_wait(&p, &s, false);
            CHECK(wait > 0);
            s.now += (uint64_t)wait;
            CHECK(s.now - begin <= age + SECOND);
        }
        CHECK(s.now - begin >= age);
        CHECK_EQ_INT(what.cause, WANE__BY_AGE);
        CHECK_EQ_INT(what.generation, mark < 2 ? (int)mark : 2);
        CHECK_EQ_INT(what.bounded, mark == 2);
        collect(&what, 1, 1, MS);
        s.marks = 0;
        CHECK_EQ_INT(wane__policy_wait(&p, &s, false), -1);
        CHECK(nothing_due());
    }
    s.marks = 1;
    s.age_ns = 0;
    s.now += 1000 * SECOND;
    CHECK(nothing_due());
    CHECK_EQ_INT(wane__policy_wait(&p, &s, false), -1);
}

/* Looks that find nothing: a hundredth of the time. Those that find something: the share that is allowed. */
TEST(looks_for_age_are_paid_for) {
    for (int worth = 0; worth < 2; worth++) {
        start();
        s.marks = 4;
        s.age_ns = MS;
        uint64_t begin = s.now, spent = 0;
        while (s.now - begin < 1000 * SECOND) {
            struct wane__scope what;
            if (due(&what)) {
                CHECK_EQ_INT(what.generation, 2);
                collect(&what, 1000, worth ? 500 : 0, 100 * MS);
                s.alive = 0;
                spent += 100 * MS;
            }
            s.now += MS;
        }
        uint64_t most = (s.now - begin) / (worth ? 5 : 100);
        CHECK_MSG(spent <= most + 200 * MS && spent * 2 > most, "spent %llu ms of %llu", (unsigned long long)(spent / MS),
                  (unsigned long long)(most / MS));
    }
}

/* Idleness. */

TEST(an_idle_process) {
    start();
    s.marks = 1;
    struct wane__scope what;
    CHECK_EQ_INT(wane__policy_wait(&p, &s, true), 0);
    CHECK(due(&what));
    CHECK_EQ_INT(what.cause, WANE__BY_IDLENESS);
    CHECK(what.generation == 2 && !what.bounded);
    collect(&what, 10, 0, MS);
    uint64_t gaps[5];
    for (int i = 0; i < 5; i++) {
        uint64_t begin = s.now;
        int64_t wait;
        while ((wait = wane__policy_wait(&p, &s, true)) != 0) {
            CHECK(wait > 0 && nothing_due());
            s.now += (uint64_t)wait;
        }
        gaps[i] = s.now - begin;
        what = expect(2, WANE__BY_IDLENESS);
        collect(&what, 10, 0, MS);
        CHECK(nothing_due());
    }
    CHECK(gaps[0] >= 100 * MS && gaps[1] >= 2 * gaps[0] && gaps[4] <= 6 * SECOND);
    s.marks = 0;
    CHECK_EQ_INT(wane__policy_wait(&p, &s, true), -1);
}

/* Want of memory. */

TEST(what_failed_comes_later_and_weaker) {
    start();
    s.grown = true;
    uint64_t last = 0, before = 0;
    for (int i = 0; i < 12; i++) {
        struct wane__scope what;
        while (!due(&what)) {
            int64_t wait = wane__policy_wait(&p, &s, i % 2 == 0);
            CHECK(wait > 0);
            CHECK(!wane__policy_grown(&p, &s));
            CHECK(wane__policy_step_wait(&p, &s) > 0);
            s.now += (uint64_t)wait;
        }
        CHECK_EQ_INT(what.generation, 2);
        CHECK_EQ_INT(what.bounded, i > 0);
        CHECK(i < 2 ? what.part == 0 : what.part > 0 && what.part <= PART);
        CHECK(i < 7 || what.part <= 64);
        uint64_t pause = s.now - last;
        CHECK(i < 2 || i > 7 || pause > before * 3 / 2);
        CHECK(i == 0 || (pause >= 100 * MS && pause <= 11 * SECOND));
        before = pause;
        last = s.now;
        CHECK_EQ_INT(fail(&what), WANE__OVER_ABORTED);
        CHECK(nothing_due());
    }
    /* Each success takes a step back. */
    for (int i = 0; i < 7; i++) {
        struct wane__scope what;
        s.now += 20 * SECOND;
        CHECK(due(&what));
        CHECK(what.bounded);
        collect(&what, 100, 0, MS);
    }
    CHECK_EQ_UINT(p.failures, 0);
    CHECK(!expect(2, WANE__BY_GROWTH).bounded);
}

TEST(younger_generations_go_on_after_a_failure) {
    start();
    s.grown = true;
    struct wane__scope what = expect(2, WANE__BY_GROWTH);
    fail(&what);
    s.alive = 10000;
    what = expect(0, WANE__BY_THRESHOLD);
    CHECK(!what.bounded);
    CHECK(wane__policy_limit(&p, &s) < INT64_MAX);
    p.count[1] = 11;
    CHECK_EQ_INT(expect(1, WANE__BY_THRESHOLD).generation, 1);
    what = expect(1, WANE__BY_THRESHOLD);
    fail(&what);
    CHECK_EQ_INT(expect(0, WANE__BY_THRESHOLD).generation, 0);
    what = expect(0, WANE__BY_THRESHOLD);
    fail(&what);
    CHECK(nothing_due());
    CHECK_EQ_INT(wane__policy_limit(&p, &s), INT64_MAX); /* nobody is held for what is not tried */
    s.now += 20 * SECOND;
    CHECK(wane__policy_limit(&p, &s) < INT64_MAX);
    CHECK(due(&what));
}

TEST(a_failed_part_is_not_gone_on_with) {
    start();
    s.alive = 500000;
    struct wane__scope what = expect(0, WANE__BY_THRESHOLD);
    part(&what, PART, true);
    what = expect(0, WANE__BY_THRESHOLD);
    fail(&what);
    CHECK(nothing_due());
    s.now += SECOND;
    CHECK(due(&what) && !what.goes_on && what.bounded);
    CHECK_EQ_UINT(p.count[1], 0);
}

/* Steps. */

TEST(a_round_of_steps_looks_at_each_generation_once) {
    start();
    s.automatic = false;
    s.marks = 0xf; /* and they stay: others make candidates all the time */
    struct wane__scope what;
    CHECK(!wane__policy_step(&p, &s, false, &what));
    for (int round = 0; round < 3; round++) {
        for (unsigned mark = 0; mark < WANE__MARKS; mark++) {
            CHECK_EQ_INT(wane__policy_step_wait(&p, &s), 0);
            CHECK(wane__policy_step(&p, &s, true, &what));
            CHECK_EQ_INT(what.cause, WANE__BY_STEP);
            CHECK_EQ_INT(what.generation, mark < 2 ? (int)mark : 2);
            collect(&what, 1000, 0, MS);
        }
        CHECK_EQ_INT(wane__policy_step_wait(&p, &s), (int64_t)(100 * MS)); /* in vain: not at once again */
        s.now += 1000 * SECOND;
    }
    s.marks = 0;
    CHECK(!wane__policy_step(&p, &s, true, &what));
    CHECK_EQ_INT(wane__policy_step_wait(&p, &s), -1);
    s.marks = 1;
    CHECK(wane__policy_step(&p, &s, true, &what));
    collect(&what, 1000, 1000, MS);
    CHECK_EQ_INT(wane__policy_step_wait(&p, &s), 0); /* worth it: at once again */
}

TEST(steps_go_on_with_parts) {
    start();
    s.automatic = false;
    s.marks = 1;
    s.alive = 100000;
    struct wane__scope what;
    CHECK(wane__policy_step(&p, &s, true, &what));
    part(&what, PART, true);
    CHECK_EQ_INT(wane__policy_step_wait(&p, &s), 0);
    CHECK(wane__policy_step(&p, &s, false, &what));
    CHECK(what.goes_on);
}

/*
 * Random loads on a world with a number of candidates for each mark: births, deaths, growth, options, requests, steps and failures.
 * Whatever happens, figures stay what they are; and while collections may start by themselves and succeed, no
 * candidate is left without a look for much longer than its age.
 */
static void check_figures(void) {
    CHECK(p.survivors >= 0 && p.net_then >= 0 && p.long_lived >= 0);
    CHECK(wane__policy_fresh(&p, &s) >= 0 && wane__policy_fresh(&p, &s) <= s.alive);
    CHECK(wane__policy_limit(&p, &s) > 0);
    CHECK(p.failures <= 7 && p.backoff <= 8);
}

/* One collection or part, by anybody. */
static void run(test_rng *rng, const struct wane__scope *what, uint64_t last_look[3], bool may_fail) {
    bool whole = what->part == 0 || test_below(rng, 4) == 0;
    size_t candidates = what->part != 0 ? what->part : test_below(rng, 50000);
    size_t found = test_below(rng, candidates + 1);
    if ((int64_t)found > s.alive)
        found = (size_t)s.alive;
    wane__policy_began(&p, &s, what);
    uint64_t took = candidates * 100 + 10000;
    s.now += took;
    s.alive += (int64_t)test_below(rng, 20000) - (int64_t)found;
    s.alive = s.alive > 0 ? s.alive : 0;
    struct wane__findings f = {.candidates = candidates, .collected = found, .rest = !whole};
    f.aborted = may_fail && test_below(rng, 50) == 0;
    wane__policy_over(&p, &s, &f, took, took);
    for (int g = 0; g <= what->generation && !f.aborted; g++)
        last_look[g] = s.now; /* parts begin where the last one stopped: each is a look */
    if (what->generation == WANE__OLDEST && !f.aborted)
        s.grown = false;
}

static void play(test_rng *rng, bool may_fail, bool saturated) {
    uint64_t last_look[3], end = s.now + 2000 * SECOND, begin = s.now;
    for (int g = 0; g < 3; g++)
        last_look[g] = s.now;
    while (s.now < end) {
        struct wane__scope what;
        s.marks = 0xf;
        if (saturated)
            s.alive = s.alive < 400000 ? s.alive + 100000 : s.alive;
        else
            s.alive += (int64_t)test_below(rng, 2000);
        s.grown = s.grown || test_below(rng, 100000) == 0;
        if (test_below(rng, 1000) == 0) {
            what = request((int)test_below(rng, 3));
            run(rng, &what, last_look, may_fail);
        } else if (due(&what) || (test_below(rng, 100) == 0 && wane__policy_step(&p, &s, true, &what))) {
            run(rng, &what, last_look, may_fail);
        } else {
            CHECK(wane__policy_wait(&p, &s, test_below(rng, 2) == 0) >= 0);
            s.now += test_below(rng, 10 * MS) + 1;
        }
        check_figures();
        /* Age, the pause after a failure (nothing fails twice as long), and what a look costs. */
        uint64_t most = s.age_ns + (may_fail ? 60 * SECOND : 3 * SECOND);
        for (int g = 0; g < 3 && s.now - begin > most; g++)
            CHECK_MSG(s.now - last_look[g] <= most, "generation %d starves: %llu ms", g,
                      (unsigned long long)((s.now - last_look[g]) / MS));
    }
}

TEST(no_generation_starves) {
    test_rng rng = test_rng_make(1);
    for (int i = 0; i < 8; i++) {
        start();
        if (i % 2 == 1) {
            s.threshold[1] = (int64_t)test_below(&rng, 3) * 1000; /* off, or never */
            s.threshold[2] = (int64_t)test_below(&rng, 3) * 1000;
        }
        s.age_ns = (1 + test_below(&rng, 5000)) * MS;
        play(&rng, i >= 4, i % 4 >= 2);
    }
}
