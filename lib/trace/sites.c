/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * trace/sites.c: a table of chains that only grow, read without a lock, and the sites by number, in parts that stay.
 */
#include "trace/sites.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/lock.h"

enum { CHAINS = 4096, PART = 1024, PARTS = 4096 };

static struct wane__site *xchains[CHAINS];       /* written under the lock */
static const struct wane__site **xparts[PARTS]; /* written under the lock */
static uint32_t used;                            /* guarded by the lock */
static struct wane__mutex lock = WANE__MUTEX(WANE__RANK_SITES);

static const wane_site nowhere;

static struct wane__site **chain_of(const wane_site *s) {
    uint64_t x = ((uint64_t)(uintptr_t)s->file * 31 + (uint64_t)(uintptr_t)s->function) * 31 + (uint64_t)s->line;
    return &xchains[(x * 0x9E3779B97F4A7C15u) >> 52];
}

static bool same_text(const char *a, const char *b) { return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0; }

/* The addresses first, which nearly always decide. Then the texts: another module may lie where one was that is unloaded. */
static bool is_of(const struct wane__site *at, const wane_site *s) {
    return at->key.file == s->file && at->key.function == s->function && at->key.line == s->line &&
           same_text(at->copy.function, s->function) && same_text(at->copy.file, s->file);
}

static const struct wane__site *find(struct wane__site **chain, const wane_site *s) {
    const struct wane__site *at = load_acquire(chain); /* [order:site] */
    while (at != NULL && !is_of(at, s))
        at = at->next;
    return at;
}

static bool copy_text(const char **to, const char *from) {
    *to = from != NULL ? strdup(from) : NULL;
    return from == NULL || *to != NULL;
}

static void discard(struct wane__site *site) {
    if (site == NULL)
        return;
    free((char *)(uintptr_t)site->copy.file);
    free((char *)(uintptr_t)site->copy.function);
    free(site);
}

/* Its place among the numbers; NULL when there is none. */
static const struct wane__site **place_locked(uint32_t number) {
    if (number / PART >= PARTS)
        return NULL;
    const struct wane__site **part = load_relaxed(&xparts[number / PART]);
    if (part == NULL && (part = calloc(PART, sizeof *part)) != NULL)
        store_release(&xparts[number / PART], part); /* [order:site] */
    return part != NULL ? &part[number % PART] : NULL;
}

static const struct wane__site *add_locked(struct wane__site **chain, const wane_site *s) {
    const struct wane__site **place = place_locked(used + 1);
    struct wane__site *site = place != NULL ? calloc(1, sizeof *site) : NULL;
    if (site == NULL || !copy_text(&site->copy.file, s->file) || !copy_text(&site->copy.function, s->function)) {
        discard(site);
        return NULL;
    }
    site->key = *s;
    site->copy.line = s->line;
    site->number = ++used;
    site->next = load_relaxed(chain);
    store_release(place, site); /* [order:site] */
    store_release(chain, site); /* [order:site] */
    return site;
}

uint32_t wane__site_number(const wane_site *s) {
    if (s == NULL)
        return 0;
    struct wane__site **chain = chain_of(s);
    const struct wane__site *found = find(chain, s);
    if (unlikely(found == NULL)) {
        wane__mutex_lock(&lock);
        found = find(chain, s);
        if (found == NULL)
            found = add_locked(chain, s);
        wane__mutex_unlock(&lock);
    }
    return found != NULL ? found->number : 0;
}

const wane_site *wane__site_at(uint32_t number) {
    if (number == 0 || number / PART >= PARTS)
        return &nowhere;
    const struct wane__site **part = load_acquire(&xparts[number / PART]); /* [order:site] */
    const struct wane__site *site = part != NULL ? load_acquire(&part[number % PART]) : NULL; /* [order:site] */
    return site != NULL ? &site->copy : &nowhere;
}

void wane__sites_fork_prepare(void) { wane__mutex_lock(&lock); }
void wane__sites_fork_release(void) { wane__mutex_unlock(&lock); }
