// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// A small test harness. A test program is a list of TEST(name) { ... } blocks; main() is the
// harness's and runs them in the order of the file, or only those named on the command line.
//
//     TEST(release_of_the_last_unit) { CHECK_EQ_INT(value(), 3); }
//
// `--list` names the tests of a program, `--help` says what else it takes.
//
// A failed check prints file, line and values and ends the process with status 1, from any thread.
// A program whose tests were all skipped ends with 77, which the test runner shows as skipped.
// When the runner's timeout ends the process, the name of the test that was running is printed, and the
// stacks of all threads. WANE_TEST_WATCHDOG=SECONDS in the environment ends a test that takes longer
// in the same way, and with more; see watchdog.h.
#ifndef WANE_TESTS_HARNESS_H
#define WANE_TESTS_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void test_fn(void);

// A record is static in its test's file and linked into the list before main().
typedef struct test_record {
    const char *name;
    test_fn *run;
    struct test_record *next;
} test_record;

void test_register(test_record *t);

#define TEST(name_)                                                                                \
    static void test_body_##name_(void);                                                           \
    __attribute__((constructor)) static void test_register_##name_(void) {                         \
        static test_record record = {#name_, test_body_##name_, NULL};                             \
        test_register(&record);                                                                    \
    }                                                                                              \
    static void test_body_##name_(void)

// A program may define this; it runs after each test that was not skipped. The place to assert
// that nothing is alive, deferred or queued.
void test_teardown(void) __attribute__((weak));

// Both end the process with status 1.
void test_fail(const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
void test_check_int(const char *file, int line, const char *what, intmax_t got, intmax_t want);
void test_check_uint(const char *file, int line, const char *what, uintmax_t got, uintmax_t want);
void test_check_ptr(const char *file, int line, const char *what, const void *got,
                    const void *want);
void test_check_str(const char *file, int line, const char *what, const char *got,
                    const char *want);

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            test_fail(__FILE__, __LINE__, "CHECK(%s)", #cond);                                     \
        }                                                                                          \
    } while (0)
#define CHECK_MSG(cond, ...)                                                                       \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            test_fail(__FILE__, __LINE__, __VA_ARGS__);                                            \
        }                                                                                          \
    } while (0)
#define CHECK_EQ_INT(got, want) test_check_int(__FILE__, __LINE__, #got " == " #want, (got), (want))
#define CHECK_EQ_UINT(got, want)                                                                   \
    test_check_uint(__FILE__, __LINE__, #got " == " #want, (got), (want))
#define CHECK_EQ_PTR(got, want) test_check_ptr(__FILE__, __LINE__, #got " == " #want, (got), (want))
#define CHECK_EQ_STR(got, want) test_check_str(__FILE__, __LINE__, #got " == " #want, (got), (want))

// Only in a TEST's own body: ends that test as skipped.
void test_note_skip(const char *why);
#define SKIP(why)                                                                                  \
    do {                                                                                           \
        test_note_skip(why);                                                                       \
        return;                                                                                    \
    } while (0)

// Runs fn(arg) in a forked child, which must end by abort() after writing `text` to stderr.
#define check_aborts(fn, arg, text) test_check_aborts(__FILE__, __LINE__, (fn), (arg), (text))
void test_check_aborts(const char *file, int line, void (*fn)(void *arg), void *arg,
                       const char *text);
// Runs fn(arg) in a forked child: how it ended (as waitpid tells), and what it wrote to both outputs.
struct test_end {
    int status;
    char said[16384];
};
void test_run_child(void (*fn)(void *arg), void *arg, struct test_end *ret);
// Runs fn(arg) in a forked child, which must return from it; a check that fails there fails here.
#define check_in_child(fn, arg) test_check_in_child(__FILE__, __LINE__, (fn), (arg))
void test_check_in_child(const char *file, int line, void (*fn)(void *arg), void *arg);

// Random numbers. Each program prints "seed N" once and takes N back from WANE_TEST_SEED.
// Streams with different numbers (a thread's index) are independent.
typedef struct test_rng {
    uint64_t state;
} test_rng;

uint64_t test_seed(void);
test_rng test_rng_make(uint64_t stream);
uint64_t test_random(test_rng *r);
uint64_t test_below(test_rng *r, uint64_t limit);  // 0 <= result < limit, limit > 0

// How much longer than in its short form a stress program shall run: WANE_STRESS_SCALE, 1 unset.
unsigned test_scale(void);

// The number that stands behind --NAME on the command line; `unset` without one. Every program
// takes
// --seed; stress programs take --seconds, --threads and --size, as far as they mean something
// there.
uint64_t test_option(const char *name, uint64_t unset);

uint64_t test_now_ns(void);  // monotonic clock
void test_sleep_ns(uint64_t ns);
// Polls once a millisecond; false when `timeout_ns` went by before cond(arg) became true.
bool test_wait_until(bool (*cond)(void *arg), void *arg, uint64_t timeout_ns);

// What the program was built with, for tests that need other sizes or cannot run at all.
#if defined(__SANITIZE_THREAD__)
#define TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TEST_TSAN 1
#endif
#endif
#ifndef TEST_TSAN
#define TEST_TSAN 0
#endif
#if defined(__SANITIZE_ADDRESS__)
#define TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_ASAN 1
#endif
#endif
#ifndef TEST_ASAN
#define TEST_ASAN 0
#endif

#ifdef __cplusplus
}
#endif

#endif
