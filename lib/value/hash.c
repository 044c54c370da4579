/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/hash.c: SipHash (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
 *
 * Whoever sends a server its keys must not be able to choose keys that collide. That takes a keyed function: against
 * those that only mix a seed in, collisions are known that hold for every seed. One round a word and three at the end,
 * as CPython, Rust and Ruby use it for their tables.
 */
#include "value/hash.h"

#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline uint64_t rotate(uint64_t x, unsigned by) { return x << by | x >> (64 - by); }

static inline void rounds(uint64_t v[4], unsigned n) {
    while (n-- > 0) {
        v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
        v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
    }
}

/* Up to 8 bytes, the first one lowest. */
static inline uint64_t little_endian(const unsigned char *at, size_t n) {
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++)
        word |= (uint64_t)at[i] << (8 * i);
    return word;
}

static inline uint64_t siphash(unsigned c, unsigned d, const uint64_t key[2], const void *bytes, size_t n) {
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    const unsigned char *at = bytes;
    size_t left = n;
    for (; left >= 8; at += 8, left -= 8) {
        uint64_t word = little_endian(at, 8);
        v[3] ^= word;
        rounds(v, c);
        v[0] ^= word;
    }
    uint64_t last = (left > 0 ? little_endian(at, left) : 0) | (uint64_t)n << 56;
    v[3] ^= last;
    rounds(v, c);
    v[0] ^= last;
    v[2] ^= 0xff;
    rounds(v, d);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t wane__siphash(unsigned c, unsigned d, const uint64_t key[2], const void *bytes, size_t n) {
    return siphash(c, d, key, bytes, n);
}

static uint64_t process_key[2]; /* immutable after draw_key */

/* A sandbox may refuse the call; then with what the kernel gave the process at its start. syscall() is no cancellation point. */
static void draw_key(void) {
    if (syscall(SYS_getrandom, process_key, sizeof process_key, 0) == (long)sizeof process_key)
        return;
    const void *given = (const void *)getauxval(AT_RANDOM); /* 16 bytes */
    if (given != NULL)
        memcpy(process_key, given, sizeof process_key);
}

uint64_t wane__value_hash(const void *bytes, size_t n) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, draw_key);
    uint64_t hash = siphash(1, 3, process_key, bytes, n);
    return hash != 0 ? hash : 1;
}
