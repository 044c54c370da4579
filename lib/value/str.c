/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/str.c: strings.
 *
 * All is immutable once the maker has returned, but the hash, which whoever needs it first computes: threads that do
 * so at the same time store the same number.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <wane.h>
#include <wane/str.h>

#include "value/hash.h"
#include "value/intern.h"

#define LONGEST (SIZE_MAX / 2)

static void str_destroy(void *self) {
    if (wane_str_is_interned(self))
        wane__intern_forget(self);
}

wane_type wane_str_type = {
    .name = "str",
    .size = offsetof(struct wane_str, bytes),
    .destroy = str_destroy,
    .flags = WANE_TYPE_INDEXED,
};

/* With bytes that are still to be written; what is behind them is zero. */
static struct wane_str *make(size_t n) {
    if (n > LONGEST) {
        errno = EOVERFLOW;
        return NULL;
    }
    struct wane_str *s = wane_new_extra(&wane_str_type, n + 1);
    if (s != NULL)
        s->len = n;
    return s;
}

static void *refuse(void) {
    errno = EINVAL;
    return NULL;
}

/* An object is not changed by counting it. */
static struct wane_str *itself(const struct wane_str *s) {
    return wane_retain((void *)(uintptr_t)s);
}

wane_str *wane_str_new(const void *bytes, size_t n) {
    if (bytes == NULL && n > 0)
        return refuse();
    struct wane_str *s = make(n);
    if (s != NULL && n > 0)
        memcpy(s->bytes, bytes, n);
    return s;
}

wane_str *wane_str_from(const char *cstr) { return cstr != NULL ? wane_str_new(cstr, strlen(cstr)) : refuse(); }

wane_str *wane_str_format(const char *format, ...) {
    if (format == NULL)
        return refuse();
    va_list first, second;
    va_start(first, format);
    va_copy(second, first);
    int n = vsnprintf(NULL, 0, format, first);
    struct wane_str *s = n >= 0 ? make((size_t)n) : NULL;
    if (s != NULL && vsnprintf(s->bytes, (size_t)n + 1, format, second) != n) {
        /* An argument was changed meanwhile, or memory was out: the bytes are not what was asked for. */
        wane_release(s);
        errno = ENOMEM;
        s = NULL;
    }
    va_end(second);
    va_end(first);
    return s;
}

wane_str *wane_str_concat(const wane_str *a, const wane_str *b) {
    if (a == NULL || b == NULL)
        return refuse();
    if (a->len == 0 || b->len == 0)
        return itself(a->len == 0 ? b : a);
    struct wane_str *s = make(a->len + b->len); /* each at most SIZE_MAX/2: no overflow */
    if (s != NULL) {
        memcpy(s->bytes, a->bytes, a->len);
        memcpy(s->bytes + a->len, b->bytes, b->len);
    }
    return s;
}

wane_str *wane_str_slice(const wane_str *s, size_t from, size_t to) {
    if (s == NULL)
        return refuse();
    to = to < s->len ? to : s->len;
    from = from < to ? from : to;
    return from == 0 && to == s->len ? itself(s) : wane_str_new(s->bytes + from, to - from);
}

const char *wane_str_bytes(const wane_str *s) { return s != NULL ? s->bytes : NULL; }

size_t wane_str_len(const wane_str *s) { return s != NULL ? s->len : 0; }

uint64_t wane_str_hash(const wane_str *s) {
    if (s == NULL)
        return 0;
    uint64_t hash = atomic_load_explicit(&s->xhash, memory_order_relaxed);
    if (hash == 0) {
        hash = wane__value_hash(s->bytes, s->len);
        atomic_store_explicit(&((struct wane_str *)(uintptr_t)s)->xhash, hash, memory_order_relaxed);
    }
    return hash;
}

bool wane_str_equal(const wane_str *a, const wane_str *b) {
    if (a == b || a == NULL || b == NULL)
        return a == b;
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

int wane_str_compare(const wane_str *a, const wane_str *b) {
    if (a == NULL || b == NULL)
        return (a != NULL) - (b != NULL);
    int order = memcmp(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}
