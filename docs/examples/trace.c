/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* Slots at no fixed offset: `trace` names them. */
#include <stdio.h>
#include <stdlib.h>
#include <wane.h>

struct item { int number; };
static void item_destroy(void *self) { printf("item %d\n", ((struct item *)self)->number); }
static wane_type item_type = {.name = "item", .size = sizeof(struct item), .destroy = item_destroy};

struct bag {
    size_t n;
    wane_slot *slots; /* calloc'ed when the bag is made: all zero bytes are empty slots */
};

static void bag_trace(void *self, wane_visitor *v) {
    struct bag *b = self;
    if (b->slots != NULL)
        wane_visit_n(v, b->slots, b->n);
}

static void bag_destroy(void *self) {
    puts("bag");
    free(((struct bag *)self)->slots); /* the slots were emptied before */
}

static wane_type bag_type = {
    .name = "bag",
    .size = sizeof(struct bag),
    .trace = bag_trace,
    .destroy = bag_destroy,
};

int main(void) {
    struct bag *b = wane_new(&bag_type);
    b->slots = calloc(2, sizeof *b->slots);
    b->n = 2;
    struct item *i = wane_new(&item_type);
    i->number = 7;
    wane_slot_give(&b->slots[1], i);
    wane_release(b);
    return 0;
}
/* prints:
bag
item 7
*/
