// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Looks at the heap beside collections: in a callback while a collection is open, again and again while others are due,
// and around a fork.

#include "api.h"

#include <sys/wait.h>

static bool any(void *obj, void *arg) {
    (void)obj;
    (void)arg;
    return true;
}

struct ring {
    wane_slot self;
    uint64_t magic;
};
enum { ALIVE = 0x11, DESTROYED = 0xdead };

static void destroy_ring(void *self) { ((struct ring *)self)->magic = DESTROYED; }

static wane_type ring_type = {
    .name = "ring", .size = sizeof(struct ring), .slots = WANE_SLOTS(struct ring, self), .destroy = destroy_ring};

static void drop_rings(size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct ring *r = wane_new(&ring_type);
        CHECK(r != NULL);
        r->magic = ALIVE;
        wane_slot_store(&r->self, r);
        wane_release(r);
    }
}

static _Atomic(bool) stop;

static void *look_all_the_time(void *obj) {
    while (!atomic_load(&stop)) {
        wane_gc_get_referrers(obj, any, NULL);
    }
    return NULL;
}

static size_t collected(void) {
    wane_gc_stats s[3];
    wane_gc_get_stats(s);
    return (size_t)(s[0].collected + s[1].collected + s[2].collected);
}

static size_t enough;

static bool found_enough(void *unused) {
    (void)unused;
    return collected() >= enough;
}

// Each look has the claim on collecting for a while, and would have it again at once.
TEST(collections_start_beside_looks) {
    enum { KEPT = TEST_TSAN ? 20000 : 1000000, ROUND = 300, ROUNDS = 1500 };
    static struct node *kept[KEPT];
    for (size_t i = 0; i < KEPT; i++) {
        kept[i] = node_new(i);
    }
    atomic_store(&stop, false);
    pthread_t looker = api_thread(look_all_the_time, kept[0]);
    size_t before = collected();
    for (size_t round = 0; round < ROUNDS; round++) {
        drop_rings(ROUND);
        test_sleep_ns(API_MS);
    }
    enough = before + ROUNDS * ROUND / 2;
    CHECK_MSG(test_wait_until(found_enough, NULL, API_PATIENCE), "%zu found", collected() - before);
    atomic_store(&stop, true);
    api_join(looker);
    for (size_t i = 0; i < KEPT; i++) {
        wane_release(kept[i]);
    }
    wane_gc_collect(2);
    CHECK_EQ_INT(wane_flush(), 0);
}

// A look in a callback between two slices: what it shows lives on if it is kept.
static struct {
    struct ring *kept;
    size_t pass; // so many are left out first
} picked;

static bool pick(void *obj, void *arg) {
    (void)arg;
    if (wane_typeof(obj) != &ring_type || picked.pass-- > 0) {
        return true;
    }
    CHECK_EQ_UINT(((struct ring *)obj)->magic, ALIVE);
    picked.kept = wane_retain(obj);
    return false;
}

static void look_and_keep(void *unused) {
    (void)unused;
    wane_gc_get_objects(-1, pick, NULL);
}
static wane_type looker_type = {.name = "looker", .size = 8, .destroy = look_and_keep};

TEST(what_a_callback_keeps_of_an_open_collection) {
    enum { RINGS = TEST_TSAN ? 2000 : 20000, ROUNDS = 150 };
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    wane_gc_disable();
    size_t kept = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        picked.kept = NULL;
        picked.pass = round % 7;
        drop_rings(RINGS);
        wane_poll();
        for (size_t step = 0; wane_gc_step(20000) == 1; step++) {
            if (step == round) {
                wane_release(wane_new(&looker_type));
            }
        }
        CHECK_EQ_INT(wane_flush(), 0);
        wane_gc_collect(2);
        if (picked.kept != NULL) {
            kept++;
            CHECK_EQ_UINT(picked.kept->magic, ALIVE);
            wane_release(picked.kept);
        }
        wane_gc_collect(2);
        CHECK_EQ_UINT(api_stats().live_objects, 0);
    }
    CHECK(kept > 0);
}

static void *freeze_all(void *started) {
    atomic_store((_Atomic(bool) *)started, true);
    wane_gc_freeze();
    return NULL;
}

// What was not frozen yet when the process was forked is a candidate as before.
TEST(forks_beside_freezing) {
    if (TEST_ASAN || TEST_TSAN) {
        SKIP("the sanitizer's allocator may be locked by a thread that the child lacks");
    }
    enum { RINGS = 200000 };
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    wane_gc_disable();
    for (unsigned round = 0; round < 20; round++) {
        static _Atomic(bool) started;
        atomic_store(&started, false);
        drop_rings(RINGS);
        CHECK_EQ_INT(wane_flush(), 0);
        pthread_t freezer = api_thread(freeze_all, (void *)&started);
        while (!atomic_load(&started)) {
            sched_yield();
        }
        test_sleep_ns(round * 400000);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            wane_gc_collect(2);
            _exit(wane_gc_collect(3) == 0 ? 0 : 1);
        }
        int status = 0;
        CHECK_EQ_INT(waitpid(child, &status, 0), child);
        CHECK(WIFEXITED(status));
        CHECK_EQ_INT(WEXITSTATUS(status), 0);
        api_join(freezer);
        wane_gc_unfreeze();
        CHECK_EQ_UINT(wane_gc_collect(2), RINGS);
    }
}

static WANE_IMMORTAL(struct node) nobody = WANE_IMMORTAL_INIT(&node_type, {.number = 0});
struct unborn {
    wane_slot to;
};
static wane_type unborn_type = {.name = "unborn", .size = sizeof(struct unborn), .slots = WANE_SLOTS(struct unborn, to)};
static WANE_IMMORTAL(struct unborn) first_of_its_type = WANE_IMMORTAL_INIT(&unborn_type, {{0}});

TEST(static_objects) {
    struct node *n = node_new(1);
    CHECK_EQ_UINT(wane_gc_get_referents(&first_of_its_type.object, any, NULL), 0);
    wane_slot_store(&first_of_its_type.object.to, n);
    CHECK_EQ_UINT(wane_gc_get_referents(&first_of_its_type.object, any, NULL), 1);
    wane_slot_store(&n->left, &nobody.object);
    CHECK_EQ_UINT(wane_gc_get_referents(n, any, NULL), 1);
    CHECK_EQ_UINT(wane_gc_get_referrers(&nobody.object, any, NULL), 1);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    CHECK_EQ_INT(wane_gc_explain(&nobody.object, out), 0);
    fclose(out);
    CHECK(strstr(text, "immortal") != NULL);
    free(text);
    wane_slot_clear(&first_of_its_type.object.to);
    wane_release(n);
    CHECK_EQ_INT(wane_flush(), 0);
}
