/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * trace/trace.h: which objects are traced now.
 */
#ifndef WANE_TRACE_TRACE_H
#define WANE_TRACE_TRACE_H

#include <wane/trace.h>

#include "count/word.h"
#include "cycle/graph.h"

/* The generation of tracing that counts now, and its mean of bytes between samples; 0: every object. Any thread; a short lock. */
void wane__trace_state(uint32_t *ret_generation, size_t *ret_mean);

/*
 * The number of the site that made h, whose `shared` is w. False: h is not LIVE and TRACED in that generation. Any thread that
 * keeps the block.
 */
bool wane__trace_look(const struct wane__header *h, uint64_t w, uint32_t generation, uint32_t *ret_site);

/* Takes off the notes of nodes that are not traced in the current generation. The lower half of the others is the site's number. */
void wane__trace_check_notes(struct wane__graph *g);

/* Hears of births and deaths; reads WANE_TRACE in the environment. Before the first record is made. */
void wane__trace_init(void);

void wane__trace_fork_prepare(void);
void wane__trace_fork_release(void);

#endif
