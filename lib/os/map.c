/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * os/map.c: mmap, mremap, madvise, mincore, munmap.
 *
 * Reservations are MAP_NORESERVE: an arena is mostly untouched, and must not count against a limit on commitment.
 */
#include "os/map.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

static void *map(void *at, size_t size) {
    void *p = mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void *reserve(size_t size, size_t align) {
    /* The kernel places mappings side by side, so once one is aligned the next of that size often is. */
    char *p = map(NULL, size);
    if (p == NULL || ((uintptr_t)p & (align - 1)) == 0)
        return p;
    munmap(p, size);
    /* Below it may be room too; and there may not be enough for what is cut off in the end. */
    p = map((void *)((uintptr_t)p & ~(align - 1)), size);
    if (p == NULL || ((uintptr_t)p & (align - 1)) == 0)
        return p;
    munmap(p, size);
    if (size + align < size)
        return NULL;
    p = map(NULL, size + align);
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

void *wane__map_resize(void *p, size_t from, size_t to) {
    int saved = errno;
    void *moved = mremap(p, from, to, MREMAP_MAYMOVE);
    errno = saved;
    return moved == MAP_FAILED ? NULL : moved;
}

void wane__map_release(void *p, size_t size) {
    int saved = errno;
    munmap(p, size);
    errno = saved;
}

enum { SYSTEM_PAGE = 4096, ASK_ABOUT = 1024, ASK_FROM = 32, GAP = 8 }; /* pages */

/* How many pages from `i` on have, or have not, memory; too short a gap is no gap. */
static size_t stretch(const unsigned char *present, size_t i, size_t n) {
    size_t end = i, gap = 0;
    bool with = present[i] & 1;
    for (; end < n && (with ? gap < GAP : (present[end] & 1) == 0); end++)
        gap = (present[end] & 1) != 0 ? 0 : gap + 1;
    return end - i - (with && gap == GAP ? GAP : 0);
}

/* Pages that are not present are zero, or swapped out: the latter need to be told. */
static void zero_pages(char *p, size_t n) {
    unsigned char present[ASK_ABOUT];
    if (mincore(p, n * SYSTEM_PAGE, present) != 0) {
        memset(p, 0, n * SYSTEM_PAGE);
        return;
    }
    for (size_t i = 0, length; i < n; i += length) {
        char *begin = p + i * SYSTEM_PAGE;
        length = stretch(present, i, n);
        if ((present[i] & 1) != 0 || madvise(begin, length * SYSTEM_PAGE, MADV_DONTNEED) != 0)
            memset(begin, 0, length * SYSTEM_PAGE);
    }
}

void wane__map_zero(void *memory, size_t size) {
    char *p = memory, *end = p + size;
    if (size < (size_t)ASK_FROM * SYSTEM_PAGE) {
        memset(p, 0, size);
        return;
    }
    int saved = errno;
    size_t edge = -(uintptr_t)p & (SYSTEM_PAGE - 1);
    memset(p, 0, edge);
    p += edge;
    size_t pages = (size_t)(end - p) / SYSTEM_PAGE;
    memset(p + pages * SYSTEM_PAGE, 0, (size_t)(end - p) % SYSTEM_PAGE);
    for (size_t n; pages > 0; pages -= n, p += n * SYSTEM_PAGE) {
        n = pages < ASK_ABOUT ? pages : ASK_ABOUT;
        zero_pages(p, n);
    }
    errno = saved;
}

bool wane__map_discard(void *p, size_t size) {
    int saved = errno;
    bool gone = madvise(p, size, MADV_DONTNEED) == 0; /* fails for memory that is locked */
    errno = saved;
    return gone;
}
