/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/array.c: arrays of numbers without boxes.
 *
 * The items lie in an object of their own, in a slot: a reader in a guard keeps what it read from there, whatever the one thread that
 * changes the array does. Storage is replaced by larger storage alone, never by smaller, and the length is stored after it: whoever
 * loads the length first, and then the data, finds at least as many items as the length says.
 * The array has a slot, but no array is part of a cycle: the type is acyclic, and costs the collector nothing.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <wane.h>
#include <wane/array.h>

#define LEAST_BYTES 48

struct wane_array {
    wane_slot storage;     /* NULL: there never was an item. Changed by the thread that changes the array */
    _Atomic(size_t) xlen;  /* items; written by that thread */
    size_t room;           /* items that fit; that thread's */
    wane_item kind;        /* immutable after birth */
};

wane_type wane_array_type = {
    .name = "array",
    .size = sizeof(struct wane_array),
    .slots = WANE_SLOTS(struct wane_array, storage),
    .flags = WANE_TYPE_ACYCLIC,
};

/* The payload is the items: 16-aligned, as every object's. */
static wane_type storage_type = {.name = "array storage"};

static const unsigned char item_sizes[] = {
    [WANE_I8] = 1, [WANE_U8] = 1, [WANE_I16] = 2, [WANE_U16] = 2, [WANE_I32] = 4,
    [WANE_U32] = 4, [WANE_I64] = 8, [WANE_U64] = 8, [WANE_F32] = 4, [WANE_F64] = 8,
};

static size_t size_of(const wane_array *a) { return item_sizes[a->kind]; }

static char *data_of(const wane_array *a) { return wane_slot_peek((wane_slot *)(uintptr_t)&a->storage); }

static size_t len_of(const wane_array *a) {
    return atomic_load_explicit(&a->xlen, memory_order_acquire); /* [order:array] */
}

static void set_len(wane_array *a, size_t n) {
    atomic_store_explicit(&a->xlen, n, memory_order_release); /* [order:array] */
}

/* Storage for n items of a, zeroed. */
static void *make_storage(const wane_array *a, size_t n) {
    if (n > SIZE_MAX / 2 / size_of(a)) {
        errno = EOVERFLOW;
        return NULL;
    }
    return wane_new_extra(&storage_type, n * size_of(a));
}

wane_array *wane_array_new(wane_item kind, size_t n) {
    if ((unsigned)kind >= sizeof item_sizes) {
        errno = EINVAL;
        return NULL;
    }
    struct wane_array *a = wane_new(&wane_array_type);
    if (a == NULL)
        return NULL;
    a->kind = kind;
    int error = wane_array_resize(a, n);
    if (error != 0) {
        wane_release(a);
        errno = -error;
        return NULL;
    }
    return a;
}

wane_item wane_array_kind(const wane_array *a) { return a != NULL ? a->kind : WANE_I8; }

size_t wane_array_item_size(const wane_array *a) { return a != NULL ? size_of(a) : 0; }

size_t wane_array_len(const wane_array *a) { return a != NULL ? len_of(a) : 0; }

void *wane_array_data(wane_array *a) { return a != NULL ? data_of(a) : NULL; }

/* Room to have for n items, when items are added one by one. */
static size_t generous(const wane_array *a, size_t n) {
    size_t least = LEAST_BYTES / size_of(a), more = a->room / 2;
    size_t room = a->room <= SIZE_MAX - more ? a->room + more : n;
    room = room > least ? room : least;
    return room > n ? room : n;
}

/*
 * Puts n items in before item `at`, in new storage; the old one stays as it is while the caller is in a guard, so that
 * `items` may be in it.
 */
static int rebuild(wane_array *a, size_t room, size_t at, const void *items, size_t n) {
    size_t size = size_of(a), len = len_of(a);
    char *old = data_of(a), *fresh = make_storage(a, room);
    if (fresh == NULL)
        return -errno;
    if (at > 0)
        memcpy(fresh, old, at * size);
    if (n > 0)
        memcpy(fresh + at * size, items, n * size);
    if (len > at)
        memcpy(fresh + (at + n) * size, old + at * size, (len - at) * size);
    wane_slot_give(&a->storage, fresh);
    a->room = room;
    set_len(a, len + n);
    return 0;
}

int wane_array_reserve(wane_array *a, size_t n) {
    if (a == NULL)
        return -EINVAL;
    return n <= a->room ? 0 : rebuild(a, n, len_of(a), NULL, 0);
}

int wane_array_resize(wane_array *a, size_t n) {
    if (a == NULL)
        return -EINVAL;
    size_t len = len_of(a), size = size_of(a);
    int error = wane_array_reserve(a, n);
    if (error != 0)
        return error;
    if (n > len)
        memset(data_of(a) + len * size, 0, (n - len) * size); /* of items that were removed */
    set_len(a, n);
    return 0;
}

/* Whether items are among the array's own, so that moving these would change them. */
static bool is_own(const wane_array *a, const void *items) {
    uintptr_t first = (uintptr_t)data_of(a), at = (uintptr_t)items;
    return at - first < a->room * size_of(a);
}

static int insert(wane_array *a, size_t at, const void *items, size_t n) {
    size_t len = len_of(a), size = size_of(a);
    if (n > SIZE_MAX - len)
        return -EOVERFLOW;
    if (len + n > a->room || (at < len && is_own(a, items))) {
        wane_guard_enter();
        int error = rebuild(a, len + n > a->room ? generous(a, len + n) : a->room, at, items, n);
        wane_guard_leave();
        return error;
    }
    char *place = data_of(a) + at * size;
    memmove(place + n * size, place, (len - at) * size);
    memcpy(place, items, n * size);
    set_len(a, len + n);
    return 0;
}

int wane_array_insert(wane_array *a, size_t at, const void *items, size_t n) {
    if (a == NULL || (items == NULL && n > 0))
        return -EINVAL;
    if (at > len_of(a))
        return -ERANGE;
    return n > 0 ? insert(a, at, items, n) : 0;
}

int wane_array_extend(wane_array *a, const void *items, size_t n) {
    return wane_array_insert(a, wane_array_len(a), items, n);
}

int wane_array_append(wane_array *a, const void *item) { return wane_array_insert(a, wane_array_len(a), item, 1); }

int wane_array_remove(wane_array *a, size_t at, size_t n) {
    if (a == NULL)
        return -EINVAL;
    size_t len = len_of(a), size = size_of(a);
    if (at > len || n > len - at)
        return -ERANGE;
    if (n > 0) {
        char *place = data_of(a) + at * size;
        memmove(place, place + n * size, (len - at - n) * size);
        set_len(a, len - n);
    }
    return 0;
}

int wane_array_get(const wane_array *a, size_t at, void *ret_item) {
    if (a == NULL || ret_item == NULL)
        return -EINVAL;
    wane_guard_enter();
    bool there = at < len_of(a);
    if (there)
        memcpy(ret_item, data_of(a) + at * size_of(a), size_of(a));
    wane_guard_leave();
    return there ? 0 : -ERANGE;
}

int wane_array_set(wane_array *a, size_t at, const void *item) {
    if (a == NULL || item == NULL)
        return -EINVAL;
    if (at >= len_of(a))
        return -ERANGE;
    memcpy(data_of(a) + at * size_of(a), item, size_of(a));
    return 0;
}
