/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * fork() at any point of a batch of revocations and of a collection (docs/design/cycle.md): thread A forks, and in the
 * child only A goes on; B, which releases a unit and settles it if it was kept, and the collector C stop where they are.
 * Only the span from arming to merging holds the lock that the fork takes. The child completes the batches, undoes the
 * collection from its side table, finishes what was decided, then releases, upgrades, and collects by the marks.
 * With HELD, A and B hold a unit each; without, the object is a garbage cycle with a weak reference.
 * Freed once; or not at all, when a unit or a death was in the hands of a vanished thread and recorded nowhere. No
 * batch of the child's waits for somebody who is gone: it leaves what others began to revoke, as the library's do.
 *
 * C's entry for the object: 0 none, 1 about to pin, 2 pinned, 3 decided. It changes before what it announces, so that a
 * fork in between loses no more than what is in hand.
 *
 * Plants: BUG_NOMERGE   the child does not merge what has no owner and is not MERGED
 *         BUG_NOBATCH   the child does not take over the batch
 *         BUG_BATCHLATE batch and queue both show the unit for a moment, and the child counts both
 *         BUG_NOUNPIN   the child leaves PINNED: deaths are left to a collection that is no more
 *         BUG_PINFIRST  the entry is made after the pin
 *         BUG_GONEFIRST the entry goes before the un-pinning
 *         BUG_UNPINALL  the child takes each entry that is not LIVE for a death left to the collector
 *         BUG_NOMARKS   the child does not give marks back
 *         BUG_NOOPEN    the child leaves CLOSED: its upgrades wait for ever
 *         BUG_UNDECIDED the child undoes what was decided: weak references were cleared already
 * NOLOCK holds: the fork need not wait for the span from arming to merging, if the child merges what the table holds.
 */
#define NOBODY 0
#define A 1
#define B 2

bool live = 1, merged, pinned, closed, watched; byte cnt;
byte owner, loc;
bool self, target, cand = 1;
bool brac[3], lock, forked;
byte frees;
bool unitA, unitB;            /* on their stacks; B's until the queue, the batch or the count shows that it is not */
bool queueB, batchB;          /* holds a unit */
byte entry; bool marked;      /* C's side table; marked: the candidate's mark was taken */
bool handC;                   /* C has un-pinned or decided, and is about to destroy */

inline free_object() { assert(frees == 0); frees = 1; target = 0; self = 0 }

/* One unit less, as in lib/count/drop.c; r: 0 dropped, 1 kept, 3 died. */
inline drop(m) {
  brac[m] = 1; r = 0;
  if
  :: owner == m ->
     n = loc; assert(n > 0 && frees == 0);
     if
     :: n > 1 -> atomic { loc = n - 1; if :: m == B -> unitB = 0 :: else fi }
     :: else ->
        loc = 0; owner = NOBODY;
        atomic { assert(!merged); merged = 1; if :: cnt == 0 -> live = 0; r = (pinned -> 0 : 3) :: else fi; if :: m == B -> unitB = (r == 3) :: else fi }
     fi
  :: else ->
     do
     :: atomic { assert(frees == 0 && live); n = cnt; w = merged };
        if
        :: !w && n == 0 -> r = 1; break
        :: w && n == 0 -> assert(false)
        :: else ->
           atomic {
             if
             :: merged == w && cnt == n ->
                cnt = n - 1;
                if :: w && n == 1 -> live = 0; r = (pinned -> 0 : 3) :: else fi;
                if :: m == B -> unitB = (r == 3) :: else fi;
                break
             :: else
             fi }
        fi
     od
  fi;
  atomic { brac[m] = 0; n = 0; w = 0 }
}

proctype ThreadB() {
  byte n, r; bool w, others;
  {
  drop(B);
  if
  :: r == 1 ->
     atomic { queueB = 1; unitB = 0 };
#ifdef BUG_BATCHLATE
     batchB = 1;
#else
     atomic { batchB = 1; queueB = 0 };             /* which of both has it is told by one store */
#endif
     queueB = 0;
     atomic { others = (owner == NOBODY && !merged); if :: owner != NOBODY -> owner = NOBODY :: else fi };
     brac[A] == 0; !lock;                           /* waits for everybody: also for others' revocations */
     atomic { if :: !merged -> cnt = cnt + loc; merged = 1 :: else fi };
     atomic { batchB = 0; unitB = 1 };
     drop(B);
     if :: r == 3 -> atomic { free_object(); unitB = 0 } :: else fi
  :: r == 3 -> atomic { free_object(); unitB = 0 }
  :: r == 0
  fi
  } unless { forked }
}

proctype Collector() {
  bool ok;
  {
#ifdef BUG_PINFIRST
  atomic { ok = live; pinned = 1 };
  if :: ok -> entry = 2 :: else fi;
#else
  entry = 1;
  atomic { ok = live; pinned = 1 };
  if :: ok -> entry = 2 :: else -> entry = 0 fi;
#endif
  if
  :: ok ->
     if :: cand -> marked = 1; cand = 0 :: else fi;
#ifndef NOLOCK
     atomic { !lock -> lock = 1 };
#endif
     watched = 1;
     owner = NOBODY;
     brac[A] == 0; brac[B] == 0;
     atomic { assert(frees == 0); if :: !merged -> cnt = cnt + loc; merged = 1 :: else fi };
     lock = 0;
     if
     :: cnt == 1 && self ->
        closed = 1;                                 /* nobody touches it before the fork */
        entry = 3;                                  /* decided */
        target = 0;
        self = 0;
        live = 0;
        atomic { handC = 1; entry = 0 };
        atomic { free_object(); handC = 0 }
     :: else ->
        if :: marked -> cand = 1; marked = 0 :: else fi;
#ifdef BUG_GONEFIRST
        entry = 0;
#endif
        atomic { watched = 0; pinned = 0; ok = live; handC = !ok };
        entry = 0;
        if :: !ok -> atomic { free_object(); handC = 0 } :: else fi
     fi
  :: else
  fi
  } unless { forked }
}

inline undo() {
  if :: entry == 3 ->
#ifndef BUG_UNDECIDED
        target = 0; self = 0; live = 0; free_object(); entry = 0
#else
        entry = 2
#endif
     :: else fi;
  if
  :: entry == 1 || entry == 2 ->
#ifndef BUG_NOMARKS
     if :: marked -> cand = 1; marked = 0 :: else fi;
#endif
#ifndef BUG_NOUNPIN
#ifdef BUG_UNPINALL
     w = !live;
#else
     w = !live && pinned && entry == 2;             /* of the word that one read-modify-write returns */
#endif
     watched = 0; pinned = 0;
#ifndef BUG_NOOPEN
     closed = 0;
#endif
     if :: w -> free_object() :: else fi;
#endif
     entry = 0
  :: else
  fi
}

proctype ThreadA() {
  byte n, r, kept; bool w, lost;
  if
  :: unitA -> unitA = 0; drop(A);                   /* perhaps before the fork */
     if :: r == 1 -> kept++ :: r == 3 -> free_object() :: else fi
  :: true
  fi;
  atomic {
    !lock -> forked = 1;
    /* In hand: B's unit, C's death, a pin that may have pinned nothing, the object between two words of its own merge. */
    lost = unitB || handC || (entry == 1 && !live);
    brac[B] = 0 };
  /* the child */
  atomic {
    w = (batchB || queueB || kept > 0 || entry != 0); /* the child knows of the object */
#ifndef BUG_NOBATCH
    if :: batchB -> kept++; batchB = 0 :: else fi;
#endif
    if :: queueB -> kept++; queueB = 0 :: else fi;
#ifndef BUG_NOMERGE
    if :: w && owner == NOBODY && !merged && live -> cnt = cnt + loc; merged = 1 :: else fi;
#endif
    undo() };
  if
  :: unitA -> unitA = 0; drop(A);
     if :: r == 1 -> kept++ :: r == 3 -> free_object() :: else fi
  :: else
  fi;
  do
  :: kept > 0 ->
     atomic {
       w = (owner == NOBODY && !merged);            /* begun by others: left to them, the unit stays kept */
       if :: owner != NOBODY && owner != A -> owner = NOBODY; cnt = cnt + loc; merged = 1 :: else fi };
     if
     :: w -> break
     :: else -> kept--; drop(A); if :: r == 1 -> kept++ :: r == 3 -> free_object() :: else fi
     fi
  :: else -> break
  od;
  if
  :: target && live -> !closed; assert(frees == 0)  /* an upgrade, dropped again */
  :: !target && self && live -> assert(false)       /* NULL for one that lives on */
  :: else
  fi;
  if :: self && live && cand -> assert(merged || owner != NOBODY); live = 0; free_object() :: else fi;   /* a collection of the child's */
  assert(frees == 1 || lost)
}

init { atomic {
#ifdef HELD
  unitA = 1; unitB = 1; loc = 2;
  if :: owner = A :: owner = B fi;
#else
  self = 1; target = 1;
  if :: owner = A; loc = 1 :: owner = B; loc = 1 :: merged = 1; cnt = 1 fi;
#endif
#ifdef HELD
  run ThreadB();
#endif
  run Collector(); run ThreadA() } }
