/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include <wane/thread.h>

#include "base/check.h"
#include "thread/record.h"

int wane_thread_attach(void) {
    int error = 0;
    return wane__record_attach(&error) != NULL ? 0 : error;
}

void wane_thread_detach(void) {
    struct wane__record *r = wane__record_self();
    if (r == NULL)
        return;
    if (r->head.nest > 0)
        wane__fatal("wane_thread_detach inside a guard");
    if (r->callbacks > 0)
        wane__fatal("wane_thread_detach inside a callback");
    wane__record_detach(r);
}
