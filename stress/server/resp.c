/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * resp.c: reads commands, in pieces as they come: RESP2 multibulk and inline. The limits and the
 * words of the errors are Redis's. Nothing is reserved for what is only announced, so a client pays
 * for memory with bytes that it sent.
 *
 * `scanned` counts from in.start: everything before it is parsed. Arguments point into the buffer;
 * whoever moves the buffer moves them (client.c). The buffer's start moves only between commands.
 */
#include "net.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES (64 * 1024)
#define ARGS_MAX (1024 * 1024)

static enum parsed broken(struct client *c, const char *what) {
    reply_error(c, "ERR Protocol error: %s", what);
    atomic_fetch_add(&c->worker->count.protocol_errors, 1);
    return PARSED_ERROR;
}

static void arg_add(struct client *c, const char *at, size_t len) {
    if (c->n_args == c->room_args) {
        c->room_args = c->room_args == 0 ? 16 : c->room_args * 2;
        c->arg = obj_check(realloc(c->arg, c->room_args * sizeof c->arg[0]));
    }
    c->arg[c->n_args++] = (struct bytes){at, len};
}

/* The line that begins at `scanned`; NULL when its end is not there yet. */
static char *line_end(struct client *c, char **ret_line) {
    char *line = c->in.at + c->in.start + c->scanned;
    *ret_line = line;
    return memchr(line, '\n', buffer_used(&c->in) - c->scanned);
}

static bool line_too_long(struct client *c) {
    return buffer_used(&c->in) - c->scanned > LINE_MAX_BYTES;
}

/* One number between `from` and the line's end, without its \r. */
static bool line_number(const char *from, const char *end, int64_t *ret) {
    if (end > from && end[-1] == '\r') {
        end--;
    }
    return bytes_to_int((struct bytes){from, (size_t)(end - from)}, ret);
}

static int hex_value(char ch) {
    return ch >= '0' && ch <= '9' ? ch - '0' : tolower((unsigned char)ch) - 'a' + 10;
}

/* The character that a backslash and what follows stand for; moves *p past it. */
static char unescape(const char **p, const char *end) {
    const char *at = *p + 1;
    if (end - at >= 3 && *at == 'x' && isxdigit((unsigned char)at[1]) &&
        isxdigit((unsigned char)at[2])) {
        *p = at + 3;
        return (char)(hex_value(at[1]) * 16 + hex_value(at[2]));
    }
    *p = at + 1;
    switch (*at) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return *at;
    }
}

/* One quoted part; writes it at *w, which never overtakes *p. False: it does not end. */
static bool quoted(const char **p, const char *end, char **w) {
    char quote = *(*p)++;
    while (*p < end && **p != quote) {
        if (quote == '"' && **p == '\\' && *p + 1 < end) {
            *(*w)++ = unescape(p, end);
        } else if (quote == '\'' && **p == '\\' && *p + 1 < end && (*p)[1] == '\'') {
            *(*w)++ = '\'';
            *p += 2;
        } else {
            *(*w)++ = *(*p)++;
        }
    }
    if (*p >= end) {
        return false;
    }
    (*p)++;
    return *p == end || isspace((unsigned char)**p);
}

/* Splits a line at spaces, in its own memory. */
static bool split(struct client *c, char *line, const char *end) {
    const char *p = line;
    while (p < end) {
        if (isspace((unsigned char)*p) || *p == '\0') {
            p++;
            continue;
        }
        char *word = line + (p - line);
        char *w = word;
        while (p < end && !isspace((unsigned char)*p)) {
            if (*p == '"' || *p == '\'') {
                if (!quoted(&p, end, &w)) {
                    return false;
                }
            } else {
                *w++ = *p++;
            }
        }
        arg_add(c, word, (size_t)(w - word));
    }
    return true;
}

static enum parsed inline_command(struct client *c) {
    char *line;
    char *end = line_end(c, &line);
    if (end == NULL) {
        return line_too_long(c) ? broken(c, "too big inline request") : PARSED_PARTIAL;
    }
    c->scanned += (size_t)(end - line) + 1;
    if (end > line && end[-1] == '\r') {
        end--;
    }
    if (!split(c, line, end)) {
        return broken(c, "unbalanced quotes in request");
    }
    return c->n_args > 0 ? PARSED_COMMAND : PARSED_NOTHING;
}

/* "*3\r\n" */
static enum parsed multibulk_head(struct client *c) {
    char *line;
    char *end = line_end(c, &line);
    if (end == NULL) {
        return line_too_long(c) ? broken(c, "too big mbulk count string") : PARSED_PARTIAL;
    }
    int64_t n;
    if (!line_number(line + 1, end, &n) || n > ARGS_MAX) {
        return broken(c, "invalid multibulk length");
    }
    c->scanned += (size_t)(end - line) + 1;
    c->args_left = n > 0 ? n : 0;
    c->bulk_left = -1;
    return n > 0 ? PARSED_COMMAND : PARSED_NOTHING;
}

/* "$5\r\n" */
static enum parsed bulk_head(struct client *c) {
    char *line;
    char *end = line_end(c, &line);
    if (end == NULL) {
        return line_too_long(c) ? broken(c, "too big bulk count string") : PARSED_PARTIAL;
    }
    if (*line != '$') {
        char text[64];
        snprintf(text, sizeof text, "expected '$', got '%c'",
                 isprint((unsigned char)*line) ? *line : '?');
        return broken(c, text);
    }
    if (!line_number(line + 1, end, &c->bulk_left) || c->bulk_left < 0 ||
        c->bulk_left > atomic_load(&limits.max_bulk)) {
        c->bulk_left = -1;
        return broken(c, "invalid bulk length");
    }
    c->scanned += (size_t)(end - line) + 1;
    return PARSED_COMMAND;
}

static enum parsed multibulk_args(struct client *c) {
    while (c->args_left > 0) {
        if (c->bulk_left < 0) {
            enum parsed p = bulk_head(c);
            if (p != PARSED_COMMAND) {
                return p;
            }
        }
        size_t need = (size_t)c->bulk_left + 2;
        if (buffer_used(&c->in) - c->scanned < need) {
            return PARSED_PARTIAL;
        }
        arg_add(c, c->in.at + c->in.start + c->scanned, (size_t)c->bulk_left);
        c->scanned += need;
        c->bulk_left = -1;
        c->args_left--;
    }
    return PARSED_COMMAND;
}

enum parsed resp_next(struct client *c) {
    if (c->args_left == 0) {
        if (buffer_used(&c->in) == 0) {
            return PARSED_PARTIAL;
        }
        if (c->in.at[c->in.start] != '*') {
            return inline_command(c);
        }
        enum parsed p = multibulk_head(c);
        if (p != PARSED_COMMAND) {
            return p;
        }
    }
    return multibulk_args(c);
}

void resp_done(struct client *c) {
    c->in.start += c->scanned;
    c->scanned = 0;
    c->n_args = 0;
    c->args_left = 0;
    c->bulk_left = -1;
}
