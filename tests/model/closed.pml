/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * CLOSED for a garbage set of more than one object (docs/design/cycle.md): two objects that refer to each other,
 * merged, each with a weak reference. A thread upgrades one, goes on to the other through the slot, empties slots,
 * releases. The collector arms, counts, judges, closes one object after the other, drops those that were touched with
 * the reach that it recorded, opens and un-pins them, and destroys the rest. Nobody holds what it destroys, and an
 * upgrade yields NULL only for what is doomed.
 *
 * Plants: BUG_NOREACH  drops the touched object alone
 *         BUG_REREAD   drops what it reaches by slots read again
 *         BUG_ONEBYONE decides each object when it is closed, before the next one is
 *         BUG_NOCLOSE  no CLOSED: looks at TOUCHED once more
 *         BUG_NORETOUCH a retain through the slot does not set TOUCHED (upgrades do)
 */
#ifndef OPS
#define OPS 4
#endif
#define NIL 2

byte cnt[2]; bool live[2], watched[2], touched[2], closed[2], pinned[2];
byte slot[2]; bool brac, guard;
byte h = NIL;                     /* what the thread holds */
bool doomed[2], destroyed[2];
byte edge[2];

inline destroy(x) { d_step { assert(!destroyed[x]); destroyed[x] = 1; q = slot[x]; slot[x] = NIL; died = q; q = 0 } }

/* One unit of x less; what dies of it is destroyed in turn. */
inline drop(x) {
  died = x;
  do
  :: died != NIL ->
     brac = 1;
     d_step { assert(!destroyed[died] && cnt[died] > 0); cnt[died]--; z = (cnt[died] == 0); doomed[died] = doomed[died] || z };
     if
     :: z -> d_step { live[died] = 0; z = !pinned[died] }
     :: else
     fi;
     brac = 0;
     if
     :: z -> z = 0; destroy(died)
     :: else -> died = NIL
     fi
  :: else -> break
  od
}

inline upgrade(x) {
  do
  :: true ->
     brac = 1; y = NIL;
     atomic {
       if
       :: !live[x] || cnt[x] == 0 -> assert(doomed[x]); brac = 0; break
       :: live[x] && cnt[x] > 0 && closed[x] -> brac = 0; y = x
       :: else -> cnt[x]++; if :: watched[x] -> touched[x] = 1 :: else fi; h = x
       fi };
     brac = 0;
     if
     :: y != NIL -> (!closed[x] || !live[x]); y = NIL
     :: else -> break
     fi
  od
}

proctype Thread() {
  byte n = 0, y = NIL, died = NIL, q; bool z, w;
  do
  :: n < OPS -> n++;
     if
     :: h == NIL -> upgrade(0)
     :: h == NIL -> upgrade(1)
     :: h != NIL ->                            /* holds what the slot refers to instead */
        guard = 1; brac = 1; y = slot[h];
        if
        :: y != NIL ->
           d_step { assert(!destroyed[y] && live[y]); cnt[y]++; w = watched[y] };
#ifndef BUG_NORETOUCH
           if :: w -> touched[y] = 1 :: else fi;
#endif
           brac = 0; guard = 0;
           d_step { w = h; h = y; y = w; w = 0 }; drop(y)
        :: else -> brac = 0; guard = 0
        fi;
        y = NIL
     :: h != NIL -> d_step { y = h; h = NIL }; drop(y); y = NIL
     :: h != NIL -> d_step { y = slot[h]; slot[h] = NIL }; if :: y != NIL -> drop(y) :: else fi; y = NIL
     fi;
     if :: h != NIL -> assert(!destroyed[h] && !doomed[h]) :: else fi
  :: else -> break
  od
}

inline close(i) {
  if
  :: in[i] ->
#ifdef BUG_NOCLOSE
     t[i] = touched[i]
#else
     atomic { t[i] = touched[i]; closed[i] = 1 }
#endif
  :: else
  fi
}
inline decide() {
  atomic {
    in[0] = in[0] && !t[0]; in[1] = in[1] && !t[1];
#ifdef BUG_REREAD
    if :: !in[0] && slot[0] != NIL -> in[slot[0]] = 0 :: else fi;
    if :: !in[1] && slot[1] != NIL -> in[slot[1]] = 0 :: else fi;
#elif !defined(BUG_NOREACH)
    if :: !in[0] && edge[0] != NIL -> in[edge[0]] = 0 :: else fi;
    if :: !in[1] && edge[1] != NIL -> in[edge[1]] = 0 :: else fi;
#endif
    skip }
}
inline finish(i) {
  atomic { if :: in[i] -> assert(h != i); doomed[i] = 1 :: else fi; skip }
}
inline bury(i) { if :: in[i] -> slot[i] = NIL; live[i] = 0; destroy(i) :: else fi }

proctype Collector() {
  byte i, q, c[2], e[2], died = NIL; bool in[2], t[2], z;
  for (i : 0 .. 1) { atomic { pinned[i] = 1; in[i] = live[i] } };
  for (i : 0 .. 1) { atomic { if :: in[i] -> watched[i] = 1; touched[i] = 0 :: else fi; skip } };
  !brac;
  for (i : 0 .. 1) { c[i] = cnt[i] };
  edge[0] = (in[0] -> slot[0] : NIL); edge[1] = (in[1] -> slot[1] : NIL);
  atomic { e[0] = (edge[1] == 0); e[1] = (edge[0] == 1) };
  !brac;
  for (i : 0 .. 1) { atomic { t[i] = !in[i]; in[i] = in[i] && live[i] && !touched[i] && c[i] > 0 && c[i] == e[i] } };
  atomic {
    if :: !in[0] && edge[0] != NIL -> in[edge[0]] = 0 :: else fi;
    if :: !in[1] && edge[1] != NIL -> in[edge[1]] = 0 :: else fi; i = 0 };
  atomic { z = !t[0]; if :: z && !in[0] -> watched[0] = 0; touched[0] = 0; pinned[0] = 0; z = !live[0] :: else -> z = 0 fi; skip };
  if :: z -> destroy(0) :: else fi;
  drop(died);
  atomic { z = !t[1]; if :: z && !in[1] -> watched[1] = 0; touched[1] = 0; pinned[1] = 0; z = !live[1] :: else -> z = 0 fi; skip };
  if :: z -> destroy(1) :: else fi;
  drop(died);
  atomic { t[0] = 0; t[1] = 0; c[0] = in[0]; c[1] = in[1] };        /* c: in the set before CLOSED */
  close(0);
#ifdef BUG_ONEBYONE
  in[0] = in[0] && !t[0]; finish(0); bury(0);
#endif
  close(1);
  decide();
  finish(0); finish(1);
  for (i : 0 .. 1) {
    if
    :: c[i] && !in[i] ->
       atomic { closed[i] = 0; watched[i] = 0; touched[i] = 0; pinned[i] = 0; z = !live[i] };
       if :: z -> destroy(i); drop(died) :: else fi
    :: else
    fi };
#ifndef BUG_ONEBYONE
  bury(0);
#endif
  bury(1)
}

init { atomic {
  cnt[0] = 1; cnt[1] = 1; live[0] = 1; live[1] = 1; slot[0] = 1; slot[1] = 0;
  run Thread(); run Collector() } }
