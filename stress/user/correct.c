// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Correct uses that are the same under each sanitizer: containers that defer their storage,
// callbacks of every kind on whatever thread they run, and deaths that are left to the collector.
// Nothing may be reported.

#include "user.h"

enum { THREADS = 3, MAPS = 3000, MORTALS = 4000 };

// A container whose storage is malloc'ed: replaced beside collections that trace it, by wane_defer,
// and freed at once by its end. Its table is filled by plain stores, then published.

uint64_t looks;

static void map_trace(void *self, wane_visitor *v) {
    struct entries *e = __atomic_load_n(&((struct map *)self)->entries, __ATOMIC_ACQUIRE);
    if (e != NULL) {
        wane_visit_n(v, e->at, e->room);
        __atomic_fetch_add(&looks, 1, __ATOMIC_RELAXED);
    }
}

static void map_destroy(void *self) {
    struct map *m = self;
    m->number = 0;
    free(m->entries);
}

wane_type map_type = {
    .name = "map", .size = sizeof(struct map), .trace = map_trace, .destroy = map_destroy};

struct entries *entries_new(size_t room) {
    struct entries *e = calloc(1, sizeof *e + room * sizeof(wane_slot));
    MUST(e != NULL);
    e->room = room;
    return e;
}

// The units move: as one step for the collector, or each by a count more and a deferred one less.
static void map_grow(struct map *m, bool by_moving) {
    struct entries *old = m->entries;
    struct entries *e = entries_new(old != NULL ? 2 * old->room : 2);
    e->n = old != NULL ? old->n : 0;
    if (by_moving) {
        wane_change_begin(m);
        if (old != NULL) {
            wane_slots_move(m, e->at, old->at, old->n);
        }
        __atomic_store_n(&m->entries, e, __ATOMIC_RELEASE);
        wane_change_end(m);
    } else {
        for (size_t i = 0; i < e->n; i++) {
            wane_slot_init(&e->at[i], wane_slot_load(&old->at[i]));
        }
        __atomic_store_n(&m->entries, e, __ATOMIC_RELEASE);
        for (size_t i = 0; i < e->n; i++) {
            wane_slot_clear(&old->at[i]);
        }
    }
    MUST(old == NULL || wane_defer(free, old) == 0);
}

static void map_add(struct map *m, void *obj, bool by_moving) {
    struct entries *e = m->entries;
    if (e == NULL || e->n == e->room) {
        map_grow(m, by_moving);
        e = m->entries;
    }
    wane_slot_give(&e->at[e->n++], obj);
}

wane_slot shared_map;

void read_shared_map(void) {
    wane_guard_enter();
    struct map *m = wane_slot_peek(&shared_map);
    struct entries *e = m != NULL ? __atomic_load_n(&m->entries, __ATOMIC_ACQUIRE) : NULL;
    for (size_t i = 0; e != NULL && i < e->room; i++) {
        struct node *n = wane_slot_peek(&e->at[i]);
        MUST(n == NULL || n->number < MAPS);
    }
    __atomic_fetch_add(&looks, e != NULL, __ATOMIC_RELAXED);
    wane_guard_leave();
}

static void *grow_maps(void *arg) {
    uint64_t rounds = (uint64_t)(uintptr_t)arg;
    struct map *kept = wane_new(&map_type);
    for (uint64_t i = 0; i < rounds; i++) {
        struct map *m = wane_new(&map_type);
        m->number = i;
        for (uint64_t k = 0; k < i % 20; k++) {
            map_add(m, node_new(i), i % 2 == 0);
        }
        if (i % 3 == 0) {
            map_add(m, wane_retain(m), i % 2 == 0);  // a cycle, for the collector
        }
        map_add(kept, wane_retain(m), i % 2 == 0);
        if (i % 64 == 0) {
            wane_slot_give(&shared_map, m);
            wane_release(kept);
            kept = wane_new(&map_type);
        } else {
            wane_release(m);
        }
        read_shared_map();
    }
    wane_release(kept);
    return NULL;
}

void *collect(void *stop) {
    while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED)) {
        wane_gc_collect(0);
        wane_gc_collect(WANE_GC_FULL);
        wane_gc_step(100000);
    }
    return NULL;
}

void use_containers(void) {
    static int done;
    pthread_t threads[THREADS], collector = start(collect, &done);
    MUST(wane_option_set("threshold0", 500) == 0);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = start(grow_maps, (void *)(uintptr_t)MAPS);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    __atomic_store_n(&done, 1, __ATOMIC_RELAXED);
    pthread_join(collector, NULL);
    wane_slot_clear(&shared_map);
    wane_shutdown();
}

// Callbacks. What a thread wrote by plain stores before it let go of an object, deferred a function
// or set the log is there for the callback, on whatever thread that runs; and what a finalizer
// wrote is there for who finds the object alive afterwards.

struct mortal {
    wane_slot other;
    uint64_t number, finalized;
    uint64_t *memory;
};

static wane_slot place, risen;
static uint64_t ended;

static void mortal_finalize(void *self) {
    struct mortal *m = self;
    MUST(*m->memory == m->number && m->finalized == 0);
    m->finalized = m->number + 1;
    if (m->number % 4 == 0) {
        wane_slot_store(&risen, m);
    }
}

static void mortal_destroy(void *self) {
    struct mortal *m = self;
    MUST(m->finalized == m->number + 1);
    m->number = 0;
    free(m->memory);
    __atomic_fetch_add(&ended, 1, __ATOMIC_RELAXED);
}

#define MORTAL(flags_)                                                                             \
    {                                                                                              \
        .name = "mortal", .size = sizeof(struct mortal),                                           \
        .slots = WANE_SLOTS(struct mortal, other), .finalize = mortal_finalize,                    \
        .destroy = mortal_destroy, .flags = (flags_)                                               \
    }
static wane_type mortal_types[] = {MORTAL(0), MORTAL(WANE_TYPE_FINALIZE_QUEUED),
                                   MORTAL(WANE_TYPE_SHARED), MORTAL(WANE_TYPE_ACYCLIC)};

struct later {
    wane_defer_node node;
    uint64_t number;
};

static void run_later(void *arg) {
    struct later *l = arg;
    l->number++;
    free(l);
}

struct log {
    uint64_t lines, least;
};

static void write_log(int level, const char *line, void *arg) {
    struct log *log = arg;
    MUST(level > 0 && line[0] != '\0' && log->least == 7);
    __atomic_fetch_add(&log->lines, 1, __ATOMIC_RELAXED);
}

static struct mortal *mortal_new(uint64_t number) {
    struct mortal *m = wane_new(&mortal_types[number % 5 % 4]);
    MUST(m != NULL);
    m->number = number;
    m->memory = malloc(sizeof *m->memory);
    *m->memory = number;
    return m;
}

static void *make_mortals(void *arg) {
    uint64_t rounds = (uint64_t)(uintptr_t)arg;
    for (uint64_t i = 0; i < rounds; i++) {
        struct mortal *m = mortal_new(i), *other = mortal_new(i + 1);
        if (i % 3 == 0 && i % 5 < 2) {
            wane_slot_store(&other->other, m);  // a cycle, of types that are tracked
        }
        wane_slot_give(&m->other, other);
        if (i % 2 == 0) {
            wane_slot_store(&place, m);
        }
        if (i % 5 == 0) {
            wane_release_later(m);
        } else {
            wane_release(m);
        }
        m = wane_slot_load(&risen);
        MUST(m == NULL || m->finalized == m->number + 1);
        wane_release(m);
        struct later *l = malloc(sizeof *l);
        l->number = i;
        wane_defer_node_add(&l->node, run_later, l);
    }
    return NULL;
}

// Who dies while the collector holds it is destroyed by the collector, after what its last holder
// did; and what is just born is traced, after its memory was cleared. Nothing but the death and the
// birth order the threads here.

struct seen {
    wane_slot other;
    uint64_t number, looks;
    char room[2000];
};

enum turn { COLLECTS, MAY_RELEASE, RELEASED };
static uint64_t traced, traced_most;
bool write_late;
static int turn;

static int turn_now(void) { return __atomic_load_n(&turn, __ATOMIC_RELAXED); }

static bool turn_from(int from, int to) {
    return __atomic_compare_exchange_n(&turn, &from, to, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static void seen_trace(void *self, wane_visitor *v) {
    struct seen *s = self;
    __atomic_fetch_add(&s->looks, 1, __ATOMIC_RELAXED);
    uint64_t n = __atomic_add_fetch(&traced, 1, __ATOMIC_RELAXED);
    if (n == __atomic_load_n(&traced_most, __ATOMIC_RELAXED) && turn_from(COLLECTS, MAY_RELEASE)) {
        while (turn_now() != RELEASED) {
            usleep(10);
        }
    }
    wane_visit(v, &s->other);
}

static void seen_destroy(void *self) { ((struct seen *)self)->number++; }

static wane_type seen_type = {
    .name = "seen", .size = sizeof(struct seen), .trace = seen_trace, .destroy = seen_destroy};

static void *release_while_traced(void *obj) {
    while (turn_now() != MAY_RELEASE) {
        usleep(10);
    }
    struct seen *s = obj;
    wane_slot_give(&s->other, wane_new(&seen_type));
    s->number++;
    wane_release(s);
    if (write_late) {
        s->number++;
    }
    turn_from(MAY_RELEASE, RELEASED);
    return NULL;
}

// Released while it is traced for the n-th time. False: it was not traced that often.
static bool release_at_trace(uint64_t n) {
    struct seen *s = wane_share(wane_new(&seen_type));
    struct node *garbage = node_new(n);
    wane_slot_store(&garbage->next, garbage);
    __atomic_store_n(&turn, COLLECTS, __ATOMIC_RELAXED);
    __atomic_store_n(&traced, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&traced_most, n, __ATOMIC_RELAXED);
    pthread_t t = start(release_while_traced, s);
    wane_release(garbage);
    wane_gc_collect(WANE_GC_FULL);
    __atomic_store_n(&traced_most, 0, __ATOMIC_RELAXED);
    bool enough = !turn_from(COLLECTS, MAY_RELEASE);
    pthread_join(t, NULL);
    return enough;
}

void use_while_traced(void) {
    uint64_t n = 1;
    while (n < 100 && release_at_trace(n)) {
        n++;
    }
    MUST(n > 1);
    wane_shutdown();
}

static void *stay_in_guard(void *log) {
    wane_guard_enter();
    while (__atomic_load_n(&((struct log *)log)->lines, __ATOMIC_RELAXED) == 0) {
        usleep(1000);
    }
    wane_guard_leave();
    return NULL;
}

void use_callbacks(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        threads[i] = start(make_mortals, (void *)(uintptr_t)MORTALS);
    }
    struct log *log = calloc(1, sizeof *log);
    log->least = 7;
    wane_set_log(write_log, log);
    MUST(wane_option_set("guard_warn_ms", 1) == 0);
    pthread_t guard = start(stay_in_guard, log);
    pthread_join(guard, NULL);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    wane_slot_clear(&place);
    for (int i = 0; __atomic_load_n(&ended, __ATOMIC_RELAXED) < 2 * THREADS * MORTALS; i++) {
        MUST(i < 1000);
        wane_slot_clear(&risen);
        wane_gc_collect(WANE_GC_FULL);
    }
    wane_shutdown();
    wane_set_log(NULL, NULL);
    free(log);
}
