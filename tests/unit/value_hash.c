// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// SipHash against its authors' vectors, and what its key is for: keys that collide under one key of the process, which
// whoever knows the source can find for a process of his own, do not under another.

#include "value/hash.h"

#include "harness.h"

#include <string.h>

static const uint64_t vector_key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

TEST(vectors) {
    unsigned char in[15];
    for (unsigned char i = 0; i < sizeof in; i++) {
        in[i] = i;
    }
    CHECK_EQ_UINT(wane__siphash(2, 4, vector_key, in, 0), UINT64_C(0x726fdb47dd0e0e31));
    CHECK_EQ_UINT(wane__siphash(2, 4, vector_key, in, 15), UINT64_C(0xa129ca6149be45e5));
    CHECK_EQ_UINT(wane__siphash(1, 3, vector_key, in, 0), UINT64_C(0xabac0158050fc4dc));
}

TEST(length_counts) {
    static const char zeros[32];
    for (size_t n = 1; n < sizeof zeros; n++) {
        CHECK(wane__value_hash(zeros, n) != wane__value_hash(zeros, n - 1));
    }
    CHECK(wane__value_hash("", 0) == wane__value_hash(NULL, 0));
}

// Fills one bucket of 2^12 under a key, then counts how many of those strings share a bucket under another.
TEST(collisions_of_one_key_are_none_of_another) {
    enum { WANTED = 400, BUCKETS = 1 << 12 };
    test_rng rng = test_rng_make(0);
    uint64_t known[2] = {test_random(&rng), test_random(&rng)}, secret[2] = {test_random(&rng), test_random(&rng)};
    static unsigned char used[BUCKETS];
    size_t found = 0, most = 0;
    for (uint64_t i = 0; found < WANTED; i++) {
        if (wane__siphash(1, 3, known, &i, sizeof i) % BUCKETS != 0) {
            continue;
        }
        found++;
        size_t n = ++used[wane__siphash(1, 3, secret, &i, sizeof i) % BUCKETS];
        most = n > most ? n : most;
    }
    CHECK_MSG(most < 8, "%zu of %d in one bucket", most, WANTED);
}
