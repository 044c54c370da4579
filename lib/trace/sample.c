/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "trace/sample.h"

#include <string.h>

#define LN2 0.693147180559945309417232
#define GAP_MAX ((uint64_t)1 << 62) /* sums of births stay far below */

static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u; /* splitmix64 */
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

uint64_t wane__sample_seed(uint64_t from) {
    uint64_t seed = mix(from + 0x9E3779B97F4A7C15u);
    return seed != 0 ? seed : 1;
}

/* x = 2^e * m, with m from 1/sqrt(2) to sqrt(2); ln m = 2 artanh((m - 1) / (m + 1)). */
double wane__sample_log(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int e = (int)(bits >> 52) - 1023;
    bits = (bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)1023 << 52;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) {
        m /= 2;
        e++;
    }
    double s = (m - 1) / (m + 1), square = s * s, sum = 0;
    for (int n = 17; n > 0; n -= 2)
        sum = sum * square + 1.0 / n;
    return e * LN2 + 2 * s * sum;
}

/* Of x halved until it is small by its series; from there up by 1 - exp(-2x) = c (2 - c), which loses no digits. */
double wane__sample_chance(double x) {
    if (x > 40)
        return 1;
    int halvings = 0;
    for (; x > 0.125; x /= 2)
        halvings++;
    double sum = 0;
    for (int n = 11; n > 0; n--)
        sum = x / n * (1 - sum);
    for (; halvings > 0; halvings--)
        sum *= 2 - sum;
    return sum;
}

uint64_t wane__sample_gap(uint64_t *seed, size_t mean) {
    *seed += 0x9E3779B97F4A7C15u;
    double u = (double)((mix(*seed) >> 11) + 1) * 0x1p-53; /* above 0, up to 1 */
    double gap = -wane__sample_log(u) * (double)mean;
    return gap >= (double)GAP_MAX ? GAP_MAX : (uint64_t)gap + 1;
}

double wane__sample_weight(size_t bytes, size_t mean) {
    return mean == 0 ? 1 : 1 / wane__sample_chance((double)bytes / (double)mean);
}
