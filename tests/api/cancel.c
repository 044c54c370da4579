// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Cancellation of threads. No call of the library is a cancellation point: a thread that is to be
// cancelled goes through each of them, where it waits and where it writes to the log as well, and
// ends at its own next cancellation point, with nothing held that others wait for.

#include "api.h"

static wane_slot place, other;
static struct gate in_guard = GATE_CLOSED, leave = GATE_CLOSED;
static _Atomic(size_t) calls;

static void *stay_in_guard(void *unused) {
    wane_guard_enter();
    gate_set(&in_guard, true);
    gate_wait(&leave);
    wane_guard_leave();
    return unused;
}

static pthread_t guard_begin(void) {
    gate_set(&in_guard, false);
    gate_set(&leave, false);
    pthread_t t = api_thread(stay_in_guard, NULL);
    gate_wait(&in_guard);
    return t;
}

static void guard_end(pthread_t t) {
    gate_set(&leave, true);
    api_join(t);
}

static void count_call(void *unused) {
    (void)unused;
    atomic_fetch_add(&calls, 1);
}

// Waits for a guard: flushes for a while, defers more than the bound, sees the warning of an old
// guard, which goes to standard error. With locks, gates and sleeps of its own outside of the time
// in which it may be cancelled.
static void *wait_while_cancelled(void *unused) {
    wane_slot_give(&place, node_new(0));
    CHECK_EQ_INT(pthread_cancel(pthread_self()), 0);
    for (int i = 0; i < 3; i++) {
        wane_slot_give(&place, node_new(1));
        CHECK_EQ_INT(wane_flush_for(5 * (int64_t)API_MS), -ETIMEDOUT);
    }
    for (unsigned i = 0; i < 4000; i++) {
        wane_slot_give(&place, node_new(i));
    }
    wane_release_later(node_new(2));
    CHECK_EQ_INT(wane_flush_for(0), -ETIMEDOUT);
    wane_poll();
    atomic_store(&calls, 1000);
    pthread_testcancel();
    return unused;
}

static void end_waiting(void *unused) {
    CHECK_EQ_INT(wane_option_set("deferred_bytes", 65536), 0);
    CHECK_EQ_INT(wane_option_set("guard_warn_ms", 1), 0);
    pthread_t guard = guard_begin(), t = api_thread(wait_while_cancelled, unused);
    void *ret = NULL;
    CHECK_EQ_INT(pthread_join(t, &ret), 0);
    CHECK_EQ_PTR(ret, PTHREAD_CANCELED);
    CHECK_EQ_UINT(atomic_load(&calls), 1000);
    CHECK(api_stats().stalls > 0);
    guard_end(guard);
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

TEST(cancelled_while_it_waits) {
    static struct test_end end;
    test_run_child(end_waiting, NULL, &end);
    CHECK_MSG(end.status == 0, "status %#x, it said: %s", (unsigned)end.status, end.said);
    CHECK_MSG(strstr(end.said, "inside a guard") != NULL, "no warning in: %s", end.said);
}

static void use_objects(void) {
    struct node *n = wane_new_extra(&node_type, 100);
    n->canary = NODE_CANARY;
    wane_weak *w = wane_weak_new(n, NULL, NULL);
    wane_slot_init(&n->left, node_new(1));
    wane_slot_store(&n->right, n->left.wane__target);
    wane_release(wane_slot_load(&n->left));
    wane_release(wane_slot_swap(&n->right, NULL));
    wane_release(wane_slot_take(&n->left));
    CHECK(wane_slot_cas(&n->left, NULL, n)); // a cycle
    wane_release(wane_weak_get(w));
    wane_share(n);
    wane_release(wane_retain(n));
    wane_note_external(n, 1);
    wane_note_external(n, -1);
    wane_change_begin(n);
    wane_change_end(n);
    wane_slots_move(n, &n->left, &n->left, 1);
    wane_release(n);
    wane_release(w);
    wane_slot_give(&other, leaf_new(1));
    wane_guard_enter();
    CHECK(wane_slot_peek(&other) != NULL);
    wane_guard_leave();
    wane_slot_clear(&other);
}

static void *use_while_cancelled(void *unused) {
    CHECK_EQ_INT(pthread_cancel(pthread_self()), 0);
    CHECK_EQ_INT(wane_thread_attach(), 0);
    CHECK_EQ_INT(wane_option_set("trim_delay_ms", 10), 0);
    use_objects();
    CHECK_EQ_INT(wane_defer(count_call, NULL), 0);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK(wane_gc_collect(WANE_GC_FULL) >= 1);
    use_objects();
    while (wane_gc_step(1000) > 0) {
    }
    wane_collector_run();
    api_stats();
    wane_trim();
    wane_type_forget(&leaf_type);
    wane_thread_detach();
    use_objects();
    wane_shutdown();
    atomic_fetch_add(&calls, 1000);
    pthread_testcancel();
    return unused;
}

static void end_using(void *unused) {
    void *ret = NULL;
    CHECK_EQ_INT(pthread_join(api_thread(use_while_cancelled, unused), &ret), 0);
    CHECK_EQ_PTR(ret, PTHREAD_CANCELED);
    CHECK_EQ_UINT(atomic_load(&calls), 1001);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

TEST(cancelled_in_every_call) {
    static struct test_end end;
    test_run_child(end_using, NULL, &end);
    CHECK_MSG(end.status == 0, "status %#x, it said: %s", (unsigned)end.status, end.said);
}
