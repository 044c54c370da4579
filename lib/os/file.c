/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_as(const char *path, int flags) {
    long fd;
    do {
        fd = syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0666);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : (int)fd;
}

int wane__file_make(const char *path) { return open_as(path, O_WRONLY | O_CREAT | O_TRUNC); }
int wane__file_open(const char *path) { return open_as(path, O_RDONLY); }

int wane__file_write(int fd, const char *bytes, size_t n) {
    while (n > 0) {
        long wrote = syscall(SYS_write, fd, bytes, n);
        if (wrote < 0 && errno != EINTR)
            return -errno;
        size_t done = wrote > 0 ? (size_t)wrote : 0;
        bytes += done;
        n -= done;
    }
    return 0;
}

ssize_t wane__file_read(int fd, char *ret, size_t max) {
    long n;
    do {
        n = syscall(SYS_read, fd, ret, max);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* The descriptor is gone, whatever it returns. */
int wane__file_close(int fd) { return syscall(SYS_close, fd) != 0 && errno != EINTR ? -errno : 0; }
