/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * A doubly linked list is full of cycles: each two neighbours refer to each other. When the list is dropped, no count
 * falls to zero, and the collector frees it. This program looks at the statistics before and after.
 */
#include <stdio.h>
#include <wane.h>

struct track {
    int number;
    wane_slot next, previous;
};
static wane_type track_type = {
    .name = "track", .size = sizeof(struct track), .slots = WANE_SLOTS(struct track, next, previous)};

struct playlist {
    wane_slot first, last;
};
static wane_type playlist_type = {
    .name = "playlist", .size = sizeof(struct playlist), .slots = WANE_SLOTS(struct playlist, first, last)};

/* Appends a track. One thread fills the list, so the slots are read without a guard. */
static void append(struct playlist *list, int number) {
    struct track *t = wane_new(&track_type), *last = wane_slot_peek(&list->last);
    t->number = number;
    if (last == NULL) {
        wane_slot_store(&list->first, t);
    } else {
        wane_slot_store(&t->previous, last);
        wane_slot_store(&last->next, t);
    }
    wane_slot_give(&list->last, t);
}

/* Takes a track out of the middle: its neighbours close the gap. */
static void remove_track(struct track *t) {
    struct track *before = wane_slot_load(&t->previous), *after = wane_slot_load(&t->next);
    wane_slot_store(&before->next, after);
    wane_slot_store(&after->previous, before);
    wane_release(before);
    wane_release(after);
}

static void report(const char *when) {
    wane_stats s = {.struct_size = sizeof s};
    wane_stats_get(&s);
    printf("%s: %zu objects alive, %llu freed by the collector\n", when, s.live_objects,
           (unsigned long long)s.cycles_collected);
}

int main(void) {
    wane_gc_disable(); /* for the sake of the figures; otherwise it would begin by itself */
    struct playlist *list = wane_new(&playlist_type);
    for (int i = 0; i < 1000; i++)
        append(list, i);
    report("filled");

    struct track *second = wane_slot_load(&((struct track *)wane_slot_peek(&list->first))->next);
    remove_track(second);
    wane_release(second); /* it refers to its neighbours, but nobody refers to it: it dies by its count */
    wane_flush();
    report("one removed");

    wane_release(list);
    wane_flush();
    report("dropped"); /* the tracks still refer to each other */

    size_t found = wane_gc_collect(2);
    report("collected");
    wane_gc_stats generations[3];
    wane_gc_get_stats(generations);
    printf("%zu found by %zu collection of generation 2\n", found, generations[2].collections);
    return 0;
}
/* prints:
filled: 1001 objects alive, 0 freed by the collector
one removed: 1000 objects alive, 0 freed by the collector
dropped: 999 objects alive, 0 freed by the collector
collected: 0 objects alive, 999 freed by the collector
999 found by 1 collection of generation 2
*/
