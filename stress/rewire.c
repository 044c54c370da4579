// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Slots rewired by several threads. Nodes have a level, and slots of a node refer to nodes of
// higher levels only, so that there are no cycles and everything born dies without a collector,
// exactly once. Places (globals) hold nodes of every level; threads make nodes, put them into
// places, rewire slots of what they find with every call there is, walk down in guards and look at
// canaries, hold units on their stacks for a while, upgrade weak references. Some nodes are shared
// from birth, some have malloc'ed memory that destroy frees, some a finalizer that brings them back
// to life once, and leaves have no callbacks at all, so that they die on the shortest path.

#include "support/stress.h"

#include "support/ledger.h"

enum { LEVELS = 6, FAN = 3, PLACES = 12, HELD = 16 };

struct knot {
    struct mark mark;
    wane_slot to[FAN];
    unsigned level;
    unsigned lives;  // how often the finalizer saves it
    uint64_t *memory;
};

// At the last level: no callbacks, no slots. Its canary is never taken back, but whoever gets its
// memory next finds it zeroed or marked anew.
struct end {
    uint64_t id;
    uint64_t canary;
};

static wane_slot places[LEVELS][PLACES];
static wane_slot weak_places[PLACES];
static uint64_t end_time;

static void knot_destroy(void *self) {
    struct knot *k = self;
    for (int i = 0; i < FAN; i++) {
        CHECK_EQ_PTR(k->to[i].wane__target, NULL);
    }
    if (k->memory != NULL) {
        CHECK_EQ_UINT(*k->memory, k->mark.id);
        free(k->memory);
    }
    ledger_death(&k->mark);
}

static void knot_finalize(void *self) {
    struct knot *k = self;
    ledger_final(&k->mark);
    for (int i = 0; i < FAN; i++) {
        struct mark *m = wane_slot_load(&k->to[i]);
        if (m != NULL) {
            mark_check(m);
            wane_release(m);
        }
    }
    if (k->lives > 0) {
        k->lives--;
        wane_slot_store(&places[k->level][k->mark.id % PLACES], k);
    }
}

#define KNOT_TYPE(name_, ...)                                                                      \
    {                                                                                              \
        .name = name_, .size = sizeof(struct knot),                                                \
        .slots = (const size_t[]){16, 24, 32, WANE_SLOTS_END}, .destroy = knot_destroy,            \
        __VA_ARGS__                                                                                \
    }
_Static_assert(offsetof(struct knot, to) == 16, "the offsets in KNOT_TYPE");

static wane_type knot_types[] = {
    KNOT_TYPE("knot", .flags = 0),
    KNOT_TYPE("shared knot", .flags = WANE_TYPE_SHARED),
    KNOT_TYPE("final knot", .finalize = knot_finalize),
    KNOT_TYPE("queued knot", .finalize = knot_finalize, .flags = WANE_TYPE_FINALIZE_QUEUED),
    KNOT_TYPE("acyclic knot", .flags = WANE_TYPE_ACYCLIC),
};
static wane_type end_type = {.name = "end", .size = sizeof(struct end)};

struct worker {
    test_rng rng;
    struct mark *held[HELD];
    uint64_t operations;
};

static struct mark *end_new(void) {
    static _Atomic(uint64_t) next;
    struct end *e = wane_new(&end_type);
    CHECK(e != NULL && e->id == 0 && e->canary == 0);
    e->id = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
    e->canary = mark_canary(e->id);
    return (struct mark *)e;
}

// Any node of a level above `level`, as a unit, or NULL.
static struct mark *find_above(struct worker *w, unsigned level) {
    unsigned above = level + 1 + (unsigned)test_below(&w->rng, LEVELS - 1 - level);
    struct mark *m = wane_slot_load(&places[above][test_below(&w->rng, PLACES)]);
    if (m != NULL) {
        mark_check(m);
    }
    return m;
}

static struct mark *node_new(struct worker *w, unsigned level) {
    if (level == LEVELS - 1) {
        return end_new();
    }
    size_t kinds = sizeof knot_types / sizeof *knot_types;
    uint64_t kind = test_below(&w->rng, kinds);
    struct knot *k = wane_new(&knot_types[kind]);
    CHECK(k != NULL);
    ledger_birth(&k->mark);
    k->level = level;
    k->lives = test_below(&w->rng, 4) == 0;
    if (test_below(&w->rng, 3) == 0) {
        k->memory = malloc(sizeof *k->memory);
        CHECK(k->memory != NULL);
        *k->memory = k->mark.id;
    }
    for (int i = 0; i < FAN; i++) {
        wane_slot_init(&k->to[i], find_above(w, level));
    }
    if (test_below(&w->rng, 8) == 0) {
        wane_share(k);
    }
    return &k->mark;
}

// Puts `m` (consumed, may be NULL) into a slot, in a random way.
static void put(struct worker *w, wane_slot *s, struct mark *m) {
    struct mark *old;
    switch (test_below(&w->rng, 5)) {
    case 0:
        wane_slot_store(s, m);
        wane_release(m);
        return;
    case 1:
        wane_slot_give(s, m);
        return;
    case 2:
        old = wane_slot_swap(s, m);
        break;
    case 3:
        old = wane_slot_take(s);
        wane_slot_give(s, m);
        break;
    default:
        old = wane_slot_load(s);
        // Often fails; then `m` goes nowhere.
        wane_slot_cas(s, test_below(&w->rng, 4) == 0 ? NULL : (void *)old, m);
        wane_release(m);
    }
    if (old != NULL) {
        mark_check(old);
        wane_release(old);
    }
}

static wane_slot *random_place(struct worker *w, unsigned *ret_level) {
    *ret_level = (unsigned)test_below(&w->rng, LEVELS);
    return &places[*ret_level][test_below(&w->rng, PLACES)];
}

static void place_new_node(struct worker *w) {
    unsigned level;
    wane_slot *s = random_place(w, &level);
    put(w, s, node_new(w, level));
}

static void rewire_one(struct worker *w) {
    unsigned level = (unsigned)test_below(&w->rng, LEVELS - 1);
    struct knot *k = wane_slot_load(&places[level][test_below(&w->rng, PLACES)]);
    if (k == NULL) {
        return;
    }
    mark_check(&k->mark);
    CHECK_EQ_UINT(k->level, level);
    wane_slot *s = &k->to[test_below(&w->rng, FAN)];
    if (test_below(&w->rng, 6) == 0) {
        wane_slot_clear(s);
    } else {
        put(w, s, find_above(w, level));
    }
    wane_release(k);
}

// Rewires inside a guard, with a borrowed node: no unit of it on the stack.
static void rewire_borrowed(struct worker *w) {
    unsigned level = (unsigned)test_below(&w->rng, LEVELS - 1);
    wane_guard_enter();
    struct knot *k = wane_slot_peek(&places[level][test_below(&w->rng, PLACES)]);
    if (k != NULL) {
        mark_check(&k->mark);
        put(w, &k->to[test_below(&w->rng, FAN)], find_above(w, level));
        mark_check(&k->mark);
    }
    wane_guard_leave();
}

static void walk_in_guard(struct worker *w) {
    unsigned level;
    wane_guard_enter();
    struct mark *path[LEVELS];
    size_t length = 0;
    struct mark *m = wane_slot_peek(random_place(w, &level));
    while (m != NULL) {
        mark_check(m);
        path[length++] = m;
        if (wane_typeof(m) == &end_type) {
            break;
        }
        struct knot *k = (struct knot *)m;
        m = wane_slot_peek(&k->to[test_below(&w->rng, FAN)]);
    }
    // All that was passed is still whole.
    for (size_t i = 0; i < length; i++) {
        mark_check(path[i]);
    }
    if (length > 0 && test_below(&w->rng, 4) == 0) {
        struct mark **hold = &w->held[test_below(&w->rng, HELD)];
        struct mark *before = *hold;
        *hold = wane_retain(path[test_below(&w->rng, length)]);
        wane_release(before);
    }
    wane_guard_leave();
}

static void hold_or_let_go(struct worker *w) {
    struct mark **hold = &w->held[test_below(&w->rng, HELD)];
    if (*hold != NULL) {
        mark_check(*hold);
        wane_clear(hold);
        return;
    }
    unsigned level;
    *hold = wane_slot_load(random_place(w, &level));
    if (*hold != NULL && test_below(&w->rng, 16) == 0) {
        wane_share(*hold);
    }
}

static void use_weak(struct worker *w) {
    wane_slot *s = &weak_places[test_below(&w->rng, PLACES)];
    wane_weak *weak = wane_slot_load(s);
    struct mark *m = wane_weak_get(weak);
    wane_release(weak);
    if (m != NULL && test_below(&w->rng, 8) != 0) {
        mark_check(m);
        unsigned level = wane_typeof(m) == &end_type ? LEVELS - 1 : ((struct knot *)m)->level;
        put(w, &places[level][test_below(&w->rng, PLACES)], m);
        return;
    }
    wane_release(m);
    unsigned level;
    m = wane_slot_load(random_place(w, &level));
    if (m != NULL) {
        weak = wane_weak_new(m, NULL, NULL);
        CHECK(weak != NULL);
        // While a unit is held it is alive, and the reference must say so.
        struct mark *again = wane_weak_get(weak);
        CHECK_EQ_PTR(again, m);
        wane_release(again);
        wane_slot_give(s, weak);
        wane_release(m);
    }
}

static void *work(void *index) {
    struct worker w = {.rng = test_rng_make((uint64_t)(uintptr_t)index)};
    struct stress_clock c = {.end = end_time};
    static void (*const steps[])(struct worker *) = {
        place_new_node, place_new_node, rewire_one,     rewire_one, rewire_borrowed,
        walk_in_guard,  walk_in_guard,  hold_or_let_go, use_weak,
    };
    for (; stress_goes_on(&c) && ledger_has_room(); w.operations++) {
        steps[test_below(&w.rng, sizeof steps / sizeof *steps)](&w);
        if (test_below(&w.rng, 5000) == 0) {
            wane_poll();
        }
    }

    for (int i = 0; i < HELD; i++) {
        wane_release(w.held[i]);
    }
    return NULL;
}

static void clear_places(void) {
    for (int i = 0; i < PLACES; i++) {
        wane_slot_clear(&weak_places[i]);
        for (int level = 0; level < LEVELS; level++) {
            wane_slot_clear(&places[level][i]);
        }
    }
    CHECK_EQ_INT(wane_flush(), 0);
}

static bool nothing_lives(void *unused) {
    (void)unused;
    // What finalizers saved is in places again, until its second death.
    clear_places();
    return stress_stats().live_objects == 0;
}

TEST(rewire) {
    end_time = test_now_ns() + stress_duration(2000);
    stress_run(stress_threads(4), work);
    CHECK_MSG(test_wait_until(nothing_lives, NULL, STRESS_PATIENCE), "%zu objects stay alive",
              stress_stats().live_objects);
    stress_check_empty();
    ledger_close();
}
