// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Interned strings: one for the same bytes as long as anybody holds it, gone with the last unit, beside threads that find
// and drop the same ones; and how many small integers there are, which only a program that made none yet can say.

#include "api.h"

#include <wane/values.h>

static wane_str *intern(const char *text) {
    wane_str *s = wane_intern(text, strlen(text));
    CHECK(s != NULL && wane_str_is_interned(s));
    CHECK(strcmp(wane_str_bytes(s), text) == 0);
    return s;
}

TEST(one_string_for_the_same_bytes) {
    CHECK_EQ_UINT(wane_intern_count(), 0);
    WANE_AUTO wane_str *a = intern("alpha"), *again = intern("alpha"), *b = intern("beta");
    CHECK_EQ_PTR(again, a);
    CHECK(a != b);
    CHECK_EQ_UINT(wane_refcount(a), 2);
    CHECK_EQ_UINT(wane_intern_count(), 2);
    WANE_AUTO wane_str *plain = wane_str_from("alpha");
    CHECK(plain != a && !wane_str_is_interned(plain) && wane_str_equal(plain, a));
    wane_str *of_plain = wane_intern_str(wane_retain(plain));
    CHECK_EQ_PTR(of_plain, a);
    CHECK_EQ_UINT(wane_refcount(plain), 1);
    wane_release(of_plain);
    wane_str *fresh = wane_str_from("gamma");
    CHECK_EQ_PTR(wane_intern_str(fresh), fresh);
    CHECK_EQ_PTR(wane_intern_str(fresh), fresh); // consumed and returned
    CHECK(wane_str_is_interned(fresh));
    WANE_AUTO wane_str *found = intern("gamma");
    CHECK_EQ_PTR(found, fresh);
    wane_release(fresh);
    WANE_AUTO wane_str *empty = wane_intern(NULL, 0), *nul = wane_intern("a\0b", 3), *nul_again = wane_intern("a\0c", 3);
    CHECK(wane_str_len(empty) == 0 && nul != nul_again);
}

TEST(wrong_arguments) {
    errno = 0;
    CHECK_EQ_PTR(wane_intern(NULL, 1), NULL);
    CHECK_EQ_INT(errno, EINVAL);
    errno = 0;
    CHECK_EQ_PTR(wane_intern_str(NULL), NULL);
    CHECK_EQ_INT(errno, EINVAL);
    CHECK(!wane_str_is_interned(NULL));
}

TEST(gone_with_the_last_unit) {
    enum { MANY = 5000 };
    static wane_str *held[MANY];
    for (int round = 0; round < 4; round++) { // what is gone comes again, in a table that has grown and was cleaned
        for (int i = 0; i < MANY; i++) {
            char text[32];
            snprintf(text, sizeof text, "key %d", i);
            held[i] = intern(text);
        }
        CHECK_EQ_UINT(wane_intern_count(), MANY);
        for (int i = 0; i < MANY; i++) {
            wane_clear(&held[i]);
            if (i == MANY / 2) {
                CHECK_EQ_INT(wane_flush(), 0);
                CHECK_EQ_UINT(wane_intern_count(), MANY - MANY / 2 - 1);
                WANE_AUTO wane_str *stays = intern("key 4999");
                CHECK_EQ_PTR(stays, held[4999]);
            }
        }
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(wane_intern_count(), 0);
    }
}

// Each thread interns one of a few keys and lets it go at once, so that finds meet last releases all the time. Who holds a
// string finds no other one of the same bytes.

enum { FEW = 3, TURNS = 4000, THREADS = 4 };
static wane_slot left_behind[FEW];

static void *find_and_drop(void *index) {
    test_rng rng = test_rng_make(60 + (uint64_t)(uintptr_t)index);
    for (int i = 0; i < TURNS; i++) {
        unsigned k = (unsigned)test_below(&rng, FEW);
        char text[8];
        snprintf(text, sizeof text, "k%u", k);
        WANE_AUTO wane_str *a = NULL;
        if (test_below(&rng, 2) == 0) {
            a = intern(text);
        } else {
            a = wane_intern_str(wane_str_from(text));
            CHECK(a != NULL && strcmp(wane_str_bytes(a), text) == 0);
        }
        WANE_AUTO wane_str *b = intern(text);
        CHECK_EQ_PTR(a, b);
        switch (test_below(&rng, 8)) {
        case 0: wane_slot_store(&left_behind[k], a); break;
        case 1: wane_slot_clear(&left_behind[k]); break;
        case 2: wane_share(a); break;
        default: break;
        }
    }
    return NULL;
}

TEST(finds_beside_last_releases) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        threads[i] = api_thread(find_and_drop, (void *)(uintptr_t)i);
    }
    for (size_t i = 0; i < THREADS; i++) {
        api_join(threads[i]);
    }
    for (size_t k = 0; k < FEW; k++) {
        wane_slot_clear(&left_behind[k]);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(wane_intern_count(), 0);
}

// The table grows and is cleaned while others find what stays in it.

static _Atomic(bool) stop_finding;

static void *find_what_stays(void *stays) {
    while (!atomic_load(&stop_finding)) {
        WANE_AUTO wane_str *s = intern("stays");
        CHECK_EQ_PTR(s, stays);
    }
    return NULL;
}

TEST(finds_beside_growth) {
    static wane_str *held[3000];
    WANE_AUTO wane_str *stays = intern("stays");
    atomic_store(&stop_finding, false);
    pthread_t finder = api_thread(find_what_stays, stays);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3000; i++) {
            char text[32];
            snprintf(text, sizeof text, "%d of %d", i, round);
            held[i] = intern(text);
        }
        for (int i = 0; i < 3000; i++) {
            wane_clear(&held[i]);
        }
    }
    atomic_store(&stop_finding, true);
    api_join(finder);
}

TEST(how_many_integers_are_small) {
    int64_t most = 0;
    CHECK_EQ_INT(wane_option_get("small_int_max", &most), 0);
    CHECK_EQ_INT(most, 256);
    CHECK_EQ_INT(wane_option_set("small_int_max", 65536), -EINVAL);
    CHECK_EQ_INT(wane_option_set("small_int_max", -1), -EINVAL);
    CHECK_EQ_INT(wane_option_set("small_int_max", 65535), 0);
    WANE_AUTO wane_int *a = wane_int_new(65535), *b = wane_int_new(65535), *c = wane_int_new(65536);
    WANE_AUTO wane_int *d = wane_int_new(65536), *least = wane_int_new(-5), *below = wane_int_new(-6);
    CHECK(a == b && wane_is_immortal(a) && wane_int_value(a) == 65535);
    CHECK(c != d && !wane_is_immortal(c) && wane_int_value(c) == 65536);
    CHECK(wane_is_immortal(least) && !wane_is_immortal(below));
    CHECK_EQ_INT(wane_option_set("small_int_max", 10), 0); // too late
    WANE_AUTO wane_int *e = wane_int_new(300), *f = wane_int_new(300);
    CHECK_EQ_PTR(e, f);
    atomic_store(&api_kept, 3);
}
