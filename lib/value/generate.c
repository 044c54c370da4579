/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/generate.c: iterators that make their elements: ranges of integers, lines of a file.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <wane.h>
#include <wane/int.h>
#include <wane/str.h>

#include "value/iter.h"

struct range {
    struct wane_iter iter;
    uint64_t next, step; /* modulo 2^64 */
    uint64_t left;       /* how many there are still to come */
};

static void *range_next(wane_iter *it) {
    struct range *r = (struct range *)it;
    if (r->left == 0)
        return NULL;
    wane_int *i = wane_int_new((int64_t)r->next);
    if (i != NULL) {
        r->next += r->step;
        r->left--;
    }
    return i;
}

static const struct wane__iter_kind range_kind = {.size = sizeof(struct range), .next = range_next};

/* Unsigned, because stop - start need not fit. */
static uint64_t range_len(int64_t start, int64_t stop, int64_t step) {
    if (step > 0 ? start >= stop : start <= stop)
        return 0;
    uint64_t span = step > 0 ? (uint64_t)stop - (uint64_t)start : (uint64_t)start - (uint64_t)stop;
    uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    return (span - 1) / stride + 1;
}

wane_iter *wane_range(int64_t start, int64_t stop, int64_t step) {
    if (step == 0) {
        errno = EINVAL;
        return NULL;
    }
    struct range *r = wane__iter_make(&range_kind);
    if (r == NULL)
        return NULL;
    r->next = (uint64_t)start;
    r->step = (uint64_t)step;
    r->left = range_len(start, stop, step);
    return &r->iter;
}

/* A buffer of more than this is not kept for the next line. */
#define KEPT_BYTES 65536

struct lines {
    struct wane_iter iter;
    FILE *file;   /* the caller's */
    char *buffer; /* getline's */
    size_t size;
};

static void drop_buffer(struct lines *l) {
    free(l->buffer);
    l->buffer = NULL;
    l->size = 0;
}

/* Reading is a cancellation point of libc's: a thread that was cancelled goes on to the end of the call. */
static ssize_t read_line(struct lines *l) {
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    ssize_t n = getline(&l->buffer, &l->size, l->file);
    int error = n >= 0 || (feof(l->file) && !ferror(l->file)) ? 0 : errno;
    pthread_setcancelstate(state, NULL);
    errno = error;
    return n;
}

static void *lines_next(wane_iter *it) {
    struct lines *l = (struct lines *)it;
    ssize_t n = read_line(l);
    wane_str *line = NULL;
    if (n >= 0)
        line = wane_str_new(l->buffer, n > 0 && l->buffer[n - 1] == '\n' ? (size_t)n - 1 : (size_t)n);
    if (line == NULL || l->size > KEPT_BYTES)
        drop_buffer(l);
    return line;
}

static void lines_destroy(wane_iter *it) { free(((struct lines *)it)->buffer); }

static const struct wane__iter_kind lines_kind = {
    .size = sizeof(struct lines),
    .next = lines_next,
    .destroy = lines_destroy,
};

wane_iter *wane_lines(FILE *f) {
    if (f == NULL) {
        errno = EINVAL;
        return NULL;
    }
    struct lines *l = wane__iter_make(&lines_kind);
    if (l != NULL)
        l->file = f;
    return l != NULL ? &l->iter : NULL;
}
