/*
 * Pages of a silent owner (lib/heap/silent.h): one page with three blocks, all in use, in its owner's list of full pages. The
 * owner wakes and frees one block by its inline path, perhaps ringing the alarm, before and after it takes its heap's slow path; two
 * blocks are freed by another thread. The collector thread meanwhile takes the page away, when the token is on the stack
 * or as a page with room; a third thread takes note of what comes to the orphan heap.
 * The owner's mark is a plain store into its store buffer; its load of xheap does not wait for it.
 *
 * Claimed:  nobody writes the owner's fields of the page beside another; the heap's lists are changed by one at a time;
 *           a page that left the heap is in no list of it; all three blocks are counted: the page ends empty, where
 *           somebody finds it, or there is a token on its way.
 *
 * Plants: BUG_NOWAIT     the collector thread does not wait for the owner's bracket
 *         BUG_NOBARRIER  it makes no heavy barrier before it looks
 *         BUG_NOCLAIM    the owner changes its lists without the claim
 *         BUG_NORECHECK  with the claim, the alarm does not look at xheap again
 *         BUG_NOREMIND   an alarm that cannot have the claim is forgotten
 *         BUG_EARLY      xheap is changed after the barrier
 *         BUG_DRAINTAKEN who drains the orphan heap's tokens settles a page that is not listed yet
 */
#define HEAP 1
#define ORPHANS 2
#define NOWHERE 0
#define FULL 1
#define AVAIL 2
#define EMPTY 3

byte used = 3;               /* the owner's field: blocks handed out, those on the remote list included */
byte remote;                 /* count of xremote */
bit notified;                /* NOTIFIED: the token is with somebody, or on a stack */
byte token;                  /* whose stack it is on; 0: in somebody's hand, or nobody's */
byte xheap = HEAP, place = FULL;
bit claim, lock;             /* of the heap; of the orphan heap */
byte in_fields, in_lists;    /* who is inside: at most one */
byte brac;                   /* the owner's bracket, as memory has it */
byte ended;
chan buf = [4] of { byte };

#define BARRIER d_step { do :: nempty(buf) -> buf?brac :: empty(buf) -> break od }
proctype Buffer() { end: do :: d_step { buf?brac } od }

#define ENTER(who) who++; assert(who == 1)

/* note_free: with the claim, r blocks on the remote list. */
inline note(r) {
  ENTER(in_lists);
  d_step {
    assert(xheap == HEAP && place != NOWHERE);
    if :: place == FULL -> place = AVAIL :: else -> skip fi;
    if :: place == AVAIL && used == r -> place = EMPTY; used = 0; remote = 0 :: else -> skip fi
  };
  in_lists--
}

inline push() { assert(token == 0); h = xheap; token = h; h = 0 }

/* A compare-and-swap; the winner of NOTIFIED then pushes on the stack of the heap that xheap names now. */
inline free_remote() {
  d_step { remote++; mine = !notified; notified = 1 };
  if
  :: mine -> push()
  :: else -> skip
  fi;
  mine = 0
}

/* The slow path of an allocation looks at the stack, under the claim if it gets it. */
inline slow_path() {
  if
  :: atomic { claim == 0 -> claim = 1 };
     if
     :: atomic { token == HEAP -> token = 0; mine = 1 }
     :: else -> skip
     fi;
     if
     :: mine && xheap == HEAP -> d_step { notified = 0; r = remote }; note(r)
     :: mine && xheap != HEAP -> push()
     :: else -> skip
     fi;
     claim = 0
  :: claim == 1
  fi;
  mine = 0
}

proctype Owner() {
  byte h = 0, r = 0; bit mine = 0, rings = 0, own = 0;
  slow_path();
  /* a free, in a bracket; the alarm of a full page rings at the first */
  buf!1;
  own = (xheap == HEAP);
  if
  :: own ->
     ENTER(in_fields); used--; in_fields--;
     rings = (place == FULL || place == NOWHERE || used == remote);
     if
     :: rings ->
#ifdef BUG_NOCLAIM
        if :: xheap == HEAP -> r = remote; note(r) :: else -> skip fi
#else
        if
        :: atomic { claim == 0 -> claim = 1 };
#ifndef BUG_NORECHECK
           if :: xheap == HEAP -> r = remote; note(r) :: else -> skip fi;
#else
           r = remote; note(r);
#endif
           claim = 0
        :: atomic { claim == 1 ->
#ifndef BUG_NOREMIND
             mine = !notified; notified = 1;
#endif
             skip
           };
           if :: mine -> push(); mine = 0 :: else -> skip fi
        fi
#endif
     :: else -> skip
     fi
  :: else -> free_remote()
  fi;
  buf!0;
  slow_path();
  empty(buf);
  ended++
}

proctype Other() {
  byte h = 0; bit mine = 0;
  free_remote();
  free_remote();
  ended++
}

/* What is listed where its blocks say. */
inline list_it() {
  if :: used == remote -> place = EMPTY; used = 0; remote = 0 :: else -> place = AVAIL fi
}

/* With the claim: the page leaves its owner's lists; then it is the orphan heap's in name, and nobody's in fact. */
inline take_it() {
  ENTER(in_lists); place = NOWHERE; in_lists--;
#ifndef BUG_EARLY
  xheap = ORPHANS;
#endif
  took = 1
}

proctype Background() {
  bit mine = 0, took = 0;
  do
  :: atomic { token == HEAP -> token = 0; mine = 1 };
     if
     :: atomic { claim == 0 -> claim = 1 };
        if
        :: xheap == HEAP -> take_it()
        :: else -> token = xheap; mine = 0
        fi;
        claim = 0
     :: claim == 1 -> token = HEAP; mine = 0      /* back: the owner is awake */
     fi
  :: atomic { claim == 0 -> claim = 1 };          /* as one of the pages with room, without its token */
     if
     :: xheap == HEAP && place != FULL -> take_it()
     :: else -> skip
     fi;
     claim = 0
  :: atomic { claim == 0 -> claim = 1 }; claim = 0 /* for other pages of the heap */
  :: took ->
#ifndef BUG_NOBARRIER
     BARRIER;
#endif
#ifndef BUG_NOWAIT
     brac == 0;
#endif
#ifdef BUG_EARLY
     xheap = ORPHANS;
#endif
     atomic { lock == 0 -> lock = 1 };
     ENTER(in_fields);                            /* settles if the token is in hand */
     d_step { if :: mine -> notified = 0 :: else -> skip fi; list_it() };
     in_fields--;
     lock = 0; took = 0; mine = 0
  :: ended == 2 && token == 0 && !took && lock == 0 -> break
  od;
  /* nobody is at work: all is counted */
  assert(!notified && place == EMPTY && used == 0 && remote == 0)
}

/* The orphan heap's own draining, under its lock, by whoever comes. */
proctype Drainer() {
end:
  do
  :: atomic { lock == 0 -> lock = 1 };
     if
#ifndef BUG_DRAINTAKEN
     :: atomic { token == ORPHANS && xheap == ORPHANS && place != NOWHERE -> token = 0 };
#else
     :: atomic { token == ORPHANS && xheap == ORPHANS -> token = 0 };
#endif
        ENTER(in_fields);
        d_step { notified = 0; list_it() };
        in_fields--
     :: else -> skip
     fi;
     lock = 0
  od
}

init { atomic { run Buffer(); run Owner(); run Other(); run Background(); run Drainer() } }
