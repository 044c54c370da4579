/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * A collector that is asleep without a limit is woken by a candidate (lib/count/word.h, lib/thread/wake.c xidle,
 * lib/cycle/background.c). Two threads make candidates of an object each, on one page, with store buffers: the byte, then
 * the page's mark if it is not set, and who sets the mark looks whether the collector is idle. The sleeper announces
 * that, makes a heavy barrier, and looks at the marks; while it sees one it sleeps with a limit, which is no sleep here.
 * It collects now and then: clears the mark, makes a barrier, takes the bytes. Nobody may be asleep with a candidate.
 *
 * The sleeper does not look at each page: a flag says that pages may have marks (wane__xmarked). Who sets the page's mark sets
 * the flag if it is not set, and only then looks at xidle. A collection clears the flag, makes a barrier, and then clears the
 * page's mark: who found the flag set has set the mark before that barrier, and it is taken.
 *
 * OTHER: a collection by another thread meanwhile, whose survivors become candidates again when it ends; so that a
 *        sleeper that saw no mark while they were taken does not sleep on, it looks at xidle then, after a fence.
 *
 * Plants: BUG_NOBARRIER  no heavy barrier between the announcement and the look
 *         BUG_LOOKFIRST  the sleeper looks, then announces
 *         BUG_LOADFIRST  a thread looks at xidle before it stores the flag
 *         BUG_NOSWAP     who wakes clears xidle, and leaves the rest to whoever changes `asleep`
 *         BUG_FLAGFIRST  a thread sets the flag, and looks at xidle, before it stores the page's mark
 *         BUG_MARKFIRST  a collection clears the page's mark first, and then the flag
 *         BUG_NOWAIT     no barrier between the clearing of the flag and that of the page's mark
 *         BUG_SURVIVOR   with OTHER: the other collection sets pages' marks again without their flag, and does not look at
 *                        xidle when it has ended (unclaim in lib/cycle/generations.c)
 */
#ifndef ADDS
#define ADDS 1
#endif
#define AWAKE 0
#define ASLEEP 1
#define BYTE0 0
#define BYTE1 1
#define DIRTY 2
#define IDLE 3
#define FLAG 4

byte mem[5];                             /* two objects' bytes, the page's mark, xidle, the flag of all pages' marks */
byte asleep, bell;
bool claimed;                            /* another thread collects */
chan buf[3] = [6] of { byte, byte };     /* store buffers of the two threads, and of the other collection */

#define flush(b) do :: nempty(b) -> b?a,v; mem[a] = v :: empty(b) -> break od; a = 0; v = 0
#define heavy d_step { flush(buf[0]); flush(buf[1]); flush(buf[2]) }

/* A load, which sees the own stores that wait; only 1s are stored to what is loaded this way. */
#define LOAD(x, t, place) atomic { x = mem[place]; if :: buf[t]??[place, 1] -> x = 1 :: else fi }

proctype Buffer(byte t) { byte a, v; end: do :: d_step { buf[t]?a,v; mem[a] = v; a = 0; v = 0 } od }

inline wake(t) {
  buf[t]!IDLE,0;
#ifndef BUG_NOSWAP
  d_step { flush(buf[t]); i = (asleep == ASLEEP); if :: i -> asleep = AWAKE :: else fi };
  if :: i -> bell++ :: else fi
#endif
}

/* The flag, if it is not set, and the look at xidle. */
inline set_flag(t) {
  LOAD(f, t, FLAG);
  if
  :: f == 0 ->
#ifdef BUG_LOADFIRST
     i = mem[IDLE]; buf[t]!FLAG,1;
#else
     buf[t]!FLAG,1; i = mem[IDLE];
#endif
     if :: i -> wake(t) :: else fi
  :: else
  fi;
  f = 0; i = 0
}

/* The page's mark, if it is not set, and then its flag. */
inline mark_page(t) {
  LOAD(d, t, DIRTY);
  if
  :: d == 0 ->
#ifdef BUG_FLAGFIRST
     set_flag(t); buf[t]!DIRTY,1
#else
     buf[t]!DIRTY,1; set_flag(t)
#endif
  :: else
  fi;
  d = 0
}

proctype Maker(byte t) {
  byte n = 0, b, d, f, i, a, v;
  do
  :: n < ADDS -> n++;
     LOAD(b, t, t);
     if
     :: b == 0 -> buf[t]!t,1; mark_page(t)
     :: else
     fi;
     b = 0
  :: else -> break
  od
}

inline collect() {
#ifdef BUG_MARKFIRST
  mem[DIRTY] = 0; heavy; mem[FLAG] = 0;
#else
  mem[FLAG] = 0;
#ifndef BUG_NOWAIT
  heavy;
#endif
  mem[DIRTY] = 0;
#endif
  heavy;
  d_step { t0 = mem[BYTE0]; t1 = mem[BYTE1]; mem[BYTE0] = 0; mem[BYTE1] = 0 }
}

proctype Sleeper() {
  byte b, a, v; bool seen, t0, t1;
  do
  :: true ->
     if
     :: atomic { mem[FLAG] && !claimed -> claimed = 1 }; collect(); d_step { claimed = 0; t0 = 0; t1 = 0 }
     :: else
     fi;
     b = 0; seen = 0;
     seen = mem[FLAG];
     if
     :: seen                                         /* with a limit, and then another round */
     :: else ->
#ifndef BUG_LOOKFIRST
        asleep = ASLEEP; mem[IDLE] = 1;
#ifndef BUG_NOBARRIER
        heavy;
#endif
#else
        seen = mem[FLAG]; asleep = ASLEEP; mem[IDLE] = 1;
#endif
        do
        :: true ->
           b = bell;
#ifndef BUG_LOOKFIRST
           seen = mem[FLAG];
#endif
           if :: seen || asleep != ASLEEP -> break :: else fi;
end:       bell != b
        od;
        mem[IDLE] = 0; asleep = AWAKE
     fi
  od
}

/* By another thread: what it took are candidates again afterwards. */
proctype Other() {
  byte f, i, a, v; bool t0, t1;
  atomic { !claimed -> claimed = 1 };
  collect();
  if :: t0 -> buf[2]!BYTE0,1 :: else fi;
  if :: t1 -> buf[2]!BYTE1,1 :: else fi;
  if
  :: t0 || t1 ->
     buf[2]!DIRTY,1;
#ifndef BUG_SURVIVOR
     set_flag(2)
#endif
  :: else
  fi;
  d_step { claimed = 0; t0 = 0; t1 = 0 };
  d_step { flush(buf[2]) };
#ifndef BUG_SURVIVOR
  i = mem[IDLE];
  if :: i -> wake(2) :: else fi;
#endif
  i = 0
}

proctype Watch() { timeout; assert(!mem[BYTE0] && !mem[BYTE1] && !mem[DIRTY]) }

init { atomic {
  run Buffer(0); run Buffer(1); run Maker(0); run Maker(1); run Sleeper(); run Watch();
#ifdef OTHER
  run Buffer(2); run Other()
#endif
} }
