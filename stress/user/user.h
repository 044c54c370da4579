// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// What the users' programs share: a type, a place, and checks without the harness, which is not
// built with their sanitizer.
#ifndef WANE_STRESS_USER_H
#define WANE_STRESS_USER_H

#include <wane.h>

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct node {
    wane_slot next;
    uint64_t number;
    char *memory;
};

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                             \
            exit(3);                                                                               \
        }                                                                                          \
    } while (0)

__attribute__((unused)) static void node_destroy(void *self) {
    struct node *n = self;
    free(n->memory);
    n->memory = NULL;
    n->number = 0;
}

__attribute__((unused)) static wane_type node_type = {
    .name = "node",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, next),
    .destroy = node_destroy,
};

__attribute__((unused)) static struct node *node_new(uint64_t number) {
    struct node *n = wane_new(&node_type);
    MUST(n != NULL);
    n->number = number;
    return n;
}

__attribute__((unused)) static pthread_t start(void *(*fn)(void *), void *arg) {
    pthread_t t;
    MUST(pthread_create(&t, NULL, fn, arg) == 0);
    return t;
}

// In correct.c.

struct entries {
    size_t n, room;
    wane_slot at[];
};

struct map {
    struct entries *entries;  // atomic
    uint64_t number;
};

extern wane_type map_type;
extern wane_slot shared_map;
extern uint64_t looks;  // atomic: how often somebody looked at a map's storage

struct entries *entries_new(size_t room);
void read_shared_map(void);  // in a guard
void *collect(void *stop);   // again and again until *stop, an atomic int
void use_containers(void);
void use_callbacks(void);
void use_while_traced(void);
extern bool write_late;  // there, plants a use after the release

#endif
