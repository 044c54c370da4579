/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * Candidate bytes and page marks, with the store buffer of the thread that sets them (lib/count/word.h,
 * wane__make_candidate) and with generations: a page mark an age, and the collector ageing the object meanwhile.
 * mark.pml has the same without store buffers and generations. A thread drops the last outside unit of a garbage
 * cycle, before that perhaps another unit: byte, then the page's mark, if it is not set yet, then the decrement, all
 * plain. The collector walks: clears the page's marks of the ages it collects, reads the bytes, clears those that it
 * takes, waits for brackets, looks. What it found alive it marks again for the next age, as a survivor. At the end a
 * walk of the oldest generation must find the object.
 *
 * Plants: BUG_NOBARRIER  the bytes are read without a heavy barrier after the page marks were cleared: the thread has
 *                        seen the old page mark and left it, and its byte still waits in the store buffer
 *         BUG_NOWAIT     the counts are looked at without a bracket wait after the bytes were cleared
 *         BUG_LEAVE      a walk that leaves a byte, of an older object, does not set that age's page mark
 *         BUG_AGEMARK    a survivor's byte is set again, but not the page's mark for its new age
 */
#ifndef DROPS
#define DROPS 2
#endif
#define BYTE 0
#define DIRTY0 1
#define DIRTY1 2
#define UNITS 3
#define BRACKET 4

byte mem[5];                      /* the object's byte; page marks of age 0 and 1; outside units; the thread's bracket */
byte age;
chan buf = [8] of { byte, byte };
bool done, found;

#define flush do :: nempty(buf) -> buf?a,v; mem[a] = v :: empty(buf) -> break od; a = 0; v = 0; skip

proctype Buffer() { byte a, v; end: do :: d_step { buf?a,v; mem[a] = v; a = 0; v = 0 } od }

proctype Thread() {
  byte n = DROPS, d, b;
  do
  :: n > 0 -> n--;
     buf!BRACKET,1;
     atomic { b = mem[BYTE]; if :: buf??[BYTE,1] -> b = 1 :: else fi };
     if
     :: b == 0 ->
        buf!BYTE,1;
        d = (age == 0 -> DIRTY0 : DIRTY1);
        atomic { b = mem[d]; if :: d == DIRTY0 && buf??[DIRTY0,1] -> b = 1 :: d == DIRTY1 && buf??[DIRTY1,1] -> b = 1 :: else fi };
        if :: b == 0 -> buf!d,1 :: else fi
     :: else
     fi;
     atomic { buf!UNITS,n; buf!BRACKET,0; b = 0; d = 0 }
  :: else -> break
  od;
  empty(buf); done = 1
}

inline walk(oldest) {
  atomic { seen = mem[DIRTY0] || (oldest && mem[DIRTY1]) };
  if
  :: seen ->
     mem[DIRTY0] = 0;
     if :: oldest -> mem[DIRTY1] = 0 :: else fi;
#ifndef BUG_NOBARRIER
     atomic { flush };
#endif
     atomic { b = mem[BYTE]; taken = (b == 1 && age <= oldest); left = (b == 1 && age > oldest) };
#ifndef BUG_LEAVE
     if :: left -> mem[DIRTY1] = 1 :: else fi;
#endif
     if
     :: taken ->
        mem[BYTE] = 0;
#ifndef BUG_NOWAIT
        atomic { flush };
        mem[BRACKET] == 0;
#endif
        b = mem[UNITS];
        if
        :: b == 0 && oldest -> found = 1
        :: !oldest ->                /* held by a thread or by an older object: keeps its mark, for the next age */
           age = 1; mem[BYTE] = 1;
#ifndef BUG_AGEMARK
           mem[DIRTY1] = 1
#endif
        :: b != 0 && oldest -> age = 1            /* everything was looked at: the mark is discharged */
        fi
     :: else
     fi
  :: else
  fi;
  b = 0; seen = 0; taken = 0; left = 0
}

proctype Collector() {
  byte r = 0, a, v, b; bool seen, taken, left;
  do
  :: r < 2 && !found -> r++; if :: walk(0) :: walk(1) fi
  :: else -> break
  od;
  done;
  if :: !found -> walk(1) :: else fi;
  assert(found)
}

init { atomic {
  mem[UNITS] = DROPS;
  if :: mem[DIRTY0] = 1 :: mem[DIRTY1] = 1 :: mem[DIRTY0] = 1; mem[BYTE] = 1 :: true fi;   /* other objects' marks */
  run Buffer(); run Thread(); run Collector() } }
