// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// wane_stats_write: each form has each figure, and a file that cannot be written is an error.

#include "api.h"

static char *form(int format) {
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    CHECK(f != NULL);
    CHECK_EQ_INT(wane_stats_write(f, format), 0);
    CHECK_EQ_INT(fclose(f), 0);
    CHECK(n > 0 && text[n - 1] == '\n');
    return text;
}

static void check_has(const char *text, const char *part) {
    CHECK_MSG(strstr(text, part) != NULL, "no \"%s\" in: %s", part, text);
}

TEST(all_forms) {
    struct leaf *l[3] = {leaf_new(1), leaf_new(2), leaf_new(3)};
    char *text = form(WANE_TEXT);
    check_has(text, "live_objects                            3  ");
    free(text);
    text = form(WANE_PROMETHEUS);
    check_has(text, "# TYPE wane_live_objects gauge\nwane_live_objects 3\n");
    check_has(text, "# TYPE wane_births_total counter\nwane_births_total ");
    check_has(text, "# TYPE wane_stall_seconds histogram\nwane_stall_seconds_bucket{le=\"0.000000002\"} ");
    check_has(text, "wane_stall_seconds_bucket{le=\"+Inf\"} ");
    // Each line is a comment, or a name and a number.
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char *end = strrchr(line, ' ');
        CHECK(line[0] == '#' || (strncmp(line, "wane_", 5) == 0 && end != NULL));
        if (line[0] != '#') {
            strtod(end + 1, &end);
            CHECK_MSG(*end == '\0', "%s", line);
        }
    }
    free(text);
    text = form(WANE_JSON);
    check_has(text, "{\"live_objects\": 3, ");
    check_has(text, "]}\n");
    free(text);
    for (int i = 0; i < 3; i++) {
        wane_release(l[i]);
    }
}

TEST(arguments) {
    CHECK_EQ_INT(wane_stats_write(NULL, WANE_TEXT), -EINVAL);
    CHECK_EQ_INT(wane_stats_write(stdout, -1), -EINVAL);
    CHECK_EQ_INT(wane_stats_write(stdout, 3), -EINVAL);
}

TEST(a_full_disk) {
    FILE *f = fopen("/dev/full", "w");
    if (f == NULL) {
        SKIP("no /dev/full");
    }
    CHECK_EQ_INT(wane_stats_write(f, WANE_JSON), -ENOSPC);
    fclose(f);
}

TEST(a_pipe_that_nobody_reads) {
    int ends[2];
    CHECK_EQ_INT(pipe(ends), 0);
    close(ends[0]);
    FILE *f = fdopen(ends[1], "w");
    CHECK(f != NULL);
    CHECK_EQ_INT(wane_stats_write(f, WANE_TEXT), -EPIPE);
    sigset_t pending;
    sigpending(&pending);
    CHECK(!sigismember(&pending, SIGPIPE));
    signal(SIGPIPE, SIG_IGN); // fclose writes what is left
    fclose(f);
    signal(SIGPIPE, SIG_DFL);
}
