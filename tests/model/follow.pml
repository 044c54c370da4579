/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * follow.pml: the waves that a flush waits for after the first (`flush` in lib/api/flush.c).
 *
 * An item that was there at the call has a callback, which defers the next item, whose callback defers one more, DEPTH in all: each
 * is of the wave that is current when it is deferred. That a wave is not over while an item of it, or of an older one, is not done
 * is taken from wave.pml; here it is one step. Another thread flushes all the time, so that waves end, and parities come again, at
 * any point. When the flush returns, each item must be done.
 *
 * BUG_COUNTFIRST  the callback is counted before what it deferred is there
 * BUG_READLATE    the counts are read after the number of the wave
 * BUG_FLAG        not counts but a flag of each parity, which the cut clears that begins a wave of that parity
 * BUG_NOFOLLOW    one wave is waited for
 */
#ifndef DEPTH
#define DEPTH 2
#endif
#ifndef OTHERS
#define OTHERS 3 /* waves that the other thread flushes */
#endif
#define MOST 3 /* waves that are followed */

#define NONE 0
#define WAITS 1
#define IN_HAND 2
#define DONE 3

byte state[DEPTH + 1], born[DEPTH + 1]; /* an item, and its wave */
byte wave = 1, over;                  /* the current one, and the last that is over */
byte follows[2];

/* One step of whoever waits: a cut, or the end of a wave. */
inline step(i) {
    atomic {
        if
        :: over == wave - 1 ->
            wave++;
#ifdef BUG_FLAG
            follows[wave & 1] = 0
#endif
        :: else ->
            i = 0;
            do
            :: i <= DEPTH && (state[i] == NONE || state[i] == DONE || born[i] > over + 1) -> i++
            :: else -> break
            od;
            if
            :: i > DEPTH -> over++
            :: else
            fi;
            i = 0
        fi
    }
}

inline count(p) {
#ifdef BUG_FLAG
    follows[p] = 1
#else
    follows[p]++
#endif
}

proctype worker() {
    byte i;
    do
    :: i <= DEPTH ->
        state[i] == WAITS;
        state[i] = IN_HAND;
        if
        :: i < DEPTH ->
#ifdef BUG_COUNTFIRST
            count(born[i] & 1);
#endif
            atomic { born[i + 1] = wave; state[i + 1] = WAITS };
#ifndef BUG_COUNTFIRST
            count(born[i] & 1);
#endif
        :: else
        fi;
        state[i] = DONE;
        i++
    :: i > DEPTH -> break
    od
}

proctype flush() {
    byte before[2], w, n, i;
    bool more = true;
    do
    :: more ->
#ifdef BUG_READLATE
        w = wave;
#endif
        before[0] = follows[0];
        before[1] = follows[1];
#ifndef BUG_READLATE
        w = wave;
#endif
        do
        :: over >= w -> break
        :: else -> step(i)
        od;
#ifdef BUG_FLAG
        more = follows[w & 1] == 1 && n < MOST;
#elif defined(BUG_NOFOLLOW)
        more = false;
#else
        more = follows[w & 1] != before[w & 1] && n < MOST;
#endif
        n++
    :: else -> break
    od;
    i = 0;
    do
    :: i <= DEPTH -> assert(state[i] == DONE); i++
    :: else -> break
    od
}

proctype other() {
    byte w, n, i;
    do
    :: n < OTHERS ->
        n++;
        w = wave;
        do
        :: over >= w -> break
        :: else -> step(i)
        od
    :: else -> break
    od
}

init {
    atomic {
        state[0] = WAITS;
        born[0] = 1;
        run worker();
        run flush();
        run other()
    }
}
