#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# headers.sh INCLUDE COMPILER STANDARD HEADER...: each header compiles alone and without a warning.
# HEADER... is the list of those that are installed; none in the folder may be missing from it. *.hpp are for C++.
set -eu

include=$(realpath "$1") compiler=$2 standard=$3
shift 3
if ! command -v "$compiler" >/dev/null; then
    echo "skip: no $compiler"
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export LC_ALL=C

for header; do
    header=$(realpath "$header")
    echo "${header#"$include"/}"
done | sort >"$tmp/listed"
case $standard in
c++*) extension='*.h*' ;;
*) extension='*.h' ;;
esac
(cd "$include" && find . -name "$extension") | sed 's|^\./||' | sort >"$tmp/present"
if ! cmp -s "$tmp/listed" "$tmp/present"; then
    echo 'include/meson.build does not list what is in include/:'
    diff "$tmp/listed" "$tmp/present" || true
    exit 1
fi

case $standard in
c++*) source=$tmp/alone.cc ;;
*) source=$tmp/alone.c ;;
esac

# compile LEVEL: fails on any warning.
compile() {
    "$compiler" -std="$standard" "-O$1" -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Werror -I"$include" \
        -c "$source" -o "$tmp/alone.o"
}

# The flags must be able to refuse.
echo 'static int unused; int f(void) { return (int)sizeof(int[0]); }' >"$source"
if compile 0 2>"$tmp/out"; then
    echo "self-test: $compiler accepts a file that it should warn about"
    exit 1
fi

while read -r header; do
    # Twice, for the include guard; the declaration keeps the file from being empty.
    printf '#include <%s>\n#include <%s>\nextern int not_empty;\n' "$header" "$header" >"$source"
    for level in 0 2; do
        compile $level || { echo "$header at -O$level"; exit 1; }
    done
done <"$tmp/listed"
