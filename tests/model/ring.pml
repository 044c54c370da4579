/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * Readers without locks beside the writer of a ring (lib/value/ring.c), which is changed at its ends and in the middle.
 *
 * reader(i) reads index i. What it finds must be what the list had there at some moment of the read: after some number of
 * changes, between those that had ended when it began and those that had begun when it ended. walker() is an iterator: it must see
 * the element that is there all the time (3) once.
 *
 * Neither writes anything, so one of them at a time is enough: with WALK the walker, else a reader of any index.
 *
 * Elements are numbers, 0 is NULL. The accesses are sequentially consistent here; their orders are in docs/memory-orders.md.
 * Faults: NO_SECOND_LOOK (the reader does not look whether a change has ended), LAST_FIRST (what comes out of the middle waits in the last
 * cell, and not in the spare slot), FRONT_MOVES (a removal moves those in front of it), and of the walker END_AT_NULL (an emptied cell is taken for
 * the end).
 */
#define C(p) cell[(p) & 3]
byte cell[4], spare, changes, begun;
byte head = 4, tail = 7;

/* The list after so many changes, four bits an element, the first one lowest. */
int after[6];
#define AT(version, i) ((after[version] >> (4 * (i))) & 15)

proctype writer() {
    byte x;
    /* 1: the one in the middle comes out */
    begun = 1;
#ifdef FRONT_MOVES
    head = head + 1;
    spare = C(head);
    C(head) = C(head - 1);
    C(head - 1) = 0;
    changes = 1;
    spare = 0;
#else
    tail = tail - 1;
    spare = C(head + 1);
    C(head + 1) = C(head + 2);
#ifdef LAST_FIRST
    C(head + 2) = spare;
    spare = 0;
    changes = 1;
    C(head + 2) = 0;
#else
    C(head + 2) = 0;
    changes = 1;
    spare = 0;
#endif
#endif
    /* 2: the first one comes out */
    begun = 2;
    head = head + 1;
    changes = 2;
    C(head - 1) = 0;
    /* 3: one comes in at the end */
    begun = 3;
    C(tail) = 4;
    tail = tail + 1;
    changes = 3;
    /* 4: one comes in behind the first */
    begun = 4;
    spare = 5;
    C(head + 2) = C(head + 1);
    C(head + 1) = spare;
    spare = 0;
    tail = tail + 1;
    changes = 4;
    /* 5: one comes in at the front */
    begun = 5;
    C(head - 1) = 6;
    head = head - 1;
    changes = 5
}

proctype reader(byte i) {
    byte c, h, t, obj, least, v;
    bool good = false;
    least = changes;
again:
    c = changes;
    h = head;
    t = tail;
    if
    :: i < t - h -> obj = C(h + i)
    :: else -> obj = 0
    fi;
    if
#ifndef NO_SECOND_LOOK
    :: changes != c -> goto again
#endif
    :: obj == 0 && i < t - h -> goto again
    :: else
    fi;
    d_step {
        v = least;
        do
        :: v <= begun -> good = good || AT(v, i) == obj; v++
        :: else -> break
        od;
        assert(good)
    }
}

/*
 * It begins under the lock, between changes, when the first one is over. Changes in the middle would copy the ring first, so it
 * ends without a verdict when the next of these has begun.
 */
proctype walker() {
    byte c, h, t, p, obj, seen, e;
    atomic {
        changes == begun && changes >= 1;
        if
        :: changes >= 4 -> goto over
        :: else -> p = head; e = tail
        fi
    }
next:
    c = changes;
    h = head;
    t = tail;
    if
    :: p < h -> p = h
    :: else
    fi;
    if
    :: p < t && p < e -> obj = C(p)
    :: else -> obj = 0
    fi;
    if
    :: begun >= 4 -> goto over
#ifndef END_AT_NULL
    :: begun < 4 && (changes != c || (obj == 0 && p < t && p < e)) -> goto next
#endif
    :: else
    fi;
    if
    :: obj != 0 -> p = p + 1; seen = seen + (obj == 3 -> 1 : 0); goto next
    :: else
    fi;
    assert(seen == 1);
over:
    skip
}

init {
    atomic {
        cell[0] = 1; cell[1] = 2; cell[2] = 3;
        after[0] = 801;   /* 1 2 3 */
        after[1] = 49;    /* 1 3 */
        after[2] = 3;     /* 3 */
        after[3] = 67;    /* 3 4 */
        after[4] = 1107;  /* 3 5 4 */
        after[5] = 17718; /* 6 3 5 4 */
        run writer();
#ifdef WALK
        run walker()
#else
        if
        :: run reader(0)
        :: run reader(1)
        :: run reader(2)
        fi
#endif
    }
}
