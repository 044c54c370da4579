/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * rough.c: clients that misbehave: pieces, garbage, floods, announcements without deeds, readers
 * that do not read, and ten thousand at once. The server answers with an error or closes the
 * connection, serves the others meanwhile, and ends with nothing alive. WANE_TEST_SERVER is the server's
 * path.
 */
#include "harness.h"
#include "proc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct proc server;

static void start(const char *option) {
    const char *options[] = {"--threads", "2", "--strict", option != NULL ? "--config" : NULL,
                             option,      NULL};
    server = proc_start(server_path("WANE_TEST_SERVER"), options);
}

/* The server must still be well: somebody else asks. */
static void end(void) {
    int fd = sock_open(&server);
    sock_ask(fd, "*1\r\n$4\r\nPING\r\n", "+PONG\r\n");
    close(fd);
    proc_end(&server);
}

TEST(pieces) {
    start(NULL);
    int fd = sock_open(&server);
    static const char text[] = "*3\r\n$3\r\nSET\r\n$5\r\nkey\r\n\r\n$6\r\n\0\r\n*$1\r\n*2\r\n$"
                               "3\r\nGET\r\n$5\r\nkey\r\n\r\n"
                               "PING\r\nPING  there \n\r\n\r\n*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n";
    static const char reply[] = "+OK\r\n$6\r\n\0\r\n*$1\r\n+PONG\r\n$5\r\nthere\r\n+PONG\r\n";
    test_rng r = test_rng_make(0);
    for (size_t most = 1; most < 40; most += 3) {
        for (size_t at = 0; at < sizeof text - 1;) {
            size_t n = 1 + test_below(&r, most);
            n = n < sizeof text - 1 - at ? n : sizeof text - 1 - at;
            sock_send(fd, text + at, n);
            at += n;
        }
        char got[sizeof reply];
        CHECK(sock_read(fd, got, sizeof reply - 1));
        CHECK(memcmp(got, reply, sizeof reply - 1) == 0);
    }
    close(fd);
    end();
}

/* What is sent, and how the last words of the server begin; NULL: it may only close. */
static void refused(const char *text, size_t size, const char *want) {
    int fd = sock_open(&server);
    sock_send(fd, text, size);
    char got[512];
    size_t n = sock_read_all(fd, got, sizeof got);
    CHECK_MSG(strncmp(got, want, strlen(want)) == 0 || n == 0, "got \"%s\", want \"%s\"", got,
              want);
    close(fd);
}
#define REFUSED(text, want) refused(text, sizeof(text) - 1, want)

TEST(malformed) {
    start(NULL);
    REFUSED("*x\r\n", "-ERR Protocol error: invalid multibulk length");
    REFUSED("*1048577\r\n", "-ERR Protocol error: invalid multibulk length");
    REFUSED("*99999999999999999999999\r\n", "-ERR Protocol error: invalid multibulk length");
    REFUSED("*1\r\nPING\r\n", "-ERR Protocol error: expected '$', got 'P'");
    REFUSED("*1\r\n\x01\r\n", "-ERR Protocol error: expected '$', got '?'");
    REFUSED("*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length");
    REFUSED("*1\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length");
    REFUSED("*1\r\n$4x\r\nPING\r\n", "-ERR Protocol error: invalid bulk length");
    REFUSED("*1\r\n$ 4\r\nPING\r\n", "-ERR Protocol error: invalid bulk length");
    REFUSED("GET \"a\r\n", "-ERR Protocol error: unbalanced quotes in request");
    REFUSED("PING\r\n*q\r\nPING\r\n", "+PONG\r\n-ERR Protocol error: invalid multibulk length");
    static char line[70000];
    memset(line, 'a', sizeof line);
    refused(line, sizeof line, "-ERR Protocol error: too big inline request");
    line[0] = '*';
    refused(line, sizeof line, "-ERR Protocol error: too big mbulk count string");
    memcpy(line, "*1\r\n$", 5);
    refused(line, sizeof line, "-ERR Protocol error: too big bulk count string");
    /* A line's end in a name must not become one in the reply. */
    int fd = sock_open(&server);
    sock_ask(fd, "*1\r\n$6\r\nA\r\n+OK\r\n",
             "-ERR unknown command 'A  +OK', with args beginning with: \r\n");
    close(fd);
    end();
}

TEST(garbage) {
    start(NULL);
    test_rng r = test_rng_make(1);
    for (int round = 0; round < 300; round++) {
        static char noise[4096];
        size_t n = 1 + test_below(&r, sizeof noise);
        for (size_t i = 0; i < n; i++) {
            /* Half of it from the letters of the protocol. */
            uint64_t x = test_random(&r);
            noise[i] = x & 1 ? (char)(x >> 8) : "*$\r\n0123456789-+:\"' PINGET"[(x >> 8) % 27];
        }
        int fd = sock_open(&server);
        if (send(fd, noise, n, MSG_NOSIGNAL) > 0 && (round & 1)) {
            shutdown(fd, SHUT_WR);
            char byte[256];
            while (recv(fd, byte, sizeof byte, 0) > 0) {
            }
        }
        close(fd);
    }
    end();
}

TEST(announced_and_not_sent) {
    start(NULL);
    int idle[100];
    for (int i = 0; i < 100; i++) {
        idle[i] = sock_open(&server);
        sock_send_text(idle[i], i % 2 ? "*1000000\r\n$3\r\nSET\r\n"
                                      : "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$500000000\r\nxyz");
    }
    int fd = sock_open(&server);
    sock_ask(fd, "PING\r\n", "+PONG\r\n");
    if (!TEST_ASAN && !TEST_TSAN) {
        /* Nothing was set aside for what was only announced. */
        CHECK(sock_info(fd, "used_memory_rss") < 64 * 1024 * 1024);
    }
    for (int i = 0; i < 100; i++) {
        close(idle[i]);
    }
    close(fd);
    end();
}

TEST(limits_of_input) {
    start("proto-max-bulk-len=1000");
    int fd = sock_open(&server);
    sock_ask(fd, "CONFIG SET client-query-buffer-limit 100000\r\n", "+OK\r\n");
    char big[1001];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    sock_send_text(fd, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1000\r\n");
    sock_ask(fd, big, "");
    sock_ask(fd, "\r\nAPPEND a x\r\n",
             "+OK\r\n-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n");
    REFUSED("*2\r\n$3\r\nGET\r\n$1001\r\n", "-ERR Protocol error: invalid bulk length");
    /* One command of more bytes than the limit, in arguments that are each small enough. */
    int other = sock_open(&server);
    sock_send_text(other, "*100000\r\n$4\r\nMGET\r\n");
    bool open = true;
    for (int i = 0; open && i < 20000; i++) {
        open = send(other, "$4\r\nkey1\r\n", 10, MSG_NOSIGNAL) == 10;
    }
    char got[64];
    CHECK_EQ_UINT(sock_read_all(other, got, sizeof got), 0);
    close(other);
    sock_ask(fd, "PING\r\n", "+PONG\r\n");
    close(fd);
    end();
}

TEST(big_values_and_many_words) {
    start("client-output-limit=100000"); /* which is for subscribers, not for one large reply */
    int fd = sock_open(&server);
    size_t size = 20 * 1000 * 1000;
    char *value = malloc(size);
    CHECK(value != NULL);
    for (size_t i = 0; i < size; i++) {
        value[i] = (char)(i * 2654435761u >> 13);
    }
    sock_send_text(fd, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$20000000\r\n");
    sock_send(fd, value, size);
    sock_ask(fd, "\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "+OK\r\n$20000000\r\n");
    char *back = malloc(size + 2);
    CHECK(back != NULL && sock_read(fd, back, size + 2));
    CHECK(memcmp(value, back, size) == 0);
    free(value);
    free(back);
    /* 100,000 words in one command. */
    sock_send_text(fd, "*100001\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n");
    for (int i = 0; i < 99999; i++) {
        char word[32];
        int n = snprintf(word, sizeof word, "$6\r\n%06d\r\n", i);
        sock_send(fd, word, (size_t)n);
    }
    sock_ask(fd, "LRANGE l 99998 99998\r\n", ":99999\r\n*1\r\n$6\r\n099998\r\n");
    sock_ask(fd, "UNLINK l\r\n", ":1\r\n");
    close(fd);
    end();
}

TEST(flood_of_pipelined_commands) {
    start(NULL);
    int fd = sock_open(&server);
    /* Written by a child while this process reads: 100,000 commands at once. */
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (int i = 0; i < 1000; i++) {
            char text[4096];
            size_t n = 0;
            for (int k = 0; k < 100; k++) {
                n += (size_t)snprintf(text + n, sizeof text - n, "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n");
            }
            sock_send(fd, text, n);
        }
        _exit(0);
    }
    for (int i = 1; i <= 100000; i++) {
        char want[16];
        char got[16];
        int n = snprintf(want, sizeof want, ":%d\r\n", i);
        CHECK(sock_read(fd, got, (size_t)n) && memcmp(got, want, (size_t)n) == 0);
    }
    waitpid(child, NULL, 0);
    close(fd);
    end();
}

/* Sends the text again and again; true once nothing more is taken for a quarter of a second. */
static bool sends_until_blocked(int fd, const char *text, size_t most) {
    size_t size = strlen(text);
    size_t sent = 0;
    for (int idle = 0; sent < most;) {
        size_t at = sent % size;
        ssize_t n = send(fd, text + at, size - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            sent += (size_t)n;
            idle = 0;
        } else if (errno != EAGAIN || ++idle == 25) {
            return errno == EAGAIN;
        } else {
            test_sleep_ns(10000000);
        }
    }
    return false;
}

TEST(client_that_does_not_read) {
    start(NULL);
    int fd = sock_open(&server);
    int other = sock_open(&server);
    static char value[20000];
    memset(value, 'v', sizeof value - 1);
    sock_send_text(other, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$19999\r\n");
    sock_ask(other, value, "");
    sock_ask(other, "\r\n", "+OK\r\n");
    /* It stops being read from, long before its replies fill the memory. */
    static char many[2001];
    for (size_t i = 0; i + 7 <= 2000; i += 7) {
        memcpy(many + i, "GET a\r\n", 7);
    }
    many[1995] = '\0';
    CHECK_MSG(sends_until_blocked(fd, many, 100 * 1000 * 1000),
              "the server took 100 MB of commands from a client that reads nothing");
    sock_ask(other, "PING\r\n", "+PONG\r\n");
    if (!TEST_ASAN && !TEST_TSAN) {
        CHECK(sock_info(other, "used_memory_rss") < 128 * 1024 * 1024);
    }
    close(fd);
    close(other);
    end();
}

static int watcher;
static bool one_closed_for_output(void *unused) {
    (void)unused;
    return sock_info(watcher, "closed_for_output") == 1;
}

TEST(subscriber_that_does_not_read) {
    start("client-output-limit=1000000");
    int lazy = sock_open(&server);
    sock_ask(lazy, "SUBSCRIBE c\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    int fd = sock_open(&server);
    watcher = fd;
    static char text[30000];
    size_t head =
        (size_t)snprintf(text, sizeof text, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$20000\r\n");
    memset(text + head, 'm', 20000);
    memcpy(text + head + 20000, "\r\n", 2);
    char got[16];
    int published = 0;
    do {
        sock_send(fd, text, head + 20002);
        sock_reply(fd, got, sizeof got);
        CHECK(++published < 20000);
    } while (strcmp(got, ":1\r\n") == 0);
    CHECK(test_wait_until(one_closed_for_output, NULL, UINT64_C(10000000000)));
    sock_ask(fd, "PUBLISH c m\r\n", ":0\r\n");
    /* Its cycle with the channel is the collector's; this test leaves it to `--strict` only where
     * there is one. */
    int64_t collects = sock_info(fd, "mm_collects");
    close(lazy);
    close(fd);
    if (collects) {
        end();
    } else {
        proc_kill(&server);
    }
}

TEST(too_many_clients) {
    start("maxclients=10");
    int fds[10];
    for (int i = 0; i < 10; i++) {
        fds[i] = sock_open(&server);
        sock_ask(fds[i], "PING\r\n", "+PONG\r\n");
    }
    char got[128];
    int extra = sock_open(&server);
    sock_read_all(extra, got, sizeof got);
    CHECK_EQ_STR(got, "-ERR max number of clients reached\r\n");
    close(extra);
    sock_ask(fds[0], "CONFIG SET maxclients 100\r\n", "+OK\r\n");
    for (int i = 0; i < 10; i++) {
        close(fds[i]);
    }
    end();
}

TEST(ten_thousand_connections) {
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    static int fds[10000];
    size_t count = r.rlim_cur > 10200 ? 10000 : (size_t)r.rlim_cur / 2;
    start("maxclients=20000");
    int first = sock_open(&server);
    for (size_t i = 0; i < count; i++) {
        fds[i] = sock_open(&server);
        /* All of them at once would overflow the queue of connections to accept. */
        if (i % 500 == 499) {
            sock_ask(fds[i], "PING\r\n", "+PONG\r\n");
        }
    }
    for (size_t i = 0; i < count; i++) {
        char text[64];
        snprintf(text, sizeof text, "SET key%zu %zu\r\n", i, i);
        sock_ask(fds[i], text, "+OK\r\n");
    }
    CHECK_EQ_INT(sock_info(first, "connected_clients"), (int64_t)count + 1);
    sock_ask(first, "GET key7\r\n", "$1\r\n7\r\n");
    for (size_t i = 0; i < count; i++) {
        close(fds[i]);
    }
    close(first);
    end();
    printf("%zu connections\n", count);
}

TEST(ends_with_clients_connected) {
    start(NULL);
    int fds[50];
    for (int i = 0; i < 50; i++) {
        fds[i] = sock_open(&server);
        sock_send_text(fds[i], i % 2 ? "SET a b\r\nGET a\r\n*2\r\n$3\r\nGE"
                                     : "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100\r\nabc");
    }
    end();
    for (int i = 0; i < 50; i++) {
        close(fds[i]);
    }
}
