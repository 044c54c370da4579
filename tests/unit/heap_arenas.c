/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap_arenas.c: address space: empty arenas are unmapped, and runs are found without looking through all arenas.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"
#include "heap/arena.h"
#include "heap_util.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define SECOND ((uint64_t)1000000000)

enum { PAGES = WANE__ARENA_PAGES - WANE__ARENA_FIRST, ARENAS = 6 };

void test_teardown(void) { heap_must_be_empty(); }

/* Objects of so many whole pages, of which next to nothing is touched. */
static struct wane__header *pages_new(struct wane__heap *heap, unsigned pages) {
    struct wane__header *h = wane__heap_alloc_large(heap, pages * WANE__PAGE_SIZE - 4 * KIB, false);
    CHECK(h != NULL);
    CHECK(wane__page_of(h)->run >= pages);
    return h;
}

static void pages_free(struct wane__heap *heap, struct wane__header *h) {
    store_release(&h->shared, 0u);
    wane__heap_free(heap, h);
    after_frees(heap);
}

static struct wane__header *filled[ARENAS * PAGES];

/* From nothing: each arena is full of objects of one page. */
static void fill(struct wane__heap *heap) {
    (void)heap_trim(bracket_wait);
    for (unsigned i = 0; i < ARENAS * PAGES; i++)
        filled[i] = pages_new(heap, 1);
}

static void drop_all(struct wane__heap *heap) {
    for (unsigned i = 0; i < ARENAS * PAGES; i++) {
        if (filled[i] != NULL)
            pages_free(heap, filled[i]);
        filled[i] = NULL;
    }
}

static unsigned arenas_of(struct wane__arena **ret) {
    unsigned n = 0;
    for (unsigned i = 0; i < ARENAS * PAGES; i++) {
        struct wane__arena *arena = wane__arena_of(filled[i]);
        unsigned k = 0;
        while (k < n && ret[k] != arena)
            k++;
        if (k == n)
            ret[n++] = arena;
        CHECK(n <= ARENAS);
    }
    return n;
}

static unsigned mapped(struct wane__arena **arenas) {
    unsigned n = 0;
    for (unsigned i = 0; i < ARENAS; i++)
        n += msync(arenas[i], 4096, MS_ASYNC) == 0;
    return n;
}

TEST(empty_arenas_are_unmapped) {
    struct wane__heap *heap = heap_enter();
    struct wane__arena *arenas[ARENAS];
    fill(heap);
    CHECK_EQ_UINT(arenas_of(arenas), ARENAS);
    drop_all(heap);
    CHECK_EQ_UINT(mapped(arenas), ARENAS);
    (void)heap_trim(bracket_wait);
    CHECK_EQ_UINT(mapped(arenas), 0);
    heap_leave(heap);
}

TEST(one_stays_for_a_while) {
    struct wane__heap *heap = heap_enter();
    struct wane__arena *arenas[ARENAS];
    fill(heap);
    (void)arenas_of(arenas);
    drop_all(heap);
    uint64_t now = test_now_ns() + 2 * SECOND;
    CHECK(heap_tend(bracket_wait, now, SECOND)); /* the memory goes */
    CHECK_EQ_UINT(wane__heap_bytes(), 0);
    CHECK_EQ_UINT(mapped(arenas), ARENAS);
    CHECK(heap_tend(bracket_wait, now + SECOND / 2, SECOND));
    CHECK_EQ_UINT(mapped(arenas), ARENAS);
    struct wane__header *h = pages_new(heap, 3); /* in the first one: that is not empty for as long any more */
    pages_free(heap, h);
    CHECK(!heap_tend(bracket_wait, now + 9 * SECOND, SECOND));
    CHECK_EQ_UINT(mapped(arenas), 1);
    h = pages_new(heap, 1);
    CHECK_EQ_UINT(mapped(arenas), 1);
    pages_free(heap, h);
    heap_leave(heap);
}

/* An arena with one object stays, where it is among the others. */
TEST(others_stay) {
    struct wane__heap *heap = heap_enter();
    struct wane__arena *arenas[ARENAS];
    fill(heap);
    (void)arenas_of(arenas);
    struct wane__header *kept[2] = {filled[PAGES + 7], filled[4 * PAGES + 400]};
    filled[PAGES + 7] = filled[4 * PAGES + 400] = NULL;
    store_release(&kept[0]->shared, WANE__LIVE);
    store_release(&kept[1]->shared, WANE__LIVE);
    drop_all(heap);
    (void)heap_trim(bracket_wait);
    CHECK_EQ_UINT(mapped(arenas), 2);
    CHECK_EQ_UINT(count_live(), 2);
    struct wane__header *h[20];
    for (unsigned i = 0; i < 20; i++)
        h[i] = pages_new(heap, 40);
    CHECK_EQ_UINT(mapped(arenas), 2);
    for (unsigned i = 0; i < 20; i++) {
        CHECK(wane__arena_of(h[i]) == wane__arena_of(kept[0]) || wane__arena_of(h[i]) == wane__arena_of(kept[1]));
        pages_free(heap, h[i]);
    }
    pages_free(heap, kept[0]);
    pages_free(heap, kept[1]);
    heap_leave(heap);
}

/* A collection will look at an entry once more. */
TEST(noted_arena_stays) {
    struct wane__heap *heap = heap_enter();
    struct wane__header *h = pages_new(heap, 2);
    struct wane__page *page = wane__page_of(h);
    struct wane__arena *arenas[ARENAS] = {wane__arena_of(h), NULL};
    wane__page_note(page);
    pages_free(heap, h);
    (void)heap_trim(bracket_wait);
    CHECK_EQ_UINT(wane__heap_bytes(), 0);
    CHECK(msync(arenas[0], 4096, MS_ASYNC) == 0);
    wane__page_forget(page);
    (void)heap_trim(bracket_wait);
    CHECK(msync(arenas[0], 4096, MS_ASYNC) != 0 && errno == ENOMEM);
    heap_leave(heap);
}

static size_t address_space(void) {
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;
    CHECK(f != NULL && fscanf(f, "%lu", &pages) == 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Under a limit that was used up: a mapping is made, ours and somebody else's. */
TEST(address_space_is_limited) {
    if (TEST_ASAN || TEST_TSAN)
        SKIP("the sanitizer's shadow is larger than any limit");
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) {
        int status;
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return;
    }
    struct wane__heap *heap = heap_enter();
    fill(heap);
    struct rlimit limit = {address_space() + 8 * MIB, RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    CHECK(wane__heap_alloc_large(heap, 20 * MIB, false) == NULL);
    drop_all(heap);
    uint64_t now = test_now_ns();
    for (uint64_t i = 2; i < 10; i++)
        (void)heap_tend(bracket_wait, now + i * SECOND, SECOND);
    void *others = mmap(NULL, 60 * MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(others != MAP_FAILED);
    CHECK(wane__heap_alloc_large(heap, 20 * MIB, false) != NULL);
    _exit(0);
}

/* Every other page is free: an object of two pages finds out once that no arena has room, and then one that has. */
TEST(runs_are_not_searched_everywhere) {
    struct wane__heap *heap = heap_enter();
    fill(heap);
    for (unsigned i = 0; i < ARENAS * PAGES; i += 2) {
        pages_free(heap, filled[i]);
        filled[i] = NULL;
    }
    (void)heap_trim(bracket_wait);
    enum { N = 300 };
    struct wane__header *h[N];
    size_t before = wane__arena_xlooks;
    for (unsigned i = 0; i < N; i++)
        h[i] = pages_new(heap, 2);
    CHECK_MSG(wane__arena_xlooks - before <= N + ARENAS + 3, "%zu", wane__arena_xlooks - before);
    for (unsigned i = 0; i < N; i++)
        pages_free(heap, h[i]);
    drop_all(heap);
    heap_leave(heap);
}

/* Holes of known lengths: each is found, wherever it is, with any order of what became free. */
TEST(holes_are_found) {
    struct wane__heap *heap = heap_enter();
    test_rng r = test_rng_make(3);
    static struct wane__header *h[ARENAS * PAGES];
    for (unsigned round = 0; round < 3 * test_scale(); round++) {
        fill(heap);
        struct wane__arena *arenas[ARENAS];
        (void)arenas_of(arenas);
        unsigned n = 0, hole[ARENAS * PAGES];
        for (unsigned i = 0; i < ARENAS * PAGES; i++) { /* holes end before the arena does */
            unsigned length = 1 + (unsigned)test_below(&r, WANE__RUN_MAX);
            length = length <= 16 ? length : length <= 32 ? length & ~1u : length & ~3u;
            if (i % PAGES + length >= PAGES)
                continue;
            hole[n++] = length;
            for (unsigned k = i; k < i + length; k++) {
                pages_free(heap, filled[k]);
                filled[k] = NULL;
                if (test_below(&r, 100) == 0)
                    (void)heap_trim(bracket_wait);
            }
            i += length;
        }
        (void)heap_trim(bracket_wait);
        unsigned made = 0;
        for (unsigned length = WANE__RUN_MAX; length > 0; length--) { /* the longest first: each has a hole */
            for (unsigned i = 0; i < n; i++) {
                if (hole[i] == length)
                    h[made++] = pages_new(heap, length);
            }
        }
        for (unsigned i = 0; i < made; i++) {
            unsigned k = 0;
            while (k < ARENAS && wane__arena_of(h[i]) != arenas[k])
                k++;
            CHECK(k < ARENAS);
            pages_free(heap, h[i]);
        }
        drop_all(heap);
    }
    heap_leave(heap);
}

/* Arenas come and go under threads that fill and empty them, beside walks. */
enum { THREADS = 3, EACH = 400 };
static uint32_t xstop;

static void *swing(void *arg) {
    test_rng r = test_rng_make((uintptr_t)arg);
    struct wane__heap *heap = heap_enter();
    struct wane__header *h[EACH];
    for (unsigned round = 0; round < 25 * test_scale(); round++) {
        unsigned n = (unsigned)test_below(&r, EACH);
        for (unsigned i = 0; i < n; i++) {
            h[i] = test_below(&r, 4) != 0 ? pages_new(heap, 1 + (unsigned)test_below(&r, 6)) : block_new(heap, 8000, true);
            h[i]->local = (uint32_t)test_below(&r, 1000);
            store_release(&h[i]->shared, WANE__LIVE | WANE__COUNT_ONE);
        }
        for (unsigned i = 0; i < n; i++) {
            CHECK((and_acq_rel(&h[i]->shared, ~WANE__LIVE) & WANE__LIVE) != 0);
            pthread_rwlock_rdlock(&brackets);
            wane__heap_free(heap, h[i]);
            pthread_rwlock_unlock(&brackets);
            after_frees(heap);
        }
        wane__heap_shed(heap);
        if (test_below(&r, 3) == 0)
            test_sleep_ns(test_below(&r, 1000000));
    }
    heap_leave(heap);
    return NULL;
}

static bool look(struct wane__page *page, void *arg) {
    for (unsigned i = 0; i < wane__page_capacity(page); i++)
        *(size_t *)arg += load_acquire(&wane__page_block(page, i)->shared) & WANE__LIVE;
    return true;
}

static void *background(void *arg) {
    test_rng r = test_rng_make((uintptr_t)arg);
    while (!load_acquire(&xstop)) {
        size_t n = 0;
        wane__heap_walk_pages(look, &n);
        if (test_below(&r, 2) == 0)
            (void)heap_trim(bracket_wait);
        else
            (void)heap_tend(bracket_wait, test_now_ns(), test_below(&r, 1000000));
    }
    return NULL;
}

TEST(arenas_come_and_go) {
    pthread_t t[THREADS], b;
    store_release(&xstop, 0u);
    CHECK(pthread_create(&b, NULL, background, (void *)(uintptr_t)77) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_create(&t[i], NULL, swing, (void *)(uintptr_t)i) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
    store_release(&xstop, 1u);
    CHECK(pthread_join(b, NULL) == 0);
}

/* A round, piece by piece: each gives back little, and in between others may do what they like. */
enum { AT_ONCE = 2 * WANE__RUN_MAX };

static size_t most_given; /* pages, by one piece */

static bool piece(struct wane__tend *t) {
    size_t before = wane__heap_bytes();
    bool more = wane__heap_tend_some(t);
    size_t after = wane__heap_bytes(), pages = after < before ? (before - after) / WANE__PAGE_SIZE : 0;
    most_given = pages > most_given ? pages : most_given;
    return more;
}

TEST(a_piece_gives_back_little) {
    struct wane__heap *heap = heap_enter();
    static struct wane__header *big;
    fill(heap);
    for (unsigned i = 0; i < ARENAS * PAGES; i++)
        memset(filled[i] + 1, 1, WANE__PAGE_SIZE - 8 * KIB);
    big = block_new(heap, 24 * MIB, false);
    block_free(heap, big, 24 * MIB);
    drop_all(heap);
    struct wane__tend t = {.all = true, .waiter = bracket_wait};
    wane__heap_tend_begin(&t);
    most_given = 0;
    unsigned pieces = 1;
    while (piece(&t))
        pieces++;
    CHECK_EQ_UINT(wane__heap_bytes(), 0);
    CHECK_MSG(most_given <= AT_ONCE, "%zu pages in one piece", most_given);
    CHECK(pieces > ARENAS);
    CHECK(t.returned >= 24 * MIB);
    heap_leave(heap);
}

/* Fills the heap, empties it, and does so many pieces of a round. False: it was over before. */
static bool begin_round(struct wane__heap *heap, struct wane__tend *t, unsigned pieces) {
    fill(heap);
    drop_all(heap);
    wane__heap_tend_begin(t);
    unsigned done = 0;
    while (done < pieces && wane__heap_tend_some(t))
        done++;
    return done == pieces;
}

/* Somebody notes pages between two pieces: nothing more is given back, and nothing is lost. */
TEST(a_round_is_given_up) {
    struct wane__heap *heap = heap_enter();
    for (unsigned pieces = 1; pieces < 30; pieces++) {
        struct wane__tend t = {.all = true, .waiter = bracket_wait};
        (void)begin_round(heap, &t, pieces);
        size_t bytes = wane__heap_bytes();
        wane__heap_xnoted = true;
        CHECK(!wane__heap_tend_some(&t));
        CHECK(bytes == 0 || t.left);
        CHECK_EQ_UINT(wane__heap_bytes(), bytes);
        CHECK_EQ_UINT(heap_trim(bracket_wait), 0);
        CHECK_EQ_UINT(wane__heap_bytes(), bytes);
        wane__heap_xnoted = false;
        (void)heap_trim(bracket_wait);
        CHECK_EQ_UINT(wane__heap_bytes(), 0);
    }
    heap_leave(heap);
}

/* Who asks for all memory gets what a round of another has in hand. */
TEST(a_round_within_another) {
    struct wane__heap *heap = heap_enter();
    for (unsigned pieces = 1; pieces < 30; pieces++) {
        struct wane__tend t = {.now_ns = test_now_ns() + SECOND, .waiter = bracket_wait};
        (void)begin_round(heap, &t, pieces);
        (void)heap_trim(bracket_wait);
        CHECK_EQ_UINT(wane__heap_bytes(), 0);
        CHECK(!wane__heap_tend_some(&t));
    }
    heap_leave(heap);
}

/* While pages are noted a round of the background does not end one with `all`, whose thread waits until they are not. */
TEST(a_round_of_all_is_not_given_up_by_another) {
    struct wane__heap *heap = heap_enter();
    for (unsigned pieces = 1; pieces < 30; pieces++) {
        struct wane__tend all = {.all = true, .waiter = bracket_wait};
        if (begin_round(heap, &all, pieces)) {
            struct wane__tend other = {.now_ns = test_now_ns() + SECOND, .waiter = bracket_wait};
            wane__heap_tend_begin(&other);
            wane__heap_xnoted = true;
            CHECK(!wane__heap_tend_some(&other));
            CHECK(other.left);
            wane__heap_xnoted = false;
        }
        while (wane__heap_tend_some(&all)) {
        }
        CHECK_EQ_UINT(wane__heap_bytes(), 0);
        CHECK(all.returned > 0);
    }
    heap_leave(heap);
}

/* The child of a fork between two pieces has all memory that is not free, and no page that is free and not zero. */
TEST(a_fork_between_two_pieces) {
    struct wane__heap *heap = heap_enter();
    for (unsigned pieces = 1; pieces < 16; pieces += 2) {
        (void)heap_trim(bracket_wait);
        static struct wane__header *runs[20];
        for (unsigned i = 0; i < 20; i++) {
            runs[i] = pages_new(heap, 50);
            memset(runs[i] + 1, 0xFF, 49 * WANE__PAGE_SIZE);
        }
        for (unsigned i = 0; i < 20; i++)
            pages_free(heap, runs[i]);
        struct wane__tend t = {.all = true, .waiter = bracket_wait};
        wane__heap_tend_begin(&t);
        for (unsigned i = 0; i < pieces && wane__heap_tend_some(&t); i++) {
        }
        wane__heap_fork_prepare();
        wane__locks_unordered(true); /* the library's own handler takes its locks too, below those of the heap */
        pid_t pid = fork();
        wane__locks_unordered(false);
        if (pid == 0) {
            wane__heap_fork_child_done(heap);
            for (unsigned i = 0; i < 2000; i++)
                CHECK(block_new(heap, 8000, true) != NULL);
            CHECK_EQ_UINT(count_live(), 2000); /* no other block of their pages looks alive */
            _exit(0);
        }
        wane__heap_fork_parent();
        int status;
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
        CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %x", (unsigned)status);
        while (wane__heap_tend_some(&t)) {
        }
    }
    heap_leave(heap);
}
