/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * trace/output.h: writing to a file or a stream piece by piece; the first error stays, and later pieces are dropped. No signal
 * is raised by a pipe that nobody reads, and nothing is a cancellation point. One thread's, on its stack.
 */
#ifndef WANE_TRACE_OUTPUT_H
#define WANE_TRACE_OUTPUT_H

#include <stddef.h>
#include <stdio.h>

struct wane__output {
    FILE *stream; /* NULL: fd */
    int fd;
    int error; /* 0, or a negative errno value */
    size_t used;
    char buffer[8192];
};

/* Makes the file, or overwrites it. */
void wane__output_open(struct wane__output *out, const char *path);
/* The stream stays open, and is flushed at the end. */
void wane__output_to(struct wane__output *out, FILE *stream);
void wane__output_bytes(struct wane__output *out, const char *bytes, size_t n);
/* Up to 255 bytes. */
void wane__output_print(struct wane__output *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes what is left and closes the file. 0, or the error. */
int wane__output_close(struct wane__output *out);

#endif
