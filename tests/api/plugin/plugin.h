// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// What a plugin exports to the program that loads it, as a table of functions.
#ifndef WANE_TESTS_PLUGIN_H
#define WANE_TESTS_PLUGIN_H

#include <stddef.h>

struct plugin {
    // Makes an object of the plugin's type, with `value` in it and another object in its slot.
    void *(*make)(int value);
    int (*value)(void *obj);
    void (*release)(void *obj);
    // Uses slots, guards, deferral and weak references; 0 when all was as it should be.
    int (*exercise)(void);
    int (*flush)(void);
    // Forgets the plugin's types: what wane_type_forget says.
    int (*forget)(void);
    size_t (*live)(void);
};

typedef const struct plugin *plugin_table(void);
#define PLUGIN_SYMBOL "plugin_functions"

#endif
