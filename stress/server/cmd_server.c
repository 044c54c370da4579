/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * cmd_server.c: what concerns the server itself: INFO, CONFIG, COMMAND, PING and the like.
 *
 * CONFIG's gc-... parameters are the back end's options: gc-stall-limit-us is the option
 * stall_limit_us.
 */
#include "command.h"

#include <ctype.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

void cmd_ping(struct client *c) {
    if (c->n_args > 2) {
        reply_error(c, "ERR wrong number of arguments for 'ping' command");
    } else if (c->n_subs > 0) {
        reply_array(c, 2);
        reply_bulk(c, BYTES("pong"));
        reply_bulk(c, c->n_args == 2 ? c->arg[1] : BYTES(""));
    } else if (c->n_args == 2) {
        reply_bulk(c, c->arg[1]);
    } else {
        reply_status(c, "PONG");
    }
}

void cmd_echo(struct client *c) { reply_bulk(c, c->arg[1]); }

void cmd_quit(struct client *c) {
    reply_ok(c);
    c->ending = true;
}

void cmd_select(struct client *c) {
    int64_t n;
    if (!want_int(c, 1, &n)) {
        return;
    }
    if (n != 0) {
        reply_error(c, "ERR DB index is out of range");
        return;
    }
    reply_ok(c);
}

/* Everything that can be freed now is freed. Returns the number of objects that were found in dead
 * cycles. */
void cmd_gcollect(struct client *c) { reply_int(c, (int64_t)mm_collect()); }

static void line(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void line(struct buffer *b, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text - 2, format, args);
    va_end(args);
    memcpy(text + n, "\r\n", 2);
    buffer_append(b, (struct bytes){text, (size_t)n + 2});
}

static uint64_t resident_bytes(void) {
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f != NULL) {
        if (fscanf(f, "%*u %llu", &pages) != 1) {
            pages = 0;
        }
        fclose(f);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void info_server(struct buffer *b) {
    line(b, "# Server");
    line(b, "redis_version:7.0.0");
    line(b, "server_name:wane-server");
    line(b, "backend:%s", MM_BACKEND);
    line(b, "process_id:%d", (int)getpid());
    line(b, "tcp_port:%d", server_port);
    line(b, "io_threads_active:%u", n_workers);
    line(b, "uptime_in_seconds:%" PRIu64, (now_ns() / 1000000 - started_ms) / 1000);
}

static void info_clients(struct buffer *b) {
    struct counters n;
    net_count(&n);
    line(b, "# Clients");
    line(b, "connected_clients:%" PRId64, atomic_load(&n.clients));
    line(b, "maxclients:%" PRId64, atomic_load(&limits.max_clients));
    line(b, "pubsub_channels:%zu", store_count(&channels));
}

static void info_stats(struct buffer *b) {
    struct counters n;
    net_count(&n);
    line(b, "# Stats");
    line(b, "total_connections_received:%" PRIu64, atomic_load(&n.accepted));
    line(b, "total_commands_processed:%" PRIu64, atomic_load(&n.commands));
    line(b, "rejected_connections:%" PRIu64, atomic_load(&n.refused));
    line(b, "protocol_errors:%" PRIu64, atomic_load(&n.protocol_errors));
    line(b, "closed_for_output:%" PRIu64, atomic_load(&n.closed_for_output));
    line(b, "longest_batch_us:%" PRIu64, atomic_load(&n.longest_ns) / 1000);
}

static void info_memory(struct buffer *b) {
    struct mm_stats m;
    struct rusage use;
    mm_stats_get(&m);
    getrusage(RUSAGE_SELF, &use);
    line(b, "# Memory");
    line(b, "used_memory:%" PRIu64, m.live_bytes);
    line(b, "used_memory_rss:%" PRIu64, resident_bytes());
    line(b, "used_memory_peak_rss:%" PRIu64, (uint64_t)use.ru_maxrss * 1024);
}

static void info_objects(struct buffer *b) {
    struct mm_stats m;
    mm_stats_get(&m);
    line(b, "# Objects");
    line(b, "mm_collects:%d", MM_COLLECTS);
    line(b, "mm_counts_live:%d", MM_COUNTS_LIVE);
    line(b, "mm_made:%" PRIu64, m.made);
    line(b, "mm_freed:%" PRIu64, m.freed);
    line(b, "mm_live:%" PRIu64, m.live);
    line(b, "mm_live_bytes:%" PRIu64, m.live_bytes);
    line(b, "mm_heap_bytes:%" PRIu64, m.heap_bytes);
    line(b, "mm_pending:%" PRIu64, m.pending);
    line(b, "mm_collections:%" PRIu64, m.collections);
    line(b, "mm_cycles:%" PRIu64, m.cycles);
    line(b, "mm_stalls:%" PRIu64, m.stalls);
    line(b, "mm_stall_max_ns:%" PRIu64, m.stall_max_ns);
}

static void backend_line(const char *name, uint64_t value, void *arg) {
    line(arg, "%s:%" PRIu64, name, value);
}

static void info_backend(struct buffer *b) {
    line(b, "# %s", MM_BACKEND);
    mm_stats_each(backend_line, b);
}

static void info_keys(struct buffer *b) {
    line(b, "# Keyspace");
    if (store_count(&keys) > 0) {
        line(b, "db0:keys=%zu,expires=0,avg_ttl=0", store_count(&keys));
    }
}

static bool wants_section(struct client *c, const char *name) {
    for (size_t i = 1; i < c->n_args; i++) {
        if (bytes_is(c->arg[i], name) || bytes_is(c->arg[i], "all") ||
            bytes_is(c->arg[i], "default") || bytes_is(c->arg[i], "everything")) {
            return true;
        }
    }
    return c->n_args == 1;
}

void cmd_info(struct client *c) {
    static const struct {
        const char *name;
        void (*write)(struct buffer *b);
    } sections[] = {
        {"server", info_server}, {"clients", info_clients}, {"stats", info_stats},
        {"memory", info_memory}, {"objects", info_objects}, {MM_BACKEND, info_backend},
        {"keyspace", info_keys},
    };
    struct buffer b = {0};
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        if (wants_section(c, sections[i].name)) {
            if (b.end > 0) {
                line(&b, "%s", "");
            }
            sections[i].write(&b);
        }
    }
    reply_bulk(c, (struct bytes){b.at, b.end});
    buffer_free(&b);
}

/* Parameters: fixed ones that clients ask for, limits of this server, options of the back end. */
static struct {
    const char *name;
    int64_t _Atomic *value;
    int64_t most; /* the least is 1 */
} const own_params[] = {
    {"maxclients", &limits.max_clients, 1 << 20},
    /* A string's length has 32 bits, and a message is made of two arguments. */
    {"proto-max-bulk-len", &limits.max_bulk, 1 << 30},
    {"client-query-buffer-limit", &limits.max_query, INT64_C(1) << 40},
    {"client-output-limit", &limits.max_output, INT64_C(1) << 40},
};
static const char *const fixed_params[][2] = {
    {"save", ""}, {"appendonly", "no"}, {"maxmemory", "0"}, {"databases", "1"}, {"timeout", "0"},
};
#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define NAME_MAX_BYTES 64

static void option_to_param(const char *option, char ret[NAME_MAX_BYTES]) {
    snprintf(ret, NAME_MAX_BYTES, "gc-%s", option);
    for (char *p = ret; *p != '\0'; p++) {
        *p = *p == '_' ? '-' : *p;
    }
}

/* The i-th parameter and its value as text. */
static bool param_at(size_t i, char ret_name[NAME_MAX_BYTES], char ret_value[NAME_MAX_BYTES]) {
    if (i < COUNT(fixed_params)) {
        snprintf(ret_name, NAME_MAX_BYTES, "%s", fixed_params[i][0]);
        snprintf(ret_value, NAME_MAX_BYTES, "%s", fixed_params[i][1]);
        return true;
    }
    i -= COUNT(fixed_params);
    if (i < COUNT(own_params)) {
        snprintf(ret_name, NAME_MAX_BYTES, "%s", own_params[i].name);
        snprintf(ret_value, NAME_MAX_BYTES, "%" PRId64, atomic_load(own_params[i].value));
        return true;
    }
    const char *option = mm_option_name(i - COUNT(own_params));
    int64_t value = 0;
    if (option == NULL || !mm_option_get(option, &value)) {
        return false;
    }
    option_to_param(option, ret_name);
    snprintf(ret_value, NAME_MAX_BYTES, "%" PRId64, value);
    return true;
}

static bool asked_for(struct client *c, const char *name) {
    for (size_t i = 2; i < c->n_args; i++) {
        char pattern[NAME_MAX_BYTES];
        snprintf(pattern, sizeof pattern, "%.*s", (int)(c->arg[i].len < 60 ? c->arg[i].len : 60),
                 c->arg[i].at);
        if (fnmatch(pattern, name, FNM_CASEFOLD) == 0) {
            return true;
        }
    }
    return false;
}

static void config_get(struct client *c) {
    char name[NAME_MAX_BYTES];
    char value[NAME_MAX_BYTES];
    size_t n = 0;
    for (size_t i = 0; param_at(i, name, value); i++) {
        n += asked_for(c, name);
    }
    reply_array(c, n * 2);
    for (size_t i = 0; n > 0 && param_at(i, name, value); i++) {
        if (asked_for(c, name)) {
            reply_bulk(c, (struct bytes){name, strlen(name)});
            reply_bulk(c, (struct bytes){value, strlen(value)});
            n--;
        }
    }
    /* The back end's options do not go away between the two rounds. */
}

/* 1: set; 0: no such parameter; -1: not with this value. */
static int set_one(struct bytes name, struct bytes value) {
    int64_t n;
    bool number = bytes_to_int(value, &n);
    for (size_t i = 0; i < COUNT(fixed_params); i++) {
        if (bytes_is(name, fixed_params[i][0])) {
            return bytes_is(value, fixed_params[i][1]) ? 1 : -1;
        }
    }
    for (size_t i = 0; i < COUNT(own_params); i++) {
        if (bytes_is(name, own_params[i].name)) {
            if (!number || n < 1 || n > own_params[i].most) {
                return -1;
            }
            atomic_store(own_params[i].value, n);
            return 1;
        }
    }
    const char *option;
    for (size_t i = 0; (option = mm_option_name(i)) != NULL; i++) {
        char param[NAME_MAX_BYTES];
        option_to_param(option, param);
        if (bytes_is(name, param)) {
            return number && mm_option_set(option, n) ? 1 : -1;
        }
    }
    return 0;
}

static void value_of(struct bytes wanted, char ret[NAME_MAX_BYTES]) {
    char name[NAME_MAX_BYTES];
    for (size_t i = 0; param_at(i, name, ret); i++) {
        if (bytes_is(wanted, name)) {
            return;
        }
    }
    *ret = '\0';
}

#define SET_MAX 64

/* All of them or none. */
static void config_set(struct client *c) {
    char before[SET_MAX][NAME_MAX_BYTES];
    size_t n = (c->n_args - 2) / 2;
    if (n > SET_MAX) {
        reply_error(c, "ERR too many arguments for CONFIG SET");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct bytes name = c->arg[2 + 2 * i];
        value_of(name, before[i]);
        int done = set_one(name, c->arg[3 + 2 * i]);
        if (done > 0) {
            continue;
        }
        while (i-- > 0) {
            set_one(c->arg[2 + 2 * i], (struct bytes){before[i], strlen(before[i])});
        }
        reply_error(c,
                    done == 0 ? "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'"
                              : "ERR CONFIG SET failed (possibly related to argument '%.*s')",
                    (int)(name.len < 60 ? name.len : 60), name.at);
        return;
    }
    reply_ok(c);
}

/* A subcommand of `command` that has the wrong number of words, or is none. */
static void bad_subcommand(struct client *c, const char *command, const char *const *known) {
    struct bytes word = c->arg[1];
    for (; *known != NULL; known++) {
        if (bytes_is(word, *known)) {
            reply_error(c, "ERR wrong number of arguments for '%s|%s' command", command, *known);
            return;
        }
    }
    char upper[16];
    size_t n = 0;
    for (; command[n] != '\0'; n++) {
        upper[n] = (char)toupper((unsigned char)command[n]);
    }
    reply_error(c, "ERR unknown subcommand '%.*s'. Try %.*s HELP.",
                (int)(word.len < 128 ? word.len : 128), word.at, (int)n, upper);
}

void cmd_config(struct client *c) {
    if (bytes_is(c->arg[1], "get") && c->n_args >= 3) {
        config_get(c);
    } else if (bytes_is(c->arg[1], "set") && c->n_args >= 4 && c->n_args % 2 == 0) {
        config_set(c);
    } else if (bytes_is(c->arg[1], "resetstat") && c->n_args == 2) {
        net_reset_counts();
        reply_ok(c);
    } else {
        bad_subcommand(c, "config", (const char *const[]){"get", "set", "resetstat", NULL});
    }
}

static void describe(struct client *c, const struct command *k) {
    reply_array(c, 6);
    reply_bulk(c, (struct bytes){k->name, strlen(k->name)});
    reply_int(c, k->arity);
    reply_array(c, 1);
    reply_status(c, k->writes ? "write" : "readonly");
    reply_int(c, k->first);
    reply_int(c, k->last);
    reply_int(c, k->step);
}

void cmd_command(struct client *c) {
    size_t n = 0;
    while (commands[n].name != NULL) {
        n++;
    }
    bool info = c->n_args > 1 && bytes_is(c->arg[1], "info");
    if (c->n_args == 1 || (info && c->n_args == 2)) {
        reply_array(c, n);
        for (size_t i = 0; i < n; i++) {
            describe(c, &commands[i]);
        }
    } else if (info) {
        reply_array(c, c->n_args - 2);
        for (size_t i = 2; i < c->n_args; i++) {
            const struct command *k = command_find(c->arg[i]);
            if (k == NULL) {
                reply_nil_array(c);
            } else {
                describe(c, k);
            }
        }
    } else if (bytes_is(c->arg[1], "count") && c->n_args == 2) {
        reply_int(c, (int64_t)n);
    } else if (bytes_is(c->arg[1], "list") && c->n_args == 2) {
        reply_array(c, n);
        for (size_t i = 0; i < n; i++) {
            reply_bulk(c, (struct bytes){commands[i].name, strlen(commands[i].name)});
        }
    } else if (bytes_is(c->arg[1], "docs")) {
        reply_array(c, 0);
    } else {
        bad_subcommand(c, "command", (const char *const[]){"count", "list", NULL});
    }
}
