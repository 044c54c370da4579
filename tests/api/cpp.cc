// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// The public header in a C++17 program: types by WANE_SLOTS, a smart pointer over units,
// thread_local objects whose destructors use the library at thread exit, globals that do so at the
// end.

#include <wane.h>

#include "harness.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

struct node {
    wane_slot left;
    wane_slot right;
    std::uint64_t number;
    std::string *text;
};

std::atomic<std::size_t> dead;

void node_destroy(void *self) {
    auto *n = static_cast<node *>(self);
    delete n->text;
    dead++;
}

// Members in the order of the struct: C++17 has no designated initialisers.
wane_type node_type = {"node",  sizeof(node), WANE_SLOTS(node, left, right),
                       nullptr, nullptr,      node_destroy,
                       0,       nullptr,      {}};

node *node_new(std::uint64_t number) {
    auto *n = static_cast<node *>(wane_new(&node_type));
    CHECK(n != nullptr);
    n->number = number;
    n->text = new std::string("a text that is too long for the small string optimization");
    return n;
}

// What a user would write over units.
template <class T> class ref {
  public:
    ref() = default;
    explicit ref(T *consumed) : p(consumed) {}
    ref(const ref &o) : p(static_cast<T *>(wane_retain(o.p))) {}
    ref(ref &&o) noexcept : p(std::exchange(o.p, nullptr)) {}
    ref &operator=(ref o) noexcept {
        std::swap(p, o.p);
        return *this;
    }
    ~ref() { wane_release(p); }
    T *get() const { return p; }
    T *operator->() const { return p; }

  private:
    T *p = nullptr;
};

wane_slot place = WANE_SLOT_EMPTY;

void no_node_is_left() {
    CHECK_EQ_INT(wane_flush(), 0);
    wane_stats s = {};
    s.struct_size = sizeof s;
    CHECK_EQ_INT(wane_stats_get(&s), 0);
    CHECK_EQ_UINT(s.live_objects, 0);
    CHECK_EQ_UINT(s.deferred_pending, 0);
}

}  // namespace

void test_teardown() { no_node_is_left(); }

TEST(offsets) {
    CHECK_EQ_UINT(node_type.slots[0], offsetof(node, left));
    CHECK_EQ_UINT(node_type.slots[1], offsetof(node, right));
    CHECK_EQ_UINT(node_type.slots[2], WANE_SLOTS_END);
}

TEST(a_smart_pointer) {
    std::size_t before = dead;
    {
        ref<node> a(node_new(1));
        ref<node> b = a;
        CHECK_EQ_UINT(wane_refcount(a.get()), 2);
        ref<node> c = std::move(b);
        CHECK_EQ_PTR(b.get(), nullptr);
        std::vector<ref<node>> many(100, c);
        CHECK_EQ_UINT(wane_refcount(a.get()), 102);
        wane_slot_store(&c->left, ref<node>(node_new(2)).get());
        many.erase(many.begin(), many.begin() + 50);
        CHECK_EQ_UINT(wane_refcount(a.get()), 52);
    }
    no_node_is_left();
    CHECK_EQ_UINT(dead, before + 2);
}

TEST(slots_and_guards) {
    wane_slot_give(&place, node_new(1));
    wane_guard_enter();
    auto *n = static_cast<node *>(wane_slot_peek(&place));
    CHECK_EQ_UINT(n->number, 1);
    wane_guard_leave();
    ref<node> r(static_cast<node *>(wane_slot_load(&place)));
    CHECK(wane_slot_cas(&place, r.get(), nullptr));
    ref<wane_weak> w(wane_weak_new(r.get(), nullptr, nullptr));
    CHECK_EQ_PTR(ref<node>(static_cast<node *>(wane_weak_get(w.get()))).get(), r.get());
    node *var = node_new(2);
    wane_clear(&var);
    CHECK_EQ_PTR(var, nullptr);
    WANE_AUTO node *held = node_new(3);
    CHECK(wane_is_unique(held));
}

TEST(extra_and_share) {
    auto *n = static_cast<node *>(wane_new_extra(&node_type, 1000));
    CHECK(n != nullptr && wane_share(n) == n);
    std::memset(n + 1, 1, 1000);
    std::thread([n] { wane_release(n); }).join();
}

// A slot is no object: overload resolution finds a deleted function.
template <class T, class = void> struct can_be_released : std::false_type {};
template <class T>
struct can_be_released<T, std::void_t<decltype(wane_release(std::declval<T>()))>> : std::true_type {
};
template <class T, class = void> struct can_be_retained : std::false_type {};
template <class T>
struct can_be_retained<T, std::void_t<decltype(wane_retain(std::declval<T>()))>> : std::true_type {
};
template <class T, class = void> struct can_be_stored : std::false_type {};
template <class T>
struct can_be_stored<T, std::void_t<decltype(wane_slot_store(&place, std::declval<T>()))>>
    : std::true_type {};
static_assert(can_be_released<node *>::value && !can_be_released<wane_slot *>::value, "release");
static_assert(can_be_retained<node *>::value && !can_be_retained<wane_slot *>::value, "retain");
static_assert(can_be_stored<node *>::value && !can_be_stored<wane_slot *>::value, "store");

// Conveniences.
struct typed {
    WANE_SLOT(typed) next;
    WANE_SLOT(node) holds;
};
wane_type typed_type = {"typed", sizeof(typed), WANE_SLOTS(typed, next, holds), nullptr, nullptr, nullptr, 0, nullptr, {}};
template <class S, class T, class = void> struct fits : std::false_type {};
template <class S, class T>
struct fits<S, T, std::void_t<decltype(wane_slot_give(std::declval<S>(), std::declval<T>()))>> : std::true_type {};
static_assert(fits<wane_slot_of<node> *, node *>::value && !fits<wane_slot_of<node> *, typed *>::value, "typed slots");
static_assert(fits<wane_slot_of<node> *, std::nullptr_t>::value && !fits<wane_slot_of<node> *, void *>::value, "typed slots");
template <class V, class T, class = void> struct can_be_set : std::false_type {};
template <class V, class T>
struct can_be_set<V, T, std::void_t<decltype(wane_set(std::declval<V>(), std::declval<T>()))>> : std::true_type {};
static_assert(can_be_set<node **, node *>::value && !can_be_set<node **, typed *>::value, "set");
static_assert(std::is_same<decltype(wane_retain(std::declval<node *>())), node *>::value, "retain");
static_assert(std::is_same<decltype(wane_share(std::declval<node *>())), node *>::value, "share");
static_assert(std::is_same<decltype(wane_steal(std::declval<node **>())), node *>::value, "steal");

static WANE_IMMORTAL(node) nil = WANE_IMMORTAL_INIT(&node_type, {{}, {}, 5, nullptr});

TEST(conveniences) {
    WANE_AUTO typed *t = WANE_NEW(typed, &typed_type);
    WANE_AUTO node *n = node_new(3);
    wane_slot_give(&t->holds, wane_retain(n));
    node *of_slot = wane_slot_load(&t->holds);
    CHECK_EQ_PTR(of_slot, n);
    node *var = nullptr;
    wane_set(&var, of_slot);
    wane_release(wane_steal(&of_slot));
    CHECK_EQ_PTR(of_slot, nullptr);
    CHECK_EQ_UINT(wane_refcount(n), 3);
    wane_set(&var, nullptr);
    wane_slot_store(&t->holds, nullptr);
    wane_slot_store(&t->holds, &nil.object);
    CHECK_EQ_UINT(wane_slot_peek_locked(&t->holds)->number, 5);
    CHECK_EQ_PTR(wane_typeof(&nil.object), &node_type);
    wane_stats s = WANE_STATS_INIT;
    CHECK_EQ_INT(wane_stats_get(&s), 0);
}

static int guarded_and_thrown(bool thrown) {
    WANE_GC_PAUSED {
        WANE_GUARDED {
            if (thrown) {
                throw 7;
            }
            return 1;
        }
    }
    return 2;
}

TEST(blocks_are_left_by_exceptions) {
    CHECK_EQ_INT(guarded_and_thrown(false), 1);
    int caught = 0;
    try {
        guarded_and_thrown(true);
    } catch (int i) {
        caught = i;
    }
    CHECK_EQ_INT(caught, 7);
    CHECK_EQ_INT(wane_flush(), 0);  // ends the program inside a guard
}

namespace {

// Lives as long as its thread; its destructor runs after the thread's function has returned.
struct cache {
    ref<node> first, second;
    ~cache() {
        wane_slot_give(&place, node_new(9));
        second = ref<node>(static_cast<node *>(wane_slot_load(&place)));
        wane_guard_enter();
        CHECK(wane_slot_peek(&place) != nullptr);
        wane_guard_leave();
    }
};
thread_local cache of_thread;
// Made later, destroyed earlier.
thread_local ref<node> of_thread_too;

}  // namespace

TEST(thread_locals_use_the_library) {
    for (int i = 0; i < 100; i++) {
        std::thread([i] {
            if (i % 2 == 0) {
                // The thread is attached before its thread_locals are made, or by them.
                wane_release(node_new(1));
            }
            of_thread.first = ref<node>(node_new(2));
            of_thread_too = of_thread.first;
        }).join();
    }
    wane_slot_clear(&place);
}

namespace {

// Destroyed at exit, after main: the library must still work.
struct at_the_end {
    ref<node> held;
    ~at_the_end() {
        std::size_t before = dead;
        held = ref<node>(node_new(5));
        held = ref<node>();
        if (dead != before + 1) {
            std::_Exit(1);
        }
    }
};
at_the_end last;

}  // namespace

TEST(a_global_uses_the_library_at_exit) {
    // Set at the very end of main, as it were: not alive while the teardown counts.
    CHECK_EQ_PTR(last.held.get(), nullptr);
}
