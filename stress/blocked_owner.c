// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// A thread makes many objects and then sleeps in read(2). Others release them, by plain releases
// and out of slots, and go to sleep as well. Everything must be freed while all of them sleep:
// nobody but the collector thread is there to do it. The time from the last release is printed.
// Their memory goes back to the system while they sleep: by wane_trim, or, after the trim delay, by itself.
//
//     blocked_owner --size 300        megabytes; 300 is also what the long form takes

#include "support/stress.h"

#include "support/ledger.h"

enum { OBJECT_BYTES = 256, RELEASERS = 3 };

struct block {
    struct mark mark;
    wane_slot other;
    char filling[OBJECT_BYTES - 16 - sizeof(struct mark) - sizeof(wane_slot)];
};

static void block_destroy(void *self) { ledger_death(self); }
static wane_type block_type = {
    .name = "block",
    .size = sizeof(struct block),
    .slots = WANE_SLOTS(struct block, other),
    .destroy = block_destroy,
};

static struct block **blocks;
static wane_slot *slots;
static size_t block_count;
static bool through_slots;
static int owner_pipe[2], releaser_pipe[2];
static _Atomic(bool) owner_woke;
static _Atomic(size_t) owners_ready, releasers_ready;

static void sleep_in_read(int fd) {
    char byte;
    CHECK_EQ_INT(read(fd, &byte, 1), 1);
}

static void *own(void *unused) {
    for (size_t i = 0; i < block_count; i++) {
        struct block *b = wane_new(&block_type);
        CHECK(b != NULL);
        ledger_birth(&b->mark);
        if (through_slots) {
            wane_slot_give(&slots[i], b);
        } else {
            blocks[i] = b;
            // Half of them have a unit more, given up here: the owner's count is in use.
            if (i % 2 == 0) {
                wane_release(wane_retain(b));
            }
        }
    }
    atomic_store(&owners_ready, 1);
    sleep_in_read(owner_pipe[0]);
    atomic_store(&owner_woke, true);
    return unused;
}

static void *release_share(void *index) {
    for (size_t i = (uintptr_t)index; i < block_count; i += RELEASERS) {
        if (through_slots) {
            wane_slot_clear(&slots[i]);
        } else {
            mark_check(&blocks[i]->mark);
            wane_release(blocks[i]);
        }
    }
    atomic_fetch_add(&releasers_ready, 1);
    sleep_in_read(releaser_pipe[0]);
    return NULL;
}

static bool is_one(void *count) { return atomic_load((_Atomic(size_t) *)count) == 1; }
static bool all_released(void *unused) {
    (void)unused;
    return atomic_load(&releasers_ready) == RELEASERS;
}
static bool all_dead(void *unused) {
    (void)unused;
    // Only looks: this thread must not help.
    return atomic_load(&ledger_deaths) == atomic_load(&ledger_births) &&
           stress_stats().live_objects == 0;
}

// What is left: a page or two a thread and class. The owner's slots were filled and the blocks were malloc'ed.
static bool memory_is_back(void *unused) {
    (void)unused;
    return stress_stats().heap_bytes <= 4u << 20;
}

static void check_memory(bool by_itself) {
    uint64_t start = test_now_ns();
    if (!by_itself) {
        wane_trim();
        CHECK_MSG(memory_is_back(NULL), "%zu bytes stay with a sleeping thread",
                  stress_stats().heap_bytes);
    }
    CHECK_MSG(test_wait_until(memory_is_back, NULL, STRESS_PATIENCE),
              "%zu bytes stay with a sleeping thread", stress_stats().heap_bytes);
    printf("given back %s after %.1f ms\n", by_itself ? "by itself" : "by wane_trim",
           (double)(test_now_ns() - start) / 1e6);
}

static void run(bool slots_too, bool trim_by_itself) {
    through_slots = slots_too;
    CHECK_EQ_INT(wane_option_set("trim_delay_ms", trim_by_itself ? 100 : 1000000), 0);
    size_t megabytes = stress_size(test_scale() > 1 ? 300 : STRESS_SANITIZED ? 8 : 40);
    block_count = megabytes * 1000000 / OBJECT_BYTES;
    blocks = calloc(block_count, sizeof *blocks);
    slots = calloc(block_count, sizeof *slots);
    CHECK(blocks != NULL && slots != NULL);
    CHECK(pipe(owner_pipe) == 0 && pipe(releaser_pipe) == 0);
    atomic_store(&owner_woke, false);
    atomic_store(&owners_ready, 0);
    atomic_store(&releasers_ready, 0);
    pthread_t owner = stress_thread(own, NULL);
    CHECK(test_wait_until(is_one, &owners_ready, 10 * STRESS_PATIENCE));
    size_t heap = stress_stats().heap_bytes;
    pthread_t releasers[RELEASERS];
    for (size_t i = 0; i < RELEASERS; i++) {
        releasers[i] = stress_thread(release_share, (void *)(uintptr_t)i);
    }
    CHECK(test_wait_until(all_released, NULL, 10 * STRESS_PATIENCE));
    uint64_t start = test_now_ns();
    CHECK_MSG(test_wait_until(all_dead, NULL, STRESS_PATIENCE),
              "%zu objects stay alive while their owner sleeps", stress_stats().live_objects);
    double took = (double)(test_now_ns() - start) / 1e6;
    printf("%s: %zu MB freed %.1f ms after the last release, heap %zu MB; ",
           slots_too ? "slots" : "releases", megabytes, took, heap / 1000000);
    check_memory(trim_by_itself);
    CHECK(!atomic_load(&owner_woke));
    CHECK_EQ_INT(write(owner_pipe[1], "w", 1), 1);
    CHECK_EQ_INT(write(releaser_pipe[1], "www", RELEASERS), RELEASERS);
    stress_join(owner);
    for (size_t i = 0; i < RELEASERS; i++) {
        stress_join(releasers[i]);
    }
    for (int i = 0; i < 2; i++) {
        close(owner_pipe[i]);
        close(releaser_pipe[i]);
    }
    free(blocks);
    free(slots);
    stress_check_empty();
    ledger_close();
}

TEST(releases) { run(false, false); }
TEST(slots) { run(true, false); }
TEST(releases_and_silence) { run(false, true); }
TEST(slots_and_silence) { run(true, true); }
