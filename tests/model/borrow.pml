/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * The verdict without a wait for guards (docs/design/cycle.md; lib/cycle/verdict.c): a reader with long guards that borrows
 * along slots, retains what it borrows at any time, gives it into slots, and goes on while the collector counts, traces,
 * judges and destroys; a second thread that holds, borrows, clears, gives and drops; deferred decrements that are applied
 * after the guards that were open. All objects are merged, since the reader's borrows are what matters here. Whoever uses
 * an object, borrowed or held, finds it alive; what is judged has no unit from outside.
 *
 * Plants: BUG_EAGER      deferred decrements do not wait for guards
 *         BUG_NOTOUCH    the verdict ignores TOUCHED
 *         BUG_SLOTSFIRST slots are read before counts
 *         BUG_REREAD     what a dropped object reaches is read again, instead of the edges recorded at tracing
 *         BUG_RULE       the reader gives away or drops the unit under which it borrows, which wane/guard.h forbids
 * GUARDS: the verdict waits for guards as well, which must hold too. TAIL, HELD: other graphs to begin with.
 */
#ifndef OPS
#define OPS 1
#endif
#ifndef ACTS
#define ACTS 2
#endif
#ifndef OPS1
#define OPS1 1
#endif
#define NIL 3

byte cnt[3], slot[3], G = NIL;
byte pend[3];                    /* decrements that wait for guards */
bool dead[3], watch, touched[3];
bool guard[2], brk[2];
byte h[2] = NIL, b = NIL;        /* held by each thread; borrowed by the reader */
bool ok[3]; byte ed[3];

#define alive(x) assert(!dead[x])

inline inc(m, x) {
  brk[m] = 1;
  atomic { alive(x); cnt[x]++; w = watch };
  if :: w -> touched[x] = 1 :: else fi;
  w = 0; brk[m] = 0
}

/* The last unit's death empties the slot, whose unit goes at once, and so on. */
inline dec(x) {
  atomic {
    k = x;
    do
    :: k != NIL ->
       alive(k); assert(cnt[k] > 0); cnt[k]--;
       if :: cnt[k] == 0 -> dead[k] = 1; z = slot[k]; slot[k] = NIL; k = z :: else -> k = NIL fi
    :: else -> break
    od;
    z = 0; k = 0 }
}

inline replace(place, x) {       /* what the slot held is deferred */
  atomic { z = place; place = x; if :: z != NIL -> pend[z]++ :: else fi; z = 0 }
}

#ifdef BUG_RULE
#define FREE (h[0] != NIL)
#else
#define FREE (h[0] != NIL && !under)
#endif

proctype Reader() {
  byte n = 0, a, z = 0, k = 0, x = NIL; bool w, under;
  do
  :: n < OPS -> n++; guard[0] = 1;
     if
     :: b = G
     :: h[0] != NIL -> atomic { alive(h[0]); b = slot[h[0]]; under = 1 }
     fi;
     a = 0;
     do
     :: a == ACTS -> break
     :: a < ACTS -> a++;
     if
     :: b != NIL -> atomic { alive(b); b = slot[b] }
     :: b != NIL && h[0] == NIL -> inc(0, b); h[0] = b
     :: b != NIL && FREE -> atomic { alive(b); x = h[0]; h[0] = NIL }; replace(slot[b], x); x = NIL
     :: b != NIL -> atomic { alive(b); x = b }; replace(slot[x], NIL); x = NIL
#ifdef BUG_RULE
     :: FREE -> x = h[0]; h[0] = NIL; dec(x); x = NIL
#endif
     :: break
     fi
     od;
     atomic { if :: b != NIL -> alive(b) :: else fi; b = NIL; under = 0; guard[0] = 0 };
     if :: h[0] != NIL -> x = h[0]; h[0] = NIL; dec(x); x = NIL :: true fi
  :: else -> break
  od
}

proctype Other() {
  byte n = 0, z = 0, k = 0, x = NIL; bool w;
  do
  :: n < OPS1 -> n++;
     if
     :: h[1] == NIL -> guard[1] = 1; x = G;
        if :: x != NIL -> inc(1, x); h[1] = x :: else fi;
        x = NIL; guard[1] = 0
     :: h[1] != NIL -> guard[1] = 1; x = slot[h[1]];          /* holds the child instead */
        if :: x != NIL -> inc(1, x); guard[1] = 0; atomic { z = h[1]; h[1] = x; x = z; z = 0 }; dec(x)
           :: else -> guard[1] = 0 fi;
        x = NIL
     :: h[1] != NIL -> x = h[1]; h[1] = NIL; dec(x); x = NIL
     :: h[1] != NIL -> x = h[1]; h[1] = NIL; replace(G, x); x = NIL
     :: h[1] != NIL -> replace(slot[h[1]], NIL)
     :: h[1] != NIL -> guard[1] = 1; x = slot[h[1]];          /* gives it to the child's slot */
        if :: x != NIL -> atomic { alive(x); z = h[1]; h[1] = NIL; k = slot[x]; slot[x] = z;
                                   if :: k != NIL -> pend[k]++ :: else fi; z = 0; k = 0 }
           :: else fi;
        x = NIL; guard[1] = 0
     :: replace(G, NIL)
     fi
  :: else -> break
  od
}

proctype Epoch() {
  byte i = 0, z = 0, k = 0, r = 0; byte snap[3];
  do
  :: r < 1 -> r++;
     atomic { snap[0] = pend[0]; snap[1] = pend[1]; snap[2] = pend[2] };
#ifndef BUG_EAGER
     !guard[0]; !guard[1];
#endif
     for (i : 0 .. 2) { do :: snap[i] > 0 -> atomic { snap[i]--; pend[i]-- }; dec(i) :: else -> break od }
  :: break
  od
}

inline trace_slots() {
  for (i : 0 .. 2) { atomic { ed[i] = NIL; if :: in[i] -> ed[i] = slot[i]; if :: ed[i] != NIL -> e[ed[i]]++ :: else fi :: else fi } }
}

proctype Collector() {
  byte i = 0, q = 0, z = 0, k = 0; byte c[3], e[3]; bool in[3];
  atomic { watch = 1; for (i : 0 .. 2) { in[i] = !dead[i] } };
  !brk[0]; !brk[1];
#ifdef BUG_SLOTSFIRST
  trace_slots();
#endif
  for (i : 0 .. 2) { c[i] = cnt[i] };
#ifndef BUG_SLOTSFIRST
  trace_slots();
#endif
  !brk[0]; !brk[1];
#ifdef GUARDS
  !guard[0]; !guard[1];
#endif
  for (i : 0 .. 2) { ok[i] = (in[i] && !dead[i] && c[i] == e[i] && c[i] > 0
#ifndef BUG_NOTOUCH
     && !touched[i]
#endif
     ) };
  atomic {
    for (q : 0 .. 2) { for (i : 0 .. 2) {
#ifdef BUG_REREAD
      if :: in[i] && !ok[i] && slot[i] != NIL -> ok[slot[i]] = 0 :: else fi
#else
      if :: in[i] && !ok[i] && ed[i] != NIL -> ok[ed[i]] = 0 :: else fi
#endif
    } } };
  atomic {
    for (i : 0 .. 2) {
      if
      :: ok[i] -> assert(!dead[i] && h[0] != i && h[1] != i && G != i && pend[i] == 0 && b != i);
         for (q : 0 .. 2) { assert(dead[q] || ok[q] || slot[q] != i) };
         dead[i] = 1
      :: else
      fi } };
  /* Emptied: edges within just go, others are released at once. */
  for (i : 0 .. 2) {
    if :: ok[i] && slot[i] != NIL -> atomic { q = slot[i]; slot[i] = NIL };
          if :: !ok[q] -> dec(q) :: else fi
       :: else fi }
}

init { byte ii; atomic {
  slot[0] = 1;
#ifdef TAIL
  slot[1] = 2; slot[2] = 0; G = 0;           /* a ring of three in the root */
#else
  slot[1] = 0; slot[2] = 0; G = 2;           /* a ring of two, and one in the root that leads to it */
#endif
#ifdef HELD
  h[0] = 0;
#endif
  h[1] = 0;
  for (ii : 0 .. 2) { if :: slot[ii] != NIL -> cnt[slot[ii]]++ :: else fi };
  cnt[G]++;
  if :: h[0] != NIL -> cnt[h[0]]++ :: else fi;
  if :: h[1] != NIL -> cnt[h[1]]++ :: else fi;
  if :: cnt[0] == 0 -> dead[0] = 1; slot[0] = NIL; cnt[1]-- :: else fi;
  if :: cnt[2] == 0 -> dead[2] = 1; if :: slot[2] != NIL -> cnt[slot[2]]--; slot[2] = NIL :: else fi :: else fi;
  run Reader(); run Other(); run Collector(); run Epoch() } }
