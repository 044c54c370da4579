// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Snapshots: groupings, comparison, filters, and their files: whole, damaged, on a full disk and in
// a pipe that nobody reads.

#include "api.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct leaf *make_leaf(void) { return wane_new(&leaf_type); }
static int leaf_line = __LINE__ - 1;

static struct node *make_node(void) {
    struct node *n = wane_new(&node_type);
    n->canary = NODE_CANARY;
    return n;
}

static wane_snapshot *take(void) {
    wane_snapshot *s = wane_snapshot_take();
    CHECK_MSG(s != NULL, "wane_snapshot_take: %s", strerror(errno));
    return s;
}

// Twenty leaves, three nodes, and what a snapshot says of them.
static struct leaf *leaves[20];
static struct node *nodes[3];

static void make_all(void) {
    CHECK_EQ_INT(wane_trace_start(1, 0), 0);
    for (int i = 0; i < 20; i++) {
        leaves[i] = make_leaf();
    }
    for (int i = 0; i < 3; i++) {
        nodes[i] = make_node();
    }
}

static void release_all(void) {
    for (int i = 0; i < 20; i++) {
        wane_clear(&leaves[i]);
    }
    for (int i = 0; i < 3; i++) {
        wane_clear(&nodes[i]);
    }
    wane_trace_stop();
    wane_trace_clear();
}

TEST(groupings) {
    make_all();
    wane_snapshot *s = take();
    wane_trace_line l[4];
    CHECK_EQ_INT(wane_snapshot_top(s, WANE_BY_LINE, l, 4), 2);
    CHECK_EQ_UINT(l[0].count, 20);
    CHECK_EQ_UINT(l[0].bytes, 20 * wane_sizeof(leaves[0]));
    CHECK_EQ_INT(l[0].line, leaf_line);
    CHECK(strcmp(l[0].function, "make_leaf") == 0 && strcmp(l[0].file, __FILE__) == 0);
    CHECK(l[0].type == NULL && l[0].stack == NULL && l[0].frames == 0);
    CHECK(strcmp(l[1].function, "make_node") == 0);
    CHECK_EQ_INT(wane_snapshot_top(s, WANE_BY_TYPE, l, 4), 2);
    CHECK(strcmp(l[0].type, "leaf") == 0 && strcmp(l[1].type, "node") == 0);
    CHECK(l[0].file == NULL && l[0].function == NULL && l[0].line == 0);
    CHECK_EQ_UINT(l[1].bytes, 3 * wane_sizeof(nodes[0]));
    CHECK_EQ_INT(wane_snapshot_top(s, WANE_BY_FILE, l, 4), 1);
    CHECK_EQ_UINT(l[0].count, 23);
    CHECK(l[0].function == NULL && l[0].type == NULL && l[0].line == 0);
    CHECK_EQ_INT(wane_snapshot_top(s, WANE_BY_STACK, l, 1), 2);
    CHECK(strcmp(l[0].function, "make_leaf") == 0);
    CHECK_EQ_INT(wane_snapshot_top(s, WANE_BY_LINE, NULL, 0), 2);
    CHECK_EQ_INT(wane_snapshot_top(s, WANE_BY_LINE, NULL, 1), -EINVAL);
    CHECK_EQ_INT(wane_snapshot_top(s, 4, l, 4), -EINVAL);
    CHECK_EQ_INT(wane_snapshot_top(s, -1, l, 4), -EINVAL);
    CHECK_EQ_INT(wane_snapshot_top(NULL, WANE_BY_LINE, l, 4), -EINVAL);
    release_all();
    // It stays what it was, and what is taken now is empty.
    CHECK_EQ_INT(wane_snapshot_top(s, WANE_BY_TYPE, l, 4), 2);
    wane_release(s);
    s = take();
    CHECK_EQ_INT(wane_snapshot_top(s, WANE_BY_LINE, l, 4), 0);
    wane_release(s);
}

static const wane_site one = {"same.c", 7, "one"}, another = {"same.c", 7, "another"};

TEST(functions_of_one_line_stay_apart) {
    CHECK_EQ_INT(wane_trace_start(1, 0), 0);
    void *a = wane_new_at(&leaf_type, 0, &one), *b = wane_new_at(&leaf_type, 0, &another);
    wane_snapshot *s = take();
    wane_trace_line l[2];
    CHECK_EQ_INT(wane_snapshot_top(s, WANE_BY_LINE, l, 2), 2);
    CHECK_EQ_INT(wane_snapshot_top(s, WANE_BY_FILE, l, 2), 1);
    wane_release(s);
    wane_release(a);
    wane_release(b);
    wane_trace_stop();
}

TEST(comparison) {
    CHECK_EQ_INT(wane_trace_start(1, 0), 0);
    struct leaf *gone = wane_new(&leaf_type);
    int gone_line = __LINE__ - 1;
    struct leaf *kept = wane_new(&leaf_type);
    size_t size = wane_sizeof(kept);
    wane_snapshot *before = take();
    wane_release(gone);
    for (int i = 0; i < 20; i++) {
        leaves[i] = make_leaf();
    }
    wane_snapshot *now = take();
    wane_trace_diff d[4];
    CHECK_EQ_INT(wane_snapshot_compare(now, before, WANE_BY_LINE, d, 4), 2);
    CHECK_EQ_INT(d[0].bytes, (ptrdiff_t)(20 * size));
    CHECK_EQ_INT(d[0].count, 20);
    CHECK_EQ_INT(d[0].now.line, leaf_line);
    CHECK_EQ_UINT(d[0].now.count, 20);
    CHECK_EQ_INT(d[1].bytes, -(ptrdiff_t)size);
    CHECK_EQ_INT(d[1].count, -1);
    CHECK_EQ_UINT(d[1].now.bytes, 0);
    CHECK_EQ_UINT(d[1].now.count, 0);
    CHECK_EQ_INT(d[1].now.line, gone_line);
    CHECK_EQ_INT(wane_snapshot_compare(now, before, WANE_BY_TYPE, d, 4), 1);
    CHECK_EQ_INT(d[0].count, 19);
    CHECK_EQ_INT(wane_snapshot_compare(now, now, WANE_BY_LINE, d, 4), 0);
    CHECK_EQ_INT(wane_snapshot_compare(now, before, 9, d, 4), -EINVAL);
    CHECK_EQ_INT(wane_snapshot_compare(now, NULL, WANE_BY_LINE, d, 4), -EINVAL);
    CHECK_EQ_INT(wane_snapshot_compare(now, before, WANE_BY_LINE, NULL, 0), 2);
    wane_release(now);
    wane_release(before);
    wane_release(kept);
    release_all();
}

TEST(filters) {
    make_all();
    wane_snapshot *s = take();
    static const struct {
        const char *pattern;
        bool keep;
        int lines;
    } cases[] = {
        {"*snapshots.c", true, 2}, {"*snapshots.c", false, 0}, {"make_leaf", true, 1},
        {"make_leaf", false, 1},   {"no*", true, 1},           {"nothing", true, 0},
        {"nothing", false, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wane_snapshot *f = wane_snapshot_filter(s, cases[i].pattern, cases[i].keep);
        CHECK(f != NULL);
        CHECK_MSG(wane_snapshot_top(f, WANE_BY_TYPE, NULL, 0) == cases[i].lines, "%s",
                  cases[i].pattern);
        wane_release(f);
    }
    wane_snapshot *f = wane_snapshot_filter(s, "leaf", true);
    wane_release(s); // its strings are its own
    wane_trace_line l;
    CHECK_EQ_INT(wane_snapshot_top(f, WANE_BY_LINE, &l, 1), 1);
    CHECK(strcmp(l.function, "make_leaf") == 0);
    CHECK(wane_snapshot_filter(NULL, "*", true) == NULL && errno == EINVAL);
    CHECK(wane_snapshot_filter(f, NULL, true) == NULL && errno == EINVAL);
    wane_release(f);
    release_all();
}

// A name in the folder for temporary files; the file is there, and empty.
static char *temporary(void) {
    static char path[4096];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/wane-snapshot-XXXXXX", folder != NULL ? folder : "/tmp");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    return path;
}

static wane_type odd_type = {.name = "a\\N\tb\nc\r\\", .size = 8};
static const wane_site odd_site = {"\\N", 1, ""};

static wane_snapshot *odd_snapshot(void) {
    CHECK_EQ_INT(wane_trace_start(1, 0), 0);
    void *a = wane_new_at(&odd_type, 0, &odd_site), *b = wane_new_at(&leaf_type, 0, NULL);
    struct leaf *c = make_leaf();
    wane_snapshot *s = take();
    wane_release(a);
    wane_release(b);
    wane_release(c);
    wane_trace_stop();
    return s;
}

TEST(what_is_written_is_read) {
    wane_snapshot *s = odd_snapshot();
    char *path = temporary();
    CHECK_EQ_INT(wane_snapshot_write(s, path), 0);
    wane_snapshot *r = wane_snapshot_read(path);
    CHECK_MSG(r != NULL, "%s", strerror(errno));
    for (int by = WANE_BY_LINE; by <= WANE_BY_STACK; by++) {
        CHECK_EQ_INT(wane_snapshot_compare(r, s, by, NULL, 0), 0);
        CHECK_EQ_INT(wane_snapshot_top(r, by, NULL, 0), wane_snapshot_top(s, by, NULL, 0));
    }
    wane_trace_line l[3];
    CHECK_EQ_INT(wane_snapshot_top(r, WANE_BY_LINE, l, 3), 3);
    int seen = 0;
    for (int i = 0; i < 3; i++) {
        seen += l[i].file == NULL && l[i].function == NULL;
        seen += l[i].file != NULL && strcmp(l[i].file, "\\N") == 0 && l[i].function[0] == '\0';
    }
    CHECK_EQ_INT(seen, 2);
    wane_release(r);
    wane_release(s);
    unlink(path);
}

static void fill(const char *path, const char *bytes, size_t n) {
    FILE *f = fopen(path, "w");
    CHECK(f != NULL && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

static void check_refused(const char *path, const char *bytes, size_t n, int error) {
    fill(path, bytes, n);
    errno = 0;
    wane_snapshot *s = wane_snapshot_read(path);
    CHECK_MSG(s == NULL && errno == error, "%s: %.*s", strerror(errno), (int)n, bytes);
}

TEST(what_is_cut_off_is_refused) {
    wane_snapshot *s = odd_snapshot();
    char *path = temporary();
    CHECK_EQ_INT(wane_snapshot_write(s, path), 0);
    wane_release(s);
    static char text[65536];
    FILE *f = fopen(path, "r");
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    for (size_t cut = 0; cut < n; cut++) {
        check_refused(path, text, cut, EBADMSG);
    }
    // Any one byte changed: refused, or read as what it says now; never worse.
    uint64_t seed = test_seed();
    for (int i = 0; i < 2000; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        size_t at = (size_t)(seed >> 33) % n;
        char before = text[at];
        text[at] = (char)(seed >> 20);
        fill(path, text, n);
        wane_release(wane_snapshot_read(path));
        text[at] = before;
    }
    unlink(path);
}

TEST(what_is_no_snapshot_is_refused) {
    static const struct {
        const char *text;
        int error;
    } cases[] = {
        {"", EBADMSG},
        {"\n", EBADMSG},
        {"wane-snapshot\t2\nsample\t0\nend\t0\n", ENOTSUP},
        {"wane-snapshot\t0\nsample\t0\nend\t0\n", EBADMSG},
        {"wane-snapshot\t1\nsample\t-1\nend\t0\n", EBADMSG},
        {"wane-snapshot\t1\nsample\t0\nend\t1\n", EBADMSG},
        {"wane-snapshot\t1\nsample\t0\nend\t0\nx", EBADMSG},
        {"wane-snapshot\t1\nsample\t0\n1\t1\t1\ta\tb\nend\t1\n", EBADMSG},
        {"wane-snapshot\t1\nsample\t0\n1\t1\t1\ta\tb\t\\x\nend\t1\n", EBADMSG},
        {"wane-snapshot\t1\nsample\t0\n1\t1\t1\ta\tb\tc\tzz\nend\t1\n", EBADMSG},
        {"wane-snapshot\t1\nsample\t0\n1\t1\t1\ta\tb\tc\t0x1\nend\t1\n", EBADMSG},
        {"wane-snapshot\t1\nsample\t0\n9223372036854775807\t1\t1\ta\tb\tc\n1\t1\t1\ta\tb\tc\nend\t2\n", EBADMSG},
        {"wane-snapshot\t1\nsample\t0\n+1\t1\t1\ta\tb\tc\nend\t1\n", EBADMSG},
        {"wane-snapshot\t1\nsample\t0\n99999999999999999999\t1\t1\ta\tb\tc\nend\t1\n", EBADMSG},
    };
    char *path = temporary();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_refused(path, cases[i].text, strlen(cases[i].text), cases[i].error);
    }
    unlink(path);
    CHECK(wane_snapshot_read(path) == NULL && errno == ENOENT);
    CHECK(wane_snapshot_read(NULL) == NULL && errno == EINVAL);
    CHECK(wane_snapshot_read("/dev/zero") == NULL && errno == EBADMSG);
    CHECK(wane_snapshot_read("/") == NULL && errno == EISDIR);
}

TEST(stacks_are_kept) {
    static const char text[] = "wane-snapshot\t1\nsample\t512\n"
                               "64\t2\t3\ta.c\tf\tleaf\tdeadbeef\t1\n"
                               "32\t1\t3\ta.c\tf\tleaf\tdeadbeef\t2\nend\t2\n";
    char *path = temporary();
    fill(path, text, sizeof text - 1);
    wane_snapshot *s = wane_snapshot_read(path);
    CHECK(s != NULL);
    wane_trace_line l[2];
    CHECK_EQ_INT(wane_snapshot_top(s, WANE_BY_LINE, l, 2), 1);
    CHECK_EQ_UINT(l[0].bytes, 96);
    CHECK_EQ_INT(wane_snapshot_top(s, WANE_BY_STACK, l, 2), 2);
    CHECK_EQ_UINT(l[0].frames, 2);
    CHECK(l[0].stack[0] == 0xdeadbeef && l[0].stack[1] == 1 && l[1].stack[1] == 2);
    wane_release(s);
    unlink(path);
}

static wane_snapshot *read_text(const char *text) {
    char *path = temporary();
    fill(path, text, strlen(text));
    wane_snapshot *s = wane_snapshot_read(path);
    CHECK_MSG(s != NULL, "%s", strerror(errno));
    unlink(path);
    return s;
}

// Rows of several types and functions whose sums are known.
TEST(sums_of_a_known_snapshot) {
    wane_snapshot *before = read_text("wane-snapshot\t1\nsample\t0\n"
                                      "30\t3\t2\ta.c\tf\tleaf\n2\t1\t5\ta.c\tg\tleaf\n"
                                      "66\t1\t1\tb.c\tf\tnode\n7\t1\t0\t\\N\t\\N\tnode\nend\t4\n");
    wane_snapshot *now = read_text("wane-snapshot\t1\nsample\t0\n"
                                   "10\t1\t2\ta.c\tf\tleaf\n20\t2\t2\ta.c\tf\tnode\n"
                                   "5002\t2\t5\ta.c\tg\tleaf\n400\t1\t578\tc.c\tf\tleaf\nend\t4\n");
    wane_trace_line l[4];
    CHECK_EQ_INT(wane_snapshot_top(before, WANE_BY_LINE, l, 4), 4);
    static const size_t lines[] = {66, 30, 7, 2}, counts[] = {1, 3, 1, 1};
    for (int i = 0; i < 4; i++) {
        CHECK_EQ_UINT(l[i].bytes, lines[i]);
        CHECK_EQ_UINT(l[i].count, counts[i]);
    }
    CHECK_EQ_INT(wane_snapshot_top(before, WANE_BY_FILE, l, 4), 3);
    CHECK(l[0].bytes == 66 && l[1].bytes == 32 && l[1].count == 4 && l[2].bytes == 7);
    CHECK(l[2].file == NULL);
    wane_trace_diff d[5];
    CHECK_EQ_INT(wane_snapshot_compare(now, before, WANE_BY_LINE, d, 5), 4);
    static const ptrdiff_t changes[] = {5000, 400, -66, -7}, more[] = {1, 1, -1, -1};
    static const size_t left[] = {5002, 400, 0, 0};
    for (int i = 0; i < 4; i++) {
        CHECK_EQ_INT(d[i].bytes, changes[i]);
        CHECK_EQ_INT(d[i].count, more[i]);
        CHECK_EQ_UINT(d[i].now.bytes, left[i]);
    }
    // The two leaves and the node of the second line are the same three objects by line, others by type.
    CHECK_EQ_INT(wane_snapshot_compare(now, before, WANE_BY_TYPE, d, 5), 2);
    CHECK(d[0].bytes == 5380 && d[0].count == 0 && strcmp(d[0].now.type, "leaf") == 0);
    CHECK(d[1].bytes == -53 && d[1].count == 0 && strcmp(d[1].now.type, "node") == 0);
    wane_release(now);
    wane_release(before);
}

TEST(files_that_cannot_be_written) {
    wane_snapshot *s = odd_snapshot();
    CHECK_EQ_INT(wane_snapshot_write(s, "/no/such/folder/file"), -ENOENT);
    CHECK_EQ_INT(wane_snapshot_write(s, NULL), -EINVAL);
    CHECK_EQ_INT(wane_snapshot_write(NULL, "/dev/null"), -EINVAL);
    if (access("/dev/full", W_OK) == 0) {
        CHECK_EQ_INT(wane_snapshot_write(s, "/dev/full"), -ENOSPC);
    }
    wane_release(s);
}

static void *close_soon(void *arg) {
    int fd = open(arg, O_RDONLY);
    CHECK(fd >= 0);
    close(fd);
    return NULL;
}

// Writes more than a pipe holds to a pipe whose reader goes away; SIGPIPE would end the test.
TEST(a_pipe_that_nobody_reads) {
    enum { SITES = 3000 };
    static char functions[SITES][64];
    static wane_site sites[SITES];
    static void *objects[SITES];
    CHECK_EQ_INT(wane_trace_start(1, 0), 0);
    for (int i = 0; i < SITES; i++) {
        snprintf(functions[i], sizeof functions[i], "a_function_with_a_long_name_%d", i);
        sites[i] = (wane_site){__FILE__, 1, functions[i]};
        objects[i] = wane_new_at(&leaf_type, 0, &sites[i]);
    }
    wane_snapshot *s = take();
    CHECK_EQ_INT(wane_snapshot_top(s, WANE_BY_LINE, NULL, 0), SITES);
    char *path = temporary();
    unlink(path);
    CHECK_EQ_INT(mkfifo(path, 0600), 0);
    pthread_t reader = api_thread(close_soon, path);
    CHECK_EQ_INT(wane_snapshot_write(s, path), -EPIPE);
    api_join(reader);
    sigset_t pending;
    sigpending(&pending);
    CHECK(!sigismember(&pending, SIGPIPE));
    unlink(path);
    wane_release(s);
    for (int i = 0; i < SITES; i++) {
        wane_release(objects[i]);
    }
    wane_trace_stop();
}
