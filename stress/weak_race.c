// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Weak upgrades against last releases. Each station holds a strong slot and a slot with a weak
// reference to the same object. Makers replace both; killers clear the strong one and drop units;
// upgraders get units by the weak ones. An upgrade yields a whole object or NULL; NULL only when
// the object is dead, which is for ever; never NULL while the asking thread holds a unit.

#include "support/stress.h"

#include "support/ledger.h"

enum { STATIONS = 4 };

struct target {
    struct mark mark;
    wane_slot self_weak;
    unsigned lives;
};

static struct station { wane_slot strong, weak; } stations[STATIONS];
static uint64_t end_time;
static _Atomic(uint64_t) upgrades, misses;

static void target_destroy(void *self) {
    struct target *t = self;
    CHECK_EQ_PTR(t->self_weak.wane__target, NULL);
    ledger_death(&t->mark);
}

static void target_finalize(void *self) {
    struct target *t = self;
    ledger_final(&t->mark);
    // Not dead before the finalizer has let it go.
    wane_weak *w = wane_slot_load(&t->self_weak);
    struct target *again = wane_weak_get(w);
    CHECK_EQ_PTR(again, t);
    wane_release(w);
    if (t->lives > 0) {
        t->lives--;
        wane_slot_give(&stations[t->mark.id % STATIONS].strong, again);
        return;
    }
    wane_release(again);
}

static wane_type types[] = {
    {.name = "target",
     .size = sizeof(struct target),
     .slots = WANE_SLOTS(struct target, self_weak),
     .destroy = target_destroy},
    {.name = "shared target",
     .size = sizeof(struct target),
     .slots = WANE_SLOTS(struct target, self_weak),
     .flags = WANE_TYPE_SHARED,
     .destroy = target_destroy},
    {.name = "final target",
     .size = sizeof(struct target),
     .slots = WANE_SLOTS(struct target, self_weak),
     .finalize = target_finalize,
     .destroy = target_destroy},
};

// With a unit in the strong slot, or with the maker's alone: then the last unit is not deferred and
// the object dies in the middle of the upgrades.
static void make_one(test_rng *r, struct station *s) {
    struct target *t = wane_new(&types[test_below(r, 3)]);
    CHECK(t != NULL);
    ledger_birth(&t->mark);
    t->lives = test_below(r, 3) == 0;
    wane_weak *w = wane_weak_new(t, NULL, NULL);
    CHECK(w != NULL);
    wane_slot_init(&t->self_weak, wane_retain(w));
    wane_slot_give(&s->weak, w);
    if (test_below(r, 2) == 0) {
        wane_slot_store(&s->strong, t);
    }
    for (uint64_t spin = test_below(r, 300); spin > 0; spin--) {
        mark_check(&t->mark);
    }
    wane_release(t);
}

static void kill_one(test_rng *r, struct station *s) {
    if (test_below(r, 2) == 0) {
        wane_slot_clear(&s->strong);
    } else {
        wane_release(wane_slot_take(&s->strong));
    }
}

static void upgrade(test_rng *r, struct station *s) {
    bool in_guard = test_below(r, 2) == 0;
    if (in_guard) {
        wane_guard_enter();
    }
    wane_weak *w = in_guard ? wane_slot_peek(&s->weak) : wane_slot_load(&s->weak);
    if (w != NULL) {
        struct target *t = wane_weak_get(w);
        if (t != NULL) {
            mark_check(&t->mark);
            struct target *second = wane_weak_get(w);
            CHECK_EQ_PTR(second, t);
            wane_release(second);
            mark_check(&t->mark);
            wane_release(t);
            atomic_fetch_add_explicit(&upgrades, 1, memory_order_relaxed);
        } else {
            // Dead is dead: it must not come back.
            CHECK_EQ_PTR(wane_weak_get(w), NULL);
            atomic_fetch_add_explicit(&misses, 1, memory_order_relaxed);
        }
    }
    if (in_guard) {
        wane_guard_leave();
    } else {
        wane_release(w);
    }
}

static void *work(void *index) {
    test_rng r = test_rng_make((uint64_t)(uintptr_t)index);
    struct stress_clock c = {.end = end_time};
    while (stress_goes_on(&c) && ledger_has_room()) {
        struct station *s = &stations[test_below(&r, STATIONS)];
        uint64_t what = test_below(&r, 32);
        if (what < 2) {
            make_one(&r, s);
        } else if (what < 6) {
            kill_one(&r, s);
        } else {
            upgrade(&r, s);
        }
    }
    return NULL;
}

static bool nothing_lives(void *unused) {
    (void)unused;
    for (int i = 0; i < STATIONS; i++) {
        wane_slot_clear(&stations[i].strong);
        wane_slot_clear(&stations[i].weak);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    return stress_stats().live_objects == 0;
}

TEST(stations) {
    end_time = test_now_ns() + stress_duration(2000);
    stress_run(stress_threads(4), work);
    CHECK_MSG(test_wait_until(nothing_lives, NULL, STRESS_PATIENCE), "%zu objects stay alive",
              stress_stats().live_objects);
    stress_check_empty();
    printf("%" PRIu64 " upgrades, %" PRIu64 " misses\n", atomic_load(&upgrades),
           atomic_load(&misses));
    ledger_close();
}
