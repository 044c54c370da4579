/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * A sorted list that threads read without a lock while another thread changes it. Readers walk it in a guard. Writers take
 * a lock against each other; they write a node before they link it, and unlink a node without touching its `next`, so that
 * a reader which stands at it can go on.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <wane.h>

struct node {
    int number;
    wane_slot next;
};
static wane_type node_type = {.name = "node",
                              .size = sizeof(struct node),
                              .slots = WANE_SLOTS(struct node, next),
                              .flags = WANE_TYPE_ACYCLIC};

static wane_slot head;
static pthread_mutex_t writers = PTHREAD_MUTEX_INITIALIZER;

static int contains(int number) {
    wane_guard_enter();
    struct node *n = wane_slot_peek(&head);
    while (n != NULL && n->number < number)
        n = wane_slot_peek(&n->next);
    int found = n != NULL && n->number == number;
    wane_guard_leave(); /* n must not be used from here on */
    return found;
}

/* The slot that refers to the first node with at least this number. The caller holds the lock. */
static wane_slot *place_of(int number) {
    wane_slot *link = &head;
    struct node *n;
    while ((n = wane_slot_peek(link)) != NULL && n->number < number)
        link = &n->next;
    return link;
}

static void insert(int number) {
    struct node *n = wane_new(&node_type);
    n->number = number;
    wane_guard_enter();
    pthread_mutex_lock(&writers);
    wane_slot *link = place_of(number);
    wane_slot_init(&n->next, wane_slot_load(link));
    wane_slot_give(link, n);
    pthread_mutex_unlock(&writers);
    wane_guard_leave();
}

static void remove_number(int number) {
    wane_guard_enter();
    pthread_mutex_lock(&writers);
    wane_slot *link = place_of(number);
    struct node *n = wane_slot_peek(link);
    if (n != NULL && n->number == number)
        wane_slot_store(link, wane_slot_peek(&n->next)); /* n is released when no guard can see it any more */
    pthread_mutex_unlock(&writers);
    wane_guard_leave();
}

static atomic_int stop;

/* The even numbers are always there, whatever happens to the odd ones. */
static void *read_all(void *arg) {
    long *missed = arg;
    while (!stop) {
        for (int i = 0; i < 100; i += 2)
            *missed += !contains(i);
    }
    return NULL;
}

int main(void) {
    for (int i = 0; i < 100; i += 2)
        insert(i);
    pthread_t reader;
    long missed = 0;
    pthread_create(&reader, NULL, read_all, &missed);
    for (int i = 0; i < 10000; i++) {
        insert(i % 50 * 2 + 1);
        remove_number(i % 50 * 2 + 1);
    }
    stop = 1;
    pthread_join(reader, NULL);
    wane_slot_clear(&head);
    printf("%ld missed, flush: %d\n", missed, wane_flush());
    return 0;
}
/* prints:
0 missed, flush: 0
*/
