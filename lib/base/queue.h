/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * base/queue.h: a growing queue of words with one producer and one consumer at a time.
 *
 * The producer is a thread, the consumer whoever holds the try-lock. Words stand in segments linked from old to new;
 * a position is a count of words since the beginning. Each step of either side is one store that leaves a valid queue
 * behind, so that a fork in the middle of it loses at most the word in hand and never doubles one.
 *
 * A queue that was made never has fewer than two segments: a spare one is kept, which the producer takes and the
 * consumer puts there, both by an exchange, so a segment is in one hand. Where the consumer has taken all words the
 * producer uses its last segment again. So memory that is out costs room, and never the queue: whatever was pushed and
 * is taken makes room again, and a push fails only while malloc fails and the words of a whole segment wait.
 */
#ifndef WANE_BASE_QUEUE_H
#define WANE_BASE_QUEUE_H

#include <stddef.h>

#include "base/atomic.h"
#include "base/sanitize.h"

#define WANE__SEGMENT_WORDS 254 /* 2 KB: each attached thread has four of them from its start */

struct wane__segment {
    struct wane__segment *xnext;
    uint64_t base;              /* position of words[0]; the producer's to change while no word of it waits */
    uintptr_t words[WANE__SEGMENT_WORDS];
};

struct wane__queue {
    /* producer only */
    struct wane__segment *tail_segment;
    /* exchanged by both sides */
    struct wane__segment *xspare;
    /* written by the producer */
    uint64_t xtail;  /* words pushed */
    uint64_t xbytes; /* what the words pushed stand for */
    uint64_t xinherited[2]; /* position behind the last word of each parity that says its wave itself; see count/wave.h */
    /* written under the try-lock */
    struct wane__segment *head_segment;
    uint64_t xhead;       /* words taken */
    uint64_t xbytes_done; /* what the words taken stood for */
    uint64_t xcut, xcut_wave; /* words below the position are of that wave, others of the next */
    /* of those who publish that words may be taken; see thread/grace.c */
    uint64_t noted;
    uint64_t xsafe;
    uint32_t xlock;
};

/* q is all zero: until then it is empty for everybody but the producer. False: memory is out, and it is so still. */
bool wane__queue_init(struct wane__queue *q);

/* Producer, of a queue that most threads never need: makes it at its first use. */
static inline bool wane__queue_ready(struct wane__queue *q) { return likely(q->tail_segment != NULL) || wane__queue_init(q); }

/* Producer. False: memory is out, and so is room; nothing changed. */
bool wane__queue_push_slow(struct wane__queue *q, uintptr_t word);

/* The same, if there is room in the last segment. False: nothing changed. */
static inline bool wane__queue_push_quick(struct wane__queue *q, uintptr_t word) {
    struct wane__segment *s = q->tail_segment;
    uint64_t tail = load_relaxed(&q->xtail);
    if (unlikely(tail - s->base == WANE__SEGMENT_WORDS))
        return false;
    s->words[tail - s->base] = word;
    store_release(&q->xtail, tail + 1); /* [order:queue] */
    return true;
}

static inline bool wane__queue_push(struct wane__queue *q, uintptr_t word) {
    return likely(wane__queue_push_quick(q, word)) || wane__queue_push_slow(q, word);
}

/* Producer: whether the next push of a queue that was made cannot fail. */
bool wane__queue_room(struct wane__queue *q);

static inline bool wane__queue_trylock(struct wane__queue *q) {
    uint32_t unlocked = 0;
    if (load_relaxed(&q->xlock) != 0 || !cas_acq_rel(&q->xlock, &unlocked, 1u)) /* [order:consumer] */
        return false;
    wane__tsan_acquire(&q->xlock);
    return true;
}

static inline void wane__queue_unlock(struct wane__queue *q) {
    wane__tsan_release(&q->xlock);
    store_release(&q->xlock, 0u); /* [order:consumer] */
}

/*
 * Consumer, under the try-lock: copies up to max words below position `limit` to ret, without taking them. Returns how
 * many.
 */
size_t wane__queue_copy(struct wane__queue *q, uint64_t limit, uintptr_t *ret, size_t max);

/* Takes the n words that were copied last: one store. Segments whose words are all taken become spare ones, or go. */
void wane__queue_skip(struct wane__queue *q, size_t n);

/* Words pushed and not taken. */
static inline uint64_t wane__queue_length(const struct wane__queue *q) {
    uint64_t head = load_relaxed(&q->xhead);
    return load_acquire(&q->xtail) - head; /* [order:queue] */
}

#endif
