#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# installed.sh BUILD MESON: a program finds the installed library by pkg-config, is compiled,
# linked and run, in C and C++ where there is a compiler, against the shared and the static library.
# pkg-config knows no other package meanwhile: a user's machine has the library and nothing that it was built with.
set -eu

build=$1 meson=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

DESTDIR=$tmp/root "$meson" install -C "$build" --no-rebuild --quiet >/dev/null
pc=$(find "$tmp/root" -name wane.pc)
[ -n "$pc" ] || { echo 'wane.pc is not installed'; exit 1; }
libdir=$(dirname "$(dirname "$pc")")
if [ -d "$build/docs/reference/man3" ] && ! find "$tmp/root" -path '*/man/man3/wane_retain.3' | grep -q .; then
    echo 'the manual pages are not installed'
    exit 1
fi

# The prefix inside the file is the final one; the definitions say where it is now.
prefix=$tmp/root$(pkg-config --variable=prefix "$pc")
unset PKG_CONFIG_PATH
flags() { PKG_CONFIG_LIBDIR=$(dirname "$pc") pkg-config --define-variable=prefix="$prefix" "$@" wane; }

PKG_CONFIG_LIBDIR=$(dirname "$pc") pkg-config --exists zlib libc ck liburcu-bp &&
    { echo 'self-test: pkg-config finds packages of the system'; exit 1; }
for kind in requires requires-private; do
    [ -z "$(flags --print-$kind)" ] || { echo "wane.pc $kind:"; flags --print-$kind; exit 1; }
done

cat >"$tmp/program.c" <<'END'
#include <stdio.h>
#include <string.h>
#include <wane.h>

int main(void) { return strcmp(wane_version(), VERSION) != 0; }
END
cat >"$tmp/program.cc" <<'END'
#include <cstring>
#include <wane.hpp>

int main() { return std::strcmp(wane_version(), VERSION) != 0 || !wane::make<int>(); }
END
version=-DVERSION="\"$(flags --modversion)\""

# try COMPILER SOURCE
try() {
    case $1 in
    *++) std=-std=c++17 ;;
    *) std=-std=c17 ;;
    esac
    command -v "$1" >/dev/null || { echo "skip: no $1"; return 0; }
    # shellcheck disable=SC2046
    "$1" $std "$version" $(flags --cflags) "$2" -o "$tmp/program" $(flags --libs)
    LD_LIBRARY_PATH=$libdir "$tmp/program" || { echo "$1 $2: wrong version or crash"; exit 1; }
    # shellcheck disable=SC2046
    "$1" $std "$version" $(flags --cflags) "$2" -o "$tmp/program" "$libdir/libwane.a" \
        $(flags --libs --static | sed 's/-lwane\>//')
    "$tmp/program" || { echo "$1 $2, static: wrong version or crash"; exit 1; }
}
for compiler in gcc clang; do
    try $compiler "$tmp/program.c"
done
for compiler in g++ clang++; do
    try $compiler "$tmp/program.cc"
done

# libwane-values, which asks for wane and for no other package; it is built only where libck is.
pc=$(dirname "$pc")/wane-values.pc
[ -e "$build/lib/value" ] || exit 0
[ -e "$pc" ] || { echo 'wane-values.pc is not installed'; exit 1; }
values() { PKG_CONFIG_LIBDIR=$(dirname "$pc") pkg-config --define-variable=prefix="$prefix" "$@" wane-values; }
[ "$(values --print-requires | sed 's/ .*//')" = wane ] || { echo "wane-values.pc requires:"; values --print-requires; exit 1; }
[ -z "$(values --print-requires-private)" ] || { echo "wane-values.pc requires:"; values --print-requires-private; exit 1; }
cat >"$tmp/values.c" <<'END'
#include <wane/values.h>

int main(void) {
    WANE_AUTO wane_str *s = wane_str_from("seven");
    return wane_str_len(s) != 5;
}
END
# shellcheck disable=SC2046
gcc $(values --cflags) "$tmp/values.c" -o "$tmp/program" $(values --libs)
LD_LIBRARY_PATH=$libdir "$tmp/program" || { echo 'values: wrong length or crash'; exit 1; }
# shellcheck disable=SC2046
gcc $(values --cflags) "$tmp/values.c" -o "$tmp/program" "$libdir/libwane-values.a" "$libdir/libwane.a" \
    $(values --libs --static | sed 's/-lwane-values\>//; s/-lwane\>//')
"$tmp/program" || { echo 'values, static: wrong length or crash'; exit 1; }
