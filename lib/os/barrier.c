/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "os/barrier.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"

/* The kernel wants memory for it, on machines with many processors. To be without it for a moment is not to be without it. */
#define TRIES 100

bool wane__barrier_init(bool allowed) {
    int saved = errno;
    bool works = allowed && syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    errno = saved;
    return works;
}

bool wane__barrier_heavy(bool works) {
    if (!works) {
        fence_seq_cst();
        return true;
    }
    int saved = errno;
    bool done;
    unsigned tries = TRIES;
    do {
        done = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
    } while (!done && errno == ENOMEM && --tries > 0 && sched_yield() == 0);
    errno = saved;
    return done;
}
