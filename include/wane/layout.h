/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/layout.h: the memory that inline code touches: the object header, the head of a thread's record, the marks of
 * heap pages. Private: programs use it through the functions of the other headers. It is part of the ABI; a change
 * of it changes the name of wane__self, so that an old program does not start on a new layout.
 */
#ifndef WANE_LAYOUT_H
#define WANE_LAYOUT_H

#include <wane/base.h>

WANE__BEGIN

/*
 * What stands before each payload. The first three fields are written by the owner (inside its bracket), by whoever
 * wins the compare-and-swap on `owner`, or by the collector (`age`); all accesses are atomic.
 */
struct wane__header {
    uint16_t owner;    /* id of the thread that counts in `local`; 0 = merged; 0xFFFF = immortal */
    uint8_t candidate; /* 1 = may be part of a dead cycle; odd above = of an untracked type, never a candidate; even = neither, or dead */
    uint8_t age;       /* generation in the low two bits, collector's marks above */
    uint32_t local;    /* the owner's count */
    uint64_t shared;   /* flags:16 | count:32 | type id:16 */
};

#define WANE__OWNER_NONE 0u
#define WANE__OWNER_IMMORTAL 0xFFFFu
#define WANE__MATCH_NOBODY 0x10000u /* equals no `owner` */

#define WANE__LIVE ((uint64_t)1 << 0)      /* born, not yet found dead */
#define WANE__MERGED ((uint64_t)1 << 1)    /* the count field is the whole count */
#define WANE__WATCHED ((uint64_t)1 << 2)   /* suspect of the running collection */
#define WANE__TOUCHED ((uint64_t)1 << 3)   /* gained a unit since it is WATCHED */
#define WANE__PINNED ((uint64_t)1 << 4)    /* held by the collector: its death is the collector's */
#define WANE__CLOSED ((uint64_t)1 << 5)    /* weak upgrades wait for the verdict */
#define WANE__WEAKREFD ((uint64_t)1 << 6)  /* has, or had, a weak reference */
#define WANE__FINAL_DUE ((uint64_t)1 << 7) /* has a finalizer that has not run */
#define WANE__FROZEN ((uint64_t)1 << 8)    /* reserved */
#define WANE__IMMORTAL ((uint64_t)1 << 9)  /* never dies; counting does nothing */
#define WANE__TRACED ((uint64_t)1 << 10)   /* its allocation is recorded */
#define WANE__FREED ((uint64_t)1 << 11)    /* not LIVE, and destroyed */
#define WANE__PARKED ((uint64_t)1 << 12)   /* stands for one unit that no queue had room for */
#define WANE__WAVE_EVEN ((uint64_t)1 << 13) /* dead while PINNED: a flush waits for its death */
#define WANE__WAVE_ODD ((uint64_t)1 << 14)  /* the same, of an odd wave (lib/count/wave.h) */
#define WANE__COUNT_SHIFT 16
#define WANE__COUNT_ONE ((uint64_t)1 << WANE__COUNT_SHIFT)
#define WANE__COUNT_MASK ((uint64_t)0xFFFFFFFFu << WANE__COUNT_SHIFT)
#define WANE__COUNT_HUGE ((uint64_t)0xC0000000u << WANE__COUNT_SHIFT) /* 2^30 and above: becomes immortal */
#define WANE__TYPE_SHIFT 48

/*
 * Head of a thread's record. Written by its thread alone, but for `match`, which others set to WANE__MATCH_NOBODY
 * when barriers on the slow side stop working. A thread without a record points to a shared dummy, whose values send
 * every call to its slow path.
 */
struct wane__thread {
    uint32_t match;   /* compared with `owner` */
    uint32_t bracket; /* not 0 inside a counting operation */
    uint64_t guard;   /* global epoch at the entry of the outermost guard; 0 outside */
    uint64_t nest;    /* depth of guards */
};

/* One pointer of initial-exec TLS is all that a thread costs before its first call. */
#define wane__self wane__self_v1
extern WANE_API __thread struct wane__thread *wane__self __attribute__((tls_model("initial-exec")));

/* The global epoch; its top bit is set while readers must issue fences themselves. */
extern WANE_API uint64_t wane__epoch;

/*
 * Marks of a heap page. Pages are aligned to their size and lie in arenas aligned to theirs, so that an object finds
 * its page's marks by masking; they stand side by side at the arena's start, where the collector reads many at once.
 */
#define WANE__PAGE_SHIFT 16
#define WANE__PAGE_SIZE ((uintptr_t)1 << WANE__PAGE_SHIFT)
#define WANE__ARENA_SHIFT 25
#define WANE__ARENA_SIZE ((uintptr_t)1 << WANE__ARENA_SHIFT)
struct wane__page_marks {
    uint8_t xdirty[4]; /* one a generation: the page holds a candidate of that age; [3]: one that was left undecided */
};

WANE__HELPER struct wane__header *wane__header_of(const void *obj) {
    return (struct wane__header *)((uintptr_t)obj - sizeof(struct wane__header));
}

WANE__HELPER void *wane__payload_of(struct wane__header *h) { return (void *)(h + 1); }

WANE__HELPER struct wane__page_marks *wane__marks_of(const struct wane__header *h) {
    uintptr_t arena = (uintptr_t)h & ~(WANE__ARENA_SIZE - 1);
    return (struct wane__page_marks *)arena + (((uintptr_t)h - arena) >> WANE__PAGE_SHIFT);
}

/*
 * The bracket. Its mark must be visible before the operation looks at the object: the compiler barrier orders it
 * here, membarrier(2) on the side that waits. Un-marking is a release store: [order:bracket].
 */
WANE__HELPER void wane__bracket_enter(struct wane__thread *t) {
    wane__store_relaxed(&t->bracket, 1u);
    wane__compiler_barrier();
}

WANE__HELPER void wane__bracket_leave(struct wane__thread *t) {
    wane__told_release(&t->bracket);
    wane__store_release(&t->bracket, 0u); /* [order:bracket] */
}

WANE__END

#endif
