/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* The first thread that needs it makes it: compare-and-swap on a slot. */
#include <stdio.h>
#include <wane.h>

struct table { int size; };
static wane_type table_type = {.name = "table", .size = sizeof(struct table)};
static wane_slot the_table;

/* A unit for the caller. */
static struct table *get_table(void) {
    struct table *t = wane_slot_load(&the_table);
    if (t != NULL)
        return t;
    t = wane_new(&table_type);
    if (t == NULL)
        return NULL;
    t->size = 64;
    if (wane_slot_cas(&the_table, NULL, t)) /* borrows t: the slot counts one of its own */
        return t;
    wane_release(t); /* somebody was faster */
    return wane_slot_load(&the_table);
}

int main(void) {
    WANE_AUTO struct table *a = get_table();
    WANE_AUTO struct table *b = get_table();
    printf("%d %s\n", a->size, a == b ? "once" : "twice");
    return 0;
}
/* prints:
64 once
*/
