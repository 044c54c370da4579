/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * trace/trace.c: tracing on and off, births and deaths of traced objects.
 *
 * A traced object carries TRACED, and a note at its place (heap/notes.h): its site's number, and the generation of
 * tracing in which it was born. Starting and clearing make a new generation: what is of an older one is not traced any
 * more, and nothing has to be visited for that. Each generation has its own sums, in a ring of four.
 *
 * Births and deaths read the state in a bracket; who changes it waits for brackets afterwards. So once a change has
 * returned nobody acts by what was before: no birth adds to sums that are cleared for the generation after next, and no thread
 * that had just chosen when to look next overwrites the 0 by which it is told to look now.
 */
#include "trace/trace.h"

#include <errno.h>
#include <stdlib.h>

#include "base/lock.h"
#include "heap/notes.h"
#include "life/traced.h"
#include "life/type.h"
#include "os/clock.h"
#include "thread/grace.h"
#include "trace/sample.h"
#include "trace/sites.h"

#define FRAMES_MAX 128
#define SUMS 4

static struct wane__mutex switching = WANE__MUTEX(WANE__RANK_TRACING); /* who starts, stops, clears */

/* Written under the lock. */
static bool xon;
static uint32_t xgeneration = 1;
static size_t xmean;

/* Of the traced objects alive, by generation. Signed: where brackets cannot be waited for, a death may come without its birth. */
static struct sums {
    int64_t xbytes, xpeak;
} sums[SUMS];

static struct sums *sums_of(uint32_t generation) { return &sums[generation % SUMS]; }

/* A note: the generation in which the object was born, and its site. */
static uint64_t note_of(uint32_t generation, uint32_t site) { return (uint64_t)generation << 32 | site; }
static uint32_t generation_of(uint64_t note) { return (uint32_t)(note >> 32); }

static int64_t weighed(size_t bytes) {
    size_t mean = load_relaxed(&xmean);
    return (int64_t)(mean == 0 ? bytes : wane__sample_round(wane__sample_weight(bytes, mean) * (double)bytes));
}

static void add(struct sums *s, int64_t bytes) {
    int64_t now = add_relaxed(&s->xbytes, bytes) + bytes, peak = load_relaxed(&s->xpeak);
    while (now > peak && !cas_relaxed(&s->xpeak, &peak, now)) {
    }
}

/*
 * When r's thread looks again at its births of that kind, which had come to so many bytes after the last that is settled. In a
 * bracket.
 */
static void choose_next(struct wane__record *r, bool tracked, uint64_t settled) {
    size_t mean = load_relaxed(&xmean);
    uint64_t next = 0;
    if (!load_relaxed(&xon)) {
        next = UINT64_MAX;
    } else if (mean > 0) {
        uint64_t *seed = &r->traced[tracked].seed;
        if (*seed == 0)
            *seed = wane__sample_seed(wane__now() ^ (uint64_t)r->id << 48 ^ (uint64_t)tracked << 47);
        next = settled + wane__sample_gap(seed, mean);
    }
    store_relaxed(&r->traced[tracked].xat, next);
}

/* In a bracket. The sums first: the child of a fork counts no death of an object whose birth it lacks. */
static void trace(struct wane__header *h, uint64_t *note, uint32_t site, size_t bytes) {
    uint32_t generation = load_acquire(&xgeneration); /* [order:traced] */
    add(sums_of(generation), weighed(bytes));
    store_relaxed(note, note_of(generation, site));
    or_acq_rel(&h->shared, WANE__TRACED); /* [order:traced] */
}

static void *tell_birth(struct wane__record *r, struct wane__header *h, bool tracked, const wane_site *site) {
    int saved = errno;
    bool on = load_relaxed(&xon);
    uint32_t number = on ? wane__site_number(site) : 0;
    uint64_t *note = on ? wane__note_make(h) : NULL;
    size_t bytes = wane__heap_block_size(h);
    wane__mark(&r->head);
    uint64_t born = load_relaxed(&r->births[tracked].xbytes);
    if (load_relaxed(&r->traced[tracked].xat) == 0 || !load_relaxed(&xon))
        choose_next(r, tracked, born - bytes);
    if (born >= load_relaxed(&r->traced[tracked].xat)) {
        if (likely(note != NULL))
            trace(h, note, number, bytes);
        choose_next(r, tracked, born);
    }
    wane__unmark(&r->head);
    errno = saved;
    return wane__payload_of(h);
}

static void tell_death(struct wane__record *r, struct wane__header *h, size_t bytes) {
    wane__mark(&r->head);
    const uint64_t *note = wane__note_of(h);
    uint32_t generation = load_acquire(&xgeneration); /* [order:traced] */
    if (note != NULL && generation_of(load_relaxed(note)) == generation)
        sub_relaxed(&sums_of(generation)->xbytes, weighed(bytes));
    wane__unmark(&r->head);
}

bool wane__trace_look(const struct wane__header *h, uint64_t w, uint32_t generation, uint32_t *ret_site) {
    if ((w & (WANE__LIVE | WANE__TRACED)) != (WANE__LIVE | WANE__TRACED))
        return false; /* static objects, too, which lie in no arena */
    const uint64_t *note = wane__note_of(h);
    if (note == NULL)
        return false;
    uint64_t said = load_relaxed(note);
    *ret_site = (uint32_t)said;
    return generation_of(said) == generation;
}

void wane__trace_check_notes(struct wane__graph *g) {
    uint32_t generation;
    size_t mean;
    wane__trace_state(&generation, &mean);
    for (size_t i = 0; i < g->n; i++) {
        uint64_t note = g->nodes[i].note;
        if (generation_of(note) != generation)
            g->nodes[i].note = 0;
    }
}

void wane__trace_state(uint32_t *ret_generation, size_t *ret_mean) {
    wane__mutex_lock(&switching);
    *ret_generation = xgeneration;
    *ret_mean = xmean;
    wane__mutex_unlock(&switching);
}

/* Under the lock. */
static void begin_generation(void) {
    uint32_t next = xgeneration + 1;
    store_relaxed(&sums_of(next)->xbytes, (int64_t)0);
    store_relaxed(&sums_of(next)->xpeak, (int64_t)0);
    store_release(&xgeneration, next); /* [order:traced] */
}

/* All threads look at their next birth. */
static void tell_all(void) {
    WANE__EACH_RECORD(r) {
        store_relaxed(&r->traced[0].xat, (uint64_t)0);
        store_relaxed(&r->traced[1].xat, (uint64_t)0);
    }
}

static int start_locked(size_t sample_bytes) {
    if (xon)
        return -EALREADY;
    store_relaxed(&xmean, sample_bytes); /* read while on, and of deaths of generations that are over */
    begin_generation();
    store_relaxed(&xon, true);
    if (!wane__bracket_wait()) {
        store_relaxed(&xon, false);
        return -EAGAIN;
    }
    tell_all();
    return 0;
}

int wane_trace_start(unsigned frames, size_t sample_bytes) {
    if (frames == 0 || frames > FRAMES_MAX)
        return -EINVAL;
    int error = 0;
    if (wane__record_attach(&error) == NULL)
        return error;
    if (frames > 1 && !wane_trace_is_on()) {
        wane__log(WANE__LOG_WARNING, "wane_trace_start: this build of the library has no call stacks, 1 frame only");
        return -ENOTSUP;
    }
    wane__mutex_lock(&switching);
    error = start_locked(sample_bytes);
    wane__mutex_unlock(&switching);
    return error;
}

void wane_trace_stop(void) {
    if (!wane_trace_is_on())
        return;
    wane__mutex_lock(&switching);
    if (xon) {
        store_relaxed(&xon, false);
        (void)wane__bracket_wait(); /* if it cannot be known, a birth that is under way may still be traced */
        tell_all();
    }
    wane__mutex_unlock(&switching);
}

void wane_trace_clear(void) {
    int error = 0;
    if (wane__record_attach(&error) == NULL)
        return;
    wane__mutex_lock(&switching);
    begin_generation();
    (void)wane__bracket_wait();
    wane__mutex_unlock(&switching);
}

/* The process's first call reads the environment. */
bool wane_trace_is_on(void) {
    int error = 0;
    (void)wane__record_attach(&error);
    return load_relaxed(&xon);
}

int wane_trace_memory(size_t *ret_current, size_t *ret_peak) {
    const struct sums *s = sums_of(load_acquire(&xgeneration)); /* [order:traced] */
    int64_t bytes = load_relaxed(&s->xbytes), peak = load_relaxed(&s->xpeak);
    bytes = bytes > 0 ? bytes : 0;
    if (ret_current != NULL)
        *ret_current = (size_t)bytes;
    if (ret_peak != NULL)
        *ret_peak = (size_t)(peak > bytes ? peak : bytes);
    return 0;
}

void wane_trace_reset_peak(void) {
    struct sums *s = sums_of(load_acquire(&xgeneration)); /* [order:traced] */
    store_relaxed(&s->xpeak, (int64_t)0);
    add(s, 0); /* a birth that came between the two raised it by itself, or is in the sum by now */
}

int wane_trace_of(const void *obj, wane_trace_line *ret) {
    if (ret == NULL)
        return -EINVAL;
    if (obj == NULL)
        return -ENOENT;
    struct wane__header *h = wane__header_of(obj);
    wane__need_alive(h, "wane_trace_of");
    uint32_t number;
    uint64_t w = load_acquire(&h->shared); /* [order:traced] */
    if (!wane__trace_look(h, w, load_relaxed(&xgeneration), &number))
        return -ENOENT;
    const wane_site *site = wane__site_at(number);
    *ret = (wane_trace_line){
        .file = site->file,
        .function = site->function,
        .line = site->line,
        .type = wane__type_of(w)->name,
        .bytes = wane__heap_block_size(h),
        .count = 1,
    };
    return 0;
}

/* WANE_TRACE=frames[,sample_bytes]. False: it is something else. */
static bool parse(const char *text, uint64_t *frames, uint64_t *sample_bytes) {
    char *end;
    *sample_bytes = 0;
    errno = 0;
    *frames = strtoull(text, &end, 10);
    bool good = *text >= '0' && *text <= '9' && *frames <= FRAMES_MAX;
    if (good && *end == ',') {
        text = end + 1;
        *sample_bytes = strtoull(text, &end, 10);
        good = *text >= '0' && *text <= '9';
    }
    return good && *end == '\0' && errno == 0;
}

/* One line, whatever is in the environment. */
static void complain(const char *text, const char *why) {
    char shown[81];
    size_t n = 0;
    for (; n + 1 < sizeof shown && text[n] != '\0'; n++)
        shown[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
    shown[n] = '\0';
    wane__log_owe_line("WANE_TRACE=%s: %s, ignored", shown, why);
}

/* There is no record yet, so there is nobody to tell and to wait for: each looks at its first birth. */
void wane__trace_init(void) {
    wane__tracer = (struct wane__tracer){.birth = tell_birth, .death = tell_death};
    const char *text = secure_getenv("WANE_TRACE");
    uint64_t frames, sample_bytes;
    if (text == NULL)
        return;
    if (!parse(text, &frames, &sample_bytes)) {
        complain(text, "not frames[,sample_bytes] with up to 128 frames");
    } else if (frames > 1) {
        complain(text, "this build of the library has no call stacks, 1 frame only");
    } else if (frames == 1) {
        store_relaxed(&xmean, (size_t)sample_bytes);
        begin_generation();
        store_relaxed(&xon, true);
    }
}

void wane__trace_fork_prepare(void) { wane__mutex_lock(&switching); }
void wane__trace_fork_release(void) { wane__mutex_unlock(&switching); }
