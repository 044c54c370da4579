/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/phases.h: a profile of the collector: WANE_GC_TRACE=file gets a line for each phase of each collection, in the
 * Chrome trace event format, which Perfetto and chrome://tracing open.
 */
#ifndef WANE_CYCLE_PHASES_H
#define WANE_CYCLE_PHASES_H

#include <stdbool.h>
#include <stdint.h>

/* When the library starts: opens the file. A pipe or socket is refused. */
void wane__phases_start(void);

/* Whether a profile is written. Under the claim, as what follows. */
bool wane__phases_on(void);

/* A span of the calling thread, from `since` until now. `args`: the members of a JSON object. */
void wane__phase(const char *name, uint64_t since, const char *args, ...) __attribute__((format(printf, 3, 4)));

#endif
