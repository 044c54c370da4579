// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Strings, integers and arrays.

#include "api.h"

#include <wane/values.h>

static void check_str(const wane_str *s, const char *want, size_t n) {
    CHECK(s != NULL);
    CHECK_EQ_UINT(wane_str_len(s), n);
    CHECK(memcmp(wane_str_bytes(s), want, n + 1) == 0);
}

TEST(strings) {
    WANE_AUTO wane_str *a = wane_str_new("a\0b", 3);
    check_str(a, "a\0b", 3);
    WANE_AUTO wane_str *b = wane_str_from("xyz");
    check_str(b, "xyz", 3);
    WANE_AUTO wane_str *both = wane_str_concat(a, b);
    check_str(both, "a\0bxyz", 6);
    WANE_AUTO wane_str *f = wane_str_format("%d-%s", 42, "x");
    check_str(f, "42-x", 4);
    WANE_AUTO wane_str *part = wane_str_slice(both, 2, 5);
    check_str(part, "bxy", 3);
    WANE_AUTO wane_str *end = wane_str_slice(both, 4, SIZE_MAX);
    check_str(end, "yz", 2);
    WANE_AUTO wane_str *none = wane_str_slice(both, 5, 2);
    check_str(none, "", 0);
    WANE_AUTO wane_str *empty = wane_str_new(NULL, 0);
    CHECK(wane_str_equal(none, empty) && wane_str_hash(none) == wane_str_hash(empty));
    WANE_AUTO wane_str *again = wane_str_slice(both, 0, 100);
    CHECK_EQ_PTR(again, both);
    WANE_AUTO wane_str *copy = wane_str_new("a\0bxyz", 6);
    CHECK(wane_str_equal(copy, both) && wane_str_hash(copy) == wane_str_hash(both));
    CHECK(!wane_str_equal(a, b) && wane_str_hash(a) != wane_str_hash(b));
    CHECK(wane_str_hash(a) != 0);
    CHECK_EQ_PTR(wane_typeof(a), &wane_str_type);
}

TEST(strings_order) {
    WANE_AUTO wane_str *a = wane_str_from("ab"), *b = wane_str_from("abc"), *c = wane_str_from("\xff");
    CHECK(wane_str_compare(a, b) < 0 && wane_str_compare(b, a) > 0 && wane_str_compare(a, a) == 0);
    CHECK(wane_str_compare(b, c) < 0);
    CHECK(wane_str_compare(NULL, a) < 0 && wane_str_compare(a, NULL) > 0 && wane_str_compare(NULL, NULL) == 0);
    CHECK(wane_str_equal(NULL, NULL) && !wane_str_equal(a, NULL));
}

TEST(strings_refuse) {
    WANE_AUTO wane_str *a = wane_str_from("a");
    errno = 0;
    CHECK_EQ_PTR(wane_str_from(NULL), NULL);
    CHECK_EQ_INT(errno, EINVAL);
    errno = 0;
    CHECK_EQ_PTR(wane_str_new(NULL, 1), NULL);
    CHECK_EQ_INT(errno, EINVAL);
    CHECK_EQ_PTR(wane_str_new("a", SIZE_MAX), NULL);
    CHECK_EQ_INT(errno, EOVERFLOW);
    CHECK_EQ_PTR(wane_str_new("a", SIZE_MAX / 2), NULL);
    CHECK_EQ_PTR(wane_str_concat(a, NULL), NULL);
    CHECK_EQ_INT(errno, EINVAL);
    CHECK_EQ_PTR(wane_str_slice(NULL, 0, 1), NULL);
    CHECK_EQ_PTR(wane_str_bytes(NULL), NULL);
    CHECK_EQ_UINT(wane_str_len(NULL) + wane_str_hash(NULL), 0);
}

// The low bits of hashes, which tables use, of keys that differ in few bits: no bucket holds many.
TEST(hashes_spread) {
    enum { KEYS = 1 << 14, BUCKETS = 1 << 14 };
    static unsigned char low[BUCKETS], high[BUCKETS];
    for (unsigned i = 0; i < KEYS; i++) {
        WANE_AUTO wane_str *s = wane_str_format("%08x", i << 12);
        uint64_t h = wane_str_hash(s);
        CHECK(++low[h % BUCKETS] < 16 && ++high[h >> 50] < 16);
    }
}

static void *small_ints(void *ret) {
    for (int64_t i = -10; i < 300; i++) {
        ((wane_int **)ret)[i + 10] = wane_int_new(i);
    }
    return NULL;
}

TEST(integers) {
    enum { THREADS = 4, N = 310 };
    static wane_int *made[THREADS][N];
    pthread_t threads[THREADS];
    for (size_t t = 0; t < THREADS; t++) {
        threads[t] = api_thread(small_ints, made[t]);
    }
    for (size_t t = 0; t < THREADS; t++) {
        api_join(threads[t]);
    }
    for (int64_t i = -10; i < 300; i++) {
        bool small = i >= -5 && i <= 256;
        for (size_t t = 0; t < THREADS; t++) {
            wane_int *n = made[t][i + 10];
            CHECK_EQ_INT(wane_int_value(n), i);
            CHECK((n == made[0][i + 10]) == (small || t == 0));
            CHECK(wane_is_immortal(n) == small);
            if (!small) {
                wane_release(n);
            }
        }
    }
    atomic_fetch_add(&api_kept, 262);
    CHECK_EQ_INT(wane_int_value(NULL), 0);
    WANE_AUTO wane_int *least = wane_int_new(INT64_MIN);
    CHECK_EQ_INT(wane_int_value(least), INT64_MIN);
}

static void check_array(wane_array *a, const int32_t *want, size_t n) {
    CHECK_EQ_UINT(wane_array_len(a), n);
    CHECK_EQ_UINT((uintptr_t)wane_array_data(a) % 16, 0);
    CHECK(n == 0 || memcmp(wane_array_data(a), want, n * sizeof *want) == 0);
}

TEST(arrays_do_what_memory_does) {
    enum { MOST = 100 };
    test_rng rng = test_rng_make(0);
    int32_t model[3 * MOST];
    size_t n = 0;
    WANE_AUTO wane_array *a = wane_array_new(WANE_I32, 0);
    for (int32_t step = 0; step < 20000; step++) {
        size_t at = (size_t)test_below(&rng, n + 1), m = (size_t)test_below(&rng, 20);
        int32_t items[20];
        for (size_t i = 0; i < 20; i++) {
            items[i] = step + (int32_t)i;
        }
        switch (test_below(&rng, 5)) {
        case 0:
            m = n - at < m ? n - at : m;
            CHECK_EQ_INT(wane_array_remove(a, at, m), 0);
            memmove(&model[at], &model[at + m], (n - at - m) * sizeof model[0]);
            n -= m;
            break;
        case 1: // items of its own
            m = n < m ? n : m;
            m = n + m > 2 * MOST ? 0 : m;
            memcpy(items, model + (n - m) / 2, m * sizeof items[0]);
            CHECK_EQ_INT(wane_array_insert(a, at, (int32_t *)wane_array_data(a) + (n - m) / 2, m), 0);
            memmove(&model[at + m], &model[at], (n - at) * sizeof model[0]);
            memcpy(&model[at], items, m * sizeof items[0]);
            n += m;
            break;
        case 2:
            m = (size_t)test_below(&rng, MOST);
            CHECK_EQ_INT(wane_array_resize(a, m), 0);
            memset(model + n, 0, m > n ? (m - n) * sizeof model[0] : 0);
            n = m;
            break;
        default:
            m = n + m > 2 * MOST ? 0 : m;
            CHECK_EQ_INT(wane_array_insert(a, at, items, m), 0);
            memmove(&model[at + m], &model[at], (n - at) * sizeof model[0]);
            memcpy(&model[at], items, m * sizeof items[0]);
            n += m;
        }
        check_array(a, model, n);
    }
}

TEST(arrays_refuse) {
    WANE_AUTO wane_array *a = wane_array_new(WANE_F64, 3);
    double x = 1.5, y = 0;
    CHECK_EQ_INT(wane_array_set(a, 2, &x), 0);
    CHECK_EQ_INT(wane_array_get(a, 2, &y), 0);
    CHECK(y == x);
    CHECK_EQ_INT(wane_array_get(a, 0, &y), 0);
    CHECK(y == 0);
    CHECK_EQ_INT(wane_array_get(a, 3, &y), -ERANGE);
    CHECK_EQ_INT(wane_array_set(a, 3, &y), -ERANGE);
    CHECK_EQ_INT(wane_array_insert(a, 4, &y, 1), -ERANGE);
    CHECK_EQ_INT(wane_array_remove(a, 1, 3), -ERANGE);
    CHECK_EQ_INT(wane_array_remove(a, 4, 0), -ERANGE);
    CHECK_EQ_INT(wane_array_reserve(a, SIZE_MAX), -EOVERFLOW);
    CHECK_EQ_INT(wane_array_resize(a, SIZE_MAX / 8), -EOVERFLOW);
    CHECK_EQ_INT(wane_array_extend(a, &y, SIZE_MAX), -EOVERFLOW);
    CHECK_EQ_INT(wane_array_append(a, NULL), -EINVAL);
    CHECK_EQ_INT(wane_array_append(NULL, &y), -EINVAL);
    CHECK_EQ_UINT(wane_array_len(a), 3);
    CHECK_EQ_UINT(wane_array_item_size(a), 8);
    CHECK_EQ_INT(wane_array_kind(a), WANE_F64);
    CHECK_EQ_PTR(wane_array_new((wane_item)10, 0), NULL);
    CHECK_EQ_INT(errno, EINVAL);
    CHECK_EQ_PTR(wane_array_new((wane_item)-1, 0), NULL);
}

// A reader beside the thread that appends: item i is i, as far as the length goes.

static wane_array *growing;
static _Atomic(bool) grown;

static void *read_array(void *unused) {
    while (!atomic_load(&grown)) {
        wane_guard_enter();
        size_t n = wane_array_len(growing);
        uint64_t *items = wane_array_data(growing);
        for (size_t i = n > 50 ? n - 50 : 0; i < n; i++) {
            CHECK_EQ_UINT(items[i], i);
        }
        wane_guard_leave();
    }
    return unused;
}

TEST(array_readers) {
    growing = wane_array_new(WANE_U64, 0);
    pthread_t readers[2] = {api_thread(read_array, NULL), api_thread(read_array, NULL)};
    for (uint64_t i = 0; i < 200000; i++) {
        CHECK_EQ_INT(wane_array_append(growing, &i), 0);
    }
    atomic_store(&grown, true);
    api_join(readers[0]);
    api_join(readers[1]);
    wane_clear(&growing);
}
