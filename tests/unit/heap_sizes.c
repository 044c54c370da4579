/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap_sizes.c: one thread: sizes, large objects, what becomes empty and is used again, memory that is out.
 */
#include <errno.h>
#include <sys/resource.h>

#include "heap_util.h"

void test_teardown(void) { heap_must_be_empty(); }

TEST(classes_are_tight) {
    size_t last = 0;
    for (unsigned cls = 0; cls < WANE__CLASSES; cls++) {
        size_t size = wane__heap_class_size(cls);
        CHECK(size % 16 == 0 && size > last);
        CHECK_EQ_UINT(wane__heap_class(size), cls);
        CHECK_EQ_UINT(wane__heap_class(last + 1), cls);
        last = size;
    }
    CHECK_EQ_UINT(last, WANE__BLOCK_MAX);
    CHECK_EQ_UINT(wane__heap_class(last + 1), WANE__CLASS_LARGE);
    CHECK_EQ_UINT(wane__heap_class(SIZE_MAX), WANE__CLASS_LARGE);
}

/* Of the memory of objects of a size, as wane__heap_bytes counts it, how many thousandths hold nothing of them. */
static size_t waste(struct wane__heap *heap, size_t block) {
    struct wane__header *h[256];
    unsigned cls = wane__heap_class(block);
    unsigned n = cls == WANE__CLASS_LARGE ? 3 : wane__page_blocks(wane__heap_class_size(cls));
    size_t before = wane__heap_bytes();
    for (unsigned i = 0; i < n; i++) {
        h[i] = cls == WANE__CLASS_LARGE ? wane__heap_alloc_large(heap, block, false) : block_alloc(heap, cls, false);
        CHECK(h[i] != NULL);
    }
    size_t bytes = wane__heap_bytes() - before;
    for (unsigned i = 0; i < n; i++)
        wane__heap_free(heap, h[i]);
    after_frees(heap);
    wane__heap_shed(heap);
    (void)heap_trim(bracket_wait);
    CHECK(bytes >= n * block);
    return (bytes - n * block) * 1000 / bytes;
}

/* Just above each class, where most is wasted, and the same above what is a run of its own. */
TEST(waste_is_bounded) {
    struct wane__heap *heap = heap_enter();
    for (unsigned cls = 15; cls < WANE__CLASSES; cls++) {
        size_t block = wane__heap_class_size(cls) + 16, w = waste(heap, block);
        CHECK_MSG(w <= (block < 10000 ? 215u : 130u), "%zu of 1000 at %zu", w, block);
    }
    for (size_t block = 65472; block < (size_t)3 << 20; block += WANE__PAGE_SIZE) {
        size_t w = waste(heap, block + 16);
        CHECK_MSG(w <= 130, "%zu of 1000 at %zu", w, block + 16);
    }
    heap_leave(heap);
}

TEST(every_size) {
    struct wane__heap *heap = heap_enter();
    struct wane__header *kept[64] = {NULL};
    size_t size_of[64] = {0};
    size_t step = TEST_ASAN || TEST_TSAN ? 7 : 1;
    for (size_t block = 32; block <= 100016; block += step) {
        unsigned slot = (unsigned)(block / step % 64);
        if (kept[slot] != NULL)
            block_free(heap, kept[slot], size_of[slot]);
        kept[slot] = block_new(heap, block, (block & 64) != 0);
        size_of[slot] = block;
        CHECK(kept[slot] != NULL);
        CHECK_EQ_UINT(wane__page_is_tracked(wane__page_of(kept[slot])), (block & 64) != 0);
    }
    for (unsigned i = 0; i < 64; i++)
        if (kept[i] != NULL)
            block_free(heap, kept[i], size_of[i]);
    heap_leave(heap);
}

TEST(index_of_each_block) {
    struct wane__heap *heap = heap_enter();
    for (unsigned cls = 0; cls < WANE__CLASSES; cls++) {
        struct wane__header *h = block_alloc(heap, cls, false);
        struct wane__page *page = wane__page_of(h);
        for (unsigned i = 0; i < page->capacity; i++) {
            struct wane__header *b = wane__page_block(page, i);
            CHECK_EQ_UINT(wane__page_index(page, b), i);
            CHECK_EQ_PTR(wane__page_of(b), page);
            CHECK((char *)b + wane__heap_block_size(b) <= wane__page_memory(page) + page->run * WANE__PAGE_SIZE);
        }
        wane__heap_free(heap, h);
    }
    heap_leave(heap);
}

TEST(large_objects) {
    struct wane__heap *heap = heap_enter();
    static const size_t sizes[] = {32752, 65472, 65488, 1 << 20, (1 << 20) + 16, 4 << 20, 5 << 20, 40 << 20, 100 << 20};
    struct wane__header *h[9];
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 9; i++) {
            h[i] = wane__heap_alloc_large(heap, sizes[i], i % 2);
            CHECK(h[i] != NULL);
            CHECK_EQ_UINT(wane__heap_block_size(h[i]), sizes[i]);
            store_release(&h[i]->shared, WANE__LIVE);
            char *p = (char *)(h[i] + 1);
            CHECK(p[0] == 0 && p[100] == 0 && p[sizes[i] / 2] == 0 && p[sizes[i] - 17] == 0);
            p[0] = p[100] = p[sizes[i] / 2] = p[sizes[i] - 17] = 1;
        }
        CHECK_EQ_UINT(count_live(), 9);
        for (unsigned i = 0; i < 9; i++) {
            store_release(&h[i]->shared, 0u);
            wane__heap_free(heap, h[i]);
            after_frees(heap);
        }
        CHECK(wane__heap_retired());
        CHECK(heap_tend(bracket_wait, test_now_ns(), (uint64_t)10 << 30));
        CHECK(wane__heap_bytes() <= (size_t)40 << 20);
        (void)heap_tend(bracket_wait, test_now_ns() + 1000000000, 1000);
        CHECK(wane__heap_bytes() <= (size_t)1 << 20);
    }
    CHECK(wane__heap_alloc_large(heap, SIZE_MAX / 2, false) == NULL);
    heap_leave(heap);
}

/* Pages that one class emptied come back for another, clean, also where headers of the old class were not. */
TEST(reuse_for_another_class) {
    struct wane__heap *heap = heap_enter();
    enum { N = 3000 };
    static struct wane__header *h[N];
    for (unsigned round = 0; round < 40; round++) {
        size_t block = wane__heap_class_size(round * 7 % 24);
        for (unsigned i = 0; i < N; i++)
            h[i] = block_new(heap, block, round & 1);
        CHECK_EQ_UINT(count_live(), N);
        CHECK(wane__heap_check(heap));
        for (unsigned i = 0; i < N; i++)
            block_free(heap, h[i * 1009u % N], block);
        CHECK_EQ_UINT(count_live(), 0);
        CHECK(wane__heap_check(heap));
        if (round % 3 == 0)
            wane__heap_shed(heap);
        uint64_t later = test_now_ns() + 1000000000u;
        (void)heap_tend(bracket_wait, later, round % 2 ? 1000000u : 1000000000000u);
    }
    heap_leave(heap);
}

static unsigned calls;

static void on_retired(void) { calls++; }

TEST(tend_is_called_and_ends) {
    struct wane__heap *heap = heap_enter();
    static struct wane__header *h[10000];
    wane__heap_on_retired = on_retired;
    (void)heap_tend(bracket_wait, test_now_ns(), 1000);
    calls = 0;
    for (unsigned i = 0; i < 10000; i++)
        h[i] = block_new(heap, 64, false);
    CHECK_EQ_UINT(calls, 0);
    for (unsigned i = 0; i < 10000; i++)
        block_free(heap, h[i], 64);
    CHECK_EQ_UINT(calls, 1);
    CHECK(wane__heap_retired());
    size_t before = wane__heap_bytes();
    uint64_t now = test_now_ns();
    CHECK(heap_tend(bracket_wait, now, 1000000000));
    CHECK(!wane__heap_retired());
    CHECK_EQ_UINT(wane__heap_bytes(), before);
    CHECK(!heap_tend(bracket_wait, now + 2000000000, 1000000000));
    CHECK_EQ_UINT(wane__heap_bytes(), 0);
    CHECK_EQ_UINT(calls, 1);
    block_free(heap, block_new(heap, 64, false), 64);
    heap_leave(heap);
    CHECK_EQ_UINT(calls, 2);
    wane__heap_on_retired = NULL;
}

/* Many empty pages of one class and a need of another: taken back at once. */
TEST(pressure) {
    struct wane__heap *heap = heap_enter();
    enum { N = 100000 };
    static struct wane__header *h[N];
    size_t most = 0;
    for (unsigned round = 0; round < 10; round++) {
        size_t block = wane__heap_class_size(2 + round);
        for (unsigned i = 0; i < N / (round + 2); i++) {
            h[i] = block_new(heap, block, false);
            if (i % 1000 == 0 && wane__heap_retired())
                (void)heap_tend(bracket_wait, test_now_ns(), (uint64_t)1 << 60);
        }
        most = wane__heap_bytes() > most ? wane__heap_bytes() : most;
        for (unsigned i = 0; i < N / (round + 2); i++)
            block_free(heap, h[i], block);
    }
    CHECK_MSG(most < (size_t)8 << 20, "%zu", most);
    heap_leave(heap);
}

static void limited(void *arg) {
    (void)arg;
    struct wane__heap *heap = heap_enter();
    struct wane__header *list = NULL, *h;
    struct rlimit limit = {(rlim_t)400 << 20, (rlim_t)400 << 20};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    size_t n = 0;
    for (size_t block = 4096;; n++) {
        h = block_alloc(heap, wane__heap_class(block), false);
        if (h == NULL)
            break;
        *(struct wane__header **)(void *)(h + 1) = list;
        list = h;
        CHECK(n < 200000);
    }
    CHECK(errno == ENOMEM && n > 1000);
    CHECK(wane__heap_alloc_large(heap, (size_t)1 << 30, false) == NULL);
    CHECK(block_alloc(heap, WANE__CLASSES - 1, true) == NULL);
    CHECK(wane__heap_check(heap));
    while (list != NULL) {
        h = list;
        list = *(struct wane__header **)(void *)(h + 1);
        wane__heap_free(heap, h);
    }
    CHECK(wane__heap_check(heap));
    h = block_alloc(heap, wane__heap_class(4096), false);
    CHECK(h != NULL);
    wane__heap_free(heap, h);
    heap_leave(heap);
    heap_must_be_empty();
}

TEST(out_of_memory) {
    if (TEST_ASAN || TEST_TSAN)
        SKIP("the sanitizer's own address space is above any limit");
    check_in_child(limited, NULL);
}
