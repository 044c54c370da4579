/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * alike.c: all back ends answer alike. The same random commands go to each server of WANE_TEST_SERVERS
 * (paths with `:` between them); the replies must be the same to the last byte. Commands whose
 * reply depends on the order of a hash table are left out, their counts are not. A TTL may differ by
 * a second: the servers do not look at the clock at the same moment. Cycles are made,
 * so a back end that leaks them may end with objects left.
 */
#include "harness.h"
#include "proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SERVERS_MAX 4

static const char *const forms[] = {
    "SET %k %v",        "GET %k",          "DEL %k %k",     "UNLINK %k",
    "EXISTS %k %k",     "INCR %k",         "APPEND %k %v",  "MSET %k %v %k %v",
    "MGET %k %k %k",    "LPUSH %k %v %v",  "RPUSH %k %v",   "LPOP %k",
    "RPOP %k 2",        "LRANGE %k 0 -1",  "LLEN %k",       "SADD %k %v %v",
    "SREM %k %v",       "SISMEMBER %k %v", "SCARD %k",      "HSET %k %v %v",
    "HGET %k %v",       "HDEL %k %v",      "HLEN %k",       "ZADD %k %n %v %n %v",
    "ZPOPMIN %k 2",     "ZSCORE %k %v",    "TYPE %k",       "DBSIZE",
    "TTL %k",           "EXPIRE %k 1000",  "PERSIST %k",    "GLINK %g %g",
    "GUNLINK %g %g",    "GDEGREE %g",      "DEL %g",        "GLINK %k %g",
    "SET %k %n",        "DECRBY %k %n",    "GETSET %k %v",  "STRLEN %k",
    "SET %k %v NX GET", "NOSUCH %k",       "PUBLISH %k %v", "ECHO %v",
};

static size_t expand(const char *form, test_rng *r, char *ret, size_t size) {
    size_t n = 0;
    for (; *form != '\0'; form++) {
        if (*form != '%') {
            n += (size_t)snprintf(ret + n, size - n, "%c", *form);
            continue;
        }
        switch (*++form) {
        case 'k':
            n += (size_t)snprintf(ret + n, size - n, "key:%d", (int)test_below(r, 60));
            break;
        case 'g':
            n += (size_t)snprintf(ret + n, size - n, "node:%d", (int)test_below(r, 30));
            break;
        case 'n':
            n += (size_t)snprintf(ret + n, size - n, "%d", (int)test_below(r, 1000) - 500);
            break;
        default:
            n += (size_t)snprintf(ret + n, size - n, "value%d", (int)test_below(r, 40));
        }
    }
    return n + (size_t)snprintf(ret + n, size - n, "\r\n");
}

static bool alike(const char *request, const char *a, const char *b) {
    if (strncmp(request, "TTL ", 4) == 0 && a[0] == ':' && b[0] == ':') {
        return labs(strtol(a + 1, NULL, 10) - strtol(b + 1, NULL, 10)) <= 1;
    }
    return strcmp(a, b) == 0;
}

static void compare(struct proc *server, size_t count) {
    int fd[SERVERS_MAX];
    for (size_t s = 0; s < count; s++) {
        fd[s] = sock_open(&server[s]);
    }
    test_rng r = test_rng_make(0);
    static char reply[SERVERS_MAX][1 << 20];
    for (int i = 0; i < (TEST_TSAN || TEST_ASAN ? 5000 : 20000); i++) {
        char request[512];
        const char *form = test_below(&r, 5000) == 0
                               ? "FLUSHALL"
                               : forms[test_below(&r, sizeof forms / sizeof forms[0])];
        size_t n = expand(form, &r, request, sizeof request);
        for (size_t s = 0; s < count; s++) {
            sock_send(fd[s], request, n);
        }
        for (size_t s = 0; s < count; s++) {
            sock_reply(fd[s], reply[s], sizeof reply[s]);
            CHECK_MSG(alike(request, reply[s], reply[0]), "%s: server %zu says %s, the first one %s",
                      request, s, reply[s], reply[0]);
        }
    }
    for (size_t s = 0; s < count; s++) {
        close(fd[s]);
    }
}

TEST(same_replies) {
    char *paths = strdup(server_path("WANE_TEST_SERVERS"));
    struct proc server[SERVERS_MAX];
    size_t count = 0;
    char *rest = NULL;
    for (char *path = strtok_r(paths, ":", &rest); path != NULL;
         path = strtok_r(NULL, ":", &rest)) {
        CHECK(count < SERVERS_MAX);
        server[count++] = proc_start(path, NULL);
    }
    compare(server, count);
    for (size_t s = 0; s < count; s++) {
        printf("%s", proc_end(&server[s]));
    }
    free(paths);
}
