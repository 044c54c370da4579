/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* An event loop calls wane_poll when it has served what was ready: its own deferred work stays its own. */
#include <stdio.h>
#include <wane.h>

struct reply { int request; };
static wane_type reply_type = {.name = "reply", .size = sizeof(struct reply)};
static wane_slot last_reply;

static void serve(int request) {
    struct reply *r = wane_new(&reply_type);
    r->request = request;
    wane_slot_give(&last_reply, r);
}

int main(void) {
    for (int request = 0; request < 1000; request++) {
        serve(request);
        if (request % 100 == 99) /* where the loop would wait for events */
            wane_poll();
    }
    wane_slot_clear(&last_reply);
    wane_flush();
    wane_stats s = {.struct_size = sizeof s};
    wane_stats_get(&s);
    printf("%zu alive, %zu deferred\n", s.live_objects, s.deferred_pending);
    return 0;
}
/* prints:
0 alive, 0 deferred
*/
