/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "count/defer.h"

#include "thread/wake.h"

/* Deferred units need no barrier that many could share: fewer at once, so that no call takes long. */
#define DEFERRED_MAX 256

static bool push(struct wane__queue *q, struct wane__header *h) {
    uint64_t size = wane__heap_block_size(h); /* once pushed, the object may die */
    if (unlikely(!wane__queue_push(q, (uintptr_t)h)))
        return false;
    wane__tally(q->xbytes, size);
    return true;
}

static bool push_and_wake(struct wane__queue *q, struct wane__header *h) {
    bool pushed = push(q, h);
    if (likely(pushed))
        wane__wake();
    return pushed;
}

bool wane__defer_unit(struct wane__record *r, struct wane__header *h) { return push_and_wake(&r->deferred, h); }

bool wane__keep_unit(struct wane__record *r, struct wane__header *h) { return push_and_wake(&r->kept, h); }

void wane__keep_silently(struct wane__record *gone, struct wane__header *h) {
    if (!push(&gone->kept, h))
        wane__park(gone, h);
}

bool wane__hand_unit(struct wane__record *r, struct wane__header *h) {
    return wane__queue_ready(&r->handed) && push_and_wake(&r->handed, h);
}

bool wane__applying_begin(struct wane__record *r) {
    uint32_t turn = load_relaxed(&r->xapplying);
    if ((turn & 1) != 0)
        return false;
    store_seq_cst(&r->xapplying, turn + 1); /* [order:applying] */
    r->applies_inside = r->callbacks > 0;
    return true;
}

void wane__applying_end(struct wane__record *r) {
    r->applies_inside = false;
    wane__record_send_gathered(r);
    wane__tsan_release(&r->xapplying);
    store_release(&r->xapplying, load_relaxed(&r->xapplying) + 1); /* [order:applying] */
}

static size_t take(struct wane__record *r, struct wane__queue *q, uint64_t limit, size_t n_max) {
    WANE__CHECK((load_relaxed(&r->xapplying) & 1) != 0);
    if (load_relaxed(&r->xbatch_n) > 0 || !wane__queue_trylock(q))
        return 0;
    size_t n = wane__queue_copy(q, limit, r->xbatch, n_max);
    if (n > 0) {
        uint64_t bytes = 0;
        for (size_t i = 0; i < n; i++)
            bytes += wane__heap_block_size((struct wane__header *)r->xbatch[i]);
        /* The batch is complete before the queue lets go of it: the child of a fork finds each unit in one of them. */
        store_relaxed(&r->xbatch_of, q);
        store_relaxed(&r->xbatch_at, load_relaxed(&q->xhead));
        store_relaxed(&r->xbatch_n, (uint32_t)n);
        compiler_barrier();
        wane__queue_skip(q, n);
        wane__tally(q->xbytes_done, bytes);
    }
    wane__tsan_acquire(&q->xsafe);
    wane__queue_unlock(q);
    return n;
}

size_t wane__batch_deferred(struct wane__record *r, struct wane__record *from) {
    return take(r, &from->deferred, load_acquire(&from->deferred.xsafe), DEFERRED_MAX); /* [order:safe] */
}

size_t wane__batch_kept(struct wane__record *r, struct wane__queue *q, uint64_t limit) {
    return take(r, q, limit, WANE__BATCH);
}

void wane__batch_end(struct wane__record *r) { store_relaxed(&r->xbatch_n, 0u); }

/* Those units that its queue still holds are the queue's. */
static void keep_batch(struct wane__record *gone) {
    uint32_t n = load_relaxed(&gone->xbatch_n);
    struct wane__queue *q = load_relaxed(&gone->xbatch_of);
    bool taken = n > 0 && load_relaxed(&q->xhead) != load_relaxed(&gone->xbatch_at);
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
