// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Describing types: what a wrong description says, fixed slots, slots behind the payload, traced
// slots, forgetting. Registering more types than there are ids is at the end.

#include "api.h"

#include <sys/mman.h>

static void use_type(void *type) {
    wane_type *t = type;
    wane_release(wane_new(t));
}

static const size_t outside[] = {16, WANE_SLOTS_END};
static const size_t across[] = {12, WANE_SLOTS_END};
static const size_t unaligned[] = {4, WANE_SLOTS_END};
static const size_t far_away[] = {0, (size_t)-9, WANE_SLOTS_END};
static const size_t too_many[] = {
    0,   8,   16,  24,  32,  40,  48,  56,  64,  72,  80,  88,  96,  104, 112, 120, 128,
    136, 144, 152, 160, 168, 176, 184, 192, 200, 208, 216, 224, 232, 240, 248, 256, WANE_SLOTS_END};

TEST(wrong_descriptions_name_the_type) {
    static wane_type wrong[] = {
        {.name = "wrong_outside", .size = 16, .slots = outside},
        {.name = "wrong_across", .size = 16, .slots = across},
        {.name = "wrong_unaligned", .size = 16, .slots = unaligned},
        {.name = "wrong_far", .size = 16, .slots = far_away},
        {.name = "wrong_many", .size = 1024, .slots = too_many},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        api_dies_with(use_type, &wrong[i], wrong[i].name, NULL, NULL);
    }
}

struct wide {
    uint64_t before;
    wane_slot s[32];
    uint64_t after;
};
static const size_t wide_offsets[] = {
    8,   16,  24,  32,  40,  48,  56,  64,  72,  80,  88,  96,  104, 112, 120, 128,           136,
    144, 152, 160, 168, 176, 184, 192, 200, 208, 216, 224, 232, 240, 248, 256, WANE_SLOTS_END};
static wane_type wide_type = {.name = "wide", .size = sizeof(struct wide), .slots = wide_offsets};

TEST(thirty_two_slots_are_released_at_death) {
    struct wide *w = wane_new(&wide_type);
    size_t dead = atomic_load(&nodes_dead);
    w->before = w->after = UINT64_MAX;
    for (size_t i = 0; i < 32; i++) {
        wane_slot_init(&w->s[i], node_new(i));
    }
    CHECK_EQ_UINT(w->before & w->after, UINT64_MAX);
    wane_release(w);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 32);
}

struct many {
    wane_slot a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p;
    wane_slot q, r, s, t, u, v, w, x, y, z, a1, a2, a3, a4, a5, a6;
};
static wane_type many_type = {
    .name = "many",
    .size = sizeof(struct many),
    .slots = WANE_SLOTS(struct many, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u,
                        v, w, x, y, z, a1, a2, a3, a4, a5, a6),
};

TEST(the_macro_takes_32_names) {
    struct many *m = wane_new(&many_type);
    size_t dead = atomic_load(&nodes_dead);
    wane_slot *s = &m->a;
    for (size_t i = 0; i < 32; i++) {
        CHECK_EQ_UINT(many_type.slots[i], i * sizeof(wane_slot));
        wane_slot_give(&s[i], node_new(i));
    }
    CHECK(many_type.slots[32] > many_type.size);  // the list's end, whichever it is
    wane_release(m);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 32);
}

// Slots behind the payload.

struct vector {
    size_t length;
    wane_slot items[];
};
static wane_type vector_type = {
    .name = "vector",
    .size = sizeof(struct vector),
    .flags = WANE_TYPE_EXTRA_SLOTS,
};

static void check_vector(size_t length) {
    struct vector *v = wane_new_extra(&vector_type, length * sizeof(wane_slot));
    CHECK(v != NULL);
    v->length = length;
    size_t dead = atomic_load(&nodes_dead);
    for (size_t i = 0; i < length; i++) {
        CHECK_EQ_PTR(wane_slot_load(&v->items[i]), NULL);
        if (i % 3 != 2) {
            wane_slot_init(&v->items[i], node_new(i));
        }
    }
    wane_release(v);
    // A collection that runs meanwhile may have its hand on some.
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead) - dead, length - (length / 3));
}

TEST(extra_slots_are_released_at_death) {
    static const size_t lengths[] = {0, 1, 2, 3, 31, 1000, 100000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        check_vector(lengths[i]);
    }
}

struct both {
    wane_slot first;
    uint64_t number;
    wane_slot rest[];
};
static wane_type both_type = {
    .name = "both",
    .size = sizeof(struct both),
    .slots = WANE_SLOTS(struct both, first),
    .flags = WANE_TYPE_EXTRA_SLOTS,
};

TEST(fixed_and_extra_slots_together) {
    struct both *b = wane_new_extra(&both_type, 2 * sizeof(wane_slot));
    size_t dead = atomic_load(&nodes_dead);
    b->number = UINT64_MAX;
    wane_slot_give(&b->first, node_new(1));
    wane_slot_give(&b->rest[0], node_new(2));
    wane_slot_give(&b->rest[1], node_new(3));
    wane_release(b);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 3);
    // Extra bytes of a type without the flag are bytes: what looks like a pointer is none.
    struct node *n = node_new(4);
    struct leaf *l = wane_new_extra(&leaf_type, sizeof n);
    memcpy(l + 1, &n, sizeof n);
    wane_release(l);
    CHECK_EQ_UINT(wane_refcount(n), 1);
    wane_release(n);
}

// Slots in memory that only `trace` knows.

struct bag {
    size_t length;
    wane_slot *storage;
    wane_slot single;
};
static _Atomic(size_t) bags_dead;

static void bag_trace(void *self, wane_visitor *v) {
    struct bag *b = self;
    wane_visit(v, &b->single);
    wane_visit_n(v, b->storage, b->length);
    wane_visit_n(v, NULL, 0);
}

static void bag_destroy(void *self) {
    struct bag *b = self;
    CHECK_EQ_PTR(b->single.wane__target, NULL);
    for (size_t i = 0; i < b->length; i++) {
        CHECK_EQ_PTR(b->storage[i].wane__target, NULL);
    }
    free(b->storage);
    atomic_fetch_add(&bags_dead, 1);
}

static wane_type bag_type = {
    .name = "bag",
    .size = sizeof(struct bag),
    .trace = bag_trace,
    .destroy = bag_destroy,
};

TEST(traced_slots_are_released_at_death) {
    size_t dead = atomic_load(&nodes_dead);
    struct bag *b = wane_new(&bag_type);
    b->length = 500;
    b->storage = calloc(b->length, sizeof *b->storage);
    for (size_t i = 0; i < b->length; i++) {
        wane_slot_give(&b->storage[i], node_new(i));
    }
    wane_slot_give(&b->single, node_new(500));
    size_t bags = atomic_load(&bags_dead);
    wane_release(b);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&bags_dead), bags + 1);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 501);
}

static wane_type pair_type = {
    .name = "pair",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, left, right),
    .flags = WANE_TYPE_ACYCLIC,
};

TEST(an_acyclic_type_has_slots_all_the_same) {
    struct node *pair = wane_new(&pair_type);
    size_t dead = atomic_load(&nodes_dead);
    wane_slot_give(&pair->left, node_new(1));
    wane_slot_give(&pair->right, node_new(2));
    wane_release(pair);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 2);
}

// Forgetting.

TEST(forget_while_objects_live_is_busy) {
    static wane_type type = {.name = "passing", .size = 8};
    CHECK_EQ_INT(wane_type_forget(NULL), 0);
    CHECK_EQ_INT(wane_type_forget(&type), 0);
    void *o = wane_new(&type);
    CHECK_EQ_INT(wane_type_forget(&type), -EBUSY);
    wane_slot place = WANE_SLOT_EMPTY;
    wane_slot_give(&place, o);
    CHECK_EQ_INT(wane_type_forget(&type), -EBUSY);
    wane_guard_enter();
    wane_slot_clear(&place);
    // Not yet destroyed: it waits for the guard.
    CHECK_EQ_INT(wane_type_forget(&type), -EBUSY);
    wane_guard_leave();
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_INT(wane_type_forget(&type), 0);
    CHECK_EQ_INT(wane_type_forget(&type), 0);
}

// What a collection frees is none of the type any more as soon as forgetting says so: the memory of
// the type goes at once, while the collection still has other garbage in its hands.
static wane_type alive = {
    .name = "alive", .size = sizeof(struct node), .slots = WANE_SLOTS(struct node, left, right)};

static void *collect_all(void *unused) {
    wane_gc_collect(WANE_GC_FULL);
    return unused;
}

TEST(forget_beside_a_collection) {
    enum { RINGS = 20, OTHERS = TEST_TSAN || TEST_ASAN ? 20000 : 1000000 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void **others = calloc(OTHERS, sizeof *others);
    wane_type *type = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(others != NULL && type != MAP_FAILED);
    *type = (wane_type){.name = "plugin", .size = sizeof(struct node), .slots = alive.slots};
    wane_gc_pause();
    for (int i = 0; i < RINGS; i++) {
        struct node *a = wane_new(type), *b = wane_new(type);
        wane_slot_init(&a->left, b);
        wane_slot_init(&b->left, a);
    }
    for (int i = 0; i < OTHERS; i++) {
        others[i] = wane_new(&alive);
    }
    pthread_t t = api_thread(collect_all, NULL);
    while (wane_type_forget(type) != 0) {
    }
    CHECK_EQ_INT(munmap(type, page), 0);
    api_join(t);
    wane_gc_resume();
    for (int i = 0; i < OTHERS; i++) {
        wane_release(others[i]);
    }
    free(others);
}

TEST(forget_looks_for_large_objects_too) {
    static wane_type type = {.name = "large", .size = 8};
    void *o = wane_new_extra(&type, 10000000);
    CHECK_EQ_INT(wane_type_forget(&type), -EBUSY);
    wane_release(o);
    CHECK_EQ_INT(wane_type_forget(&type), 0);
}

static void *new_of(void *type) { return wane_new((wane_type *)type); }

TEST(forget_looks_for_what_exited_threads_made) {
    static wane_type type = {.name = "left", .size = 8};
    void *o = NULL;
    CHECK_EQ_INT(pthread_join(api_thread(new_of, &type), &o), 0);
    CHECK(o != NULL);
    CHECK_EQ_INT(wane_type_forget(&type), -EBUSY);
    wane_release(o);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_INT(wane_type_forget(&type), 0);
}

static const char *message_of_forget;
static int answer_of_forget;
static void forget_me_in_destroy(void *self) {
    answer_of_forget = wane_type_forget(wane_typeof(self));
    message_of_forget = "ran";
}

TEST(forget_in_destroy_is_busy) {
    static wane_type type = {.name = "selfish", .size = 8, .destroy = forget_me_in_destroy};
    wane_release(wane_new(&type));
    CHECK_EQ_STR(message_of_forget, "ran");
    CHECK_EQ_INT(answer_of_forget, -EBUSY);
    CHECK_EQ_INT(wane_type_forget(&type), 0);
}

TEST(a_forgotten_type_may_be_used_again) {
    static wane_type type = {.name = "again", .size = 8};
    for (int i = 0; i < 100; i++) {
        void *o = wane_new(&type);
        CHECK(o != NULL);
        CHECK_EQ_PTR(wane_typeof(o), &type);
        CHECK_EQ_INT(wane_type_forget(&type), -EBUSY);
        wane_release(o);
        CHECK_EQ_INT(wane_type_forget(&type), 0);
    }
}

static void *use_many_times(void *type) {
    for (int i = 0; i < 1000; i++) {
        void *o = wane_new((wane_type *)type);
        CHECK_EQ_PTR(wane_typeof(o), type);
        wane_release(o);
    }
    return NULL;
}

TEST(several_threads_register_one_type) {
    enum { THREADS = 8, ROUNDS = 20 };
    static wane_type types[ROUNDS];
    for (size_t round = 0; round < ROUNDS; round++) {
        types[round] = (wane_type){.name = "contended", .size = 24};
        pthread_t threads[THREADS];
        for (size_t i = 0; i < THREADS; i++) {
            threads[i] = api_thread(use_many_times, &types[round]);
        }
        for (size_t i = 0; i < THREADS; i++) {
            api_join(threads[i]);
        }
    }
}

static void register_too_many(void *unused) {
    (void)unused;
    enum { IDS = 65535 };
    wane_type *types = calloc(IDS + 10, sizeof *types);
    CHECK(types != NULL);
    size_t count = 0;
    for (; count < IDS + 10; count++) {
        types[count].name = "one of many";
        types[count].size = 8;
        errno = 0;
        void *o = wane_new(&types[count]);
        if (o == NULL) {
            break;
        }
        wane_release(o);
    }
    CHECK_EQ_INT(errno, ENOSPC);
    CHECK_MSG(count > IDS - 100 && count <= IDS, "%zu types", count);
    // Those that are registered work, and a failed one fails again.
    CHECK_EQ_PTR(wane_new(&types[count]), NULL);
    void *o = wane_new(&types[count - 1]);
    CHECK_EQ_PTR(wane_typeof(o), &types[count - 1]);
    wane_release(o);
    // Not freed: registered types stay where they are.
}

TEST(ids_for_types_run_out) { check_in_child(register_too_many, NULL); }
