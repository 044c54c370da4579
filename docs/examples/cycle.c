/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* Two objects that refer to each other: the collector finds them, by itself or when asked. */
#include <stdio.h>
#include <wane.h>

struct node { wane_slot other; };
static void node_destroy(void *self) {
    (void)self;
    puts("gone");
}
static wane_type node_type = {
    .name = "node",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, other),
    .destroy = node_destroy,
};

int main(void) {
    struct node *a = wane_new(&node_type), *b = wane_new(&node_type);
    wane_slot_store(&a->other, b);
    wane_slot_store(&b->other, a);
    wane_release(a);
    wane_release(b); /* nobody can reach them, and each keeps the other */
    size_t found = wane_gc_collect(2);
    printf("%zu found\n", found);
    return 0;
}
/* prints:
gone
gone
2 found
*/
