/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/scope.h: what a collection is asked for, and what it found: between those who begin collections and the steps.
 */
#ifndef WANE_CYCLE_SCOPE_H
#define WANE_CYCLE_SCOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WANE__OLDEST 2
/* The dirty mark of pages that hold candidates which a bounded collection left (WANE__AGE_LEFT). */
#define WANE__DIRTY_LEFT 3
/* Those of generations 0 to 2, and that one. */
#define WANE__MARKS 4

/* Why a collection begins. */
enum wane__cause {
    WANE__BY_REQUEST,    /* somebody calls for it and waits */
    WANE__BY_GROWTH,     /* of live bytes */
    WANE__BY_THRESHOLD,  /* of new objects, or of collections of the generation below */
    WANE__BY_AGE,        /* of candidates */
    WANE__BY_IDLENESS,   /* of the process */
    WANE__BY_STEP        /* a program that lends idle moments, and has candidates */
};

/* What to collect. */
struct wane__scope {
    int generation; /* 0 .. WANE__OLDEST, with the younger ones */
    enum wane__cause cause;
    bool full;      /* every tracked object is a root */
    bool bounded;   /* no more than some tracing for each candidate: what that does not decide is left */
    bool goes_on;   /* the next part of the collection before */
    bool trial;     /* changes nothing: the oracle of checked builds */
    size_t part;    /* so many candidates are enough: the rest keep their marks. 0: all of them */
};

/* What a collection found: collected, uncollectable, and whether memory sufficed. */
struct wane__findings {
    size_t collected, uncollectable, candidates, suspects;
    int64_t freed;      /* bytes, by the end of the garbage */
    bool aborted, rest; /* rest: candidates were left for another part */
};

#endif
