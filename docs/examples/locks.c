/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * Locks of the program and callbacks of the library. `destroy` of a user takes the lock of the register, to count. So no
 * call that can run `destroy` may be made under that lock: the old user leaves its slot under the lock, by a slot call,
 * which never runs user code, and is released after it.
 */
#include <pthread.h>
#include <stdio.h>
#include <wane.h>

static struct {
    pthread_mutex_t lock;
    wane_slot current;
    int changes, gone;
} reg = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct user { int id; };

static void user_destroy(void *self) {
    (void)self;
    pthread_mutex_lock(&reg.lock);
    reg.gone++;
    pthread_mutex_unlock(&reg.lock);
}

static wane_type user_type = {.name = "user", .size = sizeof(struct user), .destroy = user_destroy};

/* Makes u, whose reference the caller gives away, the current user. Returns the number of the one before, or 0. */
static int set_current(struct user *u) {
    wane_guard_enter(); /* 1. the guard: inside it slot calls never wait */
    pthread_mutex_lock(&reg.lock); /* 2. the lock */
    struct user *old = wane_slot_swap(&reg.current, u);
    reg.changes++;
    pthread_mutex_unlock(&reg.lock);
    wane_guard_leave();
    int id = old != NULL ? old->id : 0;
    wane_release(old); /* 3. outside of both: this may run user_destroy */
    return id;
}

int main(void) {
    int before = 0;
    for (int id = 1; id <= 3; id++) {
        struct user *u = wane_new(&user_type);
        u->id = id;
        before = set_current(u);
    }
    set_current(NULL);
    wane_flush(); /* under no lock: it runs callbacks */
    printf("%d before the last, %d changes, %d gone\n", before, reg.changes, reg.gone);
    return 0;
}
/* prints:
2 before the last, 4 changes, 3 gone
*/
