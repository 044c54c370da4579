/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * share.c: the share of a core that the collector thread has, on a clock of the test's own.
 */
#include "cycle/share.h"

#include "harness.h"

#define MS UINT64_C(1000000)

/* Uses all that it may for `seconds`, in pieces of at most `piece`, looking every `pause`. Returns the CPU time used. */
static uint64_t use_all(struct wane__share *s, unsigned percent, unsigned seconds, uint64_t piece, uint64_t pause) {
    uint64_t begin = 12345 * MS, now = begin, cpu = 777 * MS;
    uint64_t first = cpu, marks[11] = {0};
    while (now < begin + seconds * 1000 * MS) {
        uint64_t left = wane__share_left(s, now, cpu, cpu, percent);
        uint64_t used = left < piece ? left : piece;
        cpu += used;
        now += used > 0 ? used : pause;
        /* In each second at most a tenth more than the share, and a piece. */
        uint64_t second = (now - begin) / (100 * MS) % 11;
        uint64_t most = 10 * MS * percent;
        CHECK(marks[second] == 0 || cpu - marks[(second + 1) % 11] <= most + most / 10 + piece || marks[(second + 1) % 11] == 0);
        marks[second] = cpu;
    }
    return cpu - first;
}

TEST(shares) {
    static const unsigned percents[] = {1, 5, 20, 50, 99};
    for (unsigned i = 0; i < 5; i++) {
        struct wane__share s = {0};
        uint64_t used = use_all(&s, percents[i], 20, 2 * MS, MS), share = percents[i] * 200 * MS;
        CHECK_MSG(used >= share - share / 20 && used <= share + share / 20, "%u %%: %ju", percents[i], (uintmax_t)used);
    }
}

TEST(debts_are_forgotten) {
    struct wane__share s = {0};
    CHECK_EQ_UINT(wane__share_left(&s, MS, 0, 0, 10), 10 * MS);
    CHECK_EQ_UINT(wane__share_left(&s, 2 * MS, 50000 * MS, 50000 * MS, 10), 0);
    CHECK_EQ_UINT(wane__share_left(&s, 1000 * MS, 50000 * MS, 50000 * MS, 10), 0);
    CHECK(wane__share_left(&s, 1010 * MS, 50000 * MS, 50000 * MS, 10) > 0);
}

/* A thread that comes after another one has a clock of its own. */
TEST(another_thread) {
    struct wane__share s = {0};
    wane__share_left(&s, 1000 * MS, 5000 * MS, 100 * MS, 10);
    CHECK_EQ_UINT(wane__share_left(&s, 1001 * MS, 5500 * MS, 600 * MS, 10), 0);
    CHECK_EQ_UINT(wane__share_left(&s, 1002 * MS, 1 * MS, 600 * MS, 10), 10 * MS);
}

/* Whatever else the thread does: half of the share is left to collections. */
TEST(work_that_is_no_collection) {
    static const unsigned busy[] = {0, 4, 100}; /* percent of a core that the rest takes */
    static const uint64_t expected[] = {1000, 600, 500};
    for (unsigned i = 0; i < 3; i++) {
        struct wane__share s = {0};
        uint64_t cpu = 0, used = 0;
        for (uint64_t now = MS; now <= 10000 * MS; now += MS) {
            cpu += MS * busy[i] / 100;
            uint64_t left = wane__share_left(&s, now, cpu, used, 10), some = left < MS ? left : MS;
            cpu += some;
            used += some;
        }
        CHECK_MSG(used >= expected[i] * MS && used <= (expected[i] + 20) * MS, "%u: %ju", busy[i], (uintmax_t)used);
    }
}
