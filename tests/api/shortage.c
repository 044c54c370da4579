// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Calls of the library for memory and for a thread that fail: the program has functions of these
// names, which the library finds first. What has no error to report must go on all the same, must
// lose nothing, and must not be slower for long.

#include "api.h"

#if TEST_TSAN || TEST_ASAN

TEST(shortage) { SKIP("a sanitizer has functions of these names"); }

#else

#include <dlfcn.h>
#include <stdarg.h>
#include <sys/syscall.h>

static _Atomic(size_t) threads_tried;
static atomic_bool no_thread;

int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg) {
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
    }
    atomic_fetch_add(&threads_tried, 1);
    return atomic_load(&no_thread) ? EAGAIN : next(t, attr, fn, arg);
}

// Segments of queues are of such a size; what the tests need themselves is smaller.
static atomic_bool no_memory;
static _Atomic(size_t) refused;
extern void *__libc_malloc(size_t size);
void *malloc(size_t size) {
    if (size < 2000 || !atomic_load(&no_memory)) {
        return __libc_malloc(size);
    }
    atomic_fetch_add(&refused, 1);
    return NULL;
}

// The collector's tables: the call of that number fails, counted from when it is set.
static _Atomic(int) table_call_fails;
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_calloc(size_t n, size_t size);
static bool table_call_is_it(void) {
    return atomic_load(&table_call_fails) > 0 && atomic_fetch_sub(&table_call_fails, 1) == 1;
}
void *realloc(void *p, size_t size) { return table_call_is_it() ? NULL : __libc_realloc(p, size); }
void *calloc(size_t n, size_t size) { return table_call_is_it() ? NULL : __libc_calloc(n, size); }

// membarrier(2), which may be out of memory too.
static _Atomic(int) barrier_calls_fail;
long syscall(long call, ...) {
    static long (*next)(long, ...);
    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "syscall");
    }
    long a[6];
    va_list ap;
    va_start(ap, call);
    for (int i = 0; i < 6; i++) {
        a[i] = va_arg(ap, long);
    }
    va_end(ap);
    if (call == SYS_membarrier && atomic_load(&barrier_calls_fail) > 0) {
        atomic_fetch_sub(&barrier_calls_fail, 1);
        errno = ENOMEM;
        return -1;
    }
    return next(call, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static size_t warnings;

static void note_warning(int level, const char *line, void *unused) {
    (void)level, (void)unused;
    warnings += strstr(line, "thread could not be created") != NULL;
}

static void defer_much(size_t n) {
    static wane_slot place;
    for (size_t i = 0; i < n; i++) {
        wane_slot_give(&place, leaf_new(i));
    }
    wane_slot_clear(&place);
}

static bool thread_was_made(void *unused) {
    (void)unused;
    size_t before = atomic_load(&threads_tried);
    defer_much(1);
    return atomic_load(&threads_tried) > before;
}

static void without_thread(void *unused) {
    (void)unused;
    wane_set_log(note_warning, NULL);
    atomic_store(&no_thread, true);
    uint64_t begin = test_now_ns();
    defer_much(100000);
    CHECK_EQ_INT(wane_flush(), 0);
    size_t tried = atomic_load(&threads_tried);
    uint64_t ms = (test_now_ns() - begin) / API_MS;
    CHECK_MSG(tried >= 1 && tried <= 2 + ms / 10, "%zu tries to make a thread in %" PRIu64 " ms",
              tried, ms);
    CHECK_EQ_UINT(warnings, 1);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
    // It comes when it can be had, without a call that asks for it.
    atomic_store(&no_thread, false);
    CHECK(test_wait_until(thread_was_made, NULL, API_PATIENCE));
    CHECK_EQ_UINT(warnings, 1);
}

// A thread that cannot be made is tried now and then, not at each deferral, and said once.
TEST(no_thread_to_be_had) { check_in_child(without_thread, NULL); }

// Without memory. More units than the queues have room for are parked in their objects: no call
// waits, none ends the program, and all of them die as soon as they may.

enum { MANY = 5000 };

static void end_of_memory(void) {
    CHECK_EQ_INT(wane_thread_attach(), 0);  // which needs some
    atomic_store(&no_memory, true);
}

static struct gate in_guard = GATE_CLOSED, may_leave = GATE_CLOSED;

static void *stay_in_guard(void *unused) {
    wane_guard_enter();
    gate_set(&in_guard, true);
    gate_wait(&may_leave);
    wane_guard_leave();
    return unused;
}

// Else the library needs less than is refused, and nothing was tested. Without membarrier objects are born
// merged, and units of others' objects need none.
static void check_was_refused(void) {
    const char *membarrier = getenv("WANE_MEMBARRIER");
    bool fences = membarrier != NULL && strcmp(membarrier, "0") == 0;
    CHECK(fences || !atomic_load(&no_memory) || atomic_load(&refused) > 0);
}

static void check_all_dead(size_t dead) {
    check_was_refused();
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead);
    test_teardown();
}

static void give_nodes(void) {
    static wane_slot place;
    for (size_t i = 0; i < MANY; i++) {
        wane_slot_give(&place, node_new(i));
    }
    wane_slot_clear(&place);
}

static void beside_a_guard(void *unused) {
    pthread_t t = api_thread(stay_in_guard, unused);
    gate_wait(&in_guard);
    end_of_memory();
    give_nodes();
    CHECK_EQ_UINT(api_stats().deferred_pending, MANY);
    CHECK_EQ_UINT(api_stats().stalls, 0);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), 0);
    gate_set(&may_leave, true);
    api_join(t);
    check_all_dead(MANY);
    // Again, and without a guard: the queues are as good as before.
    for (int i = 0; i < 20; i++) {
        give_nodes();
    }
    check_all_dead((size_t)21 * MANY);
}

TEST(slots_beside_a_guard) { check_in_child(beside_a_guard, NULL); }

static void inside_a_guard(void *unused) {
    (void)unused;
    static wane_slot slots[MANY];
    struct node *borrowed[MANY];
    for (size_t i = 0; i < MANY; i++) {
        wane_slot_init(&slots[i], node_new(i));
    }
    end_of_memory();
    wane_guard_enter();
    for (size_t i = 0; i < MANY; i++) {
        borrowed[i] = wane_slot_peek(&slots[i]);
        for (int k = 0; k < 3; k++) {  // units of one object: the first is parked, others go
            wane_slot_store(&slots[i], borrowed[i]);
        }
        wane_slot_clear(&slots[i]);
    }
    for (size_t i = 0; i < MANY; i++) {
        CHECK_EQ_UINT(borrowed[i]->canary, NODE_CANARY);
        CHECK_EQ_UINT(borrowed[i]->number, i);
    }
    wane_guard_leave();
    check_all_dead(MANY);
}

TEST(slots_inside_a_guard) { check_in_child(inside_a_guard, NULL); }

// A finalizer, run in the middle of a batch of units, defers more than there is room for.
static wane_slot cleared[MANY];
static atomic_bool all_cleared;

static void clear_all(void *self) {
    (void)self;
    end_of_memory();
    for (size_t i = 0; i < MANY; i++) {
        wane_slot_clear(&cleared[i]);
    }
    atomic_store(&all_cleared, true);
}

static wane_type clearing_type = {.name = "clears", .size = 8, .finalize = clear_all};

static bool are_all_cleared(void *unused) {
    (void)unused;
    wane_poll();
    return atomic_load(&all_cleared);
}

static void finalizer_defers(void *with_thread) {
    CHECK_EQ_INT(wane_option_set("collector_thread", with_thread != NULL), 0);
    for (size_t i = 0; i < MANY; i++) {
        wane_slot_init(&cleared[i], node_new(i));
    }
    wane_slot one = WANE_SLOT_EMPTY;
    wane_slot_init(&one, wane_new(&clearing_type));
    wane_slot_clear(&one);
    CHECK(test_wait_until(are_all_cleared, NULL, API_PATIENCE));
    check_all_dead(MANY);
}

TEST(finalizer_in_a_batch) {
    check_in_child(finalizer_defers, NULL);
    check_in_child(finalizer_defers, &all_cleared);
}

// A destroy callback gives up more objects with finalizers than there is room for.
struct holder {
    void *held[MANY];
};
static _Atomic(size_t) finals_run;
static void count_final(void *self) {
    (void)self;
    atomic_fetch_add(&finals_run, 1);
}
static wane_type final_type = {.name = "final", .size = 8, .finalize = count_final};

static void release_held(void *self) {
    struct holder *h = self;
    end_of_memory();
    for (size_t i = 0; i < MANY; i++) {
        wane_release(h->held[i]);
    }
}
static wane_type holder_type = {
    .name = "holder", .size = sizeof(struct holder), .destroy = release_held};

static struct holder *holder_new(void) {
    struct holder *h = wane_new(&holder_type);
    CHECK(h != NULL);
    for (size_t i = 0; i < MANY; i++) {
        CHECK((h->held[i] = wane_new(&final_type)) != NULL);
    }
    return h;
}

static void destroy_releases(void *guarded) {
    struct holder *h = holder_new();
    if (guarded != NULL) {
        wane_guard_enter();
    }
    wane_release(h);
    if (guarded != NULL) {
        wane_guard_leave();
    }
    check_was_refused();
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(atomic_load(&finals_run), MANY);
    test_teardown();
}

TEST(destroy_with_finalizers) {
    check_in_child(destroy_releases, NULL);
    check_in_child(destroy_releases, &finals_run);
}

// Objects that another thread owns, several units of each, and the owner does not move.
static struct node *owned[MANY];
static struct gate made = GATE_CLOSED, may_end = GATE_CLOSED;

static void *own_nodes(void *unused) {
    for (size_t i = 0; i < MANY; i++) {
        owned[i] = node_new(i);
        wane_retain(owned[i]);
        wane_retain(owned[i]);
    }
    gate_set(&made, true);
    gate_wait(&may_end);
    return unused;
}

static void foreign_units(void *guarded) {
    pthread_t t = api_thread(own_nodes, NULL);
    gate_wait(&made);
    end_of_memory();
    if (guarded != NULL) {
        wane_guard_enter();
    }
    for (size_t i = 0; i < MANY; i++) {
        for (int k = 0; k < 3; k++) {
            wane_release(owned[i]);
        }
    }
    if (guarded != NULL) {
        wane_guard_leave();
    }
    check_all_dead(MANY);
    gate_set(&may_end, true);
    api_join(t);
}

TEST(units_of_others_objects) {
    check_in_child(foreign_units, NULL);
    check_in_child(foreign_units, &made);
}

// What is parked at a fork is parked in both processes.
static void fork_with_parked(void *unused) {
    pthread_t t = api_thread(stay_in_guard, unused);
    gate_wait(&in_guard);
    end_of_memory();
    give_nodes();
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child != 0) {
        int status;
        CHECK_EQ_INT(waitpid(child, &status, 0), child);
        CHECK_EQ_INT(status, 0);
        gate_set(&may_leave, true);
        api_join(t);
    }
    check_all_dead(MANY);
    if (child == 0) {
        fflush(NULL);
        _exit(0);
    }
}

TEST(fork_of_what_is_parked) { check_in_child(fork_with_parked, NULL); }

// Collections beside: what is parked is held, and a cycle that it lets go is garbage.
static void parked_cycles(void *unused) {
    pthread_t t = api_thread(stay_in_guard, unused);
    gate_wait(&in_guard);
    end_of_memory();
    static wane_slot place;
    for (size_t i = 0; i < MANY; i++) {
        struct node *n = node_new(i);
        wane_slot_store(&n->left, n);
        wane_slot_give(&place, n);
    }
    wane_slot_clear(&place);
    CHECK_EQ_UINT(api_stats().deferred_pending, MANY);
    gate_set(&may_leave, true);
    api_join(t);
    CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), MANY);
    check_all_dead(MANY);
}

TEST(cycles_of_what_was_parked) { check_in_child(parked_cycles, NULL); }

// A collection that was given up leaves its candidates as they were: the same one again, with memory,
// finds all that it would have found.
enum { RINGS = 3000 };

static void collect_with_faults(void *unused) {
    (void)unused;
    wane_gc_disable();
    size_t dead = 0;
    for (int generation = 0; generation <= WANE_GC_FULL; generation++) {
        bool failed = true;
        for (int nth = 1; failed; nth++) {
            for (size_t i = 0; i < RINGS; i++) {
                struct node *n = node_new(i);
                wane_slot_give(&n->left, node_new(i));
                wane_slot_store(&((struct node *)wane_slot_peek(&n->left))->right, n);
                wane_release(n);
            }
            atomic_store(&table_call_fails, nth);
            wane_gc_event event = {0};
            int error = wane_gc_run(generation, &event);
            failed = atomic_load(&table_call_fails) <= 0;
            atomic_store(&table_call_fails, 0);
            // Builds with full checks try a collection of their own afterwards, which may fail instead.
            CHECK(error == 0 || (failed && error == -ENOMEM));
            size_t found = event.collected + (error != 0 ? wane_gc_collect(generation) : 0);
            dead += (size_t)2 * RINGS;
            CHECK_MSG(found == (size_t)2 * RINGS && atomic_load(&nodes_dead) == dead,
                      "generation %d, call %d failed: found %zu, dead %zu of %zu", generation, nth,
                      found, atomic_load(&nodes_dead), dead);
        }
    }
    wane_gc_enable();
    check_all_dead(dead);
}

TEST(collections_that_get_no_memory) { check_in_child(collect_with_faults, NULL); }

// A barrier that finds no memory a few times is made all the same: fences are not taken for good.
static size_t fence_warnings;
static void note_fences(int level, const char *line, void *unused) {
    (void)level, (void)unused;
    fence_warnings += strstr(line, "membarrier") != NULL;
}

static void barrier_without_memory(void *unused) {
    (void)unused;
    wane_set_log(note_fences, NULL);
    CHECK_EQ_INT(wane_thread_attach(), 0);
    for (int i = 0; i < 50; i++) {
        atomic_store(&barrier_calls_fail, 5);
        give_nodes();
        CHECK_EQ_INT(wane_flush(), 0);
    }
    CHECK_EQ_UINT(fence_warnings, 0);
    check_all_dead((size_t)50 * MANY);
}

TEST(membarrier_without_memory) { check_in_child(barrier_without_memory, NULL); }

#endif
