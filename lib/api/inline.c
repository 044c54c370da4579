/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * api/inline.c: the exported bodies of the inline functions, for compilers that do not inline them.
 */
#pragma GCC diagnostic ignored "-Wmissing-prototypes" /* the definition in the header is the prototype */
#define WANE__EMIT
#include <wane.h>

#define TEXT(x) TEXT_OF(x)
#define TEXT_OF(x) #x

const char *wane_version(void) {
    return TEXT(WANE_VERSION_MAJOR) "." TEXT(WANE_VERSION_MINOR) "." TEXT(WANE_VERSION_PATCH);
}
