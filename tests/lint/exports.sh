#!/bin/sh
# SPDX-FileCopyrightText: 2026 The libwane authors
# SPDX-License-Identifier: MIT
#
# exports.sh MAP LIBRARY HEADER...: what the library exports is what the map lists, and every name
# that a public header marks for export is in the map.
set -eu

map=$1 lib=$2
shift 2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export LC_ALL=C

perl -0777 -ne '
    s{/\*.*?\*/}{}gs;
    die "a wildcard exports names that nobody listed\n" if /global:[^}]*?[*?][^}]*?local:/s;
    s/local:.*?\}/}/gs;
    while (/\b(\w+)\s*;/g) { print "$1\n" }
' "$map" >"$tmp/listed"
sort -u "$tmp/listed" >"$tmp/map"
if ! [ -s "$tmp/map" ]; then
    echo "no name in $map"
    exit 1
fi

# Absolute symbols are the names of the version nodes.
nm -D --defined-only "$lib" | awk '$(NF - 1) != "A" { sub(/@.*/, "", $NF); print $NF }' |
    sort -u >"$tmp/exported"

perl -0777 -ne '
    s{/\*.*?\*/}{}gs; s{//[^\n]*}{}g;
    s/^[ \t]*#(?:[^\n]*\\\n)*[^\n]*$//gm;
    1 while s/__attribute__\s*(\((?:[^()]++|(?1))*\))//;
    while (/\bWANE_(?:API|INLINE)\b([^;{]*)/g) {
        my $text = $1;
        print "$1\n" if $text =~ /\b(wane_\w+)\s*\(/ || $text =~ /\b(wane_\w+)\s*(?:\[.*)?$/s;
    }
' "$@" | sort -u >"$tmp/declared"
if ! [ -s "$tmp/declared" ]; then
    echo 'no WANE_API name found in the headers'
    exit 1
fi

status=0
# only_in A B MESSAGE: lines of A that B lacks are an error.
only_in() {
    comm -23 "$1" "$2" >"$tmp/extra"
    if [ -s "$tmp/extra" ]; then
        sed "s|^|$3: |" "$tmp/extra"
        status=1
    fi
}
only_in "$tmp/map" "$tmp/exported" 'in the map, not exported'
only_in "$tmp/exported" "$tmp/map" 'exported, not in the map'
only_in "$tmp/declared" "$tmp/map" 'declared for export, not in the map'
[ "$status" = 0 ] && echo "$(wc -l <"$tmp/map") names"
exit $status
