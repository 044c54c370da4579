/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * obj.c: byte strings, numbers in them, arrays of slots.
 */
#include "obj.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static mm_type str_type = {.name = "string", .size = offsetof(struct str, data)};
static mm_type vec_type = {
    .name = "array", .size = offsetof(struct vec, item), .flags = MM_EXTRA_SLOTS};

void *obj_check(void *obj) {
    if (obj == NULL) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return obj;
}

struct str *str_new2(struct bytes a, struct bytes b) {
    struct str *s = obj_new_extra(&str_type, a.len + b.len + 1);
    s->v.kind = KIND_STRING;
    s->len = (uint32_t)(a.len + b.len);
    if (a.len > 0) {
        memcpy(s->data, a.at, a.len);
    }
    if (b.len > 0) {
        memcpy(s->data + a.len, b.at, b.len);
    }
    return s;
}

struct str *str_new(struct bytes b) {
    return str_new2(b, (struct bytes){NULL, 0});
}

struct str *str_new_int(int64_t n) {
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)n);
    return str_new((struct bytes){text, (size_t)len});
}

struct bytes str_bytes(const struct str *s) {
    return (struct bytes){s->data, s->len};
}

bool bytes_equal(struct bytes a, struct bytes b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool bytes_is(struct bytes a, const char *word) {
    return a.len == strlen(word) && strncasecmp(a.at, word, a.len) == 0;
}

bool bytes_to_int(struct bytes b, int64_t *ret) {
    char text[24];
    if (b.len == 0 || b.len >= sizeof text) {
        return false;
    }
    memcpy(text, b.at, b.len);
    text[b.len] = '\0';
    size_t digits = text[0] == '-' ? 1 : 0;
    if (text[digits] < '0' || text[digits] > '9' || (text[digits] == '0' && b.len > 1)) {
        return false;
    }
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno != 0 || end != text + b.len) {
        return false;
    }
    *ret = n;
    return true;
}

bool bytes_to_double(struct bytes b, double *ret) {
    char text[64];
    if (b.len == 0 || b.len >= sizeof text || isspace((unsigned char)b.at[0])) {
        return false;
    }
    memcpy(text, b.at, b.len);
    text[b.len] = '\0';
    char *end;
    errno = 0;
    double x = strtod(text, &end);
    if (end != text + b.len || isnan(x) || (errno == ERANGE && (isinf(x) || x == 0))) {
        return false;
    }
    *ret = x;
    return true;
}

static uint64_t hash_seed;

/* So that nobody can choose keys that fall into one bucket. */
__attribute__((constructor)) static void choose_seed(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    hash_seed = (uint64_t)t.tv_nsec * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)getpid() << 32;
    if (getentropy(&hash_seed, sizeof hash_seed) != 0) {
        hash_seed ^= (uint64_t)t.tv_sec;
    }
}

static uint64_t stir(uint64_t x) {
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ (x >> 32);
}

uint64_t bytes_hash(struct bytes b) {
    uint64_t h = hash_seed ^ b.len * UINT64_C(0x9e3779b97f4a7c15);
    for (; b.len >= 8; b.at += 8, b.len -= 8) {
        uint64_t word;
        memcpy(&word, b.at, 8);
        h = stir(h ^ word);
    }
    uint64_t last = 0;
    if (b.len > 0) {
        memcpy(&last, b.at, b.len);
    }
    return stir(h ^ last);
}

struct vec *vec_new(size_t room) {
    struct vec *v = obj_new_extra(&vec_type, room * sizeof v->item[0]);
    v->room = room;
    return v;
}
