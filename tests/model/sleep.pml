/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * How the collector thread falls asleep (lib/thread/wake.c): two threads add work, one sleeps without a limit.
 * An adder stores its work, then loads the announcement. Both are plain: the store may wait in the thread's store
 * buffer while the load is done. The sleeper announces, makes a heavy barrier, which empties all store buffers, and
 * looks at every queue once more. Nobody may be asleep with work when nothing else happens.
 *
 * Plants: BUG_NOBARRIER   no heavy barrier between the announcement and the look
 *         BUG_LOOKFIRST   looks, then announces
 *         BUG_LOADFIRST   the adder loads the announcement before it stores its work
 *         BUG_BELL        the sleeper reads the bell after it has looked: a wake in between is lost
 */
#ifndef ADDS
#define ADDS 2
#endif
#define AWAKE 0
#define ASLEEP 1

byte tail[2], head[2]; /* of each adder's queue, as memory has it; entries up to `head` are done */
byte held[2];          /* stores of `tail` that wait in the adder's store buffer */
byte asleep, bell;

#define drain(t) tail[t] = tail[t] + held[t]; held[t] = 0
#define look (tail[0] == head[0] && tail[1] == head[1])

proctype Buffer(byte t) { end: do :: atomic { held[t] > 0 -> held[t]--; tail[t]++ } od }

proctype Adder(byte t) {
  byte n = 0; bool s = 0, won = 0;
  do
  :: n < ADDS -> n++;
#ifdef BUG_LOADFIRST
     s = asleep; held[t]++;
#else
     held[t]++; s = asleep;
#endif
     if
     :: s == ASLEEP ->                          /* a read-modify-write empties the own buffer */
        d_step { drain(t); won = (asleep == ASLEEP); if :: won -> asleep = AWAKE :: else fi };
        if :: won -> bell++ :: else fi
     :: else
     fi;
     s = 0; won = 0
  :: else -> break
  od
}

proctype Sleeper() {
  byte b; bool idle;
  do
  :: true ->
     atomic { head[0] = tail[0]; head[1] = tail[1] };      /* works: takes what it sees */
     idle = 0; b = 0;
#ifdef BUG_LOOKFIRST
     idle = look;
#endif
     asleep = ASLEEP;
#ifndef BUG_NOBARRIER
     d_step { drain(0); drain(1) };
#endif
     do
     :: true ->
#ifndef BUG_BELL
        b = bell;
#endif
#ifndef BUG_LOOKFIRST
        idle = (tail[0] == head[0]); if :: idle -> idle = (tail[1] == head[1]) :: else fi;
#endif
        if :: !idle || asleep != ASLEEP -> break :: else fi;
#ifdef BUG_BELL
        b = bell;
#endif
end:    bell != b                                          /* the futex: compares and sleeps in one step */
     od;
     asleep = AWAKE
  od
}

proctype Watch() { timeout; assert(look && held[0] == 0 && held[1] == 0) }

init { atomic { run Buffer(0); run Buffer(1); run Adder(0); run Adder(1); run Sleeper(); run Watch() } }
