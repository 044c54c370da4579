/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * Who is told that finalizers wait (lib/life/queued.c). Threads push units to queues of their own and exchange `told` for
 * true; who found false tells. Who runs finalizers exchanges it for false, and then takes what is below the end that each queue has by then. The program
 * runs them only when it was told. When all is over no unit may wait untold.
 *
 * Telling: a flag, which the collector thread exchanges for false before it looks whether anything waits, and calls the program's function;
 * if nothing does, it resets `told` and looks again. One thread at a time is in that function: who finds another in it leaves the flag set for that one, which looks again when it has returned.
 *
 * Plants: BUG_LATE    who runs reads the ends first, and then resets `told`
 *         BUG_EARLY   who pushes exchanges `told` before it pushes
 *         BUG_PLAIN   who runs resets `told` after it has run
 *         BUG_SKIP    who finds that nothing waits does not reset `told`
 *         BUG_LEAVE   who finds another in the function leaves the flag clear
 */
#define PUSHERS 2
#ifndef EACH
#define EACH 2
#endif
#define TELLERS 2

byte tail[PUSHERS], head[PUSHERS];
bool told, untold, in_call;
byte words;  /* that the program was given and has not answered */
byte over;

inline tell() {
  d_step { old = told; told = true };
  if :: !old -> untold = true :: else fi
}

proctype Pusher(byte q) {
  byte n; bool old;
  do
  :: n < EACH ->
#ifdef BUG_EARLY
     tell();
     tail[q]++;
#else
     tail[q]++;
     tell();
#endif
     n++
  :: else -> break
  od;
  over++
}

/* The collector thread, or a call that does its work. */
proctype Teller() {
  bool mine, waits;
end:
  do
  :: atomic { untold -> untold = false };
     waits = tail[0] > head[0] || tail[1] > head[1];
#ifndef BUG_SKIP
     if
     :: !waits -> told = false; waits = tail[0] > head[0] || tail[1] > head[1]
     :: else
     fi;
#endif
     if
     :: waits ->
        atomic {
          mine = !in_call;
          if
          :: mine -> in_call = true
          :: else ->
#ifndef BUG_LEAVE
             untold = true
#endif
          fi
        };
        if
        :: mine -> words++; in_call = false
        :: else -> (!in_call) /* here the one in the call looks again; that it is this one which does is all the same */
        fi
     :: else
     fi
  od
}

proctype Runner() {
  byte end0, end1;
end:
  do
  :: words > 0 ->
     words = 0;
#ifdef BUG_LATE
     end0 = tail[0]; end1 = tail[1];
     told = false;
#else
#ifndef BUG_PLAIN
     told = false;
#endif
     end0 = tail[0]; end1 = tail[1];
#endif
     d_step { if :: head[0] < end0 -> head[0] = end0 :: else fi; if :: head[1] < end1 -> head[1] = end1 :: else fi };
#ifdef BUG_PLAIN
     told = false
#endif
  od
}

/* Nobody can move any more: nothing waits. */
proctype Watch() {
  timeout -> assert(over < PUSHERS || (head[0] == EACH && head[1] == EACH))
}

init {
  atomic {
    byte i;
    do :: i < PUSHERS -> run Pusher(i); i++ :: else -> break od;
    i = 0;
    do :: i < TELLERS -> run Teller(); i++ :: else -> break od;
    run Runner();
    run Watch()
  }
}
