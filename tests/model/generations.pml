/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * Which candidates' marks a collection may discharge (docs/design/cycle.md, step 1). Three objects with a slot each and
 * any ages, one thread that links, gives, loads, empties and releases, and collections of generations 0 to 2, some of
 * them aborted. The proof that nothing alive is freed is in cycle.pml and epochs.pml: here a collection takes the marks
 * in one step and judges exactly in another, and the question is whether garbage is found in the end: when the thread
 * has released everything, one collection of generation 2 must free all.
 *
 * PARTS: collections of generation 2 take some of the candidates, and discharge those all the same.
 *
 * Plants: BUG_DISCHARGE a young survivor's mark is discharged: its unit may come from an older object that is garbage
 *         BUG_MIDDLE    the same in generation 1 only
 *         BUG_ABORT     an aborted collection does not give the marks back
 *         BUG_OLDER     the marks of older objects are taken, and not given back
 *         BUG_REST      with PARTS: the candidates of the other parts lose their marks
 *         BUG_GIVE      a unit that is given to a slot does not make a candidate
 */
#ifndef OPS
#define OPS 4
#endif
#ifndef COLLECTIONS
#define COLLECTIONS 2
#endif
#define N 3
#define NIL 3

byte cnt[N], age[N], slot[N]; bool mark[N], held[N], freed[N];
bool done;

/* Drops one unit of x and what dies of it, a chain since each has one slot. */
inline drop(x) {
  k = x;
  do
  :: k != NIL ->
     assert(!freed[k] && cnt[k] > 0);
     cnt[k]--;
     if
     :: cnt[k] == 0 -> freed[k] = 1; mark[k] = 0; l = slot[k]; slot[k] = NIL; k = l
     :: else -> mark[k] = 1; k = NIL
     fi
  :: else -> break
  od;
  k = 0; l = 0
}

proctype Thread() {
  byte n = 0, x, y, k, l;
  do
  :: n < OPS -> n++;
     atomic {
       x = 0; y = 0;
       if :: x = 0 :: x = 1 :: x = 2 fi;
       if :: y = 0 :: y = 1 :: y = 2 fi;
       if
       :: held[x] && held[y] && slot[x] == NIL -> cnt[y]++; slot[x] = y                      /* store */
       :: held[x] && held[y] && slot[x] == NIL -> slot[x] = y; held[y] = 0;                  /* give */
#ifndef BUG_GIVE
          mark[y] = 1
#endif
       :: held[x] && slot[x] == y && !held[y] -> cnt[y]++; held[y] = 1                       /* load */
       :: held[x] && slot[x] == y -> slot[x] = NIL; drop(y)                               /* clear */
       :: held[x] && x == y -> held[x] = 0; drop(x)                                       /* release */
       :: else
       fi;
       x = 0; y = 0 }
  :: else -> break
  od;
  atomic {
    for (x : 0 .. N - 1) { if :: held[x] -> held[x] = 0; drop(x) :: else fi };
    done = 1 }
}

inline take(g) {
  atomic {
    for (i : 0 .. N - 1) {
#ifdef BUG_OLDER
      if :: mark[i] -> root[i] = (age[i] <= g); mark[i] = 0
#else
      if :: mark[i] && age[i] <= g -> root[i] = 1; mark[i] = 0
#endif
#ifdef PARTS
         :: mark[i] && g == 2 && !done ->
#ifdef BUG_REST
            mark[i] = 0
#else
            skip
#endif
#endif
         :: else fi };
    i = 0 }
}

inline give_back() {
  atomic {
#ifndef BUG_ABORT
    for (i : 0 .. N - 1) { if :: root[i] && !freed[i] -> mark[i] = 1 :: else fi };
#endif
    for (i : 0 .. N - 1) { root[i] = 0 };
    i = 0 }
}

#ifdef BUG_DISCHARGE
#define KEEPS(g) false
#elif defined(BUG_MIDDLE)
#define KEEPS(g) (g == 0)
#else
#define KEEPS(g) (g < 2)
#endif

/* What roots reach within the generation; what of it is held from elsewhere, and what that reaches; the rest goes. */
inline judge(g) {
  atomic {
    for (i : 0 .. N - 1) { in[i] = root[i] && !freed[i]; e[i] = 0 };
    for (r : 1 .. N) { for (i : 0 .. N - 1) { if :: in[i] && slot[i] != NIL -> if :: age[slot[i]] <= g -> in[slot[i]] = 1 :: else fi :: else fi } };
    for (i : 0 .. N - 1) { if :: in[i] && slot[i] != NIL -> e[slot[i]]++ :: else fi };
    for (i : 0 .. N - 1) { dead[i] = in[i] && cnt[i] == e[i] };
    for (r : 1 .. N) { for (i : 0 .. N - 1) { if :: in[i] && !dead[i] && slot[i] != NIL -> dead[slot[i]] = 0 :: else fi } };
    for (i : 0 .. N - 1) {
      if :: in[i] && !dead[i] ->
            if :: KEEPS(g) && root[i] -> mark[i] = 1 :: else fi;
            if :: age[i] < 2 -> age[i] = age[i] + 1 :: else fi
         :: else fi };
    for (i : 0 .. N - 1) { if :: dead[i] -> assert(!held[i]); freed[i] = 1; mark[i] = 0 :: else fi };
    for (i : 0 .. N - 1) {
      if :: dead[i] ->
            r = slot[i]; slot[i] = NIL;
            if :: r != NIL -> if :: !dead[r] -> drop(r) :: else fi :: else fi
         :: else fi };
    for (i : 0 .. N - 1) { root[i] = 0; in[i] = 0; dead[i] = 0; e[i] = 0 };
    i = 0; r = 0 }
}

proctype Collector() {
  byte n = 0, i, r, k, l, e[N]; bool root[N], in[N], dead[N];
  do
  :: n < COLLECTIONS -> n++;
     if
     :: take(0); if :: judge(0) :: give_back() fi
     :: take(1); if :: judge(1) :: give_back() fi
     :: take(2); if :: judge(2) :: give_back() fi
     fi
  :: break
  od;
  n = 0;
  done;
  take(2); judge(2);
  assert(freed[0] && freed[1] && freed[2])
}

init { atomic {
  byte i;
  for (i : 0 .. N - 1) { cnt[i] = 1; held[i] = 1; slot[i] = NIL };
  i = 0;
  if :: age[1] = 1 :: age[1] = 2 fi;                       /* 0 is young, 1 is older, 2 is of any age */
  if :: age[2] = 0 :: age[2] = 1 :: age[2] = 2 fi;
  run Thread(); run Collector() } }
