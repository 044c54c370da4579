/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * api/finalizers.c: finalizers that the program runs where it likes.
 */
#include <errno.h>
#include <wane/gc.h>

#include "life/death.h"
#include "life/queued.h"

size_t wane_run_finalizers(void) {
    int error = 0, saved = errno;
    struct wane__record *r = wane__record_attach(&error);
    size_t n = r != NULL && r->callbacks == 0 ? wane__run_queued(r) : 0;
    errno = saved;
    return n;
}

int wane_set_finalizer_notify(void (*fn)(void *arg), void *arg) {
    int error = 0, saved = errno;
    const struct wane__record *r = wane__record_attach(&error);
    if (r == NULL)
        return error;
    wane__queued_set_notify(r, fn, arg);
    errno = saved;
    return 0;
}
