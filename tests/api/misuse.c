// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Misuse that can be seen ends with one line that names type, address and operation, and abort().
// AddressSanitizer may speak first: then its report is what the user gets.

#include "api.h"

#include <fcntl.h>

static wane_slot place;
static wane_type victim_type = {.name = "victim", .size = 40};
static void *the_victim;

static void run_misuse(void *fn) { (*(void (**)(void *))fn)(the_victim); }

static void check_misuse(void (*fn)(void *o), const char *operation, bool shared) {
    the_victim = wane_new(&victim_type);
    CHECK(the_victim != NULL);
    if (shared) {
        wane_share(the_victim);
    }
    // The address in the line is that of the payload, as the user knows it.
    char address[40];
    snprintf(address, sizeof address, "%p", the_victim);
    api_dies_with(run_misuse, &fn, "victim", address, operation);
    wane_release(the_victim);
    CHECK_EQ_INT(wane_flush(), 0);
}

static void release_twice(void *o) {
    wane_release(o);
    wane_release(o);
}

static void *release_here(void *o) {
    wane_release(o);
    return NULL;
}

static void release_after_another(void *o) {
    api_elsewhere(release_here, o);
    wane_flush();
    wane_release(o);
}

static void release_dead_elsewhere(void *o) {
    wane_release(o);
    api_elsewhere(release_here, o);
    wane_flush();
}

static void clear_dead(void *o) {
    void *p = o;
    wane_release(o);
    wane_clear(&p);
}

static void retain_dead(void *o) {
    wane_release(o);
    wane_retain(o);
}

static void store_dead(void *o) {
    wane_release(o);
    wane_slot_store(&place, o);
}

static void cas_dead(void *o) {
    wane_release(o);
    wane_slot_cas(&place, NULL, o);
}

static void weak_to_dead(void *o) {
    wane_release(o);
    wane_weak_new(o, NULL, NULL);
}

TEST(a_release_too_many) {
    for (int shared = 0; shared < 2; shared++) {
        check_misuse(release_twice, "wane_release", shared);
        check_misuse(release_after_another, "wane_release", shared);
        check_misuse(release_dead_elsewhere, "wane_release", shared);
        check_misuse(clear_dead, "wane_clear", shared);
    }
}

TEST(using_what_is_dead) {
    for (int shared = 0; shared < 2; shared++) {
        check_misuse(retain_dead, "wane_retain", shared);
        check_misuse(store_dead, "wane_slot_store", shared);
        check_misuse(cas_dead, "wane_slot_cas", shared);
        check_misuse(weak_to_dead, "wane_weak_new", shared);
    }
}

// A unit too many given to slots is found when its decrement is applied.
static void give_twice(void *o) {
    wane_slot_give(&place, o);
    wane_slot_give(&place, o);
    wane_slot_clear(&place);
    wane_flush();
    wane_flush();
}

TEST(a_unit_given_twice) { check_misuse(give_twice, NULL, false); }

static void release_in_destroy(void *self) { wane_release(self); }
static void retain_in_destroy(void *self) { wane_retain(self); }

static void use_in_destroy(void *which) {
    static wane_type types[] = {
        {.name = "victim", .size = 8, .destroy = release_in_destroy},
        {.name = "victim", .size = 8, .destroy = retain_in_destroy},
    };
    wane_release(wane_new(&types[(uintptr_t)which]));
    wane_flush();
}

// The object is dead already: destroy must not count it.
TEST(counting_in_destroy) {
    api_dies_with(use_in_destroy, (void *)0, "victim", "wane_release", NULL);
    api_dies_with(use_in_destroy, (void *)1, "victim", "wane_retain", NULL);
}

static void exit_in_destroy(void *self) {
    (void)self;
    pthread_exit(NULL);
}

static void cancel_in_destroy(void *self) {
    (void)self;
    pthread_cancel(pthread_self());
    pthread_testcancel();
}

static wane_type exit_types[] = {
    {.name = "exit", .size = 8, .destroy = exit_in_destroy},
    {.name = "cancelled", .size = 8, .destroy = cancel_in_destroy},
};

static void *release_one(void *which) {
    wane_release(wane_new(&exit_types[(uintptr_t)which]));
    return NULL;
}

static void end_in_destroy(void *which) { api_elsewhere(release_one, which); }

// What is put in a slot dies on the collector thread, when nobody flushes.
static void end_the_librarys_thread(void *which) {
    wane_slot_give(&place, wane_new(&exit_types[(uintptr_t)which]));
    wane_slot_clear(&place);
    test_sleep_ns(10 * API_SECOND);
}

TEST(ending_a_thread_in_a_callback) {
    for (uintptr_t i = 0; i < 2; i++) {
        api_dies_with(end_in_destroy, (void *)i, "ended inside a callback", NULL, NULL);
        api_dies_with(end_the_librarys_thread, (void *)i, "ended inside a callback", NULL, NULL);
    }
}

static void overrelease_foreign(void *o) {
    // The owner has one unit; three are given up.
    api_elsewhere(release_here, o);
    api_elsewhere(release_here, o);
    api_elsewhere(release_here, o);
    wane_flush();
    wane_flush();
}

TEST(foreign_releases_too_many) { check_misuse(overrelease_foreign, "wane_release", false); }

// A write that no sanitizer sees: to memory that the program must not touch any more.
static void stray_write(void *at, const void *bytes, size_t n) {
    int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    CHECK_MSG(fd >= 0, "/proc/self/mem: %s", strerror(errno));
    CHECK_EQ_INT(pwrite(fd, bytes, n, (off_t)(uintptr_t)at), (ssize_t)n);
    CHECK_EQ_INT(close(fd), 0);
}

enum { STRAY_OBJECTS = 200 };
static wane_type stray_type = {.name = "stray", .size = 48};

// What is written to objects after their death is written to nobody else, and is gone when others are born there.
TEST(a_stale_pointer_leads_nowhere) {
    static char bystander[256] __attribute__((aligned(16)));
    void *dead[STRAY_OBJECTS], *born[2 * STRAY_OBJECTS];
    int64_t kept_back; // else the write is found where the block would be used again
    CHECK_EQ_INT(wane_option_get("quarantine_bytes", &kept_back), 0);
    CHECK_EQ_INT(wane_option_set("quarantine_bytes", 0), 0);
    memset(bystander, 'b', sizeof bystander);
    uintptr_t words[6];
    for (int i = 0; i < 6; i++) {
        words[i] = (uintptr_t)&bystander[32];
    }
    for (int i = 0; i < STRAY_OBJECTS; i++) {
        dead[i] = wane_new(&stray_type);
    }
    for (int i = 0; i < STRAY_OBJECTS; i++) {
        wane_release(dead[i]);
    }
    for (int i = 0; i < STRAY_OBJECTS; i++) {
        stray_write(dead[i], words, sizeof words);
    }
    bool again = false;
    for (int i = 0; i < 2 * STRAY_OBJECTS; i++) {
        static const char zero[48];
        born[i] = wane_new(&stray_type);
        CHECK(born[i] != NULL && memcmp(born[i], zero, sizeof zero) == 0);
        memset(born[i], i % 251 + 1, sizeof zero);
        again = again || born[i] == dead[0];
    }
    CHECK_MSG(again, "no object was born where one had died");
    for (int i = 0; i < 2 * STRAY_OBJECTS; i++) {
        for (size_t at = 0; at < 48; at++) {
            CHECK_EQ_INT(((unsigned char *)born[i])[at], i % 251 + 1);
        }
        wane_release(born[i]);
    }
    for (size_t i = 0; i < sizeof bystander; i++) {
        CHECK_EQ_INT(bystander[i], 'b');
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_INT(wane_option_set("quarantine_bytes", kept_back), 0);
}

// An object's end is overrun: the header behind it is a dead object's, which is found out where it would be used.
static void overrun_into_the_dead(void *unused) {
    (void)unused;
    static const char bytes[8] = "overrun";
    wane_option_set("quarantine_bytes", 0); // where it would be found out as well
    char *dead = wane_new(&victim_type);
    wane_release(dead);
    stray_write(dead - 16, bytes, sizeof bytes);
    for (int i = 0; i < 10; i++) {
        wane_new(&victim_type);
    }
}

TEST(a_spoilt_free_list) { api_dies_with(overrun_into_the_dead, NULL, "victim", "was written to", "block of 64 bytes"); }

TEST(correct_use_says_nothing) {
    struct test_end *end = calloc(1, sizeof *end);
    void *o = wane_new(&victim_type);
    test_run_child(wane_release, o, end);
    CHECK_EQ_INT(end->status, 0);
    CHECK_EQ_STR(end->said, "");
    free(end);
    wane_release(o);
}
