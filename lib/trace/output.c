/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "trace/output.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>

#include "os/file.h"
#include "os/sigpipe.h"

#define PRINT_MAX 256

void wane__output_open(struct wane__output *out, const char *path) {
    out->stream = NULL;
    out->used = 0;
    out->fd = wane__file_make(path);
    out->error = out->fd < 0 ? out->fd : 0;
}

void wane__output_to(struct wane__output *out, FILE *stream) {
    out->stream = stream;
    out->used = 0;
    out->fd = -1;
    out->error = 0;
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
    wane__sigpipe_hold(&signal);
    if (out->stream != NULL)
        out->error = write_stream(out->stream, out->buffer, out->used, last);
    else
        out->error = wane__file_write(out->fd, out->buffer, out->used);
    wane__sigpipe_let(&signal, out->error == -EPIPE);
    out->used = 0;
}

void wane__output_bytes(struct wane__output *out, const char *bytes, size_t n) {
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
    if (out->fd >= 0) {
        int error = wane__file_close(out->fd);
        if (out->error == 0)
            out->error = error;
    }
    return out->error;
}
