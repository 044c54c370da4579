/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * os/file.h: files, by bare system calls: the C library's are cancellation points, and no call of the library is one.
 * All return a negative errno value on failure. Any thread.
 */
#ifndef WANE_OS_FILE_H
#define WANE_OS_FILE_H

#include <stddef.h>
#include <sys/types.h>

/* A descriptor of the file, made or overwritten; of one that is read. Closed by exec. */
int wane__file_make(const char *path);
int wane__file_open(const char *path);

/* All of it: 0, or the error. */
int wane__file_write(int fd, const char *bytes, size_t n);

/* How many bytes; 0: the end. */
ssize_t wane__file_read(int fd, char *ret, size_t max);

int wane__file_close(int fd);

#endif
