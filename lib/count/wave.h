/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * count/wave.h: what was there when a flush was called, and what comes of it.
 *
 * Whatever waits for somebody is of a wave. A flush makes a cut: what is there is of the old wave, what comes later of
 * the new one. What an item leads to (a unit kept while it is given up, a death left to others) is of the item's wave,
 * wherever it goes; so the old wave is followed to its end, and what others make meanwhile is not. When nothing of it is
 * left anywhere it is over, and whoever waited for it returns. The argument is in docs/design/flush.md, the model is
 * tests/model/wave.pml.
 *
 * At most two waves are there at a time, so a bit tells them apart: the wave's parity. Where an item's wave stands:
 *
 *   in a queue          below the queue's cut: the old one. Above: the new one. A word with a tag says it itself
 *   among the left      a list for each parity (life/left.h)
 *   parked              a flag beside that of the object's word
 *   a function          its number, below the cut's or above
 *   in somebody's hands `wave` of the record, in a frame of that parity: begun before it was taken, ended after it was done
 *   a collection        its number, while it is open
 *   dead while pinned   two flags of its word, if the collection is of a newer wave
 */
#ifndef WANE_COUNT_WAVE_H
#define WANE_COUNT_WAVE_H

#include "thread/record.h"

/* In the lowest bits of a queue's word: 1 + parity; 0: by position. */
#define WANE__WAVE_TAG ((uintptr_t)3)

/* Flags of a dead object's word, one for each parity. */
#define WANE__WAVE_FLAG(parity) ((parity) == 0 ? WANE__WAVE_EVEN : WANE__WAVE_ODD)
#define WANE__WAVE_FLAGS (WANE__WAVE_FLAG(0) | WANE__WAVE_FLAG(1))

/* The wave that was current when it is called: what was there before is of it, or of an older one. */
uint64_t wane__wave_now(void);

/*
 * Callbacks so far, for waves of either parity, that deferred something, which may be of the next wave. Read before
 * wane__wave_now: what callbacks deferred that are counted by then is of the wave read, or of an older one. Read again when
 * that is over: more of its parity are callbacks for it, or, rarely, for one that came after.
 */
void wane__wave_followers(uint64_t ret[2]);

/* Whether that wave is over; cuts, if need be, and looks. BUSY: another thread is at that, or at a queue. Any thread; never waits. */
enum wane__look { WANE__LOOK_OVER, WANE__LOOK_PENDING, WANE__LOOK_BUSY };
enum wane__look wane__wave_look(uint64_t wave);
static inline bool wane__wave_over(uint64_t wave) { return wane__wave_look(wave) == WANE__LOOK_OVER; }

/* The oldest wave that is not over: what a flush works for. */
uint64_t wane__wave_oldest(void);

/* Up to where q may hold items of a wave, after its cut. A hint: they may be gone. */
uint64_t wane__wave_limit(const struct wane__queue *q, uint64_t wave);

/* Whether a collection holds up a wave: one that is open since then, or has pinned what died of it. */
bool wane__wave_in_collection(uint64_t wave);

/* Whether r has something of the wave in hand, or a collection that holds it up. A hint. */
bool wane__wave_in_hand(const struct wane__record *r, uint64_t wave);

/* Whether functions of that wave have not run. */
bool wane__wave_in_calls(uint64_t wave);

/* The parity of the deferred function with that number, in the turn that runs it. */
unsigned wane__wave_of_call(uint64_t number);

/*
 * A frame of r's, which has something of that parity in hand: begin before it is taken, end when all of it is done or left to
 * others. Frames nest.
 */
static inline void wane__wave_begin(struct wane__record *r, unsigned parity) {
    wane__tally(r->xbegun[parity], 1);
    compiler_barrier(); /* what follows is a release store or a read-modify-write: [order:wave] */
}

static inline void wane__wave_end(struct wane__record *r, unsigned parity) {
    wane__tsan_release(&r->xended);
    store_release(&r->xended[parity], load_relaxed(&r->xended[parity]) + 1); /* [order:wave] */
}

/* A callback for what r has in hand has deferred something. */
static inline void wane__wave_follows(struct wane__record *r) {
    unsigned parity = r->wave - 1u;
    store_release(&r->xfollows[parity], load_relaxed(&r->xfollows[parity]) + 1); /* [order:wave] */
}

/* The same after something that does not go to r's queue `deferred`, in a callback or not. */
static inline void wane__wave_note_follower(struct wane__record *r) {
    if (unlikely(r->wave != 0 && r->callbacks > 0))
        wane__wave_follows(r);
}

/* A frame for something new, which is of the current wave. Returns the parity. */
unsigned wane__wave_begin_new(struct wane__record *r);

/* The consumer of q, under its lock: the parity of the word at a position. */
static inline unsigned wane__wave_parity(const struct wane__queue *q, uint64_t at, uintptr_t word) {
    if (unlikely((word & WANE__WAVE_TAG) != 0))
        return (unsigned)(word & WANE__WAVE_TAG) - 1;
    return (unsigned)(load_relaxed(&q->xcut_wave) + (at >= load_relaxed(&q->xcut))) & 1;
}

/*
 * An object with the word w is about to die of what r has in hand. If the collection that has it pinned is of a newer wave,
 * the death is counted, and the flag returned goes into the word with the write that clears LIVE.
 */
uint64_t wane__wave_pin_slow(struct wane__record *r);
static inline uint64_t wane__wave_pin(struct wane__record *r, uint64_t w) {
    return unlikely(r->wave != 0 && (w & WANE__PINNED) != 0) ? wane__wave_pin_slow(r) : 0;
}
/* That write failed, or the dead object stands among the left now. */
void wane__wave_unpin(uint64_t flag);

/* A collection, one at a time: begun before it pins, ended when all that came of it is done or left to others. */
void wane__wave_collection_begin(void);
void wane__wave_collection_end(void);
/* The tag of what comes of the one that is open. */
uint8_t wane__wave_of_collection(void);

/* In the child of a fork, when what vanished threads had in hand stands in queues and lists: all of it is old. */
void wane__wave_fork_child(const struct wane__record *self);

#endif
