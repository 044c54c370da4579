/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * api/options.c: options by name, and from the environment.
 */
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <wane/control.h>

#include "api/api.h"
#include "base/check.h"
#include "base/option.h"
#include "cycle/generations.h"
#include "heap/quarantine.h"
#include "thread/wake.h"

static const struct option {
    const char *name;
    int64_t least, greatest;
    int64_t *value;
} options[] = {
#define ENTRY(name, initial, least, greatest) {#name, least, greatest, &wane__options.x##name},
    WANE__OPTIONS(ENTRY)
#undef ENTRY
};

#define OPTIONS_N (sizeof options / sizeof options[0])
#define NAME_MAX_BYTES 56

/* Options of libraries on top. Added at the front, never removed. */
struct added {
    struct option option;
    struct added *next;
    int64_t xvalue;
    char name[NAME_MAX_BYTES + 1];
};
static struct added *xadded;

const char *wane__option_name(size_t i) { return i < OPTIONS_N ? options[i].name : NULL; }

static const struct option *find(const char *name) {
    for (size_t i = 0; i < OPTIONS_N; i++) {
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    }
    for (const struct added *a = load_acquire(&xadded); a != NULL; a = a->next) { /* [order:option] */
        if (strcmp(a->name, name) == 0)
            return &a->option;
    }
    return NULL;
}

static bool is_threshold(const struct option *o) {
    return o->value == &wane__options.xthreshold0 || o->value == &wane__options.xthreshold1 ||
           o->value == &wane__options.xthreshold2;
}

int wane_option_set(const char *name, int64_t value) {
    if (name == NULL)
        return -EINVAL;
    wane__options_read_environment();
    wane__log_owed();
    const struct option *o = find(name);
    if (o == NULL)
        return -ENOENT;
    if (value < o->least || value > o->greatest)
        return -EINVAL;
    if (o->value == &wane__options.xmembarrier && wane__started() && value != load_relaxed(o->value))
        return -EBUSY;
    if (o->value == &wane__options.xquarantine_bytes && wane__started() && value != 0 && !wane__quarantine_on())
        return -EBUSY;
    store_relaxed(o->value, value);
    if (is_threshold(o)) {
        wane__generations_reset();
        wane__wake(); /* what is due now may not have been before */
    }
    wane__hurry(); /* the collector thread may be napping by the old value */
    return 0;
}

int wane_option_get(const char *name, int64_t *ret) {
    if (name == NULL || ret == NULL)
        return -EINVAL;
    wane__options_read_environment();
    wane__log_owed();
    const struct option *o = find(name);
    if (o == NULL)
        return -ENOENT;
    *ret = load_relaxed(o->value);
    return 0;
}

static void set_from(const struct option *o, const char *variable, const char *text) {
    char *end;
    if (o->value == &wane__options.xleak_report && strcmp(text, "fatal") == 0)
        text = "2";
    errno = 0;
    long long value = strtoll(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0' || value < o->least || value > o->greatest) {
        wane__log_owe_line("%s=%.80s: not a number from %lld to %lld, ignored", variable, text, (long long)o->least,
                           (long long)o->greatest);
        return;
    }
    store_relaxed(o->value, value);
}

static void read_variable(const struct option *o) {
    char variable[64] = "WANE_";
    size_t n = strlen(o->name);
    for (size_t j = 0; j <= n && j + 6 < sizeof variable; j++)
        variable[5 + j] = (char)toupper((unsigned char)o->name[j]);
    const char *text = secure_getenv(variable);
    if (text != NULL)
        set_from(o, variable, text);
}

static void read_environment(void) {
    for (size_t i = 0; i < OPTIONS_N; i++)
        read_variable(&options[i]);
}

void wane__options_read_environment(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_environment);
}

static bool is_name(const char *name) {
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return n > 0 && n <= NAME_MAX_BYTES && name[n] == '\0';
}

/* Whoever changes the list in between makes the swap fail, and is looked at then. */
int wane_option_register(const char *name, int64_t least, int64_t most, int64_t initial) {
    if (name == NULL || !is_name(name) || initial < least || initial > most)
        return -EINVAL;
    wane__options_read_environment();
    if (find(name) != NULL) /* before the variable is looked at, which is of that one */
        return -EEXIST;
    struct added *a = malloc(sizeof *a);
    if (a == NULL)
        return -ENOMEM;
    *a = (struct added){.xvalue = initial};
    strcpy(a->name, name);
    a->option = (struct option){a->name, least, most, &a->xvalue};
    read_variable(&a->option);
    a->next = load_acquire(&xadded); /* [order:option] */
    do {
        if (find(name) != NULL) {
            free(a);
            return -EEXIST;
        }
    } while (!cas_acq_rel(&xadded, &a->next, a)); /* [order:option] */
    return 0;
}
