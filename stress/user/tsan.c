// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// A user's program under ThreadSanitizer, linked with the ordinary library. `tsan good` uses
// everything correctly and must be quiet: payloads are written before they are published, read in
// guards or under units, written by destroy, and their memory is used again by other threads. The
// other words plant one race each, which must be reported.

#include "user.h"

enum { ROUNDS = 20000, THREADS = 3 };
static wane_slot place, weak_place;

static void *publish_and_read(void *arg) {
    uint64_t rounds = (uint64_t)(uintptr_t)arg;
    for (uint64_t i = 0; i < rounds; i++) {
        struct node *n = node_new(i);
        n->memory = malloc(8);
        wane_slot_give(&n->next, node_new(i));
        if (i % 8 == 0) {
            wane_slot_give(&weak_place, wane_weak_new(n, NULL, NULL));
        }
        wane_slot_give(&place, n);
        wane_guard_enter();
        n = wane_slot_peek(&place);
        if (n != NULL) {
            struct node *next = wane_slot_peek(&n->next);
            MUST(next == NULL || next->number == n->number);
        }
        wane_guard_leave();
        n = wane_slot_load(&place);
        if (n != NULL) {
            MUST(n->memory != NULL);
            wane_release(n);
        }
        wane_weak *w = wane_slot_load(&weak_place);
        n = wane_weak_get(w);
        MUST(n == NULL || n->memory != NULL);
        wane_release(n);
        wane_release(w);
    }
    return NULL;
}

// The last of two owners of a unit reads what the other wrote before it gave its own up.
static void *write_then_release(void *arg) {
    struct node *n = arg;
    wane_slot_clear(&n->next);
    wane_release(n);
    return NULL;
}

static uint64_t sum_of_dead;
static void sum_destroy(void *self) { sum_of_dead += ((struct node *)self)->number; }
static wane_type sum_type = {.name = "sum", .size = sizeof(struct node), .destroy = sum_destroy};

// A flush orders the deaths that it waited for before what follows it.
static void flush_and_look(void) {
    for (uint64_t i = 1; i < 200; i++) {
        struct node *n = wane_new(&sum_type);
        n->number = i;
        wane_slot_give(&place, n);
        wane_slot_clear(&place);
        MUST(wane_flush() == 0);
        MUST(sum_of_dead == i * (i + 1) / 2);
    }
}

// Who dies last sees what each former holder wrote to the payload before its release.
static void *write_own_field(void *arg) {
    struct node *n = arg;
    n->number = 7;
    wane_release(n);
    return NULL;
}

static void deaths_see_writes(void) {
    for (int i = 0; i < 500; i++) {
        struct node *n = node_new(1);
        wane_retain(n);
        pthread_t t = start(i % 2 == 0 ? write_own_field : write_then_release, n);
        wane_release(n);
        pthread_join(t, NULL);
    }
    MUST(wane_flush() == 0);
}

static void free_memory(void *memory) {
    memset(memory, 1, 8);
    free(memory);
}
static char *table;

static void *read_table(void *arg) {
    for (int i = 0; i < ROUNDS; i++) {
        wane_guard_enter();
        char *t = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
        MUST(t == NULL || t[0] == 0);
        wane_guard_leave();
    }
    return arg;
}

static void replace_table(void) {
    pthread_t t = start(read_table, NULL);
    for (int i = 0; i < 2000; i++) {
        char *old = __atomic_exchange_n(&table, calloc(1, 8), __ATOMIC_ACQ_REL);
        MUST(old == NULL || wane_defer(free_memory, old) == 0);
    }
    pthread_join(t, NULL);
    MUST(wane_defer(free_memory, table) == 0);
    MUST(wane_flush() == 0);
}

static void use_correctly(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        threads[i] = start(publish_and_read, (void *)(uintptr_t)ROUNDS);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    wane_slot_clear(&place);
    wane_slot_clear(&weak_place);
    flush_and_look();
    deaths_see_writes();
    replace_table();
    wane_shutdown();
}

// Planted races. Both sides start together, so that no start or end of a thread orders them by
// accident; by a relaxed counter, because for ThreadSanitizer a barrier orders whoever wakes up
// late behind all that the others have done since.

static int arrived, writer_is_done;

static void start_together(void) {
    __atomic_fetch_add(&arrived, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&arrived, __ATOMIC_RELAXED) < 2) {
    }
}

static void *write_number(void *arg) {
    start_together();
    for (int i = 0; i < 1000; i++) {
        (*(volatile uint64_t *)&((struct node *)arg)->number)++;
    }
    return NULL;
}

// Two holders of one object write its payload.
static void race_on_a_payload(void) {
    struct node *n = node_new(1);
    pthread_t t = start(write_number, n);
    write_number(n);
    pthread_join(t, NULL);
    wane_release(n);
}

static void *write_what_is_published(void *arg) {
    wane_thread_attach();
    start_together();
    for (uint64_t i = 0; i < 20000; i++) {
        struct node *n = node_new(i);
        wane_slot_store(&place, n);
        n->number++;
        wane_release(n);
    }
    __atomic_store_n(&writer_is_done, 1, __ATOMIC_RELAXED);
    return arg;
}

// Written after it was published, while a reader in a guard looks.
static void race_after_publication(void) {
    pthread_t t = start(write_what_is_published, NULL);
    uint64_t sum = 0;
    wane_thread_attach();
    start_together();
    while (!__atomic_load_n(&writer_is_done, __ATOMIC_RELAXED)) {
        wane_guard_enter();
        struct node *n = wane_slot_peek(&place);
        sum += n != NULL ? n->number : 0;
        wane_guard_leave();
    }
    pthread_join(t, NULL);
    printf("%llu\n", (unsigned long long)sum);
}

static uint64_t plain;
static void *count_in_guards(void *arg) {
    wane_thread_attach();
    start_together();
    for (int i = 0; i < 20000; i++) {
        wane_guard_enter();
        plain++;
        wane_guard_leave();
    }
    return arg;
}

// Guards are no locks: what they order must not hide this.
static void race_between_guards(void) {
    pthread_t t = start(count_in_guards, NULL);
    count_in_guards(NULL);
    pthread_join(t, NULL);
}

// Storage freed at once instead of with wane_defer, after others have looked at it in guards.
static void free_looked_at(void *(*look)(void *)) {
    static int done;
    struct map *m = wane_new(&map_type);
    __atomic_store_n(&m->entries, entries_new(0), __ATOMIC_RELEASE);
    wane_slot_store(&shared_map, m);
    pthread_t t = start(look, &done);
    for (int i = 0; i < 3; i++) {
        uint64_t before = __atomic_load_n(&looks, __ATOMIC_RELAXED);
        while (__atomic_load_n(&looks, __ATOMIC_RELAXED) < before + 3) {
        }
        free(__atomic_exchange_n(&m->entries, entries_new(0), __ATOMIC_ACQ_REL));
    }
    __atomic_store_n(&done, 1, __ATOMIC_RELAXED);
    pthread_join(t, NULL);
    wane_release(m);
}

static void *read_in_guards(void *stop) {
    while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED)) {
        read_shared_map();
    }
    return NULL;
}

static void race_on_storage(void) { free_looked_at(read_in_guards); }

static void race_with_trace(void) { free_looked_at(collect); }

// Written after the last unit was given up, while the collector held the object.
static void race_after_release(void) {
    write_late = true;
    use_while_traced();
}

static const struct {
    const char *word;
    void (*run)(void);
} programs[] = {
    {"good", use_correctly},
    {"containers", use_containers},
    {"callbacks", use_callbacks},
    {"traced", use_while_traced},
    {"payload", race_on_a_payload},
    {"published", race_after_publication},
    {"guards", race_between_guards},
    {"storage", race_on_storage},
    {"trace", race_with_trace},
    {"late", race_after_release},
};

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        if (argc > 1 && strcmp(argv[1], programs[i].word) == 0) {
            programs[i].run();
            puts("end");
            return 0;
        }
    }
    return 2;
}
