/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * reply.c: buffers, and the forms of RESP2 replies written into a client's output.
 */
#include "net.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buffer_reserve(struct buffer *b, size_t more) {
    if (b->room - b->end >= more) {
        return;
    }
    size_t used = buffer_used(b);
    if (b->start > 0 && (b->room - used >= more) && b->start >= used) {
        memmove(b->at, b->at + b->start, used);
    } else {
        size_t room = b->room == 0 ? 1024 : b->room;
        while (room - used < more) {
            room *= 2;
        }
        char *at = obj_check(malloc(room));
        if (used > 0) {
            memcpy(at, b->at + b->start, used);
        }
        free(b->at);
        b->at = at;
        b->room = room;
    }
    b->start = 0;
    b->end = used;
}

void buffer_append(struct buffer *b, struct bytes bytes) {
    buffer_reserve(b, bytes.len);
    if (bytes.len > 0) {
        memcpy(b->at + b->end, bytes.at, bytes.len);
    }
    b->end += bytes.len;
}

void buffer_free(struct buffer *b) {
    free(b->at);
    *b = (struct buffer){0};
}

void reply_raw(struct client *c, struct bytes b) { buffer_append(&c->out, b); }

/* A type byte, a number, a line's end. */
static void head(struct client *c, char type, int64_t n) {
    char text[32];
    char *end = text + sizeof text;
    char *p = end;
    *--p = '\n';
    *--p = '\r';
    uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
    do {
        *--p = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (n < 0) {
        *--p = '-';
    }
    *--p = type;
    reply_raw(c, (struct bytes){p, (size_t)(end - p)});
}

void reply_ok(struct client *c) { reply_raw(c, BYTES("+OK\r\n")); }
void reply_nil(struct client *c) { reply_raw(c, BYTES("$-1\r\n")); }
void reply_nil_array(struct client *c) { reply_raw(c, BYTES("*-1\r\n")); }
void reply_int(struct client *c, int64_t n) { head(c, ':', n); }
void reply_array(struct client *c, size_t n) { head(c, '*', (int64_t)n); }

void reply_status(struct client *c, const char *text) {
    reply_raw(c, BYTES("+"));
    reply_raw(c, (struct bytes){text, strlen(text)});
    reply_raw(c, BYTES("\r\n"));
}

void reply_error(struct client *c, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    /* What the client sent may be quoted in it; a line's end would break the protocol. */
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\r' || text[i] == '\n') {
            text[i] = ' ';
        }
    }
    reply_raw(c, BYTES("-"));
    reply_raw(c, (struct bytes){text, len});
    reply_raw(c, BYTES("\r\n"));
}

void reply_bulk(struct client *c, struct bytes b) {
    head(c, '$', (int64_t)b.len);
    reply_raw(c, b);
    reply_raw(c, BYTES("\r\n"));
}

void reply_double(struct client *c, double x) {
    char text[64];
    int n;
    if (isinf(x)) {
        n = snprintf(text, sizeof text, "%s", x > 0 ? "inf" : "-inf");
    } else if (x == floor(x) && fabs(x) < 1e17) {
        n = snprintf(text, sizeof text, "%.0f", x);
    } else {
        n = snprintf(text, sizeof text, "%.17g", x);
    }
    reply_bulk(c, (struct bytes){text, (size_t)n});
}
