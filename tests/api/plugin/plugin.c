// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// A plugin with a type and callbacks of its own, loaded and unloaded by dlopen.c. Built in several
// ways: see the table in meson.build.

#include "plugin.h"

#include <wane.h>

struct thing {
    wane_slot other;
    int value;
};

static size_t born, dead;

static void thing_destroy(void *self) {
    ((struct thing *)self)->value = -1;
    __atomic_fetch_add(&dead, 1, __ATOMIC_RELAXED);
}

static wane_type thing_type = {
    .name = "plugin thing",
    .size = sizeof(struct thing),
    .slots = WANE_SLOTS(struct thing, other),
    .destroy = thing_destroy,
};

static struct thing *thing_new(int value) {
    struct thing *t = wane_new(&thing_type);
    if (t != NULL) {
        t->value = value;
        __atomic_fetch_add(&born, 1, __ATOMIC_RELAXED);
    }
    return t;
}

static void *make(int value) {
    struct thing *t = thing_new(value);
    if (t != NULL) {
        wane_slot_give(&t->other, thing_new(value + 1));
    }
    return t;
}

static int value(void *obj) { return ((struct thing *)obj)->value; }
static void release(void *obj) { wane_release(obj); }

static wane_slot place;
static int deferred;
static void run_deferred(void *arg) { deferred = *(int *)arg; }

static int exercise(void) {
    static int seven = 7;
    struct thing *t = make(1);
    if (t == NULL) {
        return 1;
    }
    wane_weak *w = wane_weak_new(t, NULL, NULL);
    wane_slot_give(&place, t);
    wane_guard_enter();
    int seen = ((struct thing *)wane_slot_peek(&place))->value;
    wane_guard_leave();
    wane_release(wane_slot_load(&place));
    wane_slot_clear(&place);
    if (seen != 1 || wane_defer(run_deferred, &seven) != 0 || wane_flush() != 0) {
        return 2;
    }
    int wrong = wane_weak_get(w) != NULL || deferred != 7;
    wane_release(w);
    return wrong ? 3 : 0;
}

static int flush(void) { return wane_flush(); }
static int forget(void) { return wane_type_forget(&thing_type); }

static size_t live(void) {
    return __atomic_load_n(&born, __ATOMIC_RELAXED) - __atomic_load_n(&dead, __ATOMIC_RELAXED);
}

static const struct plugin functions = {make, value, release, exercise, flush, forget, live};

WANE_API const struct plugin *plugin_functions(void);
const struct plugin *plugin_functions(void) { return &functions; }
