/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "thread/give.h"

#include "base/option.h"
#include "heap/tend.h"
#include "os/clock.h"
#include "thread/grace.h"
#include "thread/mode.h"
#include "thread/wake.h"

static bool wait_for_brackets(void *gave_up) {
    bool clear = wane__bracket_wait_under_lock();
    if (!clear)
        *(bool *)gave_up = true;
    return clear;
}

size_t wane__give_back(bool all, bool *ret_more) {
    *ret_more = true;
    if (!wane__fences_known()) /* nothing could be given back, and a fork would wait for the lock */
        return 0;
    bool gave_up = false;
    struct wane__tend t = {.now_ns = wane__now(), .delay_ns = (uint64_t)wane__option(trim_delay_ms) * 1000000u,
                           .all = all, .waiter = wait_for_brackets, .arg = &gave_up};
    wane__heap_tend_begin(&t);
    for (;;) {
        wane__collector_lock();
        bool more = wane__heap_tend_some(&t);
        wane__collector_unlock();
        if (!more)
            break;
        wane__collector_yield();
    }
    if (unlikely(gave_up))
        wane__record_reap();
    if (all && t.left) /* the collector thread comes again for it */
        wane__tend_call();
    *ret_more = t.left;
    return all ? t.returned : 0;
}
