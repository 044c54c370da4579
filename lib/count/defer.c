/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "count/defer.h"

#include "thread/wake.h"

static bool push(struct wane__queue *q, struct wane__header *h) {
    if (unlikely(!wane__queue_push(q, (uintptr_t)h)))
        return false;
    wane__tally(q->xbytes, wane__heap_block_size(h));
    wane__wake();
    return true;
}

bool wane__defer_unit(struct wane__record *r, struct wane__header *h) { return push(&r->deferred, h); }

bool wane__keep_unit(struct wane__record *r, struct wane__header *h) { return push(&r->kept, h); }

bool wane__applying_begin(struct wane__record *r) {
    uint32_t turn = load_relaxed(&r->xapplying);
    if ((turn & 1) != 0)
        return false;
    store_seq_cst(&r->xapplying, turn + 1); /* [order:applying] */
    return true;
}

void wane__applying_end(struct wane__record *r) {
    wane__tsan_release(&r->xapplying);
    store_release(&r->xapplying, load_relaxed(&r->xapplying) + 1); /* [order:applying] */
}

static size_t take(struct wane__record *r, struct wane__queue *q, uint64_t limit) {
    WANE__CHECK((load_relaxed(&r->xapplying) & 1) != 0);
    if (r->batch_busy || !wane__queue_trylock(q))
        return 0;
    size_t n = wane__queue_take(q, limit, r->xbatch, WANE__BATCH);
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += wane__heap_block_size((struct wane__header *)r->xbatch[i]);
    wane__tally(q->xbytes_done, bytes);
    compiler_barrier();
    store_relaxed(&r->xbatch_n, (uint32_t)n);
    wane__tsan_acquire(&q->xsafe);
    wane__queue_unlock(q);
    r->batch_busy = n > 0;
    return n;
}

size_t wane__batch_deferred(struct wane__record *r, struct wane__record *from) {
    return take(r, &from->deferred, load_acquire(&from->deferred.xsafe)); /* [order:safe] */
}

size_t wane__batch_kept(struct wane__record *r, struct wane__record *from, uint64_t limit) {
    return take(r, &from->kept, limit);
}

void wane__batch_end(struct wane__record *r) {
    store_relaxed(&r->xbatch_n, 0u);
    r->batch_busy = false;
}

void wane__defer_fork_child(struct wane__record *r) {
    WANE__EACH_RECORD(other) {
        if (other == r)
            continue;
        uint32_t n = load_relaxed(&other->xbatch_n);
        for (uint32_t i = 0; i < n; i++) {
            struct wane__header *h = wane__batch_unit(other, i);
            if (h != NULL)
                wane__keep_unit(r, h);
        }
        store_relaxed(&other->xbatch_n, 0u);
    }
}
