/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "os/sigpipe.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Those that the program handles by a function: what others do is no interruption. */
static void add_handled(sigset_t *set) {
    struct sigaction action;
    for (int number = 1; number < NSIG; number++) {
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN)
            sigaddset(set, number);
    }
}

void wane__sigpipe_hold(struct wane__sigpipe *s, bool handlers) {
    int saved = errno;
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigaddset(&set, SIGXFSZ);
    if (handlers)
        add_handled(&set);
    sigpending(&pending);
    s->pipe_pending = sigismember(&pending, SIGPIPE) == 1;
    s->size_pending = sigismember(&pending, SIGXFSZ) == 1;
    pthread_sigmask(SIG_BLOCK, &set, &s->before);
    errno = saved;
}

static void take(int number) {
    const struct timespec at_once = {0, 0};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    /* by number: the C library's call is a cancellation point; the kernel's sets of signals have 8 bytes */
    while (syscall(SYS_rt_sigtimedwait, &set, NULL, &at_once, 8) < 0 && errno == EINTR) {
    }
}

void wane__sigpipe_let(const struct wane__sigpipe *s, int error) {
    int saved = errno;
    if (error == -EPIPE && !s->pipe_pending)
        take(SIGPIPE);
    if (error == -EFBIG && !s->size_pending)
        take(SIGXFSZ);
    pthread_sigmask(SIG_SETMASK, &s->before, NULL);
    errno = saved;
}
