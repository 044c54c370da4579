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

static void segment_free(struct wane__segment *s) {
    int saved = errno;
    free(s);
    errno = saved;
}

/*
 * The exchange decides who has a segment. Producer: takes the spare one, if there is one. Acquire: the consumer has read
 * its words.
 */
static struct wane__segment *take_spare(struct wane__queue *q) {
    if (load_relaxed(&q->xspare) == NULL)
        return NULL;
    struct wane__segment *s = swap_acq_rel(&q->xspare, NULL); /* [order:spare] */
    wane__tsan_acquire(&q->xspare);
    return s;
}

/* Either side: leaves s (NULL: nothing) as the spare one. What was there goes. */
static void put_spare(struct wane__queue *q, struct wane__segment *s) {
    if (s == NULL)
        return;
    wane__tsan_release(&q->xspare);
    struct wane__segment *old = swap_acq_rel(&q->xspare, s); /* [order:spare] */
    if (old != NULL) {
        wane__tsan_acquire(&q->xspare);
        segment_free(old);
    }
}

bool wane__queue_init(struct wane__queue *q) {
    struct wane__segment *first = segment_new(), *spare = segment_new();
    if (first == NULL || spare == NULL) {
        segment_free(first);
        segment_free(spare);
        return false;
    }
    first->base = 0;
    store_relaxed(&q->xspare, spare);
    q->head_segment = first;
    wane__tsan_release(&q->xlock); /* the first consumer finds what malloc wrote */
    compiler_barrier(); /* a child of fork() finds it whole, or not made */
    q->tail_segment = first;
    return true;
}

/* Producer: nothing waits. Acquire: whoever took the last word has read it. */
static bool is_empty(const struct wane__queue *q) {
    return load_acquire(&q->xhead) == load_relaxed(&q->xtail); /* [order:queue] */
}

/* Producer: a segment for the words from the tail on. NULL: there is none to be had. */
static struct wane__segment *segment_get(struct wane__queue *q) {
    struct wane__segment *s = take_spare(q);
    if (s == NULL)
        s = segment_new();
    if (s != NULL && load_relaxed(&q->xspare) == NULL)
        put_spare(q, segment_new());
    return s;
}

bool wane__queue_push_slow(struct wane__queue *q, uintptr_t word) {
    struct wane__segment *last = q->tail_segment;
    uint64_t tail = load_relaxed(&q->xtail);
    if (is_empty(q)) { /* nobody reads a word of the last segment, or its base, before the tail is beyond the head */
        wane__tsan_acquire(&q->xlock);
        last->base = tail;
        last->words[0] = word;
        store_release(&q->xtail, tail + 1); /* [order:queue] */
        return true;
    }
    struct wane__segment *s = segment_get(q);
    if (s == NULL)
        return false;
    s->xnext = NULL;
    s->base = tail;
    s->words[0] = word;
    wane__tsan_release(q); /* malloc and free, which the consumer calls, are seen by sanitizers */
    store_release(&last->xnext, s); /* [order:queue] */
    q->tail_segment = s;
    store_release(&q->xtail, tail + 1); /* [order:queue] */
    return true;
}

bool wane__queue_room(struct wane__queue *q) {
    if (load_relaxed(&q->xtail) - q->tail_segment->base < WANE__SEGMENT_WORDS || is_empty(q))
        return true;
    if (load_relaxed(&q->xspare) == NULL)
        put_spare(q, segment_new());
    return load_relaxed(&q->xspare) != NULL; /* the other side only puts one there */
}

/* The segment after s; NULL: there is none, and s is the producer's, who may use it again as soon as it is empty. */
static struct wane__segment *next_of(struct wane__queue *q, const struct wane__segment *s) {
    struct wane__segment *next = load_acquire(&s->xnext); /* [order:queue] */
    if (next != NULL)
        wane__tsan_acquire(q);
    return next;
}

/* Each store leaves a head segment that the head is in, or behind, for the child of a fork. */
static void retire(struct wane__queue *q, uint64_t head) {
    struct wane__segment *s = q->head_segment, *next;
    while ((next = next_of(q, s)) != NULL && head - s->base >= WANE__SEGMENT_WORDS) {
        q->head_segment = next;
        put_spare(q, s);
        s = next;
    }
}

void wane__queue_skip(struct wane__queue *q, size_t n) {
    uint64_t head = load_relaxed(&q->xhead) + n;
    store_release(&q->xhead, head); /* [order:queue] */
    retire(q, head);
}

size_t wane__queue_copy(struct wane__queue *q, uint64_t limit, uintptr_t *ret, size_t max) {
    uint64_t tail = load_acquire(&q->xtail); /* [order:queue] */
    uint64_t head = load_relaxed(&q->xhead);
    if (limit > tail)
        limit = tail;
    if (head >= limit)
        return 0;
    retire(q, head); /* one that had none after it when its last word was taken */
    const struct wane__segment *s = q->head_segment;
    size_t n = limit - head < max ? limit - head : max, done = 0;
    for (;;) {
        size_t from = head + done - s->base, some = WANE__SEGMENT_WORDS - from;
        WANE__CHECK(from < WANE__SEGMENT_WORDS);
        if (some > n - done)
            some = n - done;
        memcpy(ret + done, &s->words[from], some * sizeof *ret);
        done += some;
        if (done == n)
            return n;
        s = next_of(q, s); /* there is one, since words were pushed behind s */
    }
}
