/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* bench/guard_peer.cc: reading a std::atomic<std::shared_ptr>, which counts, while a writer stores new ones. C++20. */
#include "peers.h"
#include "threads.h"

#include <atomic>
#include <memory>

namespace {

struct value {
    long value;
};

std::atomic<std::shared_ptr<value>> slot;

void write_slot(void *) {
    auto v = std::make_shared<value>();
    v->value = 1;
    slot.store(std::move(v), std::memory_order_release);
}

void writer(bench_thread *t) {
    bench_thread_ready(t);
    bench_thread_write(t, write_slot, nullptr, *static_cast<uint64_t *>(t->arg));
}

constexpr uint64_t no_writer = UINT64_MAX;

void reader(bench_run *r, uint64_t period_ns) {
    bench_thread t;
    write_slot(nullptr);
    if (period_ns != no_writer)
        bench_thread_start(&t, writer, &period_ns);
    long sum = 0;
    while (bench_again(r)) {
        uint64_t n = bench_size(r, 20000, 200);
        for (uint64_t i = 0; i < n; i++) {
            std::shared_ptr<value> v = slot.load(std::memory_order_acquire);
            sum += v->value;
            bench_opaque(sum);
        }
        r->ops += n;
    }
    if (period_ns != no_writer)
        bench_thread_stop(&t);
}

} // namespace

void bench_atomic_sp_idle(bench_run *r) { reader(r, no_writer); }
void bench_atomic_sp_10us(bench_run *r) { reader(r, 10000); }
void bench_atomic_sp_flat(bench_run *r) { reader(r, 0); }
