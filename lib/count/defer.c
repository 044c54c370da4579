/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "count/defer.h"

/* Deferred units need no barrier that many could share: fewer at once, so that no call takes long. */
#define DEFERRED_MAX 256

static bool push_and_wake(struct wane__queue *q, struct wane__header *h, uintptr_t tag) {
    bool pushed = wane__queue_unit(q, h, tag);
    if (likely(pushed))
        wane__wake();
    return pushed;
}

/* With its wave. Its position is there before the word is, and taken back when there is no memory for it. */
static bool push_tagged(struct wane__queue *q, struct wane__header *h, unsigned parity) {
    uint64_t *inherited = &q->xinherited[parity], before = load_relaxed(inherited);
    store_relaxed(inherited, load_relaxed(&q->xtail) + 1);
    bool pushed = push_and_wake(q, h, parity + 1);
    if (unlikely(!pushed))
        store_relaxed(inherited, before);
    return pushed;
}

/* With the wave of what r has in hand. */
static bool push_inheriting(struct wane__record *r, struct wane__queue *q, struct wane__header *h) {
    if (likely(r->wave == 0))
        return push_and_wake(q, h, 0);
    return push_tagged(q, h, r->wave - 1u);
}

bool wane__defer_unit_of(struct wane__record *r, struct wane__header *h, unsigned parity) {
    return push_tagged(&r->deferred, h, parity);
}

bool wane__keep_unit(struct wane__record *r, struct wane__header *h) { return push_inheriting(r, &r->kept, h); }

void wane__keep_silently(struct wane__record *gone, struct wane__header *h) {
    if (!wane__queue_unit(&gone->kept, h, 0))
        wane__park(gone, h);
}

bool wane__hand_unit(struct wane__record *r, struct wane__header *h) {
    return wane__queue_ready(&r->handed) && push_inheriting(r, &r->handed, h);
}

/*
 * Brings the units of even waves before those of odd ones, and takes the tags away. Almost always all are of one. Under the
 * queue's lock.
 */
static size_t split(struct wane__record *r, struct wane__queue *q, size_t n) {
    uint64_t at = load_relaxed(&q->xhead), cut = load_relaxed(&q->xcut);
    size_t even = 0;
    bool tagged = at < load_relaxed(&q->xinherited[0]) || at < load_relaxed(&q->xinherited[1]);
    if (likely(!tagged && (at >= cut || at + n <= cut)))
        return wane__wave_parity(q, at, 0) == 0 ? n : 0;
    for (size_t i = 0; i < n; i++) {
        uintptr_t word = r->xbatch[i], unit = word & ~WANE__WAVE_TAG;
        if (wane__wave_parity(q, at + i, word) == 0) {
            r->xbatch[i] = r->xbatch[even];
            r->xbatch[even++] = unit;
        } else {
            r->xbatch[i] = unit;
        }
    }
    return even;
}

static bool has_even(const struct wane__record *r) { return r->xbatch_split > 0; }
static bool has_odd(const struct wane__record *r) { return r->xbatch_split < r->xbatch_n; }

static void begin_frames(struct wane__record *r) {
    if (has_even(r))
        wane__wave_begin(r, 0);
    if (has_odd(r))
        wane__wave_begin(r, 1);
}

static size_t take(struct wane__record *r, struct wane__queue *q, uint64_t limit, size_t n_max) {
    if (load_relaxed(&r->xbatch_n) > 0 || !wane__queue_trylock(q))
        return 0;
    size_t n = wane__queue_copy(q, limit, r->xbatch, n_max);
    if (n > 0) {
        uint64_t bytes = 0;
        size_t even = split(r, q, n);
        for (size_t i = 0; i < n; i++)
            bytes += wane__heap_block_size((struct wane__header *)r->xbatch[i]);
        /* The batch is complete before the queue lets go of it: the child of a fork finds each unit in one of them. */
        store_relaxed(&r->xbatch_of, q);
        store_relaxed(&r->xbatch_at, load_relaxed(&q->xhead));
        store_relaxed(&r->xbatch_split, (uint32_t)even);
        store_relaxed(&r->xbatch_done, load_relaxed(&q->xbytes_done) + bytes);
        store_relaxed(&r->xbatch_n, (uint32_t)n);
        begin_frames(r);
        wane__queue_skip(q, n);
        wane__tally(q->xbytes_done, bytes);
    }
    wane__tsan_acquire(&q->xsafe);
    wane__queue_unlock(q);
    return n;
}

size_t wane__batch_deferred(struct wane__record *r, struct wane__record *from, uint64_t limit) {
    uint64_t safe = load_acquire(&from->deferred.xsafe); /* [order:safe] */
    return take(r, &from->deferred, limit < safe ? limit : safe, DEFERRED_MAX);
}

size_t wane__batch_kept(struct wane__record *r, struct wane__queue *q, uint64_t limit) {
    return take(r, q, limit, WANE__BATCH);
}

void wane__batch_end(struct wane__record *r) {
    bool even = has_even(r), odd = has_odd(r);
    store_relaxed(&r->xbatch_n, 0u);
    wane__record_send_gathered(r);
    if (even)
        wane__wave_end(r, 0);
    if (odd)
        wane__wave_end(r, 1);
}

/* Those units that its queue still holds are the queue's. */
static void keep_batch(struct wane__record *gone) {
    uint32_t n = load_relaxed(&gone->xbatch_n);
    struct wane__queue *q = load_relaxed(&gone->xbatch_of);
    bool taken = n > 0 && load_relaxed(&q->xhead) != load_relaxed(&gone->xbatch_at);
    if (taken && load_relaxed(&q->xbytes_done) < load_relaxed(&gone->xbatch_done))
        store_relaxed(&q->xbytes_done, load_relaxed(&gone->xbatch_done)); /* it vanished before it had said so */
    for (uint32_t i = 0; i < n && taken; i++) {
        struct wane__header *h = wane__batch_unit(gone, i);
        if (h != NULL)
            wane__keep_silently(gone, h);
    }
    store_relaxed(&gone->xbatch_n, 0u);
}

void wane__defer_fork_child(const struct wane__record *self) {
    WANE__EACH_RECORD(gone) {
        if (gone != self)
            keep_batch(gone);
    }
}
