/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "base/lock.h"

#if WANE_CHECKS >= 2

_Static_assert(WANE__RANKS <= 32, "a bit each");

static const char *const names[WANE__RANKS] = {
    [WANE__RANK_START] = "start",           [WANE__RANK_TRACING] = "tracing",
    [WANE__RANK_COLLECTOR] = "collector",   [WANE__RANK_ARMING] = "arming",
    [WANE__RANK_TABLE] = "table",           [WANE__RANK_POLICY] = "policy",
    [WANE__RANK_CALLBACKS] = "callbacks",   [WANE__RANK_KEPT] = "kept",
    [WANE__RANK_LEFT] = "left",             [WANE__RANK_FINALIZERS] = "finalizers",
    [WANE__RANK_TYPES] = "types",           [WANE__RANK_WEAK] = "weak",
    [WANE__RANK_REGISTRY] = "registry",     [WANE__RANK_SILENT] = "silent",
    [WANE__RANK_ORPHANS] = "orphans",       [WANE__RANK_LARGE] = "large",
    [WANE__RANK_MAP] = "map",               [WANE__RANK_QUARANTINE] = "quarantine",
    [WANE__RANK_SITES] = "sites",           [WANE__RANK_THREAD_START] = "thread start",
};

static __thread uint32_t held __attribute__((tls_model("initial-exec")));
static __thread bool unordered __attribute__((tls_model("initial-exec")));

uint32_t wane__locks_held(void) { return held; }

void wane__locks_unordered(bool yes) { unordered = yes; }

void wane__lock_check(const struct wane__mutex *m) {
    uint32_t later = held >> m->rank;
    if (m->rank == WANE__RANK_WEAK)
        later &= ~1u;
    if (later != 0 && !unordered)
        wane__fatal("lock order: the lock \"%s\" is taken while \"%s\" is held", names[m->rank],
                    names[m->rank + (unsigned)__builtin_ctz(later)]);
}

void wane__lock_note(const struct wane__mutex *m) { held |= 1u << m->rank; }

/* Of several of one rank the first that is let go clears the bit: nothing is locked before the rest has gone. */
void wane__unlock_note(const struct wane__mutex *m) {
    if (m->rank != WANE__RANK_WEAK && (held & 1u << m->rank) == 0)
        wane__fatal("lock order: the lock \"%s\" is let go by a thread that does not hold it", names[m->rank]);
    held &= ~(1u << m->rank);
}

#endif
