/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/annotate.h: what valgrind and the sanitizers are told about blocks and pages.
 *
 * In a program that has one of them wane__xheap_annotated is set before the first page is made, and every allocation
 * and free goes through the out-of-line paths: elsewhere the inline paths pay nothing for this.
 */
#ifndef WANE_HEAP_ANNOTATE_H
#define WANE_HEAP_ANNOTATE_H

#include "base/sanitize.h"
#include "heap/page.h"

extern uint32_t wane__xheap_annotated; /* 0 or 1 */

/*
 * 0 or 1, which is added to what pages are told about their heap: 1 makes all frees look like those into another thread's page,
 * which are out of line. Set where there are annotations or a quarantine, before the first page is made.
 */
extern uint32_t wane__xheap_odd;

void wane__annotate_init(void);

/* The block is about to be handed out and zeroed; then it is the program's. */
void wane__annotate_alloc(struct wane__header *h, size_t block_size);
void wane__annotate_allocated(struct wane__header *h, size_t payload);

/* The block is free: nobody touches its payload. */
void wane__annotate_free(struct wane__page *page, struct wane__header *h);

/* A block that was never handed out goes on a free list. */
void wane__annotate_carve(struct wane__header *h, size_t block_size);

/* All blocks of the page are free and its memory is the library's. */
void wane__annotate_page(struct wane__page *page, size_t bytes);

#endif
