/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* The child of a fork goes on with all objects, and starts its own collector thread when it needs one. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wane.h>

struct state { int value; };
static wane_type state_type = {.name = "state", .size = sizeof(struct state)};
static wane_slot shared;

int main(void) {
    struct state *s = wane_new(&state_type);
    s->value = 1;
    wane_slot_give(&shared, s);
    pid_t child = fork();
    if (child == 0) {
        struct state *mine = wane_slot_take(&shared); /* of the child's copy */
        mine->value = 2;
        wane_release(mine);
        _exit(wane_flush());
    }
    int status = -1;
    waitpid(child, &status, 0);
    s = wane_slot_take(&shared);
    printf("child %d, here %d\n", status, s->value);
    wane_release(s);
    return 0;
}
/* prints:
child 0, here 1
*/
