/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * PINNED, and deaths that are left to the collector (docs/design/count.md, cycle.md; lib/count/drop.c, lib/count/revoke.c).
 * One block that is born, dies, is freed and born again; its owner A, another thread B with a unit of its own, and the
 * walking collector, which pins, arms, revokes, merges, counts, judges and un-pins. The object may refer to itself.
 * A ghost number counts the block's lives: what is done for one life must not reach the next. At the end all lives
 * have ended, each freed exactly once. Objects of untracked types (no slots, not walked) may die by a plain store, those
 * of tracked types while `pinning` says that no collector is about, which says so and waits for brackets before it begins.
 *
 * Plants: BUG_SHORTCUT  the plain-store death applied to tracked types at any time: a pin is overwritten
 *         BUG_PINNOWAIT no bracket wait after `pinning` was set: a death that read it before overwrites a pin
 *         BUG_PINNINGEND `pinning` is reset before the un-pinning
 *         BUG_PINLOAD   the pin is decided by the load before it, not by the value that the fetch_or returned
 *         BUG_UNPIN     a pin that pinned nothing is un-pinned all the same
 *         BUG_UNPINLOAD whether the object died is learnt from a load before the un-pinning
 *         BUG_UNPINZERO ... from the count that the un-pinning returned: somebody is about to clear LIVE
 *         BUG_BURYLOAD  a death learns PINNED from a load before it clears LIVE
 *         BUG_SUBDEAD   a death by fetch_sub does not look at PINNED
 *         BUG_LINK      a freed block's word does not stay what it was, and may look alive
 *         BUG_NOWAIT    no bracket wait between the revocation and the merge
 *         BUG_ZERO      the verdict takes zero units and zero edges for garbage, and does not wait for brackets before it
 * REDUNDANT_ZERO, the verdict without its test for c = 0, holds: who takes the count to zero clears LIVE in the same
 * bracket, so the wait before the verdict and its look at LIVE catch it as well.
 */
#ifndef LIVES
#define LIVES 2
#endif

bool live, pinned, merged, watched, touched; byte cnt;  /* `shared`: one word */
bool owned; byte loc;                                   /* owner, local */
bool self;                                              /* the object's slot refers to the object */
bool tracked, isfree = 1;
byte life, frees[LIVES + 1];                            /* ghosts; life 0 is before the first birth */
bool pinning;                                           /* the collector may pin: no plain stores to tracked types */
bool brac[2], hold[2], done[2];                         /* A and B: bracket, unit on the stack, finished */
bool giving_up;                                         /* B is dropping its unit, which `hold` still shows */

#define mine(l) assert(!isfree && life == l)

inline free_block(l) { d_step { mine(l); frees[l]++; isfree = 1; self = 0;
#ifdef BUG_LINK
  live = 1
#endif
} }

/* lib/count/drop.c and lib/life/quick.h; the result is in `died` */
inline drop(m, l) {
  brac[m] = 1; died = 0; kept = 0;
  if
  :: m == 0 && owned ->
     mine(l); n = loc;
     if
     :: n == 1 ->
#ifndef BUG_SHORTCUT
        p = !tracked || !pinning;
#else
        p = 1;
#endif
        n = (p && live && !pinned && !merged && !watched && !touched && cnt == 0); p = 0;
        if
        :: n -> owned = 0; d_step { mine(l); live = 0; merged = 1; pinned = 0; watched = 0; touched = 0; cnt = 0; died = 1 }
        :: else ->
           loc = 0; owned = 0;
           d_step { mine(l); if :: !merged -> merged = 1; if :: cnt == 0 -> live = 0; died = !pinned :: else fi :: else fi; skip }
        fi
     :: else -> loc = n - 1
     fi
  :: else ->
     do
     :: atomic { mine(l); assert(live); n = cnt; w = merged; p = pinned };
        if
        :: w && n == 1 ->
           d_step { mine(l); if :: merged && cnt == 1 -> cnt = 0; live = 0; died = !pinned; n = 9 :: else fi; skip };
           if :: n == 9 -> break :: else fi
        :: w && n > 1 ->
           d_step { mine(l); n = cnt; assert(n > 0 && live); cnt = n - 1 };
           if
           :: n == 1 ->
#ifdef BUG_SUBDEAD
              d_step { mine(l); live = 0; died = 1 }
#elif defined(BUG_BURYLOAD)
              d_step { mine(l); p = pinned }; d_step { mine(l); live = 0; died = !p }
#else
              d_step { mine(l); live = 0; died = !pinned }
#endif
           :: else
           fi;
           break
        :: !w && n == 0 -> kept = 1; break
        :: !w && n > 0 ->
           d_step { mine(l); if :: !merged && cnt == n -> cnt--; n = 9 :: else fi; skip };
           if :: n == 9 -> break :: else fi
        fi
     od
  fi;
  atomic { brac[m] = 0; n = 0; w = 0; p = 0 };
  if :: died -> free_block(l) :: else fi;
  died = 0
}

/* A unit kept by B: revoke, wait for the owner, merge, drop again. */
inline settle(l) {
  d_step { mine(l); owned = 0 };
  brac[0] == 0;
  d_step { mine(l); if :: !merged -> cnt = cnt + loc; merged = 1 :: else fi; skip };
  drop(1, l)
}

/* A itself may meet an object of its own between revocation and merge: it keeps the unit until it is merged. */
inline let_go(l) { drop(0, l); if :: kept -> merged; drop(0, l) :: else fi; kept = 0 }

proctype A() {
  byte l = 0, n; bool w, p, died, kept, t;
  do
  :: !hold[0] && l < LIVES && isfree ->
     d_step { isfree = 0; l++; life = l };
     d_step { owned = 1; loc = 1; self = 0 };
     d_step { live = 1; merged = 0; pinned = 0; watched = 0; touched = 0; cnt = 0; hold[0] = 1 }
  :: hold[0] && !hold[1] ->                              /* a unit for B */
     brac[0] = 1;
     if
     :: owned -> t = 0; n = loc; loc = n + 1
     :: else -> d_step { mine(l); cnt++; t = watched }; if :: t -> touched = 1 :: else fi
     fi;
     d_step { brac[0] = 0; hold[1] = 1; n = 0; t = 0 };
     hold[0] = 0; let_go(l)                              /* and then its own goes, to keep the model small */
  :: hold[0] && tracked && !self -> d_step { self = 1; hold[0] = 0 }   /* gives it to the object's own slot */
  :: hold[0] -> hold[0] = 0; let_go(l)
  :: l == LIVES && !hold[0] && !hold[1] -> break
  od;
  done[0] = 1
}

proctype B() {
  byte l, n; bool w, p, died, kept;
  do
  :: hold[1] -> l = life;
     if
     :: true                                             /* releases its unit */
     :: atomic { self -> self = 0 };                     /* clears the slot first: one more unit to drop */
        drop(1, l); if :: kept -> settle(l) :: else fi
     fi;
     giving_up = 1;
     drop(1, l); if :: kept -> settle(l) :: else fi;
     d_step { hold[1] = 0; giving_up = 0; l = 0; kept = 0 }
  :: done[0] -> break
  od;
  done[1] = 1
}

proctype Collector() {
  byte l, c, e; bool ok, v, last;
  do
  :: !last && tracked ->
     last = (done[0] && done[1]);
     pinning = 1;
#ifndef BUG_PINNOWAIT
     brac[0] == 0; brac[1] == 0;
#endif
#ifdef BUG_PINNINGEND
     pinning = 0;
#endif
     ok = live;
     if
     :: ok ->
#ifdef BUG_PINLOAD
        d_step { pinned = 1; l = life };
#else
        d_step { ok = live; pinned = 1; l = life };
#endif
        if
        :: ok ->
           d_step { mine(l); watched = 1; touched = 0 };
           d_step { mine(l); owned = 0 };
#ifndef BUG_NOWAIT
           brac[0] == 0; brac[1] == 0;
#endif
           c = loc;
           d_step { mine(l); if :: !merged -> cnt = cnt + c; merged = 1; assert(cnt > 0) :: else fi; skip };
           c = cnt;
           d_step { mine(l); e = self };
#ifndef BUG_ZERO
           brac[0] == 0; brac[1] == 0;
#endif
           d_step { mine(l); v = !touched && c == e && live;
#if !defined(BUG_ZERO) && !defined(REDUNDANT_ZERO)
             v = v && c > 0;
#endif
             c = 0; e = 0 };
           if
           :: v -> assert(!hold[0] && (!hold[1] || giving_up)); d_step { mine(l); live = 0 }; free_block(l)
           :: else ->
#ifdef BUG_UNPINLOAD
              ok = live; d_step { mine(l); watched = 0; touched = 0; pinned = 0 };
#elif defined(BUG_UNPINZERO)
              d_step { mine(l); watched = 0; touched = 0; pinned = 0; ok = (cnt > 0) };
#else
              d_step { mine(l); watched = 0; touched = 0; pinned = 0; ok = live };
#endif
              if :: !ok -> free_block(l) :: else fi
           fi
        :: else ->
#ifdef BUG_UNPIN
           d_step { watched = 0; touched = 0; pinned = 0; ok = live };
           if :: !ok -> free_block(l) :: else fi
#endif
        fi
     :: else
     fi;
     d_step { ok = 0; l = 0; v = 0; pinning = 0 }
  :: last || !tracked -> break
  od;
  done[0] && done[1];
  for (c : 1 .. LIVES) { assert(frees[c] == 1) }
}

init { atomic { if :: tracked = 1 :: tracked = 0 fi; run A(); run B(); run Collector() } }
