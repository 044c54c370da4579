/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/hash.h: SipHash, and the key of the process.
 */
#ifndef WANE_VALUE_HASH_H
#define WANE_VALUE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* SipHash-c-d of n bytes. */
uint64_t wane__siphash(unsigned c, unsigned d, const uint64_t key[2], const void *bytes, size_t n);

/* What a process hashes with: SipHash-1-3 under a key that it drew when it first hashed. Never 0. */
uint64_t wane__value_hash(const void *bytes, size_t n);

#endif
