/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * api/inline.c: the exported bodies of the inline functions, for compilers that do not inline them.
 */
#pragma GCC diagnostic ignored "-Wmissing-prototypes" /* the definition in the header is the prototype */
#include "base/sanitize.h"

#define WANE__EMIT
#define wane__told_acquire(p) (__tsan_acquire != NULL ? __tsan_acquire(p) : (void)0)
#define wane__told_release(p) (__tsan_release != NULL ? __tsan_release(p) : (void)0)
#include <wane.h>

#define TEXT(x) TEXT_OF(x)
#define TEXT_OF(x) #x

const char *wane_version(void) {
    return TEXT(WANE_VERSION_MAJOR) "." TEXT(WANE_VERSION_MINOR) "." TEXT(WANE_VERSION_PATCH);
}
