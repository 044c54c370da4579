/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wave.pml: the end of a wave (lib/count/wave.c): when a flush says that what was there when it was called is done.
 *
 * Items are in one of four places, each in counts by parity: a queue (positions: tail, head, cut; a tagged item below
 * `inherited`), a list, a worker's hands, pinned by a collection. Two workers take and do items. An item that was there
 * at the call (OLD) may have children, DEPTH deep, which go to the queue with a tag, to the list, or die while the collection has them
 * pinned. A third process makes new items all the time (as many as MAKES), so that the old ones stand among new ones.
 *
 * The flush: raise the number, cut the queue under its lock, then look: ended; pinned and collection; queue; list; begun. When the
 * numbers agree it returns, and then no OLD item may be anywhere (`old_left` counts them). It must return: there is no
 * end state in which it waits (a worker goes on as long as there is something).
 *
 * Each statement that touches something shared is one step; the memory is sequentially consistent: in the code the steps are
 * tied by release stores and acquire loads in this order, and the call's beginning by a heavy barrier.
 *
 * With CALLS a function that was added before the call waits as well: a worker runs it in a frame, it has a child like an item, and
 * is counted when it is done. With PARK a child may be parked, and is taken out into the queue by somebody in no frame.
 *
 * BUG_FRAMELATE     a worker begins its frame after it has taken the item
 * BUG_FRAMEEARLYEND a worker ends its frame before the item's children are anywhere
 * BUG_ORDER         the look reads `begun` first and `ended` last
 * BUG_NOLOCK        the cut is set without the queue's lock
 * BUG_NOTAG         children are pushed without a tag
 * BUG_NOINHERIT     the look heeds the cut alone, not the tagged words behind it
 * BUG_NOPIN         a death that is left to the collection is not counted
 * BUG_UNPINFIRST    who un-pins takes it out of the count before it is in the list
 * BUG_LISTLAST      the look reads the list before the pinned
 * BUG_CALLNOFRAME   a function runs in no frame
 * BUG_CALLEARLY     a function is counted before what it led to is anywhere, and its frame ends with it
 * BUG_NOPARK        a parked unit is of no wave
 * BUG_UNPARKFIRST   who takes it out counts it out before it is in the queue
 * BUG_PARKLAST      the look reads the parked after the queue
 */
#ifndef DEPTH
#define DEPTH 1
#endif
#ifndef MAKES
#define MAKES 1
#endif
#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef SLOTS
#define SLOTS 4 /* positions of the queue */
#endif

/* A word: 0 nothing; bit 0: OLD (the model's knowledge), bits 1-2: depth left, bits 3-4: tag */
byte word[SLOTS];
byte tail, head, cut_at, cut_wave, inherited[2];
bool lock;
byte wave = 1; /* the current one; a cut raises it to 2 */
byte list_old, list_old_deep; /* OLD items of the list */
byte list[2];                 /* all of a parity */
byte begun[2], ended[2];
byte pinned[2];
byte held, held_deep; /* OLD items that died while pinned: not yet found by the collection */
bool collection_new;  /* the collection began after the cut: it has a newer wave */
#ifdef CALLS
bool call_waits = 1, call_runs;
byte old_left = 2;
#else
byte old_left = 1;
#endif
byte parked, parked_old; /* of wave 1: as the look sees it, and as it is */
bool called, returned;

#define OLDBIT 1
#define DEEP(w) (((w) >> 1) & 3)
#define TAG(w) (((w) >> 3) & 3)

inline list_push(parity, old, deep) {
    atomic {
        list[parity]++;
        if
        :: old && deep > 0 -> list_old_deep++
        :: old && deep == 0 -> list_old++
        :: else
        fi
    }
}

/* The children of an OLD item, of the parity p that it has: one child, in any of the places. */
inline do_children(p, deep) {
    if
    :: deep == 0
    :: else ->
        if
        :: tail < SLOTS -> /* to the queue */
            atomic { old_left++; }
#ifndef BUG_NOTAG
            inherited[p] = tail + 1;
#endif
            atomic {
#ifdef BUG_NOTAG
                word[tail] = OLDBIT | ((deep - 1) << 1);
#else
                word[tail] = OLDBIT | ((deep - 1) << 1) | ((p + 1) << 3);
#endif
                tail++
            }
        :: true -> /* to the list */
            atomic { old_left++ };
            list_push(p, true, deep - 1)
        :: collection_new && wave == 2 && p == 1 -> /* it dies, and a newer collection has it pinned */
            old_left++;
#ifndef BUG_NOPIN
            pinned[p]++;
#endif
            if
            :: deep - 1 > 0 -> held_deep++
            :: else -> held++
            fi
#ifdef PARK
        :: p == 1 ->
            old_left++;
#ifndef BUG_NOPARK
            parked++;
#endif
            parked_old++
#endif
        fi
    fi
}

/* The producer of the queue is one thread: the workers' pushes above stand for the queue of whoever it is that works;
 * one worker at a time pushes, which `pushing` sees to. */
bool pushing;

proctype worker() {
    byte w, p, deep; /* set to 0 where they mean nothing: fewer states */
    bool old, took;
end:
    do
    :: atomic { !lock && head < tail -> lock = true };
        atomic {
            w = word[head];
            old = w & OLDBIT;
            deep = DEEP(w);
            if
            :: TAG(w) != 0 -> p = TAG(w) - 1
            :: TAG(w) == 0 && head < cut_at -> p = cut_wave & 1
            :: else -> p = (cut_wave + 1) & 1
            fi;
            w = 0
        };
#ifndef BUG_FRAMELATE
        begun[p]++;
#endif
        head++;
#ifdef BUG_FRAMELATE
        begun[p]++;
#endif
        lock = false;
#ifdef BUG_FRAMEEARLYEND
        ended[p]++;
#endif
        if
        :: old -> atomic { !pushing -> pushing = true }; do_children(p, deep); pushing = false; old_left--
        :: else
        fi;
#ifndef BUG_FRAMEEARLYEND
        ended[p]++;
#endif
        atomic { old = false; p = 0; deep = 0 }
    :: list[0] > 0 || list[1] > 0 ->
        if
        :: list[0] > 0 -> p = 0
        :: list[1] > 0 -> p = 1
        :: else -> p = 1 /* somebody was faster */
        fi;
#ifndef BUG_FRAMELATE
        begun[p]++;
#endif
        atomic {
            took = list[p] > 0;
            old = false;
            deep = 0;
            if
            :: took ->
                list[p]--;
                if
                :: p == 1 && list_old_deep > 0 -> list_old_deep--; old = true; deep = 1
                :: p == 1 && list_old_deep == 0 && list_old > 0 -> list_old--; old = true
                :: p == 0 || (list_old == 0 && list_old_deep == 0)
                fi
            :: else
            fi
        };
#ifdef BUG_FRAMELATE
        begun[p]++;
#endif
        if
        :: old -> atomic { !pushing -> pushing = true }; do_children(p, deep); pushing = false; old_left--
        :: else
        fi;
        atomic { ended[p]++; old = false; p = 0; deep = 0; took = false }
#ifdef CALLS
    :: atomic { call_waits && !call_runs -> call_runs = true };
#ifndef BUG_CALLNOFRAME
        begun[1]++;
#endif
#ifdef BUG_CALLEARLY
        call_waits = false;
        ended[1]++;
#endif
        atomic { !pushing -> pushing = true };
        do_children(1, 1);
        pushing = false;
        old_left--;
#ifndef BUG_CALLEARLY
        call_waits = false;
#ifndef BUG_CALLNOFRAME
        ended[1]++
#endif
#endif
#endif
    od
}

#ifdef PARK
/* Takes parked units out, into the queue of its own: here there is one. */
proctype unparker() {
end:
    do
    :: atomic { parked_old > 0 && !pushing && tail < SLOTS -> parked_old--; pushing = true };
#ifdef BUG_UNPARKFIRST
        parked--;
#endif
        inherited[1] = tail + 1;
        atomic { word[tail] = OLDBIT | (2 << 3); tail++ };
#if !defined(BUG_UNPARKFIRST) && !defined(BUG_NOPARK)
        parked--;
#endif
        pushing = false
    od
}
#endif

/* A collection that begins after the cut, pins, and un-pins at its end. */
proctype collector() {
    byte deep;
    wave == 2 || returned;
    collection_new = true;
end:
    do
    :: atomic { held > 0 -> held--; deep = 0 };
#ifdef BUG_UNPINFIRST
        pinned[1]--;
        list_push(1, true, deep)
#elif defined(BUG_NOPIN)
        list_push(1, true, deep)
#else
        list_push(1, true, deep);
        pinned[1]--
#endif
    :: atomic { held_deep > 0 -> held_deep--; deep = 1 };
#ifdef BUG_UNPINFIRST
        pinned[1]--;
        list_push(1, true, deep)
#elif defined(BUG_NOPIN)
        list_push(1, true, deep)
#else
        list_push(1, true, deep);
        pinned[1]--
#endif
    od
}

/*
 * New items: in the queue without a tag, and in the list in a frame of the current wave. What is there at the call is OLD. The frame
 * and the look at the number are one step: in the code the maker looks again after it has begun the frame.
 */
proctype maker() {
    byte n, p;
    do
    :: n < MAKES ->
        n++;
        atomic { !pushing && tail < SLOTS -> word[tail] = 0; tail++ }
    :: n == MAKES -> break
    od;
    atomic { p = wave & 1; begun[p]++ };
    atomic { /* before the call or after it: what the call must cover is what is there then */
        if
        :: !called -> old_left++; list[p]++; list_old++
        :: else -> list[p]++
        fi
    };
    ended[p]++
}

proctype flush() {
    byte e, b;
    bool none;
    called = true;
    wave = 2;
#ifdef BUG_NOLOCK
    cut_at = tail;
    cut_wave = 1;
#else
    atomic { !lock -> lock = true };
    cut_at = tail;
    cut_wave = 1;
    lock = false;
#endif
    do
    :: true ->
#ifdef BUG_ORDER
        b = begun[1];
#else
        e = ended[1];
#endif
        none = true;
#ifdef BUG_LISTLAST
        if
        :: list[1] > 0 -> none = false
        :: else
        fi;
#endif
        if
        :: pinned[1] > 0 -> none = false
        :: else
        fi;
#ifndef BUG_PARKLAST
        if
        :: parked > 0 -> none = false
        :: else
        fi;
#endif
#ifdef CALLS
        if
        :: call_waits -> none = false
        :: else
        fi;
#endif
        if
        :: head < cut_at -> none = false
#ifndef BUG_NOINHERIT
        :: head >= cut_at && head < inherited[1] -> none = false
#endif
        :: else
        fi;
#ifndef BUG_LISTLAST
        if
        :: list[1] > 0 -> none = false
        :: else
        fi;
#endif
#ifdef BUG_PARKLAST
        if
        :: parked > 0 -> none = false
        :: else
        fi;
#endif
#ifdef BUG_ORDER
        e = ended[1];
#else
        b = begun[1];
#endif
        if
        :: none && b == e -> break
        :: else
        fi
    od;
    assert(old_left == 0);
    returned = true
}

init {
    word[0] = OLDBIT | (DEPTH << 1); /* there at the call, and of wave 1: cut_wave is 0 */
    tail = 1;
    atomic {
        run worker();
#if WORKERS > 1
        run worker();
#endif
        run collector();
#ifdef PARK
        run unparker();
#endif
        run maker();
        run flush()
    }
}
