/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* What a type says: size, slots, how to destroy; and objects whose length is known when they are made. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wane.h>

struct person {
    wane_slot parent; /* a slot at a fixed offset */
    wane_slot spouse;
    char *name; /* malloc'ed: the library does not know it */
};

static void person_destroy(void *self) {
    struct person *p = self;
    printf("%s is gone\n", p->name);
    free(p->name);
}

static wane_type person_type = {
    .name = "person",
    .size = sizeof(struct person),
    .slots = WANE_SLOTS(struct person, parent, spouse),
    .destroy = person_destroy,
};

static struct person *person_new(const char *name) {
    struct person *p = wane_new(&person_type);
    if (p != NULL)
        p->name = strdup(name);
    return p;
}

/* An array: all of its extra bytes are slots. */
struct family {
    size_t n;
    wane_slot member[];
};

static wane_type family_type = {
    .name = "family",
    .size = sizeof(struct family),
    .flags = WANE_TYPE_EXTRA_SLOTS,
};

int main(void) {
    struct family *f = wane_new_extra(&family_type, 2 * sizeof(wane_slot));
    f->n = 2;
    struct person *old = person_new("Ada"), *young = person_new("Ben");
    wane_slot_init(&young->parent, wane_retain(old)); /* nobody else sees `young` yet */
    wane_slot_init(&f->member[0], old);
    wane_slot_init(&f->member[1], young);
    wane_release(f); /* and all that nothing else refers to */
    return 0;
}
/* prints:
Ben is gone
Ada is gone
*/
