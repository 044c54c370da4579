/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "thread/event.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "thread/mode.h"

bool wane__xevent_armed;
static int xfd = -1;

bool wane__event_exists(void) { return load_acquire(&xfd) >= 0; }

/* System calls by number: close(2), read(2) and write(2) of the C library are cancellation points. */
static void drop(int fd) { (void)syscall(SYS_close, fd); }

int wane__event_fd(void) {
    int fd = load_acquire(&xfd), none = -1;
    if (fd >= 0)
        return fd;
    int made = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (made < 0)
        return -errno;
    if (cas_acq_rel(&xfd, &none, made))
        return made;
    drop(made); /* another thread was first */
    return none;
}

static void drain(int fd) {
    uint64_t count;
    (void)syscall(SYS_read, fd, &count, sizeof count);
}

void wane__event_clear(void) {
    int fd = load_acquire(&xfd), saved = errno;
    if (fd < 0)
        return;
    drain(fd);
    errno = saved;
    if (swap_seq_cst(&wane__xevent_armed, true))
        return; /* whoever added work since would have cleared that */
    wane__heavy();
}

void wane__event_disarm(void) { store_relaxed(&wane__xevent_armed, false); }

void wane__event_raise_slow(void) {
    int fd = load_acquire(&xfd), saved = errno;
    uint64_t one = 1;
    if (fd >= 0 && swap_seq_cst(&wane__xevent_armed, false))
        (void)syscall(SYS_write, fd, &one, sizeof one);
    errno = saved;
}

/* Without a descriptor for it the next call of wane__event_fd makes one: the parent's is the parent's. */
void wane__event_fork_child(void) {
    int fd = load_relaxed(&xfd), saved = errno;
    if (fd < 0)
        return;
    store_relaxed(&wane__xevent_armed, false);
    int own = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (own < 0 || dup3(own, fd, O_CLOEXEC) < 0)
        store_relaxed(&xfd, -1);
    if (own >= 0)
        drop(own);
    store_relaxed(&wane__xevent_armed, true);
    wane__event_raise_slow(); /* its loop looks once */
    errno = saved;
}
