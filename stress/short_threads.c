// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Many short threads. Each leaves something behind: objects in places, full queues, foreign
// releases, an open guard, deferred functions, or nothing at all. Ids and memory are used again:
// the heap after the last thread is not much larger than after the first twentieth.
//
//     short_threads --size 20000

#include "support/stress.h"

#include "support/ledger.h"

enum { BATCH = 20, PLACES = 64 };

struct item {
    struct mark mark;
    wane_slot next;
};

static void item_destroy(void *self) { ledger_death(self); }
static wane_type item_type = {
    .name = "item",
    .size = sizeof(struct item),
    .slots = WANE_SLOTS(struct item, next),
    .destroy = item_destroy,
};

static wane_slot places[PLACES];
static _Atomic(size_t) deferred, ran;

static struct item *item_new(void) {
    struct item *i = wane_new(&item_type);
    CHECK_MSG(i != NULL, "wane_new: %s", strerror(errno));
    ledger_birth(&i->mark);
    return i;
}

static void leave_objects(test_rng *r) {
    for (int i = 0; i < 20; i++) {
        struct item *item = item_new();
        wane_slot_init(&item->next, item_new());
        wane_slot_give(&places[test_below(r, PLACES)], item);
    }
}

static void leave_queue(test_rng *r) {
    for (int i = 0; i < 300; i++) {
        wane_slot *s = &places[test_below(r, PLACES)];
        wane_slot_give(s, item_new());
        wane_slot_clear(s);
    }
}

// Releases units that the owners of the objects, gone or not, counted in their own way.
static void release_foreign(test_rng *r) {
    for (int i = 0; i < 50; i++) {
        struct item *item = wane_slot_take(&places[test_below(r, PLACES)]);
        if (item != NULL) {
            mark_check(&item->mark);
            wane_release(item);
        }
    }
}

static void leave_guard(test_rng *r) {
    wane_guard_enter();
    struct item *item = wane_slot_peek(&places[test_below(r, PLACES)]);
    if (item != NULL) {
        mark_check(&item->mark);
    }
    wane_slot_clear(&places[test_below(r, PLACES)]);
}

static void count_run(void *unused) {
    (void)unused;
    atomic_fetch_add(&ran, 1);
}

static void leave_functions(test_rng *r) {
    for (uint64_t n = test_below(r, 20); n > 0; n--) {
        CHECK_EQ_INT(wane_defer(count_run, NULL), 0);
        atomic_fetch_add(&deferred, 1);
    }
}

static void use_weak(test_rng *r) {
    struct item *item = wane_slot_load(&places[test_below(r, PLACES)]);
    wane_weak *w = item != NULL ? wane_weak_new(item, NULL, NULL) : NULL;
    wane_release(item);
    item = wane_weak_get(w);
    if (item != NULL) {
        mark_check(&item->mark);
    }
    wane_release(w);
    wane_release(item);
}

static void leave_nothing(test_rng *r) {
    (void)r;
    wane_release(item_new());
    wane_thread_detach();
}

static void *live_shortly(void *number) {
    static void (*const ways[])(test_rng *) = {
        leave_objects,   leave_queue, release_foreign, leave_guard,
        leave_functions, use_weak,    leave_nothing,
    };
    enum { WAYS = sizeof ways / sizeof *ways };
    test_rng r = test_rng_make((uint64_t)(uintptr_t)number);
    uint64_t first = test_below(&r, WAYS);
    // A detached thread or one in a guard goes on: each call must still work.
    for (uint64_t n = test_below(&r, 3) + 1; n > 0; n--) {
        if (ways[first] == leave_nothing && n > 1) {
            break;
        }
        ways[first](&r);
        if (ways[first] == leave_guard) {
            break;
        }
        first = test_below(&r, WAYS - 4);
    }
    return NULL;
}

static bool threads_are_gone(void *unused) {
    (void)unused;
    return stress_stats().threads <= 1;
}

TEST(short_threads) {
    size_t total = stress_size(test_scale() > 1 ? 20000 : STRESS_SANITIZED ? 600 : 3000);
    size_t settled = 0;
    size_t peak = 0;
    for (size_t started = 0; started < total; started += BATCH) {
        pthread_t threads[BATCH];
        for (size_t i = 0; i < BATCH; i++) {
            threads[i] = stress_thread(live_shortly, (void *)(uintptr_t)(started + i));
        }
        for (size_t i = 0; i < BATCH; i++) {
            stress_join(threads[i]);
        }
        size_t heap = stress_stats().heap_bytes;
        peak = heap > peak ? heap : peak;
        if (started <= total / 20) {
            settled = peak;
        }
    }
    printf("heap: %zu kB in the first twentieth, %zu kB at most\n", settled / 1000, peak / 1000);
    CHECK_MSG(peak <= 4 * settled + (32u << 20), "heap grew from %zu to %zu", settled, peak);
    for (int i = 0; i < PLACES; i++) {
        wane_slot_clear(&places[i]);
    }
    stress_check_empty();
    CHECK_EQ_UINT(atomic_load(&ran), atomic_load(&deferred));
    CHECK(test_wait_until(threads_are_gone, NULL, STRESS_PATIENCE));
    ledger_close();
}
