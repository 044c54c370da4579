/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * trace/group.c: the rows of snapshots, added up by a grouping.
 *
 * Rows lose what the grouping does not tell, are sorted by what is left, and neighbours that are the same become one.
 * Two snapshots are compared by walking both sorted lists side by side.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "trace/snapshot.h"

static wane_trace_line reduce(const wane__row *row, int by) {
    wane_trace_line l = *row;
    if (by == WANE_BY_TYPE)
        return (wane_trace_line){.type = row->type, .bytes = row->bytes, .count = row->count};
    if (by == WANE_BY_FILE)
        return (wane_trace_line){.file = row->file, .bytes = row->bytes, .count = row->count};
    l.type = NULL;
    if (by == WANE_BY_LINE) {
        l.stack = NULL;
        l.frames = 0;
    }
    return l;
}

static int compare_texts(const char *a, const char *b) {
    if (a == NULL || b == NULL)
        return (a != NULL) - (b != NULL);
    return strcmp(a, b);
}

static int compare_stacks(const wane_trace_line *a, const wane_trace_line *b) {
    for (unsigned i = 0; i < a->frames && i < b->frames; i++) {
        if (a->stack[i] != b->stack[i])
            return a->stack[i] < b->stack[i] ? -1 : 1;
    }
    return (a->frames > b->frames) - (a->frames < b->frames);
}

/* By all but the figures. */
static int compare_keys(const wane_trace_line *a, const wane_trace_line *b) {
    int order = compare_texts(a->file, b->file);
    if (order == 0)
        order = (a->line > b->line) - (a->line < b->line);
    if (order == 0)
        order = compare_texts(a->function, b->function);
    if (order == 0)
        order = compare_texts(a->type, b->type);
    return order != 0 ? order : compare_stacks(a, b);
}

static int sort_by_key(const void *a, const void *b) { return compare_keys(a, b); }

static int compare_sizes(size_t a, size_t b) { return (a < b) - (a > b); }

static int sort_by_bytes(const void *pa, const void *pb) {
    const wane_trace_line *a = pa, *b = pb;
    int order = compare_sizes(a->bytes, b->bytes);
    if (order == 0)
        order = compare_sizes(a->count, b->count);
    return order != 0 ? order : compare_keys(a, b);
}

static size_t size_of_change(ptrdiff_t change) { return change < 0 ? -(size_t)change : (size_t)change; }

static int sort_by_change(const void *pa, const void *pb) {
    const wane_trace_diff *a = pa, *b = pb;
    int order = compare_sizes(size_of_change(a->bytes), size_of_change(b->bytes));
    if (order == 0)
        order = compare_sizes(size_of_change(a->count), size_of_change(b->count));
    return order != 0 ? order : compare_keys(&a->now, &b->now);
}

/* The lines of s, sorted by key; NULL when memory is out. The caller frees them. */
static wane_trace_line *group(const wane_snapshot *s, int by, size_t *ret_n) {
    wane_trace_line *lines = calloc(s->n + 1, sizeof *lines);
    if (lines == NULL)
        return NULL;
    for (size_t i = 0; i < s->n; i++)
        lines[i] = reduce(&s->rows[i], by);
    qsort(lines, s->n, sizeof *lines, sort_by_key);
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (n > 0 && compare_keys(&lines[n - 1], &lines[i]) == 0) {
            lines[n - 1].bytes += lines[i].bytes;
            lines[n - 1].count += lines[i].count;
        } else {
            lines[n++] = lines[i];
        }
    }
    *ret_n = n;
    return lines;
}

static bool is_grouping(int by) {
    return by == WANE_BY_LINE || by == WANE_BY_FILE || by == WANE_BY_TYPE || by == WANE_BY_STACK;
}

static int as_int(size_t n) { return n > INT_MAX ? INT_MAX : (int)n; }

int wane_snapshot_top(wane_snapshot *s, int by, wane_trace_line *ret, size_t max) {
    if (s == NULL || !is_grouping(by) || (ret == NULL && max > 0))
        return -EINVAL;
    size_t n;
    wane_trace_line *lines = group(s, by, &n);
    if (lines == NULL)
        return -ENOMEM;
    qsort(lines, n, sizeof *lines, sort_by_bytes);
    if (max > 0)
        memcpy(ret, lines, (n < max ? n : max) * sizeof *ret);
    free(lines);
    return as_int(n);
}

/* a: now, b: before; either may be NULL: there is none. False: nothing changed. */
static bool differ(const wane_trace_line *a, const wane_trace_line *b, wane_trace_diff *ret) {
    size_t bytes = b != NULL ? b->bytes : 0, count = b != NULL ? b->count : 0;
    ret->now = a != NULL ? *a : *b;
    if (a == NULL)
        ret->now.bytes = ret->now.count = 0;
    ret->bytes = (ptrdiff_t)(ret->now.bytes - bytes);
    ret->count = (ptrdiff_t)(ret->now.count - count);
    return ret->bytes != 0 || ret->count != 0;
}

static size_t merge(const wane_trace_line *a, size_t a_n, const wane_trace_line *b, size_t b_n, wane_trace_diff *diffs) {
    size_t n = 0, i = 0, j = 0;
    while (i < a_n || j < b_n) {
        int order = i == a_n ? 1 : j == b_n ? -1 : compare_keys(&a[i], &b[j]);
        const wane_trace_line *now = order <= 0 ? &a[i++] : NULL, *before = order >= 0 ? &b[j++] : NULL;
        n += differ(now, before, &diffs[n]);
    }
    return n;
}

int wane_snapshot_compare(wane_snapshot *now, wane_snapshot *before, int by, wane_trace_diff *ret, size_t max) {
    if (now == NULL || before == NULL || !is_grouping(by) || (ret == NULL && max > 0))
        return -EINVAL;
    size_t a_n = 0, b_n = 0;
    wane_trace_line *a = group(now, by, &a_n), *b = group(before, by, &b_n);
    wane_trace_diff *diffs = calloc(a_n + b_n + 1, sizeof *diffs);
    int result = -ENOMEM;
    if (a != NULL && b != NULL && diffs != NULL) {
        size_t n = merge(a, a_n, b, b_n, diffs);
        qsort(diffs, n, sizeof *diffs, sort_by_change);
        if (max > 0)
            memcpy(ret, diffs, (n < max ? n : max) * sizeof *ret);
        result = as_int(n);
    }
    free(a);
    free(b);
    free(diffs);
    return result;
}
