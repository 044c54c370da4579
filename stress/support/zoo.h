// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Objects of every sort for random use: with and without slots, callbacks and flags, small and
// large. All begin with the same head. Those that have `destroy` are in the ledger; the others are
// there for the short paths, and show in live_objects alone. Callbacks do what the header allows
// them to.
#ifndef WANE_STRESS_ZOO_H
#define WANE_STRESS_ZOO_H

#include "stress.h"

#include "../inject/inject.h"
#include "ledger.h"

enum kind {
    LEAF,     // no slots, no callbacks
    NODE,     // slots, no callbacks
    ITEM,     // slots and destroy
    FINAL,    // finalize, which may resurrect
    QUEUED,   // the same, run by the collector's work
    ACYCLIC,  // holds leaves only
    KEPT,     // uncollectable: a cycle with it ends when the program breaks it
    SHARED,   // born without an owner
    EXTRA,    // slots in its extra bytes
    BIG,      // up to some MiB
    MAP,      // trace, storage that is replaced
    KINDS,
};

struct thing {
    struct mark mark;
    uint32_t kind, extra;  // extra slots, or bytes
    void *owned;           // a unit in a plain field, released by destroy
    wane_slot s[2];
};

struct storage {
    wane_defer_node node;
    size_t n;
    wane_slot at[];
};

struct map {
    struct thing thing;
    struct storage *xstorage;
    bool xbusy;  // somebody replaces the storage
};

enum { PLACES = 48, KEPT_MOST = 200, EXTRA_MOST = 40 };
static wane_slot places[PLACES], weak_places[PLACES];
static wane_slot kept_places[KEPT_MOST];  // weak references to all that is uncollectable
static _Atomic(size_t) kept_n, immortals;
static _Atomic(uint64_t) deferred_made, deferred_run;
static const bool holds_slots[KINDS] = {
    [NODE] = true, [ITEM] = true,   [FINAL] = true, [QUEUED] = true, [ACYCLIC] = true,
    [KEPT] = true, [SHARED] = true, [EXTRA] = true, [BIG] = true,    [MAP] = true};

// Beside a fault injector alone.
static bool may_run_out(void) { return inject_reports != NULL && inject_reports(); }

// After a call that found no memory: gives some back.
static void ran_out(int error) {
    CHECK_MSG(error == ENOMEM && may_run_out(), "%s", strerror(error));
    for (int i = 0; i < PLACES; i++) {
        wane_slot_clear(&places[i]);
        wane_slot_clear(&weak_places[i]);
    }
    wane_trim();
}

static bool in_ledger(const struct thing *t) { return t->kind != LEAF && t->kind != NODE; }

// A number that only the object decides: callbacks have no thread of their own.
static unsigned die_of(const struct thing *t, unsigned sides) {
    return (unsigned)((t->mark.canary >> 20) % sides);
}

// Calls that a callback may make, and those that are refused there.
static void use_in_callback(const struct thing *t) {
    wane_slot *place = &places[die_of(t, PLACES)];
    switch (die_of(t, 40)) {
    case 0:
        CHECK_EQ_INT(wane_flush(), -EDEADLK);
        CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), 0);
        CHECK_EQ_UINT(wane_poll(), 0);
        CHECK_EQ_INT(wane_gc_step(1000), -EDEADLK);
        CHECK_EQ_INT(wane_gc_run(0, NULL), -EDEADLK);
        CHECK_EQ_INT(wane_collector_run(), -EDEADLK);
        wane_shutdown();
        break;
    case 1:
        wane_slot_clear(place);
        break;
    case 2: {
        struct thing *other = wane_slot_load(place);
        if (other != NULL) {
            mark_check(&other->mark);
        }
        wane_release(other);
        break;
    }
    case 3: {
        wane_weak *w = wane_slot_load(&weak_places[die_of(t, PLACES)]);
        struct thing *other = wane_weak_get(w);
        wane_release(w);
        wane_release_later(other);
        break;
    }
    case 4:
        wane_guard_enter();
        wane_trim();
        wane_guard_leave();
        break;
    }
}

static void thing_finalize(void *self) {
    struct thing *t = self;
    ledger_final(&t->mark);
    CHECK(wane_gc_is_finalized(t));
    use_in_callback(t);
    if (die_of(t, 3) == 0) {
        wane_slot_store(&places[die_of(t, PLACES)], t);
    }
}

static void thing_destroy(void *self) {
    struct thing *t = self;
    CHECK_EQ_PTR(wane_slot_peek(&t->s[0]), NULL);
    CHECK_EQ_PTR(wane_slot_peek(&t->s[1]), NULL);
    if (t->kind == BIG && t->extra > 0) {
        CHECK_EQ_UINT(((unsigned char *)(t + 1))[t->extra - 1], t->mark.id & 0xFF);
    }
    use_in_callback(t);
    wane_release(t->owned);
    ledger_death(&t->mark);
}

static void map_destroy(void *self) {
    struct map *m = self;
    struct storage *s = __atomic_load_n(&m->xstorage, __ATOMIC_RELAXED);
    if (s != NULL) {
        wane_note_external(m, -(ptrdiff_t)(s->n * sizeof(wane_slot)));
    }
    free(s);
    thing_destroy(self);
}

static void map_trace(void *self, wane_visitor *v) {
    struct storage *s = __atomic_load_n(&((struct map *)self)->xstorage, __ATOMIC_ACQUIRE);
    if (s != NULL) {
        wane_visit_n(v, s->at, s->n);
    }
}

#define ZOO_SLOTS .slots = WANE_SLOTS(struct thing, s[0], s[1])
#define ZOO_THING .size = sizeof(struct thing), ZOO_SLOTS, .destroy = thing_destroy
static wane_type zoo_types[KINDS] = {
    [LEAF] = {.name = "leaf", .size = offsetof(struct thing, owned)},
    [NODE] = {.name = "node", .size = sizeof(struct thing), ZOO_SLOTS},
    [ITEM] = {.name = "item", ZOO_THING},
    [FINAL] = {.name = "final", ZOO_THING, .finalize = thing_finalize},
    [QUEUED] = {.name = "queued",
                ZOO_THING,
                .finalize = thing_finalize,
                .flags = WANE_TYPE_FINALIZE_QUEUED},
    [ACYCLIC] = {.name = "acyclic", ZOO_THING, .flags = WANE_TYPE_ACYCLIC},
    [KEPT] = {.name = "kept", ZOO_THING, .flags = WANE_TYPE_UNCOLLECTABLE},
    [SHARED] = {.name = "shared", ZOO_THING, .flags = WANE_TYPE_SHARED},
    [EXTRA] = {.name = "extra", ZOO_THING, .flags = WANE_TYPE_EXTRA_SLOTS},
    [BIG] = {.name = "big", ZOO_THING},
    [MAP] = {.name = "map",
             .size = sizeof(struct map),
             ZOO_SLOTS,
             .trace = map_trace,
             .destroy = map_destroy},
};

// Whether `to` may be put into a slot of t: what is never looked for in cycles must not be in one.
static bool may_hold(const struct thing *t, const struct thing *to) {
    return holds_slots[t->kind] && (to == NULL || t->kind != ACYCLIC || to->kind == LEAF);
}

// Of what is uncollectable the program must know, to break its cycles. False: memory is out.
static bool note_kept(struct thing *t, size_t number) {
    wane_weak *w = wane_weak_new(t, NULL, NULL);
    if (w == NULL) {
        ran_out(errno);
        return false;
    }
    wane_slot_give(&kept_places[number], w);
    return true;
}

// A new one of that kind, or NULL where there are enough of it, or memory is out.
static struct thing *thing_new(enum kind kind, test_rng *r) {
    size_t extra = 0, number = 0;
    if (kind == KEPT && (number = atomic_fetch_add(&kept_n, 1)) >= KEPT_MOST) {
        return NULL;
    }
    if (kind == EXTRA) {
        extra = test_below(r, EXTRA_MOST);
    } else if (kind == BIG) {
        extra = test_below(r, test_below(r, 8) == 0 ? 3 << 20 : 200000);
    }
    struct thing *t =
        wane_new_extra(&zoo_types[kind], kind == EXTRA ? extra * sizeof(wane_slot) : extra);
    if (t == NULL) {
        ran_out(errno);
        return NULL;
    }
    t->kind = kind;
    if (in_ledger(t)) {
        ledger_birth(&t->mark);
    } else {
        CHECK(t->mark.id == 0 && t->mark.canary == 0);
        t->mark.id = test_random(r) % LEDGER_CAPACITY;
        t->mark.canary = mark_canary(t->mark.id);
    }
    if (kind == LEAF) {
        return t;
    }
    t->extra = (uint32_t)extra;
    if (kind == BIG && extra > 0) {
        ((unsigned char *)(t + 1))[extra - 1] = (unsigned char)t->mark.id;
    } else if (kind == KEPT) {
        if (!note_kept(t, number)) {
            wane_clear(&t);
        }
    } else if (kind == ITEM && test_below(r, 4) == 0) {
        t->owned = thing_new(LEAF, r);
    }
    return t;
}

static wane_slot *any_slot(struct thing *t, test_rng *r) {
    if (t->kind == EXTRA && t->extra > 0 && test_below(r, 2) == 0) {
        return (wane_slot *)(void *)(t + 1) + test_below(r, t->extra);
    }
    return &t->s[test_below(r, 2)];
}

// Twice the storage or half of it, by whom nobody disturbs; the units go along in one step.
static void map_resize(struct map *m, size_t n) {
    if (__atomic_exchange_n(&m->xbusy, true, __ATOMIC_ACQUIRE)) {
        return;
    }
    struct storage *old = __atomic_load_n(&m->xstorage, __ATOMIC_RELAXED);
    size_t before = old != NULL ? old->n : 0;
    struct storage *s = calloc(1, sizeof *s + n * sizeof(wane_slot));
    CHECK(s != NULL);
    s->n = n;
    for (size_t i = n; i < before; i++) {
        wane_slot_clear(&old->at[i]);
    }
    wane_change_begin(m);
    wane_slots_move(m, s->at, old != NULL ? old->at : s->at, before < n ? before : n);
    __atomic_store_n(&m->xstorage, s, __ATOMIC_RELEASE);
    wane_change_end(m);
    wane_note_external(m, (ptrdiff_t)(n * sizeof(wane_slot)) -
                              (ptrdiff_t)(before * sizeof(wane_slot)));
    int error = old != NULL ? wane_defer(free, old) : 0;
    if (error != 0) {
        wane_defer_node_add(&old->node, free, old);
        ran_out(-error);
    }
    __atomic_store_n(&m->xbusy, false, __ATOMIC_RELEASE);
}

// obj is borrowed. Who changes a map keeps others away, as the calls that move slots ask for.
static void map_put(struct map *m, struct thing *obj, test_rng *r) {
    if (__atomic_exchange_n(&m->xbusy, true, __ATOMIC_ACQUIRE)) {
        return;
    }
    struct storage *s = __atomic_load_n(&m->xstorage, __ATOMIC_RELAXED);
    if (s != NULL && s->n > 0) {
        wane_slot_store(&s->at[test_below(r, s->n)], obj);
    }
    __atomic_store_n(&m->xbusy, false, __ATOMIC_RELEASE);
}

struct deferred {
    wane_defer_node node;
    uint64_t number;  // the complement of the canary of its address
};

static uint64_t deferred_canary(const struct deferred *d) {
    return ~mark_canary((uint64_t)(uintptr_t)d);
}

static void run_deferred(void *arg) {
    struct deferred *d = arg;
    CHECK_EQ_UINT(d->number, deferred_canary(d));
    d->number = 0;
    free(d);
    atomic_fetch_add(&deferred_run, 1);
}

static void defer_one(bool by_node) {
    struct deferred *d = malloc(sizeof *d);
    CHECK(d != NULL);
    d->number = deferred_canary(d);
    atomic_fetch_add(&deferred_made, 1);
    if (by_node) {
        wane_defer_node_add(&d->node, run_deferred, d);
        return;
    }
    int error = wane_defer(run_deferred, d);
    if (error != 0) {
        wane_defer_node_add(&d->node, run_deferred, d);
        ran_out(-error);
    }
}

#endif
