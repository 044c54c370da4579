/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * bench/count_peer.cc: copying and dropping a std::shared_ptr. The process has a second thread, so libstdc++ counts
 * with atomic operations.
 */
#include "peers.h"

#include <memory>

namespace {
struct payload {
    long value[6];
};
} // namespace

void bench_shared_ptr_pair(bench_run *r) {
    std::shared_ptr<payload> o = std::make_shared<payload>();
    while (bench_again(r)) {
        uint64_t n = bench_size(r, 200000, 200);
        for (uint64_t i = 0; i < n; i++) {
            std::shared_ptr<payload> *p = &o;
            bench_touch(p);
            std::shared_ptr<payload> copy = *p;
            std::shared_ptr<payload> *q = &copy;
            bench_touch(q);
        }
        r->ops += n;
    }
}
