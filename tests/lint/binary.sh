#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# binary.sh LIBRARY: what the built library promises to the loader.
# It is never unloaded (threads run its exit code), and its thread-local storage is at most 64 bytes
# of the static kind, because the loader keeps little of that for libraries opened later.
set -eu

lib=$1
readelf -dW "$lib" | grep -q NODELETE || { echo 'not linked with -z nodelete'; exit 1; }
readelf -dW "$lib" | grep -q 'soname: \[libwane\.so\.0\]' || { echo 'wrong soname'; exit 1; }

size=$(readelf -lW "$lib" | awk '$1 == "TLS" { print $6 }')
if [ -n "$size" ] && [ $((size)) -gt 64 ]; then
    echo "$((size)) bytes of thread-local storage, at most 64 are allowed"
    exit 1
fi
if readelf -rW "$lib" | grep -qE 'DTPMOD|TLSDESC'; then
    echo 'thread-local storage is not of the initial-exec model:'
    readelf -rW "$lib" | grep -E 'DTPMOD|TLSDESC'
    exit 1
fi
