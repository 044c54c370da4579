/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * count/count.h: units taken and dropped, merges and revocations.
 *
 * Nothing here runs user code, waits, or frees: dropping the last unit tells the caller, which belongs to lib/life.
 */
#ifndef WANE_COUNT_COUNT_H
#define WANE_COUNT_COUNT_H

#include "count/word.h"

/* What became of a unit. */
enum wane__drop {
    WANE__DROPPED, /* gone; the object lives on, or its death is the collector's, which holds it */
    WANE__DIED,    /* gone, and the object is dead: the caller destroys it */
    WANE__KEPT,    /* still the caller's: the object is biased to another thread, or a finalizer would have to run */
    WANE__FINAL,   /* still the caller's, which runs the finalizer and then drops again */
};

/*
 * Drops one unit of h, in a bracket of its own. With final_ok, the last unit of an object whose finalizer is due
 * comes back as FINAL, which only one caller ever gets; without, it is KEPT.
 * `operation` names the call in the line that ends a program which releases too often.
 */
enum wane__drop wane__drop_unit(struct wane__record *r, struct wane__header *h, bool final_ok, const char *operation);
/* The same in the caller's bracket. */
enum wane__drop wane__drop_unit_marked(struct wane__record *r, struct wane__header *h, bool final_ok,
                                       const char *operation);

/*
 * What a subtraction from the count of a merged object without a finalizer due did, by the word that it returned: DROPPED
 * or DIED. In the same bracket.
 */
enum wane__drop wane__drop_counted(struct wane__record *r, struct wane__header *h, uint64_t before,
                                   const char *operation);

/* Takes one unit; the caller holds or borrows one. In the caller's bracket. */
void wane__take_unit_marked(struct wane__record *r, struct wane__header *h, const char *operation);
/* The same in a bracket of its own. */
void wane__take_unit(struct wane__record *r, struct wane__header *h, const char *operation);

/* From zero never, from a word that is not LIVE never: whether a unit could be taken. Blocks only while CLOSED. */
enum wane__upgrade { WANE__UPGRADED, WANE__UPGRADE_DEAD, WANE__UPGRADE_CLOSED };
enum wane__upgrade wane__upgrade_marked(struct wane__header *h);

/* Makes h immortal; the caller holds a unit. */
extern size_t wane__ximmortals; /* how many were made */
void wane__make_immortal(struct wane__header *h);

/*
 * Revocation takes the bias of an object away without the help of its owner, in three steps that a batch shares:
 *   1. wane__revoke_begin: owner = 0, by compare-and-swap. The caller holds a unit or a pin.
 *   2. a heavy barrier, and the owner's bracket seen clear: from then on the owner's next look at `owner` is ours.
 *   3. wane__revoke_end: adds `local` to the shared count and sets MERGED, in one read-modify-write that does nothing
 *      if MERGED is set already.
 */
enum wane__revoke {
    WANE__REVOKE_BEGUN,  /* ours: the former owner is in *owner */
    WANE__REVOKE_NOTHING,/* merged, immortal, or the caller's own */
    WANE__REVOKE_OTHERS, /* somebody else is between steps 1 and 3 */
};
enum wane__revoke wane__revoke_begin(struct wane__record *r, struct wane__header *h, uint32_t *owner);
void wane__revoke_end(struct wane__record *r, struct wane__header *h);

/*
 * The third step together with wane__drop_unit, if the caller's unit is the only one and no finalizer is due: one
 * read-modify-write decides both. DROPPED or DIED; KEPT: nothing happened.
 */
enum wane__drop wane__revoke_last(struct wane__record *r, struct wane__header *h);

/* All three steps for one object if its owner's bracket is clear at once. False: begun or left to others. */
bool wane__revoke_now(struct wane__record *r, struct wane__header *h);

#endif
