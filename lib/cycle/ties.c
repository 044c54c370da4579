/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cycle/ties.c: see ties.h. No thread but the one that counts looks at the figures.
 */
#include "cycle/ties.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lines of a report. */
#define LINES_MAX 20

uint32_t wane__slot_place(const wane_type *t, const struct wane__header *h, const wane_slot *s) {
    uintptr_t at = (uintptr_t)s - (uintptr_t)(h + 1);
    if ((uintptr_t)s < (uintptr_t)(h + 1) || at >= wane__heap_block_size(h) - sizeof *h)
        return WANE__SLOT_ELSEWHERE;
    for (size_t i = 0; i < t->wane__private[WANE__TYPE_SLOTS_N]; i++) {
        if (t->slots[i] == at)
            return (uint32_t)at;
    }
    return (t->flags & WANE_TYPE_EXTRA_SLOTS) != 0 && at >= t->size ? WANE__SLOT_EXTRA : (uint32_t)at;
}

/* The text that WANE_SLOTS left behind the offsets; NULL: the list was written by hand, or in C++. */
static const char *text_of(const wane_type *t) {
    size_t n = t->wane__private[WANE__TYPE_SLOTS_N];
    return t->slots != NULL && t->slots[n] == WANE__SLOTS_NAMED ? (const char *)t->slots[n + 1] : NULL;
}

/* The number'th of the names that commas separate. */
static bool copy_name(const char *text, size_t number, char ret[WANE__SLOT_NAME_MAX]) {
    for (; number > 0 && text != NULL; number--) {
        text = strchr(text, ',');
        text = text != NULL ? text + 1 : NULL;
    }
    if (text == NULL)
        return false;
    text += strspn(text, " \t\n");
    size_t n = strcspn(text, ", \t\n");
    n = n < WANE__SLOT_NAME_MAX ? n : WANE__SLOT_NAME_MAX - 1;
    memcpy(ret, text, n);
    ret[n] = '\0';
    return n > 0;
}

const char *wane__slot_name(const wane_type *t, uint32_t place, char ret[WANE__SLOT_NAME_MAX]) {
    if (place == WANE__SLOT_ELSEWHERE)
        return "(trace)";
    if (place == WANE__SLOT_EXTRA)
        return "[extra]";
    for (size_t i = 0; i < t->wane__private[WANE__TYPE_SLOTS_N]; i++) {
        if (t->slots[i] == place && copy_name(text_of(t), i, ret))
            return ret;
    }
    snprintf(ret, WANE__SLOT_NAME_MAX, "+%u", place);
    return ret;
}

static bool same(const struct wane__tie *a, uint32_t from, uint32_t place, uint32_t to) {
    return a->from == from && a->place == place && a->to == to;
}

static struct wane__tie *find(const struct wane__ties *t, uint32_t from, uint32_t place, uint32_t to) {
    uint64_t hash = ((uint64_t)from << 32 | to) * 0x9E3779B97F4A7C15u ^ place * (uint64_t)0xBF58476D1CE4E5B9u;
    size_t at = (size_t)(hash ^ hash >> 29) & (t->room - 1);
    while (t->of[at].n > 0 && !same(&t->of[at], from, place, to))
        at = (at + 1) & (t->room - 1);
    return &t->of[at];
}

static bool grow(struct wane__ties *t) {
    struct wane__ties bigger = {.room = t->room == 0 ? 64 : t->room * 2, .n = t->n};
    bigger.of = calloc(bigger.room, sizeof *bigger.of);
    if (bigger.of == NULL)
        return false;
    for (size_t i = 0; i < t->room; i++) {
        const struct wane__tie *old = &t->of[i];
        if (old->n > 0)
            *find(&bigger, old->from, old->place, old->to) = *old;
    }
    struct wane__tie *old_of = t->of;
    *t = bigger;
    compiler_barrier(); /* the child of a fork may lose memory, and frees none twice */
    free(old_of);
    return true;
}

void wane__ties_add(struct wane__ties *t, uint32_t from, uint32_t place, uint32_t to) {
    if (t->n * 2 >= t->room && !grow(t))
        return;
    struct wane__tie *tie = find(t, from, place, to);
    if (tie->n == 0) {
        *tie = (struct wane__tie){.from = from, .place = place, .to = to};
        t->n++;
    }
    tie->n++;
}

static int by_count(const void *a, const void *b) {
    const struct wane__tie *x = a, *y = b;
    return x->n < y->n ? 1 : x->n > y->n ? -1 : 0;
}

/* Under the collector's lock nobody forgets a type: it stays mapped. False: it is forgotten already. */
static bool describe(const struct wane__tie *tie, char *line, size_t size) {
    char name[WANE__SLOT_NAME_MAX];
    wane__collector_lock();
    const wane_type *from = load_acquire(&wane__types[tie->from]), *to = load_acquire(&wane__types[tie->to]); /* [order:type] */
    bool known = from != NULL && to != NULL;
    if (known)
        snprintf(line, size, "%u references from slot `%s` of type \"%.100s\" to type \"%.100s\"", tie->n,
                 wane__slot_name(from, tie->place, name), from->name, to->name);
    wane__collector_unlock();
    return known;
}

bool wane__copy_type_name(uint32_t type, char ret[WANE__TYPE_NAME_MAX]) {
    wane__collector_lock();
    const wane_type *t = load_acquire(&wane__types[type]); /* [order:type] */
    if (t != NULL)
        snprintf(ret, WANE__TYPE_NAME_MAX, "%s", t->name);
    wane__collector_unlock();
    return t != NULL;
}

void wane__copy_slot_name(uint32_t type, uint32_t place, char ret[WANE__SLOT_NAME_MAX]) {
    char text[WANE__SLOT_NAME_MAX];
    snprintf(ret, WANE__SLOT_NAME_MAX, "?");
    wane__collector_lock();
    const wane_type *t = load_acquire(&wane__types[type]); /* [order:type] */
    if (t != NULL)
        snprintf(ret, WANE__SLOT_NAME_MAX, "%s", wane__slot_name(t, place, text));
    wane__collector_unlock();
}

void wane__ties_sort(struct wane__ties *t) {
    if (t->room > 0)
        qsort(t->of, t->room, sizeof *t->of, by_count);
}

void wane__ties_clear(struct wane__ties *t) {
    struct wane__tie *of = t->of;
    *t = (struct wane__ties){.of = NULL};
    compiler_barrier();
    free(of);
}

struct sink {
    void (*say)(void *arg, int level, const char *line);
    void *arg;
};

__attribute__((format(printf, 3, 4))) static void say(const struct sink *to, int level, const char *format, ...) {
    char line[440];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    to->say(to->arg, level, line);
}

void wane__ties_tell(struct wane__ties *t, int level, const char *prefix, void (*to)(void *arg, int level, const char *line),
                     void *arg) {
    const struct sink sink = {.say = to, .arg = arg};
    char text[400];
    wane__ties_sort(t);
    for (size_t i = 0; i < t->room && i < LINES_MAX && t->of[i].n > 0; i++) {
        if (describe(&t->of[i], text, sizeof text))
            say(&sink, level, "%s: on cycles: %s", prefix, text);
    }
    if (t->n > LINES_MAX)
        say(&sink, level, "%s: on cycles: %zu further kinds of references", prefix, t->n - LINES_MAX);
    wane__ties_clear(t);
}

static void log_line(void *arg, int level, const char *line) {
    (void)arg;
    wane__log(level, "%s", line);
}

void wane__ties_log(struct wane__ties *t, int level, const char *prefix) { wane__ties_tell(t, level, prefix, log_line, NULL); }

void wane__types_log(struct wane__ties *t, int level, const char *prefix) {
    char name[WANE__TYPE_NAME_MAX];
    wane__ties_sort(t);
    for (size_t i = 0; i < t->room && t->of[i].n > 0; i++) {
        if (wane__copy_type_name(t->of[i].from, name))
            wane__log(level, "%s: %u objects of type \"%s\"", prefix, t->of[i].n, name);
    }
    wane__ties_clear(t);
}
