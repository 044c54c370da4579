// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Sampling: the library's own functions against the C library's, gaps that have the right mean and
// spread, and sums over samples that come to the true ones, for small and large objects at once.
#include "harness.h"

#include <math.h>

#include "trace/sample.h"

static void check_near(double got, double want, double tolerance) {
    CHECK_MSG(fabs(got - want) <= tolerance * fabs(want), "%.17g where %.17g is right", got, want);
}

TEST(logarithm) {
    for (double x = 0x1p-53; x < 1e6; x *= 1.37) {
        if (fabs(log(x)) > 1e-3) {
            check_near(wane__sample_log(x), log(x), 1e-12);
        }
    }
    CHECK(wane__sample_log(1) == 0);
    check_near(wane__sample_log(0x1p-53), -53 * log(2), 1e-14);
}

TEST(chance_of_a_hit) {
    CHECK(wane__sample_chance(0) == 0);
    for (double x = 1e-12; x < 60; x *= 1.31) {
        check_near(wane__sample_chance(x), -expm1(-x), 1e-12);
    }
}

TEST(weight_without_sampling_is_one) {
    CHECK(wane__sample_weight(64, 0) == 1);
    check_near(wane__sample_weight(1 << 20, 64), 1, 1e-12);
    check_near(wane__sample_weight(64, 1 << 20), (1 << 20) / 64.0, 1e-4);
}

TEST(gaps) {
    const double mean = 4096;
    const int n = 1000000;
    uint64_t seed = wane__sample_seed(test_seed());
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        double gap = (double)wane__sample_gap(&seed, (size_t)mean);
        CHECK(gap >= 1);
        sum += gap;
        squares += gap * gap;
    }
    // Six standard errors: of the mean 1/1000 of it, of the second moment sqrt(20)/1000.
    check_near(sum / n, mean, 0.006);
    check_near(squares / n, 2 * mean * mean, 0.027);
    CHECK(wane__sample_gap(&seed, SIZE_MAX) <= UINT64_C(1) << 62);
}

TEST(sums_are_right_for_all_sizes) {
    static const size_t sizes[] = {32, 48, 400, 2048, 20000};
    enum { SIZES = sizeof sizes / sizeof sizes[0], N = 100000 };
    const size_t mean = 512;
    uint64_t seed = wane__sample_seed(test_seed());
    uint64_t born = 0, at = wane__sample_gap(&seed, mean);
    double counts[SIZES] = {0}, bytes = 0;
    for (int i = 0; i < N * SIZES; i++) {
        size_t size = sizes[i % SIZES];
        born += size;
        if (born >= at) {
            counts[i % SIZES] += wane__sample_weight(size, mean);
            bytes += wane__sample_weight(size, mean) * (double)size;
            at = born + wane__sample_gap(&seed, mean);
        }
    }
    // The smallest: 6,000 samples, six standard errors are 8 percent.
    for (int i = 0; i < SIZES; i++) {
        check_near(counts[i], N, i == 0 ? 0.08 : 0.065);
    }
    check_near(bytes, (double)born, 0.02);
}
