/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * life/traced.h: what births and deaths tell the tracing of allocations, which lies above (lib/trace/trace.c).
 *
 * A birth is told of when its thread's births of that kind have come to so many bytes: `traced` of its record. 0 tells of
 * every birth, and UINT64_MAX of none; so tracing that is off costs a birth one comparison. A death is told of when the
 * object carries TRACED; without, deaths cost what they did.
 */
#ifndef WANE_LIFE_TRACED_H
#define WANE_LIFE_TRACED_H

#include <wane/object.h>

#include "thread/record.h"

/* Set by the layer above before the first record is made. */
struct wane__tracer {
    /* h was just born to r's thread, and counted in births[tracked]. Outside brackets. Keeps errno. Returns the payload. */
    void *(*birth)(struct wane__record *r, struct wane__header *h, bool tracked, const wane_site *site);
    /* h, of so many bytes, was TRACED and is dead; its block is not free yet. Outside brackets. */
    void (*death)(struct wane__record *r, struct wane__header *h, size_t bytes);
};
extern struct wane__tracer wane__tracer;

/* Whether that is to be called after a birth with which the thread's births of that kind have come to so many bytes. */
static inline bool wane__trace_wants(const struct wane__record *r, bool tracked, uint64_t born_bytes) {
    return unlikely(born_bytes >= load_relaxed(&r->traced[tracked].xat));
}

#endif
