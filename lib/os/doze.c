/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "os/doze.h"

#include "base/atomic.h"
#include "os/futex.h"

void wane__doze(int64_t ns) {
    uint32_t word = 0; /* nobody knows of it */
    wane__futex_wait(&word, 0, ns);
}

void wane__pause_briefly(void) { wane__doze(20000); }

/* One pause may be over before who was woken has got a processor. */
#define PAUSES 10

void wane__give_way(const uint32_t *xwanted) {
    for (unsigned i = 0; i < PAUSES && load_relaxed(xwanted) > 0; i++)
        wane__pause_briefly();
}
