/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * count.c: what each operation on a header's counts returns, and leaves behind, in each state that
 * a header can be in.
 *
 * The state is put into the header of a living object by hand, and the object's own is put back at
 * the end. The other thread is one that has ended: its record stays, and with it the objects that
 * are biased to it. Then the same with threads that really run, where it is counted how many of
 * them were told what only one may be told.
 */
#include "count/count.h"

#include <sched.h>

#include "life/death.h"
#include "thread/grace.h"
#include "thread_util.h"

#define LIVE WANE__LIVE
#define MERGED WANE__MERGED
#define WATCHED WANE__WATCHED
#define TOUCHED WANE__TOUCHED
#define PINNED WANE__PINNED
#define CLOSED WANE__CLOSED
#define WEAKREFD WANE__WEAKREFD
#define FINAL_DUE WANE__FINAL_DUE
#define IMMORTAL WANE__IMMORTAL
#define HUGE_COUNT (1u << 30)

enum who { NONE, OWN, OTHER, NOBODYS };
struct state {
    enum who owner;
    uint32_t local;
    uint64_t flags;
    uint32_t count;
};

static struct wane__record *me, *other;
static struct wane__header *h; /* a node's */
static uint64_t first_word, birth_word;

static void setup(void) {
    me = self();
    other = other_record();
    h = object_new(&node_type);
    first_word = load_relaxed((uint64_t *)(void *)h);
    birth_word = load_relaxed(&h->shared);
}

static void restore(void) {
    store_relaxed((uint64_t *)(void *)h, first_word);
    store_relaxed(&h->shared, birth_word);
}

static void leave(void) {
    restore();
    wane_release(wane__payload_of(h));
}

static uint32_t id_of(enum who who) {
    switch (who) {
    case OWN:
        return me->id;
    case OTHER:
        return other->id;
    case NOBODYS:
        return WANE__OWNER_IMMORTAL;
    case NONE:
        break;
    }
    return WANE__OWNER_NONE;
}

static void put(struct state s) {
    restore();
    store_relaxed(&h->candidate, (uint8_t)0);
    store_relaxed(&h->owner, (uint16_t)id_of(s.owner));
    store_relaxed(&h->local, s.local);
    store_relaxed(&h->shared, birth_word >> WANE__TYPE_SHIFT << WANE__TYPE_SHIFT | s.flags |
                                  (uint64_t)s.count << WANE__COUNT_SHIFT);
}

/* `local` of a merged object means nothing. */
static void check_state(const char *name, struct state s) {
    uint64_t w = load_relaxed(&h->shared);
    CHECK_MSG(h->owner == id_of(s.owner), "%s: the owner is %u", name, h->owner);
    CHECK_MSG((w & 0xFFFF) == s.flags, "%s: flags %#x, not %#x", name, (unsigned)(w & 0xFFFF),
              (unsigned)s.flags);
    CHECK_MSG((s.flags & MERGED) != 0 || h->local == s.local, "%s: local is %u", name, h->local);
    CHECK_MSG(wane__word_count(w) == s.count, "%s: the count is %u", name,
              (unsigned)wane__word_count(w));
    CHECK_MSG(wane__word_type(w) == wane__word_type(birth_word), "%s: the type has changed", name);
}

static const struct drop_case {
    const char *name;
    struct state before;
    bool final_ok;
    enum wane__drop want;
    struct state after;
} drops[] = {
    {"owner has more", {OWN, 3, LIVE, 0}, true, WANE__DROPPED, {OWN, 2, LIVE, 0}},
    {"owner has more, others too", {OWN, 2, LIVE, 4}, true, WANE__DROPPED, {OWN, 1, LIVE, 4}},
    {"owner has more, finalizer",
     {OWN, 2, LIVE | FINAL_DUE, 0},
     true,
     WANE__DROPPED,
     {OWN, 1, LIVE | FINAL_DUE, 0}},
    {"owner's last", {OWN, 1, LIVE, 0}, true, WANE__DIED, {NONE, 0, MERGED, 0}},
    {"owner's last, no calls", {OWN, 1, LIVE, 0}, false, WANE__DIED, {NONE, 0, MERGED, 0}},
    {"owner's last, weak",
     {OWN, 1, LIVE | WEAKREFD, 0},
     true,
     WANE__DIED,
     {NONE, 0, MERGED | WEAKREFD, 0}},
    {"owner's last, others count",
     {OWN, 1, LIVE, 2},
     true,
     WANE__DROPPED,
     {NONE, 0, LIVE | MERGED, 2}},
    {"owner's last, pinned",
     {OWN, 1, LIVE | PINNED, 0},
     true,
     WANE__DROPPED,
     {NONE, 0, MERGED | PINNED, 0}},
    {"owner's last, pinned, others",
     {OWN, 1, LIVE | PINNED, 1},
     true,
     WANE__DROPPED,
     {NONE, 0, LIVE | MERGED | PINNED, 1}},
    {"owner's last, finalizer",
     {OWN, 1, LIVE | FINAL_DUE, 0},
     true,
     WANE__FINAL,
     {NONE, 0, LIVE | MERGED, 1}},
    {"owner's last, finalizer may not",
     {OWN, 1, LIVE | FINAL_DUE, 0},
     false,
     WANE__KEPT,
     {OWN, 1, LIVE | FINAL_DUE, 0}},
    {"owner's last, finalizer, others",
     {OWN, 1, LIVE | FINAL_DUE, 2},
     false,
     WANE__DROPPED,
     {NONE, 0, LIVE | MERGED | FINAL_DUE, 2}},
    {"another's, none shared", {OTHER, 1, LIVE, 0}, true, WANE__KEPT, {OTHER, 1, LIVE, 0}},
    {"another's, its last given up", {OTHER, 0, LIVE, 0}, true, WANE__KEPT, {OTHER, 0, LIVE, 0}},
    {"another's, shared", {OTHER, 2, LIVE, 2}, true, WANE__DROPPED, {OTHER, 2, LIVE, 1}},
    {"another's, one shared", {OTHER, 2, LIVE, 1}, true, WANE__DROPPED, {OTHER, 2, LIVE, 0}},
    {"another's, finalizer",
     {OTHER, 1, LIVE | FINAL_DUE, 0},
     true,
     WANE__KEPT,
     {OTHER, 1, LIVE | FINAL_DUE, 0}},
    {"another's, shared, finalizer",
     {OTHER, 1, LIVE | FINAL_DUE, 1},
     false,
     WANE__DROPPED,
     {OTHER, 1, LIVE | FINAL_DUE, 0}},
    /* Between the steps of a revocation a count of zero means nothing. */
    {"being revoked, none shared", {NONE, 1, LIVE, 0}, true, WANE__KEPT, {NONE, 1, LIVE, 0}},
    {"being revoked, one shared", {NONE, 1, LIVE, 1}, true, WANE__DROPPED, {NONE, 1, LIVE, 0}},
    {"merged, more", {NONE, 0, LIVE | MERGED, 2}, true, WANE__DROPPED, {NONE, 0, LIVE | MERGED, 1}},
    {"merged, more, finalizer",
     {NONE, 0, LIVE | MERGED | FINAL_DUE, 2},
     true,
     WANE__DROPPED,
     {NONE, 0, LIVE | MERGED | FINAL_DUE, 1}},
    {"merged, last", {NONE, 0, LIVE | MERGED, 1}, false, WANE__DIED, {NONE, 0, MERGED, 0}},
    {"merged, last, stale local",
     {NONE, 7, LIVE | MERGED, 1},
     true,
     WANE__DIED,
     {NONE, 7, MERGED, 0}},
    {"merged, last, pinned",
     {NONE, 0, LIVE | MERGED | PINNED, 1},
     true,
     WANE__DROPPED,
     {NONE, 0, MERGED | PINNED, 0}},
    {"merged, last, finalizer",
     {NONE, 0, LIVE | MERGED | FINAL_DUE, 1},
     true,
     WANE__FINAL,
     {NONE, 0, LIVE | MERGED, 1}},
    {"merged, last, finalizer, pinned",
     {NONE, 0, LIVE | MERGED | FINAL_DUE | PINNED, 1},
     true,
     WANE__FINAL,
     {NONE, 0, LIVE | MERGED | PINNED, 1}},
    {"merged, last, finalizer may not",
     {NONE, 0, LIVE | MERGED | FINAL_DUE, 1},
     false,
     WANE__KEPT,
     {NONE, 0, LIVE | MERGED | FINAL_DUE, 1}},
    {"immortal",
     {NOBODYS, 1, LIVE | IMMORTAL, 0},
     true,
     WANE__DROPPED,
     {NOBODYS, 1, LIVE | IMMORTAL, 0}},
    /* Whoever makes it immortal writes the flag first: `owner` may still be anybody's. */
    {"immortal, owner's last",
     {OWN, 1, LIVE | IMMORTAL, 0},
     true,
     WANE__DROPPED,
     {OWN, 1, LIVE | IMMORTAL, 0}},
    {"immortal, another's",
     {OTHER, 1, LIVE | IMMORTAL, 0},
     true,
     WANE__DROPPED,
     {OTHER, 1, LIVE | IMMORTAL, 0}},
    {"immortal, merged",
     {NONE, 0, LIVE | MERGED | IMMORTAL, 1},
     true,
     WANE__DROPPED,
     {NONE, 0, LIVE | MERGED | IMMORTAL, 1}},
};

TEST(drop_in_each_state) {
    setup();
    for (const struct drop_case *c = drops; c < drops + sizeof drops / sizeof *drops; c++) {
        put(c->before);
        enum wane__drop got = wane__drop_unit(me, h, c->final_ok, "a test");
        CHECK_MSG(got == c->want, "%s: %d, not %d", c->name, (int)got, (int)c->want);
        check_state(c->name, c->after);
        CHECK_EQ_UINT(me->head.bracket, 0);
        /* Who lives on with a unit less may be part of a dead cycle now. */
        bool lost = c->want == WANE__DROPPED && (c->after.flags & (LIVE | IMMORTAL)) == LIVE;
        CHECK_MSG(!lost || h->candidate == 1, "%s: no candidate", c->name);
        CHECK_MSG((c->after.flags & IMMORTAL) == 0 || h->candidate == 0, "%s: candidate", c->name);
    }
    leave();
}

/* A merge is counted where it is one, and the finalizer's unit is dropped like any other. */
TEST(drop_after_the_finalizer) {
    setup();
    put((struct state){OWN, 1, LIVE | FINAL_DUE, 0});
    uint64_t merges = me->xmerges;
    CHECK_EQ_INT(wane__drop_unit(me, h, false, "a test"), WANE__KEPT);
    CHECK_EQ_UINT(me->xmerges, merges);
    CHECK_EQ_INT(wane__drop_unit(me, h, true, "a test"), WANE__FINAL);
    CHECK_EQ_UINT(me->xmerges, merges + 1);
    CHECK_EQ_INT(wane__drop_unit(me, h, true, "a test"), WANE__DIED);
    CHECK_EQ_UINT(me->xmerges, merges + 1);
    check_state("finalized", (struct state){NONE, 0, MERGED, 0});
    leave();
}

/* Nobody can look at it: it dies without more ado, and still looks dead to whoever uses it by
 * mistake. */
TEST(drop_of_what_has_no_slots) {
    me = self();
    if (wane__fences_on())
        SKIP("objects are born merged without membarrier(2)");
    struct wane__header *leaf = object_new(&leaf_type);
    uint8_t candidate = leaf->candidate;
    CHECK(candidate >= WANE__CANDIDATE_NEVER);
    wane__take_unit(me, leaf, "a test");
    CHECK_EQ_INT(wane__drop_unit(me, leaf, true, "a test"), WANE__DROPPED);
    CHECK_EQ_UINT(leaf->candidate, candidate);
    CHECK_EQ_INT(wane__drop_unit(me, leaf, true, "a test"), WANE__DIED);
    CHECK_EQ_UINT(leaf->owner, WANE__OWNER_NONE);
    CHECK_EQ_UINT(load_relaxed(&leaf->shared) & (LIVE | MERGED), MERGED);
    wane__bury(me, leaf);
    wane__reap(me, true);
}

static void drop_it(void *unused) {
    (void)unused;
    wane__drop_unit(me, h, true, "drop_it");
}

static void take_it(void *unused) {
    (void)unused;
    wane__take_unit(me, h, "take_it");
}

/* The flag is what an exhausted count is told from a dead object by: each of these states has its
 * own check. */
TEST(one_too_many_aborts) {
    setup();
    put((struct state){OWN, 0, LIVE, 1});
    check_aborts(drop_it, NULL, "drop_it: object");
    put((struct state){NONE, 0, MERGED, 0});
    check_aborts(drop_it, NULL, "of type \"node\" is dead");
    put((struct state){NONE, 0, LIVE | MERGED, 0});
    check_aborts(drop_it, NULL, "is dead");
    put((struct state){NONE, 0, MERGED, 0});
    check_aborts(take_it, NULL, "take_it: object");
    leave();
}

static const struct counted_case {
    const char *name;
    uint64_t flags;
    uint32_t count;
    enum wane__drop want;
    uint64_t after;
} counted[] = {
    {"more", LIVE | MERGED, 2, WANE__DROPPED, LIVE | MERGED},
    {"last", LIVE | MERGED, 1, WANE__DIED, MERGED},
    {"last, pinned", LIVE | MERGED | PINNED, 1, WANE__DROPPED, MERGED | PINNED},
    {"immortal", LIVE | MERGED | IMMORTAL, 1, WANE__DROPPED, LIVE | MERGED | IMMORTAL},
};

TEST(drop_by_subtraction) {
    setup();
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
        const struct counted_case *c = &counted[i];
        put((struct state){NONE, 0, c->flags, c->count});
        uint64_t before = sub_acq_rel(&h->shared, WANE__COUNT_ONE);
        CHECK_EQ_INT(wane__drop_counted(me, h, before, "a test"), c->want);
        check_state(c->name, (struct state){NONE, 0, c->after, c->count - 1});
    }
    leave();
}

/* The byte, then the mark of the page, of the generation that the object is in; a byte that is set
 * needs nothing. */
TEST(candidate_and_page) {
    setup();
    uint8_t *dirty = wane__marks_of(h)->xdirty;
    for (unsigned age = 0; age < 3; age++) {
        for (unsigned i = 0; i < 4; i++)
            store_relaxed(&dirty[i], (uint8_t)0);
        put((struct state){NONE, 0, LIVE | MERGED, 3});
        store_relaxed(&h->age, (uint8_t)age);
        CHECK_EQ_INT(wane__drop_unit(me, h, true, "a test"), WANE__DROPPED);
        CHECK_EQ_UINT(h->candidate, 1);
        for (unsigned i = 0; i < 4; i++)
            CHECK_EQ_UINT(dirty[i], i == age);
        store_relaxed(&dirty[age], (uint8_t)0);
        CHECK_EQ_INT(wane__drop_unit(me, h, true, "a test"), WANE__DROPPED);
        CHECK_EQ_UINT(dirty[age], 0);
    }
    leave();
}

static const struct take_case {
    const char *name;
    struct state before, after;
} takes[] = {
    {"own", {OWN, 1, LIVE, 3}, {OWN, 2, LIVE, 3}},
    {"own, watched", {OWN, 1, LIVE | WATCHED, 0}, {OWN, 2, LIVE | WATCHED, 0}},
    {"another's", {OTHER, 1, LIVE, 0}, {OTHER, 1, LIVE, 1}},
    {"being revoked", {NONE, 1, LIVE, 0}, {NONE, 1, LIVE, 1}},
    {"merged", {NONE, 0, LIVE | MERGED, 1}, {NONE, 0, LIVE | MERGED, 2}},
    {"merged, watched",
     {NONE, 0, LIVE | MERGED | WATCHED, 1},
     {NONE, 0, LIVE | MERGED | WATCHED | TOUCHED, 2}},
    {"immortal", {NOBODYS, 1, LIVE | IMMORTAL, 5}, {NOBODYS, 1, LIVE | IMMORTAL, 5}},
    {"own, one below the limit", {OWN, HUGE_COUNT - 1, LIVE, 0}, {OWN, HUGE_COUNT, LIVE, 0}},
    {"own, huge", {OWN, HUGE_COUNT, LIVE, 0}, {NOBODYS, HUGE_COUNT, LIVE | IMMORTAL, 0}},
    {"merged, one below the limit",
     {NONE, 0, LIVE | MERGED, HUGE_COUNT - 1},
     {NONE, 0, LIVE | MERGED, HUGE_COUNT}},
    {"merged, huge",
     {NONE, 0, LIVE | MERGED, HUGE_COUNT},
     {NOBODYS, 0, LIVE | MERGED | IMMORTAL, HUGE_COUNT + 1}},
};

TEST(take_in_each_state) {
    setup();
    for (size_t i = 0; i < sizeof takes / sizeof *takes; i++) {
        put(takes[i].before);
        wane__take_unit(me, h, "a test");
        check_state(takes[i].name, takes[i].after);
        CHECK_EQ_UINT(me->head.bracket, 0);
    }
    put((struct state){OTHER, 2, LIVE, 1});
    wane__make_immortal(h);
    check_state("made immortal", (struct state){NOBODYS, 2, LIVE | IMMORTAL, 1});
    leave();
}

static const struct upgrade_case {
    const char *name;
    struct state before;
    enum wane__upgrade want;
    struct state after;
} upgrades[] = {
    {"biased", {OTHER, 1, LIVE, 0}, WANE__UPGRADED, {OTHER, 1, LIVE, 1}},
    {"own", {OWN, 1, LIVE, 0}, WANE__UPGRADED, {OWN, 1, LIVE, 1}},
    {"being revoked", {NONE, 1, LIVE, 0}, WANE__UPGRADED, {NONE, 1, LIVE, 1}},
    {"merged", {NONE, 0, LIVE | MERGED, 1}, WANE__UPGRADED, {NONE, 0, LIVE | MERGED, 2}},
    {"watched",
     {NONE, 0, LIVE | MERGED | WATCHED, 1},
     WANE__UPGRADED,
     {NONE, 0, LIVE | MERGED | WATCHED | TOUCHED, 2}},
    {"dead", {NONE, 0, MERGED, 0}, WANE__UPGRADE_DEAD, {NONE, 0, MERGED, 0}},
    {"about to be dead",
     {NONE, 0, LIVE | MERGED, 0},
     WANE__UPGRADE_DEAD,
     {NONE, 0, LIVE | MERGED, 0}},
    {"closed",
     {NONE, 0, LIVE | MERGED | CLOSED, 1},
     WANE__UPGRADE_CLOSED,
     {NONE, 0, LIVE | MERGED | CLOSED, 1}},
    {"closed and dead",
     {NONE, 0, MERGED | CLOSED, 0},
     WANE__UPGRADE_DEAD,
     {NONE, 0, MERGED | CLOSED, 0}},
    {"immortal",
     {NOBODYS, 1, LIVE | IMMORTAL | CLOSED, 0},
     WANE__UPGRADED,
     {NOBODYS, 1, LIVE | IMMORTAL | CLOSED, 0}},
    {"one below the limit",
     {NONE, 0, LIVE | MERGED, HUGE_COUNT - 2},
     WANE__UPGRADED,
     {NONE, 0, LIVE | MERGED, HUGE_COUNT - 1}},
    {"huge",
     {NONE, 0, LIVE | MERGED, HUGE_COUNT - 1},
     WANE__UPGRADED,
     {NONE, 0, LIVE | MERGED | IMMORTAL, HUGE_COUNT}},
};

TEST(upgrade_in_each_state) {
    setup();
    for (size_t i = 0; i < sizeof upgrades / sizeof *upgrades; i++) {
        put(upgrades[i].before);
        wane__mark(&me->head);
        enum wane__upgrade got = wane__upgrade_marked(h);
        wane__unmark(&me->head);
        CHECK_MSG(got == upgrades[i].want, "%s: %d", upgrades[i].name, (int)got);
        check_state(upgrades[i].name, upgrades[i].after);
    }
    leave();
}

static const struct begin_case {
    const char *name;
    struct state before;
    enum wane__revoke want;
    struct state after;
} begins[] = {
    {"another's", {OTHER, 2, LIVE, 1}, WANE__REVOKE_BEGUN, {NONE, 2, LIVE, 1}},
    {"own", {OWN, 2, LIVE, 1}, WANE__REVOKE_NOTHING, {OWN, 2, LIVE, 1}},
    {"merged", {NONE, 0, LIVE | MERGED, 1}, WANE__REVOKE_NOTHING, {NONE, 0, LIVE | MERGED, 1}},
    {"immortal",
     {NOBODYS, 1, LIVE | IMMORTAL, 0},
     WANE__REVOKE_NOTHING,
     {NOBODYS, 1, LIVE | IMMORTAL, 0}},
    {"immortal while begun",
     {NONE, 1, LIVE | IMMORTAL, 0},
     WANE__REVOKE_NOTHING,
     {NONE, 1, LIVE | IMMORTAL, 0}},
    {"begun by others", {NONE, 1, LIVE, 0}, WANE__REVOKE_OTHERS, {NONE, 1, LIVE, 0}},
};

TEST(revoke_begin_in_each_state) {
    setup();
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        uint32_t owner = 0;
        put(begins[i].before);
        enum wane__revoke got = wane__revoke_begin(me, h, &owner);
        CHECK_MSG(got == begins[i].want, "%s: %d", begins[i].name, (int)got);
        check_state(begins[i].name, begins[i].after);
        CHECK_EQ_UINT(owner, got == WANE__REVOKE_BEGUN ? other->id : 0);
    }
    leave();
}

static const struct end_case {
    const char *name;
    struct state before, after;
    unsigned merges;
} ends[] = {
    {"sum", {NONE, 3, LIVE, 2}, {NONE, 3, LIVE | MERGED, 5}, 1},
    {"no local units", {NONE, 0, LIVE, 2}, {NONE, 0, LIVE | MERGED, 2}, 1},
    {"flags",
     {NONE, 1, LIVE | WATCHED | TOUCHED | PINNED | WEAKREFD | FINAL_DUE, 0},
     {NONE, 1, LIVE | MERGED | WATCHED | TOUCHED | PINNED | WEAKREFD | FINAL_DUE, 1},
     1},
    {"merged by another", {NONE, 3, LIVE | MERGED, 2}, {NONE, 3, LIVE | MERGED, 2}, 0},
    {"immortal", {NONE, 3, LIVE | IMMORTAL, 2}, {NONE, 3, LIVE | IMMORTAL, 2}, 0},
    {"one below the limit",
     {NONE, 1, LIVE, HUGE_COUNT - 2},
     {NONE, 1, LIVE | MERGED, HUGE_COUNT - 1},
     1},
    {"huge", {NONE, 1, LIVE, HUGE_COUNT - 1}, {NONE, 1, LIVE | MERGED | IMMORTAL, HUGE_COUNT}, 1},
    /* The sum needs more bits than the field has: it must not reach the type. */
    {"both huge",
     {NONE, 0xFFFFFFFFu, LIVE, 0xC0000000u},
     {NONE, 0, LIVE | MERGED | IMMORTAL, HUGE_COUNT},
     1},
};

TEST(revoke_end_in_each_state) {
    setup();
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        uint64_t merges = me->xmerges, revocations = me->xrevocations;
        put(ends[i].before);
        for (int twice = 0; twice < 2; twice++) {
            wane__revoke_end(me, h);
            check_state(ends[i].name, ends[i].after);
            CHECK_EQ_UINT(me->xmerges - merges, ends[i].merges);
            CHECK_EQ_UINT(me->xrevocations - revocations, ends[i].merges);
        }
    }
    leave();
}

static const struct last_case {
    const char *name;
    struct state before;
    enum wane__drop want;
} lasts[] = {
    {"in local", {NONE, 1, LIVE, 0}, WANE__DIED},
    {"in the count", {NONE, 0, LIVE, 1}, WANE__DIED},
    {"weak", {NONE, 1, LIVE | WEAKREFD, 0}, WANE__DIED},
    {"pinned", {NONE, 1, LIVE | PINNED, 0}, WANE__DROPPED},
    {"two local", {NONE, 2, LIVE, 0}, WANE__KEPT},
    {"two in the count", {NONE, 0, LIVE, 2}, WANE__KEPT},
    {"one in each", {NONE, 1, LIVE, 1}, WANE__KEPT},
    {"sum wraps around", {NONE, 0xFFFFFFFFu, LIVE, 2}, WANE__KEPT},
    {"finalizer", {NONE, 1, LIVE | FINAL_DUE, 0}, WANE__KEPT},
    {"merged", {NONE, 0, LIVE | MERGED, 1}, WANE__KEPT},
    {"immortal", {NONE, 1, LIVE | IMMORTAL, 0}, WANE__KEPT},
    {"dead", {NONE, 1, WEAKREFD, 0}, WANE__KEPT},
};

TEST(revoke_last_in_each_state) {
    setup();
    for (size_t i = 0; i < sizeof lasts / sizeof *lasts; i++) {
        const struct last_case *c = &lasts[i];
        uint64_t merges = me->xmerges, revocations = me->xrevocations;
        put(c->before);
        enum wane__drop got = wane__revoke_last(me, h);
        CHECK_MSG(got == c->want, "%s: %d", c->name, (int)got);
        struct state after = c->before;
        if (got != WANE__KEPT)
            after = (struct state){NONE, 0, (after.flags & ~LIVE) | MERGED, 0};
        check_state(c->name, after);
        CHECK_EQ_UINT(me->xmerges - merges, got != WANE__KEPT);
        CHECK_EQ_UINT(me->xrevocations - revocations, got != WANE__KEPT);
        CHECK_EQ_UINT(me->head.bracket, 0);
    }
    leave();
}

/* All steps at once, unless the owner is in its bracket: then the first is done, and anybody may do
 * the last later. */
TEST(revoke_now) {
    setup();
    uint64_t merges = me->xmerges, revocations = me->xrevocations;
    put((struct state){OTHER, 2, LIVE, 1});
    CHECK(wane__revoke_now(me, h));
    check_state("another's", (struct state){NONE, 0, LIVE | MERGED, 3});
    CHECK(wane__revoke_now(me, h));
    check_state("again", (struct state){NONE, 0, LIVE | MERGED, 3});
    CHECK_EQ_UINT(me->xrevocations, revocations + 1);
    put((struct state){OWN, 2, LIVE, 1});
    CHECK(wane__revoke_now(me, h));
    check_state("own", (struct state){NONE, 0, LIVE | MERGED, 3});
    CHECK_EQ_UINT(me->xrevocations, revocations + 1);
    CHECK_EQ_UINT(me->xmerges, merges + 2);
    put((struct state){OTHER, 2, LIVE, 1});
    wane__mark(&other->head);
    CHECK(!wane__revoke_now(me, h));
    check_state("in its bracket", (struct state){NONE, 2, LIVE, 1});
    wane__unmark(&other->head);
    CHECK(!wane__revoke_now(me, h)); /* begun by somebody */
    check_state("begun", (struct state){NONE, 2, LIVE, 1});
    wane__revoke_end(me, h);
    check_state("ended", (struct state){NONE, 0, LIVE | MERGED, 3});
    leave();
}

/* From here on threads that run. Each round is one object, of which exactly one of them must hear
 * that it died. */
enum { ROUNDS = TEST_TSAN ? 30 : 100, THREADS = 4, UNITS = 50 };

struct race {
    unsigned died, final, kept, begun, others, upgraded;
};
static struct race seen;

static void note(enum wane__drop result) {
    if (result == WANE__DIED)
        add_relaxed(&seen.died, 1u);
    else if (result == WANE__FINAL)
        add_relaxed(&seen.final, 1u);
    else if (result == WANE__KEPT)
        add_relaxed(&seen.kept, 1u);
}

/* Who runs the finalizer holds the unit, and drops it afterwards. */
static void drop_many(void *unused, unsigned number) {
    (void)unused;
    struct wane__record *r = self();
    for (unsigned i = 0; i < UNITS; i++) {
        enum wane__drop result = wane__drop_unit(r, h, true, "a test");
        note(result);
        if (result == WANE__FINAL)
            note(wane__drop_unit(r, h, true, "a test"));
        if ((i + number) % 16 == 0)
            sched_yield();
    }
}

TEST(one_of_many_drops_the_last) {
    setup();
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t due = round % 2 == 0 ? 0 : FINAL_DUE;
        put((struct state){NONE, 0, LIVE | MERGED | due, THREADS * UNITS});
        seen = (struct race){0};
        crowd_run(THREADS, drop_many, NULL);
        CHECK_EQ_UINT(seen.died, 1);
        CHECK_EQ_UINT(seen.final, due != 0);
        CHECK_EQ_UINT(seen.kept, 0);
        check_state("dropped by many", (struct state){NONE, 0, MERGED, 0});
    }
    leave();
}

/*
 * Races of two: both go through all rounds and meet before and after each, so that what they do in
 * it coincides; one comes a little later in each round than in the one before. Between the meetings
 * the first prepares the object, or looks at it. On a machine that is busy with something else a
 * meeting takes as long as a time slice: there are fewer of them then.
 */
enum { RACERS = 2, RACES = TEST_TSAN ? 2000 : 20000, RACES_LEAST = 100 };
#define RACES_NS 1500000000u
static unsigned arrived;
static bool last_race; /* of what the first prepares */

static void meet(unsigned *turn) {
    *turn += RACERS;
    add_acq_rel(&arrived, 1u);
    for (unsigned spins = 1; load_acquire(&arrived) < *turn; spins++) {
        if (spins % 1024 == 0)
            sched_yield();
    }
}

struct races {
    void (*prepare)(unsigned round);
    void (*act)(struct wane__record *r, unsigned number);
    void (*verify)(unsigned round);
};

static void race(void *arg, unsigned number) {
    const struct races *races = arg;
    struct wane__record *r = self();
    unsigned turn = 0;
    uint64_t end = test_now_ns() + RACES_NS;
    bool last = false;
    for (unsigned round = 0; !last; round++) {
        if (number == 0) {
            seen = (struct race){0};
            races->prepare(round);
            last_race = round + 1 == RACES || (round >= RACES_LEAST && test_now_ns() >= end);
        }
        meet(&turn);
        unsigned wait = number == round % 2 ? round / 2 % 256 : 0;
        while (wait-- > 0)
            compiler_barrier();
        last = last_race;
        races->act(r, number);
        meet(&turn);
        if (number == 0)
            races->verify(round);
    }
}

static void run_races(struct races races) {
    arrived = 0;
    crowd_run(RACERS, race, &races);
}

static void prepare_biased(unsigned round) {
    (void)round;
    put((struct state){OTHER, 3, LIVE, 2});
}

static void begin_revoking(struct wane__record *r, unsigned number) {
    (void)number;
    uint32_t owner = 0;
    switch (wane__revoke_begin(r, h, &owner)) {
    case WANE__REVOKE_BEGUN:
        CHECK_EQ_UINT(owner, id_of(OTHER));
        add_relaxed(&seen.begun, 1u);
        break;
    case WANE__REVOKE_OTHERS:
        add_relaxed(&seen.others, 1u);
        break;
    case WANE__REVOKE_NOTHING:
        break;
    }
}

static void one_begun(unsigned round) {
    (void)round;
    CHECK_EQ_UINT(seen.begun, 1);
    CHECK_EQ_UINT(seen.others, RACERS - 1);
    check_state("begun by one", (struct state){NONE, 3, LIVE, 2});
}

/* An ended thread's id would be given to one of the racers: hence an owner that stays. */
TEST(one_of_two_revokes) {
    setup();
    struct worker owner;
    worker_start(&owner);
    other = owner.record;
    run_races((struct races){prepare_biased, begin_revoking, one_begun});
    worker_stop(&owner);
    leave();
}

/* Counts up and down as long as it is told to, and keeps some units. */
static bool stop;
static unsigned taken;

static void count_all_the_time(void *unused) {
    (void)unused;
    struct wane__record *r = self();
    taken = 0;
    while (!load_acquire(&stop) || taken < 100) {
        wane__take_unit(r, h, "a test");
        wane__take_unit(r, h, "a test");
        CHECK_EQ_INT(wane__drop_unit(r, h, true, "a test"), WANE__DROPPED);
        taken++;
    }
}

/* No update of the owner's is lost, whatever it was in the middle of when its bias was taken away.
 */
TEST(revoked_while_the_owner_counts) {
    setup();
    struct worker owner;
    worker_start(&owner);
    other = owner.record;
    for (unsigned round = 0; round < ROUNDS; round++) {
        put((struct state){OTHER, 1, LIVE, 1});
        store_relaxed(&stop, false);
        worker_begin(&owner, count_all_the_time, NULL);
        for (unsigned i = 0; i < round % 8; i++)
            sched_yield();
        uint32_t id = 0;
        CHECK_EQ_INT(wane__revoke_begin(me, h, &id), WANE__REVOKE_BEGUN);
        wane__heavy();
        while (!wane__bracket_clear(id))
            sched_yield();
        wane__revoke_end(me, h);
        store_release(&stop, true);
        worker_wait(&owner);
        check_state("counted", (struct state){NONE, 0, LIVE | MERGED, 2 + taken});
    }
    worker_stop(&owner);
    leave();
}

/* One thread gives up the last unit, another tries to get one from a weak reference. */
static void upgrade(struct wane__record *r) {
    wane__mark(&r->head);
    enum wane__upgrade result = wane__upgrade_marked(h);
    wane__unmark(&r->head);
    CHECK(result != WANE__UPGRADE_CLOSED);
    add_relaxed(&seen.upgraded, result == WANE__UPGRADED ? 1u : 0u);
}

static void prepare_last(unsigned round) {
    put((struct state){NONE, 0, LIVE | MERGED | (round % 2 == 0 ? 0 : FINAL_DUE), 1});
}

static void drop_or_upgrade(struct wane__record *r, unsigned number) {
    if (number == 0)
        note(wane__drop_unit(r, h, true, "a test"));
    else
        upgrade(r);
}

/* With a finalizer due the drop ends in one of two ways, and the upgrade never fails: the unit
 * stays. */
static void dropped_or_upgraded(unsigned round) {
    uint64_t due = round % 2 == 0 ? 0 : FINAL_DUE;
    if (due == 0)
        CHECK_EQ_UINT(seen.died + seen.upgraded, 1);
    else
        CHECK(seen.died == 0 && seen.upgraded == 1);
    if (seen.died != 0)
        check_state("died", (struct state){NONE, 0, MERGED, 0});
    else if (seen.final != 0)
        check_state("finalizer runs", (struct state){NONE, 0, LIVE | MERGED, 2});
    else
        check_state("upgraded", (struct state){NONE, 0, LIVE | MERGED | due, 1});
}

static void prepare_unsettled(unsigned round) {
    put(round % 2 == 0 ? (struct state){NONE, 1, LIVE, 0} : (struct state){NONE, 0, LIVE, 1});
}

static void settle_or_upgrade(struct wane__record *r, unsigned number) {
    if (number == 0)
        note(wane__revoke_last(r, h));
    else
        upgrade(r);
}

static void settled_or_upgraded(unsigned round) {
    CHECK_EQ_UINT(seen.died + seen.upgraded, 1);
    CHECK_EQ_UINT(seen.kept, seen.upgraded);
    if (seen.died != 0)
        check_state("settled", (struct state){NONE, 0, MERGED, 0});
    else
        check_state("upgraded", round % 2 == 0 ? (struct state){NONE, 1, LIVE, 1}
                                               : (struct state){NONE, 0, LIVE, 2});
}

static void prepare_begun(unsigned round) {
    (void)round;
    put((struct state){NONE, 3, LIVE, 2});
}

static void merge_or_upgrade(struct wane__record *r, unsigned number) {
    if (number == 0)
        wane__revoke_end(r, h);
    else
        upgrade(r);
}

static void merged_and_upgraded(unsigned round) {
    (void)round;
    CHECK_EQ_UINT(seen.upgraded, 1);
    check_state("merged and upgraded", (struct state){NONE, 0, LIVE | MERGED, 6});
}

TEST(upgrade_beside_a_merge) {
    setup();
    run_races((struct races){prepare_begun, merge_or_upgrade, merged_and_upgraded});
    leave();
}

TEST(upgrade_beside_the_last_unit) {
    setup();
    run_races((struct races){prepare_last, drop_or_upgrade, dropped_or_upgraded});
    run_races((struct races){prepare_unsettled, settle_or_upgrade, settled_or_upgraded});
    leave();
}
