/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * option.c: all options of the table, also those that the API's tests leave to others.
 *
 * The environment is read once in a process, at the first call. Tests of it run in children and
 * stand before the tests that call here.
 */
#include "base/option.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wane/control.h>

#include "base/check.h"
#include "harness.h"

static const struct {
    const char *name;
    int64_t initial, least, greatest;
    const int64_t *value;
} options[] = {
#define ENTRY(name, initial, least, greatest)                                                      \
    {#name, initial, least, greatest, &wane__options.x##name},
    WANE__OPTIONS(ENTRY)
#undef ENTRY
};
enum { OPTIONS = sizeof options / sizeof options[0] };

static int64_t get(unsigned i) {
    int64_t value = INT64_MIN;
    CHECK_EQ_INT(wane_option_get(options[i].name, &value), 0);
    CHECK_EQ_INT(value, load_relaxed(options[i].value));
    return value;
}

TEST(defaults) {
    for (unsigned i = 0; i < OPTIONS; i++) {
        CHECK_MSG(options[i].least < options[i].greatest, "%s: no range", options[i].name);
        CHECK_MSG(options[i].initial >= options[i].least &&
                      options[i].initial <= options[i].greatest,
                  "%s: the default is out of its limits", options[i].name);
        CHECK_EQ_INT(load_relaxed(options[i].value), options[i].initial);
        for (unsigned j = 0; j < i; j++)
            CHECK(strcmp(options[i].name, options[j].name) != 0);
    }
}

/* The environment, in children: one variable each. */

static char variable[100], text[100];
static unsigned warned;

static void note_line(int level, const char *line, void *arg) {
    (void)arg;
    char start[210];
    snprintf(start, sizeof start, "%s=%s: ", variable, text);
    CHECK_EQ_INT(level, WANE__LOG_WARNING);
    CHECK_MSG(strncmp(line, start, strlen(start)) == 0,
              "the warning does not say what is wrong: %s", line);
    warned++;
}

static void clear_environment(void) {
    for (unsigned i = 0; i < OPTIONS; i++) {
        char name[100] = "WANE_";
        for (size_t j = 0; j <= strlen(options[i].name); j++)
            name[5 + j] = (char)toupper((unsigned char)options[i].name[j]);
        CHECK_EQ_INT(unsetenv(name), 0);
    }
}

struct setting {
    unsigned option;
    bool good;
    int64_t want;
};

static void see_setting(void *arg) {
    const struct setting *s = arg;
    clear_environment();
    CHECK_EQ_INT(setenv(variable, text, 1), 0);
    wane__log_set(note_line, NULL);
    for (unsigned i = 0; i < OPTIONS; i++)
        CHECK_EQ_INT(get(i), i == s->option && s->good ? s->want : options[i].initial);
    CHECK_EQ_UINT(warned, s->good ? 0 : 1);
    /* It is read once. */
    CHECK_EQ_INT(setenv(variable, s->good ? "bad" : "1", 1), 0);
    CHECK_EQ_INT(get(s->option), s->good ? s->want : options[s->option].initial);
    CHECK_EQ_UINT(warned, s->good ? 0 : 1);
}

/* `want` is what a good value makes of the option. */
static void with(unsigned i, bool good, int64_t want) {
    snprintf(variable, sizeof variable, "WANE_%s", options[i].name);
    for (char *c = variable; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    struct setting s = {i, good, want};
    check_in_child(see_setting, &s);
}

TEST(environment_limits) {
    for (unsigned i = 0; i < OPTIONS; i++) {
        const int64_t low = options[i].least, high = options[i].greatest;
        snprintf(text, sizeof text, "%" PRId64, low);
        with(i, true, low);
        snprintf(text, sizeof text, "%" PRId64, high);
        with(i, true, high);
        snprintf(text, sizeof text, "%" PRId64, low - 1);
        with(i, false, 0);
        snprintf(text, sizeof text, "%" PRId64, high + 1);
        with(i, false, 0);
    }
}

TEST(environment_texts) {
    snprintf(text, sizeof text, "0x12345");
    with(0, true, 0x12345);
    static const char *const bad[] = {"",
                                      " ",
                                      "lots",
                                      "100000x",
                                      "100000 ",
                                      "x100000",
                                      "1e6",
                                      "100000.0",
                                      "-",
                                      "99999999999999999999999",
                                      "-99999999999999999999999",
                                      "0x"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (unsigned j = 0; j < OPTIONS; j++) { /* also where 0 would be a number of the range */
            snprintf(text, sizeof text, "%s", bad[i]);
            with(j, false, 0);
        }
    }
}

/* From here on the environment of this process has been read. */

static void set_and_see(unsigned i, int64_t value) {
    int64_t before[OPTIONS];
    for (unsigned j = 0; j < OPTIONS; j++)
        before[j] = get(j);
    CHECK_EQ_INT(wane_option_set(options[i].name, value), 0);
    for (unsigned j = 0; j < OPTIONS; j++)
        CHECK_EQ_INT(get(j), j == i ? value : before[j]);
}

static void refused(unsigned i, int64_t value) {
    int64_t before = get(i);
    CHECK_EQ_INT(wane_option_set(options[i].name, value), -EINVAL);
    CHECK_EQ_INT(get(i), before);
}

TEST(limits) {
    for (unsigned i = 0; i < OPTIONS; i++) {
        const int64_t low = options[i].least, high = options[i].greatest, before = get(i);
        const int64_t inside[] = {low, high, low + (high - low) / 2};
        for (unsigned j = 0; j < sizeof inside / sizeof inside[0]; j++) {
            set_and_see(i, inside[j]);
            refused(i, low - 1);
            refused(i, high + 1);
            refused(i, INT64_MIN);
            refused(i, INT64_MAX);
        }
        set_and_see(i, before);
    }
}

static void unknown(const char *name) {
    int64_t value = 42;
    CHECK_EQ_INT(wane_option_get(name, &value), -ENOENT);
    CHECK_EQ_INT(value, 42);
    CHECK_EQ_INT(wane_option_set(name, 1), -ENOENT);
}

TEST(unknown_names) {
    unknown("");
    unknown("no_such_option");
    for (unsigned i = 0; i < OPTIONS; i++) {
        char name[100];
        snprintf(name, sizeof name, "%s_", options[i].name);
        unknown(name);
        snprintf(name, sizeof name, "x%s", options[i].name);
        unknown(name);
        snprintf(name, sizeof name, "%.*s", (int)strlen(options[i].name) - 1, options[i].name);
        unknown(name);
        snprintf(name, sizeof name, "%s", options[i].name);
        name[0] = (char)toupper((unsigned char)name[0]);
        unknown(name);
    }
    int64_t value = 42;
    CHECK_EQ_INT(wane_option_get(NULL, &value), -EINVAL);
    CHECK_EQ_INT(wane_option_get(options[0].name, NULL), -EINVAL);
    CHECK_EQ_INT(wane_option_set(NULL, 1), -EINVAL);
    CHECK_EQ_INT(value, 42);
}
