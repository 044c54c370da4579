// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// An object of another copy of the library, which a plugin has inside: builds with full checks find out each call that
// is handed one, and name the call and the type, which only the other copy knows. So they do with what is no object.

#include "api.h"

#include "plugin/plugin.h"

#include <dlfcn.h>
#include <sys/mman.h>

static wane_slot place;

static void do_release(void *o) { wane_release(o); }
static void do_release_later(void *o) { wane_release_later(o); }
static void do_abandon(void *o) { wane_abandon(o, &leaf_type); }
static void do_clear(void *o) { wane_clear(&o); }
static void do_retain(void *o) { wane_retain(o); }
static void do_share(void *o) { wane_share(o); }
static void do_unique(void *o) { (void)wane_is_unique(o); }
static void do_immortalize(void *o) { wane_immortalize(o); }
static void do_is_immortal(void *o) { (void)wane_is_immortal(o); }
static void do_refcount(void *o) { (void)wane_refcount(o); }
static void do_typeof(void *o) { (void)wane_typeof(o); }
static void do_sizeof(void *o) { (void)wane_sizeof(o); }
static void do_note(void *o) { wane_note_external(o, 100); }
static void do_init(void *o) { wane_slot_init(&place, o); }
static void do_store(void *o) { wane_slot_store(&place, o); }
static void do_give(void *o) { wane_slot_give(&place, o); }
static void do_swap(void *o) { (void)wane_slot_swap(&place, o); }
static void do_cas(void *o) { (void)wane_slot_cas(&place, NULL, o); }
static void do_weak(void *o) { (void)wane_weak_new(o, NULL, NULL); }
static void do_get(void *o) { (void)wane_weak_get((wane_weak *)o); }
static void do_load(void *o) {
    memcpy(&place, &o, sizeof o);
    (void)wane_slot_load(&place);
}
static void do_take(void *o) {
    memcpy(&place, &o, sizeof o);
    (void)wane_slot_take(&place);
}
static void do_remove(void *o) {
    memcpy(&place, &o, sizeof o);
    wane_slot_clear(&place);
}

static const struct use {
    void (*fn)(void *o);
    const char *name;
    bool always; // in builds with pauses as well, where some are inline
} uses[] = {
    {do_release, "wane_release", false},      {do_release_later, "wane_release_later", true},
    {do_abandon, "wane_abandon", true},
    {do_clear, "wane_clear", false},          {do_retain, "wane_retain", false},
    {do_share, "wane_share", true},           {do_unique, "wane_is_unique", true},
    {do_note, "wane_note_external", true},    {do_immortalize, "wane_immortalize", true},
    {do_is_immortal, "wane_is_immortal", true}, {do_refcount, "wane_refcount", true},
    {do_typeof, "wane_typeof", true},         {do_sizeof, "wane_sizeof", true},
    {do_init, "wane_slot_init", false},       {do_store, "wane_slot_store", true},
    {do_give, "wane_slot_give", true},        {do_swap, "wane_slot_swap", true},
    {do_cas, "wane_slot_cas", true},          {do_weak, "wane_weak_new", true},
    {do_get, "wane_weak_get", true},          {do_load, "wane_slot_load", false},
    {do_take, "wane_slot_swap", true},        {do_remove, "wane_slot_give", true},
};

static void check_uses(void *o, const char *what, const char *type) {
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        if (uses[i].always || !TEST_PAUSES) {
            char line[200];
            snprintf(line, sizeof line, "%s: %s%p%s", uses[i].name, type != NULL ? "object " : "", o, what);
            api_dies_with(uses[i].fn, o, line, type, NULL);
        }
    }
}

TEST(an_object_of_another_copy) {
    if (TEST_CHECKS < 2) {
        SKIP("found by full checks");
    }
    const char *path = getenv("PLUGIN_COPY");
    CHECK_MSG(path != NULL, "PLUGIN_COPY is not set");
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK_MSG(handle != NULL, "%s", dlerror());
    plugin_table *table;
    void *symbol = dlsym(handle, PLUGIN_SYMBOL);
    CHECK(symbol != NULL);
    *(void **)&table = symbol;
    const struct plugin *other = table();
    void *theirs = other->make(1);
    check_uses(theirs, " of type \"plugin thing\" belongs to another copy of the library", "plugin thing");
    // And what the other copy is handed.
    void *mine = leaf_new(1);
    api_dies_with(other->release, mine, "wane_release: object", "\"leaf\" belongs to another copy", NULL);
    wane_release(mine);
    other->release(theirs);
    CHECK_EQ_INT(other->flush(), 0);
    CHECK_EQ_UINT(other->live(), 0);
}

TEST(what_is_no_object) {
    if (TEST_CHECKS < 2) {
        SKIP("found by full checks");
    }
    static char some[100] __attribute__((aligned(16)));
    void *block = malloc(100);
    CHECK(block != NULL);
    memset(some, 0x90, sizeof some); // flags of all kinds, in place of a header
    memset(block, 0x90, 100);
    check_uses(some + 32, " is no object of this library", NULL);
    check_uses((char *)block + 32, " is no object of this library", NULL);
    free(block);
    // And what it lies in, if it were one, cannot be read.
    enum { ARENA = 32 << 20 };
    char *all = mmap(NULL, 2 * ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(all != MAP_FAILED);
    char *begin = all + (ARENA - (uintptr_t)all % ARENA) + (1 << 20);
    CHECK_EQ_INT(mprotect(begin, 4096, PROT_READ | PROT_WRITE), 0);
    check_uses(begin + 32, " is no object of this library", NULL);
    CHECK_EQ_INT(munmap(all, 2 * ARENA), 0);
}
