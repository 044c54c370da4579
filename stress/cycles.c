// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// The shared graph with cycles. Threads rewire all slots of what they find, without any order of levels, hold units
// for a while, walk in guards and look at canaries, upgrade weak references; containers move their slots; some finalizers
// bring their object back once. Collections start at the lowest thresholds, and one thread asks for them all the time.
// At the end everything is let go, and everything born has died once: by its count, or by the collector.
//
// --threads, --ms or --seconds; --threshold N sets threshold0 (1 .. 100 at random otherwise).

#include "support/stress.h"

#include "support/ledger.h"

enum { FAN = 3, PLACES = 24, HELD = 8, SHELF = 7 };

struct knot {
    struct mark mark;
    wane_slot to[FAN];
    unsigned saves;  // how often the finalizer brings it back
    // Of shelves: SHELF slots in malloc'ed memory. A collection may see the object before it has them.
    _Atomic(wane_slot *) shelf;
    uint64_t *memory;
};

static wane_slot places[PLACES];
static wane_slot weak_places[PLACES];
static uint64_t end_time;
static _Atomic(bool) over;

static void knot_destroy(void *self) {
    struct knot *k = self;
    for (int i = 0; i < FAN; i++) {
        CHECK_EQ_PTR(k->to[i].wane__target, NULL);
    }
    for (int i = 0; i < SHELF && k->shelf != NULL; i++) {
        CHECK_EQ_PTR(k->shelf[i].wane__target, NULL);
    }
    free(k->shelf);
    if (k->memory != NULL) {
        CHECK_EQ_UINT(*k->memory, k->mark.id);
        free(k->memory);
    }
    ledger_death(&k->mark);
}

// All that it refers to is whole.
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
    if (k->saves > 0) {
        k->saves--;
        wane_slot_store(&places[k->mark.id % PLACES], k);
    }
}

static void shelf_trace(void *self, wane_visitor *v) {
    struct knot *k = self;
    wane_slot *shelf = atomic_load(&k->shelf);
    wane_visit_n(v, shelf, shelf != NULL ? SHELF : 0);
}

#define KNOT_TYPE(name_, ...)                                                                      \
    {                                                                                              \
        .name = name_, .size = sizeof(struct knot),                                                \
        .slots = (const size_t[]){16, 24, 32, WANE_SLOTS_END}, .destroy = knot_destroy,            \
        __VA_ARGS__                                                                                \
    }
_Static_assert(offsetof(struct knot, to) == 16, "the offsets in KNOT_TYPE");

enum { PLAIN, SHARED, FINAL, QUEUED, EXTRA, SHELVES, KINDS };
static wane_type knot_types[KINDS] = {
    KNOT_TYPE("knot", .flags = 0),
    KNOT_TYPE("shared knot", .flags = WANE_TYPE_SHARED),
    KNOT_TYPE("final knot", .finalize = knot_finalize),
    KNOT_TYPE("queued knot", .finalize = knot_finalize, .flags = WANE_TYPE_FINALIZE_QUEUED),
    KNOT_TYPE("knot with extra slots", .flags = WANE_TYPE_EXTRA_SLOTS),
    KNOT_TYPE("shelf", .trace = shelf_trace),
};

struct worker {
    test_rng rng;
    struct knot *held[HELD];
};

static struct knot *knot_new(struct worker *w) {
    static const uint8_t kinds[] = {PLAIN, PLAIN, PLAIN, SHARED, FINAL, QUEUED, EXTRA, SHELVES};
    uint8_t kind = kinds[test_below(&w->rng, sizeof kinds)];
    size_t extra = kind == EXTRA ? SHELF * sizeof(wane_slot) : 0;
    wane_slot *shelf = kind == SHELVES ? calloc(SHELF, sizeof *shelf) : NULL;
    struct knot *k = wane_new_extra(&knot_types[kind], extra);
    CHECK(k != NULL && (shelf != NULL) == (kind == SHELVES));
    ledger_birth(&k->mark);
    k->saves = test_below(&w->rng, 4) == 0;
    k->shelf = shelf;
    if (test_below(&w->rng, 3) == 0) {
        k->memory = malloc(sizeof *k->memory);
        CHECK(k->memory != NULL);
        *k->memory = k->mark.id;
    }
    if (test_below(&w->rng, 8) == 0) {
        wane_share(k);
    }
    return k;
}

// A slot of k's: at a fixed offset, behind the payload, or on the shelf.
static wane_slot *slot_of(struct worker *w, struct knot *k) {
    wane_type *t = wane_typeof(k);
    if (test_below(&w->rng, 2) == 0) {
        if (t == &knot_types[EXTRA]) {
            return (wane_slot *)(k + 1) + test_below(&w->rng, SHELF);
        }
        if (t == &knot_types[SHELVES]) {
            return &k->shelf[test_below(&w->rng, SHELF)];
        }
    }
    return &k->to[test_below(&w->rng, FAN)];
}

// Some steps away from a place, as a unit, or NULL.
static struct knot *find(struct worker *w) {
    struct knot *k = wane_slot_load(&places[test_below(&w->rng, PLACES)]);
    for (uint64_t steps = test_below(&w->rng, 5); k != NULL && steps > 0; steps--) {
        mark_check(&k->mark);
        struct knot *next = wane_slot_load(slot_of(w, k));
        if (next == NULL) {
            break;
        }
        wane_release(k);
        k = next;
    }
    if (k != NULL) {
        mark_check(&k->mark);
    }
    return k;
}

// Puts `k` (consumed, may be NULL) into a slot, in a random way.
static void put(struct worker *w, wane_slot *s, struct knot *k) {
    struct knot *old;
    switch (test_below(&w->rng, 5)) {
    case 0:
        wane_slot_store(s, k);
        wane_release(k);
        return;
    case 1:
        wane_slot_give(s, k);
        return;
    case 2:
        old = wane_slot_swap(s, k);
        break;
    case 3:
        old = wane_slot_take(s);
        wane_slot_give(s, k);
        break;
    default:
        old = wane_slot_load(s);
        wane_slot_cas(s, test_below(&w->rng, 4) == 0 ? NULL : (void *)old, k);
        wane_release(k);
    }
    if (old != NULL) {
        mark_check(&old->mark);
        wane_release(old);
    }
}

static void place_new(struct worker *w) {
    put(w, &places[test_below(&w->rng, PLACES)], knot_new(w));
}

static void rewire(struct worker *w) {
    struct knot *k = find(w);
    if (k != NULL) {
        put(w, slot_of(w, k), test_below(&w->rng, 8) == 0 ? NULL : find(w));
        wane_release(k);
    }
}

// Garbage in one step: a ring that nobody ever saw.
static void drop_ring(struct worker *w) {
    struct knot *first = knot_new(w), *last = wane_retain(first);
    for (uint64_t i = test_below(&w->rng, 6); i > 0; i--) {
        struct knot *k = knot_new(w);
        wane_slot_store(slot_of(w, last), k);
        wane_release(last);
        last = k;
    }
    wane_slot_store(slot_of(w, last), first);
    put(w, slot_of(w, first), find(w));
    wane_release(last);
    wane_release(first);
}

static void rewire_borrowed(struct worker *w) {
    wane_guard_enter();
    struct knot *k = wane_slot_peek(&places[test_below(&w->rng, PLACES)]);
    if (k != NULL) {
        mark_check(&k->mark);
        put(w, slot_of(w, k), find(w));
        mark_check(&k->mark);
    }
    wane_guard_leave();
}

static void walk_in_guard(struct worker *w) {
    enum { LENGTH = 20 };
    struct knot *path[LENGTH];
    size_t length = 0;
    wane_guard_enter();
    struct knot *k = wane_slot_peek(&places[test_below(&w->rng, PLACES)]);
    while (k != NULL && length < LENGTH) {
        mark_check(&k->mark);
        path[length++] = k;
        k = wane_slot_peek(slot_of(w, k));
    }
    for (size_t i = 0; i < length; i++) {
        mark_check(&path[i]->mark);
    }
    if (length > 0 && test_below(&w->rng, 4) == 0) {
        struct knot **hold = &w->held[test_below(&w->rng, HELD)], *before = *hold;
        *hold = wane_retain(path[test_below(&w->rng, length)]);
        wane_release(before);
    }
    wane_guard_leave();
}

static void hold_or_let_go(struct worker *w) {
    struct knot **hold = &w->held[test_below(&w->rng, HELD)];
    if (*hold != NULL) {
        mark_check(&(*hold)->mark);
        wane_clear(hold);
    } else {
        *hold = find(w);
    }
}

static void use_weak(struct worker *w) {
    wane_slot *s = &weak_places[test_below(&w->rng, PLACES)];
    wane_weak *weak = wane_slot_load(s);
    struct knot *k = wane_weak_get(weak);
    wane_release(weak);
    if (k != NULL) {
        mark_check(&k->mark);
        struct knot *next = wane_slot_load(slot_of(w, k));
        if (next != NULL) {
            mark_check(&next->mark);
            wane_release(next);
        }
        if (test_below(&w->rng, 4) == 0) {
            put(w, &places[test_below(&w->rng, PLACES)], k);
            return;
        }
        wane_release(k);
    }
    k = test_below(&w->rng, 2) == 0 ? find(w) : knot_new(w);
    if (k != NULL) {
        weak = wane_weak_new(k, NULL, NULL);
        CHECK(weak != NULL);
        struct knot *again = wane_weak_get(weak);
        CHECK_EQ_PTR(again, k);
        wane_release(again);
        wane_slot_give(s, weak);
        wane_slot_store(slot_of(w, k), k);
        wane_release(k);
    }
}

// A shelf that only this thread knows yet: its slots may be moved.
static void move_on_a_shelf(struct worker *w) {
    struct knot *k = wane_new(&knot_types[SHELVES]);
    wane_slot *shelf = calloc(SHELF, sizeof *shelf);
    CHECK(k != NULL && shelf != NULL);
    ledger_birth(&k->mark);
    k->shelf = shelf;
    for (int i = 0; i < SHELF - 1; i++) {
        wane_slot_init(&shelf[i], test_below(&w->rng, 3) == 0 ? wane_retain(k) : find(w));
    }
    struct knot **hold = &w->held[test_below(&w->rng, HELD)];
    wane_release(*hold);
    *hold = wane_retain(k);
    for (uint64_t n = test_below(&w->rng, 20); n > 0; n--) {
        // Up by one, and what was last is first: the spare place takes part.
        wane_change_begin(k);
        void *last = shelf[SHELF - 2].wane__target;
        for (int i = SHELF - 2; i > 0; i--) {
            __atomic_store_n(&shelf[i].wane__target, shelf[i - 1].wane__target, __ATOMIC_RELEASE);
        }
        __atomic_store_n(&shelf[0].wane__target, last, __ATOMIC_RELEASE);
        wane_change_end(k);
    }
    put(w, &places[test_below(&w->rng, PLACES)], k);
}

static void *work(void *index) {
    struct worker w = {.rng = test_rng_make((uint64_t)(uintptr_t)index)};
    struct stress_clock c = {.end = end_time};
    static void (*const steps[])(struct worker *) = {
        place_new, rewire,        rewire,        rewire,         rewire_borrowed, drop_ring,
        use_weak,  walk_in_guard, walk_in_guard, hold_or_let_go, move_on_a_shelf,
    };
    while (stress_goes_on(&c) && ledger_has_room()) {
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

static void *collect(void *unused) {
    test_rng r = test_rng_make(1000);
    while (!atomic_load(&over)) {
        wane_gc_collect((int)test_below(&r, 4));
        if (test_below(&r, 4) == 0) {
            test_sleep_ns(test_below(&r, 2000000));
        }
    }
    return unused;
}

static bool nothing_lives(void *unused) {
    (void)unused;
    for (int i = 0; i < PLACES; i++) {
        wane_slot_clear(&weak_places[i]);
        wane_slot_clear(&places[i]);
    }
    wane_gc_collect(2);
    return stress_stats().live_objects == 0;
}

TEST(cycles) {
    test_rng r = test_rng_make(2000);
    unsigned threshold = (unsigned)test_option("threshold", 1 + test_below(&r, 100));
    CHECK_EQ_INT(wane_gc_set_threshold(threshold, (unsigned)test_below(&r, 4), (unsigned)test_below(&r, 4)), 0);
    end_time = test_now_ns() + stress_duration(2000);
    pthread_t collector = stress_thread(collect, NULL);
    stress_run(stress_threads(3), work);
    atomic_store(&over, true);
    stress_join(collector);
    CHECK_MSG(test_wait_until(nothing_lives, NULL, STRESS_PATIENCE), "%zu objects stay alive",
              stress_stats().live_objects);
    CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), 0);
    stress_check_empty();
    printf("%" PRIu64 " of them by the collector\n", stress_stats().cycles_collected);
    ledger_close();
}
