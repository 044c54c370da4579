#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# samecode.sh INCLUDE CC CXX: wane.hpp costs nothing over the C calls. Of each pair of functions below, compiled with
# -O2, the one in C++ has no more instructions than the one in C, and calls no further function.
set -eu

include=$1 cc=$2 cxx=$3
for compiler in "$cc" "$cxx"; do
    command -v "$compiler" >/dev/null || { echo "skip: no $compiler"; exit 77; }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/c.c" <<'END'
#include <wane.h>
struct node { int number; wane_slot next; };
struct node *copy(struct node *const *p) {
    struct node *mine = *p;
    wane_retain(mine);
    return mine;
}
void release(struct node **p) { wane_release(*p); }
void use(struct node *const *p, void (*fn)(struct node *)) {
    struct node *mine = *p;
    wane_retain(mine);
    fn(mine);
    wane_release(mine);
}
int peek(wane_slot *s) {
    wane_guard_enter();
    int n = ((struct node *)wane_slot_peek(s))->number;
    wane_guard_leave();
    return n;
}
struct node *load(wane_slot *s) { return wane_slot_load(s); }
END
cat >"$tmp/cxx.cc" <<'END'
#include <wane.hpp>
struct node { int number; wane::slot<node> next; };
extern "C" {
node *copy(const wane::ref<node> *p) { return wane::ref<node>(*p).detach(); }
void release(wane::ref<node> *p) { p->~ref(); }
void use(const wane::ref<node> *p, void (*fn)(node *) noexcept) {
    wane::ref<node> mine = *p;
    fn(mine.get());
}
int peek(wane::slot<node> *s) {
    wane::guard g;
    return s->peek(g)->number;
}
node *load(wane::slot<node> *s) { return s->load().detach(); }
}
END

# count OBJECT: for each function its number of instructions; those that only pad are none.
count() {
    objdump -d --no-show-raw-insn "$1" | awk '
        /^[0-9a-f]+ <.*>:$/ {
            name = $2
            gsub(/[<>:]/, "", name)
            sub(/\.(cold|part).*/, "", name)
        }
        /^ +[0-9a-f]+:/ && $2 !~ /^(nop|nopw|nopl|data16|cs|xchg|endbr64|int3)/ { n[name]++ }
        END { for (i in n) print i, n[i] }
    ' | LC_ALL=C sort
}

# Exceptions have nothing to unwind here, and tables of them are no instructions.
"$cc" -std=c17 -O2 -I"$include" -c "$tmp/c.c" -o "$tmp/c.o"
"$cxx" -std=c++17 -O2 -fno-exceptions -I"$include" -c "$tmp/cxx.cc" -o "$tmp/cxx.o"
count "$tmp/c.o" >"$tmp/c.count"
count "$tmp/cxx.o" >"$tmp/cxx.count"
grep -q '^use ' "$tmp/c.count" || { echo 'self-test: no function found'; exit 1; }
# compare: fails when C++ has more.
compare() {
    LC_ALL=C join -a 2 "$tmp/c.count" "$tmp/cxx.count" | awk '
        NF < 3 { print $1 ": is not inlined in C++"; bad = 1; next }
        { print $1 ": " $2 " instructions in C, " $3 " in C++" }
        $3 > $2 { bad = 1 }
        END { exit bad }
    '
}
compare
sed -i 's/p->~ref();/p->~ref(); p->~ref();/' "$tmp/cxx.cc"
"$cxx" -std=c++17 -O2 -fno-exceptions -I"$include" -c "$tmp/cxx.cc" -o "$tmp/cxx.o"
count "$tmp/cxx.o" >"$tmp/cxx.count"
if compare >"$tmp/out"; then
    echo 'self-test: a further release is not noticed'
    exit 1
fi
