/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/phases.c: see phases.h.
 *
 * The file is an array of events whose closing bracket may be missing, as the format allows: so a process that ends at
 * any moment leaves a good file. Lines are appended whole, by one write(2) each: the child of a fork, and other processes
 * with the same environment, add lines under process ids of their own. The system calls are bare ones, which are no cancellation points.
 */
#include "cycle/phases.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "os/clock.h"

static int fd = -1; /* written at the start only */

/* Programs that close all that they did not open begin with the low ones, and their next files get those numbers. */
#define FD_LEAST 100

static void append(const char *text, size_t n) {
    long ignored = syscall(SYS_write, fd, text, n);
    (void)ignored;
}

static int open_file(const char *path) {
    int low = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0644);
    struct stat s;
    if (low < 0)
        return -errno;
    /* A pipe may lose its reader, which would be a signal to whichever thread collects. */
    int result = fstat(low, &s) != 0 ? -errno : S_ISFIFO(s.st_mode) || S_ISSOCK(s.st_mode) ? -ESPIPE : 0;
    if (result == 0 && (result = (int)syscall(SYS_fcntl, low, F_DUPFD_CLOEXEC, FD_LEAST)) < 0)
        result = -errno;
    syscall(SYS_close, low);
    return result;
}

void wane__phases_start(void) {
    const char *path = secure_getenv("WANE_GC_TRACE");
    if (path == NULL || *path == '\0')
        return;
    int saved = errno, opened = open_file(path);
    if (opened < 0) {
        wane__log(WANE__LOG_WARNING, "WANE_GC_TRACE=%s: cannot be opened: %s", path, strerror(-opened));
    } else {
        fd = opened;
        if (lseek(fd, 0, SEEK_END) == 0)
            append("[\n", 2);
    }
    errno = saved;
}

bool wane__phases_on(void) { return fd >= 0; }

void wane__phase(const char *name, uint64_t since, const char *args, ...) {
    char line[512], more[256];
    uint64_t took = wane__now() - since;
    int saved = errno;
    va_list ap;
    va_start(ap, args);
    vsnprintf(more, sizeof more, args, ap);
    va_end(ap);
    int n = snprintf(line, sizeof line,
                     "{\"name\":\"%s\",\"cat\":\"gc\",\"ph\":\"X\",\"ts\":%llu.%03u,\"dur\":%llu.%03u,\"pid\":%ld,\"tid\":%ld,"
                     "\"args\":{%s}},\n",
                     name, (unsigned long long)(since / 1000), (unsigned)(since % 1000), (unsigned long long)(took / 1000),
                     (unsigned)(took % 1000), syscall(SYS_getpid), syscall(SYS_gettid), more);
    append(line, (size_t)n);
    errno = saved;
}
