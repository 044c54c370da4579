/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * proc.c: see proc.h.
 */
#include "proc.h"

#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_TO_ANSWER (TEST_TSAN || TEST_ASAN ? 120 : 30)

const char *server_path(const char *variable) {
    const char *path = getenv(variable);
    if (path == NULL) {
        printf("skip: %s is not set\n", variable);
        exit(77);
    }
    return path;
}

static void read_line(int fd, char *ret, size_t size) {
    size_t n = 0;
    while (n + 1 < size && read(fd, ret + n, 1) == 1 && ret[n] != '\n') {
        n++;
    }
    ret[n] = '\0';
}

struct proc proc_start(const char *path, const char *const *options) {
    char *argv[16] = {(char *)(uintptr_t)path, (char *)(uintptr_t) "--port",
                      (char *)(uintptr_t) "0", (char *)(uintptr_t) "--die-with-parent"};
    for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
        CHECK(i < 6);
        argv[4 + i] = (char *)(uintptr_t)options[i];
    }
    int ends[2];
    CHECK_EQ_INT(pipe(ends), 0);
    fflush(stdout);
    struct proc p = {.pid = fork(), .out = ends[0]};
    CHECK(p.pid >= 0);
    if (p.pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(path, argv);
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        _exit(127);
    }
    close(ends[1]);
    char line[128];
    read_line(p.out, line, sizeof line);
    if (sscanf(line, "listening on 127.0.0.1:%d", &p.port) != 1) {
        test_fail(__FILE__, __LINE__, "the server said \"%s\"", line);
    }
    return p;
}

const char *proc_end(struct proc *p) {
    static char said[4096];
    kill(p->pid, SIGTERM);
    size_t n = 0;
    ssize_t got;
    while (n + 1 < sizeof said && (got = read(p->out, said + n, sizeof said - 1 - n)) > 0) {
        n += (size_t)got;
    }
    said[n] = '\0';
    int status = -1;
    CHECK_EQ_INT(waitpid(p->pid, &status, 0), p->pid);
    close(p->out);
    CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0,
              "server ended with wait status %#x, it said: %s", (unsigned)status, said);
    return said;
}

void proc_kill(struct proc *p) {
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
    close(p->out);
}

int sock_open(const struct proc *p) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_MSG(fd >= 0, "socket: %s", strerror(errno));
    struct timeval limit = {.tv_sec = SECONDS_TO_ANSWER};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct sockaddr_in a = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)p->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    CHECK_MSG(connect(fd, (struct sockaddr *)&a, sizeof a) == 0, "connect: %s", strerror(errno));
    return fd;
}

void sock_send(int fd, const void *data, size_t size) {
    const char *at = data;
    while (size > 0) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        CHECK_MSG(n > 0, "send: %s", strerror(errno));
        at += n;
        size -= (size_t)n;
    }
}

void sock_send_text(int fd, const char *text) { sock_send(fd, text, strlen(text)); }

bool sock_read(int fd, void *ret, size_t n) {
    char *at = ret;
    while (n > 0) {
        ssize_t got = recv(fd, at, n, 0);
        if (got == 0 || (got < 0 && errno == ECONNRESET)) {
            return false;
        }
        CHECK_MSG(got > 0, "no answer: %s", strerror(errno));
        at += got;
        n -= (size_t)got;
    }
    return true;
}

size_t sock_read_all(int fd, char *ret, size_t size) {
    size_t n = 0;
    while (n + 1 < size && sock_read(fd, ret + n, 1)) {
        n++;
    }
    ret[n] = '\0';
    return n;
}

static size_t reply_line(int fd, char *ret, size_t size) {
    size_t n = 0;
    do {
        CHECK(n + 1 < size);
        CHECK_MSG(sock_read(fd, ret + n, 1), "the connection ended in a reply");
        n++;
    } while (n < 2 || ret[n - 2] != '\r' || ret[n - 1] != '\n');
    ret[n] = '\0';
    return n;
}

size_t sock_reply(int fd, char *ret, size_t size) {
    size_t n = 0;
    for (long left = 1; left > 0; left--) {
        char *line = ret + n;
        n += reply_line(fd, line, size - n);
        long count = strtol(line + 1, NULL, 10);
        if (*line == '*' && count > 0) {
            left += count;
        } else if (*line == '$' && count >= 0) {
            CHECK(n + (size_t)count + 3 < size);
            CHECK(sock_read(fd, ret + n, (size_t)count + 2));
            n += (size_t)count + 2;
        }
    }
    ret[n] = '\0';
    return n;
}

void sock_ask(int fd, const char *request, const char *reply) {
    static char got[65536];
    size_t n = strlen(reply);
    CHECK(n < sizeof got);
    sock_send_text(fd, request);
    bool whole = sock_read(fd, got, n);
    got[n] = '\0';
    if (!whole || memcmp(got, reply, n) != 0) {
        test_fail(__FILE__, __LINE__, "asked \"%s\", got \"%s\", want \"%s\"", request, got, reply);
    }
}

void sock_command(int fd, const char *const *words) {
    char text[4096];
    size_t count = 0;
    while (words[count] != NULL) {
        count++;
    }
    size_t n = (size_t)snprintf(text, sizeof text, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "$%zu\r\n%s\r\n", strlen(words[i]),
                              words[i]);
        CHECK(n < sizeof text);
    }
    sock_send(fd, text, n);
}

int64_t sock_info(int fd, const char *name) {
    static char text[65536];
    sock_send_text(fd, "INFO\r\n");
    sock_reply(fd, text, sizeof text);
    char key[96];
    snprintf(key, sizeof key, "\n%s:", name);
    char *at = strstr(text, key);
    CHECK_MSG(at != NULL, "INFO has no %s", name);
    return strtoll(at + strlen(key), NULL, 10);
}
