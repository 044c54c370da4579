/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* Options, the log, statistics, giving memory back, the report at the end. */
#include <errno.h>
#include <stdio.h>
#include <wane.h>

struct session { char data[100]; };
static wane_type session_type = {.name = "session", .size = sizeof(struct session)};

/* Called by any thread, inside any call: it must not call the library. */
static void to_stdout(int level, const char *line, void *arg) {
    (void)arg;
    printf("[%d] %s\n", level, line);
}

int main(void) {
    wane_set_log(to_stdout, NULL);
    int64_t bytes = 0;
    wane_option_set("deferred_bytes", 1 << 20);
    wane_option_get("deferred_bytes", &bytes);
    printf("%lld\n", (long long)bytes);
    if (wane_option_set("no_such_option", 1) != -ENOENT)
        return 1;

    struct session *kept = wane_new(&session_type);
    for (int i = 0; i < 1000; i++)
        wane_release(wane_new(&session_type));
    wane_trim(); /* empty memory goes back now, not after trim_delay_ms */

    wane_stats s = {.struct_size = sizeof s}; /* which figures this program knows */
    wane_stats_get(&s);
    printf("%zu alive\n", s.live_objects);

    wane_option_set("leak_report", 1); /* or WANE_LEAK_REPORT=1 in the environment */
    wane_shutdown();
    wane_release(kept); /* calls still work */
    return 0;
}
/* prints:
1048576
1 alive
[2] leak: 1 objects of type "session" are alive, 0 of them on cycles, 1 held from outside; 128 bytes
*/
