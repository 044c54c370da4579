// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// A register of births and deaths. Every object begins with a mark: its number and a canary made of
// it. The ledger has a byte for each number, so that a second death, a death of something that was
// never born and an object that did not die are all seen; the canary shows a payload that is read
// after its death or before its birth was published. The mark is written and read without atomics
// on purpose: ordering is the library's promise, and ThreadSanitizer checks it here.
#ifndef WANE_STRESS_LEDGER_H
#define WANE_STRESS_LEDGER_H

#include "harness.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

struct mark {
    uint64_t id;
    uint64_t canary;
};

enum { LEDGER_UNBORN, LEDGER_BORN, LEDGER_FINALIZED, LEDGER_DEAD };
#define LEDGER_CAPACITY ((uint64_t)1 << 29)

static _Atomic(uint8_t) *ledger_state;
static _Atomic(uint64_t) ledger_births, ledger_deaths, ledger_finalized;

__attribute__((constructor)) static void ledger_open(void) {
    void *p = mmap(NULL, LEDGER_CAPACITY, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        _Exit(1);
    }
    ledger_state = p;
}

// Whether there is room for more: checked by the loops that make objects.
__attribute__((unused)) static bool ledger_has_room(void) {
    return atomic_load_explicit(&ledger_births, memory_order_relaxed) < LEDGER_CAPACITY - 1000000;
}

static uint64_t mark_canary(uint64_t id) {
    return (id + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ UINT64_C(0x5eed5eed5eed5eed);
}

static void mark_check(const struct mark *m) {
    CHECK_MSG(m->canary == mark_canary(m->id), "object %p: number %" PRIu64 ", canary %#" PRIx64,
              (const void *)m, m->id, m->canary);
}

static void ledger_birth(struct mark *m) {
    // Memory comes zeroed, whoever had it before.
    CHECK_MSG(m->id == 0 && m->canary == 0, "object %p is not zeroed", (void *)m);
    m->id = atomic_fetch_add_explicit(&ledger_births, 1, memory_order_relaxed);
    CHECK(m->id < LEDGER_CAPACITY);
    m->canary = mark_canary(m->id);
    uint8_t was = atomic_exchange_explicit(&ledger_state[m->id], LEDGER_BORN, memory_order_relaxed);
    CHECK_EQ_UINT(was, LEDGER_UNBORN);
}

__attribute__((unused)) static void ledger_final(const struct mark *m) {
    mark_check(m);
    uint8_t was =
        atomic_exchange_explicit(&ledger_state[m->id], LEDGER_FINALIZED, memory_order_relaxed);
    CHECK_MSG(was == LEDGER_BORN, "object %" PRIu64 " is finalized in state %u", m->id, was);
    atomic_fetch_add_explicit(&ledger_finalized, 1, memory_order_relaxed);
}

__attribute__((unused)) static bool ledger_was_finalized(const struct mark *m) {
    return atomic_load_explicit(&ledger_state[m->id], memory_order_relaxed) == LEDGER_FINALIZED;
}

static void ledger_death(struct mark *m) {
    mark_check(m);
    uint8_t was = atomic_exchange_explicit(&ledger_state[m->id], LEDGER_DEAD, memory_order_relaxed);
    CHECK_MSG(was == LEDGER_BORN || was == LEDGER_FINALIZED, "object %" PRIu64 " dies in state %u",
              m->id, was);
    m->canary = ~m->canary;
    atomic_fetch_add_explicit(&ledger_deaths, 1, memory_order_relaxed);
}

// Everything born has died exactly once. Names the first that has not.
__attribute__((unused)) static void ledger_close(void) {
    uint64_t births = atomic_load(&ledger_births);
    for (uint64_t id = 0; id < births; id++) {
        uint8_t state = atomic_load_explicit(&ledger_state[id], memory_order_relaxed);
        CHECK_MSG(state == LEDGER_DEAD,
                  "object %" PRIu64 " of %" PRIu64 " ends in state %u; %" PRIu64 " died", id,
                  births, state, atomic_load(&ledger_deaths));
    }
    CHECK_EQ_UINT(atomic_load(&ledger_deaths), births);
    printf("%" PRIu64 " objects born and died, %" PRIu64 " finalized\n", births,
           atomic_load(&ledger_finalized));
}

#endif
