/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * protocol.c: what the server answers, in words: every command, its errors, and the protocol in
 * pieces. WANE_TEST_SERVER is the server's path; the same expectations hold for every back end. Each
 * server must end with nothing alive.
 */
#include "harness.h"
#include "proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct proc server;
static int fd;

static void start(void) {
    /* Nothing here leaves a cycle, so even a back end that leaks them must end empty. */
    server = proc_start(server_path("WANE_TEST_SERVER"),
                        (const char *const[]){"--threads", "2", "--strict", NULL});
    fd = sock_open(&server);
}

static void end(void) {
    close(fd);
    proc_end(&server);
}

/* Pairs of an inline command and its reply, both without the line's end. */
static void dialogue(const char *const (*pair)[2]) {
    for (; (*pair)[0] != NULL; pair++) {
        char request[512];
        char reply[1024];
        snprintf(request, sizeof request, "%s\r\n", (*pair)[0]);
        snprintf(reply, sizeof reply, "%s\r\n", (*pair)[1]);
        sock_ask(fd, request, reply);
    }
}
#define DIALOGUE(...) dialogue((const char *const[][2]){__VA_ARGS__, {NULL, NULL}})
#define WRONGTYPE "-WRONGTYPE Operation against a key holding the wrong kind of value"
#define NOT_INT "-ERR value is not an integer or out of range"

TEST(connection) {
    start();
    DIALOGUE({"PING", "+PONG"}, {"ping hello", "$5\r\nhello"},
             {"PING a b", "-ERR wrong number of arguments for 'ping' command"},
             {"ECHO", "-ERR wrong number of arguments for 'echo' command"},
             {"ECHO 'it''s'", "-ERR Protocol error: unbalanced quotes in request"});
    char more[16];
    CHECK_EQ_UINT(sock_read_all(fd, more, sizeof more), 0);
    close(fd);
    fd = sock_open(&server);
    sock_send_text(fd, "ECHO \"a b\\x00c\\n\"\r\n");
    CHECK_EQ_UINT(sock_reply(fd, more, sizeof more), 12);
    CHECK(memcmp(more, "$6\r\na b\0c\n\r\n", 12) == 0);
    DIALOGUE({"ECHO 'it\\'s'", "$4\r\nit's"},
             {"NOSUCH a b", "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' "},
             {"nosuch", "-ERR unknown command 'nosuch', with args beginning with: "},
             {"SELECT 0", "+OK"}, {"SELECT 7", "-ERR DB index is out of range"},
             {"select x", NOT_INT}, {"QUIT", "+OK"});
    CHECK_EQ_UINT(sock_read_all(fd, more, sizeof more), 0);
    end();
}

TEST(strings) {
    start();
    DIALOGUE({"GET a", "$-1"}, {"SET a 1", "+OK"}, {"GET a", "$1\r\n1"}, {"INCR a", ":2"},
             {"INCRBY a 40", ":42"}, {"DECR a", ":41"}, {"DECRBY a 1", ":40"},
             {"APPEND a xy", ":4"}, {"GET a", "$4\r\n40xy"}, {"INCR a", NOT_INT},
             {"STRLEN a", ":4"}, {"SET n 9223372036854775807", "+OK"},
             {"INCR n", "-ERR increment or decrement would overflow"}, {"APPEND fresh z", ":1"},
             {"STRLEN none", ":0"}, {"MSET k1 a k2 b k1 c", "+OK"},
             {"MGET k1 none k2", "*3\r\n$1\r\nc\r\n$-1\r\n$1\r\nb"},
             {"MSET k1", "-ERR wrong number of arguments for 'mset' command"},
             {"MSET k1 a k2", "-ERR wrong number of arguments for 'mset' command"},
             {"GETSET k1 z", "$1\r\nc"}, {"GETSET new z", "$-1"}, {"SET e \"\"", "+OK"},
             {"GET e", "$0\r\n"}, {"DBSIZE", ":7"});
    DIALOGUE(
        {"SET k1 v NX", "$-1"}, {"SET k1 v XX", "+OK"}, {"SET q v XX", "$-1"},
        {"SET q v NX", "+OK"}, {"SET q w GET", "$1\r\nv"}, {"SET r w GET", "$-1"},
        {"SET q v NX XX", "-ERR syntax error"},
        {"SET q v EX 0", "-ERR invalid expire time in 'set' command"},
        {"SET q v EX", "-ERR syntax error"}, {"SET q v EX x", NOT_INT},
        {"SET q v EX x WHAT", "-ERR syntax error"}, {"SET q v WHAT", "-ERR syntax error"},
        {"SET q v EX 1 PX 1", "-ERR syntax error"}, {"SET q v KEEPTTL EX 1", "-ERR syntax error"},
        {"SET q v EX 9223372036854775", "-ERR invalid expire time in 'set' command"},
        {"SET q v EX -1", "-ERR invalid expire time in 'set' command"},
        {"SET q v EX 9223372036854775808", NOT_INT}, {"SET q v PXAT 9223372036854775807", "+OK"},
        {"SET q v", "+OK"}, {"SET q", "-ERR wrong number of arguments for 'set' command"});
    end();
}

TEST(keys) {
    start();
    DIALOGUE({"MSET a 1 b 2 c 3", "+OK"}, {"EXISTS a b none a", ":3"}, {"DEL a none", ":1"},
             {"UNLINK b b", ":1"}, {"DBSIZE", ":1"}, {"TYPE c", "+string"}, {"TYPE none", "+none"},
             {"TTL c", ":-1"}, {"TTL none", ":-2"}, {"EXPIRE c 100", ":1"}, {"TTL c", ":100"},
             {"PERSIST c", ":1"}, {"TTL c", ":-1"}, {"PERSIST c", ":0"}, {"EXPIRE none 1", ":0"},
             {"EXPIRE c x", NOT_INT}, {"EXPIRE c 0", ":1"}, {"EXISTS c", ":0"},
             {"SET d v PX 100000 ", "+OK"}, {"TTL d", ":100"}, {"SET d w KEEPTTL", "+OK"},
             {"TTL d", ":100"}, {"APPEND d x", ":2"}, {"TTL d", ":100"}, {"SET d v", "+OK"},
             {"TTL d", ":-1"},
             {"EXPIRE d 99999999999999999", "-ERR invalid expire time in 'expire' command"},
             {"EXPIRE d -99999999999999999", "-ERR invalid expire time in 'expire' command"},
             {"EXPIRE d 10 XX", ":0"}, {"EXPIRE d 10 GT", ":0"}, {"EXPIRE d 100 NX", ":1"},
             {"EXPIRE d 200 NX", ":0"}, {"EXPIRE d 200 LT", ":0"}, {"EXPIRE d 50 GT", ":0"},
             {"EXPIRE d 200 GT", ":1"}, {"EXPIRE d 50 XX LT", ":1"}, {"TTL d", ":50"},
             {"EXPIRE d 10 SO", "-ERR Unsupported option SO"},
             {"EXPIRE d 10 GT LT", "-ERR GT and LT options at the same time are not compatible"},
             {"EXPIRE d 10 NX GT",
              "-ERR NX and XX, GT or LT options at the same time are not compatible"},
             {"EXPIRE d -5", ":1"}, {"EXISTS d", ":0"});
    DIALOGUE({"FLUSHALL", "+OK"}, {"DBSIZE", ":0"}, {"SET a b", "+OK"}, {"FLUSHALL ASYNC", "+OK"},
             {"EXISTS a", ":0"}, {"FLUSHALL SYNC", "+OK"}, {"FLUSHALL NOW", "-ERR syntax error"});
    end();
}

static bool all_expired(void *unused) {
    (void)unused;
    char reply[64];
    sock_send_text(fd, "DBSIZE\r\n");
    sock_reply(fd, reply, sizeof reply);
    return strcmp(reply, ":0\r\n") == 0;
}

TEST(expiry) {
    start();
    sock_ask(fd, "SET a v PX 30\r\n", "+OK\r\n");
    for (int i = 0; i < 500; i++) {
        char request[64];
        snprintf(request, sizeof request, "SET key%d v PX 40\r\n", i);
        sock_ask(fd, request, "+OK\r\n");
    }
    test_sleep_ns(60 * 1000000);
    DIALOGUE({"GET a", "$-1"}, {"EXISTS key1 key2", ":0"}, {"TTL key1", ":-2"},
             {"TYPE key1", "+none"}, {"INCR a", ":1"}, {"TTL a", ":-1"}, {"DEL a key1", ":1"});
    /* Nobody asks for the rest: it goes by itself. */
    CHECK(test_wait_until(all_expired, NULL, UINT64_C(20000000000)));
    end();
}

TEST(lists) {
    start();
    DIALOGUE({"LPUSH l 1 2 3", ":3"}, {"RPUSH l 4", ":4"}, {"LLEN l", ":4"},
             {"LRANGE l 0 -1", "*4\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n$1\r\n4"},
             {"LRANGE l -2 100", "*2\r\n$1\r\n1\r\n$1\r\n4"}, {"LRANGE l 3 1", "*0"},
             {"LRANGE l 9 10", "*0"}, {"LRANGE none 0 -1", "*0"}, {"LRANGE l a 1", NOT_INT},
             {"LPOP l", "$1\r\n3"}, {"RPOP l 2", "*2\r\n$1\r\n4\r\n$1\r\n1"}, {"LPOP l 0", "*0"},
             {"RPOP l 9", "*1\r\n$1\r\n2"}, {"EXISTS l", ":0"}, {"LPOP l", "$-1"},
             {"LPOP l 2", "*-1"}, {"LPOP l -1", "-ERR value is out of range, must be positive"},
             {"LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command"}, {"LLEN l", ":0"},
             {"SET s v", "+OK"}, {"LPUSH s v", WRONGTYPE}, {"LPOP s", WRONGTYPE},
             {"LLEN s", WRONGTYPE}, {"LRANGE s 0 1", WRONGTYPE}, {"RPUSH m v", ":1"},
             {"GET m", WRONGTYPE}, {"INCR m", WRONGTYPE}, {"TYPE m", "+list"},
             {"APPEND m x", WRONGTYPE}, {"SET m x GET", WRONGTYPE}, {"MGET m", "*1\r\n$-1"},
             {"SET m x", "+OK"});
    for (int i = 1; i <= 3000; i++) {
        char request[64];
        char reply[64];
        snprintf(request, sizeof request, "%s big %d\r\n", i % 3 == 0 ? "LPUSH" : "RPUSH", i);
        snprintf(reply, sizeof reply, ":%d\r\n", i);
        sock_ask(fd, request, reply);
    }
    DIALOGUE({"LRANGE big 999 1001", "*3\r\n$1\r\n3\r\n$1\r\n1\r\n$1\r\n2"},
             {"LPOP big", "$4\r\n3000"}, {"RPOP big", "$4\r\n2999"}, {"UNLINK big", ":1"});
    end();
}

TEST(sets_and_hashes) {
    start();
    DIALOGUE({"SADD s a b a", ":2"}, {"SADD s b c", ":1"}, {"SCARD s", ":3"},
             {"SISMEMBER s a", ":1"}, {"SISMEMBER s z", ":0"}, {"SREM s a z", ":1"},
             {"SREM s b", ":1"}, {"SMEMBERS s", "*1\r\n$1\r\nc"}, {"SPOP s", "$1\r\nc"},
             {"EXISTS s", ":0"}, {"SPOP s", "$-1"}, {"SPOP s 3", "*0"}, {"SADD s x", ":1"},
             {"SPOP s 4", "*1\r\n$1\r\nx"}, {"SMEMBERS s", "*0"}, {"SREM s x", ":0"},
             {"HSET h a 1 b 2", ":2"}, {"HSET h a 3", ":0"}, {"HGET h a", "$1\r\n3"},
             {"HGET h z", "$-1"}, {"HGET none z", "$-1"}, {"HLEN h", ":2"}, {"HDEL h b z", ":1"},
             {"HGETALL h", "*2\r\n$1\r\na\r\n$1\r\n3"},
             {"HSET h a", "-ERR wrong number of arguments for 'hset' command"},
             {"HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command"},
             {"SADD h a", WRONGTYPE}, {"SPOP h", WRONGTYPE}, {"SMEMBERS h", WRONGTYPE},
             {"TYPE h", "+hash"}, {"HDEL h a", ":1"}, {"EXISTS h", ":0"}, {"HGETALL h", "*0"},
             {"SADD t 1", ":1"}, {"HGET t a", WRONGTYPE}, {"TYPE t", "+set"});
    for (int i = 0; i < 3000; i++) {
        char request[64];
        snprintf(request, sizeof request, "SADD big m%d\r\n", i);
        sock_ask(fd, request, ":1\r\n");
    }
    for (int i = 0; i < 3000; i++) {
        char request[64];
        snprintf(request, sizeof request, "SISMEMBER big m%d\r\n", i);
        sock_ask(fd, request, ":1\r\n");
    }
    static char popped[1 << 16];
    for (int i = 3000; i > 0; i -= 100) {
        char reply[32];
        snprintf(reply, sizeof reply, ":%d\r\n", i);
        sock_ask(fd, "SCARD big\r\n", reply);
        sock_send_text(fd, "SPOP big 100\r\n");
        sock_reply(fd, popped, sizeof popped);
        CHECK(strncmp(popped, "*100\r\n", 6) == 0);
    }
    DIALOGUE({"EXISTS big", ":0"});
    end();
}

TEST(sorted_sets) {
    start();
    DIALOGUE(
        {"ZADD z 2 b 1 a 1.5 c", ":3"}, {"ZADD z 3 a", ":0"}, {"ZCARD z", ":3"},
        {"ZSCORE z c", "$3\r\n1.5"}, {"ZSCORE z q", "$-1"},
        {"ZPOPMIN z", "*2\r\n$1\r\nc\r\n$3\r\n1.5"}, {"ZADD z 2 aa 2 a -inf m", ":2"},
        {"ZPOPMIN z 3", "*6\r\n$1\r\nm\r\n$4\r\n-inf\r\n$1\r\na\r\n$1\r\n2\r\n$2\r\naa\r\n$1\r\n2"},
        {"ZPOPMIN z 9", "*2\r\n$1\r\nb\r\n$1\r\n2"}, {"EXISTS z", ":0"}, {"ZPOPMIN z", "*0"},
        {"ZADD z x a", "-ERR value is not a valid float"},
        {"ZADD z nan a", "-ERR value is not a valid float"},
        {"ZADD z 1e999 a", "-ERR value is not a valid float"},
        {"ZADD z NX 1 a XX", "-ERR syntax error"},
        {"ZADD z NX", "-ERR wrong number of arguments for 'zadd' command"},
        {"ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are not compatible"},
        {"ZADD z GT LT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible"},
        {"ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair"},
        {"ZADD z XX 1 a", ":0"}, {"EXISTS z", ":0"}, {"ZADD z XX INCR 1 a", "$-1"},
        {"ZADD z NX 1 a 2 b", ":2"}, {"ZADD z NX 5 a 3 c", ":1"}, {"ZADD z XX CH 5 a 3 d", ":1"},
        {"ZADD z GT CH 4 a 6 b 7 e", ":2"}, {"ZADD z LT CH 4 a 9 b", ":1"},
        {"ZADD z INCR 1.5 a", "$3\r\n5.5"}, {"ZADD z NX INCR 1 a", "$-1"},
        {"ZADD z INCR inf i", "$3\r\ninf"},
        {"ZADD z INCR -inf i", "-ERR resulting score is not a number (NaN)"},
        {"ZSCORE z i", "$3\r\ninf"}, {"ZPOPMIN z 1 2", "-ERR syntax error"}, {"DEL z", ":1"},
        {"ZADD z 1", "-ERR wrong number of arguments for 'zadd' command"},
        {"ZADD z 1 a 2", "-ERR syntax error"}, {"ZADD z 1 a", ":1"}, {"TYPE z", "+zset"},
        {"GET z", WRONGTYPE});
    for (int i = 0; i < 2000; i++) {
        char request[64];
        snprintf(request, sizeof request, "ZADD big %d m%d\r\n", i * 7919 % 2000, i);
        sock_ask(fd, request, ":1\r\n");
    }
    for (int i = 0; i < 2000; i++) {
        char reply[128];
        char got[128];
        sock_send_text(fd, "ZPOPMIN big\r\n");
        sock_reply(fd, got, sizeof got);
        int digits = snprintf(reply, sizeof reply, "%d", i);
        snprintf(reply, sizeof reply, "$%d\r\n%d\r\n", digits, i);
        CHECK_MSG(strstr(got, reply) != NULL, "got %s, want the score %d", got, i);
    }
    end();
}

TEST(graphs_without_cycles) {
    start();
    DIALOGUE({"GLINK a b", ":1"}, {"GLINK a b", ":0"}, {"GLINK a c", ":1"}, {"GDEGREE a", ":2"},
             {"GDEGREE b", ":0"}, {"TYPE a", "+node"}, {"GUNLINK a b", ":1"}, {"GUNLINK a b", ":0"},
             {"GUNLINK none b", ":0"}, {"GUNLINK a none", ":0"}, {"GDEGREE a", ":1"},
             {"SET s v", "+OK"}, {"GLINK s a", WRONGTYPE}, {"GLINK a s", WRONGTYPE},
             {"DEL a b", ":2"}, {"EXISTS c", ":1"}, {"DBSIZE", ":2"});
    end();
}

TEST(server_commands) {
    start();
    DIALOGUE({"CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n"},
             {"CONFIG GET appendonly", "*2\r\n$10\r\nappendonly\r\n$2\r\nno"},
             {"CONFIG SET maxclients 500", "+OK"},
             {"CONFIG GET maxclients", "*2\r\n$10\r\nmaxclients\r\n$3\r\n500"},
             {"CONFIG SET maxclients 0",
              "-ERR CONFIG SET failed (possibly related to argument 'maxclients')"},
             {"CONFIG SET maxclients x",
              "-ERR CONFIG SET failed (possibly related to argument 'maxclients')"},
             {"CONFIG SET nosuch 1",
              "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'"},
             {"CONFIG SET maxclients 7 nosuch 1",
              "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'"},
             {"CONFIG GET maxclients", "*2\r\n$10\r\nmaxclients\r\n$3\r\n500"},
             {"CONFIG GET", "-ERR wrong number of arguments for 'config|get' command"},
             {"CONFIG what", "-ERR unknown subcommand 'what'. Try CONFIG HELP."},
             {"CONFIG GET nosuch*", "*0"}, {"CONFIG RESETSTAT", "+OK"}, {"COMMAND DOCS", "*0"},
             {"COMMAND INFO get nosuch",
              "*2\r\n*6\r\n$3\r\nget\r\n:2\r\n*1\r\n+readonly\r\n:1\r\n:1\r\n:1\r\n*-1"},
             {"COMMAND what", "-ERR unknown subcommand 'what'. Try COMMAND HELP."},
             {"INFO nosuch", "$0\r\n"});
    static char reply[1 << 16];
    sock_send_text(fd, "COMMAND\r\n");
    sock_reply(fd, reply, sizeof reply);
    CHECK(strstr(reply, "$3\r\nget\r\n:2\r\n*1\r\n+readonly\r\n:1\r\n:1\r\n:1\r\n") != NULL);
    CHECK(sock_info(fd, "connected_clients") == 1);
    CHECK(sock_info(fd, "mm_made") > 0);
    sock_send_text(fd, "GCOLLECT\r\n");
    sock_reply(fd, reply, sizeof reply);
    CHECK(reply[0] == ':');
    if (sock_info(fd, "mm_counts_live") == 1) {
        CHECK_EQ_INT(sock_info(fd, "mm_made"),
                     sock_info(fd, "mm_freed") + sock_info(fd, "mm_live"));
    }
    end();
}

/* Each that the library's own list has, with - for _, can be read, and set to what it is. */
static void every_option(const char *list) {
    const char *path = getenv("WANE_TEST_OPTIONS");
    FILE *f = path == NULL ? NULL : fopen(path, "re");
    char line[256];
    int n = 0;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        char name[64] = "gc-";
        if (sscanf(line, " X(%59[a-z0-9_],", name + 3) != 1) {
            continue;
        }
        for (char *p = name; *p != '\0'; p++) {
            *p = *p == '_' ? '-' : *p;
        }
        const char *at = strstr(list, name);
        CHECK_MSG(at != NULL, "CONFIG GET gc-* has no %s", name);
        char request[128];
        const char *value = strchr(strchr(at, '$'), '\n') + 1;
        snprintf(request, sizeof request, "CONFIG SET %s %.*s\r\n", name, (int)strcspn(value, "\r"),
                 value);
        sock_ask(fd, request, "+OK\r\n");
        n++;
    }
    if (f != NULL) {
        fclose(f);
        CHECK(n > 5);
    }
}

TEST(options_of_the_back_end) {
    start();
    static char list[1 << 14];
    sock_send_text(fd, "CONFIG GET gc-*\r\n");
    sock_reply(fd, list, sizeof list);
    if (strstr(list, "gc-stall-limit-us") != NULL) {
        DIALOGUE({"CONFIG SET gc-stall-limit-us 500", "+OK"},
                 {"CONFIG GET gc-stall-limit-us", "*2\r\n$17\r\ngc-stall-limit-us\r\n$3\r\n500"},
                 {"CONFIG SET gc-stall-limit-us -1",
                  "-ERR CONFIG SET failed (possibly related to argument 'gc-stall-limit-us')"});
        every_option(list);
    }
    end();
}

TEST(publish_and_subscribe) {
    start();
    int other = sock_open(&server);
    DIALOGUE({"PUBLISH c m", ":0"},
             {"SUBSCRIBE c d",
              "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nd\r\n:2"},
             {"SUBSCRIBE c", "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:2"},
             {"PING", "*2\r\n$4\r\npong\r\n$0\r\n"},
             {"GET a", "-ERR Can't execute 'get': only SUBSCRIBE / UNSUBSCRIBE / PING / QUIT are "
                       "allowed in this context"});
    sock_ask(other, "PUBLISH c hello\r\nPUBLISH d you\r\nPUBLISH e x\r\n", ":1\r\n:1\r\n:0\r\n");
    sock_ask(fd, "",
             "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n*3\r\n$7\r\nmessage\r\n$1\r\nd\r\n$"
             "3\r\nyou\r\n");
    DIALOGUE({"UNSUBSCRIBE c", "*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:1"},
             {"UNSUBSCRIBE zzz", "*3\r\n$11\r\nunsubscribe\r\n$3\r\nzzz\r\n:1"});
    sock_ask(other, "PUBLISH c hello\r\nPUBLISH d you\r\n", ":0\r\n:1\r\n");
    sock_ask(fd, "", "*3\r\n$7\r\nmessage\r\n$1\r\nd\r\n$3\r\nyou\r\n");
    DIALOGUE({"UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$1\r\nd\r\n:0"},
             {"UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0"}, {"PING", "+PONG"},
             {"SET a b", "+OK"});
    CHECK_EQ_INT(sock_info(other, "pubsub_channels"), 0);
    close(other);
    end();
}
