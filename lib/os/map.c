/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * os/map.c: mmap, madvise, munmap.
 *
 * Reservations are MAP_NORESERVE: an arena is mostly untouched, and must not count against a limit on commitment.
 */
#include "os/map.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

static void *map(size_t size) {
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void *reserve(size_t size, size_t align) {
    /* The kernel places mappings side by side, so once one is aligned the next of that size often is. */
    char *p = map(size);
    if (p == NULL || ((uintptr_t)p & (align - 1)) == 0)
        return p;
    munmap(p, size);
    if (size + align < size)
        return NULL;
    p = map(size + align);
    if (p == NULL)
        return NULL;
    size_t before = -(uintptr_t)p & (align - 1);
    if (before != 0)
        munmap(p, before);
    if (align != before)
        munmap(p + before + size, align - before);
    return p + before;
}

void *wane__map_reserve(size_t size, size_t align) {
    int saved = errno;
    void *p = reserve(size, align);
    errno = saved;
    return p;
}

void wane__map_release(void *p, size_t size) {
    int saved = errno;
    munmap(p, size);
    errno = saved;
}

bool wane__map_discard(void *p, size_t size) {
    int saved = errno;
    bool gone = madvise(p, size, MADV_DONTNEED) == 0; /* fails for memory that is locked */
    errno = saved;
    return gone;
}
