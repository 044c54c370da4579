/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * os/sigpipe.h: writing to what may be a pipe that nobody reads, without the signal that would end the program: it is blocked
 * in the calling thread, and taken if a write in between raised it.
 */
#ifndef WANE_OS_SIGPIPE_H
#define WANE_OS_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>

struct wane__sigpipe {
    sigset_t before;
    bool pending; /* before already: then it is the program's */
};

void wane__sigpipe_hold(struct wane__sigpipe *s);
/* raised: a write in between failed with EPIPE. Keeps errno. */
void wane__sigpipe_let(const struct wane__sigpipe *s, bool raised);

#endif
