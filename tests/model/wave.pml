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
 * With FORK the process forks at some point: all threads vanish but one, which flushes in the child. What a worker had in hand is lost, or
 * back in the queue. When there is nothing left in the child, its look says so: it waits for nothing that has vanished.
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
 * BUG_FORKFRAMES    the child does not end the frames of those that vanished
 * BUG_FORKCUT       ... does not make the cut that one of them was making
 * BUG_FORKHAND      ... makes it before what was in hand is back in the queue
 * BUG_FORKINHERIT   ... leaves a position announced at which nothing was pushed
 * BUG_FORKPIN       ... does not count the pinned again
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

bool forked;
byte busy;            /* frames of workers that are there */
byte unpins;          /* 1: the collector has un-pinned an OLD item, and not yet left it to others */
byte hand, hand_deep; /* 1: a worker has an OLD item */
#ifdef FORK
byte childs = 255; /* processes with greater ids are the child's */
#define VANISHES provided (!forked || _pid > childs)
#else
#define VANISHES
#endif
#define HOLD(x, d) hand = x; hand_deep = d
#define BEGIN(p) atomic { begun[p]++; busy++ }
#define END(p) atomic { ended[p]++; busy-- }

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
#ifndef BUG_NOTAG
            inherited[p] = tail + 1;
#endif
            atomic {
#ifdef BUG_NOTAG
                word[tail] = OLDBIT | ((deep - 1) << 1);
#else
                word[tail] = OLDBIT | ((deep - 1) << 1) | ((p + 1) << 3);
#endif
                tail++;
                old_left++
            }
        :: true -> /* to the list */
            atomic { list_push(p, true, deep - 1); old_left++ }
        :: collection_new && wave == 2 && p == 1 -> /* it dies, and a newer collection has it pinned */
#ifndef BUG_NOPIN
            pinned[p]++;
#endif
            atomic {
                old_left++;
                if
                :: deep - 1 > 0 -> held_deep++
                :: else -> held++
                fi
            }
#ifdef PARK
        :: p == 1 ->
#ifndef BUG_NOPARK
            parked++;
#endif
            atomic { old_left++; parked_old++ }
#endif
        fi
    fi
}

/* The producer of the queue is one thread: the workers' pushes above stand for the queue of whoever it is that works;
 * one worker at a time pushes, which `pushing` sees to. */
bool pushing;

proctype worker() VANISHES {
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
        BEGIN(p);
#endif
        atomic { head++; HOLD(old, deep) };
#ifdef BUG_FRAMELATE
        BEGIN(p);
#endif
        lock = false;
#ifdef BUG_FRAMEEARLYEND
        END(p);
#endif
        if
        :: old -> atomic { !pushing -> pushing = true }; do_children(p, deep); pushing = false; atomic { old_left--; HOLD(0, 0) }
        :: else
        fi;
#ifndef BUG_FRAMEEARLYEND
        END(p);
#endif
        atomic { old = false; p = 0; deep = 0 }
    :: list[0] > 0 || list[1] > 0 ->
        if
        :: list[0] > 0 -> p = 0
        :: list[1] > 0 -> p = 1
        :: else -> p = 1 /* somebody was faster */
        fi;
#ifndef BUG_FRAMELATE
        BEGIN(p);
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
            fi;
            HOLD(old, deep)
        };
#ifdef BUG_FRAMELATE
        BEGIN(p);
#endif
        if
        :: old -> atomic { !pushing -> pushing = true }; do_children(p, deep); pushing = false; atomic { old_left--; HOLD(0, 0) }
        :: else
        fi;
        atomic { ended[p]++; busy--; old = false; p = 0; deep = 0; took = false }
#ifdef CALLS
    :: atomic { call_waits && !call_runs -> call_runs = true };
#ifndef BUG_CALLNOFRAME
        BEGIN(1);
#endif
#ifdef BUG_CALLEARLY
        call_waits = false;
        END(1);
#endif
        atomic { !pushing -> pushing = true };
        do_children(1, 1);
        pushing = false;
        old_left--;
#ifndef BUG_CALLEARLY
        call_waits = false;
#ifndef BUG_CALLNOFRAME
        END(1)
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
proctype collector() VANISHES {
    byte deep;
    wave == 2 || returned;
    collection_new = true;
end:
    do
    :: atomic { held > 0 -> held--; unpins = 1; deep = 0 };
#ifdef BUG_UNPINFIRST
        pinned[1]--;
        atomic { list_push(1, true, deep); unpins = 0 }
#elif defined(BUG_NOPIN)
        atomic { list_push(1, true, deep); unpins = 0 }
#else
        atomic { list_push(1, true, deep); unpins = 0 };
        pinned[1]--
#endif
    :: atomic { held_deep > 0 -> held_deep--; unpins = 1; deep = 1 };
#ifdef BUG_UNPINFIRST
        pinned[1]--;
        atomic { list_push(1, true, deep); unpins = 0 }
#elif defined(BUG_NOPIN)
        atomic { list_push(1, true, deep); unpins = 0 }
#else
        atomic { list_push(1, true, deep); unpins = 0 };
        pinned[1]--
#endif
    od
}

/*
 * New items: in the queue without a tag, and in the list in a frame of the current wave. What is there at the call is OLD. The frame
 * and the look at the number are one step: in the code the maker looks again after it has begun the frame.
 */
proctype maker() VANISHES {
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

#ifdef FORK
/* One thread is left. In the order in which api/start.c does it. */
inline fork() {
    forked = true;
    pushing = false;
    lock = false;
    if /* what was in hand */
    :: hand > 0 -> old_left-- /* lost: its callback was running */
    :: hand > 0 && tail < SLOTS ->
#ifdef BUG_FORKHAND
        if
        :: wave == 2 -> cut_at = tail; cut_wave = 1
        :: else
        fi;
#endif
        word[tail] = OLDBIT | (hand_deep << 1);
        tail++
    :: else
    fi;
    HOLD(0, 0);
    old_left = old_left - unpins; /* lost as well */
    unpins = 0;
    /* the collection is undone: who died is left to others, of its wave */
#ifndef BUG_FORKPIN
    pinned[1] = 0;
#endif
    list[1] = list[1] + held + held_deep;
    list_old = list_old + held;
    list_old_deep = list_old_deep + held_deep;
    held = 0;
    held_deep = 0;
    collection_new = false;
#ifndef BUG_FORKINHERIT
    if
    :: inherited[0] > tail -> inherited[0] = tail
    :: else
    fi;
    if
    :: inherited[1] > tail -> inherited[1] = tail
    :: else
    fi;
#endif
#if !defined(BUG_FORKCUT) && !defined(BUG_FORKHAND)
    if
    :: wave == 2 -> cut_at = tail; cut_wave = 1
    :: else
    fi;
#endif
#ifndef BUG_FORKFRAMES
    ended[0] = begun[0];
    ended[1] = begun[1];
#endif
    busy = 0;
    childs = _pid
}

proctype forker() {
end:
    atomic {
        !returned -> /* else there is nothing to be found out */
        fork();
        run worker();
        run flush()
    }
}
#endif

proctype flush() VANISHES {
    byte e, b;
    bool none, quiet;
#ifdef FORK
    if
    :: wave == 2 -> goto looks /* what one that vanished began is done */
    :: else
    fi;
#endif
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
looks:
    do
    :: true ->
        quiet = forked && busy == 0 && head == tail && list[0] + list[1] + held + held_deep == 0;
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
        :: else -> assert(!quiet)
        fi
    od;
    assert(old_left == 0);
    returned = true;
    do
    :: forked -> skip /* those that vanished stand where they were: no end is to be looked at */
    :: !forked -> break
    od
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
#ifndef FORK
        run maker();
#endif
        run flush();
#ifdef FORK
        run forker()
#endif
    }
}
