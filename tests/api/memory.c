// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// What happens when there is no memory, and giving memory back.

#include "api.h"

TEST(sizes_that_do_not_fit) {
    errno = 0;
    CHECK_EQ_PTR(wane_new_extra(&leaf_type, SIZE_MAX), NULL);
    CHECK_EQ_INT(errno, EOVERFLOW);
    errno = 0;
    CHECK_EQ_PTR(wane_new_extra(&leaf_type, SIZE_MAX - sizeof(struct leaf)), NULL);
    CHECK_EQ_INT(errno, EOVERFLOW);
    errno = 0;
    // No machine has it, but it could be written down.
    CHECK_EQ_PTR(wane_new_extra(&leaf_type, (size_t)1 << 47), NULL);
    CHECK(errno == ENOMEM || errno == EOVERFLOW);
    struct leaf *l = leaf_new(1);
    wane_release(l);
}

// The next pointer is in the payload: when memory is out there is none for a list of them.
struct link {
    struct link *next;
    char filling[120];
};
static wane_type link_type = {.name = "link", .size = sizeof(struct link)};

static size_t exhaust(struct link **ret_all) {
    size_t count = 0;
    for (;;) {
        errno = 0;
        struct link *l = wane_new(&link_type);
        if (l == NULL) {
            CHECK_EQ_INT(errno, ENOMEM);
            return count;
        }
        l->next = *ret_all;
        *ret_all = l;
        count++;
    }
}

static void release_all(struct link *all) {
    while (all != NULL) {
        struct link *next = all->next;
        wane_release(all);
        all = next;
    }
}

static void run_out_of_memory(void *unused) {
    (void)unused;
    struct node *n = node_new(7);
    wane_slot place = WANE_SLOT_EMPTY;
    struct rlimit bound = {256u << 20, 256u << 20};
    CHECK_EQ_INT(setrlimit(RLIMIT_AS, &bound), 0);
    size_t counts[2];
    for (int round = 0; round < 2; round++) {
        struct link *all = NULL;
        counts[round] = exhaust(&all);
        CHECK(counts[round] > 100000);
        // Nothing is lost: what needs no new memory works, and slots always do.
        wane_retain(n);
        wane_release(n);
        for (int i = 0; i < 20000; i++) {
            wane_slot_store(&place, n);
            wane_slot_clear(&place);
        }
        wane_weak *w = wane_weak_new(n, NULL, NULL);
        CHECK(w != NULL || errno == ENOMEM);
        wane_release(w);
        CHECK_EQ_UINT(n->number, 7);
        release_all(all);
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(wane_refcount(n), 1);
        CHECK_EQ_UINT(api_stats().live_objects, 1);
    }
    // As much fits as before.
    CHECK(counts[1] >= counts[0] / 10 * 9);
    wane_release(n);
    test_teardown();
}

TEST(out_of_memory_loses_nothing) {
    if (TEST_TSAN || TEST_ASAN) {
        SKIP("the sanitizer cannot live in so little address space");
    }
    check_in_child(run_out_of_memory, NULL);
}

static struct link *make_links(size_t count, size_t extra) {
    struct link *all = NULL;
    for (size_t i = 0; i < count; i++) {
        struct link *l = wane_new_extra(&link_type, extra);
        CHECK(l != NULL);
        l->next = all;
        all = l;
    }
    return all;
}

// Small objects, middle-sized ones, and such as have memory of their own.
TEST(trim_gives_memory_back) {
    static const size_t extras[] = {0, 2000, 20000, 5000000};
    int64_t delay = 0;
    CHECK_EQ_INT(wane_option_get("trim_delay_ms", &delay), 0);
    CHECK_EQ_INT(wane_option_set("trim_delay_ms", 1000000), 0);
    for (size_t k = 0; k < sizeof extras / sizeof *extras; k++) {
        CHECK_EQ_INT(wane_flush(), 0);
        wane_trim();
        size_t start = api_stats().heap_bytes;
        size_t bytes = (size_t)32 << 20;
        struct link *all = make_links(bytes / (sizeof(struct link) + extras[k]), extras[k]);
        size_t full = api_stats().heap_bytes;
        CHECK(full >= start + bytes / 2);
        release_all(all);
        CHECK_EQ_INT(wane_flush(), 0);
        size_t empty = api_stats().heap_bytes;
        size_t given = wane_trim();
        size_t trimmed = api_stats().heap_bytes;
        CHECK_MSG(trimmed <= start + bytes / 8, "extra %zu: start %zu, full %zu, trimmed %zu",
                  extras[k], start, full, trimmed);
        // The collector thread gives large objects back on its own, at the same time.
        CHECK_MSG(given + (1u << 20) >= empty - trimmed || extras[k] > 1000000,
                  "extra %zu: %zu given, %zu less", extras[k], given, empty - trimmed);
        CHECK_EQ_UINT(wane_trim(), 0);
    }
    CHECK_EQ_INT(wane_option_set("trim_delay_ms", delay), 0);
}

static size_t trim_target;

static bool heap_is_small(void *unused) {
    (void)unused;
    return api_stats().heap_bytes <= trim_target;
}

TEST(memory_is_given_back_after_a_while) {
    int64_t delay = 0;
    CHECK_EQ_INT(wane_option_get("trim_delay_ms", &delay), 0);
    CHECK_EQ_INT(wane_option_set("trim_delay_ms", 50), 0);
    wane_trim();
    trim_target = api_stats().heap_bytes + (4u << 20);
    release_all(make_links(200000, 0));
    CHECK(test_wait_until(heap_is_small, NULL, API_PATIENCE));
    CHECK_EQ_INT(wane_option_set("trim_delay_ms", delay), 0);
}

// A thread gathers what it frees in another's pages, and keeps none of it when it says so, or ends.
enum { FOREIGN = 50 };
static struct {
    void *object[FOREIGN];
    int (*leave)(void);
    pthread_barrier_t turn;
} foreign;

static int leave_by_poll(void) { return (int)wane_poll(); }
static int leave_by_exit(void) { return 0; }

static void *release_foreign(void *unused) {
    (void)unused;
    for (int i = 0; i < FOREIGN; i++)
        wane_release(foreign.object[i]);
    CHECK_EQ_INT(foreign.leave(), 0);
    if (foreign.leave != leave_by_exit) {
        pthread_barrier_wait(&foreign.turn);
        pthread_barrier_wait(&foreign.turn);
    }
    return NULL;
}

TEST(memory_that_others_freed_comes_back) {
    static wane_type type = {.name = "foreign", .size = 3000, .flags = WANE_TYPE_SHARED};
    static int (*const ways[])(void) = {leave_by_poll, wane_flush, leave_by_exit};
    pthread_barrier_init(&foreign.turn, NULL, 2);
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        CHECK_EQ_INT(wane_flush(), 0);
        wane_trim();
        size_t start = api_stats().heap_bytes;
        for (int i = 0; i < FOREIGN; i++) {
            foreign.object[i] = wane_new(&type);
            CHECK(foreign.object[i] != NULL);
        }
        foreign.leave = ways[k];
        pthread_t t = api_thread(release_foreign, NULL);
        if (foreign.leave != leave_by_exit)
            pthread_barrier_wait(&foreign.turn);
        else
            api_join(t);
        CHECK_EQ_UINT(api_stats().live_objects, 0);
        wane_trim();
        CHECK_MSG(api_stats().heap_bytes <= start, "way %zu: %zu bytes, then %zu", k, start, api_stats().heap_bytes);
        if (foreign.leave != leave_by_exit) {
            pthread_barrier_wait(&foreign.turn);
            api_join(t);
        }
    }
    pthread_barrier_destroy(&foreign.turn);
}

static void *release_one(void *obj) {
    wane_release(obj);
    return NULL;
}

// The collector thread is not there yet, and a bracket in which it is first needed cannot make it.
static void give_back_in_child(void *unused) {
    (void)unused;
    static wane_type type = {.name = "shared", .size = 1000, .flags = WANE_TYPE_SHARED};
    static void *all[20000];
    CHECK_EQ_INT(wane_option_set("trim_delay_ms", 50), 0);
    api_join(api_thread(release_one, wane_new(&type)));
    trim_target = api_stats().heap_bytes + (4u << 20);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        all[i] = wane_new(&type);
    }
    CHECK(api_stats().heap_bytes > trim_target);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        wane_release(all[i]);
    }
    CHECK(test_wait_until(heap_is_small, NULL, API_PATIENCE));
}

// The same of frees of one's own.
static void give_own_back_in_child(void *unused) {
    (void)unused;
    CHECK_EQ_INT(wane_option_set("trim_delay_ms", 50), 0);
    trim_target = api_stats().heap_bytes + (4u << 20);
    struct link *all = make_links(200000, 0);
    CHECK(api_stats().heap_bytes > trim_target);
    release_all(all);
    CHECK(test_wait_until(heap_is_small, NULL, API_PATIENCE));
}

TEST(memory_is_given_back_in_a_child) {
    if (TEST_TSAN) {
        SKIP("ThreadSanitizer does not follow a thread into the child");
    }
    check_in_child(give_own_back_in_child, NULL);
}

TEST(the_first_foreign_free_starts_the_thread) {
    if (TEST_TSAN) {
        SKIP("ThreadSanitizer does not follow a thread into the child");
    }
    check_in_child(give_back_in_child, NULL);
}

static void *make_and_release(void *unused) {
    (void)unused;
    release_all(make_links(50000, 0));
    return NULL;
}

TEST(memory_of_exited_threads_is_used_again) {
    api_elsewhere(make_and_release, NULL);
    size_t after_one = api_stats().heap_bytes;
    for (int i = 0; i < 20; i++) {
        api_elsewhere(make_and_release, NULL);
    }
    CHECK(api_stats().heap_bytes <= 3 * after_one + (4u << 20));
}

static void *release_list(void *all) {
    release_all(all);
    return NULL;
}

// Made by one thread, dropped by another, again and again: the blocks come home.
TEST(memory_freed_by_others_is_used_again) {
    size_t after_one = 0;
    for (int i = 0; i < 20; i++) {
        struct link *all = make_links(20000, 0);
        api_elsewhere(release_list, all);
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(api_stats().live_objects, 0);
        if (i == 0) {
            after_one = api_stats().heap_bytes;
        }
    }
    CHECK(api_stats().heap_bytes <= 3 * after_one + (4u << 20));
}
