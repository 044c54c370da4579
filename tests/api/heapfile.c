// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// wane_heap_write: each object once with its references, beside threads that change the heap, on a
// full disk; and the leak report to a stream.

#include "api.h"

#include <stdarg.h>
#include <sys/stat.h>

static char *temporary(void) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/wane_heap_XXXXXX");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    return path;
}

static char *contents(const char *path) {
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    struct stat st;
    CHECK_EQ_INT(fstat(fileno(f), &st), 0);
    size_t n = (size_t)st.st_size;
    char *text = malloc(n + 1);
    CHECK(text != NULL);
    CHECK_EQ_UINT(fread(text, 1, n, f), n);
    text[n] = '\0';
    fclose(f);
    return text;
}

// What the file says of the whole; each line is one of those that there may be.
struct heap {
    size_t types, sites, objects, references;
    uint64_t bytes, end;
};

static void read_object(char *line, struct heap *h) {
    uint64_t address, type, bytes, units, site;
    char flags[16];
    int used = 0;
    CHECK_MSG(sscanf(line, "o\t%" SCNx64 "\t%" SCNu64 "\t%" SCNu64 "\t%" SCNu64 "\t%15[^\t\n]\t%" SCNu64 "%n", &address,
                     &type, &bytes, &units, flags, &site, &used) == 6,
              "%s", line);
    h->objects++;
    h->bytes += bytes;
    for (char *rest = line + used; *rest != '\0';) {
        char slot[64];
        CHECK_MSG(sscanf(rest, "\t%63[^\t]\t%" SCNx64 "%n", slot, &address, &used) == 2, "%s", rest);
        h->references++;
        rest += used;
    }
}

static struct heap read_heap(const char *path) {
    char *text = contents(path), *rest = text;
    struct heap h = {.end = UINT64_MAX};
    const char *first = strsep(&rest, "\n");
    CHECK_EQ_STR(first, "wane-heap\t1");
    for (char *line; rest != NULL && (line = strsep(&rest, "\n")) != NULL && rest != NULL;) {
        CHECK(h.end == UINT64_MAX); // nothing comes after the end
        h.types += line[0] == 't';
        h.sites += line[0] == 'p';
        if (line[0] == 'o') {
            read_object(line, &h);
        } else if (line[0] == 'e') {
            CHECK_EQ_INT(sscanf(line, "end\t%" SCNu64, &h.end), 1);
        }
    }
    free(text);
    CHECK_EQ_UINT(h.end, h.objects);
    return h;
}

__attribute__((format(printf, 2, 3))) static void check_line(const char *text, const char *format, ...) {
    char want[400];
    va_list ap;
    va_start(ap, format);
    vsnprintf(want, sizeof want, format, ap);
    va_end(ap);
    CHECK_MSG(strstr(text, want) != NULL, "no %s in:\n%s", want, text);
}

TEST(objects_and_references) {
    CHECK_EQ_INT(wane_trace_start(1, 0), 0);
    struct node *a = node_new(1);
    struct leaf *l = leaf_new(2), *kept = leaf_new(3);
    wane_slot_store(&a->left, l);
    wane_slot_store(&a->right, a);
    wane_immortalize(kept);
    atomic_fetch_add(&api_kept, 1);
    char *path = temporary();
    CHECK_EQ_INT(wane_heap_write(path), 0);
    struct heap h = read_heap(path);
    CHECK_EQ_UINT(h.objects, 3);
    CHECK_EQ_UINT(h.references, 2);
    CHECK_EQ_UINT(h.types, 2);
    CHECK_EQ_UINT(h.sites, 2); // of node_new and leaf_new
    CHECK_EQ_UINT(h.bytes, wane_sizeof(a) + wane_sizeof(l) + wane_sizeof(kept));
    char *text = contents(path);
    check_line(text, "\tnode\n");
    check_line(text, "\tleaf_new\n");
    check_line(text, "\tleft\t%" PRIxPTR "\tright\t%" PRIxPTR "\n", (uintptr_t)l, (uintptr_t)a);
    check_line(text, "\no\t%" PRIxPTR "\t", (uintptr_t)a);
    check_line(text, "\timmortal\t");
    free(text);
    unlink(path);
    wane_release(l);
    wane_release(a);
    CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), 1);
    CHECK_EQ_INT(wane_flush(), 0);
    wane_trace_stop();
}

TEST(many_objects) {
    enum { MANY = 30000 };
    static struct node *n[MANY];
    size_t immortals = atomic_load(&api_kept);
    for (int i = 0; i < MANY; i++) {
        n[i] = node_new((uint64_t)i);
        if (i % 2 == 1) {
            wane_slot_give(&n[i]->left, leaf_new(1));
        }
    }
    char *path = temporary();
    CHECK_EQ_INT(wane_heap_write(path), 0);
    struct heap h = read_heap(path);
    CHECK_EQ_UINT(h.objects, MANY + MANY / 2 + immortals);
    CHECK_EQ_UINT(h.references, MANY / 2);
    CHECK_EQ_UINT(h.bytes, api_stats().live_bytes);
    unlink(path);
    for (int i = 0; i < MANY; i++) {
        wane_release(n[i]);
    }
}

static _Atomic(bool) over;

static void *rewire(void *arg) {
    struct node *own = node_new(1);
    for (uint64_t i = (uintptr_t)arg; !atomic_load(&over); i++) {
        wane_slot_give(&own->left, i % 64 == 0 ? node_pair() : node_new(i));
        wane_slot_give(&own->right, i % 3 == 0 ? (void *)leaf_new(i) : NULL);
        if (i % 64 == 0) {
            usleep(100); // else garbage grows while the others wait for a processor
        }
    }
    wane_release(own);
    return NULL;
}

// Files are whole beside threads that make, change and release, collections and forks.
TEST(beside_others) {
    pthread_t threads[2];
    atomic_store(&over, false);
    for (uintptr_t i = 0; i < 2; i++) {
        threads[i] = api_thread(rewire, (void *)i);
    }
    char *path = temporary();
    for (int i = 0; i < 6; i++) {
        CHECK_EQ_INT(wane_heap_write(path), 0);
        read_heap(path);
        if (i % 3 == 0) {
            wane_gc_collect(WANE_GC_FULL);
        }
    }
    atomic_store(&over, true);
    for (int i = 0; i < 2; i++) {
        api_join(threads[i]);
    }
    unlink(path);
    wane_gc_collect(WANE_GC_FULL);
}

static void write_in_child(void *path) {
    CHECK_EQ_INT(wane_heap_write(path), 0);
    read_heap(path);
}

TEST(child_of_a_fork) {
    pthread_t thread;
    atomic_store(&over, false);
    thread = api_thread(rewire, NULL);
    char *path = temporary();
    for (int i = 0; i < 5; i++) {
        check_in_child(write_in_child, path);
    }
    atomic_store(&over, true);
    api_join(thread);
    unlink(path);
    wane_gc_collect(WANE_GC_FULL);
}

static void write_in_guard(void *unused) {
    (void)unused;
    wane_guard_enter();
    wane_heap_write("/dev/null");
}

TEST(files_that_cannot_be_written) {
    struct node *n = node_new(1);
    CHECK_EQ_INT(wane_heap_write(NULL), -EINVAL);
    CHECK_EQ_INT(wane_heap_write("/no/such/folder/file"), -ENOENT);
    if (access("/dev/full", W_OK) == 0) {
        CHECK_EQ_INT(wane_heap_write("/dev/full"), -ENOSPC);
    }
    api_dies_with(write_in_guard, NULL, "wane_heap_write inside a guard", NULL, NULL);
    wane_release(n);
}

// The leak report, to a stream.

static char *report(void) {
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    CHECK(f != NULL);
    errno = 7;
    wane_leak_report(f);
    CHECK_EQ_INT(errno, 7);
    CHECK_EQ_INT(fclose(f), 0);
    return text;
}

static wane_slot global;

// A forgotten release, an object that a global holds, one deep below it, and a cycle.
TEST(a_report_names_each_kind) {
    CHECK_EQ_INT(wane_trace_start(1, 0), 0);
    struct node *forgotten = wane_new(&node_type);
    int line = __LINE__ - 1;
    forgotten->canary = NODE_CANARY;
    struct node *top = node_new(1), *middle = node_new(2);
    wane_slot_give(&middle->right, leaf_new(3));
    wane_slot_give(&top->left, middle);
    wane_slot_give(&global, top);
    struct node *ring = node_pair();
    char *text = report();
    check_line(text, "leak: 5 objects of type \"node\" are alive, 2 of them on cycles, 3 held from outside; ");
    check_line(text, "leak:   4 of them made at ");
    check_line(text, "leak:   1 of them made at %s:%d, in %s\n", __FILE__, line, __func__);
    check_line(text, "leak: 1 objects of type \"leaf\" are alive, 0 of them on cycles, 0 held from outside; ");
    check_line(text, "leak:   one is held by an object of type \"node\", of which 1 units are held from outside\n"
                     "leak:     slot `left` -> object of type \"node\"\n"
                     "leak:     slot `right` -> object of type \"leaf\"\n");
    check_line(text, "leak: on cycles: 2 references from slot `left` of type \"node\" to type \"node\"\n");
    free(text);
    wane_trace_stop();
    wane_trace_clear();
    text = report();
    check_line(text, "leak: no object is traced; WANE_TRACE=1 ");
    free(text);
    wane_release(ring);
    wane_gc_disable();
    text = report();
    check_line(text, "leak:   2 of them are on dead cycles, or held by some, which nothing outside holds\n");
    free(text);
    wane_gc_enable();
    wane_slot_clear(&global);
    wane_release(forgotten);
    CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), 2);
    CHECK_EQ_INT(wane_flush(), 0);
    text = report();
    check_line(text, "leak: no object is alive that is not immortal");
    free(text);
    wane_leak_report(NULL);
}

// Of a long chain both the beginning and the number of the rest are told.
TEST(a_long_chain) {
    struct leaf *l = leaf_new(1);
    struct node *n = node_new(0);
    wane_slot_give(&n->right, l);
    for (int i = 1; i < 50; i++) {
        struct node *above = node_new((uint64_t)i);
        wane_slot_give(&above->left, n);
        n = above;
    }
    char *text = report();
    check_line(text, "leak:     slot `left` -> object of type \"node\"\nleak:     and 20 slots more\n");
    free(text);
    wane_release(n);
}
