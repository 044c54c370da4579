// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Plugins that use the library, loaded and unloaded. This program is not linked with it: the plugin
// brings the library in, so that its thread-local pointer is allotted at dlopen. The program that
// is linked with it as well is the same source with PLUGIN_HOST_LINKED.

#include "plugin/plugin.h"

#include "harness.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#ifdef PLUGIN_HOST_LINKED
#include <wane.h>
#endif

static const char *plugin_path(const char *variable) {
    const char *path = getenv(variable);
    CHECK_MSG(path != NULL, "%s is not set", variable);
    return path;
}

static void *load(const char *path, const struct plugin **ret_functions) {
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK_MSG(handle != NULL, "%s", dlerror());
    plugin_table *table;
    void *symbol = dlsym(handle, PLUGIN_SYMBOL);
    CHECK(symbol != NULL);
    *(void **)&table = symbol;
    *ret_functions = table();
    return handle;
}

static const struct plugin *shared_functions;

static void *use_in_thread(void *obj) {
    CHECK_EQ_INT(shared_functions->value(obj), 5);
    shared_functions->release(obj);
    CHECK_EQ_INT(shared_functions->exercise(), 0);
    return NULL;
}

static void use(const struct plugin *p) {
    shared_functions = p;
    for (int i = 0; i < 100; i++) {
        CHECK_EQ_INT(p->exercise(), 0);
    }
    pthread_t t;
    CHECK_EQ_INT(pthread_create(&t, NULL, use_in_thread, p->make(5)), 0);
    pthread_join(t, NULL);
    CHECK_EQ_INT(p->flush(), 0);
    CHECK_EQ_UINT(p->live(), 0);
}

// Loaded, used, its types forgotten, unloaded: again and again at the same or another address.
TEST(forget_and_unload) {
    for (int i = 0; i < 50; i++) {
        const struct plugin *p;
        void *handle = load(plugin_path("PLUGIN"), &p);
        use(p);
        void *kept = p->make(3);
        CHECK(p->forget() != 0);
        p->release(kept);
        CHECK_EQ_INT(p->flush(), 0);
        CHECK_EQ_UINT(p->live(), 0);
        CHECK_EQ_INT(p->forget(), 0);
        CHECK_EQ_INT(dlclose(handle), 0);
    }
}

static pthread_barrier_t step;

static void *live_through_unload(void *unused) {
    CHECK_EQ_INT(shared_functions->exercise(), 0);
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    // Exits, attached to a library that nobody has loaded any more: it must still be there.
    return unused;
}

TEST(a_thread_outlives_the_plugin) {
    for (int i = 0; i < 10; i++) {
        const struct plugin *p;
        void *handle = load(plugin_path("PLUGIN"), &p);
        shared_functions = p;
        pthread_barrier_init(&step, NULL, 2);
        pthread_t t;
        CHECK_EQ_INT(pthread_create(&t, NULL, live_through_unload, NULL), 0);
        pthread_barrier_wait(&step);
        CHECK_EQ_INT(p->flush(), 0);
        CHECK_EQ_INT(p->forget(), 0);
        CHECK_EQ_INT(dlclose(handle), 0);
        pthread_barrier_wait(&step);
        pthread_join(t, NULL);
        pthread_barrier_destroy(&step);
    }
}

// Linked with -z nodelete it stays, and keeps what it had.
TEST(a_plugin_that_stays) {
    for (int i = 0; i < 20; i++) {
        const struct plugin *p;
        void *handle = load(plugin_path("PLUGIN_NODELETE"), &p);
        use(p);
        CHECK_EQ_INT(dlclose(handle), 0);
    }
}

// A plugin with a copy of the library inside: two copies in one process do not disturb each other.
TEST(a_second_copy) {
    const struct plugin *first, *second;
    void *handle = load(plugin_path("PLUGIN"), &first);
    load(plugin_path("PLUGIN_COPY"), &second);
    for (int i = 0; i < 20; i++) {
        use(first);
        use(second);
    }
    void *a = first->make(1);
    void *b = second->make(1);
    first->release(a);
    second->release(b);
    CHECK_EQ_INT(first->flush(), 0);
    CHECK_EQ_INT(second->flush(), 0);
    CHECK_EQ_UINT(first->live(), 0);
    CHECK_EQ_UINT(second->live(), 0);
    // The copy is not unloaded: it is not linked with -z nodelete, as the library itself is.
    CHECK_EQ_INT(first->forget(), 0);
    CHECK_EQ_INT(dlclose(handle), 0);
}

#ifdef PLUGIN_HOST_LINKED
static wane_type host_type = {.name = "host thing", .size = 8};

TEST(host_and_plugin_share_objects) {
    const struct plugin *p;
    void *handle = load(plugin_path("PLUGIN"), &p);
    wane_slot place = WANE_SLOT_EMPTY;
    void *mine = wane_new(&host_type);
    p->release(wane_retain(mine));
    void *theirs = p->make(8);
    wane_slot_store(&place, theirs);
    wane_release(theirs);
    CHECK_EQ_UINT(p->live(), 2);
    CHECK(p->forget() != 0);
    wane_slot_clear(&place);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(p->live(), 0);
    CHECK_EQ_UINT(wane_refcount(mine), 1);
    wane_release(mine);
    CHECK_EQ_INT(p->forget(), 0);
    CHECK_EQ_INT(dlclose(handle), 0);
}
#endif
