// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// The headers of libwane-values in a C++17 program: containers, and a generator with its macros.

#include <wane/values.h>

#include "harness.h"

namespace {

struct count {
    int wane_state;
    int i;
};
wane_type count_type = [] {
    wane_type t{};
    t.name = "count";
    t.size = sizeof(count);
    return t;
}();

void *count_next(void *self) {
    count *f = static_cast<count *>(self);
    WANE_GENERATOR_BEGIN(f)
    for (f->i = 0; f->i < 3; f->i++)
        WANE_YIELD(f, wane_int_new(f->i));
    WANE_GENERATOR_END(f)
}

}  // namespace

TEST(generators) {
    wane_iter *it = wane_iter_new(&count_type, count_next, wane_new(&count_type));
    CHECK(it != nullptr);
    for (int i = 0; i < 3; i++) {
        wane_int *n = static_cast<wane_int *>(wane_iter_next(it));
        CHECK_EQ_INT(wane_int_value(n), i);
        wane_release(n);
    }
    CHECK_EQ_PTR(wane_iter_next(it), nullptr);
    wane_release(it);
}

TEST(containers) {
    wane_list *l = wane_list_new(0);
    wane_str *s = wane_str_from("a");
    CHECK_EQ_INT(wane_list_append(l, s), 0);
    CHECK_EQ_UINT(wane_list_len(l), 1);
    void *got = wane_list_get(l, 0);
    CHECK_EQ_PTR(got, s);
    wane_release(got);
    wane_release(s);
    wane_release(l);
    CHECK_EQ_INT(wane_flush(), 0);
}
