/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * mm_gc.c: allocation, threads and figures for the bdwgc back end. How many objects are alive
 * nobody knows but the collector; counting deaths would need a finalizer an object, which no user
 * of it would pay for.
 */
#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include "mm.h"

#include <gc.h>
#include <pthread.h>
#include <string.h>

__attribute__((constructor)) static void start(void) {
    GC_INIT();
    GC_allow_register_threads();
}

static void call_destroy(void *obj, void *type) { ((const mm_type *)type)->destroy(obj); }

void *mm_new_extra(const mm_type *type, size_t extra) {
    size_t bytes = type->size + extra;
    void *obj;
    if (type->slots != NULL || type->flags & MM_EXTRA_SLOTS) {
        obj = GC_MALLOC(bytes);
    } else {
        obj = GC_MALLOC_ATOMIC(bytes > 0 ? bytes : 1);
        if (obj != NULL) {
            memset(obj, 0, bytes);
        }
    }
    if (obj == NULL) {
        return NULL;
    }
    if (type->destroy != NULL) {
        GC_register_finalizer_no_order(obj, call_destroy, (void *)(uintptr_t)type, NULL, NULL);
    }
    atomic_fetch_add_explicit(&mm_shard_of_thread()->made, 1, memory_order_relaxed);
    return obj;
}

void mm_thread_enter(void) {
    struct GC_stack_base base;
    GC_get_stack_base(&base);
    GC_register_my_thread(&base);
}

void mm_thread_exit(void) { GC_unregister_my_thread(); }

size_t mm_collect(void) {
    GC_gcollect_and_unmap();
    return 0;
}

uint64_t mm_finish(void) {
    GC_gcollect_and_unmap();
    return 0;
}

void *mm_root_new(size_t size) { return GC_MALLOC_UNCOLLECTABLE(size); }
void mm_root_free(void *root) { GC_FREE(root); }

void mm_stats_get(struct mm_stats *ret) {
    *ret = (struct mm_stats){0};
    mm_shards_sum(ret);
    ret->live = 0;
    ret->heap_bytes = GC_get_heap_size() - GC_get_unmapped_bytes();
    ret->live_bytes = GC_get_heap_size() - GC_get_free_bytes();
    ret->collections = GC_get_gc_no();
}

void mm_stats_each(mm_stats_fn *fn, void *arg) {
    fn("heap_bytes", GC_get_heap_size() - GC_get_unmapped_bytes(), arg);
    fn("live_bytes", GC_get_heap_size() - GC_get_free_bytes(), arg);
    fn("bytes_since_collection", GC_get_bytes_since_gc(), arg);
    fn("collections", GC_get_gc_no(), arg);
}

static const char *const names[] = {"free_space_divisor", "full_freq"};

const char *mm_option_name(size_t i) {
    return i < sizeof names / sizeof names[0] ? names[i] : NULL;
}

bool mm_option_get(const char *name, int64_t *ret) {
    if (strcmp(name, names[0]) == 0) {
        *ret = (int64_t)GC_get_free_space_divisor();
        return true;
    }
    if (strcmp(name, names[1]) == 0) {
        *ret = GC_get_full_freq();
        return true;
    }
    return false;
}

bool mm_option_set(const char *name, int64_t value) {
    if (value < 1 || value > 1000) {
        return false;
    }
    if (strcmp(name, names[0]) == 0) {
        GC_set_free_space_divisor((GC_word)value);
        return true;
    }
    if (strcmp(name, names[1]) == 0) {
        GC_set_full_freq((int)value);
        return true;
    }
    return false;
}
