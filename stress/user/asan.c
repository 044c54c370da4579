// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// A user's program under AddressSanitizer and LeakSanitizer, linked with the ordinary library. Each
// word is a small program: `good` and `kept` must be quiet, the others be reported.

#include "user.h"

static wane_slot place;

// A function of its own, so that no register or stack slot keeps the last pointer to lost memory.
__attribute__((noinline)) static void make_and_drop(void) {
    for (uint64_t i = 0; i < 20000; i++) {
        struct node *n = node_new(i);
        n->memory = malloc(10);
        wane_slot_give(&n->next, node_new(i));
        wane_slot_give(&place, n);
        wane_release(wane_slot_load(&place));
        // Memory that was dead is used again, from end to end.
        char *large = wane_new_extra(&node_type, i % 300);
        memset(large + sizeof(struct node), 1, i % 300);
        wane_release(large);
    }
    wane_slot_clear(&place);
    MUST(wane_flush() == 0);
}

static void *drop_elsewhere(void *n) {
    wane_release(n);
    return NULL;
}

static void use_correctly(void) {
    make_and_drop();
    for (uint64_t i = 0; i < 100; i++) {
        pthread_t t = start(drop_elsewhere, node_new(i));
        make_and_drop();
        pthread_join(t, NULL);
        i += 20;
    }
    wane_flush();
    wane_trim();
    make_and_drop();
}

static void read_the_dead(void) {
    struct node *n = node_new(5);
    wane_release(n);
    printf("%d\n", (int)n->number);
}

static void write_the_dead(void) {
    struct node *n = node_new(5);
    wane_slot_give(&place, n);
    wane_slot_clear(&place);
    MUST(wane_flush() == 0);
    n->number = 6;
}

static void read_the_dead_from_elsewhere(void) {
    struct node *n = node_new(5);
    pthread_t t = start(drop_elsewhere, n);
    pthread_join(t, NULL);
    MUST(wane_flush() == 0);
    printf("%d\n", (int)n->number);
}

static void read_a_dead_large_one(void) {
    struct node *n = wane_new_extra(&node_type, 200000);
    volatile char *byte = (char *)n + 100000;
    wane_release(n);
    MUST(wane_flush() == 0);
    printf("%d\n", *byte);
}

// Storage that was deferred is freed for good once no guard can see it.
static void read_deferred_storage(void) {
    struct entries *volatile e = entries_new(4);
    MUST(wane_defer(free, e) == 0 && wane_flush() == 0);
    printf("%zu\n", e->room);
}

// A callback that uses what it does not own: its object's last unit was given up elsewhere.
static struct node *borrowed_too_long;
static void careless_destroy(void *self) {
    (void)self;
    printf("%d\n", (int)borrowed_too_long->number);
}

static void read_the_dead_in_a_callback(void) {
    static wane_type careless = {.name = "careless", .size = 8, .destroy = careless_destroy};
    borrowed_too_long = node_new(1);
    void *n = wane_new(&careless);
    wane_release(borrowed_too_long);
    wane_release(n);
}

// malloc'ed memory that only payloads of living objects refer to is no leak, as far away as it is.
__attribute__((noinline)) static void keep_memory(void) {
    struct node *n = node_new(1);
    n->memory = malloc(1000);
    struct node *next = node_new(2);
    next->memory = malloc(2000);
    wane_slot_give(&n->next, next);
    wane_slot_give(&place, n);
    struct node *large = wane_new_extra(&node_type, 500000);
    large->memory = malloc(3000);
    wane_slot_give(&next->next, large);
    wane_immortalize(large);
}

__attribute__((noinline)) static void lose_memory(void) {
    char *volatile lost = malloc(12345);
    lost[0] = 1;
    lost = NULL;
    // The dead do not keep what they referred to: nobody freed it.
    static wane_type careless = {.name = "careless", .size = sizeof(struct node)};
    struct node *n = wane_new(&careless);
    n->memory = malloc(23456);
    wane_release(n);
}

static void wipe_stack(void) {
    volatile char wiped[4096];
    for (size_t i = 0; i < sizeof wiped; i++) {
        wiped[i] = 0;
    }
}

static const struct {
    const char *word;
    void (*run)(void);
} programs[] = {
    {"good", use_correctly},
    {"read", read_the_dead},
    {"write", write_the_dead},
    {"elsewhere", read_the_dead_from_elsewhere},
    {"large", read_a_dead_large_one},
    {"containers", use_containers},
    {"callbacks", use_callbacks},
    {"traced", use_while_traced},
    {"storage", read_deferred_storage},
    {"callback", read_the_dead_in_a_callback},
    {"kept", keep_memory},
    {"lost", lose_memory},
};

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        if (argc > 1 && strcmp(argv[1], programs[i].word) == 0) {
            programs[i].run();
            wipe_stack();
            puts("end");
            return 0;
        }
    }
    return 2;
}
