/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * api/start.c: the library's beginning and end in a process, and forks.
 *
 * Locks are taken for a fork in the order of their ranks, from the top down, and let go in the parent and the child.
 * All are short: a fork waits for no grace period and no user code.
 */
#include <pthread.h>
#include <stdlib.h>

#include "api/api.h"
#include "base/lock.h"
#include "base/option.h"
#include "count/wave.h"
#include "cycle/background.h"
#include "cycle/callbacks.h"
#include "cycle/collect.h"
#include "cycle/generations.h"
#include "cycle/inspect.h"
#include "cycle/kept.h"
#include "cycle/phases.h"
#include "cycle/walk.h"
#include "heap/quarantine.h"
#include "life/apply.h"
#include "life/left.h"
#include "life/queued.h"
#include "life/weak.h"
#include "os/barrier.h"
#include "thread/event.h"
#include "thread/grace.h"
#include "thread/mode.h"
#include "thread/wake.h"
#include "trace/sites.h"
#include "trace/trace.h"

/* At exit the collector thread gets this long to finish the callback that it is in. */
#define PARK_LIMIT_NS 1000000000

static bool xstarted;

bool wane__started(void) { return load_relaxed(&xstarted); }

/*
 * Held for a start and for a fork: in a fork that was not prepared for, since there was nothing, there is nothing either. But a
 * handler of the program's may make the first call of all.
 */
static struct wane__mutex starting = WANE__MUTEX(WANE__RANK_START);
static bool prepared; /* for the fork: there was something to prepare for */
static __thread bool forking __attribute__((tls_model("initial-exec")));

static void fork_prepare(void) {
    wane__mutex_lock(&starting);
    forking = true;
    prepared = wane__started();
    if (!prepared)
        return;
    wane__trace_fork_prepare();
    wane__collector_lock();
    wane__collect_fork_prepare();
    wane__generations_fork_prepare();
    wane__callbacks_fork_prepare();
    wane__kept_fork_prepare();
    wane__left_fork_prepare();
    wane__queued_fork_prepare();
    wane__type_fork_prepare();
    wane__weak_fork_prepare();
    wane__record_fork_prepare();
    wane__grace_fork_prepare();
    wane__heap_fork_prepare();
    wane__background_fork_prepare();
    wane__sites_fork_prepare();
}

static void parent(void) {
    wane__sites_fork_release();
    wane__background_fork_parent();
    wane__heap_fork_parent();
    wane__grace_fork_parent();
    wane__record_fork_parent();
    wane__weak_fork_release();
    wane__type_fork_release();
    wane__queued_fork_parent();
    wane__left_fork_parent();
    wane__kept_fork_release();
    wane__callbacks_fork_parent();
    wane__generations_fork_parent();
    wane__collect_fork_parent();
    wane__collector_unlock();
    wane__trace_fork_release();
}

static void child(void) {
    struct wane__record *self = wane__record_self();
    wane__locks_unordered(true);
    wane__sites_fork_release();
    wane__collector_fork_child();
    wane__grace_fork_child(self != NULL ? self->id : 0);
    wane__record_fork_child();
    wane__heap_fork_child_done(self != NULL ? &self->heap : NULL);
    wane__weak_fork_release();
    wane__type_fork_release();
    wane__collect_fork_child(self);
    wane__kept_fork_release();
    wane__callbacks_fork_child(self);
    wane__walk_fork_child(self);
    wane__frozen_fork_child(self);
    wane__generations_fork_child(self);
    wane__background_fork_child();
    wane__event_fork_child();
    wane__collector_unlock();
    wane__trace_fork_release();
    wane__barrier_init(!wane__fences_on());
    wane__park_fork_child();
    wane__defer_fork_child(self);
    wane__death_fork_child(self);
    wane__queued_fork_child(self);
    wane__left_fork_child(self);
    wane__wave_fork_child(self);
    wane__locks_unordered(false);
}

static void fork_over(void) {
    forking = false;
    wane__mutex_unlock(&starting);
}

static void fork_parent(void) {
    if (prepared)
        parent();
    fork_over();
}

static void fork_child(void) {
    if (prepared)
        child();
    fork_over();
}

/*
 * When the library is loaded, not at its first call: handlers that the program registered before would be called while all
 * of the library's locks are held, and could not use it.
 */
__attribute__((constructor)) static void at_fork(void) { pthread_atfork(fork_prepare, fork_parent, fork_child); }

/* Before static destructors run, as far as the order of atexit allows: no callback meets a destroyed object. */
static void park(void) {
    wane__background_stop(PARK_LIMIT_NS);
    wane__quarantine_check();
}

void wane__start(void) {
    if (!forking)
        wane__mutex_lock(&starting);
    wane__options_read_environment();
    wane__options_check_names();
    wane__mode_init(wane__barrier_init(wane__option(membarrier) != 0));
    wane__page_type_name = wane__name_of;
    wane__quarantine_start();
    wane__heap_looks = &wane__bracket_looks;
    wane__background_init();
    wane__trace_init();
    wane__phases_start();
    atexit(park);
    store_release(&xstarted, true);
    if (!forking)
        wane__mutex_unlock(&starting);
}
