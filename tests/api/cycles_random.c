// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Random graphs against an oracle. Objects have slots that refer to each other at random, some are held by variables and
// by global slots; steps change everything in every way there is, and collect generations in between. The test keeps
// a picture of the graph beside it. After each collection of generation 2 exactly what the picture reaches is alive; at no
// time is anything dead that it reaches.

#include "api.h"

enum { OBJECTS = 48, FAN = 3, HOLDERS = 5, GLOBALS = 4, NONE = -1 };

struct thing {
    wane_slot to[FAN];
    uint64_t index;
    bool saves;
};

// The picture.
static struct picture {
    struct thing *object;  // NULL: not alive as far as the picture knows
    wane_weak *weak;
    bool dead;       // destroy has run
    bool finalized;  // finalize has run
    bool final;
    bool saves;
    int to[FAN];
} all[OBJECTS];
static int held[HOLDERS];
static int global_holds[GLOBALS];
static wane_slot globals[GLOBALS];
static int refuge_holds[OBJECTS];
static wane_slot refuge[OBJECTS];

static void thing_finalize(void *self) {
    struct thing *t = self;
    struct picture *p = &all[t->index];
    CHECK(p->object == t && p->final && !p->finalized && !p->dead);
    p->finalized = true;
    for (int i = 0; i < FAN; i++) {
        struct thing *other = wane_slot_peek(&t->to[i]);
        CHECK_EQ_PTR(other, p->to[i] == NONE ? NULL : all[p->to[i]].object);
        CHECK(other == NULL || !all[p->to[i]].dead);
    }
    if (p->saves) {
        wane_slot_store(&refuge[t->index], t);
        refuge_holds[t->index] = (int)t->index;
    }
}

static void thing_destroy(void *self) {
    struct thing *t = self;
    struct picture *p = &all[t->index];
    CHECK(p->object == t && !p->dead && p->final == p->finalized);
    for (int i = 0; i < FAN; i++) {
        CHECK_EQ_PTR(wane_slot_peek(&t->to[i]), NULL);
    }
    p->dead = true;
}

#define THING_TYPE(name_, ...)                                                                     \
    {                                                                                              \
        .name = name_, .size = sizeof(struct thing),                                               \
        .slots = (const size_t[]){0, 8, 16, WANE_SLOTS_END}, .destroy = thing_destroy,             \
        __VA_ARGS__                                                                                \
    }
static wane_type types[] = {
    THING_TYPE("thing", .flags = 0),
    THING_TYPE("thing", .flags = 0),
    THING_TYPE("shared thing", .flags = WANE_TYPE_SHARED),
    THING_TYPE("final thing", .finalize = thing_finalize),
};

static void mark(bool *reached, int i) {
    if (i == NONE || reached[i]) {
        return;
    }
    int work[OBJECTS], n = 0;
    work[n++] = i;
    reached[i] = true;
    while (n > 0) {
        struct picture *p = &all[work[--n]];
        for (int k = 0; k < FAN; k++) {
            if (p->to[k] != NONE && !reached[p->to[k]]) {
                reached[p->to[k]] = true;
                work[n++] = p->to[k];
            }
        }
    }
}

static void reachable(bool *ret_reached) {
    memset(ret_reached, 0, OBJECTS * sizeof *ret_reached);
    for (int i = 0; i < HOLDERS; i++) {
        mark(ret_reached, held[i]);
    }
    for (int i = 0; i < GLOBALS; i++) {
        mark(ret_reached, global_holds[i]);
    }
    for (int i = 0; i < OBJECTS; i++) {
        mark(ret_reached, refuge_holds[i]);
    }
}

// exact: what is not reachable is dead.
static void compare(bool exact) {
    bool reached[OBJECTS];
    reachable(reached);
    for (int i = 0; i < OBJECTS; i++) {
        struct picture *p = &all[i];
        if (p->object == NULL) {
            continue;
        }
        CHECK_MSG(!reached[i] || !p->dead, "object %d is dead and can be reached", i);
        CHECK_MSG(!exact || reached[i] || p->dead, "object %d is alive and cannot be reached", i);
        struct thing *t = wane_weak_get(p->weak);
        CHECK_MSG(t != NULL || !reached[i], "weak reference of %d, which can be reached, is NULL", i);
        CHECK_MSG(t == NULL || !p->dead, "weak reference of %d, which is dead, is not NULL", i);
        wane_release(t);
        if (p->dead) {
            wane_clear(&p->weak);
            *p = (struct picture){.to = {NONE, NONE, NONE}};
        }
    }
}

// One that can be reached, at random; NONE if there is none.
static int pick(test_rng *r) {
    bool reached[OBJECTS];
    reachable(reached);
    int some[OBJECTS], n = 0;
    for (int i = 0; i < OBJECTS; i++) {
        if (reached[i]) {
            some[n++] = i;
        }
    }
    return n == 0 ? NONE : some[test_below(r, (uint64_t)n)];
}

static struct thing *unit_of(int i) { return i == NONE ? NULL : wane_retain(all[i].object); }

static void set_holder(int h, int i) {
    struct thing *old = held[h] == NONE ? NULL : all[held[h]].object;
    unit_of(i);
    held[h] = i;
    wane_release(old);
}

static void make(test_rng *r) {
    for (int i = 0; i < OBJECTS; i++) {
        struct picture *p = &all[i];
        if (p->object != NULL) {
            continue;
        }
        wane_type *type = &types[test_below(r, sizeof types / sizeof *types)];
        p->object = wane_new(type);
        p->object->index = (uint64_t)i;
        p->final = type->finalize != NULL;
        p->saves = p->final && test_below(r, 2) == 0;
        p->weak = wane_weak_new(p->object, NULL, NULL);
        int h = (int)test_below(r, HOLDERS);
        set_holder(h, NONE);
        held[h] = i;
        return;
    }
}

// Puts `i` into a slot whose picture is *ret_to, in a random way.
static void put(test_rng *r, wane_slot *s, int *ret_to, int i) {
    struct thing *old = *ret_to == NONE ? NULL : all[*ret_to].object, *got;
    switch (test_below(r, 6)) {
    case 0:
        wane_slot_store(s, i == NONE ? NULL : all[i].object);
        break;
    case 1:
        wane_slot_give(s, unit_of(i));
        break;
    case 2:
        got = wane_slot_swap(s, unit_of(i));
        CHECK_EQ_PTR(got, old);
        *ret_to = i;
        wane_release(got);
        break;
    case 3:
        CHECK(wane_slot_cas(s, old, i == NONE ? NULL : all[i].object));
        break;
    case 4:
        got = wane_slot_take(s);
        CHECK_EQ_PTR(got, old);
        wane_slot_give(s, unit_of(i));
        *ret_to = i;
        wane_release(got);
        break;
    default:
        wane_slot_clear(s);
        i = NONE;
    }
    *ret_to = i;
}

static void step(test_rng *r) {
    int i = pick(r), k = pick(r);
    switch (test_below(r, 12)) {
    case 0:
    case 1:
    case 2:
        make(r);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        if (i != NONE) {
            int f = (int)test_below(r, FAN);
            // Held, because an object's slots may be used only while it is.
            struct thing *t = unit_of(i);
            put(r, &t->to[f], &all[i].to[f], k);
            wane_release(t);
        }
        break;
    case 7: {
        int g = (int)test_below(r, GLOBALS);
        put(r, &globals[g], &global_holds[g], k);
        break;
    }
    case 8:
        set_holder((int)test_below(r, HOLDERS), i);
        break;
    case 9:
        set_holder((int)test_below(r, HOLDERS), NONE);
        break;
    case 10: {
        int saved = (int)test_below(r, OBJECTS);
        wane_slot_clear(&refuge[saved]);
        refuge_holds[saved] = NONE;
        break;
    }
    default:
        wane_gc_collect((int)test_below(r, 2));
        compare(false);
    }
}

static void clear_all(void) {
    for (int i = 0; i < HOLDERS; i++) {
        set_holder(i, NONE);
    }
    for (int i = 0; i < GLOBALS; i++) {
        wane_slot_clear(&globals[i]);
        global_holds[i] = NONE;
    }
    // Along a chain each is saved when the one before it is gone.
    bool any = true;
    for (int round = 0; round < OBJECTS && any; round++) {
        for (int i = 0; i < OBJECTS; i++) {
            wane_slot_clear(&refuge[i]);
            refuge_holds[i] = NONE;
        }
        wane_gc_collect(2);
        compare(true);
        any = false;
        for (int i = 0; i < OBJECTS; i++) {
            any = any || all[i].object != NULL;
        }
    }
}

static void one_graph(test_rng *r) {
    for (int i = 0; i < OBJECTS; i++) {
        all[i] = (struct picture){.to = {NONE, NONE, NONE}};
        refuge_holds[i] = NONE;
    }
    memset(held, 0xff, sizeof held);
    memset(global_holds, 0xff, sizeof global_holds);
    uint64_t parts = 1 + test_below(r, 4);
    for (uint64_t part = 0; part < parts; part++) {
        for (uint64_t steps = test_below(r, 120); steps > 0; steps--) {
            step(r);
        }
        bool full = test_below(r, 8) == 0;
        wane_gc_collect(full ? WANE_GC_FULL : 2);
        compare(true);
        if (!full) {
            // Nothing was lost for the candidates.
            CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), 0);
        }
    }
    clear_all();
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

TEST(random_graphs) {
    // Everything happens on this thread: the picture changes when the graph does.
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    wane_gc_disable();
    test_rng r = test_rng_make(1);
    size_t graphs = api_long() ? 20000 : 1500;
    uint64_t end = test_now_ns() + 5 * API_SECOND;
    for (size_t i = 0; i < graphs && (api_long() || test_now_ns() < end); i++) {
        one_graph(&r);
    }
}

// Threads rewire one graph while collections run; when all is quiet, exactly what can be reached is left.

enum { PLACES = 12, WORKERS = 3 };
static wane_slot places[PLACES];
static _Atomic(size_t) nodes_made;
static _Atomic(size_t) workers_left;

static struct node *any_node(test_rng *r) {
    struct node *n = wane_slot_load(&places[test_below(r, PLACES)]);
    for (uint64_t steps = test_below(r, 4); n != NULL && steps > 0; steps--) {
        CHECK_EQ_UINT(n->canary, NODE_CANARY);
        struct node *next = wane_slot_load(test_below(r, 2) == 0 ? &n->left : &n->right);
        if (next == NULL) {
            break;
        }
        wane_release(n);
        n = next;
    }
    return n;
}

static void rewire(test_rng *r) {
    struct node *n = any_node(r), *m = any_node(r);
    if (n == NULL) {
        atomic_fetch_add(&nodes_made, 1);
        n = node_new(0);
        wane_slot_store(&places[test_below(r, PLACES)], n);
    }
    wane_slot *s = test_below(r, 2) == 0 ? &n->left : &n->right;
    switch (test_below(r, 7)) {
    case 0:
        atomic_fetch_add(&nodes_made, 1);
        wane_slot_give(s, node_new(0));
        break;
    case 1:
        wane_slot_store(s, m);
        break;
    case 2:
        wane_release(wane_slot_swap(s, m != NULL ? wane_retain(m) : NULL));
        break;
    case 3:
        wane_slot_give(&places[test_below(r, PLACES)], wane_slot_take(s));
        break;
    case 4:
        wane_slot_cas(s, NULL, m);
        break;
    case 5:
        wane_slot_store(&places[test_below(r, PLACES)], m);
        break;
    default:
        wane_slot_clear(test_below(r, 2) == 0 ? s : &places[test_below(r, PLACES)]);
    }
    wane_release(m);
    wane_release(n);
}

static void *rewire_for_a_while(void *stream) {
    test_rng r = test_rng_make((uint64_t)(uintptr_t)stream);
    for (int i = 0; i < 2000; i++) {
        rewire(&r);
    }
    atomic_fetch_sub(&workers_left, 1);
    return NULL;
}

// Nodes reached from places and not seen in this round.
static size_t count_reached(uint64_t round) {
    size_t n = 0, capacity = 1024, depth = 0;
    struct node **work = malloc(capacity * sizeof *work);
    for (size_t i = 0; i < PLACES; i++) {
        work[depth++] = wane_slot_peek(&places[i]);
    }
    while (depth > 0) {
        struct node *at = work[--depth];
        if (at == NULL || at->number == round) {
            continue;
        }
        CHECK_EQ_UINT(at->canary, NODE_CANARY);
        at->number = round;
        n++;
        if (depth + 2 > capacity) {
            capacity *= 2;
            work = realloc(work, capacity * sizeof *work);
        }
        work[depth++] = wane_slot_peek(&at->left);
        work[depth++] = wane_slot_peek(&at->right);
    }
    free(work);
    return n;
}

TEST(random_graphs_of_threads) {
    unsigned before[3];
    CHECK_EQ_INT(wane_option_set("collector_thread", 1), 0);
    wane_gc_get_threshold(before);
    size_t rounds = api_long() ? 500 : 25, dead = atomic_load(&nodes_dead);
    for (size_t round = 1; round <= rounds; round++) {
        pthread_t threads[WORKERS];
        atomic_store(&workers_left, WORKERS);
        wane_gc_set_threshold(1 + (unsigned)(round % 40), 2, 2);
        wane_gc_enable();
        for (size_t i = 0; i < WORKERS; i++) {
            threads[i] = api_thread(rewire_for_a_while, (void *)(round * WORKERS + i));
        }
        for (int i = 0; atomic_load(&workers_left) > 0; i++) {
            wane_gc_collect(i % 4);
        }
        for (size_t i = 0; i < WORKERS; i++) {
            api_join(threads[i]);
        }
        wane_gc_disable();
        wane_gc_collect(2);
        size_t alive = atomic_load(&nodes_made) - (atomic_load(&nodes_dead) - dead);
        CHECK_EQ_UINT(count_reached(round), alive);
        CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), 0);
    }
    for (size_t i = 0; i < PLACES; i++) {
        wane_slot_clear(&places[i]);
    }
    wane_gc_collect(2);
    CHECK_EQ_UINT(atomic_load(&nodes_dead) - dead, atomic_load(&nodes_made));
    wane_gc_set_threshold(before[0], before[1], before[2]);
}
