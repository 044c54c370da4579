/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* A finalizer sees the object whole and may bring it back, once. */
#include <stdio.h>
#include <wane.h>

struct connection { int fd; };
static wane_slot pool;

static void connection_finalize(void *self) {
    puts("unused: back to the pool");
    wane_slot_give(&pool, wane_retain(self)); /* reachable again: it lives on */
}

static void connection_destroy(void *self) { printf("close %d\n", ((struct connection *)self)->fd); }

static wane_type connection_type = {
    .name = "connection",
    .size = sizeof(struct connection),
    .finalize = connection_finalize,
    .destroy = connection_destroy,
};

int main(void) {
    struct connection *c = wane_new(&connection_type);
    c->fd = 5;
    wane_release(c); /* would have died: finalize runs, here */
    c = wane_slot_take(&pool);
    printf("again: %d\n", c->fd);
    wane_release(c); /* finalize does not run a second time */
    return wane_flush();
}
/* prints:
unused: back to the pool
again: 5
close 5
*/
