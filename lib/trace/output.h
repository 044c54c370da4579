/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * trace/output.h: writing to a file or a stream piece by piece; the first error stays, and later pieces are dropped. No signal
 * is raised by a pipe that nobody reads, and nothing is a cancellation point. One thread's, on its stack.
 *
 * Files of lines with fields: a tab stands before each field but the first.
 */
#ifndef WANE_TRACE_OUTPUT_H
#define WANE_TRACE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct wane__output {
    FILE *stream; /* NULL: fd */
    int fd;
    int error; /* 0, or a negative errno value */
    size_t used;
    char buffer[8192];
    bool holds; /* what is written is kept in memory */
    char *held;
    size_t held_n, held_room;
};

/* Makes the file, or overwrites it. */
void wane__output_open(struct wane__output *out, const char *path);
/* The stream stays open, and is flushed at the end. */
void wane__output_to(struct wane__output *out, FILE *stream);
void wane__output_bytes(struct wane__output *out, const char *bytes, size_t n);
/* Up to 255 bytes. */
void wane__output_print(struct wane__output *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A tab, and a number, to base 10 or 16. */
void wane__output_number(struct wane__output *out, uint64_t number, unsigned base);
/*
 * A tab, and a text that cannot be taken for anything else: tabs, ends of line and backslashes become two characters; without
 * a text, \N.
 */
void wane__output_text(struct wane__output *out, const char *text);

/* From now on nothing is written, and all is gathered in memory; and then all that was. */
void wane__output_hold(struct wane__output *out);
void wane__output_let(struct wane__output *out);

/* An error of the caller's: if it is the first one, it stays. */
void wane__output_fail(struct wane__output *out, int error);

/* Writes what is left and closes the file. 0, or the error. */
int wane__output_close(struct wane__output *out);

#endif
