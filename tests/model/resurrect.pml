/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * The collector's finalizers and the second check (docs/design/cycle.md, step 7): a garbage pair with finalizers and
 * weak references, merged. The collector finds it by steps 3 to 6, runs each finalizer that is due under a unit taken
 * in the read-modify-write that takes FINAL_DUE, then does steps 3 to 6 again, closes, decides and destroys. A finalizer
 * may put its object, or the other one, into the root slot. A thread upgrades, follows slots, empties them, takes from
 * the root, releases, and finalizes what it drops last. Each finalizer runs once, before its object is destroyed, and
 * never on a dead one; nobody holds what is destroyed; an upgrade yields NULL only for what is doomed.
 *
 * Plants: BUG_NOSECOND  no second check, not even CLOSED
 *         BUG_ONLYCLOSE no second check, and TOUCHED forgotten before CLOSED
 *         BUG_TWOSTEP   takes FINAL_DUE, then the unit
 *         BUG_NOUNIT    runs a finalizer without a unit of its own
 *         BUG_AGAIN     does not take FINAL_DUE
 *         BUG_WEAKFIRST clears weak references before the finalizers
 */
#ifndef OPS
#define OPS 3
#endif
#define NIL 2

byte cnt[2]; bool live[2], due[2], watched[2], touched[2], closed[2], pinned[2];
byte slot[2], G = NIL; bool brac[2], guard, weak[2];
byte h = NIL;                     /* what the thread holds */
bool doomed[2], destroyed[2]; byte finals[2];
byte edge[2];

#define alive(x) assert(live[x] && !destroyed[x])

inline destroy(x) { d_step { assert(!destroyed[x] && finals[x] == 1); weak[x] = 0; destroyed[x] = 1; q = slot[x]; slot[x] = NIL; died = q; q = 0 } }

inline take(x) {                  /* a retain, in a bracket */
  d_step { alive(x); cnt[x]++; w = watched[x] }; if :: w -> touched[x] = 1 :: else fi; w = 0
}

/* Runs x's finalizer, which may put its object or what that refers to into the root, if that is empty. */
inline finalize(x) {
  alive(x); assert(finals[x] == 0); finals[x] = 1;
  if
  :: k = 0
  :: k = 1
  :: k = 2
  fi;
  brac[me] = 1;
  atomic {                        /* a slot's unit is good to load from until a grace period after its removal: one step */
    if :: k == 0 :: k == 1 -> f = x :: k == 2 -> f = slot[x] fi;
    if
    :: f != NIL && G == NIL -> alive(f); cnt[f]++; touched[f] = touched[f] || watched[f]; G = f
    :: else
    fi;
    f = NIL; k = 0 };
  brac[me] = 0;
  alive(x)
}

/* One unit of x less; the last one of an object whose finalizer is due runs it and is dropped again. */
inline drop(x) {
  died = x;
  do
  :: died != NIL ->
     brac[me] = 1;
     d_step {
       assert(!destroyed[died] && cnt[died] > 0);
       z = (cnt[died] == 1); w = z && due[died];
       if :: w -> due[died] = 0 :: else -> cnt[died]--; doomed[died] = doomed[died] || z fi };
     if
     :: z && !w -> d_step { live[died] = 0; z = !pinned[died] }
     :: else
     fi;
     brac[me] = 0;
     if
     :: w -> w = 0; z = 0; finalize(died)
     :: !w && z -> z = 0; destroy(died)
     :: !w && !z -> died = NIL
     fi
  :: else -> break
  od
}

inline upgrade(x) {
  do
  :: true ->
     brac[me] = 1; y = NIL;
     atomic {
       if
       :: !weak[x] || !live[x] || cnt[x] == 0 -> assert(doomed[x]); brac[me] = 0; break
       :: weak[x] && live[x] && cnt[x] > 0 && closed[x] -> brac[me] = 0; y = x
       :: else -> cnt[x]++; if :: watched[x] -> touched[x] = 1 :: else fi; h = x
       fi };
     brac[me] = 0;
     if
     :: y != NIL -> (!closed[x] || !live[x]); y = NIL
     :: else -> break
     fi
  od
}

proctype Thread() {
  byte me = 0, n = 0, k, y = NIL, died = NIL, q, f = NIL; bool z, w;
  do
  :: n < OPS -> n++;
     if
     :: h == NIL -> upgrade(0)
     :: h == NIL -> upgrade(1)
     :: h == NIL && G != NIL ->                /* takes from the root: an increment and a decrement */
        guard = 1; brac[me] = 1; y = G;
        if :: y != NIL -> take(y); h = y :: else fi;
        brac[me] = 0; guard = 0;
        if :: y != NIL && G == y -> d_step { G = NIL }; drop(y) :: else fi;
        y = NIL
     :: h != NIL ->                            /* holds what the slot refers to instead */
        guard = 1; brac[me] = 1; y = slot[h];
        if
        :: y != NIL -> take(y); brac[me] = 0; guard = 0; d_step { w = h; h = y; y = w; w = 0 }; drop(y)
        :: else -> brac[me] = 0; guard = 0
        fi;
        y = NIL
     :: h != NIL -> d_step { y = h; h = NIL }; drop(y); y = NIL
     :: h != NIL -> d_step { y = slot[h]; slot[h] = NIL }; if :: y != NIL -> drop(y) :: else fi; y = NIL
     fi;
     if :: h != NIL -> assert(!destroyed[h] && !doomed[h]) :: else fi
  :: else -> break
  od
}


/* Steps 3 to 6 for `in`. */
inline check() {
  for (i : 0 .. 1) { atomic { if :: in[i] -> watched[i] = 1; touched[i] = 0 :: else fi } };
  !brac[0];
  c[0] = cnt[0]; c[1] = cnt[1];
  edge[0] = (in[0] -> slot[0] : NIL); edge[1] = (in[1] -> slot[1] : NIL);
  atomic { e[0] = (edge[1] == 0); e[1] = (edge[0] == 1) };
  !brac[0];
  for (i : 0 .. 1) { in[i] = in[i] && live[i] && !touched[i] && c[i] > 0 && c[i] == e[i] };
  reach();
  atomic { c[0] = 0; c[1] = 0; e[0] = 0; e[1] = 0; i = 0 }
}
inline reach() {
  atomic {
    if :: !in[0] && edge[0] != NIL -> in[edge[0]] = 0 :: else fi;
    if :: !in[1] && edge[1] != NIL -> in[edge[1]] = 0 :: else fi }
}
/* Un-arms and un-pins what the check dropped. */
inline let_live(i) {
  if
  :: was[i] && !in[i] ->
     atomic { closed[i] = 0; watched[i] = 0; touched[i] = 0; pinned[i] = 0; z = !live[i]; was[i] = 0 };
     if :: z -> z = 0; destroy(i); drop(died) :: else fi
  :: else
  fi
}

inline run_finalizer(i) {
  if
  :: in[i] ->
#ifdef BUG_TWOSTEP
     atomic { w = due[i]; due[i] = 0 };
     if :: w -> cnt[i]++ :: else fi;
#elif defined(BUG_AGAIN)
     atomic { w = due[i]; if :: w -> cnt[i]++ :: else fi };
#elif defined(BUG_NOUNIT)
     atomic { w = due[i]; due[i] = 0 };
#else
     atomic { w = due[i]; if :: w -> alive(i); due[i] = 0; cnt[i]++ :: else fi };
#endif
     if
     :: w -> w = 0; finalize(i);
#ifndef BUG_NOUNIT
        drop(i)
#endif
     :: else
     fi
  :: else
  fi
}
inline close(i) {
  if
  :: in[i] ->
#ifdef BUG_ONLYCLOSE
     touched[i] = 0;
#endif
     atomic { t[i] = touched[i]; closed[i] = 1 }
  :: else
  fi
}
inline bury(i) {
  if :: in[i] -> slot[i] = NIL; live[i] = 0; destroy(i) :: else fi
}

proctype Collector() {
  byte me = 1, i, k, q, f = NIL, c[2], e[2], died = NIL; bool in[2], was[2], t[2], z, w;
  for (i : 0 .. 1) { atomic { pinned[i] = 1; in[i] = live[i]; was[i] = in[i] } };
  check();
  let_live(0); let_live(1);
#ifdef BUG_WEAKFIRST
  weak[0] = weak[0] && !in[0]; weak[1] = weak[1] && !in[1];
#endif
  run_finalizer(0); run_finalizer(1);
#if !defined(BUG_NOSECOND) && !defined(BUG_ONLYCLOSE)
  check();
  let_live(0); let_live(1);
#endif
#ifndef BUG_NOSECOND
  close(0); close(1);
  atomic { in[0] = in[0] && !t[0]; in[1] = in[1] && !t[1] };
  reach();
  atomic { t[0] = 0; t[1] = 0 };
#endif
  atomic { for (i : 0 .. 1) { if :: in[i] -> assert(h != i && G != i); doomed[i] = 1 :: else fi }; i = 0 };
  let_live(0); let_live(1);
  bury(0); bury(1)
}

init { atomic {
  cnt[0] = 1; cnt[1] = 1; live[0] = 1; live[1] = 1; slot[0] = 1; slot[1] = 0; weak[0] = 1; weak[1] = 1;
  due[0] = 1; if :: due[1] = 1 :: finals[1] = 1 fi;
  run Thread(); run Collector() } }
