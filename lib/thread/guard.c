/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * thread/guard.c: what guards do off their inline path: the first call of a thread, nesting, fences, misuse.
 */
#include <wane/guard.h>

#include "base/check.h"
#include "thread/mode.h"
#include "thread/record.h"

void wane__guard_enter_slow(void) {
    struct wane__record *r = wane__record_need("wane_guard_enter");
    struct wane__thread *t = &r->head;
    if (t->nest++ > 0)
        return;
    uint64_t epoch = load_acquire(&wane__epoch); /* [order:guard] */
    store_relaxed(&t->guard, epoch);
    compiler_barrier();
    if ((epoch & WANE__EPOCH_FENCES) != 0) {
        wane__learn_fences(t);
        fence_seq_cst(); /* its partner is the fence in wane__heavy */
    }
}

void wane__guard_leave_slow(void) {
    struct wane__thread *t = wane__self;
    if (t == &wane__nobody || t->nest == 0)
        wane__fatal("wane_guard_leave: this thread is not inside a guard");
    if (--t->nest > 0)
        return;
    wane__tsan_release(&t->guard);
    store_release(&t->guard, (uint64_t)0); /* [order:guard] */
}
