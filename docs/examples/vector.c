/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* A vector that grows while others read it: its storage is an object, in a slot. */
#include <stdio.h>
#include <wane.h>

struct number { int value; };
static wane_type number_type = {.name = "number", .size = sizeof(struct number)};

struct storage {
    size_t n;
    wane_slot at[];
};
static wane_type storage_type = {
    .name = "storage",
    .size = sizeof(struct storage),
    .flags = WANE_TYPE_EXTRA_SLOTS,
};

struct vector { wane_slot storage; };
static wane_type vector_type = {
    .name = "vector",
    .size = sizeof(struct vector),
    .slots = WANE_SLOTS(struct vector, storage),
};

/* One writer at a time. Readers keep the storage that they have: it is never changed, only replaced. */
static bool vector_push(struct vector *v, void *obj) {
    WANE_AUTO struct storage *old = wane_slot_load(&v->storage);
    size_t n = old == NULL ? 0 : old->n;
    struct storage *s = wane_new_extra(&storage_type, (n + 1) * sizeof(wane_slot));
    if (s == NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        wane_slot_init(&s->at[i], wane_slot_load(&old->at[i]));
    wane_slot_init(&s->at[n], wane_retain(obj));
    s->n = n + 1;
    wane_slot_give(&v->storage, s); /* published, complete */
    return true;
}

static int vector_sum(struct vector *v) {
    int sum = 0;
    wane_guard_enter();
    struct storage *s = wane_slot_peek(&v->storage);
    for (size_t i = 0; s != NULL && i < s->n; i++)
        sum += ((struct number *)wane_slot_peek(&s->at[i]))->value;
    wane_guard_leave();
    return sum;
}

int main(void) {
    WANE_AUTO struct vector *v = wane_new(&vector_type);
    for (int i = 1; i <= 10; i++) {
        WANE_AUTO struct number *n = wane_new(&number_type);
        n->value = i;
        vector_push(v, n);
    }
    printf("%d\n", vector_sum(v));
    return 0;
}
/* prints:
55
*/
