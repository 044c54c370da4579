/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/growth.h: how many bytes live, and whether they have grown so much that cycles are to be looked for.
 *
 * A few tracked objects may hold much: untracked buffers, malloc'ed memory. Numbers of objects do not show it. So bytes
 * are compared with what lived after the last collection of the oldest generation. The collector thread looks in each
 * of its rounds; while it sleeps, those who make objects or note external memory look, after every so many bytes.
 */
#ifndef WANE_LIFE_GROWTH_H
#define WANE_LIFE_GROWTH_H

#include "thread/record.h"

/* A thread looks after so many bytes that it added. */
#define WANE__GROWTH_LOOK ((uint64_t)1 << 20)

/* Whether collections may start by themselves: set by lib/cycle, asked by whoever would wake the collector thread. */
extern bool wane__xgc_disabled;
extern int wane__xgc_paused;

static inline bool wane__gc_automatic(void) {
    return !load_relaxed(&wane__xgc_disabled) && load_relaxed(&wane__xgc_paused) <= 0;
}

/* External bytes that programs have noted: never below zero. */
uint64_t wane__bytes_external(void);

/* Whether live bytes call for a collection now. Any thread; looks at all records. */
bool wane__growth_due(void);

/* Bytes that live: external ones included, those not that wait for their end. */
int64_t wane__bytes_alive(void);

/* What r's thread has freed, or kept for that, so far: differences of it mean something. */
int64_t wane__bytes_ended(const struct wane__record *r);

/*
 * After a collection of the oldest generation: growth is measured from `alive`, what lived at its beginning, less what
 * it freed. What others made meanwhile it has not looked at: that is growth.
 */
void wane__growth_restart(int64_t alive, int64_t freed);

/* Growth is measured from what lives now, if that is less. Any thread. */
void wane__growth_lower(void);

void wane__grew_slow(struct wane__record *r);

/* r's thread added bytes: roughly, and deaths are not subtracted. Not inside a bracket. */
static inline void wane__grew(struct wane__record *r, uint64_t bytes) {
    r->grown += bytes;
    if (unlikely(r->grown >= WANE__GROWTH_LOOK))
        wane__grew_slow(r);
}

#endif
