// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Blocks of dead objects that are kept back: what is done with a dead object is found out although others were born since,
// and so is what is written to it; the memory stays within the option, and comes back when it is asked for.

#include "api.h"

#include <fcntl.h>
#include <sys/resource.h>

enum { MOST = 1 << 20, SMALL = 48, MANY = 4000 };

// Before the first use of the library: in builds without full checks there is none else.
__attribute__((constructor)) static void set_option(void) {
    setenv("WANE_QUARANTINE_BYTES", "1048576", 1);
}

static wane_type small_type = {.name = "small one", .size = SMALL};
static wane_type large_type = {.name = "large one", .size = 100000};
static wane_type huge_type = {.name = "huge one", .size = 5 << 20};

static size_t kept_back(void) { return api_stats().quarantined_bytes; }

// So many others are born and die meanwhile: their blocks are those that died before, if they are not kept back.
static void churn(wane_type *t, size_t n) {
    for (size_t i = 0; i < n; i++) {
        void *o = wane_new(t);
        CHECK(o != NULL);
        wane_release(o);
    }
}

static void *others[MANY];
static void others_are_born(wane_type *t, size_t n) {
    for (size_t i = 0; i < n; i++) {
        others[i] = wane_new(t);
        CHECK(others[i] != NULL);
    }
}

struct use {
    wane_type *t;
    void (*fn)(void *o);
    bool elsewhere;
    void *o;
};

static void *release_here(void *o) {
    wane_release(o);
    return NULL;
}
static void retain_it(void *o) { wane_retain(o); }
static void give_it(void *o) {
    static wane_slot place;
    wane_slot_give(&place, o);
}
static void release_it(void *o) { wane_release(o); }

static void use_after_others(void *arg) {
    struct use *u = arg;
    if (u->elsewhere) {
        api_elsewhere(release_here, u->o);
        CHECK_EQ_INT(wane_flush(), 0);
    } else {
        wane_release(u->o);
    }
    others_are_born(u->t, 100);
    u->fn(u->o);
}

static void check_use(wane_type *t, void (*fn)(void *o), const char *operation) {
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        struct use u = {.t = t, .fn = fn, .elsewhere = elsewhere, .o = wane_new(t)};
        char address[40];
        snprintf(address, sizeof address, "%p", u.o);
        api_dies_with(use_after_others, &u, t->name, address, operation);
        wane_release(u.o);
        CHECK_EQ_INT(wane_flush(), 0);
    }
}

TEST(use_after_others_were_born) {
    check_use(&small_type, release_it, "wane_release");
    check_use(&small_type, retain_it, "wane_retain");
    check_use(&small_type, give_it, "wane_slot_give");
    check_use(&large_type, release_it, "wane_release");
    check_use(&large_type, give_it, "wane_slot_give");
}

// Sanitizers see writes by themselves, and the library does not look.
static bool sees_writes(void) { return !TEST_ASAN && !TEST_TSAN; }

// A write that no sanitizer sees.
static void stray_write(void *at) {
    int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_EQ_INT(pwrite(fd, "x", 1, (off_t)(uintptr_t)at), 1);
    CHECK_EQ_INT(close(fd), 0);
}

static void write_and_churn(void *o) {
    wane_release(o);
    stray_write((char *)o + 17);
    churn(&small_type, MOST / SMALL);
}

static void write_and_trim(void *o) {
    wane_release(o);
    stray_write((char *)o + 17);
    wane_trim();
}

static void write_and_shut_down(void *o) {
    wane_release(o);
    stray_write((char *)o + 17);
    wane_shutdown();
}

static void write_and_exit(void *o) {
    wane_release(o);
    stray_write((char *)o + 17);
    exit(0);
}

static void *churn_here(void *unused) {
    (void)unused;
    churn(&small_type, MOST / SMALL);
    return NULL;
}

// Died in one thread, written to by another, found by a third.
static void write_and_end(void *o) {
    api_elsewhere(release_here, o);
    CHECK_EQ_INT(wane_flush(), 0);
    stray_write((char *)o + 17);
    api_elsewhere(churn_here, NULL);
}

static void overrun(void *o) {
    wane_release(o);
    stray_write((char *)o - 12);
    wane_trim();
}

TEST(writes_after_death) {
    if (!sees_writes()) {
        return;
    }
    void (*const ways[])(void *) = {write_and_churn, write_and_trim, write_and_shut_down, write_and_exit, write_and_end};
    wane_type *const kinds[] = {&small_type, &large_type};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        for (size_t k = 0; k < 2; k++) {
            void *o = wane_new(kinds[k]);
            char place[80];
            snprintf(place, sizeof place, "%p of type \"%s\" was written to after its death", o, kinds[k]->name);
            api_dies_with(ways[i], o, place, "0x78 at offset 17", NULL);
            wane_release(o);
        }
    }
    void *o = wane_new(&small_type);
    api_dies_with(overrun, o, "the header of dead object", "small one", NULL);
    wane_release(o);
}

static _Atomic(bool) stop;
static void *watch_bytes(void *most) {
    while (!atomic_load(&stop)) {
        size_t now = kept_back();
        CHECK_MSG(now <= *(size_t *)most, "%zu bytes are kept back", now);
    }
    return NULL;
}

enum { THREADS = 4 };
static wane_slot places[THREADS];

// Objects of many sizes die where they were born, elsewhere, and of slots.
static void *many_sizes(void *arg) {
    size_t me = (size_t)(uintptr_t)arg;
    static wane_type t = {.name = "many sizes", .size = 16};
    for (size_t i = 0; i < MANY; i++) {
        size_t extra = i % 100 == 0 ? 200000 : (i * 37) % 3000;
        char *o = wane_new_extra(&t, extra);
        CHECK(o != NULL);
        for (size_t at = 0; at < 16 + extra; at++) {
            CHECK_EQ_INT(o[at], 0);
        }
        memset(o, 'm', 16 + extra);
        wane_slot_give(&places[(me + i) % THREADS], o);
    }
    return NULL;
}

TEST(bytes_stay_within_the_option) {
    size_t most = MOST;
    pthread_t watcher = api_thread(watch_bytes, &most), threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        threads[i] = api_thread(many_sizes, (void *)(uintptr_t)i);
    }
    for (size_t i = 0; i < THREADS; i++) {
        api_join(threads[i]);
    }
    atomic_store(&stop, true);
    api_join(watcher);
    for (size_t i = 0; i < THREADS; i++) {
        wane_slot_clear(&places[i]);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK(kept_back() <= MOST && kept_back() > MOST / 2);
    wane_release(wane_new(&huge_type)); // would drive out all others
    CHECK(kept_back() > MOST / 2);
    size_t before = api_stats().heap_bytes;
    wane_trim();
    CHECK_EQ_UINT(kept_back(), 0);
    CHECK(api_stats().heap_bytes < before);
}

// Each death takes some of those out that are too many now; the library's thread does, too.
static void churn_down_to(size_t most) {
    size_t deaths = 0;
    for (; kept_back() > most; deaths++) {
        churn(&small_type, 1);
    }
    CHECK(deaths < MANY);
}

TEST(the_option_may_change) {
    churn(&small_type, MANY);
    CHECK(kept_back() > MANY * SMALL);
    CHECK_EQ_INT(wane_option_set("quarantine_bytes", 10000), 0);
    churn_down_to(10000);
    CHECK(kept_back() > 5000);
    CHECK_EQ_INT(wane_option_set("quarantine_bytes", 0), 0);
    churn_down_to(0);
    wane_trim();
    void *o = wane_new(&small_type);
    wane_release(o);
    CHECK_EQ_PTR(wane_new(&small_type), o); // used again at once
    wane_release(o);
    CHECK_EQ_INT(wane_option_set("quarantine_bytes", MOST), 0);
}

static void go_on_in_child(void *unused) {
    (void)unused;
    CHECK(kept_back() > 0);
    churn(&small_type, MANY);
    CHECK(kept_back() <= MOST);
    CHECK_EQ_INT(wane_flush(), 0); // what other threads had found dead dies here
    wane_trim();
    CHECK_EQ_UINT(kept_back(), 0);
}

static void *churn_until(void *unused) {
    (void)unused;
    while (!atomic_load(&stop)) {
        churn(&small_type, 100);
    }
    return NULL;
}

TEST(forks_beside_deaths) {
    pthread_t threads[2];
    atomic_store(&stop, false);
    for (size_t i = 0; i < 2; i++) {
        threads[i] = api_thread(churn_until, NULL);
    }
    churn(&small_type, MANY);
    for (int i = 0; i < 20; i++) {
        struct test_end *end = calloc(1, sizeof *end);
        test_run_child(go_on_in_child, NULL, end);
        CHECK_MSG(end->status == 0 && end->said[0] == '\0', "%#x: %s", (unsigned)end->status, end->said);
        free(end);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 2; i++) {
        api_join(threads[i]);
    }
}

// No more address space: what is kept back is used, in a guard as well.
static void *kept_alive[1 << 16];
static void run_out(void *guarded) {
    enum { ALL = 32 << 20 };
    CHECK_EQ_INT(wane_option_set("quarantine_bytes", ALL), 0);
    size_t n = 0, most = ALL / 1040 - 2000; // blocks of 1,040 bytes
    static wane_type t = {.name = "of 1,024 bytes", .size = 1024};
    for (size_t i = 0; i < most; i++) {
        kept_alive[i] = wane_new(&t);
    }
    for (size_t i = 0; i < most; i++) {
        wane_release(kept_alive[i]);
    }
    CHECK(kept_back() >= most * 1040);
    struct rlimit none = {0, 0};
    CHECK_EQ_INT(setrlimit(RLIMIT_AS, &none), 0);
    if (guarded) {
        wane_guard_enter();
    }
    while (n < most && (kept_alive[n] = wane_new(&t)) != NULL) {
        n++;
    }
    CHECK_MSG(n == most, "%zu of %zu objects", n, most);
    if (guarded) {
        wane_guard_leave();
    }
    _exit(0);
}

TEST(short_of_memory) {
    if (!sees_writes()) {
        return; // they need memory themselves
    }
    for (int guarded = 0; guarded < 2; guarded++) {
        struct test_end *end = calloc(1, sizeof *end);
        test_run_child(run_out, guarded ? end : NULL, end);
        CHECK_MSG(end->status == 0, "%#x: %s", (unsigned)end->status, end->said);
        free(end);
    }
}
