/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "os/doze.h"

#include "os/futex.h"

void wane__doze(int64_t ns) {
    uint32_t word = 0; /* nobody knows of it */
    wane__futex_wait(&word, 0, ns);
}
