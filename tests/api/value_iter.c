// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Iterators that make their items, generators, and iterators over iterators.

#include "api.h"

#include <wane/values.h>

struct count {
    int wane_state;
    int64_t i, n;
    wane_slot held; // whatever the test hangs on it
};

static wane_type count_type = {
    .name = "count",
    .size = sizeof(struct count),
    .slots = WANE_SLOTS(struct count, held),
};

// 1000, 1000 + i for each i below n, 2000.
static void *count_next(void *self) {
    struct count *f = self;
    WANE_GENERATOR_BEGIN(f)
    WANE_YIELD(f, wane_int_new(1000));
    for (f->i = 0; f->i < f->n; f->i++) {
        WANE_YIELD(f, wane_int_new(1000 + f->i));
    }
    WANE_YIELD(f, wane_int_new(2000));
    WANE_GENERATOR_END(f)
}

static struct count *count_new(int64_t n) {
    struct count *f = wane_new(&count_type);
    CHECK(f != NULL);
    f->n = n;
    return f;
}

static wane_iter *counter(int64_t n) { return wane_iter_new(&count_type, count_next, count_new(n)); }

static void check_ints(wane_iter *it, const int64_t *want, size_t n) {
    for (int after_end = 0; after_end < 2; after_end++) {
        size_t at = 0;
        WANE_FOR(wane_int, i, wane_retain(it)) {
            CHECK(at < n);
            CHECK_EQ_INT(wane_int_value(i), want[at]);
            at++;
        }
        CHECK_EQ_INT(errno, 0);
        CHECK_EQ_UINT(at, after_end ? 0 : n);
    }
    wane_release(it);
}

TEST(generators) {
    check_ints(counter(0), (int64_t[]){1000, 2000}, 2);
    check_ints(counter(3), (int64_t[]){1000, 1000, 1001, 1002, 2000}, 5);
    errno = 0;
    CHECK_EQ_PTR(wane_iter_new(&node_type, count_next, count_new(1)), NULL);
    CHECK_EQ_INT(errno, EINVAL);
    CHECK_EQ_PTR(wane_iter_new(NULL, NULL, count_new(1)), NULL);
    CHECK_EQ_PTR(wane_iter_new(NULL, count_next, NULL), NULL);
    CHECK_EQ_PTR(wane_iter_next(NULL), NULL);
    CHECK_EQ_INT(errno, EINVAL);
}

TEST(a_generator_that_refers_to_itself) {
    size_t dead = atomic_load(&nodes_dead);
    struct count *f = count_new(5);
    WANE_AUTO struct node *n = node_new(1);
    wane_iter *it = wane_iter_new(&count_type, count_next, wane_retain(f));
    wane_release(wane_iter_next(it));
    wane_slot_store(&n->left, it);
    wane_slot_store(&f->held, n);
    wane_clear(&n);
    wane_release(f);
    wane_release(it);
    wane_gc_collect(WANE_GC_FULL);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 1);
}

TEST(ranges) {
    check_ints(wane_range(500, 503, 1), (int64_t[]){500, 501, 502}, 3);
    check_ints(wane_range(503, 500, -2), (int64_t[]){503, 501}, 2);
    check_ints(wane_range(500, 500, 1), NULL, 0);
    check_ints(wane_range(500, 501, -1), NULL, 0);
    check_ints(wane_range(INT64_MIN, INT64_MAX, INT64_MAX), (int64_t[]){INT64_MIN, -1, INT64_MAX - 1}, 3);
    check_ints(wane_range(INT64_MAX - 1, INT64_MAX, INT64_MAX), (int64_t[]){INT64_MAX - 1}, 1);
    check_ints(wane_range(INT64_MAX, INT64_MIN, INT64_MIN), (int64_t[]){INT64_MAX, -1}, 2);
    CHECK_EQ_PTR(wane_range(0, 1, 0), NULL);
    CHECK_EQ_INT(errno, EINVAL);
    atomic_store(&api_kept, 1); // the small integer -1
}

static void *doubled(void *obj, void *arg) {
    ++*(int *)arg;
    return wane_int_new(2 * wane_int_value(obj));
}
static void *fails(void *obj, void *arg) {
    (void)obj, (void)arg;
    errno = EIO;
    return NULL;
}
static bool is_odd(void *obj, void *arg) {
    (void)arg;
    return wane_int_value(obj) % 2 != 0;
}

TEST(combinations) {
    int calls = 0;
    check_ints(wane_iter_map(wane_range(300, 303, 1), doubled, &calls), (int64_t[]){600, 602, 604}, 3);
    CHECK_EQ_INT(calls, 3);
    check_ints(wane_iter_filter(wane_range(300, 305, 1), is_odd, NULL), (int64_t[]){301, 303}, 2);
    check_ints(wane_iter_take(wane_range(300, 305, 1), 2), (int64_t[]){300, 301}, 2);
    check_ints(wane_iter_take(wane_range(300, 305, 1), 0), NULL, 0);
    check_ints(wane_iter_take(wane_range(300, 302, 1), SIZE_MAX), (int64_t[]){300, 301}, 2);
    check_ints(wane_iter_chain(wane_range(300, 302, 1), wane_iter_chain(wane_range(0, 0, 1), wane_range(400, 401, 1))),
               (int64_t[]){300, 301, 400}, 3);
    WANE_AUTO wane_iter *broken = wane_iter_map(wane_range(300, 302, 1), fails, NULL);
    CHECK_EQ_PTR(wane_iter_next(broken), NULL);
    CHECK_EQ_INT(errno, EIO);
    errno = 0;
    CHECK_EQ_PTR(wane_iter_map(wane_range(1000, 1001, 1), NULL, NULL), NULL);
    CHECK_EQ_INT(errno, EINVAL);
    CHECK_EQ_PTR(wane_iter_filter(NULL, is_odd, NULL), NULL);
    CHECK_EQ_PTR(wane_iter_take(NULL, 1), NULL);
    CHECK_EQ_PTR(wane_iter_chain(NULL, wane_range(1000, 1001, 1)), NULL);
    CHECK_EQ_PTR(wane_iter_chain(wane_range(1000, 1001, 1), NULL), NULL);
}

static int leave_by(int how) {
    WANE_FOR(wane_int, i, wane_range(300, 310, 1)) {
        if (wane_int_value(i) < 303) {
            continue;
        }
        if (how == 0) {
            break;
        }
        if (how == 1) {
            return 1;
        }
        goto out;
    }
    return 0;
out:
    return 2;
}

TEST(leaving_a_loop) {
    for (int how = 0; how < 3; how++) {
        CHECK_EQ_INT(leave_by(how), how);
    }
    WANE_FOR(wane_int, i, NULL) { CHECK(i == NULL); }
    CHECK_EQ_INT(errno, EINVAL);
}

TEST(lines) {
    static const char text[] = "one\n\ntwo\r\nnu\0l\nlast";
    static const struct {
        const char *bytes;
        size_t n;
    } want[] = {{"one", 3}, {"", 0}, {"two\r", 4}, {"nu\0l", 4}, {"last", 4}};
    FILE *f = tmpfile();
    CHECK(f != NULL && fwrite(text, 1, sizeof text - 1, f) == sizeof text - 1);
    rewind(f);
    size_t at = 0;
    WANE_FOR(wane_str, s, wane_lines(f)) {
        CHECK_EQ_UINT(wane_str_len(s), want[at].n);
        CHECK(memcmp(wane_str_bytes(s), want[at].bytes, want[at].n + 1) == 0);
        at++;
    }
    CHECK_EQ_INT(errno, 0);
    CHECK_EQ_UINT(at, 5);
    rewind(f);
    WANE_AUTO wane_iter *abandoned = wane_lines(f);
    wane_release(wane_iter_next(abandoned));
    wane_clear(&abandoned);
    fclose(f);
    FILE *folder = fopen("/", "r");
    CHECK(folder != NULL);
    WANE_AUTO wane_iter *unreadable = wane_lines(folder);
    CHECK_EQ_PTR(wane_iter_next(unreadable), NULL);
    CHECK_EQ_INT(errno, EISDIR);
    wane_clear(&unreadable);
    fclose(folder);
    CHECK_EQ_PTR(wane_lines(NULL), NULL);
    CHECK_EQ_INT(errno, EINVAL);
}
