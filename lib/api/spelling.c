/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * api/spelling.c: a variable of the environment that begins with WANE_ and names no option does nothing, which its
 * author may not notice. So each is reported once, with the option that is nearest to it by edit distance.
 */
#include <ctype.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "api/api.h"
#include "base/check.h"

#define PREFIX "WANE_"

enum { LONGEST = 63 }; /* of the names that are compared */

/* Of the project's own tools and tests. */
static const char *const tools[] = {"BENCH_", "MODEL_", "STRESS_", "TEST_"};

static bool is_of_tools(const char *name) {
    for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++) {
        if (strncmp(name, tools[i], strlen(tools[i])) == 0)
            return true;
    }
    return false;
}

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

static bool same(char a, char b) { return toupper((unsigned char)a) == toupper((unsigned char)b); }

/* How many characters must be put in, taken out or changed to make one of the other; upper and lower case are the same. */
static unsigned distance(const char *a, size_t a_length, const char *b) {
    unsigned row[LONGEST + 1];
    size_t b_length = strlen(b);
    for (size_t j = 0; j <= b_length; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned changed = diagonal + !same(a[i - 1], b[j - 1]);
            diagonal = row[j];
            row[j] = least(changed, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_length];
}

/*
 * What variables are called that say something: the options, and what is read elsewhere (lib/trace, cycle/phases.c, and libraries of
 * this project that add theirs). NULL after the last one.
 */
static const char *variable_name(size_t i) {
    static const char *const others[] = {"gc_trace", "small_int_max", "trace"};
    const char *option = wane__option_name(i);
    if (option != NULL)
        return option;
    size_t options_n = 0;
    while (wane__option_name(options_n) != NULL)
        options_n++;
    return i - options_n < sizeof others / sizeof others[0] ? others[i - options_n] : NULL;
}

static bool is_option(const char *name, size_t length) {
    const char *option;
    for (size_t i = 0; (option = variable_name(i)) != NULL; i++) {
        size_t j = 0;
        while (j < length && option[j] != '\0' && name[j] == toupper((unsigned char)option[j]))
            j++;
        if (j == length && option[j] == '\0')
            return true;
    }
    return false;
}

/* The option that is meant, or NULL when none resembles the name. */
static const char *nearest(const char *name, size_t length) {
    const char *best = NULL, *option;
    unsigned best_distance = LONGEST;
    for (size_t i = 0; (option = variable_name(i)) != NULL; i++) {
        size_t longer = strlen(option) > length ? strlen(option) : length;
        unsigned d = longer <= LONGEST ? distance(name, length, option) : LONGEST;
        if (d <= longer / 2 && d < best_distance) {
            best = option;
            best_distance = d;
        }
    }
    return best;
}

static void report(const char *name, size_t length) {
    const char *option = nearest(name, length);
    int shown = length <= LONGEST ? (int)length : LONGEST;
    if (option == NULL) {
        wane__log_owe_line(PREFIX "%.*s in the environment: there is no such option, unless a library adds it later", shown, name);
        return;
    }
    char meant[LONGEST + 1];
    for (size_t i = 0; i <= strlen(option); i++)
        meant[i] = (char)toupper((unsigned char)option[i]);
    wane__log_owe_line(PREFIX "%.*s in the environment: there is no such option; did you mean " PREFIX "%s?", shown, name,
                       meant);
}

void wane__options_check_names(void) {
    if (environ == NULL || getauxval(AT_SECURE) != 0)
        return;
    for (char **variable = environ; *variable != NULL; variable++) {
        const char *name = *variable + strlen(PREFIX);
        if (strncmp(*variable, PREFIX, strlen(PREFIX)) != 0 || is_of_tools(name))
            continue;
        size_t length = strcspn(name, "=");
        if (!is_option(name, length))
            report(name, length);
    }
}
