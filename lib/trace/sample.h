/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * trace/sample.h: which bytes of a thread's births are sampled, and how much a sampled object stands for.
 *
 * Each byte is hit with the same small chance, whatever was hit before: so the gaps between hits are distributed
 * geometrically, for which the exponential distribution is as good, and an object is sampled if one of its bytes is hit: with the
 * chance 1 - exp(-size / mean). It stands for as many of its kind as that chance says: 1 / chance. So sums over samples are,
 * on average, those over all objects, for sizes far below the mean and far above it. The functions are our own because the
 * library is not linked with libm.
 */
#ifndef WANE_TRACE_SAMPLE_H
#define WANE_TRACE_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

/* Bytes until the next hit, at least 1. *seed: state of the random numbers, one thread's; not 0. */
uint64_t wane__sample_gap(uint64_t *seed, size_t mean);

/* A seed for a thread. Never 0. */
uint64_t wane__sample_seed(uint64_t from);

/* How many objects of that size a sampled one stands for; 1 when the mean is 0, and every object is traced. */
double wane__sample_weight(size_t bytes, size_t mean);

/* Sums are whole numbers. */
static inline uint64_t wane__sample_round(double x) { return (uint64_t)(x + 0.5); }

/* Natural logarithm of x > 0, and 1 - exp(-x) of x >= 0; exact to 12 digits. */
double wane__sample_log(double x);
double wane__sample_chance(double x);

#endif
