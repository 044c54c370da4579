/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * membarrier(2) stops working while the program runs (lib/thread/mode.c): fences are turned on for good. One reader
 * marks guards and brackets, in one word here, without a fence until it learns of it; two threads each remove
 * something, make a heavy barrier, wait for the mark to go and then free. The reader's plain stores wait in its store
 * buffer until a fence of its own, or a heavy barrier that works, empties it. From some moment on heavy barriers fail.
 *
 * Turning on: the epoch's bit, which sends guards to their fences; `on`, which sends brackets; then `knows` = 0 for each
 * record, set again by its thread, together with a fence, the next time it marks and sees that it must fence; last
 * `relied`, from which on others do not even try the barrier.
 *
 * Plants: BUG_ONEFLAG   as if `on` were `relied`: a second thread skips the barrier while `knows` still says 1 from before
 *         BUG_RESETFIRST  `knows` = 0 first: a guard that learns before `on` is set leaves brackets without fences
 *         BUG_NOKNOWS   nobody waits until the reader knows
 *         BUG_NOFENCE   the reader's marks get no fence when fences are on
 */
#ifndef SECTIONS
#define SECTIONS 3
#endif

bool mark, knows = 1, bit63, on, relied, broken;
bool removed[2], freed[2];
chan buf = [4] of { bit };       /* the reader's stores of its bracket */

#define flush do :: nempty(buf) -> buf?mark :: empty(buf) -> break od; skip

proctype Buffer() { end: do :: buf?mark od }

proctype Reader() {
  byte n = 0; bool saw0 = 0, saw1 = 0, f = 0;
  do
  :: n < SECTIONS -> n++;
     if
     :: f = bit63; buf!1                                     /* guard: loads the epoch, then marks */
     :: buf!1; f = on                                        /* bracket */
     fi;
     if
     :: f ->
#ifdef BUG_NOFENCE
        knows = 1
#else
        d_step { flush; knows = 1 }                          /* a sequentially consistent store */
#endif
     :: else
     fi;
     f = 0;
     saw0 = !removed[0]; saw1 = !removed[1];
     atomic { assert(!(saw0 && freed[0]) && !(saw1 && freed[1])); buf!0; saw0 = 0; saw1 = 0 }
  :: else -> break
  od
}

inline turn_on() {
#ifdef BUG_RESETFIRST
  knows = 0; bit63 = 1; on = 1; relied = 1
#else
  bit63 = 1; on = 1; knows = 0; relied = 1
#endif
}
#ifdef BUG_ONEFLAG
#define RELIED on
#else
#define RELIED relied
#endif

proctype Waiter(byte w) {
  bool r = 0;
  removed[w] = 1;
  r = RELIED;
  if
  :: r
  :: else -> if :: d_step { !broken -> flush } :: broken -> turn_on() fi
  fi;
  r = 0;
#ifdef BUG_NOKNOWS
  mark == 0;
#else
end:                                                         /* if the reader marks no more: nothing is freed, no harm */
  do
  :: !on || knows -> if :: mark == 0 -> break :: else fi
  od;
#endif
  freed[w] = 1
}

proctype Breaks() { broken = 1 }

init { atomic { run Buffer(); run Reader(); run Waiter(0); run Waiter(1); run Breaks() } }
