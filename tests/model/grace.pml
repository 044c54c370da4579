/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * Grace periods (lib/thread/grace.c): readers in guards and brackets, a writer that replaces what a slot refers to and
 * queues the old object, and the steps that note the queue's tail, begin an epoch, wait and publish "safe".
 * A reader's marks are plain stores into its store buffer, which empties in order at any time and at a heavy barrier;
 * its load of the slot does not wait for them. Objects are numbered as the slot gets them: the queue is the number that
 * were removed, and what is below `safe` is freed. Passing is remembered a thread, and looked for again and again.
 *
 * Plants: BUG_NOBARRIER   no heavy barrier
 *         BUG_NOTELATE    the tail is noted after the barrier
 *         BUG_NOTEMID     the tail is noted after the new epoch, before the barrier: a reader of the new epoch is not waited for
 *         BUG_PASSED      passing is remembered beyond the grace period
 *         BUG_GUARDONLY   brackets are not looked at
 *         BUG_NEWER       waits only for guards of the last epoch, not for older ones
 * EPOCHLATE, the new epoch after the barrier instead of before, holds: a guard of the new epoch is then younger than
 * the barrier, so it read the slot after what was noted.
 */
#ifndef SECTIONS
#define SECTIONS 2           /* of reader 0 */
#endif
#ifndef SECTIONS1
#define SECTIONS1 1
#endif
#ifndef REMOVALS
#define REMOVALS 2
#endif
#define GUARD 0
#define BRACKET 1

byte slot, tail, safe;       /* the object in the slot; objects removed and queued; objects freed */
byte epoch = 1;
byte guard[2], brac[2];       /* each reader's words, as memory has them */
chan buf0 = [4] of { bit, byte };
chan buf1 = [4] of { bit, byte };

#define put(t, which, v) if :: t == 0 -> buf0!which,v :: else -> buf1!which,v fi
#define use(x) assert(x >= safe)

inline apply(t) { if :: what == GUARD -> guard[t] = val :: else -> brac[t] = val fi; what = 0; val = 0 }
inline flush(t, b) { do :: nempty(b) -> b?what,val; apply(t) :: empty(b) -> break od }

proctype Buffer(byte t; chan b) { bit what; byte val; end: do :: d_step { b?what,val; apply(t) } od }

proctype Reader(byte t) {
  byte n = 0, e = 0, x = 0;
  do
  :: n < (t == 0 -> SECTIONS : SECTIONS1) -> n++;
     if
     :: e = epoch; atomic { put(t, GUARD, e); e = 0 };                      /* borrows */
        x = slot;
        atomic { use(x); put(t, GUARD, 0) }
     :: put(t, BRACKET, 1);                                /* loads: counts in the same bracket */
        x = slot;
        atomic { use(x); put(t, BRACKET, 0) }
     fi;
     x = 0
  :: else -> break
  od
}

proctype Writer() {
  do
  :: slot < REMOVALS -> slot++; tail++                     /* an exchange, then the push */
  :: else -> break
  od
}

#define BARRIER d_step { flush(0, buf0); flush(1, buf1); skip }

proctype Steps() {
  byte noted = 0, target = 0, g = 0, t = 0; bool busy = 0; byte passed[2]; bit what; byte val;
end:
  do
  :: tail != safe ->
#if !defined(BUG_NOTELATE) && !defined(BUG_NOTEMID)
     noted = tail;
#endif
#ifndef EPOCHLATE
     d_step { epoch++; target = epoch };
#endif
#ifdef BUG_NOTEMID
     noted = tail;
#endif
#ifndef BUG_NOBARRIER
     BARRIER;
#endif
#ifdef EPOCHLATE
     d_step { epoch++; target = epoch };
#endif
#ifdef BUG_NOTELATE
     noted = tail;
#endif
     do
     :: passed[0] == target && passed[1] == target -> break
     :: else ->
        if :: passed[0] != target -> t = 0 :: passed[1] != target -> t = 1 fi;
        g = guard[t];
        if
#ifdef BUG_NEWER
        :: g + 1 == target
#else
        :: g != 0 && g < target
#endif
        :: else ->
#ifndef BUG_GUARDONLY
           busy = (brac[t] != 0);
#endif
           if :: !busy -> passed[t] = target :: else fi
        fi;
        g = 0; busy = 0; t = 0
#ifdef BUG_PASSED
     :: target > 2 && passed[0] != 0 && passed[1] != 0 -> break
#endif
     od;
     safe = noted
  od
}

init { atomic { run Buffer(0, buf0); run Buffer(1, buf1); run Reader(0); run Reader(1); run Writer(); run Steps() } }
