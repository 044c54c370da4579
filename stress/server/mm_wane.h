/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * mm_wane.h: the back end that is libwane. Macros where the library's own macro records the place
 * of an allocation.
 */
#ifndef MM_WANE_H
#define MM_WANE_H

#include <stdatomic.h>

#include <wane.h>

/* Whether this libwane collects cycles: wane.h brings in the collector's header when it is there. */
#ifdef WANE_GC_H
#define MM_WANE_GC 1
#else
#define MM_WANE_GC 0
#endif

#define MM_BACKEND "libwane"
#define MM_COLLECTS MM_WANE_GC
#define MM_COUNTS_LIVE 1
#define MM_SLOTS(...) WANE_SLOTS(__VA_ARGS__)
#define MM_EXTRA_SLOTS WANE_TYPE_EXTRA_SLOTS

typedef wane_type mm_type;
typedef wane_slot mm_slot;

#define mm_new(type) wane_new(type)
#define mm_new_extra(type, extra) wane_new_extra((type), (extra))
#define mm_retain(obj) wane_retain(obj)
#define mm_release(obj) wane_release(obj)
#define mm_share(obj) wane_share(obj)

#define mm_slot_init(s, obj) wane_slot_init((s), (obj))
#define mm_slot_load(s) wane_slot_load(s)
#define mm_slot_peek(s) wane_slot_peek(s)
#define mm_slot_held(s) wane_slot_peek(s)
#define mm_slot_store(s, obj) wane_slot_store((s), (obj))
#define mm_slot_give(s, obj) wane_slot_give((s), (obj))
#define mm_slot_take(s) wane_slot_take(s)
#define mm_slot_clear(s) wane_slot_clear(s)
#define mm_slot_cas(s, expected, desired) wane_slot_cas((s), (expected), (desired))

#define mm_guard_enter() wane_guard_enter()
#define mm_guard_leave() wane_guard_leave()
#define mm_poll() ((void)wane_poll())
#define mm_flush() ((void)wane_flush())

#endif
