/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * Units that nobody gives (lib/cycle/walk.c): a walker takes one of an object that it found in the heap, beside the
 * object's owner, which gives up its unit or leaves it in the object's own slot, and beside the collector.
 * The walker has the claim on collecting, says that it is about and waits for brackets, and takes no unit from zero.
 * INSIDE: the walk is made in a callback of the collection's, before the verdict: after it, what is in doubt is dead to the walk.
 * What must not happen: the object is freed while somebody has a unit, or twice, or never.
 *
 * Plants: BUG_NOANNOUNCE  the walker does not say that it is about: the owner's plain store overwrites its unit
 *         BUG_NOWAIT      it says so, and does not wait for brackets
 *         BUG_NOCLAIM     it takes units while a collection is between its steps
 *         BUG_ZERO        it takes a unit of a merged object that has none left
 *         BUG_JUDGED      INSIDE: it takes a unit of what the verdict has found to be garbage
 *         BUG_DOOMED      INSIDE: the same after the collection has decided
 */
bool live = 1, merged, watched, touched; byte cnt; /* `shared` */
bool owned = 1; byte loc = 1;                      /* owner, local */
bool self;                                         /* the object's slot refers to the object */
bool claim, decided, brac[3];
byte pinning;
bool unit;                                         /* the walker's */
byte freed;
bool done[2];

#define CLAIM(c) atomic { !claim -> claim = 1 }

inline free_it() { assert(!unit); freed++; assert(freed == 1) }

/* A unit of the shared count. */
inline drop(m) {
  brac[m] = 1;
  d_step { assert(cnt > 0 && freed == 0); cnt--; dead = (merged && cnt == 0); if :: dead -> live = 0 :: else fi };
  brac[m] = 0;
  if :: dead -> free_it() :: else fi;
  dead = 0
}

inline take(m) {
  brac[m] = 1;
  d_step {
#ifdef BUG_ZERO
    if :: live || (merged && cnt == 0 && freed == 0) ->
#else
    if :: live && !(merged && cnt == 0) ->
#endif
       cnt++; unit = 1; if :: watched -> touched = 1 :: else fi
    :: else
    fi };
  brac[m] = 0
}

/* The owner's last local unit: lib/life/quick.h, lib/count/drop.c */
proctype A() {
  bool p, w, died, dead, over;
  if
  :: self = 1                                      /* given to the slot: garbage */
  :: brac[0] = 1;
     if
     :: owned ->
        p = (pinning > 0);
        w = (live && !merged && cnt == 0 && !watched);
        if
        :: w && !p -> d_step { live = 0; merged = 1; cnt = 0 }; died = 1       /* plain stores */
        :: w && p -> d_step { if :: live && !merged && cnt == 0 && !watched -> live = 0; merged = 1; died = 1 :: else fi }
        :: else
        fi;
        if
        :: !died && owned -> over = 1; loc = 0; owned = 0;
           d_step { if :: !merged -> merged = 1; if :: cnt == 0 && live -> live = 0; died = 1 :: else fi :: else fi };
        :: else
        fi
     :: else
     fi;
     brac[0] = 0;
     if
     :: died -> free_it()
     :: else ->
        if
        :: over                                    /* merged by itself */
        :: else -> merged; drop(0)                 /* revoked meanwhile: the collector has added its unit */
        fi
     fi
  fi;
  done[0] = 1
}

proctype W() {
  bool dead;
#ifndef INSIDE
#ifndef BUG_NOCLAIM
  CLAIM(1);
#endif
#ifndef BUG_NOANNOUNCE
  pinning++;
#ifndef BUG_NOWAIT
  !brac[0]; !brac[2];
#endif
#endif
  take(1);
#ifndef BUG_NOANNOUNCE
  pinning--;
#endif
#ifndef BUG_NOCLAIM
  claim = 0;
#endif
  if
  :: unit -> assert(freed == 0); unit = 0; drop(1)
  :: else
  fi;
#endif
  done[1] = 1
}

/* One collection; a second one when all others are done. Pins are left out: tests/model/pin.pml. */
proctype C() {
  bool last, v, dead, walked, took; byte c;
  do
  :: !last || took ->
     took = 0;
     last = (done[0] && done[1]);
     CLAIM(2);
     pinning++;
     !brac[0]; !brac[1];
     if
     :: live ->
        d_step { watched = 1; touched = 0 };
        owned = 0;
        !brac[0]; !brac[1];
        d_step { if :: !merged -> cnt = cnt + loc; loc = 0; merged = 1 :: else fi };
#ifdef INSIDE
        if :: !walked -> walked = 1; take(2); took = unit :: true fi; /* in a finalizer: the verdict is still to come */
#endif
        c = cnt;
        c = c - self;
        !brac[0]; !brac[1];
        v = (c == 0 && self && !touched && live);
        if
        :: v ->
#ifdef INSIDE
#ifdef BUG_JUDGED
           if :: !walked -> walked = 1; take(2) :: true fi; /* between two slices, in `destroy` of what died otherwise */
#endif
#endif
           decided = 1;
#ifdef INSIDE
#ifdef BUG_DOOMED
           if :: !walked -> walked = 1; take(2) :: true fi; /* in `destroy` of another one */
#endif
#endif
           d_step { cnt = 0; self = 0; live = 0 };
           free_it()
        :: else -> d_step { watched = 0; touched = 0 }
        fi
     :: else
     fi;
     pinning--;
     claim = 0;
#ifdef INSIDE
     if :: unit -> assert(freed == 0); unit = 0; drop(2) :: else fi
#endif
  :: last && !took -> break
  od;
  assert(freed == 1)
}

init { atomic { run A(); run W(); run C() } }
