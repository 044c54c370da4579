/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/kept.c: see kept.h.
 *
 * The unit is taken while the object is pinned, and makes all later collections find it held from outside: it is reported once, and again when the
 * program has given the unit up without breaking the cycle. It is never taken from zero: somebody may have got hold of
 * another object of the same cycle already, from this list or by a weak reference, and have broken the cycle. The unit
 * and the entry come in one critical section, which a fork waits for: in the child there are both or none.
 */
#include "cycle/kept.h"

#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "thread/mode.h"

/* Leaf lock: guards the list, kept[first] .. kept[end - 1]. */
static struct wane__mutex lock = WANE__MUTEX(WANE__RANK_KEPT);
static void **kept;
static size_t first, end, room;
static size_t reserved; /* of the room, for what is about to be added */

/* What was taken from the front is room again. */
static void close_up_locked(void) {
    if (first == 0)
        return;
    memmove(kept, kept + first, (end - first) * sizeof *kept);
    end -= first;
    first = 0;
}

static bool grow_locked(size_t n) {
    size_t more = end + n > 2 * room ? end + n : 2 * room;
    void **bigger = realloc(kept, more * sizeof *kept);
    if (bigger == NULL)
        return false;
    kept = bigger;
    room = more;
    return true;
}

bool wane__kept_reserve(size_t n) {
    wane__mutex_lock(&lock);
    if (room - end < n)
        close_up_locked();
    bool done = room - end >= n || grow_locked(n);
    reserved = done ? n : 0;
    wane__mutex_unlock(&lock);
    return done;
}

void wane__kept_done(void) {
    wane__mutex_lock(&lock);
    reserved = 0;
    wane__mutex_unlock(&lock);
}

void wane__kept_add(struct wane__record *r, struct wane__header *h) {
    wane__mutex_lock(&lock);
    wane__mark(&r->head);
    bool alive = wane__upgrade_marked(h) == WANE__UPGRADED;
    wane__unmark(&r->head);
    if (alive)
        kept[end++] = wane__payload_of(h);
    reserved--;
    wane__mutex_unlock(&lock);
}

size_t wane__kept_count(void) {
    wane__mutex_lock(&lock);
    size_t n = end - first;
    wane__mutex_unlock(&lock);
    return n;
}

size_t wane__kept_take(void **ret, size_t max) {
    wane__mutex_lock(&lock);
    size_t n = end - first < max ? end - first : max;
    if (n > 0)
        memcpy(ret, kept + first, n * sizeof *ret);
    first += n;
    if (first == end && reserved == 0) {
        free(kept);
        kept = NULL;
        first = end = room = 0;
    }
    wane__mutex_unlock(&lock);
    return n;
}

void wane__kept_fork_prepare(void) { wane__mutex_lock(&lock); }
void wane__kept_fork_release(void) { wane__mutex_unlock(&lock); }
