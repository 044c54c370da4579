/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "os/sigpipe.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void pipe_only(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGPIPE);
}

void wane__sigpipe_hold(struct wane__sigpipe *s) {
    sigset_t set, pending;
    pipe_only(&set);
    sigpending(&pending);
    s->pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &set, &s->before);
}

void wane__sigpipe_let(const struct wane__sigpipe *s, bool raised) {
    int saved = errno;
    sigset_t set;
    pipe_only(&set);
    if (raised && !s->pending) {
        const struct timespec at_once = {0, 0};
        /* by number: the C library's call is a cancellation point; the kernel's sets of signals have 8 bytes */
        while (syscall(SYS_rt_sigtimedwait, &set, NULL, &at_once, 8) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &s->before, NULL);
    errno = saved;
}
