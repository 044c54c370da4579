/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * proc.h: starts a server for a test, talks to it over plain sockets, ends it. Everything fails the
 * test by itself and has a time limit; a server dies with the test that started it.
 */
#ifndef SERVER_TESTS_PROC_H
#define SERVER_TESTS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc {
    pid_t pid;
    int out; /* the server's standard output */
    int port;
};

/* options: further arguments, NULL at the end of up to 6; NULL: none. */
struct proc proc_start(const char *path, const char *const *options);
/* SIGTERM; the server must end by itself with status 0. Returns what it said, in static memory. */
const char *proc_end(struct proc *p);
void proc_kill(struct proc *p);

int sock_open(const struct proc *p);
void sock_send(int fd, const void *data, size_t size);
void sock_send_text(int fd, const char *text);
/* Exactly n bytes; false: the connection ended first. */
bool sock_read(int fd, void *ret, size_t n);
/* Everything up to the connection's end, at most size - 1 bytes and a zero. */
size_t sock_read_all(int fd, char *ret, size_t size);
/* One whole reply of any type into ret, zero behind it. Returns its length. */
size_t sock_reply(int fd, char *ret, size_t size);
/* Sends `request` and checks that exactly `reply` comes back. */
void sock_ask(int fd, const char *request, const char *reply);
/* A command as words, NULL at the end. */
void sock_command(int fd, const char *const *words);
/* The number behind `name:` in INFO. */
int64_t sock_info(int fd, const char *name);

/* The server's path: from the environment variable, or skips the whole program. */
const char *server_path(const char *variable);

#endif
