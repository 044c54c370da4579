/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * table.c: the collector's side tables, driven by hand: no collection runs here, so each table is
 * the test's own, and nothing needs to be pinned.
 */
#include "cycle/table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <wane.h>

#include "harness.h"

__attribute__((constructor)) static void without_the_librarys_thread(void) {
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
}

static wane_type bytes_type = {.name = "bytes", .size = 8};
static wane_type node_type = {
    .name = "node", .size = 16, .slots = (const size_t[]){0, WANE_SLOTS_END}};

void test_teardown(void) {
    wane_stats s = {.struct_size = sizeof s};
    CHECK_EQ_INT(wane_stats_get(&s), 0);
    CHECK_EQ_UINT(s.live_objects, 0);
}

static struct wane__header *object(wane_type *t, size_t extra) {
    void *obj = wane_new_extra(t, extra);
    CHECK(obj != NULL);
    return wane__header_of(obj);
}

static void drop(struct wane__header *h) { wane_release(wane__payload_of(h)); }

enum { EACH = 700 };
/* Small ones of which many share a page, one a page, runs of pages, and a mapping of its own. */
static const size_t extras[] = {0, 24, 200, 3000, 16000, 32000, 70000, 1000000, 5u << 20};
static const unsigned how_many[] = {EACH, EACH, EACH, 100, 20, 20, 5, 2, 2};
enum { SIZES = sizeof extras / sizeof *extras, ALL = 2 * (3 * EACH + 100 + 20 + 20 + 5 + 2 + 2) };

static struct wane__header *all[ALL];

static void make_all(void) {
    size_t n = 0;
    for (unsigned i = 0; i < SIZES; i++) {
        for (unsigned j = 0; j < how_many[i]; j++) {
            all[n++] = object(&bytes_type, extras[i]);
            all[n++] = object(&node_type, extras[i]);
        }
    }
    CHECK_EQ_UINT(n, ALL);
}

static void drop_all(void) {
    for (size_t i = 0; i < ALL; i++)
        drop(all[i]);
}

/* What a freed table leaves behind: nothing, in itself and in the pages. */
static void free_table(struct wane__table *t) {
    static const struct wane__table empty;
    wane__table_free(t);
    CHECK_EQ_INT(memcmp(t, &empty, sizeof empty), 0);
}

/* Adds those whose place leaves `rest` when divided by 3. */
static void add_some(struct wane__table *t, size_t rest) {
    size_t n = 0;
    for (size_t i = rest; i < ALL; i += 3) {
        wane__table_prefetch(all[i]);
        CHECK_EQ_UINT(wane__table_find(all[i]), WANE__NO_SUSPECT);
        CHECK_EQ_UINT(wane__table_add(t, all[i], (uint16_t)(i % 500)), n);
        n++;
    }
    CHECK_EQ_UINT(t->n, n);
    CHECK(!t->failed);
}

static void check_some(const struct wane__table *t, size_t rest) {
    uint32_t n = 0;
    for (size_t i = 0; i < ALL; i++) {
        if (i % 3 != rest) { /* its page has a side array all the same */
            CHECK_EQ_UINT(wane__table_find(all[i]), WANE__NO_SUSPECT);
            continue;
        }
        CHECK_EQ_UINT(wane__table_find(all[i]), n);
        CHECK_EQ_PTR(t->suspects[n].h, all[i]);
        CHECK_EQ_UINT(t->suspects[n].flags, i % 500);
        CHECK_EQ_UINT(t->suspects[n].count + t->suspects[n].inner + t->suspects[n].edges_n, 0);
        n++;
    }
}

/* Each page with a side array is listed once: one that is not would keep it. */
static void check_pages(const struct wane__table *t) {
    size_t listed = 0;
    for (size_t i = 0; i < t->pages_n; i++) {
        CHECK(t->pages[i]->side != NULL);
        for (size_t j = 0; j < i; j++)
            CHECK(t->pages[i] != t->pages[j]);
    }
    for (size_t i = 0; i < ALL; i++) {
        struct wane__page *page = wane__page_of(all[i]);
        bool first = true;
        for (size_t j = i; first && j-- > 0;)
            first = wane__page_of(all[j]) != page;
        listed += first && page->side != NULL;
    }
    CHECK_EQ_UINT(t->pages_n, listed);
    CHECK(listed > 40);
}

TEST(finds_what_was_added_and_nothing_else) {
    make_all();
    struct wane__table t = {0};
    for (size_t rest = 0; rest < 3; rest++) { /* the second and third find nothing of the first */
        add_some(&t, rest);
        check_some(&t, rest);
        check_pages(&t);
        free_table(&t);
        for (size_t i = 0; i < ALL; i++) {
            CHECK_EQ_PTR(wane__page_of(all[i])->side, NULL);
            CHECK_EQ_UINT(wane__table_find(all[i]), WANE__NO_SUSPECT);
        }
    }
    free_table(&t); /* an empty one */
    drop_all();
}

/* The last block of a page is a page's last index: a side array that is too short ends before it.
 */
TEST(every_block_of_a_page) {
    make_all();
    struct wane__table t = {0};
    for (size_t i = ALL; i-- > 0;)
        CHECK_EQ_UINT(wane__table_add(&t, all[i], WANE__SUSPECT_ROOT), ALL - 1 - i);
    for (size_t i = 0; i < ALL; i++)
        CHECK_EQ_UINT(wane__table_find(all[i]), ALL - 1 - i);
    free_table(&t);
    drop_all();
}

/* A page that empties during a collection takes its side array along; the table must not free it
 * again. */
TEST(page_given_back_meanwhile) {
    struct wane__table t = {0};
    struct wane__header *h = object(&bytes_type, 1000000), *kept = object(&bytes_type, 3000);
    CHECK_EQ_UINT(wane__table_add(&t, h, 0), 0);
    CHECK_EQ_UINT(wane__table_add(&t, kept, 0), 1);
    struct wane__page *page = wane__page_of(h);
    CHECK(page->side != NULL);
    /* One with a mapping of its own goes later: the table's list still leads to its entry, which
     * lies in it. */
    struct wane__header *mapping = object(&bytes_type, 5u << 20);
    CHECK_EQ_UINT(wane__page_of(mapping)->run, 0);
    CHECK_EQ_UINT(wane__table_add(&t, mapping, 0), 2);
    drop(h);
    drop(mapping);
    for (int i = 0; i < 3; i++)
        (void)wane_trim();
    CHECK_EQ_PTR(page->side, NULL);
    CHECK_EQ_UINT(t.pages_n, 3);
    CHECK(t.pages[2]->side != NULL);
    CHECK_EQ_UINT(wane__table_find(kept), 1);
    free_table(&t);
    drop(kept);
}

/* Every suspect has its own edges, as many as it was given and in their order, also where they go on in another segment, and no
 * segment moves when more are added. */
TEST(edges_are_read_back) {
    enum { N = 40000 };
    struct wane__table t = {0};
    struct wane__header *h = object(&node_type, 0);
    for (uint32_t i = 0; i < N; i++)
        CHECK_EQ_UINT(wane__table_add(&t, h, 0), i); /* the same object: edges do not look at it */
    CHECK_EQ_UINT(wane__table_find(h), N - 1);
    test_rng written = test_rng_make(1), read = written;
    const uint32_t *first = NULL;
    for (uint32_t i = 0; i < N; i++) {
        t.suspects[i].edges = t.edges.n;
        for (uint64_t n = test_below(&written, 9); n > 0; n--)
            wane__table_add_edge(&t, &t.suspects[i], (uint32_t)test_below(&written, N));
        if (i == N / 2)
            first = t.edges.segments[1];
    }
    CHECK(t.edges.segments_n > 8);
    CHECK_EQ_UINT(t.edges.segments_n, (t.edges.n + WANE__SEGMENT - 1) / WANE__SEGMENT);
    CHECK_EQ_PTR(t.edges.segments[1], first);
    size_t sum = 0;
    for (uint32_t i = 0; i < N; i++) {
        const struct wane__suspect *s = &t.suspects[i];
        CHECK_EQ_UINT(s->edges, sum);
        CHECK_EQ_UINT(s->edges_n, test_below(&read, 9));
        for (uint32_t j = 0; j < s->edges_n; j++)
            CHECK_EQ_UINT(wane__edge_at(&t.edges, s->edges + j), test_below(&read, N));
        sum += s->edges_n;
    }
    CHECK_EQ_UINT(t.edges.n, sum);
    CHECK(sum > 3 * N && !t.failed);
    size_t segments = t.edges.segments_n;
    t.edges.n = t.edges.end = 0; /* as at a new tracing: the segments are used again */
    for (uint64_t i = 0; i < sum; i++)
        wane__table_add_edge(&t, &t.suspects[0], 1);
    CHECK_EQ_UINT(t.edges.segments_n, segments);
    CHECK_EQ_UINT(wane__edge_at(&t.edges, sum - 1), 1);
    free_table(&t);
    drop(h);
}

/* More edges than 32 bits can number. Segments of which none is looked at are left out. */
TEST(edges_beyond_32_bits) {
    struct wane__table t = {0};
    struct wane__header *h = object(&node_type, 0);
    CHECK_EQ_UINT(wane__table_add(&t, h, 0), 0);
    CHECK_EQ_UINT(wane__table_add(&t, h, 0), 1);
    size_t segments = (size_t)1 << (32 - WANE__SEGMENT_SHIFT);
    while (t.edges.segments_room < segments)
        CHECK(wane__vector_grow((void **)&t.edges.segments, &t.edges.segments_room, t.edges.segments_room, sizeof *t.edges.segments));
    memset(t.edges.segments, 0, segments * sizeof *t.edges.segments);
    t.edges.segments_n = segments; /* all in use */
    CHECK((t.edges.segments[segments - 1] = malloc(WANE__SEGMENT * sizeof(uint32_t))) != NULL);
    t.edges.n = t.edges.end = (uint64_t)(segments - 1) * WANE__SEGMENT;
    for (uint32_t i = 0; i < 2; i++) {
        t.suspects[i].edges = t.edges.n;
        for (uint32_t j = 0; j < WANE__SEGMENT + 500; j++)
            wane__table_add_edge(&t, &t.suspects[i], 3 * j + i);
    }
    CHECK(!t.failed);
    CHECK_EQ_UINT(t.edges.n, (UINT64_C(1) << 32) + WANE__SEGMENT + 1000);
    CHECK_EQ_UINT(t.edges.segments_n, segments + 2);
    CHECK(t.suspects[1].edges > UINT32_MAX);
    for (uint32_t i = 0; i < 2; i++) {
        for (uint32_t j = 0; j < WANE__SEGMENT + 500; j++)
            CHECK_EQ_UINT(wane__edge_at(&t.edges, t.suspects[i].edges + j), 3 * j + i);
    }
    free_table(&t);
    drop(h);
}

TEST(vectors_grow_and_keep_what_they_hold) {
    static const size_t sizes[] = {1, 4, 8, sizeof(struct wane__suspect)};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        enum { N = 300000 }; /* the largest have a mapping of their own, which is given back in pieces */
        unsigned char *items = NULL;
        size_t room = 0, grown = 0, size = sizes[k];
        for (size_t n = 0; n < N; n++) {
            unsigned char *before = items;
            size_t room_before = room;
            CHECK(wane__vector_grow((void **)&items, &room, n, size));
            CHECK(room > n);
            if (n < room_before) { /* pointers into it stay valid */
                CHECK(items == before && room == room_before);
            } else {
                CHECK(room >= 2 * room_before);
                grown++;
            }
            for (size_t i = 0; i < size; i++)
                items[n * size + i] = (unsigned char)(n * 7 + i);
        }
        for (size_t n = 0; n < N; n++) {
            for (size_t i = 0; i < size; i++)
                CHECK_EQ_UINT(items[n * size + i], (unsigned char)(n * 7 + i));
        }
        CHECK(grown > 3 && grown < 20);
        wane__vector_free((void **)&items, &room, size);
        CHECK(items == NULL && room == 0);
    }
}

/* Numbers of suspects, and how many edges one has, have 32 bits; the last number is the one that says "none". */
TEST(full_tables_fail) {
    struct wane__table t = {0};
    struct wane__header *h = object(&bytes_type, 0), *other = object(&bytes_type, 0);
    CHECK_EQ_UINT(wane__table_add(&t, h, 0), 0);
    t.n = WANE__NO_SUSPECT - 1;
    CHECK_EQ_UINT(wane__table_add(&t, other, 0), WANE__NO_SUSPECT);
    CHECK(t.failed);
    CHECK_EQ_UINT(t.n, WANE__NO_SUSPECT - 1);
    CHECK_EQ_UINT(wane__table_find(other), WANE__NO_SUSPECT);
    t.n = 1;
    t.failed = false;
    wane__table_add_edge(&t, &t.suspects[0], 0);
    CHECK(!t.failed);
    t.suspects[0].edges_n = UINT32_MAX - WANE__SEGMENT - WANE__SEGMENT / 2; /* is noticed before it overflows */
    for (size_t n = t.edges.n; n < 2 * WANE__SEGMENT && !t.failed; n++)
        wane__table_add_edge(&t, &t.suspects[0], 0);
    CHECK(t.failed);
    CHECK_EQ_UINT(t.edges.n, WANE__SEGMENT);
    CHECK(t.suspects[0].edges_n > UINT32_MAX / 2);
    free_table(&t);
    drop(h);
    drop(other);
}

/* All that malloc can still give. Never freed: the child ends. */
static void no_memory_left(void) {
    struct rlimit none = {0, 0};
    CHECK_EQ_INT(setrlimit(RLIMIT_AS, &none), 0);
    for (size_t size = 1u << 20; size > 0; size /= 2) {
        for (void *volatile p = malloc(size); p != NULL; p = malloc(size))
            memset(p, 1, size);
    }
}

static void without_memory(void *edges) {
    uint32_t some = *(const uint32_t *)edges, full = some > 1 ? 2 * WANE__SEGMENT : 1024;
    struct wane__table t = {0};
    struct wane__header *h = object(&bytes_type, 0), *far = object(&bytes_type, 70000);
    CHECK_EQ_UINT(wane__table_add(&t, h, 0), 0);
    struct wane__suspect from = {.h = h};
    struct wane__table begun = {0};
    for (uint32_t i = 0; i < some; i++)
        wane__table_add_edge(&begun, &from, i);
    no_memory_left();
    size_t room = t.room;
    CHECK_EQ_UINT(wane__table_add(&t, far, 0), WANE__NO_SUSPECT); /* no side array */
    CHECK(t.failed);
    CHECK_EQ_UINT(wane__table_find(far), WANE__NO_SUSPECT);
    CHECK_EQ_PTR(wane__page_of(far)->side, NULL);
    CHECK_EQ_UINT(t.pages_n, 1);
    t.failed = false;
    for (size_t n = 1; n < room; n++)
        CHECK_EQ_UINT(wane__table_add(&t, h, 0), n);
    CHECK(!t.failed);
    struct wane__suspect *before = t.suspects;
    CHECK_EQ_UINT(wane__table_add(&t, h, 0), WANE__NO_SUSPECT);
    CHECK(t.failed && t.suspects == before);
    CHECK_EQ_UINT(t.room, room);
    CHECK_EQ_UINT(t.n, room);
    CHECK_EQ_UINT(wane__table_find(h), room - 1); /* as before */
    t.failed = false;
    wane__table_add_edge(&t, &t.suspects[0], 0);
    CHECK(t.failed && t.edges.segments == NULL);
    CHECK_EQ_UINT(t.edges.n + t.suspects[0].edges_n, 0);
    for (uint32_t i = (uint32_t)begun.edges.n; i < full; i++)
        wane__table_add_edge(&begun, &from, i);
    CHECK(!begun.failed);
    wane__table_add_edge(&begun, &from, full); /* no further segment, and the first cannot grow */
    CHECK(begun.failed);
    CHECK_EQ_UINT(begun.edges.n, full);
    CHECK_EQ_UINT(from.edges_n, full);
    for (uint32_t i = 0; i < full; i++)
        CHECK_EQ_UINT(wane__edge_at(&begun.edges, i), i);
    free_table(&begun);
    free_table(&t); /* giving up needs none */
    CHECK_EQ_PTR(wane__page_of(h)->side, NULL);
}

TEST(memory_that_runs_out_changes_nothing) {
    if (TEST_ASAN || TEST_TSAN)
        SKIP("the sanitizer's malloc ends the program");
    check_in_child(without_memory, &(uint32_t){1});
    check_in_child(without_memory, &(uint32_t){WANE__SEGMENT + 1});
}

/* A fork sees whole lists: from prepare to release none moves, and none goes. */
struct mover {
    struct wane__table t;
    bool xgrown, xfreed;
};

static void *grow_and_free(void *arg) {
    struct mover *m = arg;
    wane__table_add_edge(&m->t, &m->t.suspects[0], 0);
    store_release(&m->xgrown, true);
    while (!load_acquire(&m->xfreed))
        test_sleep_ns(100000);
    wane__table_free(&m->t);
    store_release(&m->xgrown, false);
    return NULL;
}

static bool grown(void *arg) { return load_acquire(&((struct mover *)arg)->xgrown); }
static bool freed(void *arg) { return !grown(arg); }

TEST(a_fork_keeps_lists_where_they_are) {
    static struct mover m;
    struct wane__header *h = object(&bytes_type, 0);
    CHECK_EQ_UINT(wane__table_add(&m.t, h, 0), 0);
    pthread_t thread;
    wane__table_fork_prepare();
    CHECK_EQ_INT(pthread_create(&thread, NULL, grow_and_free, &m), 0);
    test_sleep_ns(20000000); /* a slow machine sees less of it, and fails never */
    CHECK(!grown(&m));
    wane__table_fork_release();
    CHECK(test_wait_until(grown, &m, UINT64_C(20000000000)));
    wane__table_fork_prepare();
    store_release(&m.xfreed, true);
    test_sleep_ns(20000000);
    CHECK(grown(&m));
    CHECK_EQ_UINT(wane__table_find(h), 0);
    CHECK_EQ_UINT(m.t.edges.n, 1);
    wane__table_fork_release();
    CHECK(test_wait_until(freed, &m, UINT64_C(20000000000)));
    CHECK_EQ_INT(pthread_join(thread, NULL), 0);
    CHECK_EQ_UINT(wane__table_find(h), WANE__NO_SUSPECT);
    drop(h);
}
