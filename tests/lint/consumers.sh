#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# consumers.sh KIND ROOT BUILD MESON: a program of somebody else's finds the library, is built and runs.
#   cmake       the installed one, by find_package(wane) and wane::wane
#   subproject  its sources in subprojects/wane, by dependency('wane', fallback: ['wane', 'wane_dep'])
set -eu

kind=$1 root=$(realpath "$2") build=$(realpath "$3") meson=$4
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unset CFLAGS CXXFLAGS LDFLAGS PKG_CONFIG_PATH CMAKE_PREFIX_PATH

mkdir "$tmp/user"
cat >"$tmp/user/program.c" <<'END'
#include <string.h>
#include <wane.h>

int main(void) { return strcmp(wane_version(), VERSION) != 0; }
END
cat >"$tmp/user/program.cc" <<'END'
#include <cstring>
#include <wane.hpp>

int main() { return std::strcmp(wane_version(), VERSION) != 0 || !wane::make<int>(); }
END
cat >"$tmp/user/values.c" <<'END'
#include <wane/values.h>

int main(void) {
    WANE_AUTO wane_str *s = wane_str_from("seven");
    return wane_str_len(s) != 5;
}
END
version=$(sed -n "s/^  version: '\(.*\)',/\1/p" "$root/meson.build")

run() {
    for program; do
        "$program" || { echo "$program: wrong version or crash"; exit 1; }
    done
}

case $kind in
cmake)
    command -v cmake >/dev/null || { echo 'skip: no cmake'; exit 77; }
    command -v c++ >/dev/null || { echo 'skip: no C++ compiler'; exit 77; }
    DESTDIR=$tmp/root "$meson" install -C "$build" --no-rebuild --quiet >/dev/null
    prefix=$(dirname "$(find "$tmp/root" -type d -name include)")
    cat >"$tmp/user/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.13)
project(user C CXX)
set(CMAKE_CXX_STANDARD 17)
find_package(wane ${WANTED} REQUIRED)
foreach(kind c cc)
  foreach(target wane wane_static)
    add_executable(${kind}_${target} program.${kind})
    target_compile_definitions(${kind}_${target} PRIVATE VERSION="${wane_VERSION}")
    target_link_libraries(${kind}_${target} PRIVATE wane::${target})
  endforeach()
endforeach()
if(NOT TARGET wane::values)
  return()
endif()
foreach(target values values_static)
  add_executable(c_${target} values.c)
  target_link_libraries(c_${target} PRIVATE wane::${target})
endforeach()
END
    # configure WANTED: fails when there is no such version.
    configure() {
        rm -rf "$tmp/out"
        cmake -S "$tmp/user" -B "$tmp/out" -DCMAKE_PREFIX_PATH="$prefix" -DWANTED="$1" >"$tmp/log" 2>&1
    }
    for wrong in 99 0.0 0.99 "$version.1"; do
        if configure "$wrong"; then
            echo "find_package(wane $wrong) takes $version"
            exit 1
        fi
    done
    for right in "" "$version" "${version%.*}" "${version%%.*}"; do
        configure "$right" || { cat "$tmp/log"; exit 1; }
    done
    cmake --build "$tmp/out" >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
    run "$tmp/out/c_wane" "$tmp/out/c_wane_static" "$tmp/out/cc_wane" "$tmp/out/cc_wane_static"
    [ ! -e "$build/lib/value" ] || run "$tmp/out/c_values" "$tmp/out/c_values_static"
    ;;
subproject)
    mkdir "$tmp/user/subprojects"
    ln -s "$root" "$tmp/user/subprojects/wane"
    cat >"$tmp/user/meson.build" <<'END'
project('user', 'c', 'cpp', default_options: ['cpp_std=c++17', 'c_std=gnu11'])
wane_dep = dependency('wane', fallback: ['wane', 'wane_dep'])
foreach kind : ['c', 'cc']
  executable(kind + '_wane', 'program.' + kind,
    dependencies: wane_dep,
    cpp_args: '-DVERSION="@0@"'.format(wane_dep.version()),
    c_args: '-DVERSION="@0@"'.format(wane_dep.version()),
  )
endforeach
values_dep = dependency('wane-values', fallback: ['wane', 'wane_values_dep'], required: false)
if values_dep.found()
  executable('c_values', 'values.c', dependencies: values_dep)
endif
END
    # Nothing of the tests is built inside another project, and the program is warned of nothing in the headers.
    for way in shared static; do
        PKG_CONFIG_LIBDIR=$tmp "$meson" setup "$tmp/$way" "$tmp/user" -Ddefault_library=$way -Dwarning_level=3 -Dwerror=true \
            >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
        ninja -C "$tmp/$way" >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
        run "$tmp/$way/c_wane" "$tmp/$way/cc_wane"
        [ ! -e "$build/lib/value" ] || run "$tmp/$way/c_values"
    done
    if find "$tmp/shared" -path '*/wane/tests/*' | grep .; then
        echo 'tests are built in a subproject'
        exit 1
    fi
    ! readelf -dW "$tmp/static/c_wane" | grep 'NEEDED.*libwane' || { echo 'not linked statically'; exit 1; }
    ;;
esac
