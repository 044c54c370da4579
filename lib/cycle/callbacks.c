/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/callbacks.c: functions that are called when a collection begins and when it is over.
 *
 * They are called by whoever has the claim on collecting, so one at a time, outside of the lock. Each has a number, in the
 * order of adding. An event goes through the numbers that there were when it began: what is added meanwhile hears of the
 * next one, and what is removed is not called any more.
 *
 * Who removes one takes it off the list under the lock, and then waits while a call of that function with that argument is running,
 * whichever entry it was made for, and if none is left: it may have removed itself, and added itself again. Not in that
 * call itself. So nobody needs the entry after it left the list, and it is freed at once.
 */
#include "cycle/callbacks.h"

#include <errno.h>
#include <stdlib.h>

#include "base/lock.h"
#include "life/death.h"

struct callback {
    struct callback *next;
    void (*fn)(const wane_gc_event *e, void *arg);
    void *arg;
    uint64_t number;
};

/* Leaf lock: guards what follows. */
static struct wane__mutex lock = WANE__MUTEX(WANE__RANK_CALLBACKS);
static struct callback *first; /* by rising numbers */
static uint64_t last_number;
static struct callback running; /* a copy of the one that is being called; its number is 0 when none is */
static uint32_t runner;         /* id of the thread that calls it */
static bool xany;        /* the list is not empty; for who looks without the lock */

static bool is_of(const struct callback *c, void (*fn)(const wane_gc_event *e, void *arg), const void *arg) {
    return c->fn == fn && c->arg == arg;
}

int wane__callback_add(void (*fn)(const wane_gc_event *e, void *arg), void *arg) {
    struct callback *new = malloc(sizeof *new), **at;
    if (new == NULL)
        return -ENOMEM;
    wane__mutex_lock(&lock);
    for (at = &first; *at != NULL; at = &(*at)->next) {
        if (is_of(*at, fn, arg))
            break;
    }
    bool there = *at != NULL;
    if (!there) {
        *new = (struct callback){.fn = fn, .arg = arg, .number = ++last_number};
        *at = new;
        store_relaxed(&xany, true);
    }
    wane__mutex_unlock(&lock);
    if (there)
        free(new);
    return there ? -EEXIST : 0;
}

/* Off the list; NULL: it is not there. */
static struct callback *remove_locked(void (*fn)(const wane_gc_event *e, void *arg), const void *arg) {
    struct callback **at = &first;
    while (*at != NULL && !is_of(*at, fn, arg))
        at = &(*at)->next;
    struct callback *gone = *at;
    if (gone != NULL)
        *at = gone->next;
    store_relaxed(&xany, first != NULL);
    return gone;
}

int wane__callback_remove(const struct wane__record *self, void (*fn)(const wane_gc_event *e, void *arg), void *arg) {
    wane__mutex_lock(&lock);
    struct callback *gone = remove_locked(fn, arg);
    while (running.number != 0 && is_of(&running, fn, arg) && runner != self->id) {
        wane__mutex_unlock(&lock);
        wane__pause_briefly();
        wane__mutex_lock(&lock);
    }
    wane__mutex_unlock(&lock);
    free(gone);
    return gone != NULL ? 0 : -ENOENT;
}

/* One call, on the stack of whoever makes it. */
struct call {
    void (*fn)(const wane_gc_event *e, void *arg);
    void *arg;
    wane_gc_event event; /* a copy for each: a callback may write to what it is shown */
};

static void make_call(void *call) {
    const struct call *c = call;
    c->fn(&c->event, c->arg);
}

/* The next one after number `*at` and up to `most` runs from here on, on r's thread. False: there is none. */
static bool begin_next(const struct wane__record *r, uint64_t *at, uint64_t most, struct call *ret) {
    wane__mutex_lock(&lock);
    const struct callback *c = first;
    while (c != NULL && c->number <= *at)
        c = c->next;
    bool found = c != NULL && c->number <= most;
    if (found) {
        ret->fn = c->fn;
        ret->arg = c->arg;
        running = *c;
        *at = c->number;
        runner = r->id;
    }
    wane__mutex_unlock(&lock);
    return found;
}

static uint64_t greatest_number(void) {
    wane__mutex_lock(&lock);
    uint64_t number = last_number;
    wane__mutex_unlock(&lock);
    return number;
}

static void ended(void) {
    wane__mutex_lock(&lock);
    running.number = 0;
    wane__mutex_unlock(&lock);
}

void wane__tell_event(struct wane__record *r, const wane_gc_event *e) {
    if (!load_relaxed(&xany))
        return;
    uint64_t at = 0, most = greatest_number();
    for (struct call call; begin_next(r, &at, most, &call);) {
        call.event = *e;
        wane__call(r, make_call, &call);
        ended();
        wane__reap(r, true);
    }
}

void wane__callbacks_fork_prepare(void) { wane__mutex_lock(&lock); }
void wane__callbacks_fork_parent(void) { wane__mutex_unlock(&lock); }

/* A call that a vanished thread was in has no end. */
void wane__callbacks_fork_child(const struct wane__record *self) {
    if (self == NULL || runner != self->id)
        running.number = 0;
    wane__mutex_unlock(&lock);
}
