/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * thread/give.h: memory goes back to the system.
 */
#ifndef WANE_THREAD_GIVE_H
#define WANE_THREAD_GIVE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A round of heap/tend.h, in no bracket: what is empty for trim_delay_ms, or with `all` whatever is empty. Returns bytes for all;
 * *ret_more: there will be something after the delay. Waits for brackets and for the collector's lock, which others get between
 * its pieces.
 */
size_t wane__give_back(bool all, bool *ret_more);

#endif
