// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Looks at the heap, callbacks, freezing and what is kept, while memory is out: each allocation of each call
// fails in its turn. What can report says so and changes nothing; what cannot does its work.

#include "api.h"

#if TEST_TSAN || TEST_ASAN

TEST(shortage) { SKIP("a sanitizer has functions of these names"); }

#else

// The allocation of that number fails, counted from when it is set, on this thread; or, below 0, all of them.
static __thread int failing;
static __thread unsigned refused;

static bool fails(void) {
    bool now = failing < 0 || (failing > 0 && --failing == 0);
    refused += now;
    return now;
}

extern void *__libc_malloc(size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_calloc(size_t n, size_t size);
void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *realloc(void *p, size_t size) { return fails() ? NULL : __libc_realloc(p, size); }
void *calloc(size_t n, size_t size) { return fails() ? NULL : __libc_calloc(n, size); }

// Runs one(n) with the first, second, ... allocation failing until none does; and with all of them.
static void each_in_turn(void (*one)(bool whole)) {
    for (int n = 1;; n++) {
        refused = 0;
        failing = n < 100 ? n : -1;
        one(false);
        failing = 0;
        if (n == 100) {
            break;
        }
        if (refused == 0) {
            n = 99;
        }
    }
    one(true);
}

static struct node *held[600];
static struct leaf *leaf;

static void begin(void) {
    wane_gc_disable();
    wane_gc_collect(2);
    leaf = leaf_new(1);
    for (size_t i = 0; i < 600; i++) {
        held[i] = node_new(i);
        wane_slot_store(&held[i]->left, leaf);
    }
}

static void end(void) {
    for (size_t i = 0; i < 600; i++) {
        wane_release(held[i]);
    }
    wane_release(leaf);
    wane_gc_collect(2);
}

static bool count(void *obj, void *arg) {
    CHECK(obj != NULL);
    ++*(size_t *)arg;
    return true;
}

static void show_objects(bool whole) {
    size_t n = 0;
    errno = 0;
    size_t calls = wane_gc_get_objects(-1, count, &n);
    CHECK_EQ_UINT(calls, n);
    CHECK(n == 600 || (!whole && n < 600 && errno == ENOMEM));
}

static void show_referrers(bool whole) {
    size_t n = 0;
    errno = 0;
    size_t calls = wane_gc_get_referrers(leaf, count, &n);
    CHECK_EQ_UINT(calls, n);
    CHECK(n == 600 || (!whole && n < 600 && errno == ENOMEM));
}

static wane_type array_type = {.name = "array", .size = 8, .flags = WANE_TYPE_EXTRA_SLOTS};
static void *array;

static void show_referents(bool whole) {
    (void)whole;
    size_t n = 0;
    size_t calls = wane_gc_get_referents(array, count, &n);
    CHECK_EQ_UINT(calls, 2000);
    CHECK_EQ_UINT(n, 2000);
}

static FILE *out;
static void explain(bool whole) {
    int error = wane_gc_explain(leaf, out);
    CHECK(error == 0 || (!whole && error == -ENOMEM));
}

static void freeze(bool whole) {
    (void)whole;
    wane_gc_freeze();
    CHECK_EQ_UINT(wane_gc_get_freeze_count(), 600);
    wane_gc_unfreeze();
    CHECK_EQ_UINT(wane_gc_get_freeze_count(), 0);
}

TEST(looks) {
    begin();
    array = wane_new_extra(&array_type, 2000 * sizeof(wane_slot));
    for (size_t i = 0; i < 2000; i++) {
        wane_slot_store((wane_slot *)((uint64_t *)array + 1) + i, leaf);
    }
    each_in_turn(show_referents);
    wane_release(array);
    wane_flush();
    each_in_turn(show_objects);
    each_in_turn(show_referrers);
    each_in_turn(freeze);
    static char buffer[4096];
    out = fopen("/dev/null", "w");
    CHECK(out != NULL && setvbuf(out, buffer, _IOFBF, sizeof buffer) == 0);
    each_in_turn(explain);
    fclose(out);
    end();
}

static void no_event(const wane_gc_event *e, void *arg) { (void)e, (void)arg; }

static void add_callback(bool whole) {
    int error = wane_gc_add_callback(no_event, &failing);
    CHECK(error == 0 || (!whole && error == -ENOMEM));
    CHECK_EQ_INT(wane_gc_remove_callback(no_event, &failing), error == 0 ? 0 : -ENOENT);
}

static wane_type odd_type = {
    .name = "odd",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, left, right),
    .flags = WANE_TYPE_UNCOLLECTABLE,
};

static void take_all(size_t want) {
    void *found[64];
    CHECK_EQ_UINT(wane_gc_get_unreachable(found, 64), want);
    for (size_t i = 0; i < want; i++) {
        wane_slot_clear(&((struct node *)found[i])->left);
        wane_release(found[i]);
    }
    wane_flush();
}

// What a collection without memory does not keep, or collect, the next one does.
static void keep(bool whole) {
    int fail = failing;
    failing = 0;
    for (size_t i = 0; i < 10; i++) {
        struct node *n = wane_new(&odd_type);
        wane_slot_give(&n->left, n);
        wane_release(node_pair());
    }
    wane_gc_event e, f;
    failing = fail;
    int error = wane_gc_run(2, &e);
    failing = 0;
    CHECK(error == 0 || (!whole && error == -ENOMEM));
    CHECK_EQ_INT(wane_gc_run(2, &f), 0);
    size_t saved = (wane_gc_get_debug() & WANE_GC_SAVEALL) != 0 ? 20 : 0;
    CHECK_EQ_UINT(e.uncollectable + f.uncollectable, 10 + saved);
    CHECK_EQ_UINT(e.collected + f.collected, 20 - saved);
    take_all(10 + saved);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

static void take_line(int level, const char *line, void *unused) { (void)level, (void)line, (void)unused; }

TEST(collections) {
    wane_gc_disable();
    each_in_turn(add_callback);
    wane_set_log(take_line, NULL);
    static const unsigned flags[] = {0, WANE_GC_DEBUG_COLLECTABLE | WANE_GC_DEBUG_UNCOLLECTABLE, WANE_GC_DEBUG_LEAK};
    for (size_t i = 0; i < 3; i++) {
        wane_gc_set_debug(flags[i]);
        each_in_turn(keep);
    }
    wane_gc_set_debug(0);
    wane_set_log(NULL, NULL);
}

static void report_leaks(void *n) {
    CHECK_EQ_INT(wane_option_set("leak_report", 1), 0);
    begin();
    wane_flush();
    wane_gc_collect(WANE_GC_FULL);
    failing = *(int *)n;
    wane_shutdown();
    failing = 0;
}

TEST(leak_reports) {
    static struct test_end child;
    for (int n = -1; n < 12; n++) {
        test_run_child(report_leaks, &n, &child);
        CHECK_MSG(WIFEXITED(child.status) && WEXITSTATUS(child.status) == 0 && strstr(child.said, "leak:") != NULL,
                  "%d: %#x: %s", n, (unsigned)child.status, child.said);
    }
}

#endif
