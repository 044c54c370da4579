/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* C++: a tree of objects that know their parent, and a weak cache. */
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <wane.hpp>

struct folder {
    explicit folder(std::string n) : name(std::move(n)) {
        if (name.empty())
            throw std::invalid_argument("a folder needs a name");
    }
    ~folder() { std::printf("%s goes\n", name.c_str()); }

    std::string name;
    wane::slot<folder> parent, child;
    using wane_slots = wane::slots<&folder::parent, &folder::child>;
};

static wane::slot<folder> home; /* any thread may read and replace it */

static void print_home() {
    wane::guard g;
    const folder *f = home.peek(g); /* borrowed, as long as g lives */
    std::printf("home is %s\n", f != nullptr ? f->name.c_str() : "nowhere");
}

int main() {
    wane::ref<folder> top = wane::make<folder>("top");
    wane::ref<folder> below = wane::make<folder>("below");
    top->child = below;
    below->parent = top; /* a cycle: neither would go without the collector */

    home = below;
    print_home();
    home.clear();

    wane::weak<folder> cached(top);
    if (wane::ref<folder> again = cached.lock())
        std::printf("%s is still there\n", again->name.c_str());

    try {
        wane::ref<folder> none = wane::make<folder>("");
    } catch (const std::invalid_argument &e) {
        std::printf("%s\n", e.what()); /* and nothing of it is left */
    }

    top.reset();
    below = nullptr;
    wane_flush(); /* the decrement that home.clear() deferred is done, and still */
    std::printf("%s\n", cached.lock() ? "each keeps the other" : "gone");
    std::size_t collected = wane_gc_collect(2);
    std::printf("%zu collected, %s\n", collected, cached.lock() ? "alive" : "gone");
}
/* prints:
home is below
top is still there
a folder needs a name
each keeps the other
top goes
below goes
2 collected, gone
*/
