/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * Finalizers at zero (docs/design/count.md; lib/count/drop.c): one object with FINAL_DUE, its owner, a second thread,
 * and the collector, which settles the units that they keep. Each thread drops its unit or gives it to the root slot,
 * upgrades a weak reference, empties the root. On some threads finalizers may not run (`may`): there the last unit is
 * kept. The finalizer may resurrect the object: a retain, and a store to the root. It runs exactly once, when the unit
 * that runs it is the only one; the object is destroyed once, after it; an upgrade yields NULL only when it is doomed.
 *
 * Plants: BUG_TWOSTEP   the last unit goes, then another read-modify-write takes the flag and a unit again
 *         BUG_FLAG      a fetch_and takes the flag, decided by a load of the count before it
 *         BUG_FETCHSUB  a decrement by fetch_sub although FINAL_DUE shows
 *         BUG_MERGE     the owner's merge at zero does not look at FINAL_DUE
 *         BUG_KEPTMERGE the owner that may not run it merges without giving the unit that it keeps to the count
 */
#ifndef UPS
#define UPS 1
#endif

bool live = 1, merged, due = 1; byte cnt;      /* one word */
bool owned = 1; byte loc = 2;
bool brac[3], may[3], G;
byte queued, finals, fin; bool doomed, destroyed;

#define alive assert(live && !destroyed)
#define KEPT 1
#define FINAL 2
#define DIED 3

/* The merged count's last unit, or the merge at zero: everything in one step; t is true when done. */
inline last_unit(m) {
#ifdef BUG_FLAG
  if
  :: due && may[m] -> d_step { alive; r = (due -> FINAL : 0); due = 0; assert(cnt == 1); t = 1 }
  :: else ->
#endif
  d_step {
    if
    :: cnt != 1 || !merged -> t = 0
    :: cnt == 1 && merged && due && !may[m] -> r = KEPT; t = 1
#ifdef BUG_TWOSTEP
    :: cnt == 1 && merged && due && may[m] -> cnt = 0; r = FINAL; t = 1
#else
    :: cnt == 1 && merged && due && may[m] -> due = 0; r = FINAL; t = 1
#endif
    :: cnt == 1 && merged && !due -> cnt = 0; live = 0; doomed = 1; r = DIED; t = 1
    fi; skip };
#ifdef BUG_FLAG
  fi;
#endif
#ifdef BUG_TWOSTEP
  if :: r == FINAL && t -> d_step { alive; cnt++; due = 0 } :: else fi;
#endif
  skip
}
#ifdef BUG_MERGE
#define LASTDUE false
#else
#define LASTDUE due
#endif
#ifdef BUG_KEPTMERGE
#define BACK (may[m] -> 1 : 0)
#else
#define BACK 1
#endif

inline drop(m) {
  r = 0; brac[m] = 1;
  if
  :: m == 0 && owned ->
     n = loc;
     if
     :: n > 1 -> loc = n - 1
     :: else ->
        d_step { alive; t = (cnt == 0 && LASTDUE && !may[m]) };
        if
        :: t -> r = KEPT
        :: else ->
           loc = 0; owned = 0;
           d_step {
             alive; assert(!merged); merged = 1;
             if
             :: cnt > 0
             :: cnt == 0 && LASTDUE -> cnt = BACK; due = !may[m]; r = (may[m] -> FINAL : KEPT)
             :: else -> live = 0; doomed = 1; r = DIED
             fi; skip }
        fi
     fi
  :: else ->
     do
     :: atomic { alive; n = cnt; t = merged; f = due; if :: t -> assert(n > 0) :: else fi };
        if
        :: !t && n == 0 -> r = KEPT; break
        :: !t && n > 0 -> atomic { if :: !merged && cnt == n -> cnt--; break :: else fi }
        :: t && n == 1 -> last_unit(m); if :: t -> break :: else fi
#ifdef BUG_FETCHSUB
        :: t && n > 1 ->
#else
        :: t && n > 1 && f -> atomic { if :: merged && cnt == n && due -> cnt--; break :: else fi }
        :: t && n > 1 && !f ->
#endif
           atomic { alive; cnt--; n = cnt; doomed = (n == 0) };
           if :: n == 0 -> atomic { live = 0; r = DIED } :: else fi;
           break
        fi
     od
  fi;
  n = 0; t = 0; f = 0; brac[m] = 0
}

inline let_go(m) {
  do
  :: drop(m);
     if
     :: r == FINAL ->
        alive; finals++; assert(finals == 1);
        if
        :: true
        :: brac[m] = 1; atomic { alive; if :: m == 0 && owned -> loc++ :: else -> cnt++ fi }; brac[m] = 0;
           atomic { if :: G -> queued++ :: else fi; G = 1 }            /* the old unit is deferred */
        fi;
        alive
     :: r == DIED -> assert(finals == 1 && !destroyed); destroyed = 1; break
     :: r == KEPT -> atomic { queued++; break }
     :: r == 0 -> break
     fi
  od
}

proctype Thread(byte m) {
  byte n = 0, u = 0, r = 0; bool t, f;
  if
  :: let_go(m)
  :: atomic { n = G; G = 1 };                  /* gives its unit to the root, which may hold one already */
     if :: n == 1 -> n = 0; let_go(m) :: else fi
  fi;
  do
  :: u < UPS -> u++;
     brac[m] = 1;
     atomic {
       if
       :: live && !(merged && cnt == 0) -> cnt++; n = 1
       :: else -> assert(doomed); n = 0
       fi };
     brac[m] = 0;
     if :: n == 1 -> n = 0; alive; let_go(m) :: else fi
  :: else -> break
  od;
  atomic { n = G; G = 0 };
  if :: n == 1 -> let_go(m) :: else fi;
  fin++
}

proctype Collector() {
  byte n = 0, r = 0; bool t, f;
  do
  :: queued > 0 ->
     queued--; owned = 0;
     brac[0] == 0;
     atomic { alive; if :: !merged -> cnt = cnt + loc; merged = 1; assert(cnt > 0) :: else fi };
     let_go(2)
  :: fin == 2 && queued == 0 ->
     atomic { n = G; G = 0 };
     if :: n == 1 -> queued++ :: else -> break fi
  od;
  assert(destroyed && finals == 1)
}

init { atomic {
  if :: may[0] = 1 :: true fi; if :: may[1] = 1 :: true fi; may[2] = 1;
  run Thread(0); run Thread(1); run Collector() } }
