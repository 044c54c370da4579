/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * count/wave.c: see wave.h.
 *
 * Cutting and looking are done under a try-lock, a step at a time, by whoever waits for a wave: the result is everybody's,
 * and no lock is held between two steps. The cut: raise the number of the current wave, heavy barrier, then set each
 * queue's cut to its tail, under the queue's own lock, so that whoever takes words there sees all of a cut or nothing.
 *
 * The look, in this order: how many frames have ended; the other places; how many frames have begun. Whoever takes
 * something begins a frame first. So if a place was found empty because somebody took it, the frame is among those that
 * have begun; and it is among those that have ended only if it ended before the places were looked at.
 */
#include "count/wave.h"

#include "count/defer.h"
#include "count/word.h"
#include "thread/grace.h"
#include "thread/mode.h"

static uint64_t xover;      /* the last that is over: wane__xwave - 1, or one less while a wave is waited for */
static uint64_t xcall_cut;  /* twice a number, and the parity of the wave of functions up to that number */
static uint64_t xcollection; /* wave of the collection that is open; 0: none is */
static uint64_t xpinned[2];  /* dead and pinned with a flag */
static uint32_t xcutting;    /* id of the record whose queues are cut next; 0: the cut is made */
static uint32_t xlock;

static bool trylock(void) {
    uint32_t unlocked = 0;
    return load_relaxed(&xlock) == 0 && cas_acq_rel(&xlock, &unlocked, 1u); /* [order:consumer] */
}

static void unlock(void) { store_release(&xlock, 0u); /* [order:consumer] */ }

uint64_t wane__wave_now(void) {
    fence_seq_cst(); /* what this thread pushed before is seen by a cut that raises the number after it was read here */
    return load_seq_cst(&wane__xwave);
}

void wane__wave_followers(uint64_t ret[2]) {
    ret[0] = ret[1] = 0;
    WANE__EACH_RECORD(r) {
        for (int parity = 0; parity < 2; parity++)
            ret[parity] += load_acquire(&r->xfollows[parity]); /* [order:wave] */
    }
}

uint64_t wane__wave_oldest(void) { return load_acquire(&xover) + 1; }

static bool cut_queue(struct wane__queue *q, uint64_t wave) {
    if (!wane__queue_trylock(q))
        return false;
    store_relaxed(&q->xcut, load_acquire(&q->xtail)); /* [order:queue] */
    store_relaxed(&q->xcut_wave, wave);
    wane__queue_unlock(q);
    return true;
}

static bool cut_record(struct wane__record *r, uint64_t wave) {
    return cut_queue(&r->deferred, wave) && cut_queue(&r->kept, wave) && cut_queue(&r->handed, wave);
}

/* Goes on with the cut. False: somebody is taking from a queue just now. */
static bool cut(void) {
    uint64_t wave = load_relaxed(&wane__xwave) - 1;
    for (uint32_t end = load_seq_cst(&wane__record_end); xcutting != 0 && xcutting < end; xcutting++) {
        struct wane__record *r = wane__record_at(xcutting);
        if (r != NULL && !cut_record(r, wave))
            return false;
    }
    if (!wane__calls_cut(&xcall_cut, wave & 1))
        return false;
    xcutting = 0;
    return true;
}

static void begin_cut(void) {
    uint64_t wave = load_relaxed(&wane__xwave);
    store_seq_cst(&wane__xwave, wave + 1); /* [order:wave] */
    wane__heavy();
    xcutting = 1;
}

static bool is_past(const struct wane__queue *q, uint64_t wave) {
    uint64_t head = load_acquire(&q->xhead); /* [order:wave] */
    return head >= load_relaxed(&q->xinherited[wave & 1]) &&
           (load_relaxed(&q->xcut_wave) != wave || head >= load_relaxed(&q->xcut));
}

/* Those first that somebody may empty into others without a frame: a collection, and what is pinned or parked. */
static bool places_are_empty(uint64_t wave) {
    if (wane__wave_in_collection(wave) || wane__parked_of(wave & 1) > 0 || wane__wave_in_calls(wave))
        return false;
    WANE__EACH_RECORD(r) {
        if (!is_past(&r->deferred, wave) || !is_past(&r->kept, wave) || !is_past(&r->handed, wave) ||
            load_acquire(&r->left[wave & 1].taken) != NULL || load_acquire(&r->left[wave & 1].stack.xtop) != NULL)
            return false;
    }
    return true;
}

static bool is_over(uint64_t wave) {
    uint64_t ended = 0, begun = 0;
    WANE__EACH_RECORD(r) {
        ended += load_acquire(&r->xended[wave & 1]); /* [order:wave] */
        wane__tsan_acquire(&r->xended);
    }
    if (!places_are_empty(wave))
        return false;
    WANE__EACH_RECORD(q) begun += load_acquire(&q->xbegun[wave & 1]);
    return begun == ended;
}

/* Under the lock: as far as it goes. */
static enum wane__look go_on(uint64_t wanted) {
    for (;;) {
        uint64_t wave = load_relaxed(&wane__xwave), over = load_relaxed(&xover);
        if (over >= wanted)
            return WANE__LOOK_OVER;
        if (over == wave - 1)
            begin_cut();
        if (xcutting != 0 && !cut())
            return WANE__LOOK_BUSY;
        if (!is_over(over + 1))
            return WANE__LOOK_PENDING;
        wane__tsan_release(&xover);
        store_release(&xover, over + 1); /* [order:wave] */
    }
}

enum wane__look wane__wave_look(uint64_t wave) {
    enum wane__look result = WANE__LOOK_BUSY;
    if (load_relaxed(&xover) < wave && trylock()) {
        result = go_on(wave);
        unlock();
    }
    if (load_acquire(&xover) >= wave) /* [order:wave] */
        result = WANE__LOOK_OVER;
    wane__tsan_acquire(&xover);
    return result;
}

uint64_t wane__wave_limit(const struct wane__queue *q, uint64_t wave) {
    uint64_t limit = load_relaxed(&q->xinherited[wave & 1]), cut = load_relaxed(&q->xcut);
    return load_relaxed(&q->xcut_wave) == wave && cut > limit ? cut : limit;
}

bool wane__wave_in_collection(uint64_t wave) {
    uint64_t collection = load_seq_cst(&xcollection); /* [order:wave] */
    return load_acquire(&xpinned[wave & 1]) > 0 || (collection != 0 && collection <= wave);
}

bool wane__wave_in_hand(const struct wane__record *r, uint64_t wave) {
    return load_relaxed(&r->xbegun[wave & 1]) != load_relaxed(&r->xended[wave & 1]) ||
           (load_relaxed(&wane__xcollects) == r->id && wane__wave_in_collection(wave));
}

bool wane__wave_in_calls(uint64_t wave) {
    uint64_t cut = load_acquire(&xcall_cut);
    return (cut & 1) == (wave & 1) && wane__calls_run() < cut / 2;
}

/*
 * The cut is made under the lock under which they are taken from the list. So those that were taken before it are all
 * below it, and above the one before: it does not matter which of the two is read.
 */
unsigned wane__wave_of_call(uint64_t number) {
    uint64_t cut = load_acquire(&xcall_cut);
    return ((cut & 1) + (number > cut / 2)) & 1;
}

unsigned wane__wave_begin_new(struct wane__record *r) {
    for (;;) {
        uint64_t wave = load_relaxed(&wane__xwave);
        wane__wave_begin(r, wave & 1);
        fence_seq_cst(); /* whoever raises the number after this sees the frame */
        if (load_seq_cst(&wane__xwave) == wave) /* [order:wave] */
            return wave & 1;
        wane__wave_end(r, wave & 1);
    }
}

/* PINNED was seen before the number is read here: a collection that began in an older wave, or this one, is waited for. */
uint64_t wane__wave_pin_slow(struct wane__record *r) {
    unsigned parity = r->wave - 1u;
    if (parity == (load_seq_cst(&wane__xwave) & 1)) /* [order:wave] */
        return 0;
    add_acq_rel(&xpinned[parity], (uint64_t)1);
    return WANE__WAVE_FLAG(parity);
}

void wane__wave_unpin(uint64_t flag) {
    if (flag != 0)
        sub_acq_rel(&xpinned[flag == WANE__WAVE_FLAG(1)], (uint64_t)1);
}

void wane__wave_collection_begin(void) {
    uint64_t wave;
    do {
        wave = load_relaxed(&wane__xwave);
        store_seq_cst(&xcollection, wave); /* [order:wave] */
        fence_seq_cst();
    } while (load_seq_cst(&wane__xwave) != wave); /* [order:wave] */
}

void wane__wave_collection_end(void) { store_release(&xcollection, (uint64_t)0); /* [order:wave] */ }

uint8_t wane__wave_of_collection(void) { return (uint8_t)(1 + (load_relaxed(&xcollection) & 1)); }

/* Dead objects that the collection, which goes on in the child, has pinned. */
static bool count_pinned(struct wane__page *page, void *arg) {
    (void)arg;
    for (unsigned i = 0, n = wane__page_capacity(page); i < n; i++) {
        uint64_t w = load_relaxed(&wane__page_block(page, i)->shared);
        if (wane__word_has(w, WANE__PINNED) && !wane__word_has(w, WANE__LIVE) && (w & WANE__WAVE_FLAGS) != 0)
            xpinned[(w & WANE__WAVE_FLAG(1)) != 0]++;
    }
    return true;
}

/* A vanished thread may have counted a death whose flag it had not written, or not yet taken the count back. */
static void count_pinned_again(void) {
    if (xpinned[0] == 0 && xpinned[1] == 0)
        return;
    xpinned[0] = xpinned[1] = 0;
    if (xcollection != 0)
        wane__heap_walk_pages(count_pinned, NULL);
}

/* All of it is of the oldest wave that is not over. A vanished thread may have been about to push what it announced. */
static void cut_for_child(struct wane__queue *q) {
    for (int parity = 0; parity < 2; parity++) {
        if (q->xinherited[parity] > q->xtail)
            q->xinherited[parity] = q->xtail;
    }
    q->xcut = xover == wane__xwave - 1 ? 0 : q->xtail;
    q->xcut_wave = wane__xwave - 1;
}

void wane__wave_fork_child(const struct wane__record *self) {
    xlock = 0;
    xcutting = 0;
    count_pinned_again();
    xcall_cut = 2 * (xover == wane__xwave - 1 ? wane__calls_run() : wane__calls_added()) + ((wane__xwave - 1) & 1);
    WANE__EACH_RECORD(r) {
        cut_for_child(&r->deferred);
        cut_for_child(&r->kept);
        cut_for_child(&r->handed);
        if (r == self)
            continue;
        r->wave = 0;
        for (int parity = 0; parity < 2; parity++)
            store_relaxed(&r->xended[parity], load_relaxed(&r->xbegun[parity]));
    }
}
