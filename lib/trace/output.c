/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "trace/output.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "os/sigpipe.h"

#define PRINT_MAX 256

static void begin(struct wane__output *out, FILE *stream) {
    out->stream = stream;
    out->used = out->held_n = out->held_room = 0;
    out->held = NULL;
    out->holds = false;
    out->fd = -1;
    out->error = 0;
}

void wane__output_open(struct wane__output *out, const char *path) {
    begin(out, NULL);
    out->fd = wane__file_make(path);
    out->error = out->fd < 0 ? out->fd : 0;
}

void wane__output_to(struct wane__output *out, FILE *stream) { begin(out, stream); }

void wane__output_fail(struct wane__output *out, int error) {
    if (out->error == 0)
        out->error = error;
}

/* Writing to a stream may be a cancellation point. `last`: what the stream holds goes to its file. */
static int write_stream(FILE *stream, const char *bytes, size_t n, bool last) {
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    flockfile(stream);
    errno = 0;
    int error = 0;
    if (fwrite_unlocked(bytes, 1, n, stream) != n || (last && fflush_unlocked(stream) != 0))
        error = errno != 0 ? -errno : -EIO;
    funlockfile(stream);
    pthread_setcancelstate(state, NULL);
    return error;
}

static void flush(struct wane__output *out, bool last) {
    if (out->error != 0)
        return;
    struct wane__sigpipe signal;
    wane__sigpipe_hold(&signal, out->stream != NULL);
    if (out->stream != NULL)
        out->error = write_stream(out->stream, out->buffer, out->used, last);
    else
        out->error = wane__file_write(out->fd, out->buffer, out->used);
    wane__sigpipe_let(&signal, out->error);
    out->used = 0;
}

static void hold_bytes(struct wane__output *out, const char *bytes, size_t n) {
    if (out->held_room - out->held_n < n) {
        size_t room = (out->held_room + n + 1024) * 2;
        char *held = realloc(out->held, room);
        if (held == NULL) {
            wane__output_fail(out, -ENOMEM);
            return;
        }
        out->held = held;
        out->held_room = room;
    }
    memcpy(out->held + out->held_n, bytes, n);
    out->held_n += n;
}

void wane__output_bytes(struct wane__output *out, const char *bytes, size_t n) {
    if (out->holds) {
        hold_bytes(out, bytes, n);
        return;
    }
    while (n > 0 && out->error == 0) {
        size_t room = sizeof out->buffer - out->used, some = n < room ? n : room;
        memcpy(out->buffer + out->used, bytes, some);
        out->used += some;
        bytes += some;
        n -= some;
        if (out->used == sizeof out->buffer)
            flush(out, false);
    }
}

void wane__output_number(struct wane__output *out, uint64_t number, unsigned base) {
    char text[24], *at = text + sizeof text;
    do {
        *--at = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    *--at = '\t';
    wane__output_bytes(out, at, (size_t)(text + sizeof text - at));
}

/* What is written as a backslash and a letter. */
static const char special[] = "\\\t\n\r", letters[] = "\\tnr";

void wane__output_text(struct wane__output *out, const char *text) {
    wane__output_bytes(out, "\t", 1);
    if (text == NULL) {
        wane__output_bytes(out, "\\N", 2);
        return;
    }
    for (;;) {
        size_t plain = strcspn(text, special);
        wane__output_bytes(out, text, plain);
        text += plain;
        if (*text == '\0')
            return;
        wane__output_bytes(out, (const char[]){'\\', letters[strchr(special, *text++) - special]}, 2);
    }
}

void wane__output_hold(struct wane__output *out) { out->holds = true; }

void wane__output_let(struct wane__output *out) {
    out->holds = false;
    wane__output_bytes(out, out->held, out->held_n);
    out->held_n = 0;
}

void wane__output_print(struct wane__output *out, const char *format, ...) {
    char text[PRINT_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0)
        wane__output_bytes(out, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

int wane__output_close(struct wane__output *out) {
    flush(out, true);
    free(out->held);
    if (out->fd >= 0)
        wane__output_fail(out, wane__file_close(out->fd));
    return out->error;
}
