// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// wane.hpp: references, slots, weak references, guards, and classes whose objects are made by
// constructors, ended by destructors, and collected.

#include <wane.hpp>

#include "harness.h"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

namespace {

std::atomic<int> alive, finalized;
const std::string node_text = "a text that is too long for the small string optimization";

struct node {
    explicit node(int n) : number(n), text(node_text) {
        alive++;
    }
    ~node() {
        CHECK(left.empty() && right.empty());
        alive--;
    }
    int number;
    std::string text;
    wane::slot<node> left, right;
    using wane_slots = wane::slots<&node::left, &node::right>;
};

// Without a destructor the library needs no callback.
struct plain {
    int numbers[4];
    wane::slot<node> to[3];
    using wane_slots = wane::slots<&plain::to>;
};
static_assert(std::is_trivially_destructible_v<plain>);

struct shape {
    virtual ~shape() { alive--; }
    virtual int sides() const = 0;
    wane::slot<shape> next;
    using wane_slots = wane::slots<&shape::next>;

  protected:
    shape() { alive++; }
};
struct second {
    virtual ~second() = default;
    int value = 5;
};
class square : public shape, public second {
    friend struct wane::access;
    wane::slot<node> corner_;
    using wane_slots = wane::more_slots<shape, &square::corner_>;
    static constexpr const char *wane_name = "a square";
    static constexpr unsigned wane_flags = WANE_TYPE_ACYCLIC;
    void wane_finalize() { finalized++; }

  public:
    explicit square(wane::ref<node> corner) : corner_(std::move(corner)) {}
    int sides() const override { return 4; }
    wane::ref<node> corner() const { return corner_.load(); }
};

// Slots in memory of its own.
struct table {
    explicit table(std::size_t n) : size(n), entries(new wane::slot<node>[n]) { alive++; }
    ~table() { alive--; }
    void wane_trace(wane::visitor &v) {
        if (entries != nullptr) {
            v(entries.get(), size - 1);
            v(entries[size - 1]);
        }
    }
    const std::size_t size;
    const std::unique_ptr<wane::slot<node>[]> entries;
};

void nothing_is_left() {
    CHECK_EQ_INT(wane_flush(), 0);
    wane_stats s = {};
    s.struct_size = sizeof s;
    CHECK_EQ_INT(wane_stats_get(&s), 0);
    CHECK_EQ_UINT(s.live_objects, 0);
    CHECK_EQ_INT(alive, 0);
}

wane::slot<node> place;

} // namespace

void test_teardown() { nothing_is_left(); }

TEST(references) {
    wane::ref<node> a = wane::make<node>(1), empty, null = nullptr;
    CHECK(a && !empty && !null && empty == null && a != nullptr && nullptr != a && empty == nullptr);
    CHECK_EQ_UINT(wane_refcount(a.get()), 1);
    CHECK(a.unique());
    wane::ref<node> b = a;
    CHECK(a == b && !a.unique());
    CHECK_EQ_UINT(wane_refcount(a.get()), 2);
    wane::ref<node> c = std::move(b);
    CHECK(!b && c == a);
    CHECK_EQ_UINT(wane_refcount(a.get()), 2);
    const auto &same = c;
    c = same;
    wane::ref<node> &itself = c;
    c = std::move(itself);
    CHECK_EQ_UINT(wane_refcount(a.get()), 2);
    c = empty;
    CHECK(!c && a.unique());
    {
        std::vector<wane::ref<node>> many(100, a);
        CHECK_EQ_UINT(wane_refcount(a.get()), 101);
        many.erase(many.begin(), many.begin() + 40);
        CHECK_EQ_UINT(wane_refcount(a.get()), 61);
    }
    wane::ref<const node> fixed = a;
    CHECK_EQ_INT(fixed->number, (*a).number);
    fixed.reset();
    node *unit = a.detach();
    CHECK_EQ_INT(alive, 1);
    a = wane::ref<node>::adopt(unit);
    c = wane::ref<node>::retain(unit);
    std::unordered_set<wane::ref<node>> set{a, c};
    CHECK_EQ_UINT(set.size(), 1);
    swap(a, empty);
    CHECK(!a && empty == c && !(a < a));
    c.share();
    std::thread([moved = std::move(c)] { CHECK_EQ_INT(moved->number, 1); }).join();
    empty.release_later();
    CHECK(!empty);
}

TEST(classes_and_their_bases) {
    wane::ref<square> s = wane::make<square>(wane::make<node>(3));
    CHECK_EQ_STR(wane_typeof(s.get())->name, "a square");
    CHECK_EQ_UINT(wane_typeof(s.get())->flags, WANE_TYPE_ACYCLIC);
    CHECK(wane_typeof(s.get()) == wane::type<square>());
    const std::string name = wane::type<plain>()->name; // the compilers write the rest each in its way
    CHECK(name.size() > 5 && name.substr(name.size() - 5) == "plain");
    wane::ref<shape> base = s;
    CHECK_EQ_INT(base->sides(), 4);
    CHECK(wane::cast<square>(base) == s);
    base->next = wane::make<square>(nullptr);
    CHECK_EQ_INT(s->corner()->number, 3);
    s = nullptr;
    CHECK_EQ_INT(alive, 3);
    base = nullptr;
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_INT(alive, 0);
    CHECK_EQ_INT(finalized.exchange(0), 2);
}

static void as_the_second_base(void *unused) {
    (void)unused;
    wane::ref<second> odd = wane::make<square>(nullptr);
}

TEST(a_base_that_is_not_first) {
    check_aborts(as_the_second_base, nullptr, "does not stand first");
}

TEST(the_list_of_slots) {
    const std::size_t *list = wane::type<plain>()->slots;
    for (std::size_t i = 0; i < 3; i++)
        CHECK_EQ_UINT(list[i], offsetof(plain, to) + i * sizeof(wane_slot));
    CHECK_EQ_UINT(list[3], WANE_SLOTS_END);
    CHECK(wane::type<plain>()->destroy == nullptr && wane::type<node>()->destroy != nullptr);
    auto s = wane::make<square>(nullptr);
    auto begin = reinterpret_cast<char *>(s.get());
    list = wane::type<square>()->slots;
    CHECK_EQ_PTR(begin + list[0], s->next.c_slot());
    CHECK(list[1] > list[0] && list[1] < sizeof(square) && list[2] == WANE_SLOTS_END);
    static_assert(wane::slots<>::count == 0);
}

TEST(slots) {
    wane::ref<node> a = wane::make<node>(1), b = wane::make<node>(2);
    place = a;
    CHECK_EQ_UINT(wane_refcount(a.get()), 2);
    CHECK(place.load() == a);
    {
        wane::guard g;
        wane::guard inner;
        CHECK_EQ_PTR(place.peek(g), a.get());
    }
    CHECK_EQ_PTR(place.peek_locked(), a.get());
    CHECK(!place.compare_exchange(b.get(), nullptr) && place.compare_exchange(a.get(), b));
    CHECK(place.exchange(a) == b && place.take() == a && place.empty() && !place.load());
    place.store(b);
    place.give(std::move(b));
    CHECK(!b);
    place = nullptr;
    place = std::move(a);
    place.clear();
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_INT(alive, 0);
}

TEST(roots_empty_themselves) {
    {
        std::vector<wane::root<node>> roots(10);
        for (auto &r : roots)
            r = wane::make<node>(7);
        auto one = std::make_unique<wane::root<node>>(wane::make<node>(8));
        CHECK_EQ_INT(alive, 11);
        CHECK_EQ_INT(one->load()->number, 8);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_INT(alive, 0);
}

TEST(weak_references) {
    wane::weak<node> none, of_nothing{wane::ref<node>()};
    CHECK(!none.lock() && !of_nothing.lock());
    wane::ref<node> a = wane::make<node>(4);
    wane::weak<node> w(a), copy = w;
    CHECK(w.lock() == a && copy.lock() == a);
    CHECK(a.unique());
    wane::root<wane_weak> kept = w.object();
    w.reset();
    CHECK(!w.lock());
    a.reset();
    CHECK(!copy.lock());
    CHECK(!wane::weak<node>(kept.load()).lock());
    CHECK_EQ_INT(alive, 0);
}

TEST(cycles_are_collected) {
    for (int i = 0; i < 100; i++) {
        auto a = wane::make<node>(1), b = wane::make<node>(2);
        a->left = b;
        b->right = a;
        auto p = wane::make<plain>();
        p->to[2] = a;
        CHECK_EQ_INT(p->numbers[3], 0);
    }
    wane_gc_collect(2);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_INT(alive, 0);
}

TEST(slots_that_are_traced) {
    {
        auto t = wane::make<table>(100u);
        auto n = wane::make<node>(1);
        for (std::size_t i = 0; i < t->size; i++)
            t->entries[i] = wane::make<node>(static_cast<int>(i));
        wane_gc_collect(2);
        CHECK_EQ_INT(alive, 102);
        CHECK_EQ_INT(t->entries[99].load()->number, 99);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_INT(alive, 0);
}

namespace {

// A constructor that throws when what stands before is made.
struct fragile {
    explicit fragile(int when)
        : first(when < 1 ? throw std::runtime_error("at once") : 1), held(wane::make<node>(2)), slot(held) {
        if (when < 2)
            throw std::logic_error("late");
    }
    ~fragile() { finalized += 100; }
    void wane_finalize() { finalized++; }
    void wane_trace(wane::visitor &) {}
    int first;
    wane::ref<node> held;
    wane::slot<node> slot;
    using wane_slots = wane::slots<&fragile::slot>;
};

} // namespace

TEST(constructors_that_throw) {
    finalized = 0;
    for (int when = 0; when < 2; when++) {
        for (int i = 0; i < 1000; i++) {
            bool caught = false;
            try {
                (void)wane::make<fragile>(when);
            } catch (const std::exception &e) {
                CHECK_EQ_STR(e.what(), when == 0 ? "at once" : "late");
                caught = true;
            }
            CHECK(caught);
            CHECK_EQ_INT(finalized, 0);
        }
        nothing_is_left();
    }
    auto whole = wane::make<fragile>(2);
    CHECK_EQ_INT(wane::forget<fragile>(), -EBUSY);
    whole.reset();
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_INT(finalized.exchange(0), 101);
    CHECK_EQ_INT(wane::forget<fragile>(), 0);
}

TEST(out_of_memory_is_an_exception) {
    struct huge {
        char bytes[std::size_t{1} << 50];
    };
    bool caught = false;
    try {
        (void)wane::make<huge>();
    } catch (const std::bad_alloc &) {
        caught = true;
    }
    CHECK(caught);
}

// Readers in guards, a writer, and everything that dies meanwhile.
TEST(threads) {
    std::atomic<bool> over{false};
    place = wane::make<node>(0);
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; i++) {
        readers.emplace_back([&over] {
            while (!over) {
                wane::guard g;
                const node *n = place.peek(g);
                CHECK(n->number >= 0 && n->text.size() == node_text.size());
                wane::ref<node> held = wane::ref<node>::retain(place.peek(g));
                wane::ref<node> loaded = place.load();
                CHECK(held->number <= loaded->number);
            }
        });
    }
    for (int i = 1; i < 20000; i++)
        place = wane::make<node>(i);
    over = true;
    for (auto &r : readers)
        r.join();
    place.clear();
}
