/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * trace/file.c: snapshots as text: docs/design/trace.md has the format.
 *
 * A reader takes nothing for granted: each number is whole and in its range, each text ends where its field ends, the
 * last line says how many rows there were, and nothing comes after it.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "trace/output.h"
#include "trace/snapshot.h"

#define MAGIC "wane-snapshot"
#define VERSION 1
#define LINE_MAX_BYTES ((size_t)1 << 20)
#define FRAMES_MAX 128

/* What is written as a backslash and a letter, and the letters. */
static const char special[] = "\\\t\n\r", letters[] = "\\tnr";

static void write_row(struct wane__output *out, const wane__row *row) {
    wane__output_print(out, "%zu\t%zu\t%d", row->bytes, row->count, row->line > 0 ? row->line : 0);
    wane__output_text(out, row->file);
    wane__output_text(out, row->function);
    wane__output_text(out, row->type);
    for (unsigned i = 0; i < row->frames; i++)
        wane__output_print(out, "\t%" PRIxPTR, row->stack[i]);
    wane__output_bytes(out, "\n", 1);
}

int wane_snapshot_write(wane_snapshot *s, const char *path) {
    if (s == NULL || path == NULL)
        return -EINVAL;
    struct wane__output out;
    wane__output_open(&out, path);
    wane__output_print(&out, MAGIC "\t%d\nsample\t%zu\n", VERSION, s->mean);
    for (size_t i = 0; i < s->n; i++)
        write_row(&out, &s->rows[i]);
    wane__output_print(&out, "end\t%zu\n", s->n);
    return wane__output_close(&out);
}

/* What is read: rows with strings and stacks of their own, each malloc'ed. */
struct reader {
    int fd;
    size_t at, filled; /* of buffer */
    bool ended;
    char buffer[8192];
    char *line;
    size_t room; /* of line */
    wane__row *rows;
    size_t n, rows_room;
    size_t mean;
    uint64_t bytes, count; /* of all rows */
    int error; /* 0, or an errno value */
};

static bool fail(struct reader *r, int error) {
    if (r->error == 0)
        r->error = error;
    return false;
}

static bool make_room(struct reader *r) {
    size_t room = r->room == 0 ? 256 : 2 * r->room;
    char *line = room <= LINE_MAX_BYTES ? realloc(r->line, room) : NULL;
    if (line == NULL)
        return fail(r, room > LINE_MAX_BYTES ? EBADMSG : ENOMEM);
    r->line = line;
    r->room = room;
    return true;
}

/* The next byte; -1: there is none, or it could not be read. */
static int next_byte(struct reader *r) {
    if (r->at == r->filled && !r->ended) {
        ssize_t n = wane__file_read(r->fd, r->buffer, sizeof r->buffer);
        r->at = 0;
        r->filled = n > 0 ? (size_t)n : 0;
        r->ended = n <= 0;
        if (n < 0)
            fail(r, (int)-n);
    }
    return r->at < r->filled ? (unsigned char)r->buffer[r->at++] : -1;
}

/* The next line, without its end. False: there is none that is whole, or it is no text. */
static bool next_line(struct reader *r) {
    size_t n = 0;
    for (;;) {
        if (n == r->room && !make_room(r))
            return false;
        int c = next_byte(r);
        if (c <= 0)
            return fail(r, EBADMSG);
        r->line[n++] = (char)c;
        if (c == '\n')
            break;
    }
    r->line[n - 1] = '\0';
    return true;
}

/* Cuts the next field off the line. NULL: there is none. */
static char *next_field(char **rest) { return *rest != NULL ? strsep(rest, "\t") : NULL; }

static bool read_number(char *field, int base, uint64_t max, uint64_t *ret) {
    const char *digits = base == 16 ? "0123456789abcdef" : "0123456789";
    if (field == NULL || *field == '\0' || field[strspn(field, digits)] != '\0')
        return false; /* no sign, space or prefix */
    errno = 0;
    *ret = strtoull(field, NULL, base);
    return errno == 0 && *ret <= max;
}

/* In place. */
static bool unescape(char *s) {
    char *to = s;
    for (; *s != '\0'; s++) {
        if (*s == '\\') {
            const char *found = *++s != '\0' ? strchr(letters, *s) : NULL;
            if (found == NULL)
                return false;
            *to++ = special[found - letters];
        } else {
            *to++ = *s;
        }
    }
    *to = '\0';
    return true;
}

static bool read_text(struct reader *r, char *field, const char **ret) {
    if (field == NULL)
        return fail(r, EBADMSG);
    if (strcmp(field, "\\N") == 0)
        return true;
    if (!unescape(field))
        return fail(r, EBADMSG);
    *ret = strdup(field);
    return *ret != NULL || fail(r, ENOMEM);
}

static bool read_stack(struct reader *r, char **rest, wane__row *row) {
    uintptr_t stack[FRAMES_MAX];
    uint64_t address;
    for (char *field; (field = next_field(rest)) != NULL;) {
        if (row->frames == FRAMES_MAX || !read_number(field, 16, UINTPTR_MAX, &address))
            return fail(r, EBADMSG);
        stack[row->frames++] = (uintptr_t)address;
    }
    if (row->frames == 0)
        return true;
    uintptr_t *copy = malloc(row->frames * sizeof *copy);
    if (copy == NULL) {
        row->frames = 0;
        return fail(r, ENOMEM);
    }
    row->stack = memcpy(copy, stack, row->frames * sizeof *copy);
    return true;
}

/* The row that the next one is read to; NULL when memory is out. */
static wane__row *new_row(struct reader *r) {
    if (r->n == r->rows_room) {
        size_t room = r->rows_room == 0 ? 64 : 2 * r->rows_room;
        wane__row *rows = reallocarray(r->rows, room, sizeof *rows);
        if (rows == NULL) {
            fail(r, ENOMEM);
            return NULL;
        }
        r->rows = rows;
        r->rows_room = room;
    }
    wane__row *row = &r->rows[r->n++];
    *row = (wane__row){.bytes = 0};
    return row;
}

static bool read_row(struct reader *r) {
    wane__row *row = new_row(r);
    if (row == NULL)
        return false;
    char *rest = r->line;
    uint64_t bytes, count, line;
    if (!read_number(next_field(&rest), 10, SIZE_MAX / 2, &bytes) || !read_number(next_field(&rest), 10, SIZE_MAX / 2, &count) ||
        !read_number(next_field(&rest), 10, INT_MAX, &line))
        return fail(r, EBADMSG);
    r->bytes += bytes;
    r->count += count;
    if (r->bytes > PTRDIFF_MAX || r->count > PTRDIFF_MAX)
        return fail(r, EBADMSG); /* no sums and differences of such rows could be told */
    row->bytes = bytes;
    row->count = count;
    row->line = (int)line;
    return read_text(r, next_field(&rest), &row->file) && read_text(r, next_field(&rest), &row->function) &&
           read_text(r, next_field(&rest), &row->type) && read_stack(r, &rest, row);
}

/* A line of a word and a number. */
static bool read_pair(struct reader *r, const char *word, uint64_t *ret) {
    if (!next_line(r))
        return false;
    char *rest = r->line, *first = next_field(&rest);
    if (strcmp(first, word) != 0 || !read_number(next_field(&rest), 10, SIZE_MAX, ret) || rest != NULL)
        return fail(r, EBADMSG);
    return true;
}

/* The last line: what it says must be so. */
static bool read_end(struct reader *r) {
    char *rest = r->line + strlen("end\t");
    uint64_t n;
    if (!read_number(next_field(&rest), 10, SIZE_MAX, &n) || rest != NULL || n != r->n || next_byte(r) >= 0)
        return fail(r, EBADMSG);
    return r->error == 0;
}

static bool read_all(struct reader *r) {
    uint64_t version, mean;
    if (!read_pair(r, MAGIC, &version))
        return false;
    if (version != VERSION)
        return fail(r, version > VERSION ? ENOTSUP : EBADMSG);
    if (!read_pair(r, "sample", &mean))
        return false;
    r->mean = mean;
    while (next_line(r)) {
        if (strncmp(r->line, "end\t", strlen("end\t")) == 0)
            return read_end(r);
        if (!read_row(r))
            return false;
    }
    return false;
}

static void free_rows(struct reader *r) {
    for (size_t i = 0; i < r->n; i++) {
        free((char *)(uintptr_t)r->rows[i].file);
        free((char *)(uintptr_t)r->rows[i].function);
        free((char *)(uintptr_t)r->rows[i].type);
        free((uintptr_t *)(uintptr_t)r->rows[i].stack);
    }
    free(r->rows);
}

wane_snapshot *wane_snapshot_read(const char *path) {
    if (path == NULL) {
        errno = EINVAL;
        return NULL;
    }
    struct reader r = {.fd = wane__file_open(path)};
    if (r.fd < 0) {
        errno = -r.fd;
        return NULL;
    }
    wane_snapshot *s = NULL;
    if (read_all(&r)) {
        s = wane__snapshot_make(r.rows, r.n, r.mean);
        r.error = s == NULL ? errno : 0;
    }
    (void)wane__file_close(r.fd);
    free_rows(&r);
    free(r.line);
    if (s == NULL)
        errno = r.error;
    return s;
}
