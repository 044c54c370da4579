// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// One thread looks at a count of progress; see watchdog.h. When that stands still for too long it
// prints what the system says of each thread (state, system call), asks each thread by a signal for
// its own stack, and has gdb print all of them with names where gdb is installed. The library's own
// thread blocks every signal, so only gdb shows its stack.
//
// Nothing here allocates once it watches: memory may be what the program lacks, or its lock what it
// waits for. gdb is started by posix_spawn, which runs no fork handlers: a lock they take may be
// the one that is never let go.

#include "watchdog.h"

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FRAMES = 48, STACK_WAIT_MS = 1000 };

static _Atomic(uint64_t) progress, limit;
static _Atomic(pid_t) watching;  // the process that the thread is in
static _Atomic(pid_t) printed;   // the last thread that has printed its stack

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t length = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    ssize_t ignored = write(STDERR_FILENO, text, length);
    (void)ignored;
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static void nap_ms(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

// The first backtrace loads a library, which allocates: not when it is too late.
__attribute__((constructor)) static void load_unwinder(void) {
    void *frame[1];
    backtrace(frame, 1);
}

static pid_t own_id(void) { return (pid_t)syscall(SYS_gettid); }

// A number that the runtimes of the sanitizers and libc's timers leave alone.
static int stack_signal(void) { return SIGRTMAX - 3; }

static void print_own_stack(int sig) {
    (void)sig;
    int saved = errno;
    void *frames[FRAMES];
    int n = backtrace(frames, FRAMES);
    backtrace_symbols_fd(frames, n, STDERR_FILENO);
    atomic_store(&printed, own_id());
    errno = saved;
}

// What the file of a thread says; its first line alone if `line`. Empty when it may not be read.
static void read_of_thread(pid_t thread, const char *file, char *ret, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", (int)thread, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, ret, size - 1);
    if (fd >= 0) {
        close(fd);
    }
    ret[n < 0 ? 0 : n] = '\0';
}

static void first_line(char *text) { text[strcspn(text, "\n")] = '\0'; }

static bool takes_signal(const char *status) {
    const char *blocked = strstr(status, "SigBlk:");
    unsigned long long mask = blocked != NULL ? strtoull(blocked + 7, NULL, 16) : 0;
    return (mask >> (stack_signal() - 1) & 1) == 0;
}

static void ask_for_stack(pid_t thread) {
    atomic_store(&printed, 0);
    if (syscall(SYS_tgkill, getpid(), thread, stack_signal()) != 0) {
        return;
    }
    for (int ms = 0; ms < STACK_WAIT_MS && atomic_load(&printed) != thread; ms++) {
        nap_ms(1);
    }
    if (atomic_load(&printed) != thread) {
        say("  (it does not answer)\n");
    }
}

static void show_thread(pid_t thread) {
    char name[64], wchan[64], call[256], status[4096], stack[2048];
    read_of_thread(thread, "comm", name, sizeof name);
    read_of_thread(thread, "wchan", wchan, sizeof wchan);
    read_of_thread(thread, "syscall", call, sizeof call);
    read_of_thread(thread, "status", status, sizeof status);
    read_of_thread(thread, "stack", stack, sizeof stack);
    first_line(name);
    first_line(call);
    const char *state = strstr(status, "State:");
    say("thread %d \"%s\": state %c, in the kernel at %s, system call %s\n", (int)thread, name,
        state != NULL ? state[7] : '?', wchan, call[0] != '\0' ? call : "unknown");
    if (thread == own_id()) {
        print_own_stack(0);
    } else if (takes_signal(status)) {
        ask_for_stack(thread);
    } else {
        say("  (it blocks signals)\n%s", stack);
    }
}

// As the kernel hands them out: opendir allocates.
struct entry {
    uint64_t inode;
    int64_t next;
    uint16_t length;
    uint8_t type;
    char name[];
};

void watchdog_stacks(void) {
    struct sigaction action = {.sa_handler = print_own_stack, .sa_flags = SA_RESTART};
    sigaction(stack_signal(), &action, NULL);
    int dir = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _Alignas(struct entry) char buffer[4096];
    for (;;) {
        long n = dir < 0 ? 0 : syscall(SYS_getdents64, dir, buffer, sizeof buffer);
        if (n <= 0) {
            break;
        }
        for (long at = 0; at < n; at += ((struct entry *)(void *)(buffer + at))->length) {
            pid_t thread = (pid_t)atoi(((struct entry *)(void *)(buffer + at))->name);
            if (thread > 0) {
                show_thread(thread);
            }
        }
    }
    if (dir >= 0) {
        close(dir);
    }
}

// All stacks with names. Its environment is bare: what is preloaded here is not for gdb. It stops
// this thread as well while it looks, so another process has the patience.
static void run_gdb(void) {
    char self[16];
    snprintf(self, sizeof self, "%d", (int)getpid());
    const char *arguments[] = {"timeout", "--signal=KILL",
                               "60",      "gdb",
                               "-nx",     "-batch",
                               "-p",      self,
                               "-ex",     "thread apply all backtrace 40",
                               NULL};
    const char *environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    // gdb is lost without signals, and this thread blocks all.
    posix_spawnattr_t attr;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    pid_t child;
    if (posix_spawnp(&child, arguments[0], &actions, &attr, (char **)arguments,
                     (char **)environment) == 0) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
        }
    }
}

static void end_process(uint64_t waited_ns) {
    if (watchdog_before_end != NULL) {
        watchdog_before_end();
    }
    say("watchdog: no progress for %llu ms in process %d\n",
        (unsigned long long)(waited_ns / 1000000), (int)getpid());
    watchdog_stacks();
    run_gdb();
    say("watchdog: no progress, process %d is aborted\n", (int)getpid());
    signal(SIGABRT, SIG_DFL);
    abort();
}

static void *watch(void *unused) {
    pthread_setname_np(pthread_self(), "watchdog");
    uint64_t seen = atomic_load(&progress);
    uint64_t since = now_ns();
    for (;;) {
        nap_ms(20);
        uint64_t count = atomic_load(&progress);
        uint64_t most = atomic_load(&limit);
        if (count != seen || most == 0) {
            seen = count;
            since = now_ns();
        } else if (now_ns() - since > most) {
            end_process(now_ns() - since);
        }
    }
    return unused;
}

static bool create(void) {
    sigset_t all, old;
    pthread_attr_t attr;
    pthread_t thread;
    sigfillset(&all);
    if (pthread_attr_init(&attr) != 0) {
        return false;
    }
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    bool created = pthread_create(&thread, &attr, watch, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return created;
}

void watchdog_start(uint64_t limit_ns) {
    int saved = errno;
    atomic_store(&limit, limit_ns);
    watchdog_alive();
    pid_t before = atomic_exchange(&watching, getpid());
    if (before != getpid() && !create()) {
        atomic_store(&watching, 0);
        say("watchdog: no thread, nobody watches\n");
    }
    errno = saved;
}

void watchdog_alive(void) { atomic_fetch_add_explicit(&progress, 1, memory_order_relaxed); }

void watchdog_stop(void) { atomic_store(&limit, 0); }
