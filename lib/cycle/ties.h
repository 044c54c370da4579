/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/ties.h: which types and slots form cycles, by count, and how a slot is called in reports.
 */
#ifndef WANE_CYCLE_TIES_H
#define WANE_CYCLE_TIES_H

#include "life/type.h"

/* Offset of a slot in its object; of those that are not at one that the type lists: */
#define WANE__SLOT_ELSEWHERE UINT32_MAX /* in memory that `trace` visits */
#define WANE__SLOT_EXTRA (UINT32_MAX - 1) /* in the extra bytes */

/* Where s, a slot of h's, is. */
uint32_t wane__slot_place(const wane_type *t, const struct wane__header *h, const wane_slot *s);

/* Its name, as WANE_SLOTS had it, or else what tells it apart: "next", "+16", "[extra]", "(trace)". */
#define WANE__SLOT_NAME_MAX 64
const char *wane__slot_name(const wane_type *t, uint32_t place, char ret[WANE__SLOT_NAME_MAX]);

/* References of one kind: from a slot of a type, to a type. */
struct wane__tie {
    uint32_t from, place, to; /* types by their ids */
    uint32_t n;
};

struct wane__ties {
    struct wane__tie *of; /* a hash table; n: 0 is empty */
    size_t n, room;
};

/* One more. What there is no memory for is not counted. */
void wane__ties_add(struct wane__ties *t, uint32_t from, uint32_t place, uint32_t to);
void wane__ties_clear(struct wane__ties *t);
/* The most frequent first, and what is empty at the end: then none can be added. */
void wane__ties_sort(struct wane__ties *t);
/* The most frequent kinds, a line each, behind `prefix`, to a function. Leaves none. Takes the collector's lock. */
void wane__ties_tell(struct wane__ties *t, int level, const char *prefix, void (*to)(void *arg, int level, const char *line),
                     void *arg);
/* The same, to the log. */
void wane__ties_log(struct wane__ties *t, int level, const char *prefix);
/* The same of objects that were counted by their type, as from = to. */
void wane__types_log(struct wane__ties *t, int level, const char *prefix);

/* The name of a type, which may be forgotten meanwhile; false: it is. Takes the collector's lock. */
#define WANE__TYPE_NAME_MAX 128
bool wane__copy_type_name(uint32_t type, char ret[WANE__TYPE_NAME_MAX]);
/* The name of a slot of objects of that type, or "?". */
void wane__copy_slot_name(uint32_t type, uint32_t place, char ret[WANE__SLOT_NAME_MAX]);

#endif
