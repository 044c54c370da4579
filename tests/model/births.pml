/*
 * A current page that is taken from its owner (lib/heap/silent.h) while that is in the middle of births, or comes back to them.
 * One page with three blocks. The owner makes objects by its inline path, which pops a block of the page that xfast names, in
 * a bracket; or by its slow path, under its heap's claim, or without it from the orphan heap under that one's lock. It
 * frees one in between. The taker, twice, takes the page away and puts it on the orphan heap's list, where the owner may
 * adopt it again. The owner's mark is a plain store into its store buffer; its loads do not wait for it.
 *
 * Claimed:  nobody changes the page's free list and count beside another; all blocks are counted at the end.
 *
 * Plants: BUG_NOBRACKET  births are in no bracket
 *         BUG_NOWAIT     the taker does not wait for the owner's bracket
 *         BUG_NOBARRIER  it makes no heavy barrier before it looks
 *         BUG_NOCLAIM    the owner's slow path looks at its current page without the claim
 *         BUG_FASTLATE   xfast is cleared after the wait
 *         BUG_XHEAPLATE  xheap is changed after the wait
 */
#define HEAP 1
#define ORPHANS 2
#define NOWHERE 0
#define CURRENT 1
#define LISTED 2

byte free = 3, used;        /* of the page: its owner's */
byte xheap = HEAP, place = CURRENT;
bit xfast = 1, current = 1; /* the heap's: the page or none */
bit claim, lock;            /* of the heap; of the orphan heap */
byte in_fields, brac;
bit ended, done;
chan buf = [4] of { byte };

#define BARRIER d_step { do :: nempty(buf) -> buf?brac :: empty(buf) -> break od }
proctype Buffer() { end: do :: d_step { buf?brac } od }

#define ENTER in_fields++; assert(in_fields == 1)
#ifdef BUG_NOBRACKET
#define MARK skip
#define UNMARK skip
#else
#define MARK buf!1
#define UNMARK buf!0
#endif

inline pop() {
  ENTER;
  if
  :: free > 0 -> free--; used++; mine++
  :: else -> skip
  fi;
  in_fields--
}

/* The orphan heap's list, under its lock: adopted, or one block of it. What is fresh instead is not modelled. */
inline adopt() {
  atomic { lock == 0 -> lock = 1 };
  if
  :: place == LISTED && xheap == ORPHANS -> place = CURRENT; xheap = HEAP; lock = 0; current = 1; xfast = 1; pop()
  :: else -> lock = 0
  fi
}

inline orphan_block() {
  atomic { lock == 0 -> lock = 1 };
  if
  :: place == LISTED && xheap == ORPHANS -> pop()
  :: else -> skip
  fi;
  lock = 0
}

inline slow() {
#ifdef BUG_NOCLAIM
  if :: current -> pop() :: else -> adopt() fi
#else
  if
  :: atomic { claim == 0 -> claim = 1 };
     if :: current -> pop() :: else -> adopt() fi;
     claim = 0
  :: claim == 1 -> orphan_block()
  fi
#endif
}

inline birth() {
  MARK;
  fast = xfast;
  if :: fast -> pop() :: fast = 0 fi;              /* or nothing is on its list, and the slow path carves */
  UNMARK;
  if :: !fast -> slow() :: else -> skip fi
}

proctype Owner() {
  byte mine = 0; bit fast = 0, own = 0;
  birth();
  birth();
  if
  :: mine > 0 ->
     buf!1;
     own = (xheap == HEAP);
     if
     :: own -> ENTER; free++; used--; in_fields--
     :: else ->                                  /* the remote list: settled under the orphan heap's lock, or by an adopter */
        atomic { (lock == 0 && in_fields == 0) || xheap == HEAP ->
           if :: xheap != HEAP -> free++; used-- :: else -> used--; free++ fi }
     fi;
     mine--;
     buf!0
  :: else -> skip
  fi;
  birth();
  empty(buf);
  assert(used == mine);
  ended = 1
}

proctype Taker() {
  byte round = 0;
  do
  :: round < 2 ->
     round++;
     if
     :: atomic { claim == 0 -> claim = 1 };
        if
        :: current ->
           current = 0;
#ifndef BUG_FASTLATE
           xfast = 0;
#endif
           place = NOWHERE;
#ifndef BUG_XHEAPLATE
           xheap = ORPHANS;
#endif
           claim = 0;
#ifndef BUG_NOBARRIER
           BARRIER;
#endif
#ifndef BUG_NOWAIT
           brac == 0;
#endif
#ifdef BUG_FASTLATE
           xfast = 0;
#endif
#ifdef BUG_XHEAPLATE
           xheap = ORPHANS;
#endif
           atomic { lock == 0 -> lock = 1 };
           ENTER; place = LISTED; in_fields--;
           lock = 0
        :: else -> claim = 0
        fi
     :: claim == 1
     fi
  :: round == 2 -> break
  od;
  done = 1
}

init { atomic { run Buffer(); run Owner(); run Taker() };
  ended && done;
  assert(free + used == 3 && in_fields == 0)
}
