/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * os/sigpipe.h: writing to what may be a pipe that nobody reads, or a file that may not grow, without the signals that would end the
 * program: SIGPIPE and SIGXFSZ are blocked in the calling thread, and taken if a write in between raised one.
 */
#ifndef WANE_OS_SIGPIPE_H
#define WANE_OS_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>

struct wane__sigpipe {
    sigset_t before;
    bool pipe_pending, size_pending; /* before already: then it is the program's */
};

/* handlers: nor is any signal handled that the program has a handler for: it would interrupt the write, and a stream loses what it holds. */
void wane__sigpipe_hold(struct wane__sigpipe *s, bool handlers);
/* error: 0, or what a write in between said, negative. Keeps errno. */
void wane__sigpipe_let(const struct wane__sigpipe *s, int error);

#endif
