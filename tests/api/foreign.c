// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Objects whose last units are given up by threads that did not make them: kept, settled in batches.

#include "api.h"

#include <unistd.h>

// malloc fails when told to. Sanitizers have their own.
static atomic_bool no_memory;
#if !TEST_ASAN && !TEST_TSAN
extern void *__libc_malloc(size_t size);
void *malloc(size_t size) {
    if (atomic_load(&no_memory)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(size);
}
#endif

static _Atomic(size_t) destroyed;
static void note_destroyed(void *self) {
    (void)self;
    atomic_fetch_add(&destroyed, 1);
}
static wane_type noted_type = {.name = "noted", .size = 32, .destroy = note_destroyed};

enum { MANY = 5000 };
static void *many[MANY];

static void make_many(void) {
    atomic_store(&destroyed, 0);
    for (size_t i = 0; i < MANY; i++) {
        many[i] = wane_new(&noted_type);
        CHECK(many[i] != NULL);
    }
}

static void *release_many(void *unused) {
    (void)unused;
    for (size_t i = 0; i < MANY; i++) {
        wane_release(many[i]);
    }
    return NULL;
}

TEST(a_thread_settles_what_it_keeps) {
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);  // for all tests of this program
    make_many();
    pthread_t t = api_thread(release_many, NULL);
    api_join(t);
    CHECK(atomic_load(&destroyed) >= MANY / 2);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&destroyed), MANY);
}

// Units for which there is no room are settled one by one, and what dies of it is destroyed.
static pthread_barrier_t turn;
static void *release_without_memory(void *unused) {
    CHECK_EQ_INT(wane_thread_attach(), 0);
    atomic_store(&no_memory, true);
    release_many(unused);
    atomic_store(&no_memory, false);
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    return NULL;
}

TEST(kept_without_memory) {
    if (TEST_TSAN || TEST_ASAN) {
        SKIP("sanitizers have a malloc of their own");
    }
    make_many();
    pthread_barrier_init(&turn, NULL, 2);
    pthread_t t = api_thread(release_without_memory, NULL);
    pthread_barrier_wait(&turn);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&destroyed), MANY);
    pthread_barrier_wait(&turn);
    api_join(t);
    pthread_barrier_destroy(&turn);
}

// A thread settles small batches of roots, revoking ahead what hangs on them, while collections pin
// them and destroy what dies meanwhile, and the owner makes new leaves in the blocks that come free.
enum { LEAVES = 8, ROOTS = 16, HELD = 3000 };
struct root {
    wane_slot leaf[LEAVES];
};
static const size_t root_slots[] = {0, 8, 16, 24, 32, 40, 48, 56, WANE_SLOTS_END};
static wane_type root_type = {.name = "root", .size = sizeof(struct root), .slots = root_slots};
static wane_type small_type = {.name = "small", .size = 48};

static _Atomic(void **) box;
static atomic_bool stop;

static void **fill_box(void) {
    void **roots = calloc(ROOTS, sizeof *roots);
    CHECK(roots != NULL);
    for (int k = 0; k < ROOTS; k++) {
        struct root *root = wane_new(&root_type);
        for (int i = 0; i < LEAVES; i++) {
            wane_slot_init(&root->leaf[i], wane_new(&small_type));
        }
        roots[k] = root;
    }
    return roots;
}

static void *make_roots(void *unused) {
    (void)unused;
    static void *held[HELD];
    unsigned at = 0;
    while (!atomic_load(&stop)) {
        if (atomic_load(&box) == NULL) {
            atomic_store(&box, fill_box());
        }
        for (int i = 0; i < 50; i++) {
            wane_release(held[at]);
            held[at] = wane_new(&small_type);
            at = (at + 1) % HELD;
        }
    }
    for (unsigned i = 0; i < HELD; i++) {
        wane_release(held[i]);
    }
    return NULL;
}

static void *settle_roots(void *unused) {
    (void)unused;
    while (!atomic_load(&stop) || atomic_load(&box) != NULL) {
        void **roots = atomic_exchange(&box, NULL);
        for (int k = 0; roots != NULL && k < ROOTS; k++) {
            wane_release(roots[k]);
        }
        free(roots);
        wane_poll();
    }
    return NULL;
}

TEST(small_batches_beside_collections) {
    uint64_t end = test_now_ns() + API_SECOND;
    pthread_t maker = api_thread(make_roots, NULL), settler = api_thread(settle_roots, NULL);
    while (test_now_ns() < end) {
        wane_gc_collect(0);
    }
    atomic_store(&stop, true);
    api_join(maker);
    api_join(settler);
    settle_roots(NULL);  // what the maker put in the box when the settler had ended
}
