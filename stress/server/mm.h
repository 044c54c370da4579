/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * mm.h: the one door between the server and its memory management. Three back ends stand behind it,
 * chosen when the server is compiled:
 *
 *   MM_BACKEND_WANE    libwane (mm_wane.h): nearly every call is the library's own under another
 * name MM_BACKEND_ATOMIC  malloc, an atomic count, a striped lock for slots (mm_atomic.h, .c);
 * cycles leak MM_BACKEND_GC      the Boehm-Demers-Weiser collector (mm_gc.h, .c); counting does
 * nothing
 *
 * It is also the road by which an existing server comes to libwane, and back: write it on these
 * calls with the back end that it has today, then change the back end. docs/server.md tells how.
 *
 * What a back end gives:
 *
 *   mm_type, mm_slot            kind of object (name, size, slots, destroy, flags); place for one
 * reference; zero = empty MM_SLOTS(struct s, f, g)    offsets of the slots of a payload, for
 * mm_type.slots (up to 8 here) MM_EXTRA_SLOTS              flag: the extra bytes of mm_new_extra
 * are slots MM_BACKEND                  its name, a string MM_COLLECTS                 1 when
 * unreachable cycles are freed MM_COUNTS_LIVE              1 when it knows how many objects are
 * alive
 *
 *   mm_new, mm_new_extra        a zeroed object, one unit for the caller; NULL without memory
 *   mm_retain, mm_release       one unit more, one less; NULL is allowed
 *   mm_share                    hint: several threads will count this object
 *   mm_slot_init(s, o)          consumes o; nobody else sees the slot yet
 *   mm_slot_load(s)             a new unit or NULL
 *   mm_slot_peek(s)             borrowed until the outermost guard ends; only inside a guard
 *   mm_slot_held(s)             borrowed; only while a lock or the like keeps the slot from
 * changing mm_slot_store(s, o)         borrows o       mm_slot_give(s, o)  consumes o
 *   mm_slot_take(s)             empties it, returns its unit      mm_slot_clear(s)  empties it
 *   mm_slot_cas(s, old, new)    borrows both; true when it replaced
 *   mm_guard_enter, _leave      nest; nothing in them waits
 *
 *   mm_thread_enter, _exit      first and last call of each thread that uses objects
 *   mm_poll                     from event loops, outside guards and locks: does what was put off,
 * never waits mm_flush                    waits until what was put off before is done mm_collect
 * the whole collection now; returns how many objects it found (0 when it cannot tell) mm_finish at
 * the end, by the last thread: everything that can go goes. Returns objects left alive mm_root_new,
 * _free          zeroed memory outside of objects that may hold slots and plain pointers to objects
 *   mm_stats_get                the figures that all have;   mm_stats_each  every figure by name
 *   mm_option_name(i), _get, _set   the back end's own options; name(i) is NULL behind the last
 *
 * Rules that the server keeps so that all three can work: a reference is on a stack, in a slot, or
 * in root memory, never in malloc'ed memory; no call under a lock but inside a guard, so that the
 * lock's holder never waits for memory; what an object owns besides slots is freed by hand before
 * its last unit goes, `destroy` only makes sure.
 */
#ifndef MM_H
#define MM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Figures that every back end has; what it cannot know is 0. */
struct mm_stats {
    uint64_t made; /* objects, since the start */
    uint64_t freed;
    uint64_t live; /* made and not freed */
    uint64_t live_bytes;
    uint64_t heap_bytes; /* from the system, for objects */
    uint64_t pending;    /* decrements that were put off */
    uint64_t collections;
    uint64_t cycles; /* objects that were freed as parts of cycles */
    uint64_t stalls; /* waits imposed on a thread */
    uint64_t stall_max_ns;
};

/* Counts of births and deaths, by thread, so that counting them costs no shared cache line. */
#define MM_SHARDS 64
struct mm_shard {
    _Alignas(64) uint64_t _Atomic made;
    uint64_t _Atomic freed;
    uint64_t _Atomic bytes_made;
    uint64_t _Atomic bytes_freed;
};
extern struct mm_shard mm_shards[MM_SHARDS];
struct mm_shard *mm_shard_of_thread(void);
void mm_shards_sum(struct mm_stats *ret);

typedef void mm_stats_fn(const char *name, uint64_t value, void *arg);

#if defined(MM_BACKEND_WANE)
#include "mm_wane.h"
#elif defined(MM_BACKEND_ATOMIC)
#include "mm_atomic.h"
#elif defined(MM_BACKEND_GC)
#include "mm_gc.h"
#else
#error "choose a back end: MM_BACKEND_WANE, MM_BACKEND_ATOMIC or MM_BACKEND_GC"
#endif

void mm_thread_enter(void);
void mm_thread_exit(void);
size_t mm_collect(void);
uint64_t mm_finish(void);
void *mm_root_new(size_t size);
void mm_root_free(void *root);
void mm_stats_get(struct mm_stats *ret);
void mm_stats_each(mm_stats_fn *fn, void *arg);
const char *mm_option_name(size_t i);
bool mm_option_get(const char *name, int64_t *ret);
bool mm_option_set(const char *name, int64_t value);

#endif
