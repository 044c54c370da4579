/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * value/ring.c: the storage of lists and deques.
 *
 * Writers of a container exclude each other (value/lock.h); readers only have a guard.
 *
 * What decides. An element is in the list from the release store of xhead or xtail that covers its cell, and out of it from the one
 * that does not. Each change but a rotation makes one such store. A cell is filled before it, and emptied after it. Where those behind an
 * inserted or removed element move by one, cells are written one by one, each with what belongs there afterwards, and the odd one
 * out travels by way of the spare slot: while one change is under way, a cell that is covered holds what was there before it or
 * what is there after it. That is true of those behind; therefore it is never those in front that move.
 *
 * A reader looks at both ends and the cell, and then whether a change has ended meanwhile (xchanges). If not, at most one was under way, and what
 * the reader saw was true before it or is true after it. Without the second look two changes could show it an end of one
 * list and a cell of another (tests/model/ring.pml). NULL in a covered cell is one that a rotation has left: the ends have been stored, and it
 * looks again. Beside a rotation the elements that it moves may be seen at both ends.
 *
 * Why `trace` never sees one unit in two places and believes it: units that are pushed and popped go through slot calls. All
 * others move inside wane_change_begin and wane_change_end of the ring, in one bracket: a collection that has this ring among its suspects drops
 * it, and what it saw in it, whenever it looked. The spare slot is visited like a cell. A ring whose units have moved to another ring is not
 * visited any more (xmoved), and readers that still have it find the elements as they were at that moment.
 * `trace` visits each cell once, rather than those between head and tail, which could be of different moments and name a cell twice.
 */
#include "value/ring.h"

#include <errno.h>

#define LEAST_CELLS 4
#define ROTATED_AT_ONCE 4096

static void ring_trace(void *self, wane_visitor *v) {
    struct wane__ring *r = self;
    if (atomic_load_explicit(&r->xmoved, memory_order_relaxed) == 0)
        wane_visit_n(v, r->at, wane__ring_cells(r) + 1);
}

static wane_type ring_type = {.name = "list storage", .size = sizeof(struct wane__ring), .trace = ring_trace};

struct wane__ring *wane__ring_new(size_t n) {
    size_t cells = LEAST_CELLS;
    while (cells < n && cells <= SIZE_MAX / sizeof(wane_slot) / 4)
        cells *= 2;
    if (cells < n) {
        errno = EOVERFLOW;
        return NULL;
    }
    struct wane__ring *r = wane_new_extra(&ring_type, (cells + 1) * sizeof(wane_slot));
    if (r != NULL)
        atomic_store_explicit(&r->xcells, cells, memory_order_relaxed);
    return r;
}

/* What a reader saw of the ends. */
struct look {
    uint64_t changes, head, tail;
};

static uint64_t load_end(const _Atomic(uint64_t) *end) {
    return atomic_load_explicit(end, memory_order_acquire); /* [order:ring] */
}

static void store_end(_Atomic(uint64_t) *end, uint64_t position) {
    atomic_store_explicit(end, position, memory_order_release); /* [order:ring] */
}

static struct look look_at(const struct wane__ring *r) {
    uint64_t changes = load_end(&r->xchanges), head = load_end(&r->xhead);
    return (struct look){changes, head, load_end(&r->xtail)};
}

/* Whether no change has ended since, up to the last acquire load before. */
static bool is_same(const struct wane__ring *r, const struct look *l) {
    return atomic_load_explicit(&r->xchanges, memory_order_relaxed) == l->changes;
}

/* A change has ended. */
static void changed(struct wane__ring *r) {
    store_end(&r->xchanges, atomic_load_explicit(&r->xchanges, memory_order_relaxed) + 1);
}

size_t wane__ring_len(const struct wane__ring *r) {
    struct look l;
    do
        l = look_at(r);
    while (!is_same(r, &l));
    return (size_t)(l.tail - l.head);
}

void *wane__ring_peek(struct wane__ring *r, size_t n) {
    for (;;) {
        struct look l = look_at(r);
        bool covered = n < l.tail - l.head;
        void *obj = covered ? wane_slot_peek(wane__ring_cell(r, l.head + n)) : NULL;
        if (is_same(r, &l) && (obj != NULL || !covered))
            return obj;
    }
}

static bool is_before(uint64_t a, uint64_t b) { return (int64_t)(a - b) < 0; }

void *wane__ring_next(struct wane__ring *r, uint64_t *position, uint64_t end) {
    for (;;) {
        struct look l = look_at(r);
        uint64_t p = is_before(*position, l.head) ? l.head : *position; /* gone at the front, since */
        bool covered = is_before(p, l.tail) && is_before(p, end);
        void *obj = covered ? wane_slot_peek(wane__ring_cell(r, p)) : NULL;
        if (!is_same(r, &l) || (obj == NULL && covered))
            continue;
        *position = covered ? p + 1 : p;
        return obj;
    }
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* How many cells from a position on lie side by side. */
static size_t run_at(const struct wane__ring *r, uint64_t position) {
    size_t cells = wane__ring_cells(r);
    return cells - (size_t)(position & (cells - 1));
}

/* Between the begin and the end of a change of `from`: n elements to other cells, none of which is among theirs. */
static void move_run(struct wane__ring *to, uint64_t there, struct wane__ring *from, uint64_t here, size_t n) {
    while (n > 0) {
        size_t run = least(n, least(run_at(to, there), run_at(from, here)));
        wane_slots_move(from, wane__ring_cell(to, there), wane__ring_cell(from, here), run);
        there += run;
        here += run;
        n -= run;
    }
}

/* In a change: the n elements from position p on go up by one. */
static void shift_up(struct wane__ring *r, uint64_t p, size_t n) {
    while (n > 0) {
        size_t to = (size_t)((p + n) & (wane__ring_cells(r) - 1)), run = to == 0 ? 1 : least(n, to);
        wane_slot *dst = wane__ring_cell(r, p + n - run + 1);
        wane_slots_move(r, dst, wane__ring_cell(r, p + n - run), run);
        n -= run;
    }
}

/* In a change: the n elements behind position p go down by one. */
static void shift_down(struct wane__ring *r, uint64_t p, size_t n) {
    while (n > 0) {
        size_t side = run_at(r, p) - 1, run = side == 0 ? 1 : least(n, side);
        wane_slots_move(r, wane__ring_cell(r, p), wane__ring_cell(r, p + 1), run);
        p += run;
        n -= run;
    }
}

static void set_ends(struct wane__ring *r, uint64_t head, uint64_t tail) {
    store_end(&r->xhead, head);
    store_end(&r->xtail, tail);
}

void wane__ring_fill(struct wane__ring *r, void *const *units, size_t n) {
    for (size_t i = 0; i < n; i++)
        wane_slot_init(wane__ring_cell(r, i), units[i]);
    set_ends(r, 0, n);
}

void wane__ring_move(struct wane__ring *to, struct wane__ring *from) {
    uint64_t head = wane__ring_head(from), tail = wane__ring_tail(from);
    set_ends(to, head, tail);
    wane_change_begin(from);
    move_run(to, head, from, head, (size_t)(tail - head));
    atomic_store_explicit(&from->xmoved, 1, memory_order_relaxed);
    wane_change_end(from);
}

void wane__ring_copy(struct wane__ring *to, struct wane__ring *from) {
    uint64_t head = wane__ring_head(from), tail = wane__ring_tail(from);
    for (uint64_t p = head; p != tail; p++)
        wane_slot_init(wane__ring_cell(to, p), wane_slot_load(wane__ring_cell(from, p)));
    set_ends(to, head, tail);
}

static wane_slot *spare_of(struct wane__ring *r) { return &r->at[wane__ring_cells(r)]; }

void wane__ring_insert(struct wane__ring *r, size_t n, void *obj) {
    uint64_t head = wane__ring_head(r), tail = wane__ring_tail(r), p = head + n;
    if (n == 0) {
        wane_slot_init(wane__ring_cell(r, head - 1), obj);
        store_end(&r->xhead, head - 1);
    } else {
        wane_slot *place = p == tail ? wane__ring_cell(r, tail) : spare_of(r);
        wane_slot_init(place, obj);
        if (p != tail) {
            wane_change_begin(r);
            shift_up(r, p, (size_t)(tail - p));
            wane_slots_move(r, wane__ring_cell(r, p), place, 1);
            wane_slot_init(place, NULL);
            wane_change_end(r);
        }
        store_end(&r->xtail, tail + 1);
    }
    changed(r);
}

wane_slot *wane__ring_remove(struct wane__ring *r, size_t n) {
    uint64_t head = wane__ring_head(r), last = wane__ring_tail(r) - 1, p = head + n;
    wane_slot *out = wane__ring_cell(r, p);
    if (n == 0) {
        store_end(&r->xhead, head + 1);
    } else {
        store_end(&r->xtail, last);
        if (p != last) {
            wane_change_begin(r);
            wane_slots_move(r, spare_of(r), out, 1);
            shift_down(r, p, (size_t)(last - p));
            wane_slot_init(wane__ring_cell(r, last), NULL);
            wane_change_end(r);
            out = spare_of(r);
        }
    }
    changed(r);
    return out;
}

/* Both ends go by m positions, the one first that covers more. */
static void turn_ends(struct wane__ring *r, size_t m, bool to_front) {
    uint64_t head = wane__ring_head(r), tail = wane__ring_tail(r);
    if (to_front)
        store_end(&r->xhead, head - m);
    store_end(&r->xtail, to_front ? tail - m : tail + m);
    if (!to_front)
        store_end(&r->xhead, head + m);
}

/* m elements from one end to free cells at the other. */
static void rotate_some(struct wane__ring *r, size_t m, bool to_front) {
    uint64_t head = wane__ring_head(r), tail = wane__ring_tail(r), from = to_front ? tail - m : head;
    wane_change_begin(r);
    move_run(r, to_front ? head - m : tail, r, from, m);
    turn_ends(r, m, to_front);
    for (size_t i = 0; i < m; i++)
        wane_slot_init(wane__ring_cell(r, from + i), NULL);
    wane_change_end(r);
    changed(r);
}

void wane__ring_rotate(struct wane__ring *r, ptrdiff_t n) {
    size_t len = wane__ring_len(r), room = wane__ring_cells(r) - len;
    if (len == 0)
        return;
    size_t back = n >= 0 ? (size_t)n % len : len - 1 - (size_t)(-(n + 1)) % len; /* so many come from the back */
    bool to_front = back <= len / 2;
    size_t left = to_front ? back : len - back;
    if (room == 0) { /* the cell behind the last is that of the first: all are where they belong */
        turn_ends(r, left, to_front);
        changed(r);
        return;
    }
    while (left > 0) {
        size_t m = least(left, least(room, ROTATED_AT_ONCE));
        rotate_some(r, m, to_front);
        left -= m;
    }
}
