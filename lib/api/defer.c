/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * api/defer.c: functions that run after a grace period.
 */
#include <errno.h>
#include <stdlib.h>
#include <wane/guard.h>

#include "count/wave.h"
#include "thread/grace.h"
#include "thread/wake.h"

/* wane_defer's own node: calls what it was made for, and goes. */
struct call {
    wane_defer_node node;
    void (*fn)(void *arg);
    void *arg;
};

static void call_and_free(void *arg) {
    struct call c = *(struct call *)arg;
    free(arg);
    c.fn(c.arg);
}

int wane_defer(void (*fn)(void *arg), void *arg) {
    if (fn == NULL)
        return -EINVAL;
    int error = 0, saved = errno;
    if (wane__record_attach(&error) == NULL)
        return error;
    struct call *c = malloc(sizeof *c);
    errno = saved;
    if (c == NULL)
        return -ENOMEM;
    c->fn = fn;
    c->arg = arg;
    wane_defer_node_add(&c->node, call_and_free, c);
    return 0;
}

void wane_defer_node_add(wane_defer_node *node, void (*fn)(void *arg), void *arg) {
    struct wane__record *r = wane__record_need("wane_defer_node_add");
    node->wane__fn = fn;
    node->wane__arg = arg;
    wane__calls_add(node);
    wane__wave_note_follower(r);
    wane__wake();
}
