// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// The collector thread is never the last of a process. A process ends with its last thread, whether
// that returns, is the first one and calls pthread_exit, or is the only one of a forked child; what
// was queued is done before. In a process that goes on the thread ends as well when nobody is
// attached, and another does what comes up later.

#include "api.h"

#include <dirent.h>

static wane_slot place;

static void say(const char *word) { CHECK(write(STDOUT_FILENO, word, strlen(word)) >= 0); }
static void say_finalized(void *self) {
    (void)self;
    say("finalized ");
}
static void say_called(void *unused) {
    (void)unused;
    say("called ");
}

static wane_type last_type = {
    .name = "last",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, left, right),
    .finalize = say_finalized,
    .flags = WANE_TYPE_FINALIZE_QUEUED,
};

// Garbage, a function that is not yet due, and an object whose end is the collector thread's.
static void leave_work(void) {
    struct node *a = node_new(1), *b = node_new(2);
    wane_slot_give(&a->left, wane_retain(b));
    wane_slot_give(&b->left, a);
    wane_release(b);
    wane_slot_give(&place, wane_new(&last_type));
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_defer(say_called, NULL), 0);
}

static void *work(void *unused) {
    leave_work();
    return unused;
}

static void wait_for_and_count(void (*end)(void *), void *arg, const char *a, const char *b) {
    static struct test_end it;
    // A child that hangs is ended by the alarm, with another status.
    test_run_child(end, arg, &it);
    CHECK_MSG(WIFEXITED(it.status) && WEXITSTATUS(it.status) == 0, "status %#x, it said: %s",
              (unsigned)it.status, it.said);
    CHECK_MSG(strstr(it.said, a) != NULL && strstr(it.said, b) != NULL, "it said: %s", it.said);
}

static void first_thread_exits(void *threads) {
    alarm(20);
    for (uintptr_t i = 0; i < (uintptr_t)threads; i++) {
        pthread_detach(api_thread(work, NULL));
    }
    leave_work();
    pthread_exit(NULL);
}

TEST(first_thread_calls_pthread_exit) {
    if (TEST_TSAN) {
        SKIP("a thread of the sanitizer's keeps the process");
    }
    for (uintptr_t threads = 0; threads < 4; threads++) {
        wait_for_and_count(first_thread_exits, (void *)threads, "finalized ", "called ");
    }
}

// The child of a fork goes on in a thread, which returns.

static void *fork_and_return(void *unused) {
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    leave_work();
    if (child == 0) {
        alarm(20);
        say("child ");
        return unused; // of a thread that is the whole process
    }
    int status = -1;
    CHECK_EQ_INT(waitpid(child, &status, 0), child);
    CHECK_MSG(status == 0, "the child's status is %#x", (unsigned)status);
    say("waited ");
    return unused;
}

static void fork_in_thread(void *unused) {
    alarm(20);
    leave_work();
    api_elsewhere(fork_and_return, unused);
    CHECK_EQ_INT(wane_flush(), 0);
}

TEST(child_that_returns_from_a_thread) {
    if (TEST_TSAN) {
        SKIP("a thread of the sanitizer's keeps the process");
    }
    if (TEST_ASAN) {
        SKIP("the child may find a lock of the sanitizer's allocator held for ever");
    }
    for (int i = 0; i < 5; i++) {
        wait_for_and_count(fork_in_thread, NULL, "child ", "waited ");
    }
}

// The last thread attaches, in a guard, in the last round of its exit, when nobody tells the library
// of its end any more.

static pthread_key_t last_round_key;
static wane_type *late_type = &last_type;

static void attach_in_the_last_round(void *rounds_left) {
    if ((uintptr_t)rounds_left > 1) {
        CHECK_EQ_INT(pthread_setspecific(last_round_key, (void *)((uintptr_t)rounds_left - 1)), 0);
        return;
    }
    wane_guard_enter();
    wane_slot_give(&place, wane_new(late_type));
    wane_slot_clear(&place);
}

static void *end_late(void *attached) {
    if (attached != NULL) {
        CHECK_EQ_INT(wane_thread_attach(), 0);
    }
    CHECK_EQ_INT(pthread_setspecific(last_round_key, (void *)(uintptr_t)4), 0);
    return NULL;
}

static void late_thread_is_last(void *attached) {
    alarm(20);
    say("begun ");
    CHECK_EQ_INT(wane_thread_attach(), 0);
    CHECK_EQ_INT(pthread_key_create(&last_round_key, attach_in_the_last_round), 0);
    pthread_detach(api_thread(end_late, attached));
    pthread_exit(NULL);
}

TEST(last_thread_attaches_too_late) {
    if (TEST_TSAN) {
        SKIP("its own state of the thread is gone in the last round");
    }
    wait_for_and_count(late_thread_is_last, NULL, "begun ", "finalized ");
    wait_for_and_count(late_thread_is_last, &place, "begun ", "finalized ");
}

static bool nobody_is_left(void *unused) {
    CHECK_EQ_INT(wane_flush(), 0);
    return unused == NULL && api_stats().threads == 1;
}

// The same in a process that goes on: its record comes back, and its guard holds nothing up.
TEST(thread_that_attached_too_late) {
    if (TEST_TSAN) {
        SKIP("its own state of the thread is gone in the last round");
    }
    CHECK_EQ_INT(wane_option_set("max_threads", 4), 0);
    late_type = &leaf_type;
    CHECK_EQ_INT(pthread_key_create(&last_round_key, attach_in_the_last_round), 0);
    for (int i = 0; i < 20; i++) {
        api_elsewhere(end_late, i % 2 == 0 ? NULL : &place);
    }
    CHECK_EQ_INT(wane_thread_attach(), 0);
    wane_slot_give(&place, node_new(1));
    wane_slot_clear(&place);
    CHECK(test_wait_until(nobody_is_left, NULL, API_PATIENCE));
    CHECK_EQ_INT(wane_option_set("max_threads", 65000), 0);
    pthread_key_delete(last_round_key);
}

// Threads of the library's in the process.
static size_t library_threads(void) {
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    size_t n = 0;
    for (struct dirent *e = readdir(tasks); e != NULL; e = readdir(tasks)) {
        char path[300], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", e->d_name);
        FILE *f = e->d_name[0] != '.' ? fopen(path, "r") : NULL;
        n += f != NULL && fgets(name, sizeof name, f) != NULL && strcmp(name, "wane-gc\n") == 0;
        if (f != NULL) {
            fclose(f);
        }
    }
    closedir(tasks);
    return n;
}

static bool no_library_thread(void *unused) { return unused == NULL && library_threads() == 0; }

// Again and again: it does what is left, ends, and is made anew when somebody needs it.
static void end_and_start(void *rounds) {
    wane_thread_detach();
    size_t dead = atomic_load(&nodes_dead);
    for (uintptr_t i = 0; i < (uintptr_t)rounds; i++) {
        api_elsewhere(work, NULL);
        dead += 2;
        api_wait_count(&nodes_dead, dead); // it ends only then: garbage first
        CHECK(test_wait_until(no_library_thread, NULL, API_PATIENCE));
    }
    CHECK_EQ_UINT(api_stats().live_objects, 0);
    CHECK_EQ_UINT(api_stats().deferred_pending, 0);
    CHECK_EQ_UINT(api_stats().threads, 0);
}

TEST(ends_and_starts_again) { wait_for_and_count(end_and_start, (void *)10, "finalized ", "called "); }

// Threads come when the library's is about to end: what they leave is always done, by it or the next.
static void come_at_the_end(void *unused) {
    (void)unused;
    test_rng r = test_rng_make(test_seed());
    wane_thread_detach();
    size_t dead = atomic_load(&nodes_dead);
    for (int i = 0; i < 30; i++) {
        api_elsewhere(work, NULL);
        test_sleep_ns(15 * API_MS + test_below(&r, 60 * API_MS));
        api_elsewhere(api_release_it, node_new(1));
        wane_slot_give(&place, node_new(2));
        wane_thread_detach();
        api_elsewhere(work, NULL);
        dead += 6;
        wane_slot_clear(&place);
        wane_thread_detach();
        api_wait_count(&nodes_dead, dead);
    }
    CHECK(test_wait_until(no_library_thread, NULL, API_PATIENCE));
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

TEST(threads_come_when_it_ends) { wait_for_and_count(come_at_the_end, NULL, "finalized ", "called "); }

// A thread of the program's that was lent stays until wane_shutdown, whoever is attached.
static _Atomic(bool) returned;

static void *lend(void *unused) {
    CHECK_EQ_INT(wane_collector_run(), 0);
    atomic_store(&returned, true);
    return unused;
}

static void lend_and_leave(void *unused) {
    CHECK_EQ_INT(wane_option_set("collector_thread", 0), 0);
    pthread_t t = api_thread(lend, unused);
    test_sleep_ns(20 * API_MS);
    for (int i = 0; i < 3; i++) {
        api_elsewhere(work, NULL);
        test_sleep_ns(100 * API_MS);
        CHECK(!atomic_load(&returned));
    }
    wane_shutdown();
    api_join(t);
    CHECK_EQ_UINT(api_stats().live_objects, 0);
}

TEST(a_lent_thread_stays) { wait_for_and_count(lend_and_leave, NULL, "finalized ", "called "); }

static void use_in_prepare(void) {
    CHECK_EQ_UINT(api_stats().live_objects, 0);
    wane_release(leaf_new(1));
    CHECK_EQ_INT(wane_flush(), 0);
}

static void fork_with_a_handler(void *unused) {
    (void)unused;
    alarm(20);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        wane_release(leaf_new(1));
        CHECK_EQ_INT(wane_flush(), 0);
        say("child ");
        _exit(0);
    }
    int status = -1;
    CHECK_EQ_INT(waitpid(child, &status, 0), child);
    CHECK_EQ_INT(status, 0);
    say("parent ");
}

// Handlers that the program registered before its first call of the library use it freely.
static void fork_with_handlers(void *unused) {
    CHECK_EQ_INT(pthread_atfork(use_in_prepare, use_in_prepare, use_in_prepare), 0);
    fork_with_a_handler(unused);
}

TEST(fork_handlers_that_use_the_library) { wait_for_and_count(fork_with_handlers, NULL, "child ", "parent "); }
