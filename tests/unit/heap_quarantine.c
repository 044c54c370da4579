/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap_quarantine.c: what one call does with blocks that are kept back: a few at a time, and those that were there when it began.
 */
#include "base/option.h"
#include "heap/quarantine.h"
#include "heap_util.h"

enum { BLOCK = 64, LARGE = 40000, MOST = 1 << 20, MANY = 3000, FEW = 8, SOME = 64 };

static struct wane__heap *heap;

/* Before the first heap: it is then in force for all pages. */
static void setup(void) {
    store_relaxed(&wane__options.xquarantine_bytes, MOST);
    wane__quarantine_start();
    heap = heap_enter();
}

static void drain_all(void) {
    while (wane__quarantine_drain(heap, 0, UINT64_MAX)) {
    }
}

void test_teardown(void) {
    drain_all();
    CHECK_EQ_UINT(wane__quarantine_bytes(), 0);
    heap_leave(heap);
    heap_must_be_empty();
}

static struct wane__header *block_put(size_t block) {
    struct wane__header *h = block_new(heap, block, false);
    CHECK(h != NULL);
    block_free(heap, h, block);
    return h;
}

/* All blocks are of one size. */
static size_t kept(void) { return wane__quarantine_bytes() / BLOCK; }

TEST(a_put_frees_a_few) {
    setup();
    for (unsigned i = 0; i < MANY; i++)
        block_put(BLOCK);
    CHECK_EQ_UINT(kept(), MANY);
    const int64_t lowered[] = {BLOCK * MANY / 2, 0};
    for (unsigned k = 0; k < 2; k++) {
        store_relaxed(&wane__options.xquarantine_bytes, lowered[k]);
        CHECK(wane__quarantine_over());
        for (size_t before = kept(), after; wane__quarantine_over(); before = after) {
            block_put(BLOCK);
            after = kept();
            CHECK_MSG(after < before && before - after <= FEW, "from %zu to %zu", before, after);
        }
        CHECK((int64_t)wane__quarantine_bytes() <= lowered[k]);
    }
}

/* Room for a large one is made by small ones that leave: by some puts, and there are never too many bytes. */
TEST(large_ones_after_small_ones) {
    setup();
    for (unsigned i = 0; i < MOST / BLOCK; i++)
        block_put(BLOCK);
    CHECK_EQ_UINT(wane__quarantine_bytes(), MOST);
    for (unsigned i = 0; i < MOST / BLOCK; i++) {
        size_t before = wane__quarantine_bytes();
        block_put(LARGE);
        size_t after = wane__quarantine_bytes();
        CHECK(after <= MOST && after + FEW * LARGE + BLOCK >= before);
    }
    CHECK(wane__quarantine_bytes() > MOST - 2 * LARGE);
}

TEST(a_drain_frees_some) {
    setup();
    for (unsigned i = 0; i < MANY; i++)
        block_put(BLOCK);
    for (size_t before = kept(), after; before > 0; before = after) {
        bool more = wane__quarantine_drain(heap, 0, UINT64_MAX);
        after = kept();
        CHECK(before - after <= SOME && more == (after > 0 || before - after == SOME));
    }
    CHECK(!wane__quarantine_drain(heap, 0, UINT64_MAX));
}

/* Others free as fast as one drains: it ends with those that were there. */
TEST(a_drain_has_an_end) {
    setup();
    for (unsigned i = 0; i < MANY; i++)
        block_put(BLOCK);
    uint64_t until = wane__quarantine_end();
    unsigned calls = 1;
    for (; wane__quarantine_drain(heap, 0, until); calls++) {
        for (unsigned i = 0; i < SOME; i++)
            block_put(BLOCK);
        CHECK(calls <= MANY / SOME + 1);
    }
    CHECK_EQ_UINT(kept(), (calls - 1) * SOME);
}

/* A look at all patterns is one of portions, between which blocks come and leave. */
TEST(a_check_in_portions) {
    setup();
    for (unsigned i = 0; i < MANY; i++)
        block_put(BLOCK);
    uint64_t until = wane__quarantine_end(), at = until - MANY;
    unsigned calls = 0;
    for (bool more = true; more; calls++) {
        uint64_t begin = at;
        more = wane__quarantine_check_some(&at, until);
        CHECK(at - begin <= 2 * SOME); /* what has left is passed over */
        (void)wane__quarantine_drain(heap, 0, until);
        (void)wane__quarantine_drain(heap, 0, until);
        block_put(BLOCK);
    }
    CHECK(at >= until);
    CHECK_MSG(calls >= MANY / (3 * SOME), "%u calls", calls);
}
