/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * trace/sites.h: the places of a program that made traced objects, by number.
 *
 * A site is static in the program, or in a module that may be unloaded while what it made lives on elsewhere. So sites
 * are copied, once each, and stay: there are as many as the program has places. They are found by the addresses of their strings and
 * the line, and compared by their texts, read anew at each birth: so another module which was loaded to the same address is another site.
 */
#ifndef WANE_TRACE_SITES_H
#define WANE_TRACE_SITES_H

#include <stdint.h>
#include <wane/object.h>

struct wane__site {
    struct wane__site *next; /* immutable, as all of it */
    wane_site key;           /* as the program has it: addresses only, they may lead nowhere now */
    wane_site copy;
    uint32_t number;
};

/* The number of a site, above 0. 0: there is none, or no memory for it. Any thread; a short lock for a new one. Not in brackets. */
uint32_t wane__site_number(const wane_site *site);

/* What has that number; its strings stay. Any thread; wait-free. */
const wane_site *wane__site_at(uint32_t number);

void wane__sites_fork_prepare(void);
void wane__sites_fork_release(void);

#endif
