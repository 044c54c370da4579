/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/intern.h: strings of which there is one for each sequence of bytes.
 */
#ifndef WANE_VALUE_INTERN_H
#define WANE_VALUE_INTERN_H

#include <stdatomic.h>
#include <wane/str.h>

struct wane_str {
    size_t len;              /* immutable after birth */
    _Atomic(uint64_t) xhash; /* 0: nobody has asked for it */
    _Atomic(uint8_t) xinterned; /* changes under the lock of the table */
    char bytes[];            /* immutable after birth */
};

/* The values of xinterned. What is being put may be found, and is put back if the table cannot grow. */
enum { WANE__APART, WANE__BEING_PUT, WANE__INTERNED };

/* Takes a dead string out of the table. */
void wane__intern_forget(wane_str *s);

#endif
