/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * channels.c: what a subscriber sees, and when. Between the answer to SUBSCRIBE and the answer to
 * UNSUBSCRIBE it gets each message of the channel once, in the order in which the channel's other
 * subscribers get them, and none outside; what was published before a command was sent comes before
 * the command's answer. WANE_TEST_SERVER is the server's path.
 */
#include "harness.h"
#include "proc.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUBSCRIBED "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
#define UNSUBSCRIBED "*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n"

static struct proc server;

static void start(const char *threads) {
    const char *options[] = {"--threads", threads, "--strict", NULL};
    server = proc_start(server_path("WANE_TEST_SERVER"), options);
}

/* What one sends while the server stands still is there before it looks, in this order. */
static void stop_server(void) {
    kill(server.pid, SIGSTOP);
    CHECK_EQ_INT(waitpid(server.pid, NULL, WUNTRACED), server.pid);
}

static void wants(int fd, const char *want) {
    char got[512];
    size_t n = strlen(want);
    CHECK(n < sizeof got && sock_read(fd, got, n));
    got[n] = '\0';
    CHECK_EQ_STR(got, want);
}

TEST(message_comes_before_the_answers_to_later_commands) {
    start("1");
    int reader = sock_open(&server);
    int writer = sock_open(&server);
    sock_ask(reader, "SUBSCRIBE c\r\n", SUBSCRIBED);
    sock_ask(writer, "PING\r\n", "+PONG\r\n");
    stop_server();
    sock_send_text(writer, "PUBLISH c one\r\n");
    sock_send_text(reader, "PING\r\nUNSUBSCRIBE c\r\nSUBSCRIBE c\r\n");
    kill(server.pid, SIGCONT);
    wants(writer, ":1\r\n");
    wants(reader, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\none\r\n"
                  "*2\r\n$4\r\npong\r\n$0\r\n\r\n" UNSUBSCRIBED SUBSCRIBED);
    sock_ask(reader, "UNSUBSCRIBE\r\n", UNSUBSCRIBED);
    close(reader);
    close(writer);
    proc_end(&server);
}

/* One subscriber's connection, read in large pieces. */
struct reader {
    int fd;
    size_t at, end;
    char text[65536];
};

static struct reader *reader_open(void) {
    struct reader *r = calloc(1, sizeof *r);
    CHECK(r != NULL);
    r->fd = sock_open(&server);
    return r;
}

static void reader_close(struct reader *r) {
    close(r->fd);
    free(r);
}

/* A line without its end. */
static void line(struct reader *r, char ret[32]) {
    size_t n = 0;
    do {
        if (r->at == r->end) {
            ssize_t got = recv(r->fd, r->text, sizeof r->text, 0);
            CHECK_MSG(got > 0, "no answer: %s", strerror(errno));
            r->at = 0;
            r->end = (size_t)got;
        }
        CHECK(n < 32);
        ret[n] = r->text[r->at++];
    } while (ret[n++] != '\n');
    ret[n - 2] = '\0';
}

/* *3, $n word, $n channel, then a number, or $n and the message, which is returned. */
static void next(struct reader *r, char ret_word[32], char ret_text[32]) {
    char skipped[32];
    line(r, skipped);
    CHECK_EQ_STR(skipped, "*3");
    line(r, skipped);
    line(r, ret_word);
    line(r, skipped);
    line(r, skipped);
    line(r, ret_text);
    if (*ret_text == '$') {
        line(r, ret_text);
    }
}

#define PUBLISHERS 4
static bool _Atomic stop;

struct publisher {
    unsigned id;
    unsigned most; /* messages; 0: until `stop` */
    pthread_t thread;
};

static void *publish(void *arg) {
    struct publisher *p = arg;
    int fd = sock_open(&server);
    for (unsigned n = 1; !atomic_load(&stop) && (p->most == 0 || n <= p->most); n++) {
        char text[64];
        char reply[32];
        snprintf(text, sizeof text, "PUBLISH c %u:%u\r\n", p->id, n);
        sock_send_text(fd, text);
        sock_reply(fd, reply, sizeof reply);
    }
    close(fd);
    return NULL;
}

static void publishers_start(struct publisher all[PUBLISHERS], unsigned most) {
    atomic_store(&stop, false);
    for (unsigned i = 0; i < PUBLISHERS; i++) {
        all[i] = (struct publisher){.id = i, .most = most};
        CHECK_EQ_INT(pthread_create(&all[i].thread, NULL, publish, &all[i]), 0);
    }
}

static void publishers_join(struct publisher all[PUBLISHERS]) {
    for (unsigned i = 0; i < PUBLISHERS; i++) {
        pthread_join(all[i].thread, NULL);
    }
}

struct seen {
    bool subscribed;
    unsigned last[PUBLISHERS]; /* 0: none since the subscription */
};

/* Takes one reply. True: it was the answer to a command. */
static bool follow(struct reader *r, struct seen *s) {
    char word[32];
    char text[32];
    next(r, word, text);
    if (strcmp(word, "message") != 0) {
        CHECK_EQ_STR(word, s->subscribed ? "unsubscribe" : "subscribe");
        *s = (struct seen){.subscribed = !s->subscribed};
        return true;
    }
    unsigned id;
    unsigned n;
    CHECK(sscanf(text, "%u:%u", &id, &n) == 2 && id < PUBLISHERS);
    CHECK_MSG(s->subscribed, "message %s came to one who had left", text);
    CHECK_MSG(s->last[id] == 0 || s->last[id] + 1 == n, "message %s came after %u", text,
              s->last[id]);
    s->last[id] = n;
    return false;
}

#define PAIRS 20

TEST(no_message_is_lost_or_too_late) {
    start("4");
    struct publisher all[PUBLISHERS];
    struct reader *r = reader_open();
    struct seen s = {0};
    sock_send_text(r->fd, "SUBSCRIBE c\r\n");
    CHECK(follow(r, &s));
    publishers_start(all, 0);
    int rounds = (TEST_TSAN || TEST_ASAN ? 100 : 300) * (int)test_scale();
    for (int round = 0; round < rounds; round++) {
        static const char pair[] = "UNSUBSCRIBE c\r\nSUBSCRIBE c\r\n";
        char text[PAIRS * sizeof pair] = "";
        for (int i = 0; i < PAIRS; i++) {
            memcpy(text + (size_t)i * (sizeof pair - 1), pair, sizeof pair);
        }
        sock_send_text(r->fd, text);
        for (int left = 2 * PAIRS; left > 0;) {
            left -= follow(r, &s);
        }
        for (int i = 0; i < 20; i++) {
            follow(r, &s);
        }
    }
    sock_send_text(r->fd, "UNSUBSCRIBE c\r\n");
    while (!follow(r, &s)) {
    }
    sock_send_text(r->fd, "PING\r\n");
    char text[32];
    line(r, text);
    CHECK_EQ_STR(text, "+PONG");
    atomic_store(&stop, true);
    publishers_join(all);
    reader_close(r);
    proc_end(&server);
}

#define READERS 6
#define MESSAGES 2000

struct order {
    struct reader *r;
    char (*text)[16]; /* PUBLISHERS * MESSAGES */
    pthread_t thread;
};

static void *read_order(void *arg) {
    struct order *o = arg;
    for (size_t i = 0; i < PUBLISHERS * MESSAGES; i++) {
        char word[32];
        char text[32];
        next(o->r, word, text);
        CHECK_EQ_STR(word, "message");
        snprintf(o->text[i], sizeof o->text[i], "%.15s", text);
    }
    return NULL;
}

TEST(all_subscribers_see_one_order) {
    start("4");
    struct publisher all[PUBLISHERS];
    struct order order[READERS];
    for (size_t i = 0; i < READERS; i++) {
        order[i].r = reader_open();
        order[i].text = calloc(PUBLISHERS * MESSAGES, sizeof order[i].text[0]);
        CHECK(order[i].text != NULL);
        sock_ask(order[i].r->fd, "SUBSCRIBE c\r\n", SUBSCRIBED);
        CHECK_EQ_INT(pthread_create(&order[i].thread, NULL, read_order, &order[i]), 0);
    }
    publishers_start(all, MESSAGES);
    publishers_join(all);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(order[i].thread, NULL);
        sock_ask(order[i].r->fd, "UNSUBSCRIBE\r\n", UNSUBSCRIBED);
        for (size_t k = 0; k < PUBLISHERS * MESSAGES; k++) {
            CHECK_MSG(strcmp(order[0].text[k], order[i].text[k]) == 0,
                      "message %zu is %s for one and %s for another subscriber", k,
                      order[0].text[k], order[i].text[k]);
        }
    }
    for (size_t i = 0; i < READERS; i++) {
        free(order[i].text);
        reader_close(order[i].r);
    }
    proc_end(&server);
}
