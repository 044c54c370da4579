/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * Units for which no queue has room (lib/count/park.c). The object has a unit in a slot, and two on stacks. Thread 0, which
 * owns it or not, empties the slot and then gives up its stack unit; thread 1 gives up the other. Nobody has room in
 * a queue: each unit is parked in the flag, or dropped where the flag is seen set. A reader borrows from the slot in a
 * guard, and may take a unit under it. The sweeper takes a parked unit out, waits for a grace period (each guard and
 * bracket that was open is seen clear once) and drops it. Nobody but the sweeper, and the reader, finds the object dead, who
 * borrows does not see it die, and all units are gone in the end.
 *
 * Plants: BUG_NOBRACKET  the flag is looked at, and the unit dropped, in no bracket
 *         BUG_EARLY      the flag is looked at before the bracket
 *         BUG_NOGRACE    what is taken out is dropped at once
 *         BUG_NOGUARD    ... after a wait for brackets only
 *         BUG_LATEMARK   the sweeper takes the page's mark after it has looked at the flag
 */
#ifndef OWNED
#define OWNED 0
#endif

bool flag, marked;           /* PARKED; the page's mark */
byte loc = OWNED;            /* the owner's count: thread 0's stack unit, if it owns the object */
bool owned = OWNED, merged = !OWNED;
byte count = 3 - OWNED;
bool slot = 1, dead;
bool brac[2], guard, rbrac;  /* the reader's bracket is that of its retain */
byte ended;

inline die_if_last() { if :: merged && count == 0 -> dead = 1 :: else fi }

/* owner = 0; the owner's bracket is seen clear, unless this is the owner; the merge. */
inline revoke(own) {
  owned = 0;
  own || brac[0] == 0;
  d_step { if :: !merged -> merged = 1; count = count + loc; loc = 0 :: else fi }
}

/* In thread m's bracket: the unit goes, and is not the last. */
inline drop_parked(m) {
  if
  :: m == 0 && owned ->      /* the owner's last local unit: the merge, with units in the shared count */
     owned = 0;
     d_step { assert(loc == 1 && !dead && count > 0); loc = 0; merged = 1 }
  :: else ->
     if
     :: atomic { !merged && count == 0 -> kept = 1 } /* nothing to subtract from: it is revoked, below */
     :: d_step { merged || count > 0 -> assert(!dead && count > 0); count--; assert(!merged || count > 0) }
     fi
  fi
}

inline park(m) {
  do
  :: kept = 0;
#ifdef BUG_EARLY
     was = flag; flag = 1;
#endif
#ifndef BUG_NOBRACKET
     brac[m] = 1;
#endif
#ifndef BUG_EARLY
     d_step { assert(!dead); was = flag; flag = 1 }
#endif
     if
     :: !was -> marked = 1
     :: else -> drop_parked(m)
     fi;
     brac[m] = 0;
     if
     :: !kept -> break
     :: else -> revoke(m == 0)
     fi
  od;
  was = 0; kept = 0
}

proctype Thread(bit m) {
  bool was, kept;
  if
  :: m == 0 -> slot = 0; park(m)   /* the slot's unit */
  :: else
  fi;
  park(m);                   /* the stack's */
  d_step { ended++ }
}

proctype Reader() {
  bool p;
  guard = 1;
  p = slot;
  if
  :: p ->
     assert(!dead);
     if
     :: atomic { assert(!dead); count++ };
        guard = 0;
        revoke(0);
        d_step { assert(!dead && count > 0); count--; die_if_last() }
     :: assert(!dead); guard = 0
     fi
  :: else -> guard = 0
  fi;
  d_step { ended++ }
}

proctype Sweeper() {
  bool got;
  do
  :: ended == 3 && !flag && !marked -> break
  :: marked ->
#ifdef BUG_LATEMARK
     d_step { got = flag; flag = 0 };
     marked = 0;
#else
     marked = 0;
     d_step { got = flag; flag = 0 };
#endif
     if
     :: got ->
#ifndef BUG_NOGRACE
        brac[0] == 0; brac[1] == 0;
#ifndef BUG_NOGUARD
        guard == 0;
#endif
#endif
        revoke(0);
        d_step { assert(!dead && count > 0); count--; die_if_last() };
        got = 0
     :: else
     fi
  od;
  assert(dead && count == 0)
}

init { atomic { run Thread(0); run Thread(1); run Reader(); run Sweeper() } }
