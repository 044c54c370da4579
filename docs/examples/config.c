/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* Read by many, replaced now and then: a guard and a peek for each read, no lock and no count. */
#include <pthread.h>
#include <stdio.h>
#include <wane.h>

struct config { long low, high; }; /* always high == low + 1 */
static wane_type config_type = {.name = "config", .size = sizeof(struct config)};
static wane_slot current;

static void set_config(long low) {
    struct config *c = wane_new(&config_type);
    if (c == NULL)
        return;
    c->low = low; /* written before it is published: readers see all of it */
    c->high = low + 1;
    wane_slot_give(&current, c); /* the old one is decremented after a grace period */
}

static void *reader(void *wrong) {
    for (int i = 0; i < 20000; i++) {
        wane_guard_enter();
        struct config *c = wane_slot_peek(&current);
        if (c->high != c->low + 1)
            ++*(long *)wrong;
        wane_guard_leave(); /* c means nothing from here on */
    }
    return NULL;
}

int main(void) {
    pthread_t threads[2];
    long wrong[2] = {0, 0};
    set_config(0);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, reader, &wrong[i]);
    for (long n = 1; n <= 20000; n++)
        set_config(n);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%ld wrong\n", wrong[0] + wrong[1]);
    wane_slot_clear(&current);
    return wane_flush();
}
/* prints:
0 wrong
*/
