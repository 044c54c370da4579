// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// A server that fills itself, freezes what it has and forks workers, which make garbage and collect. Measures
// for each worker the memory that it does not share with its parent any more: what freezing is for. The heap is
// large lists and rings, of which all objects are candidates of the oldest generation.
//
//     frozen_fork [--size MB] [--freeze 0|1] [--workers N]
//
// With --freeze 0 it shows what is spared: each worker's collections write to every object.

#include <wane.h>

#include "harness.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct item {
    wane_slot next, other;
    uint64_t payload[10];
};

static wane_type item_type = {
    .name = "item", .size = sizeof(struct item), .slots = WANE_SLOTS(struct item, next, other)};

static wane_slot list;

static struct item *item_new(void) {
    struct item *it = wane_new(&item_type);
    CHECK(it != NULL);
    for (size_t i = 0; i < 10; i++) {
        it->payload[i] = i + 1;
    }
    return it;
}

// So many bytes of items: a list whose every third item refers to the one before it, too.
static void fill(size_t bytes) {
    struct item *first = NULL;
    while (wane_sizeof(first) == 0 || bytes > wane_sizeof(first)) {
        struct item *it = item_new();
        bytes -= wane_sizeof(it);
        if (first != NULL && bytes / 100 % 3 == 0) {
            wane_slot_store(&first->other, it);
        }
        wane_slot_init(&it->next, first);
        first = it;
    }
    wane_slot_give(&list, first);
}

static void drop_rings(size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct item *a = item_new(), *b = item_new();
        wane_slot_give(&a->next, b);
        wane_slot_store(&b->next, a);
        wane_release(a);
    }
}

// Memory that only this process has, in KiB.
static size_t private_kib(void) {
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    size_t kib = 0, n;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "Private_Dirty: %zu", &n) == 1) {
            kib = n;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return kib;
}

// What a worker does: garbage, young collections, and a full one.
static void work(int report) {
    size_t before = private_kib();
    for (int i = 0; i < 5; i++) {
        drop_rings(1000);
        CHECK(wane_gc_collect(i % 3) >= 2000);
    }
    drop_rings(1000);
    CHECK(wane_gc_collect(WANE_GC_FULL) >= 2000);
    size_t after = private_kib(), more = after > before ? after - before : 0;
    CHECK(write(report, &more, sizeof more) == (ssize_t)sizeof more);
}

static void fork_workers(size_t workers, int report) {
    pid_t children[64];
    CHECK(workers <= 64);
    for (size_t i = 0; i < workers; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0) {
            work(report);
            _exit(0);
        }
    }
    for (size_t i = 0; i < workers; i++) {
        int status = 0;
        CHECK_EQ_INT(waitpid(children[i], &status, 0), children[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

TEST(workers_share_what_is_frozen) {
    if (TEST_ASAN || TEST_TSAN) {
        SKIP("a sanitizer's memory is its own matter");
    }
    if (private_kib() == 0) {
        SKIP("no /proc/self/smaps_rollup");
    }
    size_t mib = test_option("size", 64 * (size_t)test_scale()), workers = test_option("workers", 8);
    bool freeze = test_option("freeze", 1) != 0;
    int ends[2];
    CHECK_EQ_INT(pipe(ends), 0);
    fill(mib << 20);
    wane_gc_collect(0);  // where they are candidates still
    if (freeze) {
        uint64_t since = test_now_ns();
        wane_gc_freeze();
        printf("frozen: %zu objects in %.1f ms\n", wane_gc_get_freeze_count(), (double)(test_now_ns() - since) / 1e6);
    }
    fork_workers(workers, ends[1]);
    size_t all = 0, most = 0, kib;
    for (size_t i = 0; i < workers; i++) {
        CHECK(read(ends[0], &kib, sizeof kib) == (ssize_t)sizeof kib);
        all += kib;
        most = kib > most ? kib : most;
    }
    printf("%zu MB, %s: %zu workers, %zu KiB of their own by collecting, %zu at most\n", mib,
           freeze ? "frozen" : "not frozen", workers, all, most);
    if (freeze) { // what they make themselves, the tables, and the marks of pages
        CHECK_MSG(most < 6 * 1024 + mib * 1024 / 100, "%zu KiB", most);
    }
    wane_gc_unfreeze();
    wane_slot_clear(&list);
    wane_flush();
    wane_gc_collect(2);
}
