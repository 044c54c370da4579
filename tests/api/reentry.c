// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Callbacks of every kind use the library as any other code: they make, keep and release objects, make cycles, ask for a
// collection, lead to callbacks of other kinds, and fork. On several threads at once.

#include "api.h"

enum { THREADS = 3, ROUNDS = 40, KINDS = 7, LEVELS = 2, KEPT = 64 };

static _Atomic(size_t) calls[KINDS];
static _Atomic(int) forking = -1;  // the kind that is to fork once
static __thread unsigned depth;
static wane_slot place, kept[KEPT];
static _Atomic(unsigned) kept_n;

static void trigger(unsigned kind, unsigned level);

static void use_in_child(void) {
    alarm(60);
    struct node *n = node_pair();
    wane_slot_store(&place, n);
    wane_release(n);
    wane_slot_clear(&place);
    CHECK_EQ_UINT(wane_gc_collect(2), 0);
    CHECK_EQ_INT(wane_flush(), -EDEADLK);
    _exit(7);
}

// Sanitizers' allocators may be locked in the child by threads that it lacks.
static void fork_inside(unsigned kind) {
    int want = (int)kind;
    if (TEST_ASAN || TEST_TSAN || !atomic_compare_exchange_strong(&forking, &want, -1)) {
        return;
    }
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        use_in_child();
    }
    int status = 0;
    CHECK_EQ_INT(waitpid(child, &status, 0), child);
    CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 7, "child in a callback of kind %u: status %#x", kind,
              (unsigned)status);
}

// What each callback does. level: how deep what is released in callbacks leads to others.
static void use(unsigned kind, unsigned level) {
    CHECK_EQ_UINT(depth, 0);  // never inside another one
    depth++;
    struct node *n = node_new(kind), *cycle = node_pair();
    wane_slot_store(&n->left, cycle);
    wane_slot_store(&place, n);
    WANE_GUARDED {
        struct node *seen = wane_slot_peek(&place);
        wane_release(seen != NULL ? wane_retain(seen) : NULL);
    }
    wane_weak *w = wane_weak_new(n, NULL, NULL);
    CHECK_EQ_UINT(wane_gc_collect(2), 0);
    CHECK_EQ_INT(wane_flush(), -EDEADLK);
    CHECK_EQ_INT(wane_gc_step(1000), -EDEADLK);
    CHECK_EQ_UINT(wane_run_finalizers(), 0);
    struct node *same = wane_weak_get(w);
    CHECK_EQ_PTR(same, n);
    wane_release(same);
    wane_release(w);
    wane_release(cycle);
    wane_release(n);
    fork_inside(kind);
    if (level < LEVELS) {
        trigger((kind + level + 1) % KINDS, level + 1);
    }
    atomic_fetch_add(&calls[kind], 1);
    depth--;
}

struct thing {
    unsigned level;
    wane_death_node node;
};

static unsigned level_of(void *arg) { return (unsigned)(uintptr_t)arg; }
static void destroy(void *self) { use(0, ((struct thing *)self)->level); }
static void finalize(void *self) { use(1, ((struct thing *)self)->level); }
static void finalize_queued(void *self) { use(2, ((struct thing *)self)->level); }
static void call_weak(wane_weak *w, void *level) {
    CHECK_EQ_PTR(wane_weak_get(w), NULL);
    use(3, level_of(level));
}
static void free_arg(void *level) { use(4, level_of(level)); }
static void call_on_death(void *obj, void *level) {
    CHECK_EQ_PTR(wane_upgrade(obj), NULL);
    use(5, level_of(level));
}
static void call_deferred(void *level) { use(6, level_of(level)); }

enum { SIZE = sizeof(struct thing) };
static wane_type plain_type = {.name = "plain", .size = SIZE};
static wane_type destroyed_type = {.name = "destroyed", .size = SIZE, .destroy = destroy};
static wane_type finalized_type = {.name = "finalized", .size = SIZE, .finalize = finalize};
static wane_type indexed_type = {.name = "indexed", .size = SIZE, .flags = WANE_TYPE_INDEXED};
static wane_type queued_type = {
    .name = "queued", .size = SIZE, .finalize = finalize_queued, .flags = WANE_TYPE_FINALIZE_QUEUED};

// Leads to one callback of that kind, sooner or later.
static void trigger(unsigned kind, unsigned level) {
    wane_type *types[KINDS] = {&destroyed_type, &finalized_type, &queued_type, &plain_type,
                               &plain_type,     &indexed_type,   &plain_type};
    struct thing *t = wane_new(types[kind]);
    void *arg = (void *)(uintptr_t)level;
    CHECK(t != NULL);
    t->level = level;
    if (kind == 3) {  // the reference outlives its target
        wane_slot_give(&kept[atomic_fetch_add(&kept_n, 1) % KEPT], wane_weak_new(t, call_weak, arg));
    } else if (kind == 4) {
        wane_release(wane_weak_new_free(t, NULL, arg, free_arg));
    } else if (kind == 5) {
        CHECK_EQ_INT(wane_on_death(t, &t->node, call_on_death, arg), 0);
    } else if (kind == 6) {
        CHECK_EQ_INT(wane_defer(call_deferred, arg), 0);
    }
    wane_release(t);
}

static void *trigger_again_and_again(void *kind) {
    for (int i = 0; i < ROUNDS; i++) {
        trigger((unsigned)(uintptr_t)kind, 0);
    }
    return NULL;
}

static bool all_called(void *least) {
    wane_flush();
    for (unsigned k = 0; k < KINDS; k++) {
        if (atomic_load(&calls[k]) < *(size_t *)least) {
            return false;
        }
    }
    return true;
}

TEST(callbacks_use_everything) {
    for (unsigned k = 0; k < KINDS; k++) {
        pthread_t threads[THREADS];
        atomic_store(&forking, (int)k);
        for (int i = 0; i < THREADS; i++) {
            threads[i] = api_thread(trigger_again_and_again, (void *)(uintptr_t)k);
        }
        wane_gc_collect(WANE_GC_FULL);
        for (int i = 0; i < THREADS; i++) {
            api_join(threads[i]);
        }
    }
    size_t least = THREADS * ROUNDS;
    CHECK(test_wait_until(all_called, &least, API_PATIENCE));
    CHECK(TEST_ASAN || TEST_TSAN || atomic_load(&forking) == -1);
    for (int i = 0; i < KEPT; i++) {
        wane_slot_clear(&kept[i]);
    }
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
    wane_slot_clear(&place);  // what callbacks left since
    wane_gc_collect(WANE_GC_FULL);
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
    wane_gc_collect(WANE_GC_FULL);
}
