/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/int.c: boxed integers.
 *
 * Small ones are those up to the option small_int_max, which is read once.
 *
 * A small one is made when it is first asked for, and stays: the table has it from the compare-and-swap on, which decides
 * between threads that made the same one, and it is immortal a moment later. Until then the table's unit holds it.
 */
#include <errno.h>
#include <stdatomic.h>
#include <wane.h>
#include <wane/int.h>

#define SMALL_LEAST (-5)
#define SMALL_MOST 256    /* unless the option says otherwise */
#define SMALL_LIMIT 65535

struct wane_int {
    int64_t value; /* immutable after birth */
};

wane_type wane_int_type = {.name = "int", .size = sizeof(struct wane_int)};

static _Atomic(struct wane_int *) xsmall[SMALL_LIMIT - SMALL_LEAST + 1]; /* what is not used takes no memory */
#define NOT_READ (-1)
static _Atomic(int64_t) xmost = NOT_READ; /* up to where they are small */

/* Before anything reads the environment, so that the option's variable is no stranger there. */
__attribute__((constructor)) static void register_option(void) {
    wane_option_register("small_int_max", 0, SMALL_LIMIT, SMALL_MOST); /* without memory it stays at that */
}

/* Threads that read it at the same time may read different values: the first to store decides. */
static int64_t read_most(void) {
    int64_t most = SMALL_MOST, unread = NOT_READ;
    if (wane_option_get("small_int_max", &most) != 0)
        most = SMALL_MOST;
    if (!atomic_compare_exchange_strong_explicit(&xmost, &unread, most, memory_order_relaxed, memory_order_relaxed))
        return unread;
    return most;
}

static struct wane_int *make(int64_t value) {
    struct wane_int *i = wane_new(&wane_int_type);
    if (i != NULL)
        i->value = value;
    return i;
}

static struct wane_int *make_small(int64_t value) {
    struct wane_int *made = make(value), *there = NULL;
    if (made == NULL)
        return NULL;
    if (!atomic_compare_exchange_strong_explicit(&xsmall[value - SMALL_LEAST], &there, made, memory_order_acq_rel,
                                                 memory_order_acquire)) { /* [order:value-int] */
        wane_release(made);
        return wane_retain(there);
    }
    wane_immortalize(made);
    return made;
}

wane_int *wane_int_new(int64_t value) {
    int64_t most = atomic_load_explicit(&xmost, memory_order_relaxed);
    if (most == NOT_READ)
        most = read_most();
    if (value < SMALL_LEAST || value > most)
        return make(value);
    struct wane_int *there = atomic_load_explicit(&xsmall[value - SMALL_LEAST], memory_order_acquire); /* [order:value-int] */
    return there != NULL ? wane_retain(there) : make_small(value);
}

int64_t wane_int_value(const wane_int *i) { return i != NULL ? i->value : 0; }
