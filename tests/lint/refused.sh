#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# refused.sh INCLUDE COMPILER STANDARD: the conveniences compile without a warning, also where compilers are asked for
# more of them than usual, and what they should refuse is refused.
set -eu

include=$(realpath "$1") compiler=$2 standard=$3
if ! command -v "$compiler" >/dev/null; then
    echo "skip: no $compiler"
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
case $standard in
c++*) source=$tmp/a.cc ;;
*) source=$tmp/a.c ;;
esac

# compile FLAGS STATEMENTS: in a function that has two types of objects at hand.
compile() {
    cat >"$source" <<END
#include <wane.h>
struct other { int number; };
struct node { WANE_SLOT(struct node) next; wane_slot any; };
extern wane_type node_type, other_type;
void f(struct node *n, struct other *o, wane_slot *s);
void f(struct node *n, struct other *o, wane_slot *s) { (void)n; (void)o; (void)s; $2 }
END
    # shellcheck disable=SC2086
    "$compiler" -std="$standard" -O1 -Wall -Wextra -Wpedantic -Wshadow -Werror $1 -I"$include" -c "$source" -o "$tmp/a.o"
}
accept() {
    compile '-Wcast-qual -Wcast-align' "$1" || { echo "refused: $1"; exit 1; }
}
# An error, not only a warning.
refuse() {
    if compile '-Wno-error' "$1" >"$tmp/out" 2>&1; then
        echo "accepted: $1"
        exit 1
    fi
}

accept 'wane_slot_store(&n->next, n); wane_slot_store(&n->any, o); wane_slot_store(s, o); wane_slot_give(&n->next, NULL);'
accept 'struct node *m = wane_slot_load(&n->next); wane_release(wane_steal(&m)); wane_set(&m, n); wane_clear(&m);'
accept 'struct node *m = wane_retain(wane_share(wane_retain(n))); wane_set(&m, wane_slot_swap(&n->next, m)); wane_retain(m);'
accept 'const struct node *c = n; WANE_GUARDED { WANE_GUARDED { (void)wane_slot_peek(&c->next); (void)wane_slot_peek(&c->any); } }'
accept 'WANE_GC_PAUSED { WANE_AUTO struct node *m = WANE_NEW(struct node, &node_type); wane_slot_init(&m->next, wane_steal(&m)); }'
accept 'struct other *const fixed = o; wane_release(wane_retain(fixed)); struct other *a[2] = {o, o}; int i = 0; wane_set(&a[i++], fixed);'
accept 'static WANE_IMMORTAL(struct other) one = WANE_IMMORTAL_INIT(&other_type, {1}); wane_release(&one.object);'
accept 'wane_stats w = WANE_STATS_INIT; (void)w; (void)wane_slot_cas(&n->next, n, NULL); (void)wane_slot_peek_locked(s);'

refuse 'wane_slot_store(&n->next, o);'
refuse 'wane_slot_give(&n->next, o);'
refuse 'wane_slot_init(&n->next, o);'
refuse '(void)wane_slot_swap(&n->next, o);'
refuse '(void)wane_slot_cas(&n->next, n, o);'
refuse '(void)wane_slot_cas(&n->next, o, n);'
refuse 'wane_set(&n, o);'
refuse 'wane_set(&n, s);'
refuse '(void)wane_steal(s);'
refuse '(void)wane_steal(&s);'
refuse 'wane_slot_store(&n->any, s);'
refuse 'wane_slot_store(n, n);'
refuse '(void)wane_retain(s);'
