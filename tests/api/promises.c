// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// The table of wane.h, line by line: each call in a guard, in each kind of callback, and in a callback
// that is in a guard does what the table says: its work, an error, nothing, or the end of the
// program.

#include "api.h"

enum { ANY = -1000 };

static wane_slot place, other_place;
static struct node *held;  // of this process; each call leaves it as it was
static wane_weak *weak;

static void nothing(void *unused) { (void)unused; }
static void take_line(int level, const char *line, void *unused) {
    (void)level, (void)line, (void)unused;
}
static bool is_spare(void *type) { return wane_type_forget(type) == 0; }
static wane_type spare_type = {.name = "spare", .size = 8};
static wane_type bare_type = {.name = "bare node", .size = sizeof(struct node), .slots = WANE_SLOTS(struct node, left, right)};

static int64_t count(void) {
    wane_release(wane_retain(held));
    void *one = wane_retain(held);
    wane_clear(&one);
    WANE_AUTO void *two = wane_retain(held);
    wane_release_later(wane_retain(held));
    wane_abandon(node_new(8), &bare_type);
    void *three = NULL;
    wane_set(&three, held);
    wane_release(wane_steal(&three));
    return two == held && one == NULL && three == NULL;
}

static int64_t make(void) {
    wane_release(node_new(1));
    void *n = wane_new_extra(&spare_type, 100);
    wane_release(n);
    wane_release(wane_new_extra_or_abort(&spare_type, 100));
    wane_release(WANE_NEW(char[8], &spare_type));
    return n != NULL;
}

static int64_t share(void) {
    struct node *n = node_new(2);
    int64_t good = wane_share(n) == n && wane_is_unique(n);
    wane_release(n);
    return good;
}

static int64_t ask(void) {
    return wane_refcount(held) > 0 && wane_typeof(held) == &node_type && wane_sizeof(held) > 0 &&
           !wane_is_immortal(held) && wane_gc_is_tracked(held) && !wane_gc_is_finalized(held);
}

static int64_t use_slots(void) {
    struct node *n = node_new(3);
    wane_slot_init(&n->left, wane_retain(held));
    wane_slot_store(&place, n);
    wane_slot_give(&other_place, n);
    wane_release(wane_slot_swap(&place, NULL));
    wane_release(wane_slot_take(&other_place));
    wane_slot_cas(&place, NULL, held);
    wane_release(wane_slot_load(&place));
    bool there = wane_slot_peek(&place) == held && wane_slot_peek_locked(&place) == held;
    wane_slot_clear(&place);
    return there;
}

static int64_t nest_guards(void) {
    wane_guard_enter();
    wane_guard_enter();
    wane_guard_leave();
    wane_guard_leave();
    return 1;
}

static int64_t defer(void) {
    static wane_defer_node nodes[64];
    static _Atomic(unsigned) used;
    wane_defer_node_add(&nodes[atomic_fetch_add(&used, 1)], nothing, NULL);
    return wane_defer(nothing, NULL);
}

static int64_t use_weak(void) {
    wane_weak *w = wane_weak_new(held, NULL, NULL);
    void *a = wane_weak_get(w), *b = wane_weak_get(weak);
    static wane_weak_slot field;
    int error = wane_weak_slot_set(&field, held);
    void *c = wane_weak_slot_get(&field), *d = wane_upgrade(held);
    bool counted = wane_weak_count(held) >= 3;
    wane_weak_slot_clear(&field);
    wane_release(a);
    wane_release(b);
    wane_release(c);
    wane_release(d);
    wane_release(w);
    return error == 0 && counted && a == held && b == held && c == held && d == held;
}

static int64_t attach(void) { return wane_thread_attach(); }

static int64_t set_options(void) {
    int64_t value = 0;
    int error = wane_option_get("deferred_bytes", &value);
    return error != 0 ? error : wane_option_set("deferred_bytes", value);
}

static int64_t set_log(void) {
    wane_set_log(take_line, NULL);
    wane_set_log(NULL, NULL);
    return 1;
}

static int64_t get_stats(void) {
    wane_stats s = {.struct_size = sizeof s};
    return wane_stats_get(&s);
}

static int64_t trim(void) { return (int64_t)(wane_trim() & 0); }

static int64_t forget(void) { return wane_type_forget(&node_type); }

static int64_t tune(void) {
    unsigned t[3];
    wane_gc_stats s[3];
    wane_gc_pause();
    wane_gc_resume();
    wane_gc_disable();
    wane_gc_enable();
    wane_gc_get_threshold(t);
    int error = wane_gc_set_threshold(t[0], t[1], t[2]);
    wane_gc_get_count(t);
    wane_gc_get_stats(s);
    wane_note_external(held, 10);
    wane_note_external(held, -10);
    return error == 0 && wane_gc_is_enabled();
}

static void no_event(const wane_gc_event *e, void *arg) { (void)e, (void)arg; }

static int64_t run_finalizers(void) { return (int64_t)wane_run_finalizers(); }
static int64_t set_notify(void) { return wane_set_finalizer_notify(NULL, NULL); }

static int64_t ask_collector(void) {
    int key;
    int error = wane_gc_add_callback(no_event, &key) + wane_gc_remove_callback(no_event, &key);
    wane_gc_set_debug(wane_gc_get_debug());
    return error == 0 && wane_gc_get_unreachable(NULL, 0) == 0;
}

static bool see_held(void *obj, void *arg) {
    *(int64_t *)arg |= obj == held;
    return true;
}

static int64_t show_referents(void) {
    int64_t found = 0;
    return (int64_t)wane_gc_get_referents(held, see_held, &found);
}

static int64_t show_referrers(void) {
    int64_t found = 0;
    return (int64_t)wane_gc_get_referrers(held, see_held, &found);
}

static int64_t show_objects(void) {
    int64_t found = 0;
    wane_gc_get_objects(-1, see_held, &found);
    return found;
}

static int64_t explain_it(void) {
    FILE *f = fopen("/dev/null", "w");
    CHECK(f != NULL);
    int64_t result = wane_gc_explain(held, f);
    fclose(f);
    return result;
}

static int64_t report_leaks(void) {
    FILE *f = fopen("/dev/null", "w");
    CHECK(f != NULL);
    wane_leak_report(f);
    fclose(f);
    return 0;
}

static int64_t write_heap(void) { return wane_heap_write("/dev/null"); }

static int64_t freeze(void) {
    wane_gc_freeze();
    int64_t frozen = wane_gc_get_freeze_count() > 0;
    wane_gc_unfreeze();
    return frozen;
}

static int64_t move(void) {
    wane_slots_move(held, &held->left, &held->right, 0);
    wane_change_begin(held);
    wane_change_end(held);
    return wane_version()[0];
}

static int64_t trace(void) {
    wane_trace_line line;
    bool good = wane_trace_start(1, 0) == 0 && wane_trace_is_on();
    struct node *n = node_new(4);
    good = good && wane_trace_of(n, &line) == 0 && wane_trace_memory(NULL, NULL) == 0;
    wane_trace_reset_peak();
    wane_trace_clear();
    wane_trace_stop();
    wane_release(n);
    return good;
}

static int64_t take_snapshots(void) {
    wane_snapshot *s = wane_snapshot_take(), *f = wane_snapshot_filter(s, "*", true);
    bool good = s != NULL && wane_snapshot_top(s, WANE_BY_LINE, NULL, 0) == 0 &&
                wane_snapshot_compare(s, f, WANE_BY_LINE, NULL, 0) == 0 &&
                wane_snapshot_write(f, "/dev/null") == 0 && wane_snapshot_read("/dev/null") == NULL;
    wane_release(s);
    wane_release(f);
    return good;
}

static int64_t write_figures(void) {
    FILE *f = fopen("/dev/null", "w");
    int result = wane_stats_write(f, WANE_JSON);
    fclose(f);
    return result;
}

static int64_t poll_once(void) { return (int64_t)wane_poll(); }
static int64_t detach(void) { return wane_thread_detach(), 0; }
static int64_t flush(void) { return wane_flush(); }
static int64_t flush_for(void) { return wane_flush_for(1000000); }
static int64_t collect(void) { return (int64_t)wane_gc_collect(2); }
static int64_t run(void) { return wane_gc_run(2, NULL); }
static int64_t gc_step(void) { return wane_gc_step(1000); }
static int64_t collector_run(void) { return wane_collector_run(); }
static int64_t shut_down(void) { return wane_shutdown(), 0; }

static const struct promise {
    const char *name;
    int64_t (*call)(void);
    bool guard;        // false: ends the program there
    bool callback;     // the same
    int64_t anywhere;  // what it returns in a guard, or ANY
    int64_t inside;    // what it returns in a callback
} promises[] = {
    {"retain, release, clear, AUTO, release_later", count, true, true, 1, 1},
    {"new", make, true, true, 1, 1},
    {"share, is_unique", share, true, true, 1, 1},
    {"refcount and others that ask", ask, true, true, 1, 1},
    {"slots", use_slots, true, true, 1, 1},
    {"guards", nest_guards, true, true, 1, 1},
    {"defer", defer, true, true, 0, 0},
    {"weak references", use_weak, true, true, 1, 1},
    {"thread_attach", attach, true, true, 0, 0},
    {"thread_detach", detach, false, false, 0, 0},
    {"flush", flush, false, true, 0, -EDEADLK},
    {"flush_for", flush_for, false, true, 0, -EDEADLK},
    {"poll", poll_once, true, true, ANY, 0},
    {"options", set_options, true, true, 0, 0},
    {"set_log", set_log, true, true, 1, 1},
    {"stats_get", get_stats, true, true, 0, 0},
    {"trim", trim, true, true, 0, 0},
    {"trace", trace, true, true, 1, 1},
    {"snapshots", take_snapshots, true, true, 1, 1},
    {"stats_write", write_figures, true, true, 0, 0},
    {"type_forget", forget, true, true, -EBUSY, -EBUSY},
    {"gc_collect", collect, false, true, 0, 0},
    {"gc_run", run, false, true, 0, -EDEADLK},
    {"gc_step", gc_step, false, true, 0, -EDEADLK},
    {"collector_run", collector_run, false, true, 0, -EDEADLK},
    {"other gc_ calls, note_external", tune, true, true, 1, 1},
    {"gc_add_callback, gc_get_unreachable and others", ask_collector, true, true, 1, 1},
    {"run_finalizers", run_finalizers, true, true, 0, 0},
    {"set_finalizer_notify", set_notify, true, true, 0, 0},
    {"gc_get_referents", show_referents, true, true, 0, 0},
    {"gc_get_referrers", show_referrers, false, true, 0, ANY},
    {"moves, version", move, true, true, '0', '0'},
    {"shutdown", shut_down, false, true, 0, 0},
};
// What these do in a callback depends on whether that is in a guard: then it is what `anywhere` says.
static const struct promise looks[] = {
    {"gc_get_objects", show_objects, false, true, 0, 1},
    {"gc_explain", explain_it, false, true, -EDEADLK, 0},
    {"leak_report", report_leaks, false, true, 0, 0},
    {"heap_write", write_heap, false, true, -EDEADLK, 0},
    {"gc_freeze and others", freeze, false, true, 0, 1},
};
enum { LOOKS = sizeof looks / sizeof *looks };

enum { PROMISES = sizeof promises / sizeof *promises };

static void setup(void) {
    held = node_new(0);
    weak = wane_weak_new(held, NULL, NULL);
}

static void teardown(void) {
    wane_release(weak);
    wane_release(held);
    CHECK(test_wait_until(is_spare, &spare_type, API_PATIENCE));
}

static void check(const struct promise *p, int64_t want, const char *where) {
    int64_t got = p->call();
    CHECK_MSG(want == ANY || got == want, "%s %s: got %jd, want %jd", p->name, where, (intmax_t)got,
              (intmax_t)want);
}

static void call_in_guard(void *promise) {
    wane_guard_enter();
    check(promise, ((const struct promise *)promise)->anywhere, "in a guard");
    wane_guard_leave();
}

TEST(calls_in_a_guard) {
    setup();
    for (size_t i = 0; i < PROMISES; i++) {
        if (promises[i].guard) {
            call_in_guard((void *)&promises[i]);
        } else {
            check_aborts(call_in_guard, (void *)&promises[i], "guard");
        }
    }
    teardown();
}

// Callbacks. The type's one object, or the function, stands for all promises that end well.

static const char *where_called;
static const struct promise *only;
static unsigned called;

static void call_inside(void *unused) {
    (void)unused;
    for (size_t i = 0; i < PROMISES; i++) {
        if (only == &promises[i] || (only == NULL && promises[i].callback)) {
            check(&promises[i], promises[i].inside, where_called);
        }
    }
    called++;
}

static wane_type destroyed_type = {.name = "destroyed", .size = 8, .destroy = call_inside};
static wane_type finalized_type = {.name = "finalized", .size = 8, .finalize = call_inside};

static void call_by_death(void *type) { wane_release(wane_new(type)); }

static void call_by_defer(void *unused) {
    (void)unused;
    CHECK_EQ_INT(wane_defer(call_inside, NULL), 0);
    CHECK_EQ_INT(wane_flush(), 0);
}

static void in_each_callback(void (*enter)(void), void (*leave)(void)) {
    wane_type *types[] = {&destroyed_type, &finalized_type};
    for (int i = 0; i < 2; i++) {
        where_called = types[i]->name;
        enter();
        call_by_death(types[i]);
        leave();
        CHECK_EQ_INT(wane_flush(), 0);
        CHECK_EQ_UINT(called, (unsigned)i + 1);
    }
    called = 0;
}

static void stay(void) {}

TEST(calls_in_callbacks) {
    setup();
    in_each_callback(stay, stay);
    where_called = "deferred function";
    call_by_defer(NULL);
    CHECK_EQ_UINT(called, 1);
    called = 0;
    for (size_t i = 0; i < PROMISES; i++) {
        if (!promises[i].callback) {
            only = &promises[i];
            check_aborts(call_by_death, &destroyed_type, "callback");
            check_aborts(call_by_death, &finalized_type, "callback");
            check_aborts(call_by_defer, NULL, "callback");
            only = NULL;
        }
    }
    teardown();
}

static bool in_guard;

static void look_inside(void *unused) {
    (void)unused;
    for (size_t i = 0; i < LOOKS; i++) {
        check(&looks[i], in_guard ? looks[i].anywhere : looks[i].inside, where_called);
    }
    called++;
}

static wane_type looking_type = {.name = "looking", .size = 8, .destroy = look_inside};

TEST(looks_at_the_heap) {
    setup();
    where_called = "looking";
    call_by_death(&looking_type);
    in_guard = true;
    wane_guard_enter();
    call_by_death(&looking_type);
    wane_guard_leave();
    in_guard = false;
    CHECK_EQ_UINT(called, 2);
    called = 0;
    for (size_t i = 0; i < LOOKS; i++) {
        check_aborts(call_in_guard, (void *)&looks[i], "guard");
    }
    teardown();
}

// In a callback they say so, also where the callback is in a guard.
TEST(calls_in_callbacks_in_guards) {
    setup();
    in_each_callback(wane_guard_enter, wane_guard_leave);
    teardown();
}

// A birth that waits for empty memory before it says that there is none waits in the open.
static void ask_for_too_much(void *unused) {
    (void)unused;
    wane_release(wane_new(&spare_type));
    struct rlimit least = {UINT64_C(1) << 33, UINT64_C(1) << 33};
    CHECK_EQ_INT(setrlimit(RLIMIT_AS, &least), 0);
    wane_stats before = {.struct_size = sizeof before}, after = before;
    CHECK_EQ_INT(wane_stats_get(&before), 0);
    errno = 0;
    CHECK_EQ_PTR(wane_new_extra(&spare_type, (size_t)1 << 36), NULL);
    CHECK_EQ_INT(errno, ENOMEM);
    CHECK_EQ_INT(wane_stats_get(&after), 0);
    CHECK(after.stalls > before.stalls && after.stall_ns_total > before.stall_ns_total);
    wane_guard_enter();
    CHECK_EQ_PTR(wane_new_extra(&spare_type, (size_t)1 << 36), NULL);
    wane_guard_leave();
    CHECK_EQ_INT(wane_stats_get(&before), 0);
    CHECK_EQ_UINT(before.stalls, after.stalls);
}

TEST(the_last_resort_is_a_stall) {
    if (TEST_ASAN || TEST_TSAN) {
        SKIP("the sanitizer's own memory is above any limit");
    }
    check_in_child(ask_for_too_much, NULL);
}
