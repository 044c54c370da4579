/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * api/inspect.c: looks at the heap beside running threads, and objects that are set aside.
 */
#include <errno.h>
#include <wane/gc.h>
#include <wane/inspect.h>
#include <wane/thread.h>
#include <wane/trace.h>

#include "base/check.h"
#include "cycle/inspect.h"
#include "life/type.h"
#include "trace/heapfile.h"
#include "trace/leaks.h"

bool wane_gc_is_tracked(const void *obj) {
    return obj != NULL && load_relaxed(&wane__header_of(obj)->candidate) < WANE__CANDIDATE_NEVER;
}

bool wane_gc_is_finalized(const void *obj) {
    if (obj == NULL)
        return false;
    uint64_t w = load_acquire(&wane__header_of(obj)->shared);
    if (wane__word_is_static(w))
        return false;
    return wane__type_of(w)->finalize != NULL && !wane__word_has(w, WANE__FINAL_DUE);
}

/*
 * The record for a look at the heap, which waits for other collections, and those perhaps for guards. NULL: with the error;
 * -EDEADLK is a callback in a guard, of whoever made the call that runs it.
 */
static struct wane__record *begin(const char *operation, int *ret_error) {
    struct wane__record *r = wane__record_attach(ret_error);
    if (r == NULL || r->head.nest == 0)
        return r;
    if (r->callbacks == 0)
        wane__fatal("%s inside a guard: it would wait for itself", operation);
    *ret_error = -EDEADLK;
    return NULL;
}

size_t wane_gc_get_objects(int generation, bool (*each)(void *obj, void *arg), void *arg) {
    int error = 0;
    struct wane__record *r = begin("wane_gc_get_objects", &error);
    if (r == NULL || each == NULL || generation < -1 || generation > 2)
        return 0;
    return wane__show_objects(r, generation, each, arg);
}

size_t wane_gc_get_referrers(void *obj, bool (*each)(void *referrer, void *arg), void *arg) {
    int error = 0;
    struct wane__record *r = begin("wane_gc_get_referrers", &error);
    return r == NULL || each == NULL || obj == NULL ? 0 : wane__show_referrers(r, obj, each, arg);
}

size_t wane_gc_get_referents(void *obj, bool (*each)(void *referent, void *arg), void *arg) {
    int error = 0;
    struct wane__record *r = wane__record_attach(&error);
    return r == NULL || each == NULL || obj == NULL ? 0 : wane__show_referents(r, obj, each, arg);
}

int wane_gc_explain(void *obj, FILE *out) {
    if (out == NULL)
        return -EINVAL;
    int error = 0;
    struct wane__record *r = begin("wane_gc_explain", &error);
    if (r == NULL)
        return error;
    if (obj == NULL)
        return -ESRCH;
    if (r->callbacks == 0)
        wane_flush(); /* what is deferred would look like units from outside */
    return wane__explain(r, obj, out);
}

void wane_leak_report(FILE *f) {
    int error = 0;
    struct wane__record *r = begin("wane_leak_report", &error);
    if (r == NULL || f == NULL)
        return;
    int saved = errno;
    if (r->callbacks == 0)
        wane_flush();
    wane__report_leaks(r, f);
    errno = saved;
}

int wane_heap_write(const char *path) {
    if (path == NULL)
        return -EINVAL;
    int error = 0;
    struct wane__record *r = begin("wane_heap_write", &error);
    return r != NULL ? wane__heap_write(r, path) : error;
}

void wane_gc_freeze(void) {
    int error = 0;
    struct wane__record *r = begin("wane_gc_freeze", &error);
    if (r != NULL)
        wane__freeze(r);
}

void wane_gc_unfreeze(void) {
    int error = 0;
    struct wane__record *r = begin("wane_gc_unfreeze", &error);
    if (r != NULL)
        wane__unfreeze(r);
}

size_t wane_gc_get_freeze_count(void) {
    int error = 0;
    struct wane__record *r = begin("wane_gc_get_freeze_count", &error);
    return r != NULL ? wane__count_frozen(r) : 0;
}
