/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * memory_util.h: how much memory of malloc is in use: what was not freed shows without a leak
 * checker, too.
 */
#ifndef WANE_TESTS_MEMORY_UTIL_H
#define WANE_TESTS_MEMORY_UTIL_H

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

extern __attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes(void);

static inline size_t memory_in_use(void) {
    if (__sanitizer_get_current_allocated_bytes != NULL)
        return __sanitizer_get_current_allocated_bytes();
    return mallinfo2().uordblks;
}

/* False under valgrind, or where another malloc is preloaded. */
static inline bool memory_is_counted(void) {
    size_t before = memory_in_use();
    char *p = malloc(100000);
    CHECK(p != NULL);
    memset(p, 1, 100000);
    bool counted = memory_in_use() >= before + 100000;
    free(p);
    return counted;
}

#endif
