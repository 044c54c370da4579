/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * type.c: what registration finds out about a type, and which slots of an object are visited.
 */
#include "life/type.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <wane.h>

#include "harness.h"

__attribute__((constructor)) static void without_the_librarys_thread(void) {
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
}

void test_teardown(void) {
    wane_stats s = {.struct_size = sizeof s};
    CHECK_EQ_INT(wane_stats_get(&s), 0);
    CHECK_EQ_UINT(s.live_objects, 0);
}

static const size_t one[] = {0, WANE_SLOTS_END};
static const size_t none[] = {WANE_SLOTS_END};

static void trace_nothing(void *self, wane_visitor *v) { (void)self, (void)v; }
static void call(void *self) { (void)self; }

enum {
    TRACKED = WANE__TRAIT_TRACKED,
    SCANNED = WANE__TRAIT_SCANNED,
    CALLS = WANE__TRAIT_CALLS,
    MERGED = WANE__TRAIT_MERGED,
    LIBRARY = WANE__TRAIT_LIBRARY,
    CANDIDATE = WANE__TRAIT_CANDIDATE,
    SIMPLE = WANE__TRAIT_SIMPLE,
    GRAPH = TRACKED | SCANNED, /* has slots, and may be part of a cycle */
};

static struct kind {
    uintptr_t traits;
    wane_type t;
} kinds[] = {
    {SIMPLE, {.name = "plain", .size = 8}},
    {SIMPLE, {.name = "empty list", .size = 8, .slots = none}},
    {SIMPLE, {.name = "acyclic without slots", .size = 8, .flags = WANE_TYPE_ACYCLIC}},
    {SIMPLE, {.name = "finalize", .size = 8, .finalize = call}},
    {CALLS, {.name = "destroy", .size = 8, .destroy = call}},
    {SIMPLE | MERGED, {.name = "shared", .size = 8, .flags = WANE_TYPE_SHARED}},
    {SIMPLE | GRAPH | CANDIDATE, {.name = "slots", .size = 8, .slots = one}},
    {SIMPLE | SCANNED,
     {.name = "acyclic slots", .size = 8, .slots = one, .flags = WANE_TYPE_ACYCLIC}},
    {CALLS | GRAPH | CANDIDATE,
     {.name = "slots, destroy", .size = 8, .slots = one, .destroy = call}},
    {SIMPLE | GRAPH | CANDIDATE,
     {.name = "slots, finalize", .size = 8, .slots = one, .finalize = call}},
    {SIMPLE | GRAPH | CANDIDATE | MERGED,
     {.name = "shared slots", .size = 8, .slots = one, .flags = WANE_TYPE_SHARED}},
    {GRAPH | CANDIDATE, {.name = "extra slots", .flags = WANE_TYPE_EXTRA_SLOTS}},
    {SCANNED, {.name = "acyclic extra", .flags = WANE_TYPE_EXTRA_SLOTS | WANE_TYPE_ACYCLIC}},
    /* not born a candidate: `trace` must not be called before the object's maker has let it go */
    {GRAPH, {.name = "trace", .size = 8, .trace = trace_nothing}},
    {SCANNED,
     {.name = "acyclic trace", .size = 8, .trace = trace_nothing, .flags = WANE_TYPE_ACYCLIC}},
    {GRAPH | CALLS,
     {.name = "slots, trace", .size = 8, .slots = one, .trace = trace_nothing, .destroy = call}},
    {GRAPH,
     {.name = "extra, trace", .size = 8, .trace = trace_nothing, .flags = WANE_TYPE_EXTRA_SLOTS}},
    {LIBRARY | SIMPLE,
     {.name = "library's", .size = 8, .wane__private[WANE__TYPE_TRAITS] = LIBRARY}},
    {GRAPH | CANDIDATE | SIMPLE,
     {.name = "uncollectable", .size = 8, .slots = one, .flags = WANE_TYPE_UNCOLLECTABLE}},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static unsigned candidate_at_birth(uintptr_t traits, const wane_type *t) {
    if ((traits & TRACKED) != 0)
        return (traits & CANDIDATE) != 0 ? 1 : 0;
    bool plain = t->destroy == NULL && (traits & (SCANNED | LIBRARY)) == 0;
    return plain ? WANE__CANDIDATE_PLAIN : WANE__CANDIDATE_NEVER;
}

/* The header is what the next thread and the collector go by: it says what the description said. */
static void check_birth(const struct kind *k) {
    void *obj = wane_new((wane_type *)&k->t);
    CHECK(obj != NULL);
    const struct wane__header *h = wane__header_of(obj);
    uint64_t w = h->shared;
    bool merged = (k->traits & MERGED) != 0 || wane__fences_on();
    CHECK_EQ_UINT(wane__word_type(w), k->t.wane__private[WANE__TYPE_ID]);
    CHECK_EQ_INT(wane__word_has(w, WANE__LIVE), true);
    CHECK_EQ_INT(wane__word_has(w, WANE__FINAL_DUE), k->t.finalize != NULL);
    CHECK_EQ_INT(wane__word_has(w, WANE__MERGED), merged);
    CHECK_EQ_UINT(wane__word_count(w), merged ? 1 : 0);
    CHECK_EQ_UINT(h->local, merged ? 0 : 1);
    CHECK_EQ_UINT(h->owner, merged ? WANE__OWNER_NONE : wane__record_self()->id);
    CHECK_EQ_UINT(h->candidate, candidate_at_birth(k->traits, &k->t));
    CHECK_EQ_INT(wane__page_is_tracked(wane__page_of(h)), (k->traits & TRACKED) != 0);
    CHECK_EQ_PTR(wane__type_of(w), &k->t);
    wane_release(obj);
}

TEST(traits_of_each_kind) {
    for (size_t i = 0; i < KINDS; i++) {
        wane_type *t = &kinds[i].t;
        uint32_t id = wane__type_register(t);
        CHECK(id != 0);
        CHECK_EQ_UINT(wane__type_register(t), id);
        CHECK_EQ_PTR(load_acquire(&wane__types[id]), t);
        CHECK_MSG(t->wane__private[WANE__TYPE_TRAITS] == kinds[i].traits,
                  "%s: traits %#zx, not %#zx", t->name, (size_t)t->wane__private[WANE__TYPE_TRAITS],
                  (size_t)kinds[i].traits);
        CHECK_EQ_INT(wane__type_has(t, CALLS), t->destroy != NULL);
        CHECK_EQ_UINT(t->wane__private[WANE__TYPE_BLOCK], t->size + sizeof(struct wane__header));
        CHECK_EQ_UINT(t->wane__private[WANE__TYPE_SLOTS_N], t->slots == one ? 1 : 0);
        for (int twice = 0; twice < 2; twice++) /* the slow path, then the inline one */
            check_birth(&kinds[i]);
        for (size_t j = 0; j < i; j++)
            CHECK(kinds[j].t.wane__private[WANE__TYPE_ID] != id);
    }
}

TEST(sizes_and_names) {
    static wane_type types[] = {
        {.size = 0}, {.size = 1}, {.size = 32000}, {.size = 1u << 20}, {.size = SIZE_MAX - 4}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        wane_type *t = &types[i];
        CHECK(wane__type_register(t) != 0);
        CHECK_EQ_STR(t->name, "(unnamed)");
        bool absurd = t->size > SIZE_MAX / 2;
        CHECK_EQ_UINT(t->wane__private[WANE__TYPE_BLOCK],
                      absurd ? SIZE_MAX : t->size + sizeof(struct wane__header));
        CHECK_EQ_INT(t->wane__private[WANE__TYPE_CLASS] == WANE__CLASS_LARGE,
                     t->size > WANE__BLOCK_MAX);
        /* Larger blocks than the inline path may clear are born in the slow one. */
        CHECK_EQ_INT(t->wane__private[WANE__TYPE_BIN] == WANE__BIN_NONE, t->size >= 32000);
    }
}

/* Forgotten while nothing of it lives, a type may come back as a new one. */
TEST(forgotten_types_come_back) {
    static wane_type t = {.name = "forgotten", .size = 8};
    uint32_t id = wane__type_register(&t);
    void *obj = wane_new(&t);
    CHECK(wane_type_forget(&t) < 0);
    CHECK_EQ_UINT(wane__type_register(&t), id);
    wane_release(obj);
    CHECK_EQ_INT(wane_type_forget(&t), 0);
    CHECK_EQ_PTR(wane__types[id], NULL);
    uint32_t again = wane__type_register(&t);
    CHECK(again != 0);
    CHECK_EQ_PTR(wane__types[again], &t);
}

/* One id a type, however many threads come first. */
enum { THREADS = 6, TYPES = 200 };
static wane_type crowded[TYPES];
static uint32_t seen[THREADS][TYPES];
static pthread_barrier_t start;

static void *register_all(void *number) {
    size_t me = (size_t)(uintptr_t)number;
    for (size_t i = 0; i < TYPES; i++) {
        if (i % 10 == 0) /* together again: each of them races */
            pthread_barrier_wait(&start);
        uint32_t id = wane__type_register(&crowded[i]);
        seen[me][i] = id;
        /* Whoever gets the id finds all that belongs to it. */
        CHECK_EQ_PTR(load_acquire(&wane__types[id]), &crowded[i]);
        CHECK_EQ_UINT(crowded[i].wane__private[WANE__TYPE_BIRTH] >> WANE__TYPE_SHIFT, id);
        wane_release(wane_new(&crowded[i]));
    }
    return NULL;
}

TEST(threads_register_the_same_types) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < TYPES; i++)
        crowded[i] =
            (wane_type){.name = "crowded", .size = 8 * (i + 1), .slots = i % 2 != 0 ? one : NULL};
    CHECK_EQ_INT(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK_EQ_INT(pthread_create(&threads[i], NULL, register_all, (void *)(uintptr_t)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK_EQ_INT(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&start);
    static bool taken[WANE__TYPES];
    for (size_t i = 0; i < TYPES; i++) {
        uint32_t id = seen[0][i];
        CHECK(id != 0 && !taken[id]);
        taken[id] = true;
        for (size_t j = 1; j < THREADS; j++)
            CHECK_EQ_UINT(seen[j][i], id);
    }
}

/* Visits. */

static wane_slot outside[3]; /* slots that only `trace` knows: fixed memory, in two calls */
static bool guarded;

static void trace_outside(void *self, wane_visitor *v) {
    CHECK(self != NULL);
    guarded = wane__self->nest == 1;
    wane_visit(v, &outside[0]);
    wane_visit_n(v, &outside[1], 2);
}

struct counting {
    struct wane__visit_ops ops;
    size_t n;
    wane_slot *visited[256];
};

static void count(struct wane__visit_ops *ops, wane_slot *s, size_t n) {
    struct counting *c = (struct counting *)(void *)ops;
    for (size_t i = 0; i < n; i++)
        c->visited[c->n++] = &s[i];
    if (n > 0 && s >= outside && s < outside + 3)
        CHECK(wane__self->nest == 1); /* what `trace` reads may be replaced meanwhile */
}

static size_t times(const struct counting *c, const void *slot) {
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        n += c->visited[i] == slot;
    return n;
}

static const size_t three[] = {0, 40, 16, WANE_SLOTS_END};

/* Every slot that t has, once, and nothing else. `extra` slots behind the payload. */
static void check_visits(wane_type *t, size_t extra) {
    char *obj = wane_new_extra(t, extra * sizeof(wane_slot));
    CHECK(obj != NULL);
    struct wane__header *h = wane__header_of(obj);
    for (int quick = 0; quick < 2; quick++) {
        struct counting c = {.ops.slots = count};
        size_t want = 0;
        guarded = false;
        if (quick != 0)
            wane__visit_quick(t, h, &c.ops, count);
        else
            wane__visit_slots(t, h, &c.ops);
        for (size_t i = 0; t->slots != NULL && t->slots[i] != WANE_SLOTS_END; i++, want++)
            CHECK_EQ_UINT(times(&c, obj + t->slots[i]), 1);
        if ((t->flags & WANE_TYPE_EXTRA_SLOTS) != 0) {
            size_t begin = (t->size + 7) / 8 * 8, n = (wane_sizeof(obj) - sizeof *h - begin) / 8,
                   got;
            CHECK(n >= extra); /* rounding adds some, which are empty */
            for (size_t i = 0; i < n; i++, want++)
                CHECK_EQ_UINT(times(&c, obj + begin + 8 * i), 1);
            CHECK_EQ_PTR(wane__extra_slots(t, h, &got), obj + begin);
            CHECK_EQ_UINT(got, n);
        }
        for (size_t i = 0; t->trace != NULL && i < 3; i++, want++)
            CHECK_EQ_UINT(times(&c, &outside[i]), 1);
        CHECK_EQ_UINT(c.n, want);
        CHECK_EQ_INT(guarded, t->trace != NULL);
        CHECK_EQ_UINT(wane__self->nest, 0);
    }
    wane_release(obj);
}

TEST(each_slot_is_visited_once) {
    static wane_type types[] = {
        {.name = "no slots", .size = 48},
        {.name = "fixed", .size = 48, .slots = three},
        {.name = "extra", .size = 0, .flags = WANE_TYPE_EXTRA_SLOTS},
        {.name = "extra, odd", .size = 13, .flags = WANE_TYPE_EXTRA_SLOTS},
        {.name = "traced", .size = 8, .trace = trace_outside},
        {.name = "fixed, extra", .size = 51, .slots = three, .flags = WANE_TYPE_EXTRA_SLOTS},
        {.name = "fixed, traced", .size = 48, .slots = three, .trace = trace_outside},
        {.name = "extra, traced",
         .size = 8,
         .trace = trace_outside,
         .flags = WANE_TYPE_EXTRA_SLOTS},
        {.name = "all",
         .size = 48,
         .slots = three,
         .trace = trace_outside,
         .flags = WANE_TYPE_EXTRA_SLOTS},
    };
    static const size_t extras[] = {0, 1, 2, 7, 100};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        for (size_t j = 0; j < sizeof extras / sizeof *extras; j++)
            check_visits(&types[i], extras[j]);
    }
}

/* Limits of lists. */

static void register_it(void *t) { (void)wane__type_register(t); }

static size_t offsets[WANE__SLOTS_MAX + 2];

static void list(size_t n, size_t last) {
    for (size_t i = 0; i < n; i++)
        offsets[i] = i * sizeof(wane_slot);
    if (n > 0)
        offsets[n - 1] = last;
    offsets[n] = WANE_SLOTS_END;
}

TEST(lists_of_slots_have_limits) {
    static wane_type most = {.name = "most", .size = 256, .slots = offsets};
    list(WANE__SLOTS_MAX, 248); /* the last one ends with the payload */
    CHECK(wane__type_register(&most) != 0);
    CHECK_EQ_UINT(most.wane__private[WANE__TYPE_SLOTS_N], WANE__SLOTS_MAX);
    check_visits(&most, 0);
    static wane_type wrong = {.name = "wrong", .size = 1000, .slots = offsets};
    list(WANE__SLOTS_MAX + 1, 256);
    check_aborts(register_it, &wrong, "\"wrong\"");
    check_aborts(register_it, &wrong, "more than 32 slots");
    static const size_t unaligned[] = {1, 4, 12};
    for (size_t i = 0; i < 3; i++) {
        list(1, unaligned[i]);
        check_aborts(register_it, &wrong, "is not aligned");
    }
    static const size_t beyond[] = {1000, 1008, (size_t)-16, (size_t)-8};
    for (size_t i = 0; i < 4; i++) {
        list(3, beyond[i]);
        check_aborts(register_it, &wrong, "lies outside of its 1000 bytes");
    }
    static wane_type small = {.size = 7, .slots = one};
    check_aborts(register_it, &small, "\"(unnamed)\"");
    CHECK_EQ_UINT(wrong.wane__private[WANE__TYPE_ID], 0);
}

static void make_one(void *t) { wane_new(t); }
static void forget_it(void *t) { wane_type_forget(t); }

/* Another copy of the library has tables of its own, in which the id means something else. */
TEST(types_of_another_copy_are_refused) {
    static wane_type t = {.name = "strange", .size = 8};
    CHECK(wane__type_register(&t) != 0);
    t.wane__private[WANE__TYPE_COPY]++;
    check_aborts(register_it, &t, "\"strange\" at");
    check_aborts(make_one, &t, "another copy of the library");
    check_aborts(forget_it, &t, "another copy of the library");
    t.wane__private[WANE__TYPE_COPY]--;
    register_it(&t);
}
