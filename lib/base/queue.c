/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include "base/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* Keeps errno: slot calls come here. */
static struct wane__segment *segment_new(void) {
    int saved = errno;
    struct wane__segment *s = malloc(sizeof *s);
    compiler_barrier(); /* clang takes it that malloc leaves errno alone, and drops the store */
    errno = saved;
    if (s != NULL)
        s->xnext = NULL;
    return s;
}

bool wane__queue_init(struct wane__queue *q) {
    struct wane__segment *first = segment_new(), *spare = segment_new();
    if (first == NULL || spare == NULL) {
        free(first);
        free(spare);
        return false;
    }
    first->base = 0;
    q->spare = spare;
    q->head_segment = first;
    wane__tsan_release(&q->xlock); /* the first consumer finds what malloc wrote */
    compiler_barrier(); /* a child of fork() finds it whole, or not made */
    q->tail_segment = first;
    return true;
}

bool wane__queue_push_slow(struct wane__queue *q, uintptr_t word) {
    struct wane__segment *s = segment_new();
    if (s == NULL) {
        s = q->spare;
        q->spare = NULL;
    } else if (q->spare == NULL) {
        q->spare = segment_new();
    }
    if (s == NULL)
        return false;
    uint64_t tail = load_relaxed(&q->xtail);
    s->xnext = NULL;
    s->base = tail;
    s->words[0] = word;
    wane__tsan_release(q); /* malloc and free, which the consumer calls, are seen by sanitizers */
    store_release(&q->tail_segment->xnext, s); /* [order:queue] */
    q->tail_segment = s;
    store_release(&q->xtail, tail + 1); /* [order:queue] */
    return true;
}

bool wane__queue_room(struct wane__queue *q) {
    if (load_relaxed(&q->xtail) - q->tail_segment->base < WANE__SEGMENT_WORDS || q->spare != NULL)
        return true;
    q->spare = segment_new();
    return q->spare != NULL;
}

/* The segment after s; there is one, since words were pushed behind s. */
static struct wane__segment *next_of(struct wane__queue *q, const struct wane__segment *s) {
    struct wane__segment *next = load_acquire(&s->xnext); /* [order:queue] */
    WANE__CHECK(next != NULL && next->base == s->base + WANE__SEGMENT_WORDS);
    wane__tsan_acquire(q);
    return next;
}

/* Each store leaves a head segment that the head is in, or behind, for the child of a fork. */
size_t wane__queue_copy(struct wane__queue *q, uint64_t limit, uintptr_t *ret, size_t max) {
    uint64_t tail = load_acquire(&q->xtail); /* [order:queue] */
    uint64_t head = load_relaxed(&q->xhead);
    if (limit > tail)
        limit = tail;
    if (head >= limit)
        return 0;
    struct wane__segment *s = q->head_segment;
    while (head - s->base >= WANE__SEGMENT_WORDS) {
        struct wane__segment *next = next_of(q, s);
        q->head_segment = next;
        int saved = errno;
        free(s);
        errno = saved;
        s = next;
    }
    size_t n = limit - head < max ? limit - head : max, done = 0;
    for (;;) {
        size_t from = head + done - s->base, some = WANE__SEGMENT_WORDS - from;
        if (some > n - done)
            some = n - done;
        memcpy(ret + done, &s->words[from], some * sizeof *ret);
        done += some;
        if (done == n)
            return n;
        s = next_of(q, s);
    }
}
