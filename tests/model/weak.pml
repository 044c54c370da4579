/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * Weak references to one object (docs/design/life.md; lib/life/weak.c, wane__upgrade_marked): upgrades against the
 * release of the last unit, against memory that is handed out again, and against the collector's WATCHED, TOUCHED and
 * CLOSED. Thread 0 owns the object and its unit, which it releases or gives to the object's own slot; thread 1 upgrades
 * and releases, or empties that slot. An upgrade never yields a dead object, and never NULL for one that is not doomed:
 * its count has been zero, or the collector has decided. The stranger that is born in the block keeps its word.
 *
 * Plants: BUG_NOWAIT     the memory is handed out without a bracket wait
 *         BUG_READOUT    the weak reference's target is read before the bracket
 *         BUG_FROMZERO   an upgrade from MERGED and zero
 *         BUG_NOTOUCH    an upgrade of a WATCHED object does not set TOUCHED
 *         BUG_TOUCHLATE  ... sets it after its bracket
 *         BUG_NOCLOSE    the collector decides by a look at TOUCHED, without CLOSED
 *         BUG_CLOSELOAD  ... looks at TOUCHED, then sets CLOSED, instead of looking at what the fetch_or returned
 *         BUG_CLEARFIRST weak references are cleared before the decision
 *         BUG_CLOSEDNULL an upgrade of a CLOSED object yields NULL instead of waiting
 *         BUG_CLOSEDWAIT the collector waits for guards between CLOSED and the decision: it and an upgrade wait for each other
 *         BUG_STAYSCLOSED an object that is dropped is not opened again
 */
#ifndef UPS
#define UPS 2
#endif
#define LIVE 1
#define MERGED 2
#define WATCHED 4
#define TOUCHED 8
#define PINNED 16
#define CLOSED 32
#define ONE 64               /* counts up to 3 */

byte word = LIVE;            /* `shared` */
bool owned = 1; byte loc = 1;
bool self, target = 1;       /* the object's slot refers to it; the weak reference refers to it */
bool brac[2], guard1;
bool hold[2];                /* units on the stack */
byte life = 1; bool destroyed, doomed, born;

#define has(w, f) ((w & (f)) != 0)
#define mine assert(life == 1)

inline destroy() { assert(!destroyed && life == 1); target = 0; destroyed = 1 }

/* One unit less; every death here is by compare-and-swap or by a fetch_sub and the clearing of LIVE. */
inline drop(m) {
  brac[m] = 1;
  if
  :: m == 0 && owned ->
     loc = 0; owned = 0;
     do
     :: atomic { mine; w = word; to = w | MERGED; if :: w < ONE -> to = to & ~LIVE :: else fi };
        atomic { mine; if :: word == w -> word = to; doomed = doomed || w < ONE; died = (w < ONE && !has(w, PINNED)); break :: else fi }
     od
  :: else ->
     do
     :: atomic { mine; w = word; assert(has(w, LIVE)) };
        if
        :: has(w, MERGED) && w >= ONE && w < 2 * ONE ->
           atomic { mine; if :: word == w -> word = (w - ONE) & ~LIVE; doomed = 1; died = !has(w, PINNED); break :: else fi }
        :: has(w, MERGED) && w >= 2 * ONE ->
           d_step { mine; w = word; assert(w >= ONE); word = w - ONE; doomed = doomed || w < 2 * ONE };
           if
           :: w < 2 * ONE -> d_step { mine; w = word; word = w & ~LIVE; died = !has(w, PINNED) }
           :: else
           fi;
           break
        :: !has(w, MERGED) && w >= ONE -> atomic { mine; if :: word == w -> word = w - ONE; break :: else fi }
        :: !has(w, MERGED) && w < ONE -> kept = 1; break
        :: has(w, MERGED) && w < ONE -> assert(false)
        fi
     od
  fi;
  w = 0; to = 0;
  brac[m] = 0;
  if :: died -> died = 0; destroy() :: else fi
}
inline let_go(m) { drop(m); if :: kept -> kept = 0; has(word, MERGED); drop(m) :: else fi }  /* settled by the collector */

proctype Owner() {
  byte w, to; bool died, kept;
  if
  :: hold[0] = 0; let_go(0)
  :: atomic { self = 1; hold[0] = 0 }
  fi
}

proctype Upgrader() {
  byte n = 0, w, to; bool t, died, kept, dead, closed;
  do
  :: n < UPS -> n++;
     if :: guard1 = 1 :: true fi;
again:
#ifdef BUG_READOUT
     t = target; brac[1] = 1;
#else
     brac[1] = 1; t = target;
#endif
     if
     :: !t -> dead = 1
     :: else ->
        do
        :: w = word;
           if
           :: !has(w, LIVE) -> dead = 1; break
#ifndef BUG_FROMZERO
           :: has(w, LIVE) && has(w, MERGED) && w < ONE -> dead = 1; break
#endif
           :: has(w, LIVE) && has(w, CLOSED) -> closed = 1; break
           :: else ->
              to = w + ONE;
#if !defined(BUG_NOTOUCH) && !defined(BUG_TOUCHLATE)
              if :: has(w, WATCHED) -> to = to | TOUCHED :: else fi;
#endif
              atomic { if :: word == w -> word = to; assert(life == 1 && !destroyed && !doomed); hold[1] = 1; break :: else fi }
           fi
        od
     fi;
     brac[1] = 0;
#ifdef BUG_TOUCHLATE
     if :: hold[1] && has(w, WATCHED) -> word = word | TOUCHED :: else fi;
#endif
     w = 0; to = 0; t = 0;
     if
     :: hold[1] ->
        assert(!destroyed && !doomed);
        if :: true :: atomic { self -> self = 0 }; let_go(1) fi;
        assert(!destroyed && !doomed);
        hold[1] = 0; let_go(1)
     :: dead -> assert(doomed); dead = 0
     :: closed -> closed = 0;
#ifdef BUG_CLOSEDNULL
        assert(doomed)
#else
        (!target || !has(word, CLOSED) || !has(word, LIVE)); goto again
#endif
     fi;
     guard1 = 0
  :: else -> break
  od
}

proctype Reuse() {             /* the block is handed out again */
end: destroyed;
#ifndef BUG_NOWAIT
  brac[0] == 0; brac[1] == 0;
#endif
  life = 2;
  if :: word = LIVE | MERGED | ONE; born = 1 :: word = LIVE fi
}

proctype Collector() {
  byte w, c; bool e, v, stranger;
  d_step { w = word; word = w | PINNED; stranger = (life == 2) };
  if
  :: has(w, LIVE) && !stranger ->
     d_step { mine; word = (word | WATCHED) & ~TOUCHED };
     owned = 0;
     brac[0] == 0; brac[1] == 0;
     c = loc;
     d_step { mine; w = word; if :: !has(w, MERGED) -> word = (w | MERGED) + c * ONE; assert(word >= ONE) :: else fi; skip };
     c = word / ONE;
     e = self;
     brac[0] == 0; brac[1] == 0;
     w = word;
     v = (has(w, LIVE) && !has(w, TOUCHED) && c > 0 && c == e);
     if
     :: v ->
#ifdef BUG_CLEARFIRST
        target = 0;
#endif
#if defined(BUG_NOCLOSE)
        w = word;
#elif defined(BUG_CLOSELOAD)
        w = word; word = word | CLOSED;
#else
        d_step { w = word; word = w | CLOSED };
#endif
#ifdef BUG_CLOSEDWAIT
        guard1 == 0;
#endif
        v = !has(w, TOUCHED)
     :: else
     fi;
     if
     :: v -> doomed = 1; assert(!hold[0] && !hold[1]);
        target = 0; self = 0; d_step { mine; word = word & ~LIVE }; destroy()
     :: else ->
#ifdef BUG_STAYSCLOSED
        d_step { mine; w = word; word = w & ~(WATCHED | TOUCHED | PINNED) };
#else
        d_step { mine; w = word; word = w & ~(WATCHED | TOUCHED | PINNED | CLOSED) };
#endif
        if :: !has(w, LIVE) -> destroy() :: else fi
     fi
  :: else
  fi;
  w = 0; c = 0; e = 0; v = 0
}

proctype Watch() { timeout; assert(life == 1 || (word & ~(PINNED)) == (born -> LIVE | MERGED | ONE : LIVE)) }

init { atomic {
  if :: true :: owned = 0; loc = 0; word = LIVE | MERGED | ONE fi;
  hold[0] = 1;
  run Owner(); run Upgrader(); run Reuse(); run Collector(); run Watch() } }
