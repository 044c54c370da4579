// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Long chains and wide trees die on a stack of 64 KiB: released by the owner, by another thread,
// out of a slot (then on the collector thread or in a slow path), through plain fields whose units
// `destroy` gives up, with finalizers.
//
//     chain --size 10000000

#include "support/stress.h"

struct link {
    wane_slot next;
    struct link *plain;
    uint64_t number;
};

static _Atomic(size_t) dead, finalized;

static void link_destroy(void *self) {
    struct link *l = self;
    CHECK_EQ_PTR(l->next.wane__target, NULL);
    atomic_fetch_add_explicit(&dead, 1, memory_order_relaxed);
    wane_release(l->plain);
}

static void link_finalize(void *self) {
    struct link *l = self;
    struct link *next = wane_slot_load(&l->next);
    CHECK(next == NULL || next->number + 1 == l->number);
    wane_release(next);
    atomic_fetch_add_explicit(&finalized, 1, memory_order_relaxed);
}

#define LINK_TYPE(name_, ...)                                                                      \
    {                                                                                              \
        .name = name_, .size = sizeof(struct link), .slots = WANE_SLOTS(struct link, next),        \
        __VA_ARGS__                                                                                \
    }
static wane_type link_type = LINK_TYPE("link", .destroy = link_destroy);
static wane_type bare_type = LINK_TYPE("bare link", .flags = 0);
static wane_type final_type =
    LINK_TYPE("final link", .finalize = link_finalize, .destroy = link_destroy);

static size_t length(void) {
    return stress_size(test_scale() > 1 ? 10000000 : STRESS_SANITIZED ? 100000 : 1000000);
}

static struct link *make(wane_type *type, bool through_slots) {
    struct link *first = NULL;
    for (size_t i = 0, n = length(); i < n; i++) {
        struct link *l = wane_new_at(type, 0, NULL);
        CHECK(l != NULL);
        l->number = i;
        if (through_slots) {
            wane_slot_init(&l->next, first);
        } else {
            l->plain = first;
        }
        first = l;
    }
    return first;
}

// The sanitizers' frames and their own start-up do not fit on 64 KiB.
static void on_small_stack(void *(*fn)(void *), void *arg) {
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    CHECK_EQ_INT(pthread_attr_setstacksize(&attr, (STRESS_SANITIZED ? 512u : 64u) << 10), 0);
    pthread_t t;
    CHECK_EQ_INT(pthread_create(&t, &attr, fn, arg), 0);
    pthread_attr_destroy(&attr);
    stress_join(t);
}

static void *release_it(void *l) {
    wane_release(l);
    return NULL;
}

struct plan {
    wane_type *type;
    bool through_slots;
};

static void *make_and_release(void *arg) {
    const struct plan *p = arg;
    wane_release(make(p->type, p->through_slots));
    return NULL;
}

static void expect_deaths(const char *way, uint64_t start, size_t want) {
    stress_check_empty();
    printf("%s: %.0f ms\n", way, (double)(test_now_ns() - start) / 1e6);
    CHECK_EQ_UINT(atomic_exchange(&dead, 0), want);
}

TEST(by_the_owner) {
    struct plan p = {&link_type, true};
    uint64_t start = test_now_ns();
    on_small_stack(make_and_release, &p);
    expect_deaths("owner", start, length());
}

TEST(without_callbacks) {
    struct plan p = {&bare_type, true};
    uint64_t start = test_now_ns();
    on_small_stack(make_and_release, &p);
    on_small_stack(release_it, make(&bare_type, true));
    expect_deaths("without callbacks, owner and other", start, 0);
}

TEST(by_another_thread) {
    uint64_t start = test_now_ns();
    on_small_stack(release_it, make(&link_type, true));
    expect_deaths("another thread", start, length());
    on_small_stack(release_it, wane_share(make(&link_type, true)));
    expect_deaths("another thread, shared", start, length());
}

static wane_slot place;

static void *clear_it(void *unused) {
    wane_slot_clear(&place);
    return unused;
}

TEST(out_of_a_slot) {
    uint64_t start = test_now_ns();
    wane_slot_give(&place, make(&link_type, true));
    on_small_stack(clear_it, NULL);
    expect_deaths("out of a slot", start, length());
}

TEST(through_plain_fields) {
    uint64_t start = test_now_ns();
    struct plan p = {&link_type, false};
    on_small_stack(make_and_release, &p);
    expect_deaths("plain fields, owner", start, length());
    on_small_stack(release_it, make(&link_type, false));
    expect_deaths("plain fields, another thread", start, length());
    wane_slot_give(&place, make(&link_type, false));
    on_small_stack(clear_it, NULL);
    expect_deaths("plain fields, out of a slot", start, length());
}

TEST(with_finalizers) {
    uint64_t start = test_now_ns();
    struct plan p = {&final_type, true};
    on_small_stack(make_and_release, &p);
    expect_deaths("finalizers, owner", start, length());
    CHECK_EQ_UINT(atomic_exchange(&finalized, 0), length());
    on_small_stack(release_it, make(&final_type, true));
    expect_deaths("finalizers, another thread", start, length());
    CHECK_EQ_UINT(atomic_exchange(&finalized, 0), length());
}

// A tree: 64 slots a node behind the payload, two levels, and leaves.

static _Atomic(size_t) branches_dead;
static void branch_destroy(void *self) {
    (void)self;
    atomic_fetch_add_explicit(&branches_dead, 1, memory_order_relaxed);
}
struct branch {
    size_t fan;
    wane_slot to[];
};
static wane_type branch_type = {
    .name = "branch",
    .size = sizeof(struct branch),
    .destroy = branch_destroy,
    .flags = WANE_TYPE_EXTRA_SLOTS,
};

static struct branch *branch_new(size_t fan) {
    struct branch *b = wane_new_extra(&branch_type, fan * sizeof(wane_slot));
    CHECK(b != NULL);
    b->fan = fan;
    return b;
}

TEST(a_wide_tree) {
    size_t fan = 64;
    size_t wide = length() / (fan * fan) + 1;
    uint64_t start = test_now_ns();
    struct branch *root = branch_new(wide);
    for (size_t i = 0; i < wide; i++) {
        struct branch *middle = branch_new(fan);
        wane_slot_give(&root->to[i], middle);
        for (size_t j = 0; j < fan; j++) {
            struct branch *leaves = branch_new(fan);
            wane_slot_give(&middle->to[j], leaves);
            for (size_t k = 0; k < fan; k++) {
                wane_slot_give(&leaves->to[k], branch_new(0));
            }
        }
    }
    on_small_stack(release_it, root);
    stress_check_empty();
    printf("tree: %.0f ms\n", (double)(test_now_ns() - start) / 1e6);
    CHECK_EQ_UINT(atomic_load(&branches_dead), 1 + wide * (1 + fan + fan * fan));
}
