/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * api/gc.c: the collector's public calls.
 */
#include <errno.h>
#include <limits.h>
#include <wane/gc.h>
#include <wane/thread.h>

#include "api/api.h"
#include "base/option.h"
#include "cycle/background.h"
#include "cycle/callbacks.h"
#include "cycle/debug.h"
#include "cycle/generations.h"
#include "cycle/kept.h"
#include "life/growth.h"
#include "life/type.h"
#include "os/clock.h"
#include "thread/mode.h"
#include "thread/wake.h"

void wane_gc_enable(void) { wane__automatic_set(true); }
void wane_gc_disable(void) { wane__automatic_set(false); }
bool wane_gc_is_enabled(void) { return wane__automatic_enabled(); }
void wane_gc_pause(void) { wane__automatic_pause(); }
void wane_gc_resume(void) { wane__automatic_resume(); }

int wane_gc_run(int generation, wane_gc_event *ret) {
    if (generation < 0 || generation > WANE_GC_FULL)
        return -EINVAL;
    int error = 0;
    struct wane__record *r = wane__record_attach(&error);
    if (r == NULL)
        return error;
    if (r->callbacks > 0)
        return -EDEADLK;
    if (r->head.nest > 0)
        wane__fatal("wane_gc_collect inside a guard: it would wait for itself");
    int saved = errno;
    wane_gc_event unused;
    wane_flush();
    int result = wane__collect_now(r, generation, ret != NULL ? ret : &unused);
    wane_flush();
    wane__growth_lower();
    errno = saved;
    return result;
}

int wane_collector_run(void) {
    int error = 0;
    struct wane__record *r = wane__record_attach(&error);
    if (r == NULL)
        return error;
    if (r->callbacks > 0)
        return -EDEADLK;
    if (r->head.nest > 0)
        wane__fatal("wane_collector_run inside a guard: it would wait for itself");
    return wane__background_lend();
}

size_t wane_gc_collect(int generation) {
    wane_gc_event e = {0};
    (void)wane_gc_run(generation, &e); /* one that was given up for want of memory may have found some before */
    return e.collected;
}

int wane_gc_set_threshold(unsigned g0, unsigned g1, unsigned g2) {
    if (g0 > INT_MAX || g1 > INT_MAX || g2 > INT_MAX)
        return -EINVAL;
    wane__options_read_environment(); /* first: it must not come later and overwrite these */
    store_relaxed(&wane__options.xthreshold0, (int64_t)g0);
    store_relaxed(&wane__options.xthreshold1, (int64_t)g1);
    store_relaxed(&wane__options.xthreshold2, (int64_t)g2);
    wane__generations_reset();
    wane__wake(); /* what is due now may not have been before */
    return 0;
}

void wane_gc_get_threshold(unsigned ret[3]) {
    wane__options_read_environment();
    ret[0] = (unsigned)wane__option(threshold0);
    ret[1] = (unsigned)wane__option(threshold1);
    ret[2] = (unsigned)wane__option(threshold2);
}

void wane_gc_get_count(unsigned ret[3]) { wane__generations_count(ret); }
void wane_gc_get_stats(wane_gc_stats ret[3]) { wane__generations_stats(ret); }

int wane_gc_add_callback(void (*fn)(const wane_gc_event *e, void *arg), void *arg) {
    int error = 0, saved = errno;
    if (fn == NULL)
        return -EINVAL;
    if (wane__record_attach(&error) == NULL)
        return error;
    int result = wane__callback_add(fn, arg);
    errno = saved;
    return result;
}

int wane_gc_remove_callback(void (*fn)(const wane_gc_event *e, void *arg), void *arg) {
    int error = 0;
    if (fn == NULL)
        return -EINVAL;
    const struct wane__record *r = wane__record_attach(&error);
    return r == NULL ? error : wane__callback_remove(r, fn, arg);
}

size_t wane_gc_get_unreachable(void **ret, size_t max) {
    int error = 0;
    if (wane__record_attach(&error) == NULL)
        return 0;
    return ret == NULL ? wane__kept_count() : wane__kept_take(ret, max);
}

void wane_gc_set_debug(unsigned flags) { store_relaxed(&wane__xgc_debug, flags); }
unsigned wane_gc_get_debug(void) { return load_relaxed(&wane__xgc_debug); }

/*
 * A move would let the collector see one unit in two slots, or in none. It counts as an increment of the container:
 * one bracket around the touch and the whole move (tests/model/move.pml).
 */
static void touch(struct wane__header *h) {
    if (wane__word_has(load_relaxed(&h->shared), WANE__WATCHED))
        or_acq_rel(&h->shared, WANE__TOUCHED); /* [order:count] */
}

void wane_change_begin(void *container) {
    struct wane__record *r = wane__record_need("wane_change_begin");
    wane__mark(&r->head);
    if (container != NULL)
        touch(wane__header_of(container));
}

void wane_change_end(void *container) {
    (void)container;
    wane__unmark(&wane__record_need("wane_change_end")->head);
}

/* Perhaps inside a change, which ends its own bracket. */
void wane_slots_move(void *container, wane_slot *dst, wane_slot *src, size_t n) {
    bool inside = load_relaxed(&wane__record_need("wane_slots_move")->head.bracket) != 0;
    wane_change_begin(container);
    for (size_t i = 0; i < n; i++) {
        size_t at = dst <= src ? i : n - 1 - i;
        store_release(&dst[at].wane__target, load_relaxed(&src[at].wane__target)); /* [order:slot] */
    }
    if (!inside)
        wane_change_end(container);
}
