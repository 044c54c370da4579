/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* A cache that keeps nothing alive. */
#include <stdio.h>
#include <wane.h>

struct image { int number; };
static wane_type image_type = {.name = "image", .size = sizeof(struct image)};
static wane_slot cached; /* holds a weak reference, which is an object itself */
static int loads;

/* A unit for the caller. */
static struct image *get_image(void) {
    WANE_AUTO wane_weak *w = wane_slot_load(&cached);
    struct image *i = wane_weak_get(w); /* NULL for NULL, and for a dead target */
    if (i != NULL)
        return i;
    i = wane_new(&image_type);
    i->number = ++loads;
    wane_slot_give(&cached, wane_weak_new(i, NULL, NULL));
    return i;
}

int main(void) {
    struct image *a = get_image(), *b = get_image();
    printf("%d %d\n", a->number, b->number);
    wane_release(a);
    wane_release(b); /* the last unit: the image dies although the cache knows it */
    a = get_image();
    printf("%d\n", a->number);
    wane_release(a);
    return 0;
}
/* prints:
1 1
2
*/
