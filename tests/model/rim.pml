/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * Where the search of a collection of the oldest generation stops, which marks it discharges, and what it leaves
 * (lib/cycle/suspects.c, grow_older in collect.c, roots.c; "Why the search may stop early" in docs/design/cycle.md).
 * It begins with any graph of N objects with two slots each (one from the third on, without TWO), held from outside or not, with any marks that keep the invariant:
 * each garbage object is reached from a garbage object with a mark, the candidate byte or the bit that says it was left,
 * and the page has the mark of each. Then one collection, with or without a bound: roots, what is explained, what
 * undecided roots reach (as far as the bound goes), who is held, proof, end. Beside it a thread does OPS operations.
 * Afterwards the invariant must hold again, so it holds after any number of collections; nothing alive was freed; and a
 * collection without a bound, if nothing changed meanwhile and it found nothing, has left no garbage.
 * The proof is exact and one step here: cycle.pml and epochs.pml are about that.
 *
 * Plants: BUG_RIM       undecided roots are not traced further, and their marks discharged all the same
 *         BUG_NOLEFT    a bounded collection discharges what it could not decide
 *         BUG_LEFTPAGE  the bit is set, but not the page's mark for it
 *         BUG_NOTTAKEN  a collection without a bound does not take what was left
 *         BUG_CLEARED   a bounded collection clears the page's mark for what was left, too
 *         BUG_ENDMARK   what loses a unit when garbage is destroyed does not become a candidate
 *         BUG_GIVE      with OPS: a unit given to a slot makes no candidate
 * Not decided by OPS=1: whether what the proof acquits must keep its mark (BUG_AGAIN).
 */
#ifndef OPS
#define OPS 0
#endif
#ifndef N
#define N 3
#endif
#ifndef EFFORT
#define EFFORT 1
#endif
#define LAST (N - 1)
#define NIL N
#define S(i, k) slot[2 * (i) + (k)]

byte slot[2 * N], cnt[N], out[N];      /* units in slots and outside; the latter */
bool cand[N], left[N], freed[N];
bool dirty, dirty_left;                /* marks of the one page */
bool bounded, over;

hidden byte ia, ib, ic;                /* of the steps that are one */
hidden byte seen[N];

/* Which objects are reached from those in `seen`. */
inline closure() {
  for (ia : 0 .. LAST) { for (ib : 0 .. LAST) { if :: seen[ib] ->
    if :: S(ib, 0) != NIL -> seen[S(ib, 0)] = 1 :: else fi;
    if :: S(ib, 1) != NIL -> seen[S(ib, 1)] = 1 :: else fi
    :: else fi } }
}

#define MARK(x) cand[x] = 1; dirty = 1

/* Dead objects give up their units, which may be somebody's last. */
inline settle() {
  for (ic : 0 .. LAST) { for (ia : 0 .. LAST) {
    if :: cnt[ia] == 0 && !freed[ia] -> freed[ia] = 1; cand[ia] = 0; left[ia] = 0;
          for (ib : 0 .. 1) {
            if :: S(ia, ib) != NIL -> cnt[S(ia, ib)]--; if :: cnt[S(ia, ib)] > 0 -> MARK(S(ia, ib)) :: else fi; S(ia, ib) = NIL :: else fi }
       :: else fi } }
}

/* Garbage that no marked garbage reaches? And the page's marks. */
inline check_invariant() {
  for (ia : 0 .. LAST) { seen[ia] = out[ia] > 0 };
  closure();
  for (ia : 0 .. LAST) { live[ia] = seen[ia]; assert(!(freed[ia] && seen[ia])) };
  for (ia : 0 .. LAST) { seen[ia] = (!live[ia] && !freed[ia] && ((cand[ia] && dirty) || (left[ia] && dirty_left))) };
  closure();
  for (ia : 0 .. LAST) { ok = ok && (live[ia] || freed[ia] || seen[ia]); none = none && (live[ia] || freed[ia]) }
}

#if OPS > 0
inline drop(x) { cnt[x]--; if :: cnt[x] > 0 -> MARK(x) :: else -> settle() fi }

proctype Thread() {
  byte n = 0, x, y, z;
  do
  :: n < OPS -> n++;
     if :: x = 0 :: x = 1 :: x = LAST fi;
     if :: y = 0 :: y = 1 :: y = LAST fi;
     if
     :: d_step { out[x] > 0 -> out[x]--; drop(x) }                                                     /* release */
     :: d_step { out[x] > 0 && S(x, 0) != NIL -> z = S(x, 0); cnt[z]++; out[z]++ }                      /* load */
     :: d_step { out[x] > 0 && S(x, 0) != NIL -> z = S(x, 0); S(x, 0) = NIL; drop(z) }                  /* clear */
     :: d_step { out[x] > 0 && out[y] > 0 && S(x, 0) == NIL -> S(x, 0) = y; cnt[y]++ }                  /* store */
     :: d_step { out[x] > 0 && out[y] > 0 && S(x, 1) == NIL -> out[y]--; S(x, 1) = y;                   /* give */
#ifndef BUG_GIVE
          MARK(y)
#endif
        }
     :: true
     fi;
     x = 0; y = 0; z = 0
  :: else -> break
  od;
  over = 1
}
#else
#define Thread() Nothing()
proctype Nothing() { over = 1 }
#endif

bool root[N], in[N], traced[N], list[N], held[N];
byte c[N], e[N], ed[2 * N];
byte effort; bool undecided, found;

/* A suspect's slots, with what is new there; explained: all its units are seen. */
inline look_into(x) {
  traced[x] = 1;
  for (ib : 0 .. 1) {
    ia = (freed[x] -> NIL : S(x, ib));
    ed[2 * (x) + ib] = ia;
    if
    :: ia != NIL ->
       if :: !in[ia] -> in[ia] = 1; c[ia] = cnt[ia] :: else fi;
       e[ia]++;
       if :: e[ia] == c[ia] && !root[ia] -> list[ia] = 1 :: else fi
    :: else
    fi }
}

/* Takes the first of the list, which is not empty. */
inline first() { i = (list[0] -> 0 : (list[1] -> 1 : (list[2] -> 2 : LAST))); list[i] = 0 }

inline each_edge() {
  if :: ed[2 * i] != NIL && !seen_on[ed[2 * i]] -> list[ed[2 * i]] = 1; seen_on[ed[2 * i]] = 1 :: else fi;
  if :: ed[2 * i + 1] != NIL && !seen_on[ed[2 * i + 1]] -> list[ed[2 * i + 1]] = 1; seen_on[ed[2 * i + 1]] = 1 :: else fi
}

proctype Collector() {
  byte i; bool ok = 1, none = 1, live[N], seen_on[N], g[N];
#if OPS == 0
  atomic {
#endif
  d_step {                                        /* roots */
    for (i : 0 .. LAST) {
      root[i] = (dirty || (dirty_left && !bounded)) && !freed[i] && (cand[i]
#ifndef BUG_NOTTAKEN
         || (left[i] && !bounded)
#endif
      );
      if :: root[i] -> in[i] = 1; cand[i] = 0; left[i] = 0 :: else fi };
    dirty = 0;
#ifndef BUG_CLEARED
    if :: !bounded -> dirty_left = 0 :: else fi;
#else
    dirty_left = 0;
#endif
    for (i : 0 .. 2 * N - 1) { ed[i] = NIL };
    i = 0 };
  i = 0;
  do
  :: i < N -> d_step { ib = 0; if :: root[i] -> c[i] = cnt[i]; look_into(i); ia = 0 :: else -> ia = 0 fi; i++ }
  :: else -> break
  od;
  do                                              /* explained */
  :: list[0] || list[1] || list[2] || list[LAST] ->
     d_step { first(); if :: !traced[i] -> look_into(i); ia = 0 :: else fi; ib = 0; i = 0 }
  :: else -> break
  od;
  i = 0;
#ifndef BUG_RIM
  d_step {                                        /* undecided roots, and what they reach */
    for (i : 0 .. LAST) { if :: root[i] && c[i] > e[i] -> list[i] = 1; seen_on[i] = 1 :: else fi };
    effort = (bounded -> effort : 255) };
  do
  :: list[0] || list[1] || list[2] || list[LAST] ->
     d_step {
       first();
       if
       :: !traced[i] && effort == 0 -> undecided = 1
       :: else ->
          if :: !traced[i] -> effort--; look_into(i); ia = 0 :: else fi;
          each_edge()
       fi;
       i = 0 }
  :: else -> break
  od;
  i = 0;
#endif
  d_step {                                        /* held, and what that reaches; marks of those roots */
    for (i : 0 .. LAST) { list[i] = 0; held[i] = in[i] && !(traced[i] && c[i] <= e[i] && c[i] > 0) };
    for (ia : 0 .. LAST) { for (i : 0 .. LAST) { if :: held[i] ->
      if :: ed[2 * i] != NIL -> held[ed[2 * i]] = 1 :: else fi;
      if :: ed[2 * i + 1] != NIL -> held[ed[2 * i + 1]] = 1 :: else fi
      :: else fi } };
    for (i : 0 .. LAST) {
      if
      :: held[i] && root[i] && undecided && !freed[i] ->
#ifndef BUG_NOLEFT
         left[i] = 1;
#ifndef BUG_LEFTPAGE
         dirty_left = 1
#endif
#endif
      :: else
      fi };
    i = 0 };
  d_step {                                        /* the proof, which is exact: those without units from elsewhere */
    for (i : 0 .. LAST) { g[i] = in[i] && !held[i] && !freed[i]; e[i] = 0 };
    for (i : 0 .. LAST) { if :: g[i] ->
      if :: S(i, 0) != NIL -> e[S(i, 0)]++ :: else fi;
      if :: S(i, 1) != NIL -> e[S(i, 1)]++ :: else fi
      :: else fi };
    for (i : 0 .. LAST) { g[i] = g[i] && cnt[i] == e[i] };
    for (ia : 0 .. LAST) { for (i : 0 .. LAST) { if :: in[i] && !held[i] && !freed[i] && !g[i] ->
      if :: S(i, 0) != NIL -> g[S(i, 0)] = 0 :: else fi;
      if :: S(i, 1) != NIL -> g[S(i, 1)] = 0 :: else fi
      :: else fi } };
    for (i : 0 .. LAST) {
      if
      :: in[i] && !held[i] && !freed[i] && !g[i] ->
#ifndef BUG_AGAIN
         MARK(i)
#endif
      :: else
      fi };
    i = 0 };
  d_step {                                        /* the end of the garbage: units that it held go */
    for (i : 0 .. LAST) { if :: g[i] -> assert(out[i] == 0); found = 1; freed[i] = 1; cand[i] = 0; left[i] = 0 :: else fi };
    for (i : 0 .. LAST) {
      if
      :: g[i] ->
         for (ib : 0 .. 1) {
           ia = S(i, ib); S(i, ib) = NIL;
           if
           :: ia != NIL && !g[ia] ->
              cnt[ia]--;
#ifndef BUG_ENDMARK
              if :: cnt[ia] > 0 -> MARK(ia) :: else fi
#endif
           :: else
           fi }
      :: else
      fi };
    settle();
    i = 0 };
#if OPS == 0
  d_step { check_invariant(); assert(ok && (bounded || found || none)) }
  }
#else
  over;
  d_step { check_invariant(); assert(ok) }
#endif
}

init { atomic {
  bool ok = 1, none = 1, live[N];
  byte i, t;
  for (i : 0 .. 2 * N - 1) {                      /* the order of an object's slots does not matter */
    t = 0;
    do :: t < NIL -> t++ :: break od;
    slot[i] = t;
    if :: i % 2 == 1 && slot[i] < slot[i - 1] -> goto stop :: else fi;
#ifndef TWO
    if :: i > 3 && i % 2 == 0 && t != NIL -> goto stop :: else fi;
#endif
    if :: t != NIL -> cnt[t]++ :: else fi };
  for (i : 0 .. LAST) {
    if :: out[i] = 1; cnt[i]++ :: cnt[i] > 0 fi;
    if :: true :: cand[i] = 1; dirty = 1 :: left[i] = 1; dirty_left = 1 fi };
  if :: bounded = 1; if :: effort = 0 :: effort = EFFORT fi :: true fi;
  check_invariant();
  if :: !ok -> goto stop :: else fi;
  i = 0; t = 0; none = 0;
  for (i : 0 .. LAST) { live[i] = 0 };
  i = 0;
  run Thread(); run Collector() };
stop: skip
}
