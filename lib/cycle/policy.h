/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/policy.h: when which generation is collected, and how much of it at a time.
 *
 * A struct and functions of it: it knows no threads, no clock and no objects. Time, figures and options come in with
 * each call (struct wane__situation), so a test can play years in a moment. Who owns it keeps calls apart.
 *
 * A collection begins (wane__policy_began) with what one of the questions below answered, or with what somebody asks
 * for. When it is over, wane__policy_over makes one of three transitions:
 *
 *   part      some of its candidates are done; another part is due next, unless something more urgent comes first
 *   ended     it looked at all candidates, or at as many as there were new objects when it began
 *   aborted   memory was out: it is tried again after a pause, with less ambition
 */
#ifndef WANE_CYCLE_POLICY_H
#define WANE_CYCLE_POLICY_H

#include "cycle/scope.h"

/* How things are at one moment. */
struct wane__situation {
    uint64_t now;   /* ns, never 0 */
    int64_t alive;  /* tracked objects */
    unsigned marks; /* a bit for each dirty mark that some page may have */
    bool grown;     /* live bytes have grown so much that the oldest generation is due (life/growth.h) */
    bool automatic; /* collections may start by themselves */
    /* options */
    int64_t threshold[3];
    uint64_t age_ns; /* candidate_age_ms; 0: candidates do not become due by it */
    unsigned cpu_percent;
};

struct wane__policy {
    /* the collection that runs, or whose next part is due */
    struct wane__scope what;
    bool pending;          /* parts of it are left */
    size_t parts;          /* done */
    size_t parts_most;     /* after so many it ends */
    int64_t alive_before;  /* when it began */
    int64_t patience;      /* threshold0 as it was then */
    size_t looked_at, found, freed; /* by its parts so far: candidates; garbage destroyed; the same with what is kept */
    uint64_t cpu, took;

    /* thresholds */
    int64_t net_then;   /* tracked objects that are not new since the last collection */
    int64_t survivors;  /* that were there when the last collection began, and after it */
    int64_t long_lived; /* the same of the oldest generation's last */
    unsigned count[3];  /* collections of the generation below since the last of this one; [0] is unused */
    unsigned oldest_n;  /* collections of the oldest generation that thresholds began */
    unsigned backoff;   /* collections in a row that thresholds began and that freed next to nothing */

    /* ages, for each dirty mark */
    uint64_t looked[WANE__MARKS];     /* when all candidates of it were last looked at; 0: never */
    uint64_t looked_cpu[WANE__MARKS]; /* CPU time of that, if next to nothing was found; of what was left: in any case */
    uint64_t age_looked;              /* when candidates were last asked for their age */
    uint64_t age_end, age_took;       /* the last collection that age began */
    uint64_t last_end, last_took;     /* the last collection or part */

    /* idleness */
    bool idle_due;
    uint64_t idle_gap, last_idle;

    /* want of memory */
    unsigned failures;      /* how much weaker the next attempt is */
    int failed_generation;  /* the youngest that failed: younger ones go on as ever */
    uint64_t retry;         /* it is not tried before */

    /* a program that steps */
    unsigned rung; /* the least mark that the round of steps still looks at; 0: a new round */
};

/* What is due of itself, the most urgent first. False: nothing. */
bool wane__policy_due(struct wane__policy *p, const struct wane__situation *s, struct wane__scope *ret);

/*
 * What a program's step takes up: what is due; else candidates that there are, the youngest generation first and then each
 * older one once. PACED: not so soon after a look in vain, for a loop that sleeps as long as it is told to.
 */
enum wane__eagerness { WANE__DUE_ONLY, WANE__PACED, WANE__EAGER };
bool wane__policy_step(struct wane__policy *p, const struct wane__situation *s, enum wane__eagerness eagerness,
                       struct wane__scope *ret);

/* Transitions. A collection that is not going on from the one before takes the place of its pending parts. */
void wane__policy_began(struct wane__policy *p, const struct wane__situation *s, const struct wane__scope *what);
enum wane__over { WANE__OVER_PART, WANE__OVER_ENDED, WANE__OVER_ABORTED };
enum wane__over wane__policy_over(struct wane__policy *p, const struct wane__situation *s, const struct wane__findings *f,
                                  uint64_t cpu, uint64_t took);

/*
 * Nanoseconds until something may be due of itself; negative: nothing will be as things are. idle: the process has
 * nothing else to do; 0 then means that all candidates are due now.
 */
int64_t wane__policy_wait(struct wane__policy *p, const struct wane__situation *s, bool idle);

/* By order: all candidates are due now, if there are any and they may be looked at. */
bool wane__policy_idle_now(struct wane__policy *p, const struct wane__situation *s);

/* As wane__policy_wait, for a program that steps and would rather sleep: 0: a step has something to do. */
int64_t wane__policy_step_wait(struct wane__policy *p, const struct wane__situation *s);

/* Whether growth is due and may be tried. */
bool wane__policy_grown(const struct wane__policy *p, const struct wane__situation *s);

/* Net new tracked objects. */
int64_t wane__policy_fresh(const struct wane__policy *p, const struct wane__situation *s);

/* Tracked objects above which births are held back until the collector has caught up; INT64_MAX: that would not help. */
int64_t wane__policy_limit(const struct wane__policy *p, const struct wane__situation *s);

/* threshold0 means what it says again: collections in vain are forgotten. */
void wane__policy_reset(struct wane__policy *p);

#endif
