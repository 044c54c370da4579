/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* Memory that is no object, read in guards: freed after a grace period. */
#include <stdio.h>
#include <stdlib.h>
#include <wane.h>

struct route {
    wane_defer_node node; /* embedded: deferring cannot fail */
    int port;
};
static struct route *table; /* read and written with atomic operations */

static void free_route(void *arg) { free(arg); }

static void set_route(int port) {
    struct route *r = calloc(1, sizeof *r);
    r->port = port;
    struct route *old = __atomic_exchange_n(&table, r, __ATOMIC_ACQ_REL);
    if (old != NULL)
        wane_defer_node_add(&old->node, free_route, old);
}

static int read_port(void) {
    wane_guard_enter();
    int port = __atomic_load_n(&table, __ATOMIC_ACQUIRE)->port;
    wane_guard_leave();
    return port;
}

int main(void) {
    set_route(80);
    set_route(8080);
    printf("%d\n", read_port());
    free(table);
    return wane_flush(); /* deferred functions that were due have run */
}
/* prints:
8080
*/
