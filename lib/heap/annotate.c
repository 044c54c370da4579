/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/annotate.c: see annotate.h.
 *
 * ThreadSanitizer: a block's header carries what happened before it was freed to whoever gets it next, and the page's
 * entry carries it to the next page in that place, whose blocks start elsewhere.
 */
#include "heap/annotate.h"

#ifndef WANE_HAVE_VALGRIND
#define WANE_HAVE_VALGRIND 0
#endif
#if WANE_HAVE_VALGRIND
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_MALLOCLIKE_BLOCK(p, size, redzone, zeroed) ((void)0)
#define VALGRIND_FREELIKE_BLOCK(p, redzone) ((void)0)
#define VALGRIND_MAKE_MEM_DEFINED(p, size) ((void)0)
#define VALGRIND_MAKE_MEM_UNDEFINED(p, size) ((void)0)
#endif

uint32_t wane__xheap_annotated, wane__xheap_odd;

void wane__annotate_init(void) {
    if (__asan_poison_memory_region != NULL || __tsan_acquire != NULL || RUNNING_ON_VALGRIND) {
        store_relaxed(&wane__xheap_annotated, 1u);
        store_relaxed(&wane__xheap_odd, 1u);
    }
}

void wane__annotate_alloc(struct wane__header *h, size_t block_size) {
    wane__tsan_acquire(&h->shared);
    wane__unpoison(h, block_size);
    VALGRIND_MAKE_MEM_UNDEFINED(h + 1, block_size - sizeof *h);
}

void wane__annotate_allocated(struct wane__header *h, size_t payload) {
    VALGRIND_MALLOCLIKE_BLOCK(h + 1, payload, 0, 1);
    (void)h;
    (void)payload;
}

void wane__annotate_free(struct wane__page *page, struct wane__header *h) {
    wane__tsan_release(&h->shared);
    wane__tsan_release(page);
    wane__poison(h + 1, page->xblock_size - sizeof *h);
    VALGRIND_FREELIKE_BLOCK(h + 1, 0);
}

void wane__annotate_carve(struct wane__header *h, size_t block_size) { wane__poison(h + 1, block_size - sizeof *h); }

void wane__annotate_page(struct wane__page *page, size_t bytes) {
    wane__tsan_acquire(page);
    wane__unpoison(wane__page_memory(page), bytes);
    VALGRIND_MAKE_MEM_DEFINED(wane__page_memory(page), bytes);
}
