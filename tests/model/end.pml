/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * How the collector thread ends when nobody is attached, and starts at the next need (lib/cycle/background.c). Two
 * threads attach, add work, detach, and come again; an adder stores its work, then loads the announcement. Both are plain: the
 * store may wait in the thread's store buffer. The collector thread gives its record back, announces its end, makes a heavy
 * barrier, which empties all store buffers, takes the lock, looks at the work once more, and decides. Who sees the
 * announcement takes the same lock. Sleeping is not the subject (sleep.pml): here the thread just waits.
 *
 * There is a collector thread whenever somebody has attached. When nothing happens any more, all work is done and there is no collector thread: a process could end. At most one
 * thread at a time has the collector's record.
 *
 * ANYBODY: the decision looks at the work alone, and not whether anybody is attached. No work is lost then either.
 * FAIL: a thread cannot always be made. Then work may be left, but only if the last try failed.
 *
 * Plants: BUG_NOBARRIER   no heavy barrier between the announcement and the look
 *         BUG_LOOKFIRST   looks, then announces and decides
 *         BUG_LOADFIRST   the adder loads the announcement before it stores its work
 *         BUG_NOLOCK      who sees the announcement, and a thread that is RUNNING, does not take the lock
 *         BUG_OUTSIDE     the thread looks before it takes the lock
 *         BUG_RECORD      the thread gives its record back after it has decided
 */
#ifndef ADDS
#define ADDS 2
#endif
#define NONE 0
#define RUNNING 1
#define AWAKE 0
#define UNSTARTED 1 /* or ENDED */

byte tail[2], head[2]; /* of each adder's queue, as memory has it; entries up to `head` are done */
byte held[2];          /* stores of `tail` that wait in the adder's store buffer */
bool here[2], pend[2]; /* attached, as memory has it and in the store buffer */
byte state = NONE, asleep = UNSTARTED, threads, holders;
bool locked, put_off;

#define drain(t) here[t] = here[t] || pend[t]; pend[t] = 0; tail[t] = tail[t] + held[t]; held[t] = 0
#define all_done (tail[0] == head[0] && tail[1] == head[1])
#define attached (here[0] || here[1])
#ifdef ANYBODY
#define needed (!all_done)
#else
#define needed (attached || !all_done)
#endif
#define lock(l) atomic { !l -> l = 1 }

proctype Buffer(byte t) { end: do :: atomic { pend[t] -> pend[t] = 0; here[t] = 1 } :: atomic { !pend[t] && held[t] > 0 -> held[t]--; tail[t]++ } od }

proctype Collector() {
  bool stay;
  do
  :: true ->
     holders++; assert(holders == 1);
     do
     :: atomic { !all_done -> head[0] = tail[0]; head[1] = tail[1] }
     :: !attached && all_done -> break
     od;
#ifndef BUG_RECORD
     holders--;
#endif
     stay = 0;
#ifdef BUG_LOOKFIRST
     atomic { stay = needed };
#endif
     asleep = UNSTARTED;
#ifndef BUG_NOBARRIER
     d_step { drain(0); drain(1) };
#endif
#ifdef BUG_OUTSIDE
     atomic { stay = needed };
#endif
     lock(locked);
#ifndef BUG_LOOKFIRST
#ifndef BUG_OUTSIDE
     atomic { stay = needed };
#endif
#endif
     if
     :: stay -> asleep = AWAKE
     :: else -> state = NONE
     fi;
     locked = 0;
#ifdef BUG_RECORD
     holders--;
#endif
     if :: !stay -> break :: else fi
  od;
  threads--
}

inline start(t) {
#ifdef BUG_NOLOCK
  if
  :: state == RUNNING -> skip
  :: else ->
#endif
  lock(locked);
  d_step { drain(t) };
  if
  :: state == NONE ->
     state = RUNNING; asleep = AWAKE;
     if
#ifdef FAIL
     :: state = NONE; asleep = UNSTARTED; put_off = 1
#endif
     :: atomic { put_off = 0; threads++; run Collector() }
     fi
  :: else
  fi;
  locked = 0
#ifdef BUG_NOLOCK
  fi
#endif
}

proctype Adder(byte t) {
  byte n = 0; bool s = 0;
  do
  :: n < ADDS ->
     n++;
     pend[t] = 1; s = asleep;
     if :: s == UNSTARTED -> start(t) :: else fi;
     s = 0;
#if !defined(ANYBODY) && !defined(FAIL)
     assert(state == RUNNING);
#endif
#ifdef BUG_LOADFIRST
     s = asleep; held[t]++;
#else
     held[t]++; s = asleep;
#endif
     if :: s == UNSTARTED -> start(t) :: else fi;
     s = 0;
     d_step { drain(t); here[t] = 0 }              /* a read-modify-write */
  :: else -> break
  od
}

proctype Watch() {
  timeout;
  assert((all_done || put_off) && held[0] == 0 && held[1] == 0);
  assert(threads == 0 && !attached && state == NONE && asleep == UNSTARTED)
}

init { atomic { run Buffer(0); run Buffer(1); run Adder(0); run Adder(1); run Watch() } }
